"""The queue and short jobs: each thing is done once, whoever dies."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from filelock import FileLock
from small_runs import end_all, make_run, make_set, pictures, python, wait_for

from sslviz import cli, images, imagesets, jobs, runs, settings, supervisor, worker
from sslviz.errors import UserError
from sslviz.files import write_json
from sslviz.jobs import processes
from sslviz.runs import Run, Spec
from sslviz.supervisor import Supervisor


@pytest.fixture(autouse=True)
def short_linger(monkeypatch: pytest.MonkeyPatch, home: Path) -> Iterator[None]:
    monkeypatch.setenv("SSLVIZ_LINGER_SECONDS", "0.5")
    yield
    # Nothing that a test started outlives it.
    end_all()
    for run in runs.listing(settings.workspace()):
        if not run.bundled:
            run.cancel()
    wait_for(lambda: not runs.is_held(jobs.supervisor_lock()))


def queued(name: str = "x") -> Run:
    return runs.create(settings.workspace(), Spec(task="rotation", images=name))


@pytest.fixture
def nobody(monkeypatch: pytest.MonkeyPatch) -> None:
    """No supervisor is started."""
    monkeypatch.setattr(processes, "start_supervisor", lambda: None)


def test_first_come_first_served_and_twice_is_once(nobody: None) -> None:
    first, second, third = queued(), queued(), queued()
    for run in (third, first, third, second, first):
        jobs.submit(run)
    assert [jobs.place(run) for run in (third, first, second)] == [0, 1, 2]
    assert len(jobs.tickets()) == 3


def test_the_command_line_tells_the_place_and_about_how_long(
    nobody: None, capsys: pytest.CaptureFixture[str]
) -> None:
    def said(*words: str) -> str:
        assert cli.run(["runs", *words]) == 0
        return capsys.readouterr().out

    made = [
        runs.create(settings.workspace(), Spec("rotation", "x", **wanted))  # type: ignore[arg-type]
        for wanted in ({"minutes": 3.0}, {"steps": 10}, {"minutes": 1.0})
    ]
    for run in made:
        jobs.submit(run)
    first, second, third = made
    assert "queued, next in line\n" in said("show", first.id)
    assert "queued, 1 run before it, in about 3 min\n" in said("show", second.id)
    assert "queued, 2 runs before it, in at least 3 min\n" in said("show", third.id)
    listed = {run["run"]: run for run in json.loads(said("--json"))["runs"]}
    told = [tuple(listed[run.id][name] for name in ("place", "wait_seconds", "wait_known")) for run in made]
    assert told == [(0, 0.0, True), (1, 180.0, True), (2, 180.0, False)]
    assert [jobs.expected_wait(run) for run in made] == [0.0, 180.0, None]
    first.set_status(state="done")
    assert "place" not in json.loads(said("show", first.id, "--json"))


def test_the_same_asked_for_twice_within_seconds_is_one_run(
    nobody: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    spec = Spec("rotation", "x", minutes=1.0, options={"scale": 0.5})
    first = jobs.ask(settings.workspace(), spec)
    first.set_spec(plan={"steps": 5}, side=32, classes=4)  # which its worker has found out meanwhile
    assert jobs.ask(settings.workspace(), spec).id == first.id
    others = [
        jobs.ask(settings.workspace("other"), spec),
        jobs.ask(settings.workspace(), replace(spec, seed=1)),
    ]
    first.cancel()
    others.append(jobs.ask(settings.workspace(), spec))  # it was stopped, and is wanted after all
    now = time.time()
    with monkeypatch.context() as patch:
        patch.setattr(time, "time", lambda: now + 10)
        others.append(jobs.ask(settings.workspace(), spec))
    assert len({first.id, *(run.id for run in others)}) == 5


def test_claims_are_exclusive_and_one_a_device(nobody: None, monkeypatch: pytest.MonkeyPatch) -> None:
    begun: list[str] = []
    process = subprocess.Popen(["true"])
    process.wait()

    def begin(self: Supervisor, run: Run, ticket: Path) -> subprocess.Popen[bytes]:
        begun.append(run.id)
        return process  # type: ignore[return-value]

    monkeypatch.setattr(Supervisor, "begin", begin)
    waiting = [queued() for _ in range(6)]
    for run in waiting:
        jobs.submit(run)
    two = [Supervisor(), Supervisor()]
    for one in two:
        one.claim()
        one.claim()
    assert begun == [waiting[0].id, waiting[1].id]  # each its own, no ticket twice
    for _ in range(12):
        for one in two:
            for working in one.working:
                working.run.set_status(state="done")
            one.reap()
            one.claim()
    assert begun == [run.id for run in waiting]
    assert not list((settings.load().home / "running").iterdir())


def test_a_cancelled_ticket_is_not_started(nobody: None) -> None:
    run = queued()
    jobs.submit(run)
    run.cancel()
    assert run.status().state == "cancelled"
    one = Supervisor()
    one.claim()
    assert one.working == []
    assert jobs.tickets() == []


def test_a_run_cancelled_in_the_queue_can_be_asked_for_again_at_once(nobody: None) -> None:
    """Its old ticket may lie there still."""
    run = queued()
    jobs.submit(run)
    run.cancel()
    old = jobs.tickets()
    assert run.status().state == "cancelled"
    jobs.submit(run)
    assert run.status().state == "queued"
    assert len(jobs.tickets()) == 1
    assert jobs.tickets() != old


def test_asking_for_a_run_that_waits_already_starts_a_supervisor_where_it_has_died(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    started: list[int] = []
    monkeypatch.setattr(processes, "start_supervisor", lambda: started.append(1))
    run = queued()
    jobs.submit(run)
    jobs.submit(run)
    assert len(started) == 2
    assert len(jobs.tickets()) == 1


def test_a_page_keeps_a_supervisor_without_starting_many(monkeypatch: pytest.MonkeyPatch) -> None:
    started: list[str] = []
    monkeypatch.setattr(processes, "detach", lambda module, **_: started.append(module))
    for _ in range(3):  # the first is about to begin
        jobs.keep_supervisor()
    assert started == ["sslviz.supervisor"]
    log = settings.load().home / "supervisor.log"
    os.utime(log, (time.time() - 2 * jobs.BEGIN_SECONDS,) * 2)
    with FileLock(jobs.supervisor_lock()):
        jobs.keep_supervisor()
    assert len(started) == 1
    jobs.keep_supervisor()  # it has died
    assert len(started) == 2


def unusable(tmp_path: Path) -> list[Path]:
    (tmp_path / "file").write_text("no folder")
    return [tmp_path / "file", tmp_path / "file" / "x", tmp_path / ("x" * 300)] + (
        [Path("/proc/no-such-thing")] if sys.platform == "linux" else []
    )


def test_a_home_that_cannot_be_used_is_a_sentence(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    run = queued()
    for home in unusable(tmp_path):
        with monkeypatch.context() as patch:
            patch.setenv("SSLVIZ_HOME", str(home))
            for act in (
                jobs.serve,
                jobs.start_supervisor,
                jobs.supervisor_lock,
                lambda: jobs.submit(run),
                lambda: jobs.start("scenes", {}),
                lambda: runs.create(settings.workspace(), run.spec),
            ):
                with pytest.raises(UserError, match="cannot be written to"):
                    act()
            jobs.keep_supervisor()
            assert (jobs.tickets(), jobs.place(run)) == ([], None)
            assert all(one.bundled for one in runs.listing(settings.workspace()))


def test_what_is_started_imports_nothing_from_where_one_stands(
    tmp_path: Path, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A folder of pictures may hold a random.py; so may the home, after an upload gone wrong."""
    for folder in (tmp_path, home):
        (folder / "random.py").write_text("raise SystemExit('a stranger')")
        (folder / "filelock.py").write_text("raise SystemExit('a stranger')")
    monkeypatch.chdir(tmp_path)
    (tmp_path / "known").mkdir()
    (tmp_path / "known" / "modules_of_the_user.py").write_text(
        "import os, random, filelock\n"
        "print('works in', os.getcwd(), os.environ['PYTHONPATH'].split(os.pathsep)[0])"
    )
    monkeypatch.setenv("PYTHONPATH", "known")
    process = jobs.detach("modules_of_the_user", log=tmp_path / "log")
    assert process.wait(60) == 0, (tmp_path / "log").read_text()
    root = Path(settings.__file__).resolve().parents[1]
    assert (tmp_path / "log").read_text().split() == ["works", "in", str(home), str(root)]


