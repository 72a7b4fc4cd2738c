"""The workspaces of many people in one home: how they are named, how long they stay, and how they go.

A visitor's browser keeps a token that nobody can guess. The name of the workspace, which paths are made of,
is a digest of it, or of who is signed in: no name that is seen somewhere opens anything, and nothing that
comes from outside becomes part of a path. "local" is the workspace of whoever runs sslviz, and no visit.

What is deleted is all there is: sets, runs, the jobs that were asked for there, and whatever is kept in the
cache that no other workspace uses.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import re
import secrets
import shutil
import time
from collections.abc import Iterator
from pathlib import Path

from sslviz import jobs, kept, runs, settings
from sslviz.errors import UserError
from sslviz.files import read_json, write_json, writing
from sslviz.jobs import Job
from sslviz.runs import is_held

TOKEN = re.compile(r"[A-Za-z0-9_-]{43}")
"""256 bits, as `secrets` writes them."""
NAME = re.compile(r"[0-9a-f]{32}")
"""Name of a visitor's workspace."""
VISIT = "visit.json"
VISIT_SECONDS = 3600.0
"""A visit is written down again after this long."""
STOP_SECONDS = 15.0
"""What is at work in a workspace may take this long to stop before it is deleted: longer than the supervisor
leaves a run."""
DAY = 24 * 3600.0


# Names


def new_token() -> str:
    """What a browser keeps: 256 bits of chance."""
    return secrets.token_urlsafe(32)


def of_token(token: str | None) -> str | None:
    """Name of the workspace that a token opens; None for what is no token."""
    return _digest("browser", token) if token is not None and TOKEN.fullmatch(token) else None


def of_person(issuer: str, subject: str) -> str:
    """Name of the workspace of somebody who is signed in, by who says so and what they call them."""
    return _digest("person", json.dumps([issuer, subject]))


def _digest(kind: str, text: str) -> str:
    return hashlib.sha256(f"sslviz {kind} {text}".encode()).hexdigest()[:32]


def visitors() -> list[Path]:
    """Workspaces of visitors; "local", and whatever else has another kind of name, is not among them."""
    try:
        found = (settings.load().home / "workspaces").iterdir()
        return sorted(path for path in found if NAME.fullmatch(path.name) and path.is_dir())
    except OSError:
        return []


# Visits


def visit(workspace: Path, now: float | None = None) -> None:
    """Note that somebody is there, with how many days without a visit the workspace is kept for.

    Whoever comes by to tidy up keeps to that, and not to settings of its own. A workspace with nothing in it
    has no folder, and nothing is written. Never raises.
    """
    now = time.time() if now is None else now
    if not NAME.fullmatch(workspace.name) or not workspace.is_dir():
        return
    last, days = _visited(workspace)
    wanted = settings.load().retention_days
    if last is None or abs(now - last) > VISIT_SECONDS or days != wanted:
        with contextlib.suppress(OSError, UserError):
            write_json(workspace / VISIT, {"last": now, "days": wanted})


def _visited(workspace: Path) -> tuple[float | None, float]:
    """(when somebody was there last, days that it is kept for); (None, …) where that is not known."""
    try:
        found = read_json(workspace / VISIT)
        return float(found["last"]), float(found["days"])
    except (OSError, ValueError, KeyError, TypeError):
        return None, settings.load().retention_days


def expired(now: float | None = None) -> list[Path]:
    """Workspaces of visitors that nobody has come to for as long as they are kept, and where nothing is at
    work."""
    now = time.time() if now is None else now
    found = []
    for workspace in visitors():
        last, days = _visited(workspace)
        if last is None:
            with contextlib.suppress(OSError):
                last = max(path.stat().st_mtime for path in (workspace, *workspace.iterdir()))
        if last is not None and days > 0 and now - last > days * DAY and not _at_work(workspace):
            found.append(workspace)
    return found


