"""The decoding child: reads strangers' images, so that a crash, a hang or a bomb costs one of them.

`python -m sslviz.images` answers batches on its standard input until that ends. A request is a count and as
many items, each a kind, a length and bytes: an image, or the path of one. All of a batch is read before the
first answer is written, so the two pipes cannot wait for each other. An answer is a head and the bytes it
announces. Names never come this far.
"""

from __future__ import annotations

import contextlib
import os
import signal
import stat
import struct
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import IO

from sslviz import settings
from sslviz.errors import UserError
from sslviz.images import Stored, read, reencode
from sslviz.settings import Settings

HELLO = b"sslviz decodes\n"
_COUNT = struct.Struct("<I")
_ITEM = struct.Struct("<cQ")
_ANSWER = struct.Struct("<cII16s64sQQ")
"""Kind, width, height, id, format and remarks, bytes of the JPEG (or of the reason), and of the thumbnail."""
_OPEN_FILES = 32
"""The pipes, one image, and what a decoder needs to load itself."""


def ask(pipe: IO[bytes], batch: Sequence[bytes | Path]) -> None:
    """Parent: send a batch of images, or of paths of images."""
    pipe.write(_COUNT.pack(len(batch)))
    for item in batch:
        data = item if isinstance(item, bytes) else os.fsencode(item)
        pipe.write(_ITEM.pack(b"D" if isinstance(item, bytes) else b"P", len(data)))
        pipe.write(data)
    pipe.flush()


def receive(pipe: IO[bytes]) -> Stored | UserError:
    """Parent: the answer to the next item of the batch. `EOFError` where the child is dead."""
    kind, width, height, name, known, first, second = _ANSWER.unpack(_exactly(pipe, _ANSWER.size))
    data, thumbnail = _exactly(pipe, first), _exactly(pipe, second)
    if kind == b"-":
        return UserError(data.decode())
    file, *remarks = known.rstrip(b"\0").decode().split()
    return Stored(name.decode(), width, height, data, thumbnail, file, tuple(remarks))


def serve() -> None:
    """Child: answer until the parent is gone."""
    limits = settings.load()
    # Libraries in C print where they like; the answers go where nothing else can write.
    answers = os.fdopen(os.dup(1), "wb")
    os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
    _confine(limits)
    answers.write(HELLO)
    answers.flush()
    requests = sys.stdin.buffer
    # A parent that goes away in the middle is no error of ours.
    with contextlib.suppress(EOFError, BrokenPipeError):
        while head := requests.read(_COUNT.size):
            batch = [_item(requests) for _ in range(_COUNT.unpack(head)[0])]
            for kind, data in batch:
                _alarm(2 * limits.decode_seconds)
                answers.write(_answer(kind, data, limits))
                answers.flush()
            _alarm(0)


def _alarm(seconds: float) -> None:
    """End this process after so many seconds; 0 takes that back.

    Where even the parent is gone, a decoder that hangs must not stay behind. The parent's own clock runs out
    long before.
    """
    if hasattr(signal, "setitimer"):
        signal.setitimer(signal.ITIMER_REAL, seconds)


def _item(requests: IO[bytes]) -> tuple[bytes, bytes]:
    kind, length = _ITEM.unpack(_exactly(requests, _ITEM.size))
    return kind, _exactly(requests, length)


def _exactly(pipe: IO[bytes], count: int) -> bytes:
    data = pipe.read(count)
    if len(data) != count:
        raise EOFError
    return data


def _answer(kind: bytes, data: bytes, limits: Settings) -> bytes:
    try:
        content = data if kind == b"D" else _content(Path(os.fsdecode(data)), limits)
        if len(content) > limits.max_file_bytes:
            raise UserError(_too_large(limits))
        picture = read(content, limits)
        stored = reencode(picture.pixels, limits.store_side, limits.thumbnail_side)
    except UserError as error:
        return _refusal(error.message)
    except MemoryError:
        return _refusal("needs more memory to read than one image may take")
    known = " ".join((picture.kind, *picture.remarks)).encode()
    lengths = len(stored.jpeg), len(stored.thumbnail)
    head = _ANSWER.pack(b"+", stored.width, stored.height, stored.id.encode(), known, *lengths)
    return head + stored.jpeg + stored.thumbnail


def _refusal(reason: str) -> bytes:
    text = reason.encode()
    return _ANSWER.pack(b"-", 0, 0, b"", b"", len(text), 0) + text


def _content(path: Path, limits: Settings) -> bytes:
    try:
        found = path.stat()
        if not stat.S_ISREG(found.st_mode):
            raise UserError("is not a file")
        if found.st_size > limits.max_file_bytes:
            raise UserError(_too_large(limits))
        with path.open("rb") as file:
            return file.read(limits.max_file_bytes + 1)
    except FileNotFoundError:
        raise UserError("is no longer there") from None
    except PermissionError:
        raise UserError("may not be read by you") from None
    except OSError:
        raise UserError("cannot be read from the disk") from None


def _too_large(limits: Settings) -> str:
    return f"is larger than {settings.megabytes(limits.max_file_bytes)}"


def _confine(limits: Settings) -> None:
    """Ctrl-C is the parent's business; memory and open files are bounded, nothing can be written and no core
    is dumped, where the system can."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    if sys.platform == "win32":
        return
    import resource

    bounds = (
        (resource.RLIMIT_AS, limits.decode_bytes),
        (resource.RLIMIT_NOFILE, _OPEN_FILES),
        (resource.RLIMIT_FSIZE, 0),
        (resource.RLIMIT_CORE, 0),
    )
    for what, most in bounds:
        with contextlib.suppress(ValueError, OSError):  # macOS refuses the first
            resource.setrlimit(what, (most, most))
