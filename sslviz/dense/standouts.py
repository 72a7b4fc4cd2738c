"""What stands out on a map, and the box around it; numpy and scipy.

Letters in shapes: B images, h × w a map, F side of the fine map that boxes are read from.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from sslviz.dense.boxes import Boxes

FINE = 64
"""Side that maps are interpolated to before boxes are read from them."""
LEVELS = 64
"""Steps that a threshold is sought in."""
TOUCHING = np.ones((3, 3), np.int64)
"""Places that touch at a corner are one thing."""


def border(height: int, width: int) -> NDArray[np.bool_]:
    """(h, w), true at the places along the edge."""
    found = np.ones((height, width), np.bool_)
    found[1:-1, 1:-1] = False
    return found


def sign(maps: NDArray[np.float32]) -> float:
    """Which way of maps (B, h, w) is the object: 1 or -1, so that the border, where background is more often
    than in the middle, is low. 1 where there is no middle."""
    edge = border(*maps.shape[1:])
    if edge.all():
        return 1.0
    return -1.0 if maps[:, edge].mean() > maps[:, ~edge].mean() else 1.0


def threshold(maps: NDArray[np.float32]) -> NDArray[np.float32]:
    """(B, h, w) → (B,): what splits the values of each map into two groups that differ most, by the variance
    between them (Otsu 1979), at one of 64 steps from its least to its greatest."""
    flat = maps.reshape(len(maps), -1).astype(np.float64)
    low, high = flat.min(1), flat.max(1)
    reach = np.maximum(high - low, 1e-30)
    step = np.minimum(((flat - low[:, None]) / reach[:, None] * LEVELS).astype(np.int64), LEVELS - 1)
    cells = (np.arange(len(maps))[:, None] * LEVELS + step).ravel()
    share = np.bincount(cells, minlength=len(maps) * LEVELS).reshape(len(maps), LEVELS) / flat.shape[1]
    middle = np.arange(LEVELS) + 0.5
    below, mass = share.cumsum(1), (share * middle).cumsum(1)
    apart = (mass[:, -1:] * below - mass) ** 2 / np.maximum(below * (1 - below), 1e-12)
    best = apart[:, :-1].argmax(1) + 1
    found: NDArray[np.float32] = (low + best / LEVELS * (high - low)).astype(np.float32)
    return found


def part(above: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """(h, w) → (h, w): the largest connected part; all of it where there is none."""
    numbers, found = ndimage.label(above, TOUCHING)
    if not found:
        return np.ones_like(above)
    largest: NDArray[np.bool_] = numbers == 1 + int(np.bincount(numbers.ravel())[1:].argmax())
    return largest


def box(above: NDArray[np.bool_]) -> Boxes:
    """(h, w) → (4,): the box around the largest connected part; all of it where there is none."""
    largest = part(above)
    rows, columns = (np.flatnonzero(largest.any(axis)) for axis in (1, 0))
    height, width = above.shape
    return np.array(
        [columns[0] / width, rows[0] / height, (columns[-1] + 1) / width, (rows[-1] + 1) / height]
    )


def boxes(maps: NDArray[np.float32]) -> Boxes:
    """(B, F, F) → (B, 4): the box around the largest part of each map above its threshold."""
    limits = threshold(maps)
    return np.stack([box(one > limit) for one, limit in zip(maps, limits, strict=True)])
