"""Folders that say what images are for rather than what they show, and those that are labels."""

from __future__ import annotations

import re
from collections.abc import Sequence

TESTING = ("test",), ("val", "valid", "validation")
"""Folders of images that are for testing; the second where there are none of the first."""
USES = {"train", *TESTING[0], *TESTING[1]}
SPLITS = USES | {"images"}


def label_names(names: Sequence[str]) -> list[str | None]:
    """Labels of files in one tree: the first folder above each that says what it shows.

    A folder that all the files share says nothing, and neither do `SPLITS`.
    """
    found = [folders(name) for name in names]
    tops = {parts[0] if parts else None for parts in found}
    shared = 1 if len(tops) == 1 and None not in tops else 0
    return [next((f for f in parts[shared:] if f.lower() not in SPLITS), None) for parts in found]


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
