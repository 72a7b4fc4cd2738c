"""Damage: numbers that are none, too little memory, files that are not what they were, and clocks."""

from __future__ import annotations

import json
import math
import os
import shutil
import time
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file
from small_runs import curve, make_run, make_set

from sslviz import cli, files, jobs, runs, settings, supervisor
from sslviz.errors import UserError
from sslviz.imagesets import ImageSet
from sslviz.runs import Run, Spec
from sslviz.train import Training
from sslviz.worker import diary, work_run


@pytest.fixture(autouse=True)
def often(monkeypatch: pytest.MonkeyPatch) -> None:
    """Evaluations on few examples, and a checkpoint after every step."""
    monkeypatch.setattr("sslviz.train.draws.HELDOUT", 16)
    monkeypatch.setattr("sslviz.train.planning.GLANCE", 16)
    monkeypatch.setattr(diary, "CHECKPOINT_SECONDS", 0.0)


@pytest.fixture
def images() -> ImageSet:
    return make_set()


def reopened(run: Run) -> Run:
    return runs.open_run(run.workspace, run.id)


def after_step(step: int, act: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = Training.train_step

    def train_step(self: Training) -> None:
        whole(self)
        if self.step == step:
            act(self)

    monkeypatch.setattr(Training, "train_step", train_step)


# Numbers that are none, and too little memory


def spoil_weights(training: Training) -> None:
    with torch.no_grad():
        next(training.network.parameters()).fill_(math.nan)


def spoil_loss(training: Training) -> None:
    training.learner.loss.fill_(math.nan)


@pytest.mark.parametrize("spoil", [spoil_weights, spoil_loss])
def test_what_is_no_number_stops_a_run_and_the_last_good_checkpoint_stays(
    images: ImageSet, monkeypatch: pytest.MonkeyPatch, spoil: Any
) -> None:
    run = make_run(images, steps=30, lr=0.125)
    after_step(4, spoil, monkeypatch)
    status = work_run(run)
    assert status.state == "failed"
    assert "NaN" in status.message
    assert "step 4" in status.message
    assert "lower the learning rate" in status.message
    assert "0.125" in status.hint
    assert status.step <= 5
    step, folder = next(run.checkpoints())
    assert step == 3
    for name in ("model.safetensors", "resume.safetensors"):
        floats = [value for value in load_file(folder / name).values() if value.is_floating_point()]
        assert all(bool(torch.isfinite(value).all()) for value in floats)
    for point in run.metrics():
        assert all(point[name] is None or point[name] > 0 for name in ("loss", "heldout_loss"))
        assert point["step"] <= 4
        assert isinstance(point["loss"], float)


def test_too_little_memory_is_told_for_as_long_as_the_run_is_there(
    images: ImageSet, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = Training.train_step

    def hungry(self: Training) -> None:
        if self.plan.batch > 2:
            raise torch.OutOfMemoryError("CUDA out of memory")
        whole(self)

    monkeypatch.setattr(Training, "train_step", hungry)
    run = make_run(images)
    status = work_run(run)
    sentence = "It trained with half the batch, 2: memory did not suffice for more."
    assert (status.state, status.remark) == ("done", sentence)
    assert cli.run(["runs", "show", run.id]) == 0
    assert reopened(run).status().remark == sentence
    from sslviz.ui import words

    assert words.sentence(run, run.status()).replace("\\", "").endswith(sentence)


# Checkpoints


def truncate(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-10])


def zero(path: Path) -> None:
    path.write_bytes(bytes(path.stat().st_size))


def flip(path: Path) -> None:
    data = bytearray(path.read_bytes())
    # In a tensor, which safetensors itself would not notice; in a manifest, in a digest.
    data[-5 if path.suffix == ".safetensors" else data.index(b"sha256") + 12] ^= 1
    path.write_bytes(data)


@pytest.mark.parametrize("name", ["model.safetensors", "resume.safetensors", "manifest.json"])
@pytest.mark.parametrize("harm", [truncate, zero, flip, Path.unlink])
def test_a_damaged_checkpoint_is_told_and_the_one_before_it_used(
    images: ImageSet, harm: Any, name: str
) -> None:
    whole = make_run(images)
    work_run(whole)
    (newest, last), (older, before) = whole.checkpoints()
    assert (newest, older) == (6, 5)
    expected = curve(whole)
    harm(last / name)
    assert whole.weights().parent == before
    whole.set_status(state="running")
    status = work_run(reopened(whole))
    assert status.state == "done"
    assert curve(whole) == expected
    missing = name == "manifest.json" and harm is Path.unlink  # then it was never written to its end
    said = "The checkpoint of step 6 was damaged: it went on from step 5."
    assert status.remark == ("" if missing else said)
    assert next(whole.checkpoints())[0] == 6


def test_without_a_checkpoint_that_is_sound_a_run_begins_again_and_says_so(images: ImageSet) -> None:
    run = make_run(images)
    work_run(run)
    expected = curve(run)
    for path in run.folder.glob("checkpoints/*/model.safetensors"):
        flip(path)
    with pytest.raises(UserError, match="its checkpoints are damaged"):
        run.weights()
    run.set_status(state="running")
    status = work_run(reopened(run))
    assert (status.state, curve(run)) == ("done", expected)
    assert status.remark == "The checkpoint of step 6 was damaged: it began again from step 0."


# What describes a run


KINDS: dict[str, Any] = {
    "empty": b"",
    "half": None,
    "null": b"null",
    "list": b"[]",
    "no number": b'{"task": NaN, "state": NaN, "title": NaN, "step": NaN}',
    "wrong types": b'{"task": 3, "state": [], "title": {}, "step": "x"}',
    "binary": bytes(range(256)),
    "later": b'{"schema": 99, "task": "rotation", "images": "x", "state": "done", "step": 1}',
}


def damage(path: Path, how: str, monkeypatch: pytest.MonkeyPatch) -> None:
    content = path.read_bytes()
    if how == "no permission":  # which is no obstacle to the one who may do everything
        opened = open

        def refused(file: Any, *rest: Any, **options: Any) -> Any:
            if str(file) == str(path):
                raise PermissionError(13, "Permission denied", str(path))
            return opened(file, *rest, **options)

        monkeypatch.setattr("builtins.open", refused)
        monkeypatch.setattr(Path, "open", refused)
        return
    path.unlink()
    if how == "folder":
        path.mkdir()
    elif how == "dangling link":
        path.symlink_to(path.with_name("nowhere"))
    elif how == "link to itself":
        path.symlink_to(path)
    else:
        path.write_bytes(content[: len(content) // 2] if KINDS[how] is None else KINDS[how])


@pytest.mark.parametrize("how", [*KINDS, "folder", "dangling link", "link to itself", "no permission"])
@pytest.mark.parametrize("name", ["spec.json", "status.json", "metrics.jsonl", "note.json"])
def test_a_damaged_run_is_listed_and_deleted_and_the_others_work(
    name: str, how: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    spec = Spec("rotation", "x", minutes=1.0)
    damaged, sound = (runs.create(settings.workspace(), spec) for _ in range(2))
    for run in (damaged, sound):
        run.append_metric({"step": 1, "loss": 0.5})
        run.describe(title="mine")
        run.set_status(state="done", step=1)
    with monkeypatch.context() as patch:
        damage(damaged.folder / name, how, patch)
        found = {run.id: run for run in runs.listing(settings.workspace())}
        status = found[damaged.id].status()
        if name == "spec.json" or (name == "status.json" and how != "dangling link"):
            assert status.state == "unreadable"
            assert status.message
            assert ("later version" in status.message) == (how == "later")
        elif name == "status.json":  # as if there was none yet
            assert status.state == "queued"
        else:
            assert status.state == "done"
            assert found[damaged.id].title in ("mine", "rotation on x")
            assert isinstance(found[damaged.id].metrics(), list)
        other = found[sound.id]
        assert (other.status().state, other.title, len(other.metrics())) == ("done", "mine", 1)
        assert cli.run(["runs", "--json"]) == 0
        listed = {run["run"]: run["state"] for run in json.loads(capsys.readouterr().out)["runs"]}
        assert (listed[damaged.id], listed[sound.id]) == (status.state, "done")
        assert cli.run(["runs", "delete", damaged.id]) == 0
    assert not damaged.folder.exists()
    assert sound.status().state == "done"


# Logs, sets, clocks, and very many runs


def test_a_log_keeps_its_newest_lines_within_its_limit(tmp_path: Path) -> None:
    log = tmp_path / "log.txt"
    with log.open("ab", buffering=0) as writer:  # as the worker has it open
        for number in range(2000):
            writer.write(b"%06d\n" % number)
            files.rotate(log, 1000)
            assert sum(path.stat().st_size for path in tmp_path.iterdir()) <= 1000 + 7
    lines = ((tmp_path / "log.old.txt").read_text() + log.read_text()).split()
    assert lines == [f"{number:06d}" for number in range(2000 - len(lines), 2000)]
    assert len(lines) > 60


def test_the_supervisor_limits_the_logs_of_runs_at_work(
    images: ImageSet, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SSLVIZ_MAX_LOG_BYTES", "1000")
    run = make_run(images)
    run.log.write_bytes(b"x" * 5000)
    one = supervisor.Supervisor()
    one.press(supervisor.Working(one.home / "running" / "t", run, None))
    assert run.log.stat().st_size == 0
    assert run.log.with_name("log.old.txt").stat().st_size == 500


def test_a_set_that_is_deleted_under_a_run_does_not_end_it_and_is_missed_by_the_next(
    images: ImageSet, monkeypatch: pytest.MonkeyPatch
) -> None:
    expected = make_run(images)
    work_run(expected)
    run = make_run(images)
    with monkeypatch.context() as patch:
        after_step(2, lambda _: images.delete(), patch)
        assert work_run(run).state == "done"
    assert curve(run) == curve(expected)
    late = make_run(images)
    assert work_run(late).message == "The image set 'pics' of this run is gone."


def test_nothing_depends_on_the_clock_going_forward(
    images: ImageSet, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It jumps back an hour at every look: order is that of ids and steps, durations are not its matter."""
    hours = iter(range(10**6))
    now = time.time()
    with monkeypatch.context() as patch:
        patch.setattr(time, "time", lambda: now - 3600 * next(hours))
        made = [make_run(images) for _ in range(3)]
        patch.setattr(jobs.processes, "start_supervisor", lambda: None)
        for run in made:
            jobs.submit(run)
        assert [jobs.place(run) for run in made] == [0, 1, 2]
        assert [run.id for run in runs.listing(settings.workspace()) if not run.bundled] == [
            run.id for run in made[::-1]
        ]
        status = work_run(made[0])
    assert status.state == "done"
    assert 0 < status.seconds < 60
    seconds = [point["seconds"] for point in made[0].metrics()]
    assert seconds == sorted(seconds)
    assert runs.open_run(settings.workspace(), "latest").id == made[2].id


def test_a_thousand_runs_are_listed_at_once(capsys: pytest.CaptureFixture[str]) -> None:
    workspace = settings.workspace()
    first = runs.create(workspace, Spec("rotation", "x", minutes=1.0, plan={"steps": 100, "batch": 64}))
    first.set_status(state="done", step=100, steps=100, heldout_accuracy=0.5)
    last = first.id
    for _ in range(999):
        last = runs.new_id(last)
        shutil.copytree(first.folder, workspace / "runs" / last)
    old = time.time() - 60
    for path in (workspace / "runs").glob("*/*.json"):
        os.utime(path, (old, old))
    for most in (2.0, 0.5):  # a tenth of which is usual; the second time it is known what they are
        began = time.process_time()
        found = [run for run in runs.listing(workspace) if not run.bundled]
        told = [(run.status().heldout_accuracy, run.title) for run in found]
        assert time.process_time() - began < most
        assert len(found) == 1000
        assert set(told) == {(0.5, "rotation on x")}
    found[3].set_status(heldout_accuracy=0.75)
    assert runs.open_run(workspace, found[3].id).status().heldout_accuracy == 0.75


@pytest.fixture
def left_over() -> list[Path]:
    folder = settings.workspace() / "runs"
    (folder / ".draft.tmp").mkdir(parents=True)
    (folder / ".draft.tmp" / "status.json").write_text("{}")
    (folder / ".x-1.deleted" / "checkpoints").mkdir(parents=True)
    (folder / ".note.tmp").write_text("x")
    return [folder / ".draft.tmp", folder / ".x-1.deleted", folder / ".note.tmp"]


def test_what_killed_processes_left_is_swept_when_it_is_old(left_over: list[Path]) -> None:
    assert [run for run in runs.listing(settings.workspace()) if not run.bundled] == []
    supervisor.Supervisor().tidy()
    assert all(path.exists() for path in left_over)  # somebody may be at it
    for path in left_over:
        os.utime(path, (time.time() - 2 * 24 * 3600,) * 2)
    supervisor.Supervisor().tidy()
    assert not any(path.exists() for path in left_over)
