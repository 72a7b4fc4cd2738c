"""Processes that outlive the server, and the locks by which they know of each other.

Whatever is started here lives in a session of its own, so that neither the end of the server nor its Ctrl-C
reaches it. No torch is imported: the server calls this.
"""

from __future__ import annotations

import contextlib
import os
import secrets
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any

from filelock import FileLock

from sslviz import settings
from sslviz.errors import UserError
from sslviz.files import read_json, write_json, writing
from sslviz.runs import is_held

LATER, LAST = 10, 19
"""Niceness of work, and of work for many: twenty jobs of ten together would weigh as much as the server."""
BEGIN_SECONDS = 10.0
"""A supervisor that was started this long ago or less may not have taken its lock yet."""
SUPERVISOR = "sslviz.supervisor"


def start_supervisor() -> None:
    """Start one unless one lives. Two calls at once may start two; all but one of them leave again.

    Raises `UserError` for a home that cannot be written to.
    """
    if not is_held(supervisor_lock()):
        log = _supervisor_log()
        with writing(log.parent):
            log.touch()  # when it was started last, for `keep_supervisor`
            detach(SUPERVISOR, log=log)


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


def warm_lock() -> Path:
    """Held by a process that is ready for a run, until it gets one."""
    return lock_file("ready-for-runs")


def device_lock(device: str) -> Path:
    """The lock that a training run on "cpu", "cuda:0", … holds: one run a device, in the app or out of it."""
    return lock_file(f"device-{device.replace(':', '-')}")


def lock_file(name: str) -> Path:
    folder = settings.load().home / "locks"
    with writing(folder):
        folder.mkdir(parents=True, exist_ok=True)
    return folder / f"{name}.lock"


def known_devices() -> tuple[str, ...]:
    """What "auto" may stand for on this machine: all its GPUs, or else the one other device. None are known
    before the first process with torch has looked."""
    try:
        found = read_json(_devices_file())["devices"]
    except (OSError, ValueError, KeyError):
        return ()
    sound = isinstance(found, list) and all(isinstance(name, str) for name in found)
    return tuple(found) if sound else ()


def note_devices(found: tuple[str, ...]) -> None:
    """Write them down for those who have no torch, which is no great matter where it fails."""
    if found != known_devices():
        with contextlib.suppress(OSError, UserError):
            write_json(_devices_file(), {"devices": list(found)})


def _devices_file() -> Path:
    return settings.load().home / "cache" / "devices.json"


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
    if module != SUPERVISOR:
        lower_priority(process.pid)  # it does so itself once it has imported what that takes, half a second
    # Somebody has to wait for it, or it stays behind as a zombie for as long as the server lives.
    threading.Thread(target=process.wait, name=f"reap {module}", daemon=True).start()
    return process


def _import_path() -> list[str]:
    """Where a child, which works in another folder, finds the same sslviz."""
    here = str(Path(__file__).resolve().parents[2])
    given = [str(Path(p).absolute()) for p in os.environ.get("PYTHONPATH", "").split(os.pathsep) if p]
    return [here, *(path for path in given if path != here)]


def lower_priority(process: int = 0) -> None:
    """Let the server and the person at the machine go before a process, this one by default; where many use
    the server, before all that was started for them."""
    niceness = LAST if settings.load().server else LATER
    if hasattr(os, "setpriority"):
        with contextlib.suppress(OSError):  # it is over
            before = os.getpriority(os.PRIO_PROCESS, process)
            os.setpriority(os.PRIO_PROCESS, process, max(niceness, before))
    # Linux weighs whole sessions against each other, and a job has a session of its own: there the
    # niceness of the process alone would change nothing.
    with contextlib.suppress(OSError):
        Path(f"/proc/{process or 'self'}/autogroup").write_text(str(niceness))
