"""Limits of one workspace: each a sentence with its numbers, held where things are made, and none alone."""

from __future__ import annotations

import os
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from small_runs import make_run, make_set, pictures, wait_for, worker

from sslviz import imagesets, ingest, jobs, quotas, runs, settings
from sslviz.errors import UserError
from sslviz.images import encode_jpeg
from sslviz.imagesets import ImageSet, NewImage
from sslviz.runs import Run, Spec

MINE = "0123456789abcdef" * 2
SOURCES = [(f"{n}.jpg", encode_jpeg(one)) for n, one in enumerate(pictures(8, 32))]


@pytest.fixture(autouse=True)
def nothing_starts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(jobs.processes, "detach", lambda *_, **__: None)
    monkeypatch.setattr(os, "fsync", lambda _: None)


@pytest.fixture
def mine() -> Path:
    return settings.workspace(MINE)


@pytest.fixture
def limits(monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """A server with these limits and no others."""
    monkeypatch.setenv("SSLVIZ_SERVER", "1")
    for name in settings.UNLIMITED:
        monkeypatch.setenv(f"SSLVIZ_{name.upper()}", "0")

    def limit(**values: Any) -> None:
        for name, value in values.items():
            assert name in settings.UNLIMITED
            monkeypatch.setenv(f"SSLVIZ_{name.upper()}", str(value))

    return limit


def filled(workspace: Path, name: str, count: int, seed: int = 0) -> ImageSet:
    made = imagesets.create(workspace, name)
    made.add(NewImage(f"{n}.png", pixels=one) for n, one in enumerate(pictures(count, 32, seed)))
    return made


def asked(workspace: Path, seed: int = 0, **wanted: Any) -> Run:
    return jobs.ask(workspace, Spec("rotation", "x", seed=seed, **{"minutes": 0.1, **wanted}))


def test_alone_there_are_no_limits_and_on_a_server_there_are(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("SSLVIZ_READY_FOR_JOBS", raising=False)
    alone = settings.load()
    assert {name: getattr(alone, name) for name in settings.UNLIMITED} == settings.UNLIMITED
    assert (alone.run_minutes, alone.most_jobs) == (1.0, 4)
    monkeypatch.setenv("SSLVIZ_SERVER", "1")
    many = settings.load()
    assert all(getattr(many, name) > 0 for name in settings.UNLIMITED)
    assert round(60 * many.run_minutes) == 20
    assert many.retention_days == 7
    monkeypatch.setenv("SSLVIZ_MOST_IMAGES", "12")
    assert settings.load().most_images == 12
    monkeypatch.setenv("SSLVIZ_SERVER", "0")
    assert settings.load().most_runs == 0


def test_images_are_counted_over_all_sets(mine: Path, limits: Callable[..., None]) -> None:
    limits(most_images=10)
    filled(mine, "first", 4)
    second = filled(mine, "second", 4, seed=1)
    before = (second.folder / "index.json").read_bytes()
    with pytest.raises(UserError, match="more than 10 images") as refused:
        ingest.ingest(second, SOURCES[:3], processes=1)
    assert "Nothing was added" in str(refused.value)
    assert (second.folder / "index.json").read_bytes() == before
    assert ingest.ingest(second, SOURCES[:2], processes=1).added == 2
    with pytest.raises(UserError, match="more than 10 images"):
        imagesets.merge(mine, ["first", "second"], "both")
    assert imagesets.find(mine, "both") is None
    second.remove(second.ids[:3])
    assert ingest.ingest(second, SOURCES[5:], processes=1).added == 3


def test_images_that_are_there_already_take_no_room(mine: Path, limits: Callable[..., None]) -> None:
    limits(most_images=4)
    made = imagesets.create(mine, "mine")
    for _ in range(2):
        ingest.ingest(made, SOURCES[:4], processes=1)
    assert len(made) == 4


def test_bytes_are_those_on_the_disk(mine: Path, limits: Callable[..., None]) -> None:
    made = filled(mine, "mine", 4)
    taken = sum(path.stat().st_size for path in mine.rglob("*") if path.is_file())
    assert quotas.bytes_in(mine) == taken
    limits(most_bytes=taken + 100)
    with pytest.raises(UserError, match=r"would take 0\.0 MB; one person may keep 0\.0 MB"):
        made.add([NewImage("x.png", pixels=np.full((64, 64, 3), 9, np.uint8))])
    limits(most_bytes=taken + 1_000_000)
    assert made.add([NewImage("x.png", pixels=np.full((64, 64, 3), 9, np.uint8))]) == (1, 0)
    runs.create(mine, Spec("rotation", "x"))
    (mine / "runs" / "weights").write_bytes(bytes(1_000_000))
    with pytest.raises(UserError, match=r"may keep 1\.0 MB here"):
        runs.create(mine, Spec("rotation", "x"))


def test_room_is_left_on_the_disk_for_everybody(
    mine: Path, limits: Callable[..., None], monkeypatch: pytest.MonkeyPatch
) -> None:
    made = filled(mine, "mine", 4)
    limits(spare_bytes=1_000_000_000)
    monkeypatch.setattr(quotas, "free_bytes", lambda _: 900_000_000)
    with pytest.raises(UserError, match="900 MB are free, and 1,000 MB stay free"):
        made.add([NewImage("x.png", pixels=np.full((64, 64, 3), 9, np.uint8))])
    with pytest.raises(UserError, match="almost full"):
        asked(mine)
    monkeypatch.setattr(quotas, "free_bytes", lambda _: 2_000_000_000)
    asked(mine)


def test_runs_are_counted_where_they_are_made(mine: Path, limits: Callable[..., None]) -> None:
    limits(most_runs=2)
    first = asked(mine, 0)
    asked(mine, 1)
    with pytest.raises(UserError, match="You have 2 runs; one person may keep 2 here"):
        asked(mine, 2)
    with pytest.raises(UserError, match="You have 2 runs"):
        runs.create(mine, Spec("rotation", "x"))
    asked(settings.workspace("f" * 32))
    first.delete()
    asked(mine, 3)


def test_so_many_may_wait_and_a_refusal_leaves_nothing(mine: Path, limits: Callable[..., None]) -> None:
    limits(most_queued=2)
    first, _ = asked(mine, 0), asked(mine, 1)
    with pytest.raises(UserError, match="2 runs of yours wait already, and 2 may wait at a time"):
        asked(mine, 2)
    assert len(jobs.tickets()) == len(list((mine / "runs").iterdir())) == 2
    assert asked(mine, 0).id == first.id  # a click heard twice is no second run
    for seed in range(2):
        asked(settings.workspace("f" * 32), seed)
    # One that has begun waits no more, and one that is resumed waits again.
    ticket = jobs.tickets()[0]
    ticket.rename(settings.load().home / "running" / ticket.name) if (
        settings.load().home / "running"
    ).is_dir() else ticket.unlink()
    stopped = runs.create(mine, Spec("rotation", "x", seed=9))
    stopped.set_status(state="cancelled")
    asked(mine, 3)
    with pytest.raises(UserError, match="2 runs of yours wait"):
        jobs.submit(stopped)
    assert stopped.read_status().state == "cancelled"


def test_minutes_are_limited_when_they_are_asked_for(mine: Path, limits: Callable[..., None]) -> None:
    limits(most_minutes=2)
    assert asked(mine, minutes=2.0).spec.limit == 2.0
    with pytest.raises(UserError, match=r"A run may take 2 minutes here, and this one asks for 2\.5"):
        asked(mine, minutes=2.5)
    assert len(list((mine / "runs").iterdir())) == 1


def test_steps_are_limited_by_the_clock(mine: Path, limits: Callable[..., None]) -> None:
    """By what was written into the run: its process may know nothing of the server's settings."""
    limits(most_minutes=0.02)
    run = make_run(make_set(), steps=1_000_000)
    assert run.spec.limit is None  # of whoever runs the server
    for name in ("SSLVIZ_SERVER", *(f"SSLVIZ_{name.upper()}" for name in settings.UNLIMITED)):
        os.environ.pop(name, None)
    run = run.set_spec(limit=0.02)
    process = worker(run)
    try:
        wait_for(lambda: run.status().state == "cancelled", 120)
    finally:
        process.kill()
        process.wait()
    status = run.status()
    assert "after 0.02 minutes, which is the most that a run may take here" in status.message
    assert 0 < status.step < 1_000_000
    assert list(run.checkpoints())


def test_whoever_runs_the_server_is_not_a_visitor(limits: Callable[..., None]) -> None:
    limits(most_images=2, most_runs=1, most_queued=1, most_minutes=1, most_bytes=10, spare_bytes=10**18)
    local = settings.workspace()
    filled(local, "mine", 4)
    for seed in range(3):
        assert asked(local, seed, minutes=60.0).spec.limit is None


def test_a_public_set_is_refused_before_it_is_fetched(
    mine: Path, limits: Callable[..., None], monkeypatch: pytest.MonkeyPatch
) -> None:
    from sslviz import downloads

    monkeypatch.setattr(downloads, "free_bytes", lambda _: pytest.fail("it was about to be fetched"))
    limits(most_images=5_000)
    with pytest.raises(UserError, match="has 60,000 images; one person may keep 5,000 here"):
        downloads.download(mine, "cifar10")


def test_the_page_about_servers_says_what_the_limits_are(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each row of its table: a variable, and what it is on a server unless somebody says otherwise."""
    page = Path(settings.__file__).with_name("docs").joinpath("server.md").read_text("utf-8")
    rows = re.findall(r"^\| `SSLVIZ_([A-Z_]+)` \| ([\d.]+) \|", page, re.MULTILINE)
    monkeypatch.setenv("SSLVIZ_SERVER", "1")
    limits = settings.load()
    assert {name.lower(): float(value) for name, value in rows} == {
        name: float(getattr(limits, name)) for name in (*settings.SERVER, "retention_days")
    }
