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

from sslviz import files, jobs, journal, settings, workspaces
from sslviz.errors import UserError
from sslviz.runs import Run, is_held

POLL_SECONDS = 0.1
WARM_SECONDS = 8.0
"""A spare waits this long: first the server paints its page."""
TIDY_SECONDS = 3600.0
"""How often it looks for what can go."""
BEGIN_SECONDS = 600.0
"""A process that has not taken its run's lock after this long is given up: importing torch takes two minutes
where many others want the processor."""
READY_SECONDS = 300.0
"""A process that has lived so long had got ready."""
OFFER_SECONDS = 3.0
"""A short job whose server has died after offering it gets a process of its own after this long."""


@dataclass
class Working:
    """A claimed run. `process` is None for one adopted from an earlier supervisor."""

    ticket: Path
    run: Run
    process: subprocess.Popen[bytes] | None
    since: float = field(default_factory=time.monotonic)
    cancelled: float | None = None

    def device(self) -> str | None:
        """The device it has, once it has one."""
        status = self.run.read_status()
        return status.device or None if status.state == "running" else None

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
    """Queue, working runs and the spare processes of one home."""

    def __init__(self) -> None:
        self.settings = settings.load()
        self.home = self.settings.home
        self.working: list[Working] = []
        self.spare: subprocess.Popen[bytes] | None = None
        self.ready: subprocess.Popen[bytes] | None = None
        """The spare of short jobs, or the process that it became."""
        self.ready_is_free = False
        self.ready_since = 0.0
        self.born = self.needed = self.tidied = time.monotonic()
        for name in ("queue", "running"):
            (self.home / name).mkdir(parents=True, exist_ok=True)

    def supervise(self) -> None:
        """Work until nothing is queued or running and no server has lived for `linger_seconds`."""
        self.tidy()
        self.adopt()
        while True:
            self.reap()
            self.claim()
            self.hand_over()
            now = time.monotonic()
            serving = jobs.server_lives()
            if now - self.tidied > TIDY_SECONDS:
                self.tidy()
            if self.working or jobs.tickets() or serving:
                self.needed = now
                if now - self.born > WARM_SECONDS:
                    self.keep_spares(serving)
            elif now - self.needed > self.settings.linger_seconds:
                return
            time.sleep(POLL_SECONDS)

    def tidy(self) -> None:
        """Remove what processes that were killed have left lying about, and workspaces that nobody has come
        to for as long as they are kept."""
        folders = [self.home / name for name in ("queue", "running", "cache")]
        folders += [self.home / "workspaces", self.home / "shared" / "sets", self.home / "shared" / "runs"]
        caches = [*self.home.glob("cache/*/"), *self.home.glob("cache/*/*/")]
        for folder in (*folders, *caches, *(self.home / "workspaces").glob("*/runs")):
            files.sweep(folder)
        files.rotate(self.home / "supervisor.log", self.settings.max_log_bytes)
        with contextlib.suppress(OSError, UserError):
            for name in workspaces.expire():
                journal.note("workspace expired", workspace=name)
        self.tidied = time.monotonic()

    def adopt(self) -> None:
        """Take over what an earlier supervisor claimed: runs at work, and those it never started."""
        for ticket in sorted((self.home / "running").glob("*-*")):
            run, name = jobs.run_of(ticket), ticket.name.removeprefix(jobs.BEGUN)
            if run is not None and is_held(run.lock):
                self.working.append(Working(ticket.with_name(name), run, None))
                continue
            if run is not None and run.read_status().state == "queued":
                # A worker that comes only now finds its ticket gone, and leaves.
                with contextlib.suppress(OSError):
                    ticket.replace(self.home / "queue" / name)
                    continue
                if is_held(run.lock):  # it came in this instant
                    self.working.append(Working(ticket.with_name(name), run, None))
                    continue
            jobs.end_turn(ticket.with_name(name))

    def claim(self) -> None:
        """Start the runs whose turn it is, each on a device that is free and nobody before it waits for."""
        devices = jobs.known_devices()
        waited_for: set[str] = set()
        for ticket in jobs.tickets():
            run = jobs.run_of(ticket)
            if run is None or run.read_status().state != "queued" or run.cancel_flag.exists():
                if run is not None:
                    run.settle_cancel()
                ticket.unlink(missing_ok=True)
                continue
            wanted = jobs.slots_of(run.spec.device, devices)
            if not self.has_room(wanted - waited_for, devices):
                waited_for |= wanted
                if waited_for >= {*devices, "cpu"} or not devices:
                    break
                continue
            claimed = self.home / "running" / ticket.name
            try:
                ticket.rename(claimed)
            except OSError:
                continue
            jobs.take_turn(claimed)
            self.working.append(Working(claimed, run, self.begin(run, claimed)))

    def has_room(self, wanted: frozenset[str], devices: tuple[str, ...]) -> bool:
        """Whether one of the devices `wanted` is free for another run."""
        taken: set[str] = set()
        undecided = 0
        for working in self.working:
            device, slots = working.device(), jobs.slots_of(working.run.spec.device, devices)
            if device and devices:
                taken.add(device)
            elif slots == wanted:
                undecided += 1
            elif slots & wanted:
                return False  # for a moment: which of them it will take is not known yet
        return len(wanted - taken) > undecided

    def begin(self, run: Run, ticket: Path) -> subprocess.Popen[bytes]:
        """Hand `run` to the spare, or to a process started for it."""
        self.warm()
        process, self.spare = self.spare, None
        assert process is not None
        hand(process, run.folder, ticket)
        return process

    def warm(self) -> None:
        """Have a spare: a process with torch imported that waits for the name of one run."""
        if self.spare is None or self.spare.poll() is not None:
            self.spare = self.start_spare("--spare")

    def keep_spares(self, serving: bool) -> None:
        """Have a spare for as long as a device is free for its run. While there is a server and nobody needs
        the machine, have one for short jobs too, once the first is warm.

        The latter holds torch, umap and numba's compiled code, so that a map's UMAP begins at once. It takes
        about as much memory as a small run; `SSLVIZ_READY_FOR_JOBS=0` does without.
        """
        if len(self.working) < max(1, len(jobs.known_devices())):
            self.warm()
        # One that failed to get ready would fail again; one that was ready, and was killed, would not.
        code = 0 if self.ready is None else self.ready.poll()
        ended = code == 0 or (code is not None and time.monotonic() - self.ready_since > READY_SECONDS)
        if (
            serving
            and self.settings.ready_for_jobs
            and ended
            and not self.working
            and is_held(jobs.warm_lock())
        ):
            self.ready, self.ready_is_free = self.start_spare("--ready"), True
            self.ready_since = time.monotonic()

    def start_spare(self, option: str) -> subprocess.Popen[bytes]:
        log = self.home / "supervisor.log"
        return jobs.detach("sslviz.worker", option, log=log, stdin=subprocess.PIPE)

    def hand_over(self) -> None:
        """Give the spare of short jobs the first that is offered."""
        for ticket in jobs.offers():
            job = jobs.Job(self.home / "jobs" / ticket.name)
            with contextlib.suppress(OSError):
                if self.ready_is_free and is_held(jobs.ready_lock()):
                    ticket.unlink()
                    self.ready_is_free = False
                    assert self.ready is not None
                    hand(self.ready, job.folder)
                elif abs(time.time() - ticket.stat().st_mtime) > OFFER_SECONDS:
                    ticket.unlink()
                    if job.read_status().state == "queued":
                        jobs.begin(job)

    def reap(self) -> None:
        """Look after cancelled runs and let go of those that have ended."""
        for working in list(self.working):
            if working.alive():
                self.press(working)
                continue
            self.working.remove(working)
            jobs.end_turn(working.ticket)
            if not working.run.folder.exists():
                continue
            working.run.settle_cancel()
            explain(working)

    def press(self, working: Working) -> None:
        """A cancelled run gets half of `cancel_seconds` for the flag, half for SIGTERM, then SIGKILL."""
        now = time.monotonic()
        files.rotate(working.run.log, self.settings.max_log_bytes)
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

    def leave(self) -> None:
        """Send the spares home."""
        for spare in (self.spare, self.ready):
            if spare is not None and spare.stdin is not None:
                with contextlib.suppress(OSError):
                    spare.stdin.close()


