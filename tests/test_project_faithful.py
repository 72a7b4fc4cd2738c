"""What maps keep of neighbourhoods, against scikit-learn and against sorting everything."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.manifold import trustworthiness

from sslviz import neighbors, project


def some(count: int, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Features, and a map that keeps some of their neighbourhoods."""
    random = np.random.default_rng(seed)
    features = random.normal(size=(count, 12)).astype(np.float32)
    features[:, 0] *= 3
    return features, features[:, :2] + random.normal(size=(count, 2)).astype(np.float32) / 2


@pytest.mark.parametrize("count", [3, 4, 7, 30, 311])
@pytest.mark.parametrize("k", [1, 5, 10])
def test_trustworthiness_of_all_rows_is_that_of_scikit_learn(count: int, k: int) -> None:
    features, points = some(count)
    k = min(k, (count - 1) // 2)
    theirs = trustworthiness(features.astype(np.float64), points, n_neighbors=k, metric="cosine")
    ours = project.trustworthiness(features, points, k)
    assert ours == pytest.approx(theirs, abs=1e-12)
    if count > 30:
        assert 0.6 < theirs < 0.95, "neither all nor nothing is kept"


def test_trustworthiness_of_a_sample_is_near_that_of_all_and_seeded() -> None:
    features, points = some(2000)
    whole = project.trustworthiness(features, points, sample=2000)
    found = [project.trustworthiness(features, points, sample=400, seed=seed) for seed in range(3)]
    assert found == pytest.approx([whole] * 3, abs=0.05)
    assert len(set(found)) == 3
    assert project.trustworthiness(features, points, sample=400, seed=1) == found[1]


def test_a_map_that_is_the_features_is_trusted_and_one_that_is_not_is_not() -> None:
    angle = np.linspace(0, 3, 200)
    circle = np.stack([np.cos(angle), np.sin(angle)], axis=1).astype(np.float32)
    assert project.trustworthiness(5 * circle, circle) == 1
    mixed = np.random.default_rng(1).permutation(circle)
    assert (project.trustworthiness(circle, mixed) or 1) < 0.6


@pytest.mark.parametrize("count", [1, 2])
def test_of_two_images_there_is_nothing_to_trust(count: int) -> None:
    features, points = some(count)
    assert project.trustworthiness(features, points) is None


def test_among_equals_any_neighbour_is_right() -> None:
    _, points = some(90)
    assert project.trustworthiness(np.ones((90, 7), np.float32), points) == 1
    assert project.trustworthiness(np.zeros((90, 7), np.float32), points) == 1
    features = np.repeat(np.eye(3, 7, dtype=np.float32), 30, axis=0)
    assert project.trustworthiness(features, features[:, :2]) == 1
    together = np.zeros((90, 2), np.float32)
    assert 0 <= (project.trustworthiness(features, together) or 0) <= 1


def test_kept_is_the_share_of_neighbours_that_are_neighbours_on_the_map() -> None:
    features, points = some(150)
    indices, _ = neighbors.search(features, features, 20, exclude_self=True)
    distance = np.linalg.norm(points[:, None] - points[None], axis=2)
    np.fill_diagonal(distance, np.inf)
    shown = distance.argsort(axis=1)
    for k in (1, 10, 20):
        shares = [len({*a[:k]} & {*b[:k]}) / k for a, b in zip(indices, shown, strict=True)]
        assert project.kept(indices, points, k) == pytest.approx(np.mean(shares))
    assert project.kept(indices, points, 50) == project.kept(indices, points, 20)
    assert project.kept(shown, points) == 1


def test_kept_of_few_and_of_equal_points() -> None:
    assert project.kept(np.zeros((1, 0), np.int64), np.zeros((1, 2), np.float32)) is None
    assert project.kept(np.array([[1], [0]]), np.zeros((2, 2), np.float32)) == 1
    rows = np.ones((40, 3), np.float32)
    indices, _ = neighbors.search(rows, rows, 10, exclude_self=True)
    share = project.kept(indices, np.zeros((40, 2), np.float32))
    assert share is not None
    assert 0 <= share <= 1
