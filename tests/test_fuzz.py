"""Any bytes under any name: a file is taken or skipped with a reason, and nothing is ever raised.

Cases go through the decoding process by the batch, and all of that process's life is measured: its memory at
its largest, and the processor time it took.
"""

from __future__ import annotations

import os
import sys
import unicodedata
import warnings
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from bad_batches import Child
from bad_files import deep_png, file_of, grey_tiff, scene, zip_of
from hypothesis import HealthCheck, Phase, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from PIL import Image

from sslviz import imagesets, ingest, settings
from sslviz.images import Stored

BATCH = 25
MEGABYTES = 1_000
SECONDS_A_THOUSAND = 60.0
"""Of processor time; a thousand take a few."""

PICTURE = Image.fromarray(scene(40, 42))
SEEDS = [
    file_of(PICTURE, "JPEG"),
    file_of(PICTURE, "JPEG", progressive=True),
    file_of(PICTURE.convert("CMYK"), "JPEG"),
    file_of(PICTURE, "PNG"),
    file_of(PICTURE.convert("P"), "PNG", transparency=bytes(range(256))),
    deep_png(),
    file_of(PICTURE, "GIF", save_all=True, append_images=[PICTURE.rotate(90)]),
    file_of(PICTURE, "BMP"),
    file_of(PICTURE, "TIFF", compression="tiff_lzw"),
    file_of(Image.fromarray(scene(40, 42)[..., 0] / np.float32(255)), "TIFF"),
    grey_tiff(more=5),
    file_of(PICTURE, "WEBP"),
    file_of(PICTURE, "AVIF", speed=10),
    file_of(PICTURE, "HEIF"),
    zip_of(("a/b.png", file_of(PICTURE, "PNG")), ("c.jpg", file_of(PICTURE, "JPEG"))),
    zip_of(*((f"{n}.gif", file_of(scene(32, 33 + n), "GIF")) for n in range(3)), method=0),
]

FLIPS = st.lists(st.tuples(st.integers(0, 2**16 - 1), st.integers(1, 255)), max_size=5)
NAMES = st.text(max_size=12).flatmap(
    lambda text: st.sampled_from([text, f"{text}.zip", f"{text}.jpg", f"../{text}/x.png", text * 40])
)


@st.composite
def files(draw: st.DrawFn) -> tuple[str, bytes]:
    """A seed with some bytes changed, most often whole and otherwise cut; or bytes that are nobody's."""
    seed = draw(st.sampled_from(SEEDS))
    if draw(st.integers(0, 9)) == 0:
        return draw(NAMES), seed[: draw(st.integers(0, 16))] + draw(st.binary(max_size=60))
    data = bytearray(seed)
    for place, mask in draw(FLIPS):
        # Places near the beginning, where the sizes and the kinds are, come up more often.
        data[place % (len(data) if place % 2 else min(64, len(data)))] ^= mask
    cut = draw(st.integers(0, 2**16 - 1))
    return draw(NAMES), bytes(data[: cut % len(data)] if cut % 4 == 1 else data)


@pytest.fixture(scope="module")
def child() -> Iterator[Child]:
    lent = Child()
    yield lent
    lent.end()


def many(child: Child, home: Path, monkeypatch: pytest.MonkeyPatch, cases: int) -> None:
    monkeypatch.setattr(ingest, "decode_all", child.decode_all)
    seen = {"taken": 0, "skipped": 0, "files": 0}
    began = cost(child)

    @hypothesis_settings(
        max_examples=cases // BATCH,
        deadline=None,
        database=None,
        derandomize=cases <= 1_000,  # so that nobody's change fails for another's luck
        phases=[Phase.explicit, Phase.generate, Phase.shrink],
        suppress_health_check=list(HealthCheck),
    )
    @given(st.lists(files(), min_size=BATCH, max_size=BATCH))
    def check(batch: list[tuple[str, bytes]]) -> None:
        images = imagesets.create(settings.workspace(), "fuzz")
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # zipfile has its thoughts about names
                found = ingest.ingest(images, batch)
            assert found.added == len(images)
            assert all(reason for _, reason in found.skipped)
            shown = "".join([*images.names, *(name for name, _ in found.skipped)])
            assert not {"Cc", "Cf", "Cs", "Zl", "Zp"} & {unicodedata.category(c) for c in shown}
            assert not any("crash" in reason or "took too long" in reason for _, reason in found.skipped)
            assert all(isinstance(images.pixels(row), np.ndarray) for row in range(len(images)))
            seen["taken"] += found.added + found.duplicates
            seen["skipped"] += len(found.skipped)
            seen["files"] += len(batch)
        finally:
            images.delete()

    check()
    assert seen["files"] >= cases
    assert seen["taken"] > cases // 20
    assert seen["skipped"] > cases // 4
    assert {path.name for path in home.iterdir()} <= {"workspaces"}
    memory, seconds = cost(child)
    assert memory < MEGABYTES * 1_000_000
    assert seconds - began[1] < SECONDS_A_THOUSAND * cases / 1000


def cost(child: Child) -> tuple[int, float]:
    """Bytes at the most, and seconds of processor time, of the decoding process."""
    ((_, found),) = child.decode_all([("a.png", SEEDS[3])])
    assert isinstance(found, Stored)
    process = child.pool._children[0]._process
    if sys.platform != "linux" or process is None:
        return 0, 0.0
    lines = Path(f"/proc/{process.pid}/status").read_text().splitlines()
    most = next(int(line.split()[1]) * 1024 for line in lines if line.startswith("VmHWM"))
    ticks = Path(f"/proc/{process.pid}/stat").read_text().rpartition(")")[2].split()[11:13]
    return most, sum(map(int, ticks)) / os.sysconf("SC_CLK_TCK")


def test_a_thousand_files_are_taken_or_skipped(
    child: Child, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    many(child, home, monkeypatch, 1_000)


@pytest.mark.slow
def test_ten_thousand_files_are_taken_or_skipped(
    child: Child, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    many(child, home, monkeypatch, 10_000)
