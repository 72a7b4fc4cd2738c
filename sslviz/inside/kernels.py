"""The kernels of a first convolution as pictures, like ones side by side."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

CUT_OFF = 99.5
"""Percentile of the absolute weights that is drawn as black or full colour; the few beyond are cut off."""
COLOURED = 0.3
"""Share of a kernel's energy in differences between the colours from which it counts as coloured: random
weights have two thirds, and what looks grey has less than this."""
_AXES = np.array([[1, 1, 1], [1, -1, 0], [1, 1, -2]]) / np.sqrt([[3], [2], [6]])
"""Grey, red against green, and yellow against blue: orthonormal."""
SEAM = -5 / 8 * np.pi
"""Double angles are read from here on round the circle: the commonest directions, upright and level, and the
commonest hues, red or green and yellow or blue, are far from it."""


def pictures(weights: NDArray[np.float32]) -> NDArray[np.uint8]:
    """float (F, 3, k, k) → uint8 (F, k, k, 3), in the order of `order`.

    A weight of nought is mid-grey, and one factor scales all weights of a network, so that kernels that
    learned nothing look as flat as they are.
    """
    scale = float(np.percentile(np.abs(weights), CUT_OFF)) or 1.0
    drawn = 127.5 + 127.5 * np.clip(weights / scale, -1, 1)
    picture: NDArray[np.uint8] = np.rint(drawn).astype(np.uint8).transpose(0, 2, 3, 1)
    return np.ascontiguousarray(picture[order(weights)])


def order(weights: NDArray[np.float32]) -> NDArray[np.int64]:
    """float (F, 3, k, k) → int64 (F,): grey kernels first, by the direction in which they vary most, then
    coloured ones, by their hue. The same rule for any network; kernels of no weight come last."""
    weights = weights.astype(np.float64)
    parts = np.einsum("ac,fcij->faij", _AXES, weights)
    energy = (parts**2).sum((2, 3))
    total = energy.sum(1)
    coloured = energy[:, 1:].sum(1) > COLOURED * total
    # A double angle, for a kernel and its negative lie on one axis.
    grey = _orientation(parts[:, 0])
    red, blue = parts[:, 1], parts[:, 2]
    hue = np.arctan2(2 * (red * blue).sum((1, 2)), (red**2 - blue**2).sum((1, 2)))
    empty = total <= 1e-8 * total.max(initial=0.0)
    angle = np.mod(np.where(coloured, hue, grey) - SEAM, 2 * np.pi)
    return np.lexsort((angle, coloured, empty)).astype(np.int64)


def _orientation(kernels: NDArray[np.float64]) -> NDArray[np.float64]:
    """float (F, k, k) → the double angle, (F,) in [-π, π], of the direction in which each varies most, by its
    spectrum: means over neighbouring pixels would miss the finest stripes."""
    size = kernels.shape[-1]
    spectrum = np.abs(np.fft.fft2(kernels, s=(2 * size, 2 * size))) ** 2
    at = np.fft.fftfreq(2 * size)
    down, across = np.meshgrid(at, at, indexing="ij")
    double: NDArray[np.float64] = np.arctan2(
        (2 * across * down * spectrum).sum((1, 2)), ((across**2 - down**2) * spectrum).sum((1, 2))
    )
    return double
