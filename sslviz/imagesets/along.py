"""Several squares of each image that is not one: what training sees of it.

Pages, held-out examples and features are of the centre square. Of a photograph of 3 by 2 that leaves a third
out, and a network that is trained on squares from all along the longer side learns less by heart: jigsaw's
answers on other photographs became a fifth better.
"""

from __future__ import annotations

import math
import statistics
from typing import TYPE_CHECKING

import numpy as np

from sslviz import images
from sslviz.imagesets.arrays import mapped
from sslviz.imagesets.index import damaged

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    from sslviz.imagesets.opened import ImageSet

MOST = 5
"""Squares of an image."""
APART = 1 / 8
"""Of a square's side, about: how far one lies from the next, where that makes no more than the most."""
LONGER = 1.05
"""Times their shorter side that images are long, at least, for their squares to differ."""
SPACE = 500_000_000
"""Bytes on the disk, at most: five squares of 128 pixels of 2,000 images."""


def places_along(imageset: ImageSet, side: int) -> int:
    """How many squares of `side` pixels to train on of each image of a set; 1 is the centre alone. Depends
    on nothing but the sizes of the images."""
    sizes = [(entry.width, entry.height) for entry in imageset.entries]
    longer = statistics.median(max(size) / min(size) for size in sizes)
    if longer < LONGER:
        return 1
    wanted = min(MOST, 1 + math.ceil((longer - 1) / APART))
    return max(1, min(wanted, SPACE // (len(sizes) * 3 * side**2)))


def squares_along(
    imageset: ImageSet,
    side: int,
    places: int | None = None,
    report: Callable[[int, int], None] | None = None,
) -> NDArray[np.uint8] | None:
    """`places` squares of every image, from one end of its longer side to the other: uint8 (N · places, 3, S,
    S), those of an image one after another, mapped from the disk; writing changes no file. None where it is
    to be one, the centre square, which `ImageSet.squares` has. By default as many as `places_along` says.

    Built on the first call, on all cores. Raises `UserError` for a full disk.
    """
    if places is None:
        places = places_along(imageset, side)
    if places == 1:
        return None

    def make(row: int) -> NDArray[np.uint8]:
        return images.squares_along(imageset.pixels(row), side, places).transpose(0, 3, 1, 2)

    path = imageset.folder / "arrays" / f"{side}x{places}-{imageset.fingerprint}.npy"
    found = mapped(path, (len(imageset), places, 3, side, side), make, report)
    if found is None:
        raise damaged(imageset.name)
    return found.reshape(-1, 3, side, side)
