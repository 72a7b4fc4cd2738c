"""Disks that fail: one that is full at some write, and one whose power is cut."""

from __future__ import annotations

import builtins
import errno
import io
import os
import shutil
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

WRITING = set("wax+")


@dataclass
class FullDisk:
    """Write number `fails_at`, from 1, takes half of its bytes and no more; with `stays` all later ones take
    none at all. `writes` counts them."""

    fails_at: int
    stays: bool = False
    writes: int = 0

    @property
    def failed(self) -> bool:
        return self.writes >= self.fails_at

    def write(self, file: Any, data: Any) -> int:
        self.writes += 1
        if self.writes == self.fails_at:
            file.write(bytes(data)[: len(data) // 2])
        if self.writes == self.fails_at or (self.stays and self.failed):
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        return int(file.write(data))

    @contextmanager
    def mounted(self, below: Path) -> Iterator[None]:
        """The files below `below` lie on this disk meanwhile, as far as Python writes them by their paths."""
        with pytest.MonkeyPatch.context() as patch:
            opened = Path.open

            def open_(path: Path, mode: str = "r", *rest: Any, **options: Any) -> Any:
                file = opened(path, mode, *rest, **options)
                here = below in path.parents and WRITING & set(mode) and "b" in mode
                return _Written(file, self) if here else file

            patch.setattr(Path, "open", open_)
            yield

    @contextmanager
    def exhausted(self, below: Path) -> Iterator[None]:
        """The same for all that takes room below `below`, in whatever way it is asked for: a new file or
        folder, a write, a flush, a rename, which may need a larger folder."""

        def inside(path: Any) -> bool:
            return not isinstance(path, int) and below in Path(os.fsdecode(path)).parents

        def full(path: Any) -> None:
            self.writes += 1
            if self.writes == self.fails_at or (self.stays and self.failed):
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), os.fspath(path))

        def open_(file: Any, mode: str = "r", *rest: Any, **options: Any) -> Any:
            if not WRITING & set(mode) or not inside(file):
                return opened(file, mode, *rest, **options)
            if not os.path.exists(file):  # noqa: PTH110
                full(file)
            assert "b" in mode, f"{file} is written as text, which may leave half a line"
            return _Written(opened(file, mode, *rest, **options), self)

        def os_open(path: Any, flags: int, *rest: Any, **options: Any) -> int:
            if flags & os.O_CREAT and inside(path) and not os.path.exists(path):  # noqa: PTH110
                full(path)
            return descriptor(path, flags, *rest, **options)

        def mkdir(path: Any, *rest: Any, **options: Any) -> None:
            if inside(path) and not os.path.exists(path):  # noqa: PTH110
                full(path)
            made(path, *rest, **options)

        def replace(source: Any, target: Any, **options: Any) -> None:
            if inside(target):
                full(target)
            replaced(source, target, **options)

        def fsync(number: int) -> None:
            if inside(os.readlink(f"/proc/self/fd/{number}")):  # noqa: PTH115
                full(f"/proc/self/fd/{number}")
            flushed(number)

        opened, descriptor, made, replaced, flushed = io.open, os.open, os.mkdir, os.replace, os.fsync
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(io, "open", open_)
            patch.setattr(builtins, "open", open_)
            patch.setattr(os, "open", os_open)
            patch.setattr(os, "mkdir", mkdir)
            patch.setattr(os, "replace", replace)
            patch.setattr(os, "rename", replace)
            patch.setattr(os, "fsync", fsync)
            yield


class _Written:
    """A binary file that is written to by way of `disk`."""

    def __init__(self, file: Any, disk: Any) -> None:
        self._file, self._disk = file, disk

    def write(self, data: Any) -> int:
        return int(self._disk.write(self._file, data))

    def __getattr__(self, name: str) -> Any:
        return getattr(self._file, name)

    def __enter__(self) -> _Written:
        return self

    def __exit__(self, *_: object) -> None:
        self._file.close()


@dataclass
class Node:
    """A file or a folder, as it is and as a power cut may leave it."""

    folder: bool
    data: bytes = b""
    kept: int = 0
    """Bytes of `data` that are on the disk for certain."""
    names: dict[str, Node] = field(default_factory=dict)
    kept_names: dict[str, Node] = field(default_factory=dict)


