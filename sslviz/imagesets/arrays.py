"""One array of a whole set, on the disk, built once and mapped from then on."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from math import prod
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from sslviz.files import free_bytes, full_disk, replacing, sweep, writing

if TYPE_CHECKING:
    from numpy.typing import NDArray

_BLOCK_BYTES = 32_000_000


def load(path: Path, shape: tuple[int, ...]) -> NDArray[np.uint8] | None:
    """The uint8 array of `shape` in `path`, mapped copy-on-write; None where there is no such thing."""
    try:
        # Copy-on-write and not read-only: torch takes no read-only memory without complaining.
        array = np.load(path, mmap_mode="c", allow_pickle=False)
    except (OSError, ValueError, EOFError, SyntaxError):
        return None
    if not isinstance(array, np.ndarray) or array.shape != shape or array.dtype != np.uint8:
        return None
    return array


def build(
    path: Path,
    shape: tuple[int, ...],
    row: Callable[[int], NDArray[np.uint8]],
    report: Callable[[int, int], None] | None = None,
) -> None:
    """Write `row(0)`, `row(1)`, … as one array to `path`; arrays of older states of the set are removed.

    In threads, since Pillow decodes and resamples without holding the interpreter's lock. Raises `UserError`
    where the disk is full.
    """
    needed = prod(shape)
    folder = path.parent
    if free_bytes(folder) < needed:
        raise full_disk(folder, needed)
    with writing(folder, needed):
        folder.mkdir(exist_ok=True)
        sweep(folder)
        # Written, not mapped: a full disk under a mapping ends the process instead of raising.
        with replacing(path) as file, ThreadPoolExecutor(os.cpu_count()) as threads:
            header = {"descr": "|u1", "fortran_order": False, "shape": shape}
            np.lib.format.write_array_header_1_0(file, header)
            block = max(1, _BLOCK_BYTES // prod(shape[1:]))
            for start in range(0, shape[0], block):
                stop = min(start + block, shape[0])
                file.write(np.ascontiguousarray(list(threads.map(row, range(start, stop)))).data)
                if report is not None:
                    report(stop, shape[0])
    fingerprint = path.stem.split("-")[1]
    for other in folder.glob("*.npy"):
        if not other.stem.endswith(fingerprint):
            with contextlib.suppress(OSError):  # Windows keeps what somebody has mapped
                other.unlink()
