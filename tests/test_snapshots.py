"""Snapshots of a run: which steps, of what, and that a run is the same whatever becomes of them."""

from __future__ import annotations

import errno
import math
import os
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file
from small_runs import curve, make_run, make_set

from sslviz import files, networks, runs
from sslviz.imagesets import ImageSet
from sslviz.plan import Plan
from sslviz.runs import Run
from sslviz.train import Training
from sslviz.worker import diary, snapshots, work_run
from sslviz.worker.snapshots import SHARES, fewer, is_due

STEPS = 40
EXPECTED = sorted({math.ceil(share * STEPS) for share in SHARES})


@pytest.fixture(autouse=True)
def few(monkeypatch: pytest.MonkeyPatch) -> None:
    """Evaluations on few examples, and time for every snapshot."""
    monkeypatch.setattr("sslviz.train.draws.HELDOUT", 16)
    monkeypatch.setattr("sslviz.train.planning.GLANCE", 16)
    monkeypatch.setattr(snapshots, "SECONDS", 1e9)
    monkeypatch.setattr(os, "fsync", lambda _: None)


@pytest.fixture
def images() -> ImageSet:
    return make_set()


def kept(run: Run) -> dict[int, bytes]:
    return {step: (folder / "model.safetensors").read_bytes() for step, folder in run.snapshots()}


class Killed(BaseException):
    """What kill -9 looks like from within."""


