"""Processes: servers may be killed, a device is had by one run, and what is handed on is done once."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from conftest import Server
from filelock import FileLock
from small_runs import end_all, make_run, make_set, python, wait_for

from sslviz import jobs, runs, settings, worker
from sslviz.jobs import processes, short
from sslviz.runs import Run
from sslviz.supervisor import Supervisor
from sslviz.worker import waiting

# Python imports this at the start of every process of a worker: a map is a line in a file.
SHIM = """
import os, sys
if "sslviz.worker" in sys.orig_argv:
    from sslviz import worker
    from sslviz.worker import readiness
    readiness.compile_umap = lambda: None
    def embed(arguments, report, folder):
        with open(os.environ["SHIM_LOG"], "a") as log:
            log.write(f"{os.getpid()}\\n")
        return {"pid": os.getpid()}
    worker.KINDS["embed"] = embed
"""


@pytest.fixture(autouse=True)
def alone(monkeypatch: pytest.MonkeyPatch, home: Path) -> Iterator[None]:
    """No supervisor but those that a test starts, and nothing outlives it."""
    monkeypatch.setattr(processes, "start_supervisor", lambda: None)
    yield
    end_all()
    for run in runs.listing(settings.workspace()):
        if not run.bundled:
            run.cancel()
            pid = run.read_status().pid
            if runs.is_held(run.lock) and pid:
                os.kill(pid, signal.SIGKILL)


def supervisor(linger: str = "0.5") -> subprocess.Popen[str]:
    os.environ["SSLVIZ_LINGER_SECONDS"] = linger
    process = python("from sslviz import supervisor; supervisor.main()")
    wait_for(lambda: runs.is_held(jobs.supervisor_lock()))
    return process


def goes_on(run: Run) -> None:
    step = run.status().step
    wait_for(lambda: run.status().step > step)


@pytest.mark.slow
def test_a_supervisor_is_killed_and_the_next_one_goes_on_where_it_was(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("SSLVIZ_LINGER_SECONDS", "0.5")
    images = make_set()
    first, second = make_run(images, steps=100_000), make_run(images, steps=2)
    for run in (first, second):
        jobs.submit(run)
    killed = supervisor()
    wait_for(lambda: first.status().step > 0)
    pid = first.status().pid
    killed.kill()
    killed.wait()
    assert not runs.is_held(jobs.supervisor_lock())
    goes_on(first)
    assert (second.status().state, jobs.place(second)) == ("queued", 0)
    successor = supervisor()
    goes_on(first)
    assert first.status().pid == pid
    assert (
        second.status().state == "queued"
    )  # the device is taken, though the next one did not start that run
    first.cancel()
    wait_for(lambda: second.status().state == "done")
    assert first.status().state == "cancelled"
    assert [point["step"] for point in second.metrics()] == [1, 2]
    successor.wait(60)
    assert list((settings.load().home / "running").iterdir()) == []


def test_a_server_is_killed_or_interrupted_and_training_goes_on(
    server: Server, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = make_run(make_set(), steps=100_000)
    jobs.submit(run)  # to the supervisor that the server has started
    wait_for(lambda: run.status().step > 0)
    server.kill()
    goes_on(run)
    server.start()
    assert server.process is not None
    pid = run.status().pid
    assert pid is not None
    assert os.getsid(pid) not in (os.getsid(0), os.getsid(server.process.pid))  # no Ctrl-C reaches it
    server.process.send_signal(signal.SIGINT)
    server.process.wait(30)
    assert "training that is under way goes on" in (home / "server.log").read_text()
    goes_on(run)
    assert run.status().state == "running"
    run.cancel()
    wait_for(lambda: run.status().state == "cancelled")
    wait_for(lambda: not runs.is_held(jobs.supervisor_lock()))


# Tickets: each is worked on once


def claimed(run: Run) -> Path:
    """The ticket of a submitted run, as the supervisor claims it."""
    (ticket,) = (path for path in jobs.tickets() if path.name.endswith(run.id))
    folder = settings.load().home / "running"
    folder.mkdir(exist_ok=True)
    return ticket.rename(folder / ticket.name)


def test_a_ticket_is_taken_by_one_worker() -> None:
    run = make_run(make_set())
    jobs.submit(run)
    ticket = claimed(run)
    assert [jobs.begin_turn(ticket) for _ in range(3)] == [True, False, False]
    assert run.status().state == "queued"  # there is a ticket still
    jobs.end_turn(ticket)
    assert list(ticket.parent.iterdir()) == []


def test_a_worker_whose_ticket_is_gone_leaves_the_run_as_it_is() -> None:
    """It was slow, its supervisor was killed, and the next one gave the run to another."""
    run = make_run(make_set())
    jobs.submit(run)
    ticket = claimed(run)
    Supervisor().adopt()
    assert jobs.place(run) == 0
    before = run.read_status()
    process = python(
        "import sys; from pathlib import Path; from sslviz.worker import _train; "
        "_train(*map(Path, sys.argv[1:]))",
        str(run.folder),
        str(ticket),
    )
    assert process.wait(60) == 0
    assert run.read_status() == before
    assert run.metrics() == []
    assert not runs.is_held(run.lock)


def test_a_run_whose_worker_died_before_it_wrote_a_word_is_begun_again() -> None:
    run = make_run(make_set())
    jobs.submit(run)
    ticket = claimed(run)
    assert jobs.begin_turn(ticket)
    one = Supervisor()
    one.adopt()
    assert one.working == []
    assert [path.name for path in jobs.tickets()] == [ticket.name]


# Devices


def test_any_gpu_is_the_first_that_is_free(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(waiting, "usable_devices", lambda: ("cuda:0", "cuda:1"))
    run = make_run(make_set())
    told: list[str] = []
    with (
        waiting.hold_device("auto", run, waiting.Stop(run), lambda _: None) as first,
        waiting.hold_device("auto", run, waiting.Stop(run), lambda _: None) as second,
    ):
        assert (first, second) == ("cuda:0", "cuda:1")

        def tell(status: runs.Status) -> None:
            told.append(status.message)
            run.cancel_flag.touch()

        with pytest.raises(waiting.Cancelled), waiting.hold_device("auto", run, waiting.Stop(run), tell):
            raise AssertionError("a third run on two devices")
    assert told == ["Waiting for another run to leave one of the devices."]
    run.cancel_flag.unlink()
    with (
        FileLock(jobs.device_lock("cuda:0")),
        waiting.hold_device("auto", run, waiting.Stop(run), tell) as free,
    ):
        assert free == "cuda:1"
    assert jobs.known_devices() == ("cuda:0", "cuda:1")


@pytest.mark.parametrize("content", [b"", b"null", b"{}", b'{"devices": 3}', b'{"devices": [1]}', b"\xff"])
def test_damaged_notes_of_devices_and_turns_are_none(content: bytes) -> None:
    run = make_run(make_set())
    jobs.submit(run)
    cache = settings.load().home / "cache"
    cache.mkdir(exist_ok=True)
    for name in ("devices.json", "turns.json"):
        (cache / name).write_bytes(content)
    assert jobs.known_devices() == ()
    assert jobs.place(run) == 0
    jobs.take_turn(jobs.tickets()[0])
    jobs.note_devices(("cpu",))
    assert jobs.known_devices() == ("cpu",)


# The process that is ready for a map


@pytest.fixture
def maps(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The file to which whoever computes a map adds its process."""
    (tmp_path / "sitecustomize.py").write_text(SHIM)
    log = tmp_path / "maps.txt"
    log.touch()
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    monkeypatch.setenv("SHIM_LOG", str(log))
    monkeypatch.setenv("SSLVIZ_READY_FOR_JOBS", "1")
    return log


