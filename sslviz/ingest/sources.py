"""What a person hands over — files, folders, zips — as one stream of images with names and labels."""

from __future__ import annotations

import contextlib
import hashlib
import os
import re
import stat
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

from sslviz import archives
from sslviz.errors import UserError
from sslviz.images.pool import Payload
from sslviz.settings import Settings
from sslviz.splits import SPLITS, label_names, training_first

Source = Path | tuple[str, bytes | Path]
"""A file, folder or zip; or the name that a browser gave, and the bytes or where they were put."""


class Candidate(NamedTuple):
    """One image, before anybody has looked at it."""

    name: str
    label: str | None
    source: str
    """Name of the folder or zip it came in; empty for a single file."""


class File(NamedTuple):
    """A file in a folder."""

    name: str
    """Path below the folder, with forward slashes."""
    path: Path
    size: int
    changed: int
    """Nanoseconds since 1970."""


@dataclass
class Sources:
    """All that was handed over, listed but not read."""

    settings: Settings
    groups: list[_Group] = field(default_factory=list)

    @property
    def total(self) -> int:
        """Candidates that `stream` will yield, unless a zip turns out bad on the way."""
        return sum(len(group.names) for group in self.groups)

    @property
    def names(self) -> Iterator[str]:
        """Name of each candidate."""
        return (name for group in self.groups for name in group.names)

    @property
    def bytes(self) -> int:
        """Size of everything as it was handed over."""
        return sum(group.size for group in self.groups)

    def stream(self) -> Iterator[tuple[Candidate, Payload]]:
        """Each image with its bytes, its path, or the reason why it is not even tried."""
        for group in self.groups:
            yield from group.stream(self.settings)


@dataclass
class _Group:
    """Files that were put into one tree, so that its folders are their labels."""

    name: str
    names: list[str]
    payloads: Sequence[Payload] = ()
    zip: Path | bytes | None = None
    size: int = 0
    folder: Path | None = None
    label: str | None = None
    """For files whose folders within the tree say nothing."""

    def stream(self, settings: Settings) -> Iterator[tuple[Candidate, Payload]]:
        labels = [label or self.label for label in label_names(self.names)]
        found: Iterable[tuple[str, Payload]] = zip(self.names, self.payloads, strict=False)
        if self.zip is not None:
            found = archives.members(self.zip, settings)
        try:
            for (name, payload), label in zip(found, labels, strict=False):
                yield Candidate(name, label, self.name), payload
        except UserError as error:
            yield Candidate(self.name, None, ""), error


def gather(sources: Iterable[Source], settings: Settings) -> Sources:
    """List `sources`. What cannot be had becomes a candidate with a reason; nothing is raised.

    What is in a folder for testing comes after the rest, so that it can be divided from it.
    """
    result = Sources(settings)
    loose = _Group("", [])
    payloads: list[Payload] = []
    for source in sources:
        name, where = source if isinstance(source, tuple) else (_name(source), source)
        if archives.is_junk(name):
            continue
        group = _group(name, where, settings)
        if group is not None:
            result.groups.append(group)
            continue
        # Files that come one by one may still be a tree: browsers send a folder's files with their paths.
        loose.names.append(name)
        payloads.append(where)
        loose.size += _size(where)
    order = training_first(loose.names)
    loose.names, loose.payloads = [loose.names[at] for at in order], [payloads[at] for at in order]
    result.groups = [result.groups[at] for at in training_first([f"{one.name}/" for one in result.groups])]
    _label_siblings([group for group in result.groups if group.folder is not None])
    if loose.names:
        result.groups.append(loose)
    return result


def _name(path: Path) -> str:
    return path.resolve().name if path.name in {"", ".."} else path.name


def _label_siblings(folders: list[_Group]) -> None:
    """Of several folders each is a class, as it would be in the folder above them: `lab/cat lab/dog`."""
    if len({group.folder for group in folders}) > 1:
        for group in folders:
            group.label = None if group.name.lower() in SPLITS else group.name or None


def is_folder(path: Path) -> bool:
    """Whether there is a folder at `path`; where that is too long for a path, pathlib raises instead."""
    return os.path.isdir(path)  # noqa: PTH112


def is_there(path: Path) -> bool:
    """Whether there is anything at `path`, however long that is."""
    return os.path.exists(path)  # noqa: PTH110


