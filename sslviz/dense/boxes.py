"""Boxes: where the object of an image is said to be, and how often that is right; numpy alone.

A box is x0 y0 x1 y1 in [0, 1] of an image's centre square, from the upper left corner.
"""

from __future__ import annotations

import hashlib

import numpy as np
from numpy.typing import NDArray

from sslviz.errors import UserError
from sslviz.imagesets import ImageSet
from sslviz.imagesets.index import Entry

Boxes = NDArray[np.float64]
"""(..., 4)."""

LOOKED, CHOOSING = 2000, 400
"""Images that boxes are drawn on, at most; and of those the ones to choose by, at most half, the rest being
reported: the networks differ by a point or two, which 400 would not tell."""
CENTRE = 0.65
"""Side of the centre box. Of 0.5, 0.6, 0.65, 0.7 and 0.75 it is right most often on the built-in scenes."""
ENOUGH = 0.5
"""Overlap from which a box counts as right."""
VISIBLE = 0.5
"""Share of an object's box that the centre square must show for its image to be asked about."""
WHOLE = np.array([0.0, 0.0, 1.0, 1.0])


def of_entry(entry: Entry) -> Boxes | None:
    """The box of an image's object in its centre square, (4,), cut off at the edges; None where the set does
    not know it, or less than half of it is in there."""
    if entry.box is None:
        return None
    edge = min(entry.width, entry.height)
    size = np.array([entry.width, entry.height] * 2, np.float64)
    box = (np.array(entry.box) * size - np.tile((size[:2] - edge) / 2, 2)) / edge
    seen = box.clip(0, 1)
    area, left = ((one[2] - one[0]) * (one[3] - one[1]) for one in (box, seen))
    return seen if area > 0 and left >= VISIBLE * area else None


def rows(images: ImageSet, most: int = LOOKED) -> tuple[NDArray[np.int64], Boxes]:
    """Rows of the images whose object's box is known, at most so many spread evenly, and their boxes (N, 4).

    Raises `UserError` where there are fewer than two.
    """
    known = [(row, box) for row, one in enumerate(images.entries) if (box := of_entry(one)) is not None]
    if not any(one.box for one in images.entries):
        raise UserError(
            f"The set {images.name!r} has no boxes, so nobody knows where the objects in its images are.",
            "The built-in scenes have boxes, and so has the Oxford-IIIT Pet set once it is downloaded.",
        )
    if len(known) < 2:
        raise UserError(
            f"{'One image' if known else 'No image'} of the set {images.name!r} shows most of an object "
            "whose box is known; localisation takes at least two.",
            "Choose the built-in scenes, all of which have boxes.",
        )
    count = min(most, len(known))
    chosen = [known[place * len(known) // count] for place in range(count)]
    return np.array([row for row, _ in chosen], np.int64), np.stack([box for _, box in chosen])


def parts(count: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """(places to choose by, places to report) among so many images, drawn with seed 0: each place once."""
    order = np.random.default_rng(0).permutation(count)
    choosing = min(CHOOSING, count // 2)
    return np.sort(order[:choosing]), np.sort(order[choosing:])


def digest(images: ImageSet) -> str:
    """Changes with the boxes."""
    text = "\n".join(f"{one.width} {one.height} {one.box}" for one in images.entries)
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def centre(side: float = CENTRE) -> Boxes:
    """The centre box of this side, (4,)."""
    return np.array([(1 - side) / 2] * 2 + [(1 + side) / 2] * 2)


def overlap(one: Boxes, other: Boxes) -> NDArray[np.float64]:
    """(..., 4) each → (...): intersection over union."""
    across = np.minimum(one[..., 2:], other[..., 2:]) - np.maximum(one[..., :2], other[..., :2])
    both = across.clip(0).prod(-1)
    areas = [(box[..., 2:] - box[..., :2]).prod(-1) for box in (one, other)]
    found: NDArray[np.float64] = both / np.maximum(areas[0] + areas[1] - both, 1e-12)
    return found


def right(found: Boxes, true: Boxes) -> NDArray[np.bool_]:
    """(N, 4) each → (N,): whether half of what either box covers is covered by both. CorLoc is its mean
    (Deselaers, Alexe and Ferrari, ECCV 2010)."""
    correct: NDArray[np.bool_] = overlap(found, true) >= ENOUGH
    return correct
