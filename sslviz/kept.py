"""The cache: files of a head and named arrays, each in a folder named by all that it depends on.

`home/cache/<area>/<digest>/<name>.bin`. A file is whole or counts as not there, so whoever reads computes
anew what was damaged, dropped or never made. Nothing in the cache is the only copy of anything.
"""

from __future__ import annotations

import contextlib
import hashlib
import io
import json
import shutil
import time
import zlib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sslviz import settings
from sslviz.files import as_json, write_atomically

Arrays = dict[str, NDArray[Any]]

YOUNG_SECONDS = 3600.0


def area_of(name: str) -> Path:
    """The folder of one kind of findings."""
    return settings.load().home / "cache" / name


def folder(area: str, depends: Sequence[Any]) -> Path:
    """Where something is kept: a name made of everything that it depends on."""
    text = json.dumps(list(depends), sort_keys=True, default=str)
    return area_of(area) / hashlib.sha256(text.encode()).hexdigest()[:32]


def write(path: Path, arrays: Mapping[str, NDArray[Any]], **head: Any) -> None:
    """Replace `path` by `arrays`, in their order, and a `head` that is fit for JSON."""
    body = io.BytesIO()
    body.write(as_json({**head, "names": list(arrays)}) + b"\n")
    for array in arrays.values():
        np.save(body, np.asarray(array, order="C"), allow_pickle=False)
    data = body.getvalue()
    write_atomically(path, zlib.crc32(data).to_bytes(4, "big") + data)


def read(path: Path) -> tuple[dict[str, Any], Arrays] | None:
    """What `write` was given, (head, arrays); None where that is not there or not whole."""
    try:
        data = path.read_bytes()
        if zlib.crc32(data[4:]) != int.from_bytes(data[:4], "big"):
            return None
        body = io.BytesIO(data[4:])
        head = json.loads(body.readline())
        return head, {name: np.load(body, allow_pickle=False) for name in head["names"]}
    except (OSError, ValueError, KeyError, TypeError, EOFError):
        return None


def written(path: Path) -> int:
    """When `path` was written, in nanoseconds; 0 where it is not there. Changes whenever it is replaced."""
    try:
        return path.stat().st_mtime_ns
    except OSError:
        return 0


def prune(area: str, most: int) -> None:
    """Drop the folders of an area that were read least recently, until the rest has at most `most` bytes."""
    known = {}
    for place in area_of(area).iterdir():
        with contextlib.suppress(OSError):  # another process drops it too
            files = [path.stat() for path in place.rglob("*") if path.is_file()]
            last = max((max(file.st_atime, file.st_mtime) for file in files), default=0.0)
            known[place] = (last, sum(file.st_size for file in files))
    total = sum(size for _, size in known.values())
    for place, (last, size) in sorted(known.items(), key=lambda item: item[1]):
        if total <= most:
            break
        if time.time() - last > YOUNG_SECONDS:
            shutil.rmtree(place, ignore_errors=True)
            total -= size
