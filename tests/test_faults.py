"""Faults: whatever is killed, stopped or damaged, a run is whole on disk, says how it stands, and goes on."""

from __future__ import annotations

import errno
import hashlib
import json
import multiprocessing
import os
import random
import signal
import time
from collections import Counter
from collections.abc import Iterator
from multiprocessing.context import ForkServerProcess
from pathlib import Path

import pytest
from safetensors import safe_open
from small_runs import curve, end_all, make_run, make_set, python, wait_for, worker

from sslviz import files, runs
from sslviz.errors import UserError
from sslviz.imagesets import ImageSet
from sslviz.runs import Run
from sslviz.supervisor import Supervisor, Working
from sslviz.worker import work_run

STEPS = 30
FORKS = multiprocessing.get_context("forkserver")
# Each worker would take seconds to import these.
FORKS.set_forkserver_preload(["sslviz.worker.training", "torch._inductor.config", "torch._dynamo"])


@pytest.fixture(autouse=True)
def nothing_is_left() -> Iterator[None]:
    yield
    end_all()


@pytest.fixture
def images() -> ImageSet:
    return make_set()


def train(folder: str, environment: dict[str, str]) -> None:
    """A worker that writes all the time, for whoever kills it to strike while it does."""
    os.environ.update(environment)
    from sslviz import jobs, worker
    from sslviz.train import draws, planning
    from sslviz.worker import diary, snapshots

    draws.HELDOUT = planning.GLANCE = 16
    diary.CHECKPOINT_SECONDS, diary.STATUS_SECONDS = 0.1, 0.01
    snapshots.SECONDS = 1e9
    jobs.lower_priority = lambda: None  # nobody else is served here
    os.fsync = lambda fd: None  # what was written outlives a process without it, though no power cut
    worker.main([folder])


def start_worker(run: Run) -> ForkServerProcess:
    environment = {name: value for name, value in os.environ.items() if name.startswith("SSLVIZ_")}
    process = FORKS.Process(target=train, args=(str(run.folder), environment), daemon=True)
    process.start()
    return process


def assert_nothing_is_torn(home: Path, run: Run) -> None:
    """Every JSON file of the home parses, lines are whole, and checkpoints are what their manifests say."""
    for path in home.rglob("*.json"):
        if not path.name.startswith("."):
            files.read_json(path)
    if (run.folder / "metrics.jsonl").exists():
        text = (run.folder / "metrics.jsonl").read_text()
        assert text.endswith("\n") or not text
        steps = [json.loads(line)["step"] for line in text.splitlines()]
        assert steps == sorted(set(steps))
        assert steps == [point["step"] for point in run.metrics()]
    for manifest in run.folder.glob("*/*/manifest.json"):
        written = files.read_json(manifest)
        assert manifest.parent.name == str(written["step"])
        resume = {"resume.safetensors"} if manifest.parents[1].name == "checkpoints" else set()
        assert set(written["files"]) == {"model.safetensors"} | resume
        for name, entry in written["files"].items():
            data = (manifest.parent / name).read_bytes()
            assert hashlib.sha256(data).hexdigest() == entry["sha256"]
            with safe_open(manifest.parent / name, "pt") as tensors:
                assert list(tensors.keys())


def kill_and_resume(images: ImageSet, home: Path, kills: int, seed: int) -> Counter[str]:
    """Kill `kills` workers at moments drawn over the whole of a run's time; count what they left."""
    ready = FORKS.Process(target=abs, args=(0,))
    ready.start()
    ready.join()
    whole = make_run(images, steps=STEPS)
    began = time.monotonic()
    start_worker(whole).join()
    lasts = time.monotonic() - began
    assert whole.status().state == "done"
    draw, found = random.Random(seed), Counter[str]()
    while found["killed"] < kills:
        run = make_run(images, steps=STEPS)
        process = start_worker(run)
        process.join(draw.uniform(0, lasts))
        process.kill()
        process.join()
        struck = time.monotonic()
        if process.exitcode == 0:  # it was faster than the first
            lasts *= 0.9
            continue
        assert process.exitcode == -9
        while run.status().state == "running":
            assert time.monotonic() - struck < 2
        assert_nothing_is_torn(home, run)
        before = run.read_status().state
        left = next(run.checkpoints(), None)
        found["killed"] += 1
        found[
            "before it began" if before == "queued" else "with a checkpoint" if left else "without one"
        ] += 1
        assert run.status().state == {"running": "lost", "done": "done", "queued": "queued"}[before]
        last = start_worker(run)
        last.join()
        assert last.exitcode == 0
        assert run.status().state == "done"
        assert_nothing_is_torn(home, run)
        assert curve(run) == curve(whole)
        assert [point["step"] for point in run.metrics()][-1] == STEPS
        assert run.weights().read_bytes() == whole.weights().read_bytes()
        assert [step for step, _ in run.snapshots()] == [step for step, _ in whole.snapshots()]
    return found


