"""Waiting for the first of several locks, as runs do for devices and jobs for their turns."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

from filelock import FileLock, Timeout


@contextlib.contextmanager
def first_free(places: Mapping[str, Path], seconds: float, waiting: Callable[[], None]) -> Iterator[str]:
    """Hold the first of the locks at `places` that is free, and yield its name.

    All are looked at in `seconds`; `waiting` is called after each look in vain, and ends it by raising.
    """
    while True:
        for name, path in places.items():
            lock = FileLock(path, thread_local=False)
            try:
                # Not nought: whoever asks whether it is held holds it for an instant.
                lock.acquire(timeout=seconds / len(places))
            except Timeout:
                continue
            try:
                yield name
            finally:
                lock.release()
            return
        waiting()
