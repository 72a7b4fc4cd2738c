"""The store of image sets.

A set is a folder `workspace/sets/<id>/`. Its images lie one behind the other in `images.pack`, its
thumbnails in `thumbs.pack`, its masks in `masks.pack`; `index.json` says which bytes belong to whom. Packs
only grow, and the index is replaced last and at once, so a reader sees the set before a change or after it,
and a writer that is killed leaves nothing but a tail that the next writer cuts off. Names are data: no name
becomes a path.
"""

from __future__ import annotations

import contextlib
import secrets
import shutil
import string
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sslviz import images
from sslviz.errors import UserError
from sslviz.imagesets.along import LONGER, places_along, squares_along
from sslviz.imagesets.crops import Crops
from sslviz.imagesets.index import (
    RESERVED,
    Entry,
    Gone,
    Index,
    check_name,
    count_images,
    count_labels,
    find,
    folders,
    is_shared,
    listed,
    read_index,
    show_label,
    show_name,
    write_index,
)
from sslviz.imagesets.locks import PATIENCE_SECONDS, delete_folder, names_locked
from sslviz.imagesets.opened import ImageSet, NewImage
from sslviz.imagesets.sample import Sample, draw_evenly, labels_digest

__all__ = [
    "LONGER",
    "RESERVED",
    "Crops",
    "Entry",
    "Gone",
    "ImageSet",
    "NewImage",
    "Sample",
    "Summary",
    "check_name",
    "count_images",
    "create",
    "delete",
    "draw_evenly",
    "find",
    "find_builtin",
    "find_origin",
    "free_name",
    "labels_digest",
    "labels_of",
    "merge",
    "names",
    "open_or_create",
    "open_set",
    "places_along",
    "show_label",
    "show_name",
    "squares_along",
    "two_classes",
]

_ALPHABET = string.ascii_lowercase + string.digits


@dataclass(frozen=True)
class Summary:
    """A set in a list of sets."""

    name: str
    """For an unreadable set, the name of its folder: `delete` takes it."""
    images: int
    labels: dict[str, int]
    """Images with each label, in the order of the labels; without those that have none."""
    created: float
    """Seconds since 1970."""
    builtin: bool
    id: str = ""
    """Name of its folder: outlives a renaming."""
    problem: str = ""
    """Why the set cannot be opened; empty for a healthy one."""
    shared: bool = False
    """Shown to every workspace, and changed by none."""


def names(workspace: Path) -> list[Summary]:
    """The sets of a workspace, built-in ones first, then by name; an unreadable one with its problem."""
    found = [_summary(folder) for folder in listed(workspace)]
    return sorted(found, key=lambda summary: (not summary.builtin, summary.name.casefold(), summary.name))


def open_set(workspace: Path, name: str) -> ImageSet:
    """The set called `name`. Raises `UserError` that lists the sets there are."""
    folder = find(workspace, name)
    if folder is None:
        there = ", ".join(summary.name for summary in names(workspace) if not summary.problem)
        none = "There are none yet: `sslviz images add NAME PATH` makes one."
        raise UserError(
            f"There is no image set called {show_name(name)!r}.",
            f"There are: {there}." if there else none,
        )
    return ImageSet(workspace, folder)


def find_builtin(workspace: Path, name: str) -> Path | None:
    """Folder of the built-in set `name`, if there is one. Raises `UserError` where another set has it."""
    folder = find(workspace, name)
    if folder is not None and not read_index(folder).builtin:
        raise UserError(
            f"The set {name!r} holds images of your own, not the built-in ones.",
            f"Give it another name: `sslviz images rename {name} NEW_NAME`.",
        )
    return folder


def find_origin(workspace: Path, path: Path) -> Path | None:
    """Folder of the set that mirrors the folder or zip `path`, if there is one."""
    for folder in folders(workspace):
        with contextlib.suppress(UserError):
            if read_index(folder).origin.get("path") == str(path):
                return folder
    return None


def create(
    workspace: Path, name: str, *, builtin: bool = False, origin: dict[str, Any] | None = None
) -> ImageSet:
    """A new, empty set. Raises `UserError` where the name is taken or cannot be a name."""
    with names_locked(workspace):
        return _created(workspace, name, builtin, origin or {})


