"""Whatever becomes of a cached file, a bit flipped, cut, zeroed or gone: it is made again, and is right."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from small_runs import make_set, pictures

from sslviz import images, imagesets, kept, settings, sprites
from sslviz.embeddings import chosen, queries
from sslviz.imagesets import ImageSet
from sslviz.worker import beginning


def damages(data: bytes) -> Iterator[bytes]:
    """Flips at places spread over all of it, cuts, zeros, and more than there was."""
    for place in np.linspace(0, len(data) - 1, 12).astype(int).tolist():
        for bit in (0x01, 0x80):
            flipped = bytearray(data)
            flipped[place] ^= bit
            yield bytes(flipped)
    for size in (0, 1, 3, 4, 5, len(data) // 2, len(data) - 1):
        yield data[:size]
    yield from (bytes(len(data)), bytes(4), b"null", data + b"x")


def ruin(path: Path) -> Iterator[None]:
    """Each damage in turn, then a folder in its place, then nothing."""
    whole = path.read_bytes()
    for damaged in damages(whole):
        path.write_bytes(damaged)
        yield
        path.unlink(missing_ok=True)
    path.unlink(missing_ok=True)
    yield


def opened() -> ImageSet:
    return imagesets.open_set(settings.workspace(), "pics")


def only(pattern: str) -> Path:
    (path,) = settings.load().home.glob(pattern)
    return path


@pytest.fixture(autouse=True)
def some_images() -> None:
    make_set(count=6)


def sheet() -> Any:
    return sprites.sheets(opened())[0].jpeg


def squares() -> Any:
    return opened().squares(16).tobytes()


@pytest.mark.parametrize(
    ("make", "where"),
    [(sheet, "cache/sprites/*.bin"), (squares, "workspaces/local/sets/*/arrays/*.npy")],
)
def test_what_can_be_made_again_is(make: Callable[[], Any], where: str) -> None:
    right = make()
    count = 0
    for _ in ruin(only(where)):
        assert make() == right
        count += 1
    assert count > 30


def test_what_cannot_be_made_again_is_forgotten() -> None:
    name = chosen.keep(opened(), [1, 4])
    for _ in ruin(only("cache/chosen/*.json")):
        assert chosen.recall(opened(), name) in ([], [1, 4])  # a space more changes nothing
    picture = images.bitmap(pictures(1, 64, 3)[0])
    query = queries.uploaded(settings.workspace(), "x.png", picture)
    assert queries.recall(settings.workspace(), query.key) is not None
    for _ in ruin(only("workspaces/local/queries/*.bin")):
        assert queries.recall(settings.workspace(), query.key) is None


def test_a_measured_speed_is_measured_again() -> None:
    path = kept.area_of("calibration") / "speeds.bin"
    kept.write(path, {}, speeds={"this machine": {"step": 0.5}})
    assert beginning._read_calibration(path) == {"this machine": {"step": 0.5}}
    for _ in ruin(path):
        assert beginning._read_calibration(path) == {}


def test_a_finding_that_is_not_whole_is_none() -> None:
    path = kept.area_of("some") / "x.bin"
    kept.write(path, {"a": np.arange(12.0), "b": np.zeros((2, 3), np.uint8)}, of="pics")
    assert kept.read(path) is not None
    for _ in ruin(path):
        assert kept.read(path) is None
    path.mkdir()
    assert kept.read(path) is None
