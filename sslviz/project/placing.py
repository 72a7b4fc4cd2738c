"""How maps meet: one turned to lie like another, and the place of an image that a map has not seen."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float32]

TEMPERATURE = 0.1
"""By which similarities are divided before the exponential, as in the votes of neighbours."""

VOTERS = 10
"""Known images that say where a new one lies."""

VICINITY = 0.1
"""Distance on the map over which neighbours count as one group, as a share of half the map's extent."""


def aligned(points: Floats, to: Floats) -> Floats:
    """The layout `points` (N, dims) turned, mirrored, scaled and moved to lie as `to` (N, dims) does.

    Row i of both is the same image. The turn is the one that brings the two closest together (orthogonal
    Procrustes: Schönemann 1966). The spread becomes that of `to`; the scale that brings the points closest
    would shrink a layout that has little in common with the other. Points that all lie in one place come to
    the middle of `to`; if those of `to` do, the layout is only moved there. Returns float32 (N, dims).
    """
    assert points.ndim == to.ndim == 2
    assert points.shape == to.shape, f"{points.shape} against {to.shape}"
    assert len(points), "no points"
    own, other = points.astype(np.float64), to.astype(np.float64)
    middle = other.mean(axis=0)
    own, other = own - own.mean(axis=0), other - middle
    spread, wanted = np.linalg.norm(own), np.linalg.norm(other)
    if spread < 1e-9 or wanted < 1e-9:
        return np.asarray(own + middle, np.float32)
    left, _, right = np.linalg.svd((own / spread).T @ (other / wanted))
    return np.asarray(own @ (left @ right) * (wanted / spread) + middle, np.float32)


def place(similarity: Floats, indices: NDArray[np.int64], points: Floats) -> Floats:
    """Where a new image lies on a map: among its nearest known images, float32 (dims,).

    similarity and indices (k,) of its k ≥ 1 nearest known images, best first, as `neighbors.search` finds
    them; points (N, dims). Up to ten of them weigh exp(similarity / 0.1) each. Where they lie in groups far
    apart their mean would be a place where nothing is, so the neighbour with the most weight around it is
    found, by a Gaussian of a tenth of half the map's extent, and the answer is the mean weighted by that
    Gaussian too. Neighbours that lie together give their weighted mean; groups that weigh the same, the one
    found first.
    """
    assert similarity.ndim == indices.ndim == 1
    assert len(indices), "nothing is known"
    near = points[indices[:VOTERS]].astype(np.float64)
    strength = similarity[:VOTERS].astype(np.float64)
    weight = np.exp((strength - strength.max()) / TEMPERATURE)
    reach = max(float(np.ptp(points, axis=0).max()) / 2, 1e-12)
    apart = ((near[:, None] - near[None]) ** 2).sum(axis=2)
    around = weight * np.exp(-apart / (2 * (VICINITY * reach) ** 2))
    chosen = around[around.sum(axis=1).argmax()]
    return np.asarray(chosen @ near / chosen.sum(), np.float32)
