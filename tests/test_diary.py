"""What a run says of itself: its speed and accuracy at the end, nothing of a course that was given up, and
what its own continuation takes over."""

from __future__ import annotations

from dataclasses import asdict, replace
from typing import Any

import pytest
import torch
from small_runs import make_run, make_set

from sslviz import cli, origins, runs
from sslviz.errors import UserError
from sslviz.imagesets import ImageSet
from sslviz.plan import Plan
from sslviz.runs import Run
from sslviz.train import Training
from sslviz.ui import train_form
from sslviz.worker import beginning, diary, training, work_run


@pytest.fixture(autouse=True)
def few(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sslviz.train.draws.HELDOUT", 16)
    monkeypatch.setattr("sslviz.train.planning.GLANCE", 16)


@pytest.fixture
def images() -> ImageSet:
    return make_set()


@pytest.fixture
def short_of_memory(monkeypatch: pytest.MonkeyPatch) -> dict[str, int]:
    """Batches that do not fit, from a step on."""
    limits = {"batch": 10**9, "step": 0}
    whole = Training.train_step

    def hungry(self: Training) -> None:
        if self.plan.batch > limits["batch"] and self.step >= limits["step"]:
            raise RuntimeError("CUBLAS_STATUS_ALLOC_FAILED when calling `cublasCreate(handle)`")
        whole(self)

    monkeypatch.setattr(Training, "train_step", hungry)
    return limits


def reopened(run: Run) -> Run:
    return runs.open_run(run.workspace, run.id)


def test_speed_and_accuracy_of_a_run_that_has_ended_are_of_more_than_its_last_batch(images: ImageSet) -> None:
    run = make_run(images, steps=40)
    status = work_run(run)
    points = run.metrics()
    assert [point["step"] for point in points] == list(range(1, 41))  # so each is of one batch
    last = [point["accuracy"] for point in points if point["step"] > 36]
    assert status.train_accuracy == pytest.approx(sum(last) / len(last))
    views = 39 * 4 * 4
    begun = points[0]
    spent = status.seconds - begun["seconds"] - status.evaluation_seconds + begun["evaluation_seconds"]
    assert status.views_per_second == pytest.approx(views / spent, rel=0.05)
    assert run.read_status() == status


def test_intervals_of_many_steps_weigh_more_than_short_ones(
    images: ImageSet, monkeypatch: pytest.MonkeyPatch
) -> None:
    make_plan = beginning.make_plan
    monkeypatch.setattr(
        beginning, "make_plan", lambda *a, **k: replace(make_plan(*a, **k), log_every=4, evaluate_every=9)
    )
    monkeypatch.setattr(diary, "LATELY", 0.5)
    run = make_run(images, steps=18)
    status = work_run(run)
    of = {point["step"]: point["accuracy"] for point in run.metrics()}
    assert list(of) == [1, 4, 8, 9, 12, 16, 18]
    assert status.train_accuracy == pytest.approx((3 * of[12] + 4 * of[16] + 2 * of[18]) / 9)


def test_a_run_of_one_step_has_the_figures_of_that(images: ImageSet) -> None:
    run = make_run(images, steps=1)
    status = work_run(run)
    (point,) = run.metrics()
    assert status.train_accuracy == point["accuracy"]
    assert status.views_per_second == pytest.approx(point["views_per_second"])


def test_nothing_is_said_of_a_course_that_was_given_up(
    images: ImageSet, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A run that lost its checkpoints begins again; one that has one goes on with what was known there."""

    class Killed(BaseException):
        pass

    whole, stop_at = Training.train_step, 10

    def train_step(self: Training) -> None:
        if self.step == stop_at:
            raise Killed
        whole(self)

    monkeypatch.setattr(Training, "train_step", train_step)
    monkeypatch.setattr(diary, "STATUS_SECONDS", 0.0)
    run = make_run(images, steps=20)
    with pytest.raises(Killed):
        work_run(run)
    assert run.read_status().heldout_accuracy is not None
    stop_at = 2
    with pytest.raises(Killed):
        work_run(reopened(run))
    status = run.read_status()
    assert (status.heldout_accuracy, status.heldout_loss, status.knn_accuracy) == (None, None, None)
    assert status.step == 2
    monkeypatch.setattr(diary, "CHECKPOINT_SECONDS", 0.0)
    stop_at = 6
    with pytest.raises(Killed):
        work_run(reopened(run))
    monkeypatch.setattr(diary, "CHECKPOINT_SECONDS", 1e9)
    stop_at = 10
    with pytest.raises(Killed):
        work_run(reopened(run))
    losses = {p["step"]: p["heldout_loss"] for p in run.metrics() if p["heldout_loss"] is not None}
    assert (list(losses), run.read_status().heldout_loss) == ([4, 8], losses[8])
    stop_at = next(run.checkpoints())[0]
    assert 4 < stop_at < 8
    with pytest.raises(Killed):
        work_run(reopened(run))
    assert run.read_status().heldout_loss == losses[4]


def test_a_batch_that_was_halved_midway_is_on_record_and_not_replayed(
    images: ImageSet,
    monkeypatch: pytest.MonkeyPatch,
    short_of_memory: dict[str, int],
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setattr(diary, "CHECKPOINT_SECONDS", 0.0)
    short_of_memory.update(batch=2, step=3)
    run = make_run(images)
    assert work_run(run).state == "done"
    spec = reopened(run).spec
    assert spec.plan is not None
    assert ([plan["batch"] for plan in spec.replans], spec.plan["batch"]) == ([4], 2)
    assert cli.run(["train", "rotation", "--images", images.name, "--like", run.id]) == 2
    assert "--steps 6 --batch 2" in capsys.readouterr().err
    assert [one.id for one in runs.listing(run.workspace) if not one.bundled] == [run.id]


def test_what_begins_anew_with_half_is_replayed_and_a_replay_halves_the_batch_of_its_model(
    images: ImageSet, monkeypatch: pytest.MonkeyPatch, short_of_memory: dict[str, int]
) -> None:
    short_of_memory.update(batch=2)
    run = make_run(images)
    assert work_run(run).state == "done"
    assert reopened(run).spec.replans == []
    replay = make_run(images, steps=None, batch=None, like=run.id)
    assert work_run(replay).state == "done"
    assert [point["loss"] for point in replay.metrics()] == [point["loss"] for point in run.metrics()]
    short_of_memory.update(batch=1)
    smaller = make_run(images, steps=None, batch=None, like=run.id)
    assert work_run(smaller).remark == "It trained with half the batch, 1: memory did not suffice for more."


def test_the_next_run_in_a_process_has_the_threads_that_there_were(images: ImageSet) -> None:
    torch.set_num_threads(2)
    try:
        work_run(make_run(images, steps=1, threads=1))
        assert torch.get_num_threads() == 2
    finally:
        torch.set_num_threads(1)


def test_a_repetition_that_is_trained_further_keeps_apart_what_it_held_out(images: ImageSet) -> None:
    """And goes by the house's recipe, whose rate is an angle and not SGD's."""
    plan = Plan(steps=2, batch=6, lr=0.1, weight_decay=0.0, optimizer="sgd", held_out_from=15)
    parent = make_run(images, plan=asdict(plan), lr=0.1, batch=6, origin="sslviz reproduce rotnet-cifar10")
    assert work_run(parent).state == "done"
    asked = train_form.further(reopened(parent))
    assert (asked.lr, asked.batch, asked.origin, asked.start) == (None, None, "", parent.id)
    child = runs.create(parent.workspace, replace(asked, minutes=None, steps=2))
    assert work_run(child).state == "done"
    spec = reopened(child).spec
    assert spec.plan is not None
    assert (spec.plan["held_out_from"], spec.plan["optimizer"]) == (15, "muon")
    assert spec.plan["lr"] != 0.1
    other = make_set("others", seed=5)
    elsewhere = make_run(other, start=parent.id)
    assert work_run(elsewhere).state == "done"
    assert reopened(elsewhere).spec.plan["held_out_from"] is None  # type: ignore[index]


def test_the_command_has_the_name_that_the_images_have_now(
    images: ImageSet, capsys: pytest.CaptureFixture[str]
) -> None:
    run = make_run(images)
    images.rename("later")
    make_set("pics", seed=3)
    assert "--images later " in origins.command_of(run)
    assert cli.run(["runs", "show", run.id]) == 0
    assert origins.command_of(run) in capsys.readouterr().out


@pytest.mark.parametrize("what", ["cancel", "set_status", "resume", "train"])
def test_what_is_asked_of_a_run_that_was_deleted_is_refused_and_does_not_bring_it_back(
    images: ImageSet, what: str
) -> None:
    from sslviz import jobs

    run = make_run(images)
    run.delete()
    deeds: dict[str, Any] = {
        "cancel": run.cancel,
        "set_status": lambda: run.set_status(state="running"),
        "resume": lambda: jobs.submit(run),
        "train": lambda: training.work_run(run),
    }
    with pytest.raises(UserError, match=f"{run.id} was deleted"):
        deeds[what]()
    assert not run.settle_cancel()
    assert not run.folder.exists()
    assert run.status().message == "It was deleted."
