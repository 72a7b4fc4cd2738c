"""Memory that one step, or one batch, frees and the next one needs again."""

from __future__ import annotations

import ctypes
import functools
import sys

TRIM_THRESHOLD, MMAP_MAX = -1, -4
"""M_TRIM_THRESHOLD and M_MMAP_MAX of glibc's malloc.h."""


@functools.cache
def keep_freed_memory() -> bool:
    """Let this process keep what it frees; whether it can.

    glibc gives large blocks back to the system at once, and a step asks for the same ones again: the system
    then hands out new pages and clears them, thousands a step. Jigsaw and location spent a fifth of their
    time on that, Network-in-Network as much. The process holds up to a third more at its highest for it.
    """
    if not sys.platform.startswith("linux"):
        return False
    try:
        mallopt = ctypes.CDLL(None).mallopt
    except (OSError, AttributeError):  # another C library
        return False
    return bool(mallopt(MMAP_MAX, 0)) and bool(mallopt(TRIM_THRESHOLD, 2**31 - 1))