class PowerCut:
    """Watches all that is written below `root`, and shows what may be there if the power fails: after every
    call, with none or all of the names that were not flushed, and nothing, half or all of such bytes.

    As in ALICE (Pillai et al. 2014): a file's bytes are safe after its fsync, names after their folder's.
    """

    def __init__(self, root: Path) -> None:
        self.root = root
        self.tree = Node(True)
        self.seen: list[dict[str, bytes | None]] = []

    def node(self, path: Path) -> Node:
        node = self.tree
        for part in path.relative_to(self.root).parts:
            node = node.names[part]
        return node

    def write(self, file: Any, data: Any) -> int:
        count = int(file.write(data))
        self.node(Path(file.name)).data += bytes(data)[:count]
        self.look()
        return count

    def look(self) -> None:
        """Remember every state that the power could leave now."""
        for names in (False, True):
            for share in (0.0, 0.5, 1.0):
                found = dict(self._after(self.tree, "", names, share))
                if found not in self.seen[-12:]:
                    self.seen.append(found)

    def _after(self, node: Node, at: str, names: bool, share: float) -> Iterator[tuple[str, bytes | None]]:
        for name, inner in (node.names if names else node.kept_names).items():
            if inner.folder:
                yield f"{at}{name}", None
                yield from self._after(inner, f"{at}{name}/", names, share)
            else:
                unsure = len(inner.data) - inner.kept
                yield f"{at}{name}", inner.data[: inner.kept + int(share * unsure)]

    @contextmanager
    def watched(self) -> Iterator[None]:
        originals = (Path.open, os.fsync, Path.replace, Path.mkdir, Path.unlink, shutil.rmtree)
        opened, fsync, replace, mkdir, unlink, rmtree = originals

        def inside(path: Any) -> bool:
            return self.root in Path(path).parents

        def open_(path: Path, mode: str = "r", *rest: Any, **options: Any) -> Any:
            new = not path.exists()
            file = opened(path, mode, *rest, **options)
            if not inside(path) or not WRITING & set(mode):
                return file
            if new:
                self.node(path.parent).names[path.name] = Node(False)
            self.look()
            return _Written(file, self)

        def fsync_(descriptor: int) -> None:
            fsync(descriptor)
            path = Path(f"/proc/self/fd/{descriptor}").readlink()
            if path != self.root and not inside(path):
                return
            node = self.node(path)
            if stat.S_ISDIR(os.fstat(descriptor).st_mode):
                node.kept_names = dict(node.names)
            else:
                node.kept = len(node.data)
            self.look()

        def replace_(path: Path, target: Path) -> Any:
            done = replace(path, target)
            self.node(target.parent).names[target.name] = self.node(path.parent).names.pop(path.name)
            self.look()
            return done

        def mkdir_(path: Path, *rest: Any, **options: Any) -> None:
            missing = [one for one in (path, *path.parents) if inside(one) and not one.exists()]
            mkdir(path, *rest, **options)
            for one in reversed(missing):
                if one.name not in self.node(one.parent).names:  # `parents` makes each in a call of its own
                    self.node(one.parent).names[one.name] = Node(True)
            self.look()

        def unlink_(path: Path, *rest: Any, **options: Any) -> None:
            there = inside(path) and path.exists()
            unlink(path, *rest, **options)
            if there:
                self.node(path.parent).names.pop(path.name)
            self.look()

        def rmtree_(path: Path, *rest: Any, **options: Any) -> None:
            there = inside(path) and path.exists()
            rmtree(path, *rest, **options)
            if there:
                node = self.node(path)
                for name in list(node.names):  # one after the other, in whatever order
                    node.names.pop(name)
                    self.look()
                self.node(path.parent).names.pop(path.name)
            self.look()

        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(Path, "open", open_)
            patch.setattr(os, "fsync", fsync_)
            patch.setattr(Path, "replace", replace_)
            patch.setattr(Path, "mkdir", mkdir_)
            patch.setattr(Path, "unlink", unlink_)
            patch.setattr(shutil, "rmtree", rmtree_)
            yield


def lay_out(state: dict[str, bytes | None], folder: Path) -> None:
    """Write a state to a real disk."""
    for name, data in state.items():
        path = folder / name
        if data is None:
            path.mkdir(parents=True, exist_ok=True)
        else:
            path.write_bytes(data)
