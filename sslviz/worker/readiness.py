"""Everything that the first map of a process waits for, done beforehand on noise."""

from __future__ import annotations

import contextlib
import os
import sys
from pathlib import Path

from filelock import FileLock

LAST = 19
"""Niceness of what everything else goes before."""


def compile_umap() -> None:
    """Import torch and the encoders, and lay out forty points: numba compiles at the first fit, which takes
    ten seconds and more. On Linux at the lowest priority, which this thread then keeps."""
    if hasattr(os, "setpriority"):
        with contextlib.suppress(OSError):
            os.setpriority(os.PRIO_PROCESS, 0, LAST)
    import numpy as np

    from sslviz import embeddings, features, film, neighbors, networks, project, sprites  # noqa: F401

    noise = np.random.default_rng(0).normal(size=(40, 8)).astype(np.float32)
    indices, similarity = neighbors.search(noise, noise, 30, exclude_self=True)
    project.umap(noise, indices, similarity)


def told(lock: Path) -> list[Path]:
    """The paths that come from standard input; until then `lock` says that this process waits for them."""
    with FileLock(lock, thread_local=False):
        # The bytes of the paths: text would be read in the locale's encoding, which may be another.
        return [Path(os.fsdecode(path)) for path in sys.stdin.buffer.read().split(b"\0")]
