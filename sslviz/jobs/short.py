"""Short jobs: reading images, rendering scenes, a map. Each is a folder in `home/jobs` and a process.

Work that takes long to get ready for goes to a process that is ready, where the supervisor keeps one: its
ticket lies in `home/waiting` for a second, and after that the job gets a process of its own. Whoever comes to
a job second finds it taken, so that two processes never do it both.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import shutil
import signal
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
from sslviz.jobs import processes
from sslviz.runs import ID, is_held
from sslviz.runs.records import plain

JobState = Literal["queued", "running", "done", "failed", "cancelled"]
START_SECONDS = 60.0
"""A job that has not begun after this long, on however busy a machine, never will."""
HAND_SECONDS = 1.0
"""A job waits this long for the process that is ready."""
LOOK_SECONDS = 0.5
"""Between two looks at whether a cancelled job has ended."""
WARM = ("embed", "film")
"""Kinds that such a process takes."""


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

    def forget_upload(self) -> None:
        """Remove what was uploaded for this job, if anything was; whether it was read or not."""
        with contextlib.suppress(OSError, ValueError, KeyError, TypeError):
            staging = Path(self.request()[1]["staging"])
            if staging.parent == settings.load().home / "staging":
                shutil.rmtree(staging, ignore_errors=True)

    def status(self) -> JobStatus:
        """How it stands now; never raises. A job whose process is gone has failed, and may be restarted."""
        for _ in range(2):  # it may have ended between the two looks: what it wrote last is true
            status = self.read_status()
            waiting = status.state == "queued" and abs(time.time() - status.updated) < START_SECONDS
            if status.state not in ("queued", "running") or waiting or is_held(self.lock):
                return status
        return replace(status, state="failed", error="The work stopped unexpectedly.", hint="Start it again.")

    def read_status(self) -> JobStatus:
        try:
            status = JobStatus(**read_json(self.folder / "status.json"))
            return replace(status, updated=float(status.updated))
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
        """Ask it to stop at its next report; a process that hangs, or was stopped, is ended a while later."""
        if self.status().state in ("queued", "running"):
            self.cancel_flag.touch()
            threading.Thread(target=self._press, name=f"cancel {self.id}", daemon=True).start()

    def _press(self) -> None:
        # A run that it follows has half of this to heed.
        until = time.monotonic() + 2 * settings.load().cancel_seconds
        while time.monotonic() < until:
            if self.status().state not in ("queued", "running") or not self.cancel_flag.exists():
                return  # it has ended, and may have been started anew since
            time.sleep(LOOK_SECONDS)
        self.end()
        for _ in range(20):
            if not is_held(self.lock):
                break
            time.sleep(LOOK_SECONDS)
        with contextlib.suppress(OSError, UserError):
            if self.read_status().state in ("queued", "running") and not is_held(self.lock):
                self.set_status(state="cancelled", error="Cancelled.")

    def end(self) -> None:
        """Kill its process, which has a group of its own, with the processes that decode for it."""
        pid = self.read_status().pid
        if pid is not None and is_held(self.lock):
            with contextlib.suppress(OSError):
                if hasattr(os, "killpg"):
                    os.killpg(pid, signal.SIGKILL)
                else:
                    os.kill(pid, signal.SIGTERM)


def start(kind: str, arguments: Mapping[str, Any], *, again: bool = False) -> Job:
    """Start short work in a process of its own, or return it where it was started before.

    The same kind and arguments are the same job: while it is queued, running, done or failed it is
    returned as it is. `again` starts one anew that is not at work.
    """
    folder = _folder_of(kind, arguments)
    with writing(folder):
        folder.mkdir(parents=True, exist_ok=True)
    job = Job(folder)
    with writing(folder), FileLock(folder / "start.lock", timeout=10):
        there = (folder / "status.json").exists()
        if there and (not again or job.status().state in ("queued", "running")):
            return job
        for name in ("result", "log.txt", "cancel"):
            path = folder / name
            shutil.rmtree(path) if path.is_dir() else path.unlink(missing_ok=True)
        write_json(
            folder / "job.json",
            json.loads(json.dumps({"kind": kind, "arguments": dict(arguments)}, default=str)),
        )
        write_json(folder / "status.json", asdict(JobStatus(message="Starting.", updated=time.time())))
        if kind in WARM and is_held(ready_lock()):
            _offer(job)
        else:
            begin(job)
    return job


def known(kind: str, arguments: Mapping[str, Any]) -> Job | None:
    """The job of this kind and these arguments, where it was ever started; starts nothing."""
    folder = _folder_of(kind, arguments)
    return Job(folder) if (folder / "status.json").exists() else None


def _folder_of(kind: str, arguments: Mapping[str, Any]) -> Path:
    text = json.dumps([kind, dict(arguments)], sort_keys=True, default=str)
    return settings.load().home / "jobs" / hashlib.sha256(text.encode()).hexdigest()[:12]


def begin(job: Job) -> None:
    """Start a process for it. One that finds it taken leaves again."""
    processes.detach("sslviz.worker", str(job.folder), log=job.folder / "log.txt")


def ready_lock() -> Path:
    """Held by the process that is ready for a job, until it gets one."""
    return processes.lock_file("ready-for-jobs")


def offers() -> list[Path]:
    """Tickets of the jobs that wait for the process that is ready, each named as its job."""
    try:
        return sorted(
            path for path in (settings.load().home / "waiting").iterdir() if ID.fullmatch(path.name)
        )
    except OSError:
        return []


def _offer(job: Job) -> None:
    ticket = settings.load().home / "waiting" / job.id
    try:
        ticket.parent.mkdir(exist_ok=True)
        ticket.touch()
    except OSError:
        begin(job)
        return

    def look_again() -> None:
        time.sleep(HAND_SECONDS)
        with contextlib.suppress(OSError, UserError):
            ticket.unlink(missing_ok=True)
            if job.read_status().state == "queued" and not is_held(job.lock):
                begin(job)

    threading.Thread(target=look_again, name=f"offer {job.id}", daemon=True).start()


def find(id_: str) -> Job:
    """The short job with this id. Raises `UserError` where there is none."""
    folder = settings.load().home / "jobs" / id_
    if not ID.fullmatch(id_) or not (folder / "job.json").exists():
        raise UserError(f"There is no job {id_[:40]!r}.", "Start it again from its page.")
    return Job(folder)
