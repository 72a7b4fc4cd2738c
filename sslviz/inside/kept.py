"""The cache of what was found inside networks: files of named arrays that are whole or count as not there."""

from __future__ import annotations

import contextlib
import hashlib
import io
import json
import shutil
import time
import zlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sslviz import settings
from sslviz.files import as_json, read_json, write_atomically
from sslviz.imagesets import ImageSet
from sslviz.runs import Run

Arrays = dict[str, NDArray[Any]]

VERSION = 1
"""Of what is computed and of how it is kept; another version's files are not read."""
KEPT_BYTES = 1_000_000_000
"""Past this the folders that were not read for longest are dropped."""
YOUNG_SECONDS = 3600.0


def folder(run: Run, images: ImageSet, source: str) -> Path:
    """Where a network of a run, `source` "run" or "untrained", is kept: a name made of all it depends on."""
    spec = run.spec
    depends: list[Any] = [VERSION, source, images.fingerprint, spec.task, spec.options, spec.model]
    depends += [spec.size, spec.side, spec.view]
    if source == "run":
        weights = run.weights()
        depends.append(read_json(weights.parent / "manifest.json")["files"][weights.name]["sha256"])
    else:
        depends += [spec.seed, spec.classes]
    text = json.dumps(depends, sort_keys=True, default=str)
    return _parent() / hashlib.sha256(text.encode()).hexdigest()[:32]


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


def prune() -> None:
    """Drop the folders that were read least recently, until the rest is not too large."""
    known = {}
    for place in _parent().iterdir():
        with contextlib.suppress(OSError):  # another process drops it too
            files = [path.stat() for path in place.rglob("*") if path.is_file()]
            last = max((max(file.st_atime, file.st_mtime) for file in files), default=0.0)
            known[place] = (last, sum(file.st_size for file in files))
    total = sum(size for _, size in known.values())
    for place, (last, size) in sorted(known.items(), key=lambda item: item[1]):
        if total <= KEPT_BYTES:
            break
        if time.time() - last > YOUNG_SECONDS:
            shutil.rmtree(place, ignore_errors=True)
            total -= size


def _parent() -> Path:
    return settings.load().home / "cache" / "inside"
