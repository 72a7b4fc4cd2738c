"""Which images a probe knows and which it is asked about: never the same ones, always the same draw."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from sslviz.errors import UserError
from sslviz.imagesets import ImageSet
from sslviz.intervals import chance_of_labels

MEMORY = 20_000
QUERIES = 3_000
SKEWED = 1.5
"""Times that the share of one label in a memory may grow, beside that of another, when what is asked about
is taken out of it."""

Rows = NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class Part:
    """Some labelled images of a set."""

    images: ImageSet
    rows: Rows
    """(M,) rows of the set, ascending."""
    labels: Rows
    """(M,) their labels, as places in `Division.names`."""

    def __len__(self) -> int:
        return len(self.rows)

    @property
    def ids(self) -> list[str]:
        """Ids of the images, in order."""
        entries = self.images.entries
        return [entries[row].id for row in self.rows]


@dataclass(frozen=True, eq=False)
class Division:
    """What is known, and what is asked about."""

    names: list[str]
    """The labels, in order."""
    known: Part
    asked: Part

    @property
    def chance(self) -> float:
        """What is told of those asked about by always saying the commonest label, at least 1 / C."""
        return chance_of_labels(self.known.labels, self.asked.labels, len(self.names))

    @property
    def digest(self) -> str:
        """Changes with the images on either side, their order and their labels."""
        found = hashlib.sha256()
        for part in (self.known, self.asked):
            found.update(" ".join(part.ids).encode() + part.labels.tobytes())
        found.update("\n".join(self.names).encode())
        return found.hexdigest()[:32]


def divide(queries: ImageSet, memory: ImageSet | None = None) -> Division:
    """`memory` is known and `queries` is asked about; without a memory, or where it holds the same images,
    `queries` is split, four fifths to one, alike within each label.

    What is in both sets is asked about, unless that is the whole memory. At most 20,000 images are known and
    3,000 asked about, drawn with seed 0. Images without a label are left out. Raises `UserError` where no two
    labels are left to tell apart.
    """
    draw = np.random.default_rng(0)
    if memory is not None and set(memory.ids) == set(queries.ids):
        memory = None
    if len(queries.label_counts()) < 2:
        raise UserError(
            f"The images of {queries.name!r} have no two labels to tell apart.",
            "Labels are the names of folders; give a set that has them.",
        )
    if memory is not None:
        names, known, asked = _apart(queries, memory)
    else:
        names = sorted(queries.label_counts())
        parts = [draw.permutation(_those(queries, range(len(queries)), [name])) for name in names]
        cuts = [0 if len(part) == 1 else max(1, round(len(part) / 5)) for part in parts]
        asked = np.concatenate([part[:cut] for part, cut in zip(parts, cuts, strict=True)])
        known = np.concatenate([part[cut:] for part, cut in zip(parts, cuts, strict=True)])
        if not len(asked):
            raise UserError(f"No label of {queries.name!r} has two images.", "Add more images to each.")
    known = np.sort(draw.permutation(known)[:MEMORY]).astype(np.int64)
    asked = np.sort(draw.permutation(asked)[:QUERIES]).astype(np.int64)
    return Division(names, _part(memory or queries, known, names), _part(queries, asked, names))


def default_memory(queries: ImageSet, own: ImageSet | None) -> ImageSet | None:
    """The run's own images where they carry the labels of `queries`, else None, which means a split."""
    # The same photographs under another name are no memory: half of it at least must be new.
    if own is None:
        return None
    asked = set(queries.ids)
    left = [entry.label for entry in own.entries if entry.id not in asked]
    if 2 * len(left) < len(own):
        return None
    labels = set(queries.label_counts())
    if not labels or not labels <= set(left):
        return None
    # Taking out what is asked about leaves no more of one label than there was, or neighbours vote for it.
    before, after = own.label_counts(), Counter(left)
    kept = [after[label] / before[label] for label in labels]
    return own if max(kept) <= SKEWED * min(kept) else None


def _part(images: ImageSet, rows: Rows, names: Sequence[str]) -> Part:
    place = {name: number for number, name in enumerate(names)}
    return Part(images, rows, np.array([place[images.entries[row].label or ""] for row in rows], np.int64))


def _apart(queries: ImageSet, memory: ImageSet) -> tuple[list[str], Rows, Rows]:
    """(names of the labels, rows of the memory, rows of the queries), no image on both sides."""
    shared = set(queries.ids) & set(memory.ids)
    within = len(shared) == len(memory)
    known = [row for row, id_ in enumerate(memory.ids) if within or id_ not in shared]
    asked = [row for row, id_ in enumerate(queries.ids) if not within or id_ not in shared]
    names = sorted(_labels(memory, known) & _labels(queries, asked))
    if len(names) < 2:
        raise UserError(
            f"{memory.name!r} and {queries.name!r} have no two labels in common, each on images of its own.",
            "Give another set as the memory, or none: then the images are split.",
        )
    return names, _those(memory, known, names), _those(queries, asked, names)


def _labels(images: ImageSet, rows: Sequence[int]) -> set[str]:
    return {images.entries[row].label or "" for row in rows} - {""}


def _those(images: ImageSet, rows: Sequence[int], names: Sequence[str]) -> Rows:
    wanted = set(names)
    return np.array([row for row in rows if images.entries[row].label in wanted], np.int64)
