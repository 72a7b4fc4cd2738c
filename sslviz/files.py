"""Writing that leaves the old file or the new one, never half of either.

A file is written under another name in the same folder, flushed to the disk, and then renamed over the old
one; the folder is flushed too, for until then a power cut may still undo the rename.
"""

from __future__ import annotations

import contextlib
import errno
import json
import os
import shutil
import time
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any, BinaryIO

from sslviz.errors import UserError

_FULL = {errno.ENOSPC, getattr(errno, "EDQUOT", errno.ENOSPC)}
_FORBIDDEN = {errno.EACCES, errno.EPERM, errno.EROFS, errno.ENOTDIR, errno.EISDIR, errno.ELOOP}
_FORBIDDEN |= {errno.ENAMETOOLONG, errno.EIO}
_WORTH_SAYING = 50_000
"""Bytes: fewer are "0.0 MB"."""
_ABANDONED_SECONDS = 24 * 3600.0


def write_atomically(path: Path, data: bytes) -> None:
    """Replace `path` by `data`, or leave it as it was; the folder is made where it is missing.

    Raises `UserError` where the disk is full or may not be written to.
    """
    with writing(path.parent, len(data)):
        path.parent.mkdir(parents=True, exist_ok=True)
        put(path, data)


def put(path: Path, data: bytes) -> None:
    """`write_atomically` within a folder that there is, with the system's own errors."""
    with replacing(path) as file:
        file.write(data)


@contextlib.contextmanager
def replacing(path: Path) -> Iterator[BinaryIO]:
    """A file to write to that takes the place of `path` at the end, unless something was raised meanwhile."""
    temporary = temporary_beside(path)
    try:
        with temporary.open("xb") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        replace(temporary, path)
    except BaseException:
        with contextlib.suppress(OSError):
            temporary.unlink()
        raise


def write_json(path: Path, value: dict[str, Any]) -> None:
    """Replace `path` by `value` as JSON, atomically. A number that is not finite is a `ValueError`."""
    write_atomically(path, as_json(value))


def as_json(value: dict[str, Any]) -> bytes:
    """`value` as `write_json` writes it."""
    text = json.dumps(value, allow_nan=False, ensure_ascii=False, separators=(",", ":"))
    # A name may carry half a surrogate pair, which UTF-8 has no bytes for.
    return text.encode("utf-8", errors="replace")


def append(path: Path, data: bytes) -> None:
    """Add `data` to the end of `path`, all of it or, where the disk is full, nothing. For one writer.

    Raises `UserError` where the disk is full or may not be written to.
    """
    with writing(path.parent, len(data)), path.open("ab", buffering=0) as file:
        before = file.seek(0, os.SEEK_END)
        try:
            left = memoryview(data)
            while left:  # a disk that is almost full takes a part of it, and says so at the next call only
                left = left[file.write(left) or 0 :]
        except OSError:
            with contextlib.suppress(OSError):
                file.truncate(before)
            raise


def flush(path: Path) -> None:
    """Have what was appended to `path` survive a power cut, where there is such a file."""
    with contextlib.suppress(FileNotFoundError), writing(path.parent), path.open("rb") as file:
        os.fsync(file.fileno())


