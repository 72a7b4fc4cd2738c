"""What a set's `index.json` holds: its name, and an entry an image, written a column at a time."""

from __future__ import annotations

import contextlib
import hashlib
import time
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import Any, NamedTuple

from sslviz import settings
from sslviz.errors import UserError
from sslviz.files import read_json, write_json
from sslviz.visible import visible

Box = tuple[float, float, float, float]

PACKS = ("images", "thumbs", "masks")
RESERVED = ("scenes", "cifar10", "stl10", "imagenette", "pets", "flowers102")
"""Names that always mean the built-in set; kept here, below the modules that make those sets."""
_VERSION = 1


class Entry(NamedTuple):
    """One image of a set. `_at` and `_bytes` say where in a pack it lies."""

    id: str
    name: str
    label: str | None
    source: str
    width: int
    """Pixels of the stored copy, not of the file it came from."""
    height: int
    box: Box | None
    """x0 y0 x1 y1 of the object in [0, 1], where it is known."""
    image_at: int
    image_bytes: int
    thumb_at: int
    thumb_bytes: int
    mask_at: int
    mask_bytes: int


@dataclass(frozen=True)
class Index:
    """All there is to know of a set but its pixels."""

    name: str
    builtin: bool = False
    entries: tuple[Entry, ...] = ()
    ends: tuple[int, int, int] = (0, 0, 0)
    """Bytes of each pack that are spoken for. Not derived from `entries`: a reader may still need what has
    been removed from them."""
    created: float = field(default_factory=time.time)
    origin: dict[str, Any] = field(default_factory=dict)


def damaged(name: str) -> UserError:
    """What to raise where the files of the set `name` do not hold what its index says."""
    return UserError(f"The image set {name!r} is damaged.", "Delete it and add its images again.")


def read_index(folder: Path) -> Index:
    """The index of the set in `folder`, parsed once for as long as it stays the same file.

    Raises `Gone` where there is none, and another `UserError` where it is damaged.
    """
    path = folder / "index.json"
    try:
        stat = path.stat()
        return _parse(path, (stat.st_mtime_ns, stat.st_size, stat.st_ino))
    except FileNotFoundError:
        raise Gone("The image set no longer exists.", "Choose another one.") from None
    except _Later:
        raise UserError(
            f"The image set in {folder.name} was made by a later version of sslviz.",
            "Update sslviz to open it.",
        ) from None
    except (OSError, ValueError, KeyError, TypeError):
        raise UserError(
            f"The image set in {folder.name} cannot be read.", "Delete it and add its images again."
        ) from None


class Gone(UserError):  # noqa: N818 - it says what is the matter
    """There is no such set any more, or not yet."""


class _Later(Exception):  # noqa: N818 - no error: it is whole, but of another time
    """A version that is not known yet."""


@lru_cache(maxsize=128)
def _parse(path: Path, _seen: tuple[int, int, int]) -> Index:
    value = read_json(path)
    if value["version"] != _VERSION:
        raise _Later if isinstance(value["version"], int) and value["version"] > _VERSION else ValueError
    columns = value["entries"]
    rows = [columns[name] for name in Entry._fields]
    if len({len(row) for row in rows}) != 1:
        raise ValueError("columns of different lengths")
    for name in Entry._fields:
        if not all(isinstance(cell, _KINDS.get(name, int)) for cell in columns[name]):
            raise ValueError(f"{name} is of the wrong kind")
    rows[Entry._fields.index("box")] = [_box(box) for box in columns["box"]]
    images, thumbs, masks = (int(end) for end in value["ends"])
    name, origin = value["name"], value["origin"]
    if not isinstance(name, str) or not isinstance(origin, dict):
        raise TypeError("name and origin")
    return Index(
        name=name,
        builtin=bool(value["builtin"]),
        entries=tuple(map(Entry._make, zip(*rows, strict=True))),
        ends=(images, thumbs, masks),
        created=float(value["created"]),
        origin=origin,
    )


_KINDS: dict[str, Any] = {"id": str, "name": str, "label": str | None, "source": str, "box": list | None}
"""Kinds of the columns that are not whole numbers."""


