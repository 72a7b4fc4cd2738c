"""The one process a home that starts training runs: `python -m sslviz.supervisor`.

It claims tickets by rename, gives each run to a fresh process (a spare one that has torch imported already,
where there is one), ends runs that do not heed a cancel, and leaves when nothing is left to do. It may die at
any moment: the runs go on, and the next supervisor adopts them by the tickets in `home/running`.
"""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import time
from dataclasses import dataclass, field
from pathlib import Path

from filelock import FileLock, Timeout

from sslviz import jobs, settings
from sslviz.errors import UserError
from sslviz.files import read_json
from sslviz.runs import Run, is_held, open_run

POLL_SECONDS = 0.1
WARM_SECONDS = 8.0
"""A spare waits this long: first the server paints its page."""
BEGIN_SECONDS = 120.0
"""A process that has not taken its run's lock after this long is given up."""


@dataclass
class Working:
    """A claimed run. `process` is None for one adopted from an earlier supervisor."""

    ticket: Path
    run: Run
    process: subprocess.Popen[bytes] | None
    since: float = field(default_factory=time.monotonic)
    cancelled: float | None = None

    @property
    def device(self) -> str:
        return self.run.spec.device

    def alive(self) -> bool:
        if self.process is not None:
            return self.process.poll() is None
        return is_held(self.run.lock)

    def end(self, number: int) -> None:
        """Send a signal to the run's whole process group."""
        pid = self.process.pid if self.process is not None else self.run.status().pid
        if pid is None or not self.alive():
            return
        with contextlib.suppress(OSError):
            if hasattr(os, "killpg"):
                os.killpg(pid, number)
            else:
                os.kill(pid, number)


class Supervisor:
    """Queue, working runs and the spare process of one home."""

    def __init__(self) -> None:
        self.settings = settings.load()
        self.home = self.settings.home
        self.working: list[Working] = []
        self.spare: subprocess.Popen[bytes] | None = None
        self.born = self.needed = time.monotonic()
        for name in ("queue", "running"):
            (self.home / name).mkdir(parents=True, exist_ok=True)

    def supervise(self) -> None:
        """Work until nothing is queued or running and no server has lived for `linger_seconds`."""
        self.adopt()
        while True:
            self.reap()
            self.claim()
            now = time.monotonic()
            if self.working or jobs.tickets() or jobs.server_lives():
                self.needed = now
                if not self.working and now - self.born > WARM_SECONDS:
                    self.warm()
            elif now - self.needed > self.settings.linger_seconds:
                return
            time.sleep(POLL_SECONDS)

    def adopt(self) -> None:
        """Take over what an earlier supervisor claimed: runs at work, and those it never started."""
        for ticket in sorted((self.home / "running").glob("*-*")):
            run = read_ticket(ticket)
            if run is not None and is_held(run.lock):
                self.working.append(Working(ticket, run, None))
            elif run is not None and run.status().state == "queued":
                ticket.replace(self.home / "queue" / ticket.name)
            else:
                ticket.unlink(missing_ok=True)

    def claim(self) -> None:
        """Start the runs whose turn it is: the oldest ticket of each device that is free."""
        busy = {working.device for working in self.working}
        for ticket in jobs.tickets():
            run = read_ticket(ticket)
            if run is None or run.status().state != "queued" or run.cancel_flag.exists():
                if run is not None:
                    run.settle_cancel()
                ticket.unlink(missing_ok=True)
                continue
            device = run.spec.device
            # "auto" may be any device, and any device may be what "auto" stands for.
            if device in busy or (busy and "auto" in (device, *busy)):
                busy.add(device)  # nobody overtakes
                continue
            claimed = self.home / "running" / ticket.name
            try:
                ticket.rename(claimed)
            except OSError:
                continue
            busy.add(device)
            self.working.append(Working(claimed, run, self.begin(run)))

    def begin(self, run: Run) -> subprocess.Popen[bytes]:
        """Hand `run` to the spare, or to a process started for it."""
        self.warm()
        process, self.spare = self.spare, None
        assert process is not None
        assert process.stdin is not None
        try:
            process.stdin.write(os.fsencode(run.folder))  # in whatever encoding a path has here
            process.stdin.close()
        except OSError:  # it died in this instant: its run is settled by `reap`
            process.kill()
        return process

    def warm(self) -> None:
        """Have a spare: a process with torch imported that waits for the name of one run."""
        if self.spare is None or self.spare.poll() is not None:
            self.spare = jobs.detach(
                "sslviz.worker", "--spare", log=self.home / "supervisor.log", stdin=subprocess.PIPE
            )

    def reap(self) -> None:
        """Look after cancelled runs and let go of those that have ended."""
        for working in list(self.working):
            if working.alive():
                self.press(working)
                continue
            self.working.remove(working)
            working.ticket.unlink(missing_ok=True)
            if not working.run.folder.exists():
                continue
            working.run.settle_cancel()
            explain(working)

    def press(self, working: Working) -> None:
        """A cancelled run gets half of `cancel_seconds` for the flag, half for SIGTERM, then SIGKILL."""
        now = time.monotonic()
        if not working.run.cancel_flag.exists():
            if now - working.since > BEGIN_SECONDS and not is_held(working.run.lock):
                working.end(getattr(signal, "SIGKILL", signal.SIGTERM))
            return
        if working.cancelled is None:
            working.cancelled = now
        waited = now - working.cancelled
        if waited > self.settings.cancel_seconds:
            working.end(getattr(signal, "SIGKILL", signal.SIGTERM))
        elif waited > self.settings.cancel_seconds / 2:
            working.end(signal.SIGTERM)


def explain(working: Working) -> None:
    """Leave a sentence on a run whose process was ended from outside, or never took it up."""
    code = working.process.returncode if working.process is not None else None
    if not code or jobs.place(working.run) is not None:
        return
    with contextlib.suppress(Timeout, OSError, UserError), FileLock(working.run.lock, timeout=0):
        status = working.run.read_status()
        if status.state == "queued":
            working.run.set_status(
                state="failed",
                message="Its process ended before it could begin.",
                hint="Try again.",
                finished=time.time(),
            )


def read_ticket(ticket: Path) -> Run | None:
    """The run of a ticket, or None where the run is gone or cannot be read."""
    try:
        folder = Path(read_json(ticket)["folder"])
        run = open_run(folder.parent.parent, folder.name)
    except (OSError, ValueError, TypeError, KeyError, UserError):
        return None
    return None if run.damage else run


def main() -> None:
    """Supervise, unless another process does."""
    lock = FileLock(jobs.supervisor_lock())
    while True:
        try:
            # Whoever asks whether a supervisor lives holds the lock for an instant: wait a little.
            lock.acquire(timeout=3)
        except Timeout:
            return
        supervisor = Supervisor()
        try:
            supervisor.supervise()
        finally:
            if supervisor.spare is not None and supervisor.spare.stdin is not None:
                with contextlib.suppress(OSError):
                    supervisor.spare.stdin.close()
            lock.release()
        # A ticket written between the last look and the release found the lock held and started nobody.
        if not jobs.tickets():
            return


if __name__ == "__main__":
    main()
