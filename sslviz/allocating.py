"""What the C library does with memory that is freed: work wants to keep it, a server to give it back."""

from __future__ import annotations

import ctypes
import functools
import sys

TRIM_THRESHOLD, MMAP_MAX, ARENA_MAX = -1, -4, -8
"""M_TRIM_THRESHOLD, M_MMAP_MAX and M_ARENA_MAX of glibc's malloc.h."""
ARENAS = 2


@functools.cache
def keep_freed_memory() -> bool:
    """Let this process keep what it frees; whether it can.

    glibc gives large blocks back to the system at once, and a step asks for the same ones again: the system
    then hands out new pages and clears them, thousands a step. Jigsaw and location spent a fifth of their
    time on that, Network-in-Network as much. The process holds up to a third more at its highest for it.
    """
    library = _glibc()
    if library is None:
        return False
    return bool(library.mallopt(MMAP_MAX, 0)) and bool(library.mallopt(TRIM_THRESHOLD, 2**31 - 1))


def share_arenas() -> None:
    """Let the threads of this process share their pools of memory, where the C library can.

    Each page is drawn in a thread of its own, and glibc gives threads pools, eight a core, none of which
    another thread may use what is free in.
    """
    library = _glibc()
    if library is not None:
        library.mallopt(ARENA_MAX, ARENAS)


def give_back() -> None:
    """Give the system back what is free, where the C library can."""
    library = _glibc()
    if library is not None:
        library.malloc_trim(0)


@functools.cache
def _glibc() -> ctypes.CDLL | None:
    if not sys.platform.startswith("linux"):
        return None
    try:
        library = ctypes.CDLL(None)
        library.mallopt, library.malloc_trim  # noqa: B018 - another C library has neither
    except (OSError, AttributeError):
        return None
    return library
