"""Folders that say what images are for rather than what they show, and those that are labels."""

from __future__ import annotations

import re
from collections.abc import Sequence
from itertools import takewhile

TESTING = ("test",), ("val", "valid", "validation")
"""Folders of images that are for testing; the second where there are none of the first."""
USES = {"train", *TESTING[0], *TESTING[1]}
SPLITS = USES | {"images"}
PICTURES = {"jpg", "jpeg", "png", "webp", "gif", "tif", "tiff", "bmp", "heic", "heif", "avif"}
"""How names of images end; what else lies in a tree has no say in which of its folders are labels."""


def label_names(names: Sequence[str]) -> list[str | None]:
    """Labels of files in one tree: the first folder above each that says what it shows.

    A folder that all the images share says nothing, be it the first or one below which each of them is in
    another; and neither do `SPLITS`.
    """
    found = [folders(name) for name in names]
    shared = _shared([parts for name, parts in zip(names, found, strict=True) if _pictures(name)] or found)
    kept = [parts[sum(1 for _ in takewhile(_same, zip(parts, shared, strict=False))) :] for parts in found]
    return [next((f for f in parts if f.lower() not in SPLITS), None) for parts in kept]


def _shared(trees: Sequence[Sequence[str]]) -> list[str]:
    """The folders that all of `trees` begin with; but for the first, those below which all have another."""
    common = [level[0] for level in takewhile(_same, zip(*trees, strict=False))]
    return common[: max(1, min(map(len, trees), default=0) - 1)]


def _same(level: Sequence[str]) -> bool:
    return len(set(level)) == 1


def _pictures(name: str) -> bool:
    return name.rpartition(".")[2].lower() in PICTURES


def for_testing(names: Sequence[str]) -> list[bool]:
    """Which files of one tree are for testing, by the first of `USES` above each; none where all would be."""
    trees = [name[: 1 + max(name.rfind("/"), name.rfind("\\"))] for name in names]
    use = {tree: next((f for f in map(str.lower, folders(tree)) if f in USES), None) for tree in set(trees)}
    first = [use[tree] for tree in trees]
    for split in TESTING:
        found = [name in split for name in first]
        if any(found):
            return [False] * len(names) if all(found) else found
    return [False] * len(names)


def training_first(names: Sequence[str]) -> list[int]:
    """The places of the names: those for training, then those for testing."""
    tested = for_testing(names)
    return sorted(range(len(names)), key=tested.__getitem__)


def folders(name: str) -> list[str]:
    """The folders in the name of a file, with whatever slashes; hostile parts and drives left out."""
    parts = re.split(r"[/\\]", name)[:-1]
    return [part for part in parts if part not in {"", ".", ".."} and not re.fullmatch(r"[A-Za-z]:", part)]
