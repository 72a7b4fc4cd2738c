"""Memory that one step, or one batch, frees and the next one needs again."""

from __future__ import annotations

import ctypes
import functools
import sys

TRIM_THRESHOLD, MMAP_THRESHOLD = -1, -3
"""M_TRIM_THRESHOLD and M_MMAP_THRESHOLD of glibc's malloc.h."""
MOST = 32 * 2**20
"""The largest M_MMAP_THRESHOLD that glibc takes on 64 bits."""


@functools.cache
def keep_freed_memory() -> bool:
    """Let this process keep what it frees; whether it can.

    glibc gives large blocks back to the system at once, and a step asks for the same ones again: the system
    then hands out new pages and clears them, thousands a step. Jigsaw and location spent a fifth of their
    time on that.
    """
    if not sys.platform.startswith("linux"):
        return False
    try:
        mallopt = ctypes.CDLL(None).mallopt
    except (OSError, AttributeError):  # another C library
        return False
    return bool(mallopt(MMAP_THRESHOLD, MOST)) and bool(mallopt(TRIM_THRESHOLD, 2**31 - 1))
