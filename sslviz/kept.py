"""The cache: files of a head and named arrays, each in a folder named by all that it depends on.

`home/cache/<area>/<digest>/<name>.bin`. A file is whole or counts as not there, so whoever reads computes
anew what was damaged, dropped or never made. Nothing in the cache is the only copy of anything.

Who agrees in all of that finds the same, whoever they are; so each workspace notes in `kept.txt` what it has
used, and when it goes, what nobody else has noted goes with it.
"""

from __future__ import annotations

import contextlib
import hashlib
import io
import json
import re
import shutil
import time
import zlib
from collections.abc import Mapping, Sequence
from contextvars import ContextVar
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sslviz import settings
from sslviz.errors import UserError
from sslviz.files import append, as_json, write_atomically

Arrays = dict[str, NDArray[Any]]

YOUNG_SECONDS = 3600.0
NOTES = "kept.txt"
ENTRY = re.compile(r"[a-z]+/[0-9a-f]{32}(\.[a-z]+)?")
_whose: ContextVar[Path | None] = ContextVar("whose", default=None)
_noted: set[tuple[Path, str]] = set()
"""What this process has noted."""


def area_of(name: str) -> Path:
    """The folder of one kind of findings."""
    return settings.load().home / "cache" / name


def folder(area: str, depends: Sequence[Any]) -> Path:
    """Where something is kept: a name made of everything that it depends on."""
    text = json.dumps(list(depends), sort_keys=True, default=str)
    return entry(area, hashlib.sha256(text.encode()).hexdigest()[:32])


def entry(area: str, name: str) -> Path:
    """A folder or a file of an area by its name, 32 hexadecimal digits; noted as used."""
    whose, noted = _whose.get(), f"{area}/{name}"
    if whose is not None:
        notes = whose / NOTES
        # The notes go with the workspace, which its owner may fill again.
        if (notes, noted) not in _noted or not notes.exists():
            with contextlib.suppress(OSError, UserError):
                whose.mkdir(parents=True, exist_ok=True)
                append(notes, f"{noted}\n".encode())
                _noted.add((notes, noted))
    return area_of(area) / name


def work_for(workspace: Path | None) -> None:
    """From now on, in this thread, what is used is noted in this workspace."""
    _whose.set(workspace)


def release(workspace: Path) -> None:
    """Remove from the cache what this workspace has noted and no other one has."""
    own = _notes(workspace)
    with contextlib.suppress(OSError):
        for other in workspace.parent.iterdir():
            if other != workspace and own:
                own -= _notes(other)
    for noted in own:
        path = settings.load().home / "cache" / noted
        with contextlib.suppress(OSError):
            shutil.rmtree(path) if path.is_dir() else path.unlink()


def _notes(workspace: Path) -> set[str]:
    try:
        lines = (workspace / NOTES).read_text("ascii", "replace").split("\n")
    except OSError:
        return set()
    return {line for line in lines if ENTRY.fullmatch(line)}


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
