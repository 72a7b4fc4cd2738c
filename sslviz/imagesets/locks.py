"""Who may write to a set: one at a time, and nobody to one that is shared. And how a set goes."""

from __future__ import annotations

import contextlib
import shutil
from collections.abc import Iterator
from pathlib import Path

from filelock import FileLock, Timeout

from sslviz.errors import UserError
from sslviz.files import writing
from sslviz.imagesets.index import is_shared, read_index

PATIENCE_SECONDS = 5.0
"""How long a click waits for another writer of the same set."""


@contextlib.contextmanager
def locked(folder: Path, timeout: float, name: str) -> Iterator[None]:
    """Be the only writer of the set in `folder`; -1 seconds means to wait for it. Raises `UserError`."""
    if is_shared(folder):
        raise UserError(
            f"{name!r} is shared with everybody, and cannot be changed here.",
            "Merge it with a set of your own: the new set is yours.",
        )
    lock = FileLock(_lock_path(folder), timeout=timeout)
    try:
        with writing(folder):
            lock.acquire()
    except Timeout:
        raise UserError(f"Images are being added to {name!r}.", "Try again when that is done.") from None
    try:
        yield
    finally:
        lock.release()
        if not (folder / "index.json").exists():  # deleted, by us or while we waited: nothing is left to hold
            with contextlib.suppress(OSError):
                _lock_path(folder).unlink()


@contextlib.contextmanager
def names_locked(workspace: Path) -> Iterator[None]:
    """Two who choose the same name at once: one of them is told that it is taken."""
    lock = FileLock(workspace / "sets" / "names.lock", timeout=30)
    with writing(workspace):
        (workspace / "sets").mkdir(parents=True, exist_ok=True)
        lock.acquire()
    try:
        yield
    finally:
        lock.release()


def delete_folder(folder: Path, timeout: float, name: str, *, only_empty: bool = False) -> None:
    """Remove a set from the disk; with `only_empty` one that has images is left, and so is an unreadable one.

    Raises `UserError` for a shared one, and while somebody writes to it.
    """
    with contextlib.ExitStack() as held:
        try:
            held.enter_context(locked(folder, timeout, name))
        except UserError:
            # Where there is not even room for a lock nobody holds one, and this is to make room.
            if is_shared(folder) or _lock_path(folder).exists():
                raise
        if only_empty and read_index(folder).entries:
            return
        # The index first: from then on the set is gone, even where some file cannot be removed yet.
        (folder / "index.json").unlink(missing_ok=True)
        shutil.rmtree(folder, ignore_errors=True)


def _lock_path(folder: Path) -> Path:
    return folder.with_name(f"{folder.name}.lock")