def expire(now: float | None = None) -> list[str]:
    """Delete what has expired, and what is left of jobs and uploads of workspaces that are no more; returns
    the names of the workspaces."""
    gone = []
    for workspace in expired(now):
        with contextlib.suppress(UserError, OSError):
            delete(workspace)
            gone.append(workspace.name)
    there = {path.name for path in visitors()}
    for job, owner in _jobs():
        # The first upload of a visitor begins before there is a workspace.
        begun = job.status().state in ("queued", "running")
        if NAME.fullmatch(owner.name) and owner.name not in there and not begun:
            _drop(job)
    sweep_uploads(now)
    return gone


def sweep_uploads(now: float | None = None) -> None:
    """Remove uploads that nobody has read for a day: whoever was to read them was killed."""
    with contextlib.suppress(OSError):
        for staging in (settings.load().home / "staging").iterdir():
            if (time.time() if now is None else now) - staging.stat().st_mtime > DAY:
                shutil.rmtree(staging, ignore_errors=True)


# The end


def delete(workspace: Path, seconds: float = STOP_SECONDS) -> None:
    """Delete a visitor's workspace with all that was made for it; what is at work there is stopped first.

    Raises `UserError` for a workspace that is no visitor's, and where something has not stopped in time.
    """
    if not NAME.fullmatch(workspace.name) or workspace.parent != settings.load().home / "workspaces":
        raise UserError("Only the workspace of a visitor can be deleted as a whole.")
    stop(workspace, seconds)
    for job, owner in _jobs():
        if owner == workspace:
            _drop(job)
    for run in _own_runs(workspace):
        run.delete()  # its tickets too
    kept.release(workspace)
    gone = workspace.with_name(f".{workspace.name}-{secrets.token_hex(4)}.deleted")
    with writing(workspace.parent), contextlib.suppress(FileNotFoundError):
        workspace.rename(gone)
    shutil.rmtree(gone, ignore_errors=True)


def stop(workspace: Path, seconds: float = STOP_SECONDS) -> None:
    """Have everything stop that is at work in a workspace; jobs that do not heed are ended.

    Raises `UserError` where something is still at work after so many seconds.
    """
    for run in _own_runs(workspace):
        run.cancel()
    own = [job for job, owner in _jobs() if owner == workspace]
    for job in own:
        with contextlib.suppress(OSError):
            job.cancel()
    if _at_work(workspace, own):
        jobs.keep_supervisor()  # it ends the runs that do not heed
    until = time.monotonic() + seconds
    while _at_work(workspace, own):
        if time.monotonic() > until - seconds / 2:
            for job in own:
                job.end()
        if time.monotonic() > until:
            raise UserError("Something of yours is still stopping.", "Try again in a few seconds.")
        time.sleep(0.1)


def _at_work(workspace: Path, own: list[Job] | None = None) -> bool:
    if own is None:
        own = [job for job, owner in _jobs() if owner == workspace]
    waits = any(run.read_status().state == "queued" and _ticketed(run) for run in _own_runs(workspace))
    locks = [run.lock for run in _own_runs(workspace)] + [job.lock for job in own]
    return waits or any(is_held(lock) for lock in locks)


def _ticketed(run: runs.Run) -> bool:
    home = settings.load().home
    return any(any((home / place).glob(f"*-{run.id}")) for place in ("queue", "running"))


def _own_runs(workspace: Path) -> list[runs.Run]:
    return [run for run in runs.listing(workspace) if not run.bundled]


def _jobs() -> Iterator[tuple[Job, Path]]:
    """Short jobs with the workspaces that they were asked for in."""
    with contextlib.suppress(OSError):
        for folder in (settings.load().home / "jobs").iterdir():
            with contextlib.suppress(OSError, ValueError, KeyError, TypeError):
                yield Job(folder), Path(Job(folder).request()[1]["workspace"])


def _drop(job: Job) -> None:
    """Remove a job, with what was uploaded for it and not read."""
    job.forget_upload()
    shutil.rmtree(job.folder, ignore_errors=True)
