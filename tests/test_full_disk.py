"""A disk that is full at any write, whatever a person asked for: what was there or what was to come, and a
sentence; and when there is room again, all goes on.

`Deed`s are what people do to a home. Each is done on a disk that has no room for the n-th thing that takes
room, for n = 1, 2, … until it does not get that far; once with room again afterwards, once without.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from faulty_disk import FullDisk
from safetensors.numpy import save
from small_runs import make_run, make_set, pictures, recorded
from whole_home import assert_whole, cached, contents

from sslviz import images, imagesets, jobs, kept, naming, runs, settings, sprites, worker
from sslviz.embeddings import chosen, queries
from sslviz.errors import UserError
from sslviz.imagesets import ImageSet, NewImage
from sslviz.ingest.staging import stage
from sslviz.papers import records
from sslviz.runs import Run

SAMPLE = 4
"""How many of the writes of a deed fail one by one in the quick test."""


@pytest.fixture(autouse=True)
def nothing_starts(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """No process starts, and images are decoded in this one."""

    def decoded(stream: Any, _processes: Any = None, **_: Any) -> Iterator[Any]:
        limits = settings.load()
        for key, payload in stream:
            data = payload if isinstance(payload, bytes) else Path(payload).read_bytes()
            pixels = images.decode_jpeg(data)
            yield key, images.reencode(pixels, limits.store_side, limits.thumbnail_side)

    monkeypatch.setattr("sslviz.runs.folder.ORPHAN_SECONDS", -1.0)
    monkeypatch.setattr("sslviz.ingest.decode_all", decoded)
    monkeypatch.setattr("sslviz.images.pool.decode_all", decoded)
    return recorded(monkeypatch)


# What people do


def a_set() -> ImageSet:
    return imagesets.open_set(settings.workspace(), "pics")


def a_run() -> Run:
    return runs.open_run(settings.workspace(), "latest")


def with_set() -> None:
    naming.give(make_set(count=6), a_set().ids[:2], "cat")


def with_run() -> None:
    run = make_run(make_set(count=4))
    run.append_metric({"step": 1, "loss": 0.5})
    run.describe(title="mine")
    run.set_status(state="done", step=1)


def with_queue() -> None:
    jobs.submit(make_run(make_set(count=4)))


def with_two_sets() -> None:
    make_set(count=4)
    make_set("more", count=5, seed=1)


def add_images() -> Any:
    mask = np.ones((32, 32), np.uint8)
    new = [NewImage(f"new {n}", pixels=one, mask=mask) for n, one in enumerate(pictures(3, 32, 5))]
    return a_set().add(new)


def jpegs(count: int) -> list[bytes]:
    return [images.encode_jpeg(one, quality=90) for one in pictures(count, 48, 7)]


def put_up(name: str) -> Any:
    """What the page does with an upload, and what the job does that it starts."""
    files = [(f"{number}.jpg", data) for number, data in enumerate(jpegs(3))]
    staged = stage(files, sum(len(data) for _, data in files), settings.load())
    arguments = {"workspace": str(settings.workspace()), "set": name, "staging": str(staged)}
    return do_job("ingest", arguments)


def do_job(kind: str, arguments: dict[str, Any]) -> Any:
    job = jobs.start(kind, arguments, again=True)
    worker.work_job(job)
    status = job.status()
    if status.state != "done":
        raise UserError(status.error, status.hint)
    return status.result


def squares() -> Any:
    return a_set().squares(16).sum()


def sheet() -> Any:
    return [one.jpeg for one in sprites.sheets(a_set())]


def save_checkpoint() -> Any:
    return a_run().save_checkpoint(3, {"model.safetensors": TENSORS, "resume.safetensors": TENSORS}).name


TENSORS = save({"weight": np.arange(8.0)})
TOLD = {"repetition": "x", "paper": "rotnet", "scale": "small", "images": "pics", "seed": 0, "at": 1.0}


@dataclass(frozen=True)
class Deed:
    """Something that people, or the app for them, do to a home."""

    act: Callable[[], Any]
    before: Callable[[], Any] = lambda: None
    lost: bool = False
    """Whether it may also leave a run that waits for nothing, is soon shown as lost, and can be resumed."""


DEEDS = {
    "make a set": Deed(lambda: imagesets.create(settings.workspace(), "new").name),
    "add images": Deed(add_images, with_set),
    "take images out": Deed(lambda: a_set().remove(a_set().ids[:2]), with_set),
    "label images": Deed(lambda: a_set().relabel(a_set().ids[:3], "dog"), with_set),
    "label each image": Deed(lambda: a_set().set_labels({i: i[:4] for i in a_set().ids}), with_set),
    "rename a set": Deed(lambda: a_set().rename("most"), with_set),
    "merge sets": Deed(
        lambda: len(imagesets.merge(settings.workspace(), ["pics", "more"], "both")), with_two_sets
    ),
    "delete a set": Deed(lambda: imagesets.delete(settings.workspace(), "more"), with_two_sets),
    "name images": Deed(lambda: naming.give(a_set(), a_set().ids[1:4], "dog"), with_set),
    "forget names": Deed(lambda: naming.forget(a_set(), a_set().ids[:1]), with_set),
    "take a name back": Deed(lambda: naming.undo(a_set()), with_set),
    "upload into a new set": Deed(lambda: put_up("new")),
    "upload into a set": Deed(lambda: put_up("pics"), with_set),
    "draw scenes": Deed(lambda: do_job("scenes", {"workspace": str(settings.workspace()), "count": 2})),
    "build squares": Deed(squares, with_set),
    "draw a sheet of thumbnails": Deed(sheet, with_set),
    "choose images": Deed(lambda: chosen.keep(a_set(), [1, 2]), with_set),
    "ask with a picture": Deed(lambda: queries.uploaded(settings.workspace(), "x.jpg", jpegs(1)[0]).key),
    "keep a finding": Deed(lambda: kept.write(kept.area_of("some") / "a.bin", {"x": np.arange(9)}, of="y")),
    "ask for a run": Deed(lambda: jobs.ask(settings.workspace(), replace(a_run().spec, seed=9)), with_run),
    "resume a run": Deed(lambda: jobs.submit(a_run()), with_run, lost=True),
    "stop a run": Deed(lambda: a_run().cancel(), with_queue),
    "describe a run": Deed(lambda: a_run().describe(title="other", note="why"), with_run),
    "delete a run": Deed(lambda: a_run().delete(), with_run),
    "note a point": Deed(lambda: a_run().append_metric({"step": 2, "loss": 0.25}), with_run),
    "go back to a step": Deed(lambda: a_run().keep_metrics(0), with_run),
    "keep a checkpoint": Deed(save_checkpoint, with_run),
    "note a repetition": Deed(lambda: records.write(a_run(), TOLD), with_run),
    "note devices": Deed(lambda: jobs.note_devices(("cpu",))),
    "say that a server lives": Deed(lambda: jobs.serve().release()),
}


# What is to hold


def try_on(disk: FullDisk, home: Path, deed: Deed) -> str:
    """Do it; returns what was said of the disk, nothing where the deed got along."""
    with disk.exhausted(home):
        try:
            deed.act()
        except UserError as error:
            said = error.message
        else:
            return ""
    assert "The disk is full" in said
    return said


def survive(deed: Deed, home: Path, template: Path, numbers: Callable[[int], list[int]]) -> int:
    """Fail each of the `numbers` that are asked for, by how many there are; returns how many those are."""

    def afresh() -> None:
        shutil.rmtree(home)
        shutil.copytree(template, home)

    deed.before()
    old = contents()
    shutil.rmtree(template, ignore_errors=True)
    shutil.copytree(home, template)
    counting = FullDisk(10**9)
    assert try_on(counting, home, deed) == ""
    new, files = contents(), cached(home)
    tried = numbers(counting.writes) if counting.writes else []
    for number in tried:
        for stays in (False, True):
            afresh()
            disk = FullDisk(number, stays)
            said = try_on(disk, home, deed)
            where = f"write {number} of {counting.writes}, {'for good' if stays else 'for a moment'}"
            assert disk.failed, where
            assert_whole(home)
            found = contents()
            if not (deed.lost and said and a_run().status().state == "lost"):
                assert found in (old, new), where
            assert said or found == new, f"{where}: nothing was said, and nothing was done"
            if found != new or (old == new and said):
                deed.act()
                assert contents() == new, where
                assert cached(home) >= files, where
            assert_whole(home)
    return len(tried)


@pytest.mark.parametrize("name", DEEDS)
def test_some_writes_of_every_deed(name: str, home: Path, tmp_path: Path) -> None:
    def some(count: int) -> list[int]:
        return sorted({1 + round(part * (count - 1) / (SAMPLE - 1)) for part in range(SAMPLE)})

    survive(DEEDS[name], home, tmp_path / "template", some)


@pytest.mark.slow
@pytest.mark.parametrize("name", DEEDS)
def test_every_write_of_every_deed(name: str, home: Path, tmp_path: Path) -> None:
    count = survive(DEEDS[name], home, tmp_path / "template", lambda count: list(range(1, count + 1)))
    assert count or name == "delete a set"
