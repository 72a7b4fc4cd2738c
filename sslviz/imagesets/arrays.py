"""One array of a whole set, on the disk, built once and mapped from then on.

An .npy file with four bytes behind it: the checksum of all that is before them. What does not agree with it
is built again, since a network would learn from whatever is there.
"""

from __future__ import annotations

import contextlib
import io
import os
import zlib
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import lru_cache
from math import prod
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from sslviz.files import free_bytes, full_disk, replacing, sweep, writing

if TYPE_CHECKING:
    from numpy.typing import NDArray

_BLOCK_BYTES = 32_000_000
_SUM_BYTES = 4


def mapped(
    path: Path,
    shape: tuple[int, ...],
    row: Callable[[int], NDArray[np.uint8]],
    report: Callable[[int, int], None] | None = None,
) -> NDArray[np.uint8] | None:
    """The array in `path`, which is built first where there is none: see `build`. In memory where its folder
    was deleted meanwhile; None where what was written is not what is read."""
    found = load(path, shape)
    if found is not None:
        return found
    try:
        build(path, shape, row, report)
    except FileNotFoundError:  # a run goes on with the set that it holds
        return np.ascontiguousarray([row(number) for number in range(shape[0])])
    return load(path, shape)


def load(path: Path, shape: tuple[int, ...]) -> NDArray[np.uint8] | None:
    """The uint8 array of `shape` in `path`, mapped copy-on-write; None where there is no such thing."""
    try:
        stat = path.stat()
        if not _is_whole(path, stat.st_mtime_ns, stat.st_size, stat.st_ino):
            return None
        # Copy-on-write and not read-only: torch takes no read-only memory without complaining.
        array = np.load(path, mmap_mode="c", allow_pickle=False)
    except (OSError, ValueError, EOFError, SyntaxError):
        return None
    if not isinstance(array, np.ndarray) or array.shape != shape or array.dtype != np.uint8:
        return None
    return array


@lru_cache(maxsize=64)
def _is_whole(path: Path, _modified: int, size: int, _node: int) -> bool:
    """Whether a file agrees with its checksum; read once in a process while it stays the same file."""
    found, left = 0, size - _SUM_BYTES
    with path.open("rb") as file:
        while left > 0 and (part := file.read(min(left, _BLOCK_BYTES))):
            found, left = zlib.crc32(part, found), left - len(part)
        return left == 0 and file.read() == found.to_bytes(_SUM_BYTES, "big")


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
            header = io.BytesIO()
            described = {"descr": "|u1", "fortran_order": False, "shape": shape}
            np.lib.format.write_array_header_1_0(header, described)
            file.write(header.getvalue())
            checksum = zlib.crc32(header.getvalue())
            block = max(1, _BLOCK_BYTES // prod(shape[1:]))
            for start in range(0, shape[0], block):
                stop = min(start + block, shape[0])
                part = np.ascontiguousarray(list(threads.map(row, range(start, stop))))
                file.write(part.data)
                checksum = zlib.crc32(part.data, checksum)
                if report is not None:
                    report(stop, shape[0])
            file.write(checksum.to_bytes(_SUM_BYTES, "big"))
    fingerprint = path.stem.split("-")[1]
    for other in folder.glob("*.npy"):
        if not other.stem.endswith(fingerprint):
            with contextlib.suppress(OSError):  # Windows keeps what somebody has mapped
                other.unlink()