@pytest.mark.skipif(not hasattr(os, "setpriority"), reason="priorities are set by class here")
@pytest.mark.parametrize(("server", "niceness"), [("", 10), ("1", 19)])
def test_work_stands_back_from_its_first_import_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, server: str, niceness: int
) -> None:
    monkeypatch.setenv("SSLVIZ_SERVER", server)
    before = os.getpriority(os.PRIO_PROCESS, 0)
    (tmp_path / "work_of_the_user.py").write_text("import sys; sys.stdin.read()")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    reading, writing = os.pipe()
    process = jobs.detach("work_of_the_user", log=tmp_path / "log", stdin=reading)
    os.close(reading)
    try:
        assert os.getpriority(os.PRIO_PROCESS, process.pid) == max(niceness, before)
    finally:
        os.close(writing)
    assert process.wait(60) == 0, (tmp_path / "log").read_text()
    assert os.getpriority(os.PRIO_PROCESS, 0) == before


def test_tickets_of_damaged_or_deleted_runs_are_dropped(nobody: None) -> None:
    gone, damaged = queued(), queued()
    jobs.submit(gone)
    jobs.submit(damaged)
    shutil.rmtree(gone.folder)
    (damaged.folder / "spec.json").write_text("{")
    (settings.load().home / "queue" / "00-torn").write_text('{"fol')
    one = Supervisor()
    one.claim()
    assert (one.working, jobs.tickets()) == ([], [])


