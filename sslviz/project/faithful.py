"""How far a map can be trusted: which of a point's neighbours it shows are neighbours, and which it lost."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float32]
Ints = NDArray[np.int64]

ROWS = 128
"""Rows of similarities to everybody that are held at a time: 20 MB of 20,000 images."""


def trustworthiness(
    features: Floats, points: Floats, k: int = 10, sample: int = 500, seed: int = 0
) -> float | None:
    """How little a map shows as near what is far: 1 where the `k` nearest on it are the true ones.

    1 - 2 / (n k (2N - 3k - 1)) Σ (r - k) over the n rows asked and those of their k nearest on the map that
    are not among their k nearest by cosine similarity, of which r is the rank. features (N, D), points
    (N, dims). n is `sample` rows drawn with `seed`, and all where there are no more: what is drawn is asked
    about all N. Of equally similar images the ones that the map shows are taken to be the nearer. `k` is cut
    below N / 2, as the measure asks; None for fewer than three images. Venna and Kaski, "Neighborhood
    preservation in nonlinear projection methods", 2001, section 2.
    """
    assert features.ndim == points.ndim == 2
    assert len(features) == len(points), f"{features.shape} against {points.shape}"
    count = len(features)
    k = min(k, (count - 1) // 2)
    if k < 1:
        return None
    rows = np.arange(count)
    if sample < count:
        rows = np.sort(np.random.default_rng(seed).choice(count, max(1, sample), replace=False))
    shown = _nearest_on_map(points, rows, k)
    unit = _unit(features)
    intruded = 0
    for start in range(0, len(rows), ROWS):
        asked, near = rows[start : start + ROWS], shown[start : start + ROWS]
        similar = unit[asked] @ unit.T
        similar[np.arange(len(asked)), asked] = -np.inf
        # In double precision what differs by less is equal but for the order of a sum.
        for level in np.take_along_axis(similar, near, axis=1).T + 1e-12:
            rank = 1 + np.count_nonzero(similar > level[:, None], axis=1)
            intruded += int(np.maximum(0, rank - k).sum())
    return 1.0 - 2.0 * intruded / (len(rows) * k * (2 * count - 3 * k - 1))


def kept(indices: Ints, points: Floats, k: int = 10) -> float | None:
    """Mean share, in [0, 1], of an image's `k` nearest that are among its `k` nearest on the map.

    indices (N, ≥ k), each image's nearest others, best first, and points (N, dims). `k` is cut to what there
    is; None where there are no neighbours.
    """
    assert len(indices) == len(points), f"{indices.shape} against {points.shape}"
    k = min(k, indices.shape[1], len(points) - 1)
    if k < 1:
        return None
    shown = _nearest_on_map(points, np.arange(len(points)), k)
    found = np.sort(np.concatenate([shown, indices[:, :k]], axis=1), axis=1)
    return float((found[:, 1:] == found[:, :-1]).sum() / (len(points) * k))


def _nearest_on_map(points: Floats, rows: Ints, k: int) -> Ints:
    """Indices (len(rows), k) of the other points nearest to these, k < N."""
    from scipy.spatial import cKDTree

    near = cKDTree(points).query(points[rows], k + 1)[1]
    # A point is the nearest to itself, unless others lie in the same place.
    own = near == rows[:, None]
    own[~own.any(axis=1), -1] = True
    others: Ints = near[~own].reshape(len(rows), k)
    return others


def _unit(features: Floats) -> NDArray[np.float64]:
    """Rows of length one, and zeros where they were zeros."""
    rows = features.astype(np.float64)
    length = np.linalg.norm(rows, axis=1, keepdims=True)
    unit: NDArray[np.float64] = rows / np.where(length > 0, length, 1)
    return unit
