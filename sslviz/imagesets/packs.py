"""A file that only grows: many small images, one behind the other."""

from __future__ import annotations

import contextlib
import os
from pathlib import Path
from types import TracebackType

from sslviz.files import flush_folder, writing


def cut(path: Path, end: int) -> None:
    """Take back what lies past `end`, as far as that can be done: a tail does no harm."""
    with contextlib.suppress(OSError):
        if path.stat().st_size > end:
            os.truncate(path, end)


class Pack:
    """A pack open for appending; leaving it with an error takes back what was appended.

    What lies past `end` was left by a writer that was killed, and no index has ever spoken of it.
    """

    def __init__(self, path: Path, end: int) -> None:
        self._path = path
        self._start = self._end = end

    def __enter__(self) -> Pack:
        with writing(self._path.parent):
            self._path.touch()
            # Unbuffered: nothing is left to be written, and to fail, when the file is closed.
            self._file = self._path.open("r+b", buffering=0)
            self._file.truncate(self._end)
            self._file.seek(self._end)
        return self

    def append(self, data: bytes) -> int:
        """Write `data` behind the rest; returns where it begins. Raises `UserError` on a full disk."""
        start = self._end
        with writing(self._path.parent, self._end - self._start + len(data)):
            view = memoryview(data)
            while view:
                view = view[self._file.write(view) :]
        self._end += len(data)
        return start

    def sync(self) -> int:
        """Flush to the disk; returns where the pack ends now."""
        if self._end > self._start:
            with writing(self._path.parent, self._end - self._start):
                os.fsync(self._file.fileno())
                flush_folder(self._path.parent)
        return self._end

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if kind is not None:
            with contextlib.suppress(OSError):
                self._file.truncate(self._start)
        self._file.close()