def _box(box: list[float] | None) -> Box | None:
    if box is None:
        return None
    x0, y0, x1, y1 = map(float, box)
    return x0, y0, x1, y1


def write_index(folder: Path, index: Index) -> None:
    """Replace the index of the set in `folder`. Raises `UserError` where the disk is full."""
    columns = zip(*index.entries, strict=True) if index.entries else ((),) * len(Entry._fields)
    write_json(
        folder / "index.json",
        {
            "version": _VERSION,
            "name": index.name,
            "builtin": index.builtin,
            "created": index.created,
            "origin": index.origin,
            "ends": index.ends,
            "entries": dict(zip(Entry._fields, columns, strict=True)),
        },
    )


def folders(workspace: Path) -> list[Path]:
    """Folders of the sets of a workspace, readable or not."""
    try:
        return sorted(path for path in (workspace / "sets").iterdir() if (path / "index.json").exists())
    except (FileNotFoundError, NotADirectoryError):
        return []


def listed(workspace: Path) -> list[Path]:
    """Folders of the workspace's own sets, then of those that are shared with everybody.

    A shared set that the workspace holds itself, or whose name one of its own has, is not listed.
    """
    own = folders(workspace)
    there = {folder.name for folder in own}
    shared = [folder for folder in folders(settings.shared()) if folder.name not in there]
    taken = {_name(folder) for folder in own} if shared else set()
    return own + [folder for folder in shared if _name(folder) not in taken]


def _name(folder: Path) -> str | None:
    try:
        return read_index(folder).name
    except UserError:
        return None


def is_shared(folder: Path) -> bool:
    """Whether the set in `folder` is one of those that everybody sees and nobody changes."""
    return folder.parent.parent == settings.shared()


def count_images(workspace: Path) -> int:
    """Images of all the sets that are the workspace's own."""
    total = 0
    for folder in folders(workspace):
        with contextlib.suppress(UserError):
            total += len(read_index(folder).entries)
    return total


def count_labels(entries: Iterable[Entry]) -> dict[str, int]:
    """Images with each label, labels in order."""
    return dict(sorted(Counter(entry.label for entry in entries if entry.label is not None).items()))


def find(workspace: Path, name: str) -> Path | None:
    """Folder of the set called `name`, if there is one; the workspace's own before one that is shared."""
    for folder in listed(workspace):
        with contextlib.suppress(UserError):
            if read_index(folder).name == name:
                return folder
    return None


def check_name(workspace: Path, wish: str, *, builtin: bool = False, besides: Path | None = None) -> str:
    """`wish` without space around it. Raises `UserError` where it cannot be a name, or is taken.

    Only a `builtin` set may have one of the `RESERVED` names, and `besides` may keep the one it has.
    """
    name = wish.strip()
    if not name or len(name) > 80 or not name.isprintable() or "/" in name or "\\" in name:
        raise UserError(
            f"{show_name(name)[:80]!r} cannot be the name of a set.",
            "A name has 1 to 80 visible characters and no slash.",
        )
    other = find(workspace, name)
    if other is not None and other == besides:
        return name
    if name in RESERVED and not builtin:
        raise UserError(f"{name!r} is the name of a built-in set.", "Choose another name.")
    if other is not None:
        raise UserError(f"There is already a set called {name!r}.", "Choose another name.")
    return name


def show_name(name: str) -> str:
    """A name as it is kept: at most 200 characters, what cannot be seen replaced by �.

    The end of a name says more than its beginning, so the beginning is what is cut.
    """
    name = visible(name)
    return name if len(name) <= 200 else "…" + name[-199:]


def show_label(label: str | None) -> str | None:
    """A label as it is kept: at most 80 characters, what cannot be seen replaced by �; None for an empty one.

    Of a longer one the beginning is kept, and eight digits that tell it from others that begin alike.
    """
    text = visible(label or "").strip()
    if len(text) > 80:
        text = f"{text[:70]}…{hashlib.sha256(text.encode()).hexdigest()[:8]}"
    return text or None
