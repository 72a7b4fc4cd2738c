"""From many features to two or three coordinates: PCA at once, UMAP and t-SNE when there is time.

All return points centred on the origin and scaled, all axes alike, so that the furthest lies at 1: maps
of different networks are then drawn in the same box.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float32]
Ints = NDArray[np.int64]
Report = Callable[[int, int], None]

FEWEST_FOR_UMAP = 10
"""With fewer points than this a neighbourhood is everybody, and UMAP has nothing to say that PCA has not."""

NEIGHBORS = 15
"""Neighbours of a point that UMAP looks at: the authors' default, local enough to show small groups."""

EPOCHS, EPOCHS_OF_MANY, MANY = 350, 200, 10_000
"""Rounds of UMAP's layout for up to `MANY` points, and beyond. From PCA the last 150 of the customary 500
add 0.002 to 0.005 to the trustworthiness of 5,000 points, about as much as another seed changes it."""


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
    indices: Ints,
    similarity: Floats,
    seed: int = 0,
    dims: int = 2,
    report: Report | None = None,
    *,
    start: Floats | None = None,
    epochs: int | None = None,
    rate: float = 1.0,
) -> Floats:
    """UMAP of the features (N, D) by cosine distance: float32 (N, dims), the same for the same seed.

    indices and similarity (N, k) are each image's nearest others, as `neighbors.search` finds them with
    `exclude_self`; exact neighbours are quicker than UMAP's own approximate ones, and better. The layout
    starts from PCA, which keeps maps of related features alike, or from `start` (N, dims) in [-1, 1], as the
    map of another step of the same training; it is given `epochs` rounds, by default as many as the size
    needs, whose steps are `rate` times as large as UMAP's own at first. `report` is called with (rounds done,
    rounds in all). Fewer than ten images get PCA.
    """
    assert start is None or start.shape == (len(features), dims), f"not a start: {np.shape(start)}"
    first = pca(features, dims)
    count = len(features)
    near = min(NEIGHBORS, count - 1, indices.shape[1] + 1)
    if count < FEWEST_FOR_UMAP or near < 2 or not first.any():
        return first
    first = first if start is None else start
    own = np.arange(count)[:, None]
    indices = np.concatenate([own, indices[:, : near - 1]], axis=1)
    distances = 1 - np.concatenate([np.ones((count, 1), np.float32), similarity[:, : near - 1]], axis=1)
    jitter = np.random.default_rng(seed).normal(scale=0.01, size=first.shape)
    rounds = epochs or (EPOCHS if count <= MANY else EPOCHS_OF_MANY)
    with warnings.catch_warnings():
        # What it warns about is meant: no TensorFlow; one thread, since a seed needs that; no index for new
        # points; and groups of duplicates that no path connects.
        warnings.simplefilter("ignore")
        import umap as umap_learn

        fitted = umap_learn.UMAP(
            n_neighbors=near,
            n_components=dims,
            n_epochs=rounds,
            learning_rate=rate,
            metric="cosine",
            init=(10 * first + jitter).astype(np.float32),
            random_state=seed,
            n_jobs=1,
            precomputed_knn=(indices, distances.clip(0, 2).astype(np.float32), None),
            force_approximation_algorithm=True,
            tqdm_kwds=_Rounds(report, rounds).as_tqdm() if report else None,
        ).fit(features)
    points = np.asarray(fitted.embedding_, np.float32)
    # A point that no neighbour holds (all its distances infinite) comes out as NaN.
    return boxed(np.where(np.isfinite(points), points, np.nanmedian(points, axis=0)))


class _Rounds:
    """The text that UMAP's progress bar would print, told as numbers."""

    def __init__(self, report: Report, total: int) -> None:
        self.report, self.total = report, total

    def as_tqdm(self) -> dict[str, Any]:
        return {"disable": False, "file": self, "bar_format": "{n_fmt}", "leave": True, "mininterval": 0.2}

    def write(self, text: str) -> None:
        if text.strip().isdigit():
            self.report(int(text), self.total)

    def flush(self) -> None:
        """What is told is told at once."""


def tsne(
    features: Floats,
    indices: Ints,
    similarity: Floats,
    seed: int = 0,
    dims: int = 2,
    report: Report | None = None,
) -> Floats:
    """t-SNE of the features (N, D) by cosine distance: float32 (N, dims), the same for the same seed.

    indices and similarity (N, k) as for `umap`; its perplexity of 30 needs 91 neighbours of each, and they
    are looked for again where fewer are given. Distances are those between unit vectors, whose order is that
    of the cosine. Starts from PCA (Kobak and Linderman 2021). Barnes-Hut t-SNE: van der Maaten 2014, by
    scikit-learn, which tells nothing on the way: `report` is called with (0, 1) and with (1, 1). Fewer than
    ten images get PCA.
    """
    from sklearn.manifold import TSNE
    from threadpoolctl import threadpool_limits  # type: ignore[import-untyped]

    start = pca(features, dims)
    count = len(features)
    if count < FEWEST_FOR_UMAP or not start.any():
        return start
    perplexity = min(30.0, (count - 1) / 3)
    near = min(count - 1, int(3 * perplexity + 1))
    known = indices.shape[1] >= near
    told = report or (lambda *_: None)
    told(0, 1)
    # A sum over three threads or more depends on their order, and the layout on the sum's last bit; among
    # few points threads wait for each other.
    with threadpool_limits(2 if count >= 1000 else 1, user_api="openmp"):
        found = TSNE(
            n_components=dims,
            perplexity=perplexity,
            metric="precomputed" if known else "euclidean",
            init=(start * (1e-4 / start[:, 0].std())).astype(np.float32),
            random_state=seed,
        ).fit_transform(
            _graph(indices[:, :near], similarity[:, :near]) if known else _unit(features),
        )
    told(1, 1)
    return boxed(np.asarray(found, np.float32))


def boxed(points: Floats) -> Floats:
    """Points (N, dims) moved and scaled, all axes alike, into [-1, 1]."""
    low, high = points.min(axis=0), points.max(axis=0)
    reach = float((high - low).max()) / 2
    if reach < 1e-12:
        return np.zeros_like(points)
    placed: Floats = ((points - (low + high) / 2) / reach).astype(np.float32)
    return placed


def _graph(indices: Ints, similarity: Floats) -> Any:
    """Distances between unit vectors as a sparse matrix (N, N): each row to itself and to its k nearest."""
    from scipy.sparse import csr_matrix

    count, near = indices.shape
    found = np.concatenate([np.arange(count)[:, None], indices], axis=1)
    distances = np.zeros(found.shape, np.float32)
    distances[:, 1:] = np.sqrt(np.maximum(0, 2 - 2 * similarity))
    ends = np.arange(0, found.size + 1, near + 1)
    return csr_matrix((distances.ravel(), found.ravel(), ends), shape=(count, count))


def _unit(features: Floats) -> Floats:
    length = np.linalg.norm(features, axis=1, keepdims=True)
    unit: Floats = (features / np.where(length > 0, length, 1)).astype(np.float32)
    return unit
