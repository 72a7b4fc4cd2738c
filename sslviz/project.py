"""From many features to two or three coordinates: PCA at once, UMAP when there is time.

Both return points centred on the origin and scaled, all axes alike, so that the furthest lies at 1: maps
of different networks are then drawn in the same box.
"""

from __future__ import annotations

import warnings

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float32]

FEWEST_FOR_UMAP = 10
"""With fewer points than this a neighbourhood is everybody, and UMAP has nothing to say that PCA has not."""

NEIGHBORS = 15
"""Neighbours of a point that UMAP looks at: the authors' default, local enough to show small groups."""


def pca(features: Floats, dims: int = 2) -> Floats:
    """The `dims` directions in which the features (N, D) vary most: float32 (N, dims), for any N ≥ 1.

    Each direction points to where its largest entry is positive, so that the same features never come out
    mirrored. Directions in which nothing varies are filled with zeros.
    """
    from sklearn.decomposition import PCA

    assert features.ndim == 2, f"features are (N, D), not {features.shape}"
    assert len(features), "no features"
    points = np.zeros((len(features), dims), np.float32)
    rows = np.asarray(features, np.float32)
    rows = rows - rows.mean(axis=0, dtype=np.float64).astype(np.float32)
    kept = min(dims, *rows.shape)
    spread = np.abs(rows).max(initial=0.0)
    if spread < 1e-12 or kept == 0:
        return points
    if rows.shape[1] <= min(1024, rows.shape[0]):
        solver = "covariance_eigh"
    elif min(rows.shape) <= 256:
        solver = "full"
    else:  # raw pixels, where the first directions stand out and an approximation finds them
        solver = "randomized"
    fitted = PCA(kept, svd_solver=solver, random_state=0, iterated_power=7).fit(rows / spread)
    axes = fitted.components_
    largest = np.abs(axes).argmax(axis=1)
    signs = np.sign(axes[np.arange(kept), largest])
    found = (rows / spread) @ (axes * signs[:, None]).T
    # Rounding makes up directions where there are none; they would otherwise be noise of our own.
    found[:, fitted.singular_values_ < 1e-5 * max(fitted.singular_values_[0], 1e-30)] = 0
    points[:, :kept] = found
    return boxed(points)


def umap(
    features: Floats,
    indices: NDArray[np.int64],
    similarity: Floats,
    seed: int = 0,
    dims: int = 2,
) -> Floats:
    """UMAP of the features (N, D) by cosine distance: float32 (N, dims), the same for the same seed.

    indices and similarity (N, k) are each image's nearest others, as `neighbors.search` finds them with
    `exclude_self`; exact neighbours are quicker than UMAP's own approximate ones, and better. The layout
    starts from PCA, which keeps maps of related features alike. Fewer than ten images get PCA.
    """
    start = pca(features, dims)
    count = len(features)
    near = min(NEIGHBORS, count - 1, indices.shape[1] + 1)
    if count < FEWEST_FOR_UMAP or near < 2 or not start.any():
        return start
    own = np.arange(count)[:, None]
    indices = np.concatenate([own, indices[:, : near - 1]], axis=1)
    distances = 1 - np.concatenate([np.ones((count, 1), np.float32), similarity[:, : near - 1]], axis=1)
    jitter = np.random.default_rng(seed).normal(scale=0.01, size=start.shape)
    with warnings.catch_warnings():
        # What it warns about is meant: no TensorFlow; one thread, since a seed needs that; no index for new
        # points; and groups of duplicates that no path connects.
        warnings.simplefilter("ignore")
        import umap as umap_learn

        fitted = umap_learn.UMAP(
            n_neighbors=near,
            n_components=dims,
            metric="cosine",
            init=(10 * start + jitter).astype(np.float32),
            random_state=seed,
            n_jobs=1,
            precomputed_knn=(indices, distances.clip(0, 2).astype(np.float32), None),
            force_approximation_algorithm=True,
        ).fit(features)
    points = np.asarray(fitted.embedding_, np.float32)
    # A point that no neighbour holds (all its distances infinite) comes out as NaN.
    return boxed(np.where(np.isfinite(points), points, np.nanmedian(points, axis=0)))


def boxed(points: Floats) -> Floats:
    """Points (N, dims) moved and scaled, all axes alike, into [-1, 1]."""
    low, high = points.min(axis=0), points.max(axis=0)
    reach = float((high - low).max()) / 2
    if reach < 1e-12:
        return np.zeros_like(points)
    placed: Floats = ((points - (low + high) / 2) / reach).astype(np.float32)
    return placed
