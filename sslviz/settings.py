"""Every limit and every path, in one place, each overridable by an environment variable.

A field `home` is read from `SSLVIZ_HOME`, `max_file_bytes` from `SSLVIZ_MAX_FILE_BYTES`, and so on.
Only the standard library is imported, because the processes that decode strangers' files import this.
"""

from __future__ import annotations

import os
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

from sslviz.errors import UserError

MEGABYTE = 1_000_000


@dataclass(frozen=True)
class Settings:
    """Where things live and how large they may be; bytes, pixels and seconds unless a name says otherwise."""

    home: Path = Path.home() / ".sslviz"
    """Folder of all workspaces, jobs, caches and locks."""

    store_side: int = 512
    """Long side, in pixels, of the copy of an image that a set keeps."""
    thumbnail_side: int = 96
    """Long side, in pixels, of a thumbnail."""

    min_side: int = 32
    """Images with a shorter side than this are skipped: no task can cut anything out of them."""
    max_side: int = 20_000
    """Images with a longer side than this are skipped."""
    max_aspect: float = 10.0
    """Long side over short side; longer, thinner images are skipped."""
    max_jpeg_pixels: int = 128_000_000
    """JPEG can be decoded at reduced scale, so this is generous."""
    max_other_pixels: int = 32_000_000
    """Other formats are decoded at full size before they can be shrunk."""
    decode_seconds: float = 20.0
    """Time after which the decoding of one image is given up."""
    decode_bytes: int = 2_000 * MEGABYTE
    """Address space of a decoding process, where the system can limit it."""

    max_file_bytes: int = 50 * MEGABYTE
    """Largest image file."""
    max_upload_bytes: int = 500 * MEGABYTE
    """Largest upload in the browser, all files together. The command line has no such limit."""
    max_upload_images: int = 5_000
    """Most images in one upload in the browser."""
    max_zip_entries: int = 100_000
    """Most members of a zip."""
    max_zip_bytes: int = 4_000 * MEGABYTE
    """Most bytes a zip may unpack to."""

    linger_seconds: float = 60.0
    """How long the supervisor stays when no server is left and nothing is queued."""
    silence_seconds: float = 120.0
    """A run that has not been heard of for this long is shown as not responding."""
    ready_for_jobs: int = 1
    """Whether a process is kept ready for maps, UMAP compiled: some 900 MB of memory while the app is served,
    for ten seconds or more that the first map need not wait. Nought does without."""
    max_log_bytes: int = 5 * MEGABYTE
    """Most that the log of a run takes, the older half in `log.old.txt`."""
    cancel_seconds: float = 10.0
    """How long a cancelled run may take to save its state before it is ended."""

    server: int = 0
    """Whether many people use this home, each with a workspace of their own; see `docs/server.md`."""
    run_minutes: float = 1.0
    """What a run is asked for unless somebody says otherwise."""
    most_minutes: float = 0.0
    """Longest run, in minutes of the clock; this limit and those below hold for a workspace, and nought is
    none."""
    most_queued: int = 0
    """Most runs that wait at a time."""
    most_jobs: int = 4
    """Most short jobs at work at a time, each up to a gigabyte; the rest wait. Of the whole home, where many
    use it one a workspace; as many again may read images. Nought is no limit."""
    most_runs: int = 0
    """Most runs that are kept."""
    most_images: int = 0
    """Most images, all sets together."""
    most_bytes: int = 0
    """Most room on the disk: images, what is made of them, and runs."""
    spare_bytes: int = 0
    """Room that has to be left on the disk, whoever takes it; nought is any."""
    retention_days: float = 7.0
    """A visitor's workspace that nobody has come to for so many days is deleted; nought keeps it for ever.
    The workspace "local" is nobody's visit and stays."""


SERVER: dict[str, object] = {
    "run_minutes": 0.33,
    "most_minutes": 2.0,
    "most_queued": 4,
    "most_jobs": 2,
    "most_runs": 50,
    "most_images": 5_000,
    "most_bytes": 2_000 * MEGABYTE,
    "spare_bytes": 1_000 * MEGABYTE,
}
"""Defaults where many people share a machine: a class of thirty gets round in ten minutes, and each may ask
for all four tasks at once."""

UNLIMITED: dict[str, Any] = {
    "most_minutes": 0.0,
    "most_queued": 0,
    "most_runs": 0,
    "most_images": 0,
    "most_bytes": 0,
    "spare_bytes": 0,
}
"""No limits of one workspace."""


def megabytes(count: int) -> str:
    """A limit in bytes, as people read it; a small one in kB, for nought is no limit."""
    return f"{count / 1e6:,.0f} MB" if count >= 1e6 else f"{count / 1e3:,.0f} kB"


def load() -> Settings:
    """Settings as the environment has them now.

    A variable that is empty counts as unset. Raises `UserError` for a value that is not of its field's kind,
    and for a limit below nought, which nothing would keep.
    """
    values: dict[str, object] = {}
    for field in fields(Settings):
        variable = f"SSLVIZ_{field.name.upper()}"
        text = os.environ.get(variable)
        if not text:
            continue
        kind: type[Any] = type(field.default)
        try:
            values[field.name] = _folder(variable, text) if issubclass(kind, Path) else kind(text)
        except ValueError:
            raise UserError(
                f"{variable} is {text!r}, which is not a number.", f"Unset it or give {kind.__name__}."
            ) from None
        number = values[field.name]
        if isinstance(number, int | float) and not number >= 0:
            raise UserError(f"{variable} is {text}, which is no amount.", "Unset it or give nought or more.")
    if values.get("server"):
        values = SERVER | values
    return Settings(**values)  # type: ignore[arg-type]


def _folder(variable: str, text: str) -> Path:
    """The folder that is meant, wherever one may stand: jobs work elsewhere than the server."""
    try:
        return Path(text).expanduser().absolute()
    except RuntimeError:
        raise UserError(
            f"{variable} is {text!r}, and nobody here has that name.", "Give the folder's full path."
        ) from None


def workspace(name: str = "local") -> Path:
    """Folder of one person's sets and runs: `home/workspaces/<name>`."""
    return load().home / "workspaces" / name


def shared() -> Path:
    """Folder of the sets and runs that every workspace lists and none can change: `home/shared`."""
    return load().home / "shared"
