"""Images that are turned, moved, scaled and recoloured, by what changes the copies of exemplar's seeds.

What is looked at is a window in the middle of each image, small enough that however it is turned, moved or
grown it stays inside: so nothing is ever padded, and no black corner tells by how much an image was turned.
"""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

from sslviz.images import square
from sslviz.imagesets import ImageSet
from sslviz.tasks.colour import colour_axes
from sslviz.tasks.copies import Changes, recolour, unchanged
from sslviz.tasks.sampling import as_pixels, sample_turned

SIDE = 128
"""Of a changed image, in pixels."""
FINER = 2
"""Pixels of the source in one of them: each is the mean of several, at every angle alike."""
FULL = 368
"""Side of the source: the window of 256 may be turned (to 362), grown by 1.4 (to 358) and moved by a fifth
(to a border of 307 from the other)."""


class Windows:
    """The middle of some images, ready to be changed."""

    def __init__(self, images: ImageSet, rows: list[int]) -> None:
        squares = [square(images.pixels(row), FULL).transpose(2, 0, 1) for row in rows]
        self.squares = torch.from_numpy(np.stack(squares))
        """uint8 (M, 3, FULL, FULL)."""
        self.mean, self.axes = colour_axes(self.squares)

    def changed(self, kind: str, strength: float) -> Tensor:
        """All of them changed alike: uint8 (M, 3, SIDE, SIDE). See `sslviz.invariance.KINDS`."""
        count = len(self.squares)
        how = changes(kind, strength, count)
        side = FINER * SIDE * how.scale
        x, y = (FULL / 2 + FINER * SIDE * how.move[:, axis] for axis in (0, 1))
        # The mean of a changed image is taken before anything is rounded, and rounded once.
        patches = sample_turned(self.squares, x, y, side, how.angle, SIDE)
        return as_pixels(recolour(patches, how, self.mean, self.axes))


def changes(kind: str, strength: float, count: int) -> Changes:
    """The same change for `count` images."""
    found = unchanged(count)
    if kind == "angle":  # a whole turn is none
        return replace(found, angle=found.angle + math.radians(strength % 360))
    if kind == "shift":
        return replace(found, move=found.move + torch.tensor([strength, 0.0]))
    if kind == "scale":
        return replace(found, scale=found.scale * strength)
    if kind == "hue":
        return replace(found, hue=found.hue + strength)
    assert kind == "contrast", kind
    return replace(found, contrast=found.contrast * strength)


def resized(pixels: Tensor, side: int) -> Tensor:
    """uint8 (M, 3, s, s) → uint8 (M, 3, side, side)."""
    if pixels.shape[-1] == side:
        return pixels
    small = functional.interpolate(
        pixels.to(torch.float32), (side, side), mode="bilinear", antialias=True, align_corners=False
    )
    return as_pixels(small)


def shown(pixels: Tensor, side: int) -> NDArray[np.uint8]:
    """One changed image, uint8 (3, s, s) → uint8 (side, side, 3)."""
    found: NDArray[np.uint8] = resized(pixels[None], side)[0].permute(1, 2, 0).contiguous().numpy()
    return found