@pytest.fixture
def one(maps: Path) -> Iterator[Supervisor]:
    """A supervisor that has a process ready."""
    made = Supervisor()
    made.ready, made.ready_is_free = made.start_spare("--ready"), True
    wait_for(lambda: runs.is_held(jobs.ready_lock()))
    yield made
    made.leave()
    made.ready.wait(30)


def done(job: jobs.Job) -> Any:
    wait_for(lambda: job.status().state not in ("queued", "running"))
    status = job.status()
    assert status.state == "done", status
    assert status.result is not None
    return status.result["pid"]


def test_a_map_is_computed_by_the_process_that_is_ready(one: Supervisor, maps: Path) -> None:
    assert one.ready is not None
    job = jobs.start("embed", {"n": 1})
    assert [path.name for path in jobs.offers()] == [job.id]
    one.hand_over()
    assert done(job) == one.ready.pid
    one.ready.wait(30)
    assert (jobs.offers(), runs.is_held(jobs.ready_lock())) == ([], False)
    again = jobs.start("embed", {"n": 2})  # nobody is ready now
    assert jobs.offers() == []
    assert done(again) not in (one.ready.pid, os.getpid())
    time.sleep(short.HAND_SECONDS + 0.5)
    assert len(maps.read_text().split()) == 2


