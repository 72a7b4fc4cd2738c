"""Where an upload lies until a job has read it: a folder of files under numbers, and the list of their names.

It is there whole or not at all: it is written under a name that nobody reads, and renamed at the end. What is
left by a server or a job that was killed goes with what else is old; see `sslviz.workspaces`.
"""

from __future__ import annotations

import secrets
import shutil
from collections.abc import Iterable
from pathlib import Path

from sslviz.errors import UserError
from sslviz.files import free_bytes, full_disk, write_json, writing
from sslviz.settings import Settings

_REST = 200_000_000
"""Bytes that are left free on the disk: the images are stored, and then runs want to be written too."""


def stage(files: Iterable[tuple[str, memoryview | bytes]], size: int, settings: Settings) -> Path:
    """A new folder with (name, content) of each of `files`, which take `size` bytes together.

    Raises `UserError` where the upload is too large, or the disk has no room for it; nothing is left then.
    """
    if size > settings.max_upload_bytes:
        most = settings.max_upload_bytes / 1e6
        raise UserError(
            f"These are {size / 1e6:,.0f} MB; an upload may hold {most:,.0f}.",
            "Upload them in parts, or use `sslviz images add`, which has no such limit.",
        )
    root = settings.home / "staging"
    if free_bytes(root) < size + min(size, _REST):
        raise full_disk(root, size)
    name = secrets.token_hex(8)
    half = root / f".{name}.tmp"
    try:
        with writing(root, size):
            half.mkdir(parents=True)
            names = []
            for number, (called, content) in enumerate(files):
                (half / f"{number:06d}").write_bytes(content)
                names.append(called)
            write_json(half / "names.json", {"names": names})
            return half.rename(root / name)
    except BaseException:
        shutil.rmtree(half, ignore_errors=True)
        raise
