"""Masks as segmentation needs them: what is asked of which images, the true answer, and how much overlaps.

Letters in shapes: N images, C classes, S side of a square.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from sslviz.errors import UserError
from sslviz.imagesets import ImageSet
from sslviz.intervals import ALIKE, students, wilson, wilson_of_difference

BACKGROUND = "background"
OBJECT = "object"
IGNORED = 255
"""Where a mask does not say what there is, such as along an outline; nothing is learned or asked there."""
MOST_CLASSES = 10
"""Labels beyond which only the object is told from the background: colours tell ten apart, and of 37 breeds
each would be learned from a few dozen images."""
KNOWN, ASKED = 1000, 400
SIDE = 128
"""Masks are compared at this side, or the images' own where that is less, whatever a network reads."""

Rows = NDArray[np.int64]
Counts = NDArray[np.int64]
"""(..., C, C) pixels by true class and by the class that was answered."""


@dataclass(frozen=True, eq=False)
class Question:
    """Which class is at each pixel of which images."""

    classes: tuple[str, ...]
    """Background first."""
    known: Rows
    """Rows that are learned from, ascending."""
    asked: Rows
    """Rows that are asked about, ascending; none of `known`."""
    side: int
    """S of the masks that are compared."""


def question(images: ImageSet, known: int = KNOWN, asked: int = ASKED) -> Question:
    """What is asked of a set that knows masks: at most so many images of each part, drawn with seed 0.

    One class a label where there are 2 to 10 of them, else only the object. A fifth is asked about, alike
    within each label; images without a mask, or without a label where labels are classes, are left out.
    Raises `UserError` where fewer than two images remain.
    """
    labels = _labels(images)
    rows = [row for row, one in enumerate(images.entries) if one.mask_bytes and (not labels or one.label)]
    if len(rows) < 2:
        raise _no_masks(images, len(rows))
    draw = np.random.default_rng(0)
    by_label: dict[str, list[int]] = {}
    for row in rows:
        by_label.setdefault(images.entries[row].label or "", []).append(row)
    parts = [draw.permutation(by_label[label]) for label in sorted(by_label)]
    cuts = [0 if len(part) == 1 else max(1, round(len(part) / 5)) for part in parts]
    if not any(cuts):  # every label has one image: one of them is asked about all the same
        cuts[-1] = 1
    ours, theirs = (
        np.sort(draw.permutation(np.concatenate(some))[:most]).astype(np.int64)
        for some, most in (
            ([part[cut:] for part, cut in zip(parts, cuts, strict=True)], known),
            ([part[:cut] for part, cut in zip(parts, cuts, strict=True)], asked),
        )
    )
    return Question((BACKGROUND, *(labels or (OBJECT,))), ours, theirs, min(SIDE, max(1, images.short_side)))


def _labels(images: ImageSet) -> tuple[str, ...]:
    """Labels that are classes of their own: those of images with masks, unless they are too many, or most
    images have none."""
    masked = [one.label for one in images.entries if one.mask_bytes]
    found = sorted({label for label in masked if label})
    enough = 2 * sum(label is not None for label in masked) >= len(masked)
    return tuple(found) if 2 <= len(found) <= MOST_CLASSES and enough else ()


def _no_masks(images: ImageSet, count: int) -> UserError:
    if not any(one.mask_bytes for one in images.entries):
        return UserError(
            f"The set {images.name!r} has no masks, so nobody knows what is where in its images.",
            "The built-in scenes have masks, and so has the Oxford-IIIT Pet set once it is downloaded.",
        )
    some = "One image" if count else "No image"
    return UserError(
        f"{some} of the set {images.name!r} has both a mask and a label; segmentation takes at least two.",
        "Choose the built-in scenes, all of which have masks.",
    )


def digest(images: ImageSet) -> str:
    """Changes with the labels and with which masks there are."""
    found = hashlib.sha256()
    for one in images.entries:
        found.update(f"{one.mask_at} {one.mask_bytes} {one.label!r}\n".encode())
    return found.hexdigest()[:16]