def rotate(log: Path, most: int) -> None:
    """Keep a log and its older half, `log.old.txt` beside `log.txt`, within `most` bytes.

    The file is emptied in place, since others have it open; what they write meanwhile may be lost.
    """
    with contextlib.suppress(OSError):
        if log.stat().st_size > most // 2:
            with log.open("rb") as file:
                file.seek(-(most // 2), os.SEEK_END)
                older = file.read()
            # From a line's beginning, where there is one.
            put(log.with_name(f"{log.stem}.old{log.suffix}"), older.partition(b"\n")[2] or older)
            os.truncate(log, 0)


def read_json(path: Path | str) -> dict[str, Any]:
    """The object in `path`.

    Raises `OSError` where it cannot be opened, and `ValueError` where it holds anything but one JSON object
    in UTF-8: half a file, a byte order mark, a list, null, or NaN, which `json` itself lets through.
    """
    with open(path, "rb") as file:  # noqa: PTH123 - lists of runs read ten thousands of these
        text = file.read().decode("utf-8")
    try:
        value = _DECODER.decode(text)
    except RecursionError:
        raise ValueError(f"{path} is nested too deeply") from None
    if not isinstance(value, dict):
        raise ValueError(f"{path} holds {type(value).__name__}, not an object")
    return value


def _refuse(constant: str) -> None:
    raise ValueError(f"{constant} is not JSON")


_DECODER = json.JSONDecoder(parse_constant=_refuse)


def temporary_beside(path: Path) -> Path:
    """A name nobody else uses, in the same folder, so that `replace` is a rename and not a copy. It is short:
    that of `path` may be as long as the file system allows."""
    return path.with_name(f".{uuid.uuid4().hex[:12]}.tmp")


def replace(temporary: Path, path: Path) -> None:
    """Rename `temporary` over `path` and flush the folder. `temporary` must already be flushed."""
    for attempt in range(5):
        try:
            temporary.replace(path)
            break
        except PermissionError:
            # Windows refuses while somebody reads the old file; readers are quick.
            if os.name != "nt" or attempt == 4:
                raise
            time.sleep(0.02 * 2**attempt)
    flush_folder(path.parent)


def moved(path: Path, target: Path) -> Path:
    """Rename on the way to being deleted; returns where it is now: on a disk without room for another name,
    where it was."""
    try:
        return path.rename(target)
    except OSError as error:
        if not is_full(error):
            raise
        return path


def flush_folder(folder: Path) -> None:
    """Make the names in `folder` survive a power cut, where the system can."""
    if os.name == "nt":
        return
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def sweep(folder: Path) -> None:
    """Remove what processes that were killed a day or more ago left in `folder`: files and folders that were
    half written, and folders that were half deleted."""
    for pattern in (".*.tmp", ".*.deleted"):
        for left in folder.glob(pattern):
            with contextlib.suppress(OSError):
                if time.time() - left.lstat().st_mtime > _ABANDONED_SECONDS:
                    shutil.rmtree(left) if left.is_dir() and not left.is_symlink() else left.unlink()


@contextlib.contextmanager
def writing(folder: Path, needed: int = 0) -> Iterator[None]:
    """Turn a full disk, or a folder one may not write to, into a `UserError`. `needed` is in bytes."""
    try:
        yield
    except OSError as error:
        if error.errno == errno.EFBIG:
            size = f" of {_megabytes(needed)} MB" if needed >= _WORTH_SAYING else ""
            raise UserError(
                f"A file{size} is larger than may be written at {folder}.",
                "Lift the limit on the size of files (`ulimit -f`), or set SSLVIZ_HOME to another disk.",
            ) from error
        if error.errno in _FULL:
            raise full_disk(folder, needed) from error
        if error.errno in _FORBIDDEN or _unmakeable(error, folder):
            raise UserError(
                f"{folder} cannot be written to.", "Set SSLVIZ_HOME to a folder of your own."
            ) from error
        raise


def _unmakeable(error: OSError, folder: Path) -> bool:
    """Whether `folder`, or one that it lies in, cannot be made: a file is in its place, or the system makes
    none there, as in /proc. One that was deleted meanwhile is another matter, which callers look after."""
    if error.errno not in (errno.EEXIST, errno.ENOENT) or not isinstance(error.filename, str):
        return False
    path = Path(error.filename)
    return (path == folder or path in folder.parents) and path.parent.is_dir()


def is_full(error: OSError) -> bool:
    """Whether it says that a disk has no room left."""
    return error.errno in _FULL


def full_disk(folder: Path, needed: int) -> UserError:
    """The error for a disk that cannot take `needed` bytes (0: not known)."""
    free = free_bytes(folder)
    told = [f"this needs {_megabytes(needed)} MB"] if needed >= _WORTH_SAYING else []
    told += [f"{_megabytes(free)} MB are free"] if free >= _WORTH_SAYING else []
    message = f"The disk is full{': ' if told else ''}{', and '.join(told)} at {folder}."
    return UserError(message, "Nothing was changed; make room, or set SSLVIZ_HOME to a folder elsewhere.")


def free_bytes(folder: Path) -> int:
    """Bytes free on the disk that holds `folder`, which need not exist yet."""
    return shutil.disk_usage(existing(folder)).free


def existing(path: Path) -> Path:
    """`path`, or the nearest folder above it that there is."""
    while not os.path.exists(path) and path != path.parent:  # noqa: PTH110 - raises for no path
        path = path.parent
    return path


def _megabytes(count: int) -> str:
    return f"{count / 1e6:,.0f}" if count >= 10_000_000 else f"{count / 1e6:.1f}"