@pytest.mark.slow
def test_two_kills_at_random_moments(images: ImageSet, home: Path) -> None:
    kill_and_resume(images, home, 2, seed=1)


@pytest.mark.slow
def test_thirty_kills_at_random_moments(images: ImageSet, home: Path) -> None:
    """Nothing is torn, none says it runs, and each ends with the very weights of a run that nobody killed."""
    found = kill_and_resume(images, home, 30, seed=0)
    print(dict(found))  # noqa: T201
    assert found["killed"] == 30
    assert found["with a checkpoint"] >= 5  # else they were all struck while they began


@pytest.mark.parametrize(
    "for_good",
    [pytest.param(False, id="for a moment"), pytest.param(True, id="from there on", marks=pytest.mark.slow)],
)
def test_a_disk_that_is_full_at_any_write_leaves_old_or_new(
    images: ImageSet, home: Path, monkeypatch: pytest.MonkeyPatch, for_good: bool
) -> None:
    """The run fails with a sentence, where there is room for it, and goes on when there is room again."""
    monkeypatch.setattr("sslviz.train.draws.HELDOUT", 16)
    monkeypatch.setattr("sslviz.train.planning.GLANCE", 16)
    monkeypatch.setattr("sslviz.worker.diary.CHECKPOINT_SECONDS", 0.0)
    monkeypatch.setattr("sslviz.worker.snapshots.SECONDS", 1e9)
    monkeypatch.setattr(os, "fsync", lambda _: None)
    whole = make_run(images, steps=2)
    work_run(whole)
    put, append = files.put, files.append
    ended = Counter[str]()
    for fails in range(1, 100):
        run, writes = make_run(images, steps=2), 0

        def full() -> bool:
            nonlocal writes
            writes += 1
            return writes == fails or (for_good and writes > fails)  # noqa: B023

        def put_or_not(path: Path, data: bytes) -> None:
            if full():
                raise OSError(errno.ENOSPC, "No space left on device")
            put(path, data)

        def append_or_not(path: Path, data: bytes) -> None:
            if full():
                raise files.full_disk(path.parent, len(data))
            append(path, data)

        with monkeypatch.context() as patch:
            patch.setattr(files, "put", put_or_not)
            patch.setattr(files, "append", append_or_not)
            said = "The disk is full"
            try:
                work_run(run)
            except UserError as error:  # there was no room to say so in the run
                said = error.message
        assert "The disk is full" in said
        if writes < fails:
            assert run.status().state == "done"
            break
        assert_nothing_is_torn(home, run)
        assert not runs.is_held(run.lock)
        status = run.status()
        ended[status.state] += 1
        if status.state == "failed":
            assert "The disk is full" in status.message
        elif status.state == "done":  # it was a snapshot, which a run can do without
            assert "not kept for the film. The disk is full" in status.remark
            assert not run.snapshots()
        else:
            assert for_good
        again = runs.open_run(run.workspace, run.id)
        assert work_run(again).state == "done"
        assert curve(again) == curve(whole)
    else:
        raise AssertionError("it never had room enough")
    assert sum(ended.values()) > 10


def test_a_stopped_worker_does_not_respond_and_is_ended_when_asked(
    images: ImageSet, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SSLVIZ_CANCEL_SECONDS", "1")
    monkeypatch.setenv("SSLVIZ_SILENCE_SECONDS", "3")
    run = make_run(images, steps=100_000)
    process = worker(run)
    wait_for(lambda: run.status().step >= 1)
    assert run.silence(run.status()) is None
    os.kill(process.pid, signal.SIGSTOP)
    wait_for(lambda: run.silence(run.status()) is not None, 10)
    assert run.status().state == "running"
    one = Supervisor()
    one.working.append(Working(one.home / "running" / "t", run, None))  # as if adopted
    run.cancel()

    def ended() -> bool:
        one.reap()
        return not one.working

    wait_for(ended, 20)
    assert process.wait() == -signal.SIGKILL
    assert run.status().state == "cancelled"


@pytest.mark.parametrize(
    ("ends", "state", "said"),
    [
        ("os.kill(os.getpid(), 9)", "running", "Killed by the system at step 7, probably because memory"),
        ("os.abort()", "running", "at step 7, by the signal SIGABRT"),
        ("os._exit(3)", "running", "at step 7, with exit code 3"),
        ("os._exit(3)", "queued", "Its process ended before it could begin"),
    ],
)
def test_a_process_that_ends_by_itself_leaves_a_sentence(
    images: ImageSet, ends: str, state: str, said: str
) -> None:
    run = make_run(images)
    run.set_status(state=state, step=7)
    process = python(f"import os; {ends}")
    process.wait()
    one = Supervisor()
    one.working.append(Working(one.home / "running" / "t", run, process))  # type: ignore[arg-type]
    one.reap()
    assert one.working == []
    status = run.read_status()
    assert status.state == ("lost" if state == "running" else "failed")
    assert said in status.message
    assert status.hint
    assert status.finished