def test_a_map_that_nobody_hands_over_gets_a_process(one: Supervisor, maps: Path) -> None:
    """The supervisor was killed in this second; the process that is ready does not know of the job."""
    assert one.ready is not None
    job = jobs.start("embed", {})
    assert done(job) != one.ready.pid
    assert jobs.offers() == []
    assert len(maps.read_text().split()) == 1


def test_a_map_is_computed_once_though_two_processes_come_to_it(one: Supervisor, maps: Path) -> None:
    assert one.ready is not None
    os.kill(one.ready.pid, signal.SIGSTOP)
    job = jobs.start("embed", {})
    one.hand_over()
    assert done(job) != one.ready.pid
    os.kill(one.ready.pid, signal.SIGCONT)
    assert one.ready.wait(30) == 0
    assert len(maps.read_text().split()) == 1
    assert job.status().state == "done"


def test_a_map_whose_server_died_after_offering_it_is_begun_by_the_supervisor(maps: Path) -> None:
    made = Supervisor()
    with FileLock(jobs.ready_lock()), pytest.MonkeyPatch.context() as patch:
        patch.setattr(short.threading, "Thread", lambda **_: type("T", (), {"start": lambda self: None})())
        job = jobs.start("embed", {})
    made.hand_over()
    assert job.status().state == "queued"  # its server may still look after it
    (ticket,) = jobs.offers()
    os.utime(ticket, (time.time() - 60,) * 2)
    made.hand_over()
    assert jobs.offers() == []
    done(job)
    assert len(maps.read_text().split()) == 1


def test_a_process_is_made_ready_while_there_is_a_server_and_nobody_needs_the_machine(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    started: list[str] = []
    process = type("Process", (), {"poll": lambda self: self.code, "code": None})

    def start(self: Supervisor, option: str) -> Any:
        started.append(option)
        return process()

    monkeypatch.setattr(Supervisor, "start_spare", start)
    monkeypatch.setenv("SSLVIZ_READY_FOR_JOBS", "1")
    made = Supervisor()
    made.keep_spares(serving=True)
    assert started == ["--spare"]  # which is not warm yet
    with FileLock(jobs.warm_lock()):
        made.keep_spares(serving=False)
        assert started == ["--spare"]
        made.working.append(None)  # type: ignore[arg-type]
        made.keep_spares(serving=True)
        assert started == ["--spare"]
        made.working.clear()
        for _ in range(2):
            made.keep_spares(serving=True)
        assert started == ["--spare", "--ready"]
        assert made.ready is not None
        made.ready.code = 0  # type: ignore[attr-defined]
        made.keep_spares(serving=True)
        assert started == ["--spare", "--ready", "--ready"]
        made.ready.code = 1  # type: ignore[attr-defined]
        made.keep_spares(serving=True)
        assert len(started) == 3  # one that fails would fail again
        made.ready.code, made.ready_since = -9, time.monotonic() - 1000  # type: ignore[attr-defined]
        made.keep_spares(serving=True)
        assert len(started) == 4  # one that was killed long after
        monkeypatch.setenv("SSLVIZ_READY_FOR_JOBS", "0")
        other = Supervisor()
        other.keep_spares(serving=True)
        assert started[4:] == ["--spare"]


def test_what_makes_ready_is_what_a_map_calls(monkeypatch: pytest.MonkeyPatch) -> None:
    from sslviz import project
    from sslviz.worker import readiness

    seen: list[Any] = []
    monkeypatch.setattr(project, "umap", lambda *arrays, **_: seen.append(arrays))
    monkeypatch.setattr(os, "setpriority", lambda *_: None)
    readiness.compile_umap()
    ((features, indices, similarity),) = seen
    assert len(features) >= project.FEWEST_FOR_UMAP
    assert indices.shape == similarity.shape
    assert indices.shape[1] >= project.NEIGHBORS
    assert worker.KINDS["embed"]