def hand(process: subprocess.Popen[bytes], *paths: Path) -> None:
    """Tell a spare what to do, by the bytes of paths, whatever the encoding of a path is here."""
    assert process.stdin is not None
    try:
        process.stdin.write(b"\0".join(os.fsencode(path) for path in paths))
        process.stdin.close()
    except OSError:  # it died in this instant: its run is settled by `reap`, its job by who offered it
        process.kill()


def explain(working: Working) -> None:
    """Leave a sentence on a run whose process was ended from outside, or never took it up."""
    code = working.process.returncode if working.process is not None else None
    if not code:
        return
    with contextlib.suppress(Timeout, OSError, UserError), FileLock(working.run.lock, timeout=0):
        status = working.run.read_status()
        if status.state == "queued" and not _waits(working.run):
            working.run.set_status(
                state="failed",
                message="Its process ended before it could begin.",
                hint="Try again.",
                finished=time.time(),
            )
        elif status.state == "running":
            message, hint = why(code, status.step, working.run.resuming())
            working.run.set_status(state="lost", message=message, hint=hint, finished=time.time(), pid=None)


def why(code: int, step: int, resume: str) -> tuple[str, str]:
    """What to say of a process that left a running run with this exit code, and what can be done: `resume`
    says what resuming does."""
    if code == -getattr(signal, "SIGKILL", 9):
        return (
            f"Killed by the system at step {step}, probably because memory ran out.",
            f"{resume} A smaller size, network or batch needs less memory.",
        )
    if code < 0:
        with contextlib.suppress(ValueError):
            return f"Stopped unexpectedly at step {step}, by the signal {signal.Signals(-code).name}.", resume
    return f"Stopped unexpectedly at step {step}, with exit code {code}.", f"{resume} Its log may say why."


def _waits(run: Run) -> bool:
    return any((settings.load().home / "queue").glob(f"*-{run.id}"))


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
            supervisor.leave()
            lock.release()
        # A ticket written between the last look and the release found the lock held and started nobody.
        if not jobs.tickets():
            return


if __name__ == "__main__":
    main()