def open_or_create(workspace: Path, name: str) -> tuple[ImageSet, bool]:
    """The set called `name`, and whether it was made just now, since there was none.

    Of two who ask for the same new set at once, the second gets that of the first. Raises `UserError` where
    the set cannot be read, or `name` cannot be a name.
    """
    with names_locked(workspace):
        folder = find(workspace, name)
        if folder is not None:
            with contextlib.suppress(Gone):  # deleted since it was found
                return ImageSet(workspace, folder), False
        return _created(workspace, name, False, {}), True


def free_name(workspace: Path, wish: str) -> str:
    """A name that nobody has, near to `wish`, which may be any text: "photos", then "photos 2"."""
    visible = "".join(c if c.isprintable() and c not in "/\\" else " " for c in wish)
    wish = " ".join(visible.split())[:70].strip() or "images"
    taken = {*RESERVED, *(summary.name.casefold() for summary in names(workspace))}
    number = 1
    while (name := wish if number == 1 else f"{wish} {number}").casefold() in taken:
        number += 1
    return name


def merge(workspace: Path, set_names: Iterable[str], new_name: str) -> ImageSet:
    """A new set with the images of others, each once; the others stay. Raises `UserError`."""
    parts = [open_set(workspace, name) for name in set_names]
    merged = create(workspace, new_name)
    try:
        merged.add(image for part in parts for image in _copies(part))
    except BaseException:
        merged.delete_if_empty()
        raise
    return merged


def two_classes(imageset: ImageSet, told: Iterable[tuple[str, str | None]]) -> list[str]:
    """A sentence on the images that came with another label than they have in the set, if there are any.

    `told` are ids with the labels they came with; who comes without a label, or has none, contradicts nobody.
    """
    kept = {entry.id: entry.label for entry in imageset.entries if entry.label is not None}
    twice = {i for i, label in told if label and i in kept and kept[i] != show_label(label)}
    if not twice:
        return []
    name = next(entry.name for entry in imageset.entries if entry.id in twice)
    if len(twice) == 1:
        return [f"1 image ({name}) is in two classes, and keeps the label that it had first."]
    return [f"{len(twice):,} images ({name}, …) are in two classes, and keep the labels that they had first."]


def labels_of(parts: Iterable[ImageSet]) -> Iterator[tuple[str, str | None]]:
    """(id, label) of every image of several sets, one set after another."""
    for part in parts:
        yield from zip(part.ids, part.labels, strict=True)


def delete(workspace: Path, name: str) -> None:
    """Remove the set called `name` or, for an unreadable one, the set in the folder of that name."""
    folder = find(workspace, name)
    if folder is None:
        # Compared with the folders there are: a name from outside never becomes part of a path.
        folder = next((path for path in folders(workspace) if path.name == name), None)
    if folder is None:
        raise UserError(f"There is no image set called {show_name(name)!r}.")
    delete_folder(folder, PATIENCE_SECONDS, name)


def _created(workspace: Path, name: str, builtin: bool, origin: dict[str, Any]) -> ImageSet:
    """A new set, for whoever holds the names."""
    name = check_name(workspace, name, builtin=builtin)
    folder = workspace / "sets" / "".join(secrets.choice(_ALPHABET) for _ in range(12))
    try:
        write_index(folder, Index(name, builtin, origin=origin))
    except BaseException:  # which may come after it is there
        shutil.rmtree(folder, ignore_errors=True)
        raise
    return ImageSet(workspace, folder)


def _summary(folder: Path) -> Summary:
    try:
        index = read_index(folder)
    except UserError as error:
        return Summary(folder.name, 0, {}, 0.0, builtin=False, id=folder.name, problem=error.message)
    counts = count_labels(index.entries)
    return Summary(
        index.name,
        len(index.entries),
        counts,
        index.created,
        index.builtin,
        folder.name,
        shared=is_shared(folder),
    )


def _copies(part: ImageSet) -> Iterator[NewImage]:
    for row, e in enumerate(part.entries):
        stored = images.Stored(e.id, e.width, e.height, part.jpeg(row), part.thumbnail(row))
        yield NewImage(
            e.name, stored=stored, label=e.label, source=e.source or part.name, box=e.box, mask=part.mask(row)
        )
