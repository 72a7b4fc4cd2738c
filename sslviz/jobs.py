"""Work outside the server: the queue of training runs, and short jobs beside it.

A queued run is a ticket in `home/queue`, named by time and run id and holding the run's folder. The
supervisor (`sslviz.supervisor`) claims it by renaming it into `home/running`, which only one process can
do. A short job (reading images, rendering scenes, a map) is a folder in `home/jobs` and a process of its
own. Whatever is started here lives in a session of its own, so that neither the end of the server nor its
Ctrl-C reaches it. No torch is imported: the server calls this.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import secrets
import shutil
import subprocess
import sys
import threading
import time
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, Literal

from filelock import FileLock

from sslviz import settings
from sslviz.errors import UserError
from sslviz.files import read_json, write_json, writing
from sslviz.runs import ID, Run, is_held, new_id
from sslviz.runs.records import plain

JobState = Literal["queued", "running", "done", "failed", "cancelled"]
START_SECONDS = 60.0
"""A job that has not begun after this long, on however busy a machine, never will."""
BEGIN_SECONDS = 10.0
"""A supervisor that was started this long ago or less may not have taken its lock yet."""


# The training queue


def submit(run: Run) -> None:
    """Queue a run, new or to be resumed, and see to it that a supervisor lives. Twice is once.

    Raises `UserError` for a home that cannot be written to.
    """
    queue = settings.load().home / "queue"
    with writing(queue):
        queue.mkdir(parents=True, exist_ok=True)
        with FileLock(lock_file("submit"), timeout=10):
            if run.status().finished_state:
                _drop_tickets(run, queue)  # one that was cancelled while it waited
            if place(run) is None and _settled(run):
                _enqueue(run, queue)
    # For a run that waits already, too: its supervisor may have died.
    start_supervisor()


def _enqueue(run: Run, queue: Path) -> None:
    _drop_tickets(run, queue.with_name("running"))  # of an earlier turn, not yet cleared away
    run.cancel_flag.unlink(missing_ok=True)
    run.set_status(state="queued", message="Waiting for its turn.", hint="", finished=None, pid=None)
    last = max((path.name for path in tickets()), default="")
    write_json(queue / f"{new_id(last[:12])}-{run.id}", {"folder": str(run.folder.resolve())})


def _drop_tickets(run: Run, folder: Path) -> None:
    for ticket in folder.glob(f"*-{run.id}"):
        ticket.unlink(missing_ok=True)


def _settled(run: Run) -> bool:
    """Whether nobody works on the run or is about to; one that has just ended is given time to let go."""
    until = time.monotonic() + 2
    while is_held(run.lock):
        if not run.read_status().finished_state or time.monotonic() > until:
            return False
        time.sleep(0.05)
    claimed = any((settings.load().home / "running").glob(f"*-{run.id}"))
    return not (claimed and run.status().state == "queued")


def tickets() -> list[Path]:
    """Tickets of the runs that wait, first come first."""
    try:
        return sorted(p for p in (settings.load().home / "queue").glob("*-*") if not p.name.startswith("."))
    except OSError:  # a home that cannot be looked into
        return []


def place(run: Run) -> int | None:
    """Runs ahead of this one in the queue, or None where it does not wait there."""
    names = [path.name.rpartition("-")[2] for path in tickets()]
    return names.index(run.id) if run.id in names else None


def start_supervisor() -> None:
    """Start one unless one lives. Two calls at once may start two; all but one of them leave again.

    Raises `UserError` for a home that cannot be written to.
    """
    if not is_held(supervisor_lock()):
        log = _supervisor_log()
        with writing(log.parent):
            log.touch()  # when it was started last, for `keep_supervisor`
            detach("sslviz.supervisor", log=log)


def keep_supervisor() -> None:
    """Start a supervisor where the last one has died: for a page on which somebody waits for a run.

    Made to be called every second by every page: it costs a look at two files, starts none while one is
    about to begin, and never raises.
    """
    with contextlib.suppress(OSError, UserError):
        log = _supervisor_log()
        if not log.exists() or abs(time.time() - log.stat().st_mtime) > BEGIN_SECONDS:
            start_supervisor()


def _supervisor_log() -> Path:
    return settings.load().home / "supervisor.log"


def supervisor_lock() -> Path:
    return lock_file("supervisor")


def device_lock(device: str) -> Path:
    """The lock that a training run on "cpu", "cuda:0", … holds: one run a device, in the app or out of it."""
    return lock_file(f"device-{device.replace(':', '-')}")


def lock_file(name: str) -> Path:
    folder = settings.load().home / "locks"
    with writing(folder):
        folder.mkdir(parents=True, exist_ok=True)
    return folder / f"{name}.lock"


def serve() -> FileLock:
    """Say that a server lives: a held lock, let go with the process or by its `release()`.

    While a server lives, a supervisor does too, and keeps a process ready for the first click. Raises
    `UserError` for a home that cannot be written to.
    """
    folder = settings.load().home / "locks" / "servers"
    with writing(folder):
        folder.mkdir(parents=True, exist_ok=True)
        lock = FileLock(folder / f"{os.getpid()}-{secrets.token_hex(4)}.lock", thread_local=False)
        lock.acquire(timeout=5)
    start_supervisor()
    return lock


def server_lives() -> bool:
    """Whether any server holds its lock. The locks of dead ones are swept."""
    lives = False
    for lock in (settings.load().home / "locks" / "servers").glob("*.lock"):
        if is_held(lock):
            lives = True
        elif time.time() - lock.stat().st_mtime > 60:  # younger ones may be between creating and locking
            lock.unlink(missing_ok=True)
    return lives


def detach(
    module: str, *arguments: str, log: Path, stdin: int = subprocess.DEVNULL
) -> subprocess.Popen[bytes]:
    """Start `python -m module arguments…` in a session of its own, its output appended to `log`."""
    home = settings.load().home
    options: dict[str, Any] = {"start_new_session": True}
    if sys.platform == "win32":
        options = {
            "creationflags": subprocess.CREATE_NEW_PROCESS_GROUP | subprocess.BELOW_NORMAL_PRIORITY_CLASS
        }
    with log.open("ab") as output:
        process = subprocess.Popen(
            # -P: the folder one stands in may hold a random.py, and must not become part of the path.
            [sys.executable, "-P", "-m", module, *arguments],
            stdin=stdin,
            stdout=output,
            stderr=output,
            cwd=home,
            env=os.environ | {"PYTHONPATH": os.pathsep.join(_import_path()), "SSLVIZ_HOME": str(home)},
            **options,
        )
    # Somebody has to wait for it, or it stays behind as a zombie for as long as the server lives.
    threading.Thread(target=process.wait, name=f"reap {module}", daemon=True).start()
    return process


def _import_path() -> list[str]:
    """Where a child, which works in another folder, finds the same sslviz."""
    here = str(Path(__file__).resolve().parent.parent)
    given = [str(Path(p).absolute()) for p in os.environ.get("PYTHONPATH", "").split(os.pathsep) if p]
    return [here, *(path for path in given if path != here)]


def lower_priority() -> None:
    """Let the server and the person at the machine go first."""
    if hasattr(os, "nice"):
        os.nice(5)
    # Linux weighs whole sessions against each other, and a job has a session of its own: there the
    # niceness of the process alone would change nothing.
    with contextlib.suppress(OSError):
        Path("/proc/self/autogroup").write_text("10")


# Short jobs


@dataclass(frozen=True)
class JobStatus:
    """How a short job stands."""

    state: JobState = "queued"
    done: int = 0
    total: int = 0
    """Things to do; nought while that is not known."""
    message: str = ""
    result: dict[str, Any] | None = None
    error: str = ""
    """One sentence for people."""
    hint: str = ""
    updated: float = 0.0
    pid: int | None = None


@dataclass(frozen=True)
class Job:
    """A folder in `home/jobs` and, for a while, the process that works on it."""

    folder: Path

    @property
    def id(self) -> str:
        return self.folder.name

    @property
    def lock(self) -> Path:
        return self.folder / "lock"

    @property
    def cancel_flag(self) -> Path:
        return self.folder / "cancel"

    def request(self) -> tuple[str, dict[str, Any]]:
        """(kind, arguments) it was started with. Raises `OSError` or `ValueError` for a damaged folder."""
        request = read_json(self.folder / "job.json")
        if not isinstance(request, dict) or not isinstance(request.get("arguments"), dict):
            raise ValueError("job.json does not hold a job")
        return str(request.get("kind")), request["arguments"]

    def status(self) -> JobStatus:
        """How it stands now; never raises. A job whose process is gone has failed, and may be restarted."""
        for _ in range(2):  # it may have ended between the two looks: what it wrote last is true
            status = self.read_status()
            waiting = status.state == "queued" and time.time() - status.updated < START_SECONDS
            if status.state not in ("queued", "running") or waiting or is_held(self.lock):
                return status
        return replace(status, state="failed", error="The work stopped unexpectedly.", hint="Start it again.")

    def read_status(self) -> JobStatus:
        try:
            value = read_json(self.folder / "status.json")
            return JobStatus(**value)
        except (OSError, ValueError, TypeError):
            return JobStatus(
                state="failed", error="The state of this work cannot be read.", hint="Start it again."
            )

    def set_status(self, **changes: Any) -> JobStatus:
        """Replace fields of the status; for the process that holds the lock."""
        status = replace(self.read_status(), **{"updated": time.time(), **plain(changes)})
        write_json(self.folder / "status.json", asdict(status))
        return status

    def cancel(self) -> None:
        """Ask it to stop at its next report."""
        if self.status().state in ("queued", "running"):
            self.cancel_flag.touch()


def start(kind: str, arguments: Mapping[str, Any], *, again: bool = False) -> Job:
    """Start short work in a process of its own, or return it where it was started before.

    The same kind and arguments are the same job: while it is queued, running, done or failed it is
    returned as it is. `again` starts one anew that is not at work.
    """
    text = json.dumps([kind, dict(arguments)], sort_keys=True, default=str)
    home = settings.load().home
    folder = home / "jobs" / hashlib.sha256(text.encode()).hexdigest()[:12]
    with writing(folder):
        folder.mkdir(parents=True, exist_ok=True)
    job = Job(folder)
    with FileLock(folder / "start.lock", timeout=10):
        known = (folder / "status.json").exists()
        if known and (not again or job.status().state in ("queued", "running")):
            return job
        for name in ("result", "log.txt", "cancel"):
            path = folder / name
            shutil.rmtree(path) if path.is_dir() else path.unlink(missing_ok=True)
        write_json(
            folder / "job.json",
            json.loads(json.dumps({"kind": kind, "arguments": dict(arguments)}, default=str)),
        )
        write_json(folder / "status.json", asdict(JobStatus(message="Starting.", updated=time.time())))
        detach("sslviz.worker", str(folder), log=folder / "log.txt")
    return job


def find(id_: str) -> Job:
    """The short job with this id. Raises `UserError` where there is none."""
    folder = settings.load().home / "jobs" / id_
    if not ID.fullmatch(id_) or not (folder / "job.json").exists():
        raise UserError(f"There is no job {id_[:40]!r}.", "Start it again from its page.")
    return Job(folder)