def truth(images: ImageSet, rows: Sequence[int] | Rows, asked: Question) -> NDArray[np.uint8]:
    """The class at each pixel of the images' centre squares: uint8 (N, S, S), 255 where it is not known.

    A mask's zero is background and any other number the object, whose class is its label's.
    """
    found = np.empty((len(rows), asked.side, asked.side), np.uint8)
    for number, row in enumerate(int(one) for one in rows):
        mask = images.mask(row)
        assert mask is not None, row
        answer = 1
        if len(asked.classes) > 2:  # the first is the background, which may be some label's name too
            answer = asked.classes.index(images.entries[row].label or "", 1)
        seen = square(mask, asked.side)
        found[number] = np.where(seen == IGNORED, IGNORED, np.where(seen > 0, answer, 0))
    return found


def square(mask: NDArray[np.uint8], side: int) -> NDArray[np.uint8]:
    """The centre square of uint8 (H, W), the same as an image's, as (S, S): the nearest pixel's number."""
    edge = min(mask.shape)
    top, left = ((length - edge) // 2 for length in mask.shape)
    nearest = np.minimum(((np.arange(side) + 0.5) * edge / side).astype(np.int64), edge - 1)
    return np.ascontiguousarray(mask[top + nearest][:, left + nearest])


def count(true: NDArray[np.uint8], answer: NDArray[np.uint8], classes: int) -> Counts:
    """uint8 (N, S, S) each → int64 (N, C, C): pixels by true class and answer, those unknown left out."""
    cells = true.astype(np.int64) * classes + answer
    found = np.zeros((len(true), classes, classes), np.int64)
    for number, (one, cell) in enumerate(zip(true, cells, strict=True)):
        told = np.bincount(cell[one != IGNORED], minlength=classes * classes)
        found[number] = told.reshape(classes, classes)
    return found


def overlaps(counts: Counts) -> NDArray[np.float64]:
    """(..., C, C) → (..., C): by class the pixels that truth and answer share, of those that either has
    (intersection over union); nan for a class that is nowhere in the truth."""
    both = np.diagonal(counts, axis1=-2, axis2=-1).astype(np.float64)
    true, answered = counts.sum(-1), counts.sum(-2)
    found: NDArray[np.float64] = np.where(true > 0, both / np.maximum(true + answered - both, 1), np.nan)
    return found


def mean_overlap(counts: Counts) -> float:
    """(C, C) → the mean intersection over union (mIoU) of the classes that are in the truth, in [0, 1]; 0
    where there is none."""
    found = overlaps(counts)
    return 0.0 if np.isnan(found).all() else float(np.nanmean(found))


def right(counts: Counts) -> float:
    """(C, C) → the share of pixels whose class was answered, in [0, 1]."""
    return float(np.trace(counts) / max(1, counts.sum()))


def objects(counts: Counts) -> float:
    """(C, C) → intersection over union of all classes but the background taken as one."""
    both = counts[1:, 1:].sum()
    return float(both / max(1, both + counts[0, 1:].sum() + counts[1:, 0].sum()))


def interval(counts: Counts, less: Counts | None = None) -> list[float]:
    """A 95% interval of the mIoU of N images, (N, C, C), or of what it is more than that of `less`, the
    same images answered by another: [low, high], by Student's t of the jackknife's N values, each what is
    left of N times the whole when an image is taken out (Tukey 1958). Draws with replacement spread too
    little: of two equally good on ten images they tell 10% apart where this tells 4%.

    Of one image nothing is known, [0, 1] or [-1, 1]; where all are alike, no more than of a share.
    """
    total, least = len(counts), 0.0 if less is None else -1.0
    if total < 2:
        return [least, 1.0]
    weights = np.vstack([np.ones(total), 1.0 - np.eye(total)])
    found = _means(weights, counts) - (0.0 if less is None else _means(weights, less))
    values = total * found[0] - (total - 1) * found[1:]
    middle = float(found[0])
    half = students(total - 1) * float(values.std(ddof=1)) / math.sqrt(total)
    if half < ALIKE:
        return wilson(middle, total) if less is None else wilson_of_difference(middle, total)
    return [max(least, middle - half), min(1.0, middle + half)]


def _means(weights: NDArray[np.float64], counts: Counts) -> NDArray[np.float64]:
    """(D, N) times an image counts → (D,) mIoU; a class that is nowhere in the truth is not counted."""
    drawn = np.rint(weights @ counts.reshape(len(counts), -1)).astype(np.int64)
    found = overlaps(drawn.reshape(len(weights), *counts.shape[1:]))
    there = ~np.isnan(found)
    means: NDArray[np.float64] = np.where(there, found, 0).sum(1) / np.maximum(there.sum(1), 1)
    return means
