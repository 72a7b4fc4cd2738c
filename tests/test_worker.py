"""The worker: a run ends as it should whatever happens to it, and goes on where it stopped."""

from __future__ import annotations

import os
import signal
import weakref
from collections.abc import Iterator
from dataclasses import replace
from io import BytesIO, TextIOWrapper
from itertools import pairwise
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from small_runs import curve, end_all, make_run, make_set, wait_for, worker

from sslviz import networks, runs, scenes, settings
from sslviz import worker as worker_module
from sslviz.imagesets import ImageSet, NewImage
from sslviz.jobs import device_lock
from sslviz.runs import Run
from sslviz.supervisor import Supervisor
from sslviz.tasks import TASKS
from sslviz.train import Metrics, Training
from sslviz.train.draws import bind, divide
from sslviz.worker import beginning, diary, work_run
from sslviz.worker import training as glue


@pytest.fixture(autouse=True)
def few(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setattr("sslviz.train.draws.HELDOUT", 16)
    monkeypatch.setattr("sslviz.train.planning.GLANCE", 16)
    yield
    end_all()


@pytest.fixture
def images() -> ImageSet:
    return make_set()


def test_a_run_leaves_metrics_weights_and_a_status(images: ImageSet) -> None:
    run = make_run(images)
    told: list[str] = []
    status = work_run(run, lambda status: told.append(status.state))
    assert (status.state, status.step, status.steps, status.classes, status.chance) == ("done", 6, 6, 4, 0.25)
    assert status.heldout_accuracy is not None
    assert told[0] == "queued"
    assert {"running", "done"} <= set(told)
    assert [point["step"] for point in run.metrics()] == [1, 2, 3, 4, 5, 6]
    again = runs.open_run(settings.workspace(), run.id)
    assert again.spec.plan is not None
    assert (again.spec.plan["steps"], again.spec.side, again.spec.classes) == (6, 16, 4)
    assert not runs.is_held(run.lock)
    network = networks.trained(again)
    before = networks.untrained(again)
    changed = [k for k, v in network.state_dict().items() if not torch.equal(v, before.state_dict()[k])]
    assert any(name.startswith("encoder.") for name in changed)


def test_the_memory_format_can_be_asked_for(images: ImageSet) -> None:
    for last in (True, False):
        run = make_run(images, channels_last=last, steps=1)
        assert ("--channels-last" if last else "--channels-first") in run.spec.command
        work_run(run)
        plan = runs.open_run(run.workspace, run.id).spec.plan
        assert plan is not None
        assert plan["channels_last"] is last


def test_the_same_steps_and_a_replayed_plan_give_the_same_metrics(images: ImageSet) -> None:
    first, second, other = make_run(images), make_run(images), make_run(images, seed=1)
    for run in (first, second, other):
        work_run(run)
    replay = make_run(images, steps=None, batch=None, precision=None, threads=None, like=first.id)
    work_run(replay)
    assert curve(first) == curve(second) == curve(replay)
    assert curve(first) != curve(other)


def test_starting_from_a_run_takes_its_weights(images: ImageSet) -> None:
    parent = make_run(images)
    work_run(parent)
    child = make_run(images, start=parent.id, seed=5, steps=1, lr=1e-9)
    work_run(child)
    weights = dict(networks.trained(runs.open_run(child.workspace, parent.id)).named_parameters())
    for name, value in networks.trained(runs.open_run(child.workspace, child.id)).named_parameters():
        assert torch.allclose(value, weights[name], atol=1e-5), name
    stranger = make_run(images, start=parent.id, model="nin")
    assert work_run(stranger).state == "failed"
    assert "network 'small'" in stranger.status().message


def test_weights_that_have_moved_on_when_a_run_begins_anew_are_remarked_on(images: ImageSet) -> None:
    parent = make_run(images)
    work_run(parent)
    for begun_from, told in ((6, False), (3, True), (0, False)):
        child = make_run(images, start=parent.id, steps=1)
        plan = runs.open_run(parent.workspace, parent.id).spec.plan
        child = child.set_spec(since=begun_from, plan=plan)
        assert work_run(child).state == "done"
        assert ("6 steps behind them, not 3" in child.status().remark) == told


def test_a_run_says_how_many_held_out_images_the_one_it_starts_from_knows(images: ImageSet) -> None:
    """Counted by hand, from the rows that either of them trains on and holds out."""
    parent = make_run(images, seed=3)
    work_run(parent)

    def rows(seed: int) -> tuple[set[int], set[int]]:
        problem = bind(TASKS["rotation"](), images.squares(16), seed, torch.device("cpu"))
        trained, held_out = divide(problem, seed, None)
        return set(trained.tolist()), set(held_out.tolist())

    def remark_of(child: Run) -> str:
        assert work_run(child).state == "done"
        return child.status().remark

    known = len(rows(3)[0] & rows(4)[1])
    assert known
    other = remark_of(make_run(images, start=parent.id, seed=4))
    assert f"{known} of the {len(rows(4)[1])} images held out here" in other
    assert remark_of(make_run(images, start=parent.id, seed=3)) == ""
    assert remark_of(make_run(make_set("others", seed=9), start=parent.id, seed=4)) == ""
    # Which fifth it held out of images that are no longer those depends on how many they were.
    images.add([NewImage("new.png", pixels=scenes.scene(77).pixels)])
    assert "may have been trained on" in remark_of(make_run(images, start=parent.id, seed=3))


class Killed(BaseException):
    """What kill -9 looks like from within: nothing is tidied up."""


def _stop_at(step: int, monkeypatch: pytest.MonkeyPatch, act: Any) -> None:
    whole = Training.train_step

    def train_step(self: Training) -> None:
        whole(self)
        if self.step == step:
            act()

    monkeypatch.setattr(Training, "train_step", train_step)


@pytest.mark.parametrize("every", [0.0, 1e9], ids=["from a checkpoint", "from the beginning"])
def test_a_killed_run_is_lost_and_resumes_as_if_nothing_had_been(
    images: ImageSet, monkeypatch: pytest.MonkeyPatch, every: float
) -> None:
    whole = make_run(images)
    work_run(whole)
    run = make_run(images)
    monkeypatch.setattr(diary, "CHECKPOINT_SECONDS", every)

    def kill() -> None:
        raise Killed

    with monkeypatch.context() as patch:
        _stop_at(4, patch, kill)
        with pytest.raises(Killed):
            work_run(run)
    assert run.status().state == "lost"
    assert [step for step, _ in run.checkpoints()][:1] == ([3] if every == 0 else [])
    assert work_run(runs.open_run(run.workspace, run.id)).state == "done"
    assert curve(run) == curve(whole)


def test_a_cancelled_run_keeps_its_last_step_and_resumes(
    images: ImageSet, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = make_run(images)
    work_run(whole)
    run = make_run(images)
    monkeypatch.setattr("sslviz.worker.waiting.WAIT_SECONDS", 0.0)
    with monkeypatch.context() as patch:
        _stop_at(3, patch, run.cancel_flag.touch)
        assert work_run(run).state == "cancelled"
    assert "step 3" in run.status().message
    assert [step for step, _ in run.checkpoints()] == [3]
    assert not run.cancel_flag.exists()
    work_run(runs.open_run(run.workspace, run.id))
    assert curve(run) == curve(whole)


def test_ctrl_c_cancels_and_the_handlers_are_given_back(
    images: ImageSet, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = signal.getsignal(signal.SIGINT), signal.getsignal(signal.SIGTERM)
    _stop_at(2, monkeypatch, lambda: os.kill(os.getpid(), signal.SIGINT))
    run = make_run(images)
    assert work_run(run).state == "cancelled"
    assert run.read_status().step == 2
    assert (signal.getsignal(signal.SIGINT), signal.getsignal(signal.SIGTERM)) == before


@pytest.mark.parametrize("stop", ["kill", "cancel"])
def test_between_metrics_too_a_run_is_kept_and_goes_on_where_it_stopped(
    images: ImageSet, monkeypatch: pytest.MonkeyPatch, stop: str
) -> None:
    """Metrics come at steps 1, 4, 8, …; the run ends after step 6."""
    monkeypatch.setattr("sslviz.worker.waiting.WAIT_SECONDS", 0.0)
    monkeypatch.setattr(diary, "CHECKPOINT_SECONDS", 0.0)
    monkeypatch.setattr(diary, "STATUS_SECONDS", 0.0)
    make_plan = beginning.make_plan
    monkeypatch.setattr(
        beginning, "make_plan", lambda *a, **k: replace(make_plan(*a, **k), log_every=4, evaluate_every=8)
    )
    whole, run = make_run(images, steps=12), make_run(images, steps=12)
    work_run(whole)

    def kill() -> None:
        raise Killed

    with monkeypatch.context() as patch:
        _stop_at(6, patch, kill if stop == "kill" else run.cancel_flag.touch)
        if stop == "kill":
            with pytest.raises(Killed):
                work_run(run)
        else:
            assert work_run(run).state == "cancelled"
    assert [point["step"] for point in run.metrics()] == [1, 4]
    reached = 5 if stop == "kill" else 6
    assert next(run.checkpoints())[0] == run.read_status().step == reached
    assert work_run(runs.open_run(run.workspace, run.id)).state == "done"
    assert [point["step"] for point in run.metrics()] == [1, 4, 8, 12]
    assert curve(run) == curve(whole)


def test_a_status_is_written_by_the_clock_between_metrics(
    images: ImageSet, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each step takes half a second of a made-up clock, and metrics are twenty steps apart."""
    now = 1000.0
    monkeypatch.setattr(diary, "time", SimpleNamespace(monotonic=lambda: now, time=lambda: now))
    make_plan = beginning.make_plan
    monkeypatch.setattr(
        beginning, "make_plan", lambda *a, **k: replace(make_plan(*a, **k), log_every=20, evaluate_every=40)
    )
    whole = Training.train_step

    def train_step(self: Training) -> None:
        nonlocal now
        now += 0.5
        whole(self)

    monkeypatch.setattr(Training, "train_step", train_step)
    run = make_run(images, steps=40)
    told: list[tuple[float, int]] = []
    work_run(run, lambda status: told.append((now, status.step)) if status.state == "running" else None)
    times, steps = [when for when, step in told if step], [step for _, step in told if step]
    assert max(after - before for before, after in pairwise(times)) <= diary.STATUS_SECONDS + 0.5
    assert len(set(steps)) > 10
    kept = sorted(int(path.name) for path in (run.folder / "checkpoints").iterdir())
    assert kept == [21, 40]  # after the first step past ten seconds, and at the end


def test_a_cancelled_run_tells_the_time_and_speed_of_its_end(
    images: ImageSet, monkeypatch: pytest.MonkeyPatch
) -> None:
    piece = SimpleNamespace(now=100.0)
    for module in ("clock", "loop"):
        monkeypatch.setattr(f"sslviz.train.{module}.time", SimpleNamespace(perf_counter=lambda: piece.now))
    monkeypatch.setattr("sslviz.worker.waiting.WAIT_SECONDS", 0.0)
    whole = Training.train_step
    run = make_run(images, steps=100_000)

    def train_step(self: Training) -> None:
        piece.now += 2.0
        whole(self)
        if self.step == 7:
            run.cancel_flag.touch()

    monkeypatch.setattr(Training, "train_step", train_step)
    status = work_run(run)
    assert (status.state, status.step, status.seconds) == ("cancelled", 7, 14.0)
    assert [point["step"] for point in run.metrics()] == [1]
    assert status.views_per_second == pytest.approx(4 * 4 / 2.0)  # four turns of four rows


def test_a_spare_trains_the_run_whose_path_it_is_given_whatever_the_locale(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = home / "Bilder ü \udcff" / "runs" / ("0" * 12)
    given = BytesIO()
    monkeypatch.setattr(given, "close", lambda: None)
    one = Supervisor()
    one.spare = SimpleNamespace(stdin=given, poll=lambda: None)  # type: ignore[assignment]
    ticket = home / "running" / "a ticket"
    one.begin(runs.Run(folder, runs.Spec(task="rotation", images="x")), ticket)
    trained: list[Path] = []
    monkeypatch.setattr(worker_module, "_train", lambda *paths: trained.extend(paths))
    monkeypatch.setattr(glue, "warm_up", lambda: None)
    monkeypatch.setattr("sys.stdin", TextIOWrapper(BytesIO(given.getvalue()), encoding="latin-1"))
    worker_module.spare()
    assert trained == [folder, ticket]
    monkeypatch.setattr("sys.stdin", TextIOWrapper(BytesIO(), encoding="latin-1"))
    worker_module.spare()  # its supervisor is gone
    assert len(trained) == 2


def test_a_done_run_without_a_sound_checkpoint_is_trained_again(images: ImageSet) -> None:
    run = make_run(images)
    work_run(run)
    before = curve(run)
    for path in (run.folder / "checkpoints").rglob("model.safetensors"):
        path.write_bytes(b"x")
    assert work_run(runs.open_run(run.workspace, run.id)).state == "done"
    assert curve(run) == before
    assert run.weights()


@pytest.mark.parametrize(
    "error",
    [
        torch.OutOfMemoryError("CUDA out of memory"),
        RuntimeError("[enforce fail at alloc_cpu.cpp:127] DefaultCPUAllocator: can't allocate memory: …"),
        MemoryError(),
    ],
)
def test_out_of_memory_is_tried_once_more_with_half_the_batch(
    error: Exception, images: ImageSet, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = Training.train_step

    def hungry(self: Training) -> None:
        if self.plan.batch > limit:
            raise error
        whole(self)

    monkeypatch.setattr(Training, "train_step", hungry)
    limit = 2
    messages: list[str] = []
    run = make_run(images)
    assert work_run(run, lambda status: messages.append(status.message)).state == "done"
    assert any("half the batch" in message for message in messages)
    assert runs.open_run(run.workspace, run.id).spec.plan["batch"] == 2  # type: ignore[index]
    limit = 0
    status = work_run(make_run(images))
    assert status.state == "failed"
    assert "even with half" in status.message


def test_half_a_batch_goes_on_where_the_whole_one_was(
    images: ImageSet, monkeypatch: pytest.MonkeyPatch
) -> None:
    """And by then the whole one's network is gone, with all that it held."""
    monkeypatch.setattr(diary, "CHECKPOINT_SECONDS", 0.0)
    whole = Training.train_step
    networks_: list[weakref.ref[Any]] = []
    reached: list[tuple[int, int]] = []

    def hungry(self: Training) -> None:
        if self.plan.batch > 2 and self.step == 4:
            networks_.append(weakref.ref(self.network))
            raise MemoryError
        reached.append((self.plan.batch, self.step))
        if self.plan.batch == 2:
            assert networks_[0]() is None
        whole(self)

    plain = make_run(images)
    work_run(plain)
    monkeypatch.setattr(Training, "train_step", hungry)
    run = make_run(images)
    status = work_run(run)
    assert (status.state, status.step) == ("done", 6)
    half = "It trained with half the batch, 2, from step 4 on: memory did not suffice for more."
    assert status.remark == half
    assert reached == [(4, 0), (4, 1), (4, 2), (4, 3), (2, 4), (2, 5)]
    assert curve(run)[:4] == curve(plain)[:4]
    assert [point["step"] for point in run.metrics()] == [1, 2, 3, 4, 5, 6]


def test_a_resume_without_memory_loses_nothing(images: ImageSet, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(diary, "CHECKPOINT_SECONDS", 0.0)
    whole = Training.train_step

    def stopped(self: Training) -> None:
        if self.step == 4:
            raise Killed
        whole(self)

    def hungry(self: Training) -> None:
        raise torch.OutOfMemoryError("CUDA out of memory")

    plain, run = make_run(images), make_run(images)
    work_run(plain)
    monkeypatch.setattr(Training, "train_step", stopped)
    with pytest.raises(Killed):
        work_run(run)
    before = [step for step, _ in run.checkpoints()]
    monkeypatch.setattr(Training, "train_step", hungry)
    status = work_run(run)
    assert status.state == "failed"
    assert status.hint == "What it learned in 4 steps is kept: resume it when other programs leave more."
    run = runs.open_run(run.workspace, run.id)
    assert [step for step, _ in run.checkpoints()] == before == [4, 3]
    assert run.spec.plan is not None
    assert run.spec.plan["batch"] == 4
    monkeypatch.setattr(Training, "train_step", whole)
    assert work_run(run).state == "done"
    assert curve(run) == curve(plain)


def test_a_failure_is_a_sentence_with_the_traceback_in_the_log(
    images: ImageSet, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(self: Training) -> Iterator[Metrics]:
        raise ZeroDivisionError("by zero")
        yield

    monkeypatch.setattr(Training, "run", broken)
    run = make_run(images)
    status = work_run(run)
    assert status.state == "failed"
    assert "ZeroDivisionError: by zero" in status.message
    assert "Traceback" in run.log.read_text()


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"device": "cuda"}, "no GPU" if not torch.cuda.is_available() else ""),
        ({"device": "abacus"}, "no device 'abacus'"),
        ({"task": "crystal-ball"}, "no task"),
        ({"options": {"gap": 1}}, "no option 'gap'"),
        ({"model": "brain"}, "no network"),
        ({"images": "gone", "images_id": ""}, "is gone"),
        ({"start": "nobody000000"}, "no run"),
        ({"lr": 1e30}, "learning rate"),
    ],
)
def test_what_the_user_got_wrong_is_a_sentence(
    images: ImageSet, change: dict[str, Any], sentence: str
) -> None:
    if not sentence:
        pytest.skip("there is a GPU")
    status = work_run(make_run(images, **change))
    assert status.state == "failed"
    assert sentence in f"{status.message} {status.hint}"


def test_a_renamed_set_is_found_and_a_changed_one_is_not_resumed(images: ImageSet) -> None:
    run = make_run(images)
    images.rename("other name")
    assert work_run(run).state == "done"
    run.set_status(state="cancelled")
    images.remove([images.ids[0]])
    status = work_run(runs.open_run(run.workspace, run.id))
    assert status.state == "failed"
    assert "have changed" in status.message


def test_a_damaged_checkpoint_is_passed_over(images: ImageSet, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(diary, "CHECKPOINT_SECONDS", 0.0)
    whole = make_run(images)
    work_run(whole)
    newest, older = [path for _, path in whole.checkpoints()]
    data = bytearray((newest / "resume.safetensors").read_bytes())
    data[-5] ^= 1
    (newest / "resume.safetensors").write_bytes(data)
    before = curve(whole)
    whole.set_status(state="running")
    assert whole.weights().parent == older
    work_run(runs.open_run(whole.workspace, whole.id))
    assert curve(whole) == before


def test_a_device_is_waited_for_and_one_can_stop_waiting(images: ImageSet) -> None:
    from filelock import FileLock

    run = make_run(images)
    told: list[str] = []

    def report(status: runs.Status) -> None:
        told.append(status.message)
        if "Waiting" in status.message:
            run.cancel_flag.touch()

    with FileLock(device_lock("cpu")):
        assert work_run(run, report).state == "cancelled"
    assert any("another run" in message for message in told)


@pytest.mark.slow
def test_kill_9_and_sigterm_of_a_real_worker(images: ImageSet) -> None:
    killed, terminated = make_run(images, steps=100_000), make_run(images, steps=100_000)
    first = worker(killed)
    wait_for(lambda: killed.status().step >= 1)
    second = worker(terminated)  # imports while the first one trains, and then waits for the device
    assert killed.status().state == "running"
    wait_for(lambda: terminated.status().pid)
    os.killpg(first.pid, signal.SIGKILL)
    first.wait()
    assert killed.status().state == "lost"
    assert killed.metrics()[0]["step"] == 1
    wait_for(lambda: terminated.status().step >= 1)
    second.terminate()
    assert second.wait(90) == 0
    status = terminated.status()
    assert status.state == "cancelled"
    assert next(terminated.checkpoints())[0] == status.step
    assert status.loss is not None
