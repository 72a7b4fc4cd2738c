"""Checkpoints: a folder a step, complete once its manifest is there and its digests agree.

Snapshots are such folders too, with weights alone and all of them kept: what the network was on its way.
"""

from __future__ import annotations

import hashlib
import shutil
from collections.abc import Iterator, Mapping
from functools import lru_cache
from pathlib import Path

from sslviz.files import flush_folder, read_json, write_atomically, write_json, writing

KEPT = 2
"""The newest, and one more in case the newest is damaged."""
MODEL = "model.safetensors"
RESUME = "resume.safetensors"
SNAPSHOTS = "snapshots"
"""The folder of a run that has them."""


def save(parent: Path, step: int, files: Mapping[str, bytes], kept: int | None = KEPT) -> Path:
    """Write the checkpoint of `step` into `parent` and drop all but the newest `kept`, by default two, none
    for None; returns its folder.

    The manifest with the digests is written last: a checkpoint without one does not exist.
    """
    folder = parent / str(step)
    _remove(folder)
    with writing(parent):
        folder.mkdir(parents=True)
    digests = {}
    for name, data in files.items():
        write_atomically(folder / name, data)
        digests[name] = {"sha256": hashlib.sha256(data).hexdigest(), "bytes": len(data)}
    write_json(folder / "manifest.json", {"step": step, "files": digests, "schema": 1})
    # Its name has to survive a power cut before an older one goes.
    with writing(parent):
        flush_folder(parent)
        flush_folder(parent.parent)
    if kept is not None:
        older = [path for other, path in _steps(parent) if other <= step]
        whole = [path for path in older if (path / "manifest.json").exists()]
        for path in older:
            if path not in whole[-kept:]:  # what was never finished is none of those that are kept
                _remove(path)
    return folder


def drop(parent: Path, after: int) -> None:
    """Remove those of later steps than `after`, whole or not."""
    for step, path in _steps(parent):
        if step > after:
            _remove(path)


def _remove(folder: Path) -> None:
    """The manifest goes first: what is left of the rest is then no checkpoint, and not a damaged one."""
    (folder / "manifest.json").unlink(missing_ok=True)
    shutil.rmtree(folder, ignore_errors=True)


def sound(parent: Path) -> Iterator[tuple[int, Path]]:
    """(step, folder) of those that are whole, newest first. Digests are checked as they are reached."""
    return ((step, path) for step, path in reversed(_steps(parent)) if _is_sound(path))


def damaged(parent: Path) -> list[int]:
    """Steps of those that were written to their end and are no longer what their manifest says, newest
    first."""
    return [
        step
        for step, path in reversed(_steps(parent))
        if (path / "manifest.json").exists() and not _is_sound(path)
    ]


def any_written(parent: Path) -> bool:
    """Whether one was ever written to its end, whatever has become of it since."""
    return any((path / "manifest.json").exists() for _, path in _steps(parent))


def _steps(parent: Path) -> list[tuple[int, Path]]:
    try:
        return sorted((int(path.name), path) for path in parent.iterdir() if path.name.isdigit())
    except OSError:
        return []


def _is_sound(folder: Path) -> bool:
    try:
        files = read_json(folder / "manifest.json")["files"]
        for name, entry in files.items():
            stat = (folder / name).stat()
            if stat.st_size != entry["bytes"]:
                return False
            if _digest(folder / name, stat.st_size, stat.st_mtime_ns) != entry["sha256"]:
                return False
        return MODEL in files
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return False


@lru_cache(maxsize=256)
def _digest(path: Path, size: int, modified: int) -> str:  # noqa: ARG001 - a changed file is hashed anew
    return hashlib.sha256(path.read_bytes()).hexdigest()
