"""What is computed to be looked at: neighbours, maps, how faithful they are, and what labels are told by:
each beside its bound."""

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
from sslviz.bench import probing

IMAGES, WIDTH = 5_000, 256
NEAR = 50
FEW, MANY, CROWD = 2_000, 20_000, 50_000
"""Images for t-SNE, for a large map, and for neighbours alone: those of a CIFAR-10."""
FEWER_NEAR = 10
TILE = 4096
"""Rows and columns of the bare product made at a time: all of 50,000 would not fit into memory."""


def cloud(count: int = IMAGES, width: int = WIDTH, groups: int = 10) -> NDArray[np.float32]:
    """Features as networks have them: float32 (count, width), a few directions strong, in groups."""
    draw = np.random.default_rng(0)
    centres = draw.normal(size=(groups, width))
    strength = 1 / np.sqrt(1 + np.arange(width))
    rows = centres[np.arange(count) % groups] * 0.5 + draw.normal(size=(count, width))
    found: NDArray[np.float32] = (rows * strength).astype(np.float32)
    return found


def measure() -> dict[str, dict[str, Any]]:
    """Seconds of what is looked at, each beside its bound: all-pairs neighbours of 5,000 and 50,000 × 256
    features, PCA of 5,000, warm UMAP of 5,000 and 20,000, t-SNE of 2,000, trustworthiness of 20,000, and of
    what `probing` measures."""
    features = cloud()
    found = {"knn": _knn(features), "pca": _pca(features), "umap": _umap(features)}
    found["tsne"] = _tsne(cloud(FEW))
    many = cloud(MANY)
    found |= {"umap_many": _umap(many, 1), "trustworthiness": _trustworthiness(many)}
    found["knn_many"] = _knn(cloud(CROWD), FEWER_NEAR, 1)
    found |= probing.measure()
    return {name: one | {"times": one["seconds"] / one["bound"]} for name, one in found.items()}


def _knn(features: NDArray[np.float32], near: int = NEAR, times: int = 3) -> dict[str, Any]:
    """Beside the matrix product alone, and faiss's flat index where it is installed."""
    unit = torch.nn.functional.normalize(torch.from_numpy(features), dim=1)

    def product() -> None:
        for start in range(0, len(unit), TILE):
            for left in range(0, len(unit), TILE):
                unit[start : start + TILE] @ unit[left : left + TILE].T

    figures: dict[str, Any] = {
        "images": len(features),
        "seconds": least(lambda: neighbors.search(features, features, near, exclude_self=True), times),
        "bound": least(product, times),
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
        index.search(rows, near + 1)

    figures["faiss"] = least(flat, times)
    return figures | {"over_faiss": figures["seconds"] / figures["faiss"]}


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


def _umap(features: NDArray[np.float32], times: int = 2) -> dict[str, Any]:
    """Beside umap-learn left to itself, which looks for the neighbours anew; both warm and seeded."""
    indices, similarity = neighbors.search(features, features, NEAR, exclude_self=True)
    few = slice(0, 200)  # numba compiles at the first fit
    project.umap(features[few], *neighbors.search(features[few], features[few], NEAR, exclude_self=True))
    import umap as umap_learn

    def customary() -> None:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            umap_learn.UMAP(metric="cosine", random_state=0).fit(features)

    return _timed(lambda: project.umap(features, indices, similarity)) | {
        "images": len(features),
        "bound": least(customary, times),  # its search is compiled for many points alone, the first time
        "bound_is": "umap-learn left to itself",
    }


def _tsne(features: NDArray[np.float32]) -> dict[str, Any]:
    """Beside scikit-learn's left to itself, which starts from PCA as well and runs on all cores."""
    from sklearn.manifold import TSNE

    indices, similarity = neighbors.search(features, features, NEAR, exclude_self=True)
    return _timed(lambda: project.tsne(features, indices, similarity)) | {
        "images": len(features),
        "bound": least(lambda: TSNE(metric="cosine", random_state=0).fit_transform(features), 1),
        "bound_is": "scikit-learn left to itself",
    }


def _trustworthiness(features: NDArray[np.float32]) -> dict[str, Any]:
    """Beside the product that its similarities are, of the rows that it asks with all."""
    points = project.pca(features)
    unit = features.astype(np.float64)
    return _timed(lambda: project.trustworthiness(features, points)) | {
        "images": len(features),
        "bound": least(lambda: unit[:500] @ unit.T),
        "bound_is": "the matrix product alone",
    }


def _timed(work: Callable[[], object]) -> dict[str, float]:
    """Seconds, and seconds of all processors, of `work` done once."""
    spent = time.process_time()
    seconds = least(work, 1)
    return {"seconds": seconds, "cpu_seconds": time.process_time() - spent}


def least(work: Callable[[], object], times: int = 3) -> float:
    """Seconds of `work`, the least of a few."""
    taken = []
    for _ in range(times):
        began = time.perf_counter()
        work()
        taken.append(time.perf_counter() - began)
    return min(taken)