def _group(name: str, where: bytes | Path, settings: Settings) -> _Group | None:
    """The tree that a folder or a zip is; None for a single file."""
    if isinstance(where, Path) and is_folder(where):
        files, problems = listing(where)
        if not files and not problems:
            problems = [(name, UserError("is a folder without a file in it"))]
        files = [files[at] for at in training_first([file.name for file in files])]
        names = [file.name for file in files] + [problem for problem, _ in problems]
        payloads = [_in_folder(file) for file in files] + [reason for _, reason in problems]
        size = sum(file.size for file in files)
        return _Group(name, names, payloads, size=size, folder=where.resolve())
    try:
        start = where[:4] if isinstance(where, bytes) else _start(where)
        if archives.looks_like_zip(start) or name.lower().endswith(".zip"):
            names = archives.names(where, settings)
            if not names:
                return _Group("", [name], [UserError("is a zip without a picture in it")])
            return _Group(name, names, zip=where, size=_size(where))
    except (OSError, ValueError) as error:
        reason = "does not exist"
        if isinstance(error, PermissionError) or (isinstance(where, Path) and is_there(where)):
            reason = "may not be read by you"
        elif isinstance(where, Path) and os.path.islink(where):  # noqa: PTH114
            reason = "is a link to nothing"
        return _Group("", [name], [UserError(reason)])
    except UserError as error:
        return _Group("", [name], [error])
    return None


def _start(path: Path) -> bytes:
    if not stat.S_ISREG(path.stat().st_mode):  # raises where there is nothing at all
        raise UserError("is not a file")  # a pipe called .zip would be waited for, without an end
    with path.open("rb") as file:
        return file.read(4)


def _size(where: bytes | Path) -> int:
    return len(where) if isinstance(where, bytes) else where.stat().st_size


def _in_folder(file: File) -> Payload:
    if file.path.suffix.lower() == ".zip":
        return UserError("is a zip in a folder; add it by itself")
    return file.path


def listing(folder: Path) -> tuple[list[File], list[tuple[str, UserError]]]:
    """Files below `folder` in the order of their names, 2 before 10; and what cannot be read.

    Links to folders are followed, but each folder is read once and those above `folder` are not, so a link to
    a parent goes nowhere.
    """
    files: list[File] = []
    problems: list[tuple[str, UserError]] = []
    seen = set(_above(folder))
    waiting = [("", folder)]
    while waiting:
        prefix, path = waiting.pop()
        try:
            status = path.stat()
            if (status.st_dev, status.st_ino) in seen:
                continue
            seen.add((status.st_dev, status.st_ino))
            with os.scandir(path) as found:
                entries = list(found)
        except OSError:
            problems.append((prefix or path.name, UserError("is a folder that may not be read by you")))
            continue
        for entry in entries:
            name = f"{prefix}{entry.name}"
            try:
                if entry.is_dir():
                    if not archives.is_junk(f"{name}/_"):
                        waiting.append((f"{name}/", path / entry.name))
                elif not archives.is_junk(name):
                    status = entry.stat()
                    files.append(File(name, path / entry.name, status.st_size, status.st_mtime_ns))
            except OSError as error:
                problems.append((name, UserError(_why_not(entry, error))))
    return sorted(files, key=lambda file: _natural(file.name)), problems


def _above(folder: Path) -> Iterator[tuple[int, int]]:
    """Device and number of each folder above `folder`; of those that one may look at."""
    for parent in folder.resolve().parents:
        with contextlib.suppress(OSError):
            status = parent.stat()
            yield status.st_dev, status.st_ino


def _why_not(entry: os.DirEntry[str], error: OSError) -> str:
    if isinstance(error, PermissionError):
        return "may not be read by you"
    if entry.is_symlink():
        return "is a link to nothing"
    return "is no longer there" if isinstance(error, FileNotFoundError) else "cannot be read from the disk"


def _natural(name: str) -> list[tuple[int, str]]:
    """Sorts 2.jpg before 10.jpg."""
    return [(int(part), "") if part.isdecimal() else (0, part) for part in re.split(r"(\d+)", name)]


def listing_digest(path: Path) -> str:
    """Digest of what one would find in a folder or zip: names, sizes and times, not contents."""
    digest = hashlib.sha256()
    if path.is_dir():
        for file in listing(path)[0]:
            digest.update(repr((file.name, file.size, file.changed)).encode("utf-8", "surrogatepass"))
    else:
        status = path.stat()
        digest.update(repr((path.name, status.st_size, status.st_mtime_ns)).encode("utf-8", "surrogatepass"))
    return digest.hexdigest()
