"""What is computed to be looked at: neighbours, PCA and UMAP, each beside its bound."""

from __future__ import annotations

import importlib
import time
import warnings
from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from sslviz import neighbors, project

IMAGES, WIDTH = 5_000, 256
NEAR = 50


def cloud(count: int = IMAGES, width: int = WIDTH, groups: int = 10) -> NDArray[np.float32]:
    """Features as networks have them: float32 (count, width), a few directions strong, in groups."""
    draw = np.random.default_rng(0)
    centres = draw.normal(size=(groups, width))
    strength = 1 / np.sqrt(1 + np.arange(width))
    rows = centres[np.arange(count) % groups] * 0.5 + draw.normal(size=(count, width))
    found: NDArray[np.float32] = (rows * strength).astype(np.float32)
    return found


def measure() -> dict[str, dict[str, Any]]:
    """Seconds of all-pairs neighbours, PCA and warm UMAP of 5,000 × 256 features, each beside its bound."""
    features = cloud()
    found = {"knn": _knn(features), "pca": _pca(features)}
    found["umap"] = _umap(features)
    return found


def _knn(features: NDArray[np.float32]) -> dict[str, Any]:
    """Beside the matrix product alone, and faiss's flat index where it is installed."""
    unit = torch.nn.functional.normalize(torch.from_numpy(features), dim=1)
    figures: dict[str, Any] = {
        "seconds": least(lambda: neighbors.search(features, features, NEAR, exclude_self=True)),
        "bound": least(lambda: unit @ unit.T),
        "bound_is": "the matrix product alone",
        "faiss": None,
    }
    try:
        faiss: Any = importlib.import_module("faiss")
    except ImportError:
        return figures
    rows = unit.numpy()

    def flat() -> None:
        index = faiss.IndexFlatIP(rows.shape[1])
        index.add(rows)
        index.search(rows, NEAR + 1)

    return figures | {"faiss": least(flat)}


def _pca(features: NDArray[np.float32]) -> dict[str, Any]:
    """Beside the covariance and its largest two directions, by LAPACK."""

    def bare() -> None:
        rows = features - features.mean(0)
        _, axes = np.linalg.eigh(rows.T @ rows)
        rows @ axes[:, -2:]

    return {
        "seconds": least(lambda: project.pca(features)),
        "bound": least(bare),
        "bound_is": "numpy's covariance and eigenvectors",
    }


def _umap(features: NDArray[np.float32]) -> dict[str, Any]:
    """Beside umap-learn left to itself, which looks for the neighbours anew; both warm and seeded."""
    indices, similarity = neighbors.search(features, features, NEAR, exclude_self=True)
    import umap as umap_learn

    def customary() -> None:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            umap_learn.UMAP(metric="cosine", random_state=0).fit(features)

    few = slice(0, 200)  # numba compiles at the first fit
    project.umap(features[few], *neighbors.search(features[few], features[few], NEAR, exclude_self=True))
    return {
        "seconds": least(lambda: project.umap(features, indices, similarity), 1),
        "bound": least(customary, 2),  # its search is compiled for many points alone, the first time
        "bound_is": "umap-learn left to itself",
    }


def least(work: Callable[[], object], times: int = 3) -> float:
    """Seconds of `work`, the least of a few."""
    taken = []
    for _ in range(times):
        began = time.perf_counter()
        work()
        taken.append(time.perf_counter() - began)
    return min(taken)