def test_they_are_the_encoder_at_steps_that_spread_over_the_run(
    images: ImageSet, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: dict[int, dict[str, torch.Tensor]] = {}
    whole = Training.train_step

    def train_step(self: Training) -> None:
        whole(self)
        seen[self.step] = {k: v.clone() for k, v in self.network.state_dict().items()}

    monkeypatch.setattr(Training, "train_step", train_step)
    run = make_run(images, steps=STEPS)
    work_run(run)
    assert [step for step, _ in run.snapshots()] == EXPECTED == [1, 2, 3, 5, 8, 10, 15, 20, 25, 30]
    for step, folder in run.snapshots():
        weights = load_file(folder / "model.safetensors")
        assert set(weights) == {name for name in seen[step] if name.startswith("encoder.")}
        for name, value in weights.items():
            there = seen[step][name]
            assert value.dtype == (torch.float16 if there.ndim > 1 else there.dtype)
            assert torch.allclose(value.to(there.dtype), there, rtol=1e-3, atol=1e-6)


def test_a_run_is_the_same_without_them(images: ImageSet, monkeypatch: pytest.MonkeyPatch) -> None:
    run, other = make_run(images, steps=STEPS), make_run(images, steps=STEPS)
    work_run(run)
    monkeypatch.setattr(snapshots, "fewer", lambda *_: ())
    work_run(other)
    assert kept(run)
    assert not kept(other)
    assert curve(run) == curve(other)
    assert run.weights().read_bytes() == other.weights().read_bytes()


@pytest.mark.parametrize("stop", ["kill", pytest.param("cancel", marks=pytest.mark.slow)])
@pytest.mark.parametrize(
    "every",
    [0.0, pytest.param(1e9, marks=pytest.mark.slow)],
    ids=["from a checkpoint", "from the beginning"],
)
def test_a_run_that_was_stopped_and_goes_on_ends_with_the_same(
    images: ImageSet, monkeypatch: pytest.MonkeyPatch, every: float, stop: str
) -> None:
    """Those of later steps than it goes on from are of a course that it may not take again."""
    whole, run = make_run(images, steps=STEPS), make_run(images, steps=STEPS)
    work_run(whole)
    monkeypatch.setattr("sslviz.worker.waiting.WAIT_SECONDS", 0.0)
    monkeypatch.setattr(diary, "CHECKPOINT_SECONDS", every)
    step_once = Training.train_step

    def train_step(self: Training) -> None:
        step_once(self)
        if self.step == 16 and stop == "kill":
            raise Killed
        if self.step == 16:
            run.cancel_flag.touch()

    with monkeypatch.context() as patch:
        patch.setattr(Training, "train_step", train_step)
        if stop == "kill":
            with pytest.raises(Killed):
                work_run(run)
        else:
            assert work_run(run).state == "cancelled"
    assert [step for step, _ in run.snapshots()] == [step for step in EXPECTED if step < 16]
    reached = next((step for step, _ in run.checkpoints()), 0)
    monkeypatch.setattr(diary, "CHECKPOINT_SECONDS", 1e9)
    for stale in (14, 18):
        folder = run.folder / "snapshots" / str(stale)
        folder.mkdir()
        (folder / "model.safetensors").write_bytes(b"of another course")
    assert work_run(runs.open_run(run.workspace, run.id)).state == "done"
    assert curve(run) == curve(whole)
    assert kept(run) == kept(whole)
    assert not (run.folder / "snapshots" / "18").exists()
    assert (run.folder / "snapshots" / "14").exists() == (reached >= 14)


def test_half_a_batch_begins_with_none(images: ImageSet, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = Training.train_step

    def hungry(self: Training) -> None:
        if self.plan.batch > 2 and self.step == 9:
            raise MemoryError
        if self.plan.batch == 2 and self.step == 2:
            raise Killed
        whole(self)

    monkeypatch.setattr(Training, "train_step", hungry)
    run = make_run(images, steps=STEPS)
    with pytest.raises(Killed):
        work_run(run)
    assert [step for step, _ in run.snapshots()] == [1, 2]


def test_one_that_cannot_be_written_is_a_remark_and_no_end(
    images: ImageSet, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole, run = make_run(images, steps=STEPS), make_run(images, steps=STEPS)
    work_run(whole)
    put = files.put

    def full(path: Path, data: bytes) -> None:
        if path.parent.parent.name == "snapshots" and path.parent.name in ("3", "8"):
            if path.name == "model.safetensors":
                put(path, data)  # the manifest is what has no room
                return
            raise OSError(errno.ENOSPC, "No space left on device")
        put(path, data)

    monkeypatch.setattr(files, "put", full)
    status = work_run(run)
    assert status.state == "done"
    assert status.remark.startswith("The network of step 3 was not kept for the film. The disk is full")
    assert curve(run) == curve(whole)
    assert [step for step, _ in run.snapshots()] == [step for step in EXPECTED if step not in (3, 8)]
    assert not (run.folder / "snapshots" / "3").exists()  # it would only take room


def test_a_damaged_one_is_not_there(images: ImageSet) -> None:
    run = make_run(images, steps=STEPS)
    work_run(run)
    folders = dict(run.snapshots())
    data = bytearray((folders[5] / "model.safetensors").read_bytes())
    data[-5] ^= 1
    (folders[5] / "model.safetensors").write_bytes(data)
    (folders[8] / "manifest.json").write_text("null")
    (folders[10] / "model.safetensors").unlink()
    assert [step for step, _ in run.snapshots()] == [step for step in EXPECTED if step not in (5, 8, 10)]


def test_a_run_from_another_keeps_what_it_began_with(images: ImageSet) -> None:
    parent = make_run(images)
    work_run(parent)
    child = make_run(images, start=parent.id, seed=5, steps=4)
    work_run(child)
    step, folder = child.snapshots()[0]
    assert step == 0
    began = load_file(folder / "model.safetensors")
    for name, value in networks.trained(runs.open_run(parent.workspace, parent.id)).state_dict().items():
        if name.startswith("encoder."):
            assert torch.allclose(began[name].float(), value.float(), rtol=1e-3, atol=1e-6), name
    assert 0 not in kept(parent)


def test_in_a_run_that_is_over_before_one_is_written_there_is_one(
    images: ImageSet, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(snapshots, "SECONDS", 0.0)
    run = make_run(images, steps=STEPS)
    work_run(run)
    assert [step for step, _ in run.snapshots()] == [1]


@pytest.mark.parametrize("replans", [[], [(300, 2000)], [(100, 400), (210, 700)], [(999, 1001)], [(1, 64)]])
def test_each_share_comes_once_however_the_plan_changes(replans: list[tuple[int, int]]) -> None:
    plan: Any = Plan(steps=1000, batch=1, lr=1.0, weight_decay=0.0)
    found = []
    for step in range(1, 2001):
        if step > plan.steps:
            break
        if is_due(plan, step):
            found.append(plan.progress(step))
        for at, steps in replans:
            if step == at:
                plan = plan.replanned(at, steps)
    assert len(found) == len(SHARES)
    each = 1 / 64 if replans == [(1, 64)] else 0.01
    assert all(share <= done < share + each for share, done in zip(SHARES, found, strict=True))


def test_large_networks_have_fewer_within_the_bytes() -> None:
    assert fewer(700_000) == SHARES
    for size in (5_000_000, 22_000_000, 40_000_000, 60_000_000, 200_000_000):
        shares = fewer(size)
        assert len(shares) == min(len(SHARES), snapshots.MOST_BYTES // size)
        assert set(shares) <= set(SHARES)
        assert list(shares) == sorted(set(shares))
    assert fewer(22_000_000)[::3] == (SHARES[0], SHARES[-1])
    assert len(fewer(22_000_000, 1)) == len(fewer(22_000_000)) - 1