def test_a_new_supervisor_adopts_runs_at_work_and_starts_those_that_never_began(nobody: None) -> None:
    at_work, never_began, lost = queued(), queued(), queued()
    for run in (at_work, never_began, lost):
        jobs.submit(run)
    claimed = settings.load().home / "running"
    claimed.mkdir()
    for ticket in jobs.tickets():
        ticket.rename(claimed / ticket.name)
    lost.set_status(state="running")
    with FileLock(at_work.lock):
        at_work.set_status(state="running")
        one = Supervisor()
        one.adopt()
        assert [working.run.id for working in one.working] == [at_work.id]
        assert jobs.place(never_began) == 0
        assert lost.status().state == "lost"
        one.claim()
        assert len(one.working) == 1  # the device is taken
    one.reap()
    assert one.working == []


def test_a_run_that_does_not_heed_is_ended(nobody: None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SSLVIZ_CANCEL_SECONDS", "1")
    run = queued()
    code = (
        "import signal, sys, time; from filelock import FileLock; "
        "signal.signal(signal.SIGTERM, signal.SIG_IGN); lock = FileLock(sys.argv[1]); lock.acquire(); "
        "time.sleep(90)"
    )
    process = python(code, str(run.lock))
    wait_for(lambda: runs.is_held(run.lock))
    run.set_status(state="running", pid=process.pid)
    one = Supervisor()
    one.working.append(supervisor.Working(one.home / "running" / "t", run, process))  # type: ignore[arg-type]
    run.cancel()
    assert run.status().state == "running"

    def ended() -> bool:
        one.reap()
        return not one.working

    wait_for(ended)
    assert process.wait() == -signal.SIGKILL
    assert run.status().state == "cancelled"


def test_two_servers_start_one_supervisor_and_it_leaves() -> None:
    code = (
        "import time; from sslviz import jobs; lock = jobs.serve(); print('up', flush=True); time.sleep(90)"
    )
    servers = [python(code), python(code)]
    wait_for(lambda: runs.is_held(jobs.supervisor_lock()))
    wait_for(lambda: len(list((settings.load().home / "locks" / "servers").glob("*"))) == 2)
    assert jobs.server_lives()
    for server in servers:
        server.kill()
        server.wait()
    assert not jobs.server_lives()
    wait_for(lambda: not runs.is_held(jobs.supervisor_lock()))


@pytest.mark.slow
def test_submitted_runs_are_trained_once_though_the_server_is_killed() -> None:
    chosen = make_set()
    waiting = [make_run(chosen, steps=2) for _ in range(2)]
    code = (
        "import sys, time; from sslviz import jobs, runs, settings; lock = jobs.serve(); "
        "[jobs.submit(runs.open_run(settings.workspace(), i)) for i in sys.argv[1:]]; time.sleep(90)"
    )
    servers = [python(code, *(run.id for run in waiting)) for _ in range(2)]
    wait_for(lambda: any(runs.is_held(run.lock) for run in waiting))
    for server in servers:
        os.killpg(server.pid, signal.SIGKILL)
        server.wait()
    wait_for(lambda: all(run.status().state == "done" for run in waiting), 150)
    for run in waiting:
        assert [point["step"] for point in run.metrics()] == [1, 2]
    assert jobs.tickets() == []


def test_a_short_job_runs_once_and_leaves_its_result(tmp_path: Path) -> None:
    staged = settings.load().home / "staging" / "upload"
    staged.mkdir(parents=True)
    for number, pixels in enumerate(pictures(3, 48)):
        (staged / f"{number:06d}").write_bytes(images.encode_jpeg(pixels))
    (staged / "000003").write_bytes(b"not an image")
    (staged / "names.json").write_text('{"names": ["a.jpg", "../b.jpg", "c.jpg", "d.jpg"]}')
    arguments = {"workspace": str(settings.workspace()), "set": "mine", "staging": str(staged)}
    job = jobs.start("ingest", arguments)
    assert jobs.start("ingest", arguments) == job == jobs.find(job.id)
    wait_for(lambda: job.status().state not in ("queued", "running"))
    status = job.status()
    assert status.state == "done", status
    assert status.result is not None
    assert (status.result["added"], len(status.result["skipped"])) == (3, 1)
    assert imagesets.open_set(settings.workspace(), "mine").names == ["a.jpg", "../b.jpg", "c.jpg"]
    assert not staged.exists()
    assert jobs.start("ingest", arguments).status().state == "done"
    wait_for(lambda: not runs.is_held(job.lock))
    again = jobs.start("ingest", arguments, again=True)
    wait_for(lambda: again.status().state not in ("queued", "running"))
    assert (again.status().state, again.status().error) == ("failed", "The uploaded files are gone.")


def test_an_upload_goes_with_a_job_that_was_cancelled_before_it_read() -> None:
    staged, other = settings.load().home / "staging" / "upload", settings.load().home / "elsewhere"
    for folder in (staged, other):
        folder.mkdir(parents=True)
        (folder / "000000").write_bytes(b"an image")
    for name, folder in (("mine", staged), ("theirs", other)):
        arguments = {"workspace": str(settings.workspace()), "set": name, "staging": str(folder)}
        job = jobs.Job(settings.load().home / "jobs" / f"{name:0<12}")
        job.folder.mkdir(parents=True)
        write_json(job.folder / "job.json", {"kind": "ingest", "arguments": arguments})
        job.set_status(state="queued")
        job.cancel()
        worker.work_job(job)
        assert job.status().state == "cancelled"
    assert not staged.exists()
    assert other.exists()  # a folder of somebody's own is nothing that was uploaded


def test_a_job_that_does_not_heed_is_ended(monkeypatch: pytest.MonkeyPatch) -> None:
    """Its process was stopped, say, and will never look whether somebody wants it to end."""
    monkeypatch.setenv("SSLVIZ_CANCEL_SECONDS", "0.2")
    job = jobs.Job(settings.load().home / "jobs" / ("5" * 12))
    job.folder.mkdir(parents=True)
    hold = f"import filelock; lock = filelock.FileLock({str(job.lock)!r})"
    hold += "; lock.acquire(); print(1, flush=True); input()"
    process = subprocess.Popen(
        [sys.executable, "-c", hold], stdin=subprocess.PIPE, stdout=subprocess.PIPE, start_new_session=True
    )
    assert process.stdout is not None
    assert process.stdin is not None
    process.stdout.readline()
    os.kill(process.pid, signal.SIGSTOP)
    job.set_status(state="running", pid=process.pid)
    job.cancel()
    assert job.status().state == "running"
    assert process.wait(20) == -signal.SIGKILL
    wait_for(lambda: job.status().state == "cancelled")
    process.stdout.close()
    process.stdin.close()


def test_a_job_that_was_started_anew_is_not_ended_for_the_one_before(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SSLVIZ_CANCEL_SECONDS", "0.2")
    ended: list[jobs.Job] = []

    def end(self: jobs.Job) -> None:
        ended.append(self)

    monkeypatch.setattr(jobs.Job, "end", end)
    monkeypatch.setattr("sslviz.jobs.short.LOOK_SECONDS", 0.01)
    job = jobs.Job(settings.load().home / "jobs" / ("6" * 12))
    job.folder.mkdir(parents=True)
    with FileLock(job.lock):
        job.set_status(state="running", pid=os.getpid())
        job.cancel_flag.touch()
        job._press()
        assert ended == [job]
        job.set_status(state="running")
        job.cancel_flag.unlink()  # as starting it again does
        job._press()
        assert ended == [job]


def test_a_job_whose_process_is_gone_has_failed() -> None:
    folder = settings.load().home / "jobs" / ("0" * 12)
    folder.mkdir(parents=True)
    job = jobs.Job(folder)
    assert job.status().state == "failed"  # nothing there
    (folder / "status.json").write_text("{}")
    with FileLock(job.lock):
        job.set_status(state="running")
        assert job.status().state == "running"
    assert job.status().state == "failed"
    assert "unexpectedly" in job.status().error
    job.set_status(state="queued")
    assert job.status().state == "queued"
    job.set_status(state="queued", updated=time.time() - 3600)
    assert job.status().state == "failed"
    (folder / "status.json").write_text('{"state": "queued", "updated": "x"}')
    assert job.status().state == "failed"
    for text in ("../x", "0" * 12, "", "f" * 12):
        with pytest.raises(UserError, match="no job"):
            jobs.find(text)
