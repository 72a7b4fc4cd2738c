"""Projections of few, many, equal and separate points."""

from __future__ import annotations

import numpy as np
import pytest

from sslviz import neighbors, project


def groups(count: int, size: int = 32) -> tuple[np.ndarray, np.ndarray]:
    random = np.random.default_rng(0)
    labels = np.arange(count) % 3
    return (3 * np.eye(3, size)[labels] + random.normal(size=(count, size)) / 3).astype(np.float32), labels


def test_pca_keeps_the_plane_that_the_points_lie_in() -> None:
    random = np.random.default_rng(1)
    plane = random.normal(size=(200, 2)) * [5, 1]
    turn, _ = np.linalg.qr(random.normal(size=(24, 24)))
    points = project.pca((plane @ turn[:2] + 7).astype(np.float32))
    between = np.linalg.norm(plane[:, None] - plane[None], axis=2)
    found = np.linalg.norm(points[:, None] - points[None], axis=2)
    assert np.allclose(found / found.max(), between / between.max(), atol=1e-3)
    assert points.std(axis=0)[0] > points.std(axis=0)[1]


@pytest.mark.parametrize("shape", [(600, 400), (300, 900)])
def test_pca_of_many_wide_features_is_that_of_a_full_decomposition(shape: tuple[int, int]) -> None:
    random = np.random.default_rng(2)
    features = (random.normal(size=shape) * 9 * 0.8 ** np.arange(shape[1])).astype(np.float32)
    centred = features - features.mean(axis=0)
    left, spread, _ = np.linalg.svd(centred.astype(np.float64), full_matrices=False)
    points = project.pca(features)
    for axis in range(2):
        assert abs(np.corrcoef(points[:, axis], left[:, axis] * spread[axis])[0, 1]) > 0.999


def test_pca_does_not_mirror() -> None:
    features, _ = groups(50)
    assert (project.pca(features) == project.pca(features.copy())).all()
    assert np.allclose(project.pca(features), project.pca(features + 3), atol=1e-3)


@pytest.mark.parametrize("count", [1, 2, 3, 9])
@pytest.mark.parametrize("dims", [2, 3])
def test_few_points(count: int, dims: int) -> None:
    features = groups(count)[0]
    indices, similarity = neighbors.search(features, features, 50, exclude_self=True)
    maps = [project.pca(features, dims)]
    maps += [make(features, indices, similarity, dims=dims) for make in (project.umap, project.tsne)]
    for points in maps:
        assert points.shape == (count, dims)
        assert points.dtype == np.float32
        assert np.isfinite(points).all()
        assert np.abs(points).max() <= 1.001


def test_equal_points_fall_together() -> None:
    features = np.ones((30, 8), np.float32)
    indices, similarity = neighbors.search(features, features, 15, exclude_self=True)
    assert (project.pca(features) == 0).all()
    assert (project.umap(features, indices, similarity) == 0).all()
    assert (project.tsne(features, indices, similarity) == 0).all()


@pytest.mark.slow
def test_umap_keeps_groups_apart_and_repeats_itself() -> None:
    features, labels = groups(120)
    indices, similarity = neighbors.search(features, features, 50, exclude_self=True)
    state = np.random.get_state()[1].copy()
    points = project.umap(features, indices, similarity, seed=3)
    assert (np.random.get_state()[1] == state).all(), "the global generator was used"
    assert (points == project.umap(features, indices, similarity, seed=3)).all()
    near = neighbors.search(points - points.min() + 1, points - points.min() + 1, 5, exclude_self=True)[0]
    assert near.shape == (120, 5)
    distance = np.linalg.norm(points[:, None] - points[None], axis=2) + 9 * np.eye(120)
    assert (labels[distance.argmin(axis=1)] == labels).mean() > 0.95
    assert np.isclose(np.abs(points).max(), 1, atol=1e-3)


@pytest.mark.slow
def test_umap_of_duplicates_is_finite() -> None:
    features = np.repeat(groups(3)[0], 40, axis=0)
    indices, similarity = neighbors.search(features, features, 50, exclude_self=True)
    assert np.isfinite(project.umap(features, indices, similarity)).all()


@pytest.mark.slow
@pytest.mark.parametrize("near", [15, 95], ids=["too few given", "given"])
@pytest.mark.parametrize("dims", [2, 3])
def test_tsne_keeps_groups_apart_and_repeats_itself(near: int, dims: int) -> None:
    features, labels = groups(120)
    indices, similarity = neighbors.search(features, features, near, exclude_self=True)
    told: list[tuple[int, int]] = []
    points = project.tsne(features, indices, similarity, 3, dims, lambda *at: told.append(at))
    assert points.shape == (120, dims)
    assert points.dtype == np.float32
    assert (points == project.tsne(features, indices, similarity, 3, dims)).all()
    distance = np.linalg.norm(points[:, None] - points[None], axis=2) + 9 * np.eye(120)
    # In three dimensions a few points end far off, by rounding more or fewer of them.
    assert (labels[distance.argmin(axis=1)] == labels).mean() > (0.95 if dims == 2 else 0.9)
    assert np.isclose(np.abs(points).max(), 1, atol=1e-3)
    assert told == [(0, 1), (1, 1)]


@pytest.mark.slow
@pytest.mark.parametrize("count", [10, 11, 40])
def test_tsne_of_few_and_of_duplicates_is_finite(count: int) -> None:
    features = np.repeat(groups(5)[0], count // 5 + 1, axis=0)[:count]
    indices, similarity = neighbors.search(features, features, 50, exclude_self=True)
    points = project.tsne(features, indices, similarity)
    assert np.isfinite(points).all()
    assert points.shape == (count, 2)


@pytest.mark.slow
def test_umap_tells_its_rounds_and_keeps_a_start() -> None:
    features, _ = groups(120)
    indices, similarity = neighbors.search(features, features, 15, exclude_self=True)
    told: list[tuple[int, int]] = []
    plain = project.umap(features, indices, similarity)
    points = project.umap(features, indices, similarity, report=lambda *at: told.append(at))
    assert (points == plain).all(), "telling changes nothing"
    assert told[-1] == (project.layouts.EPOCHS, project.layouts.EPOCHS)
    assert all(0 <= done <= total for done, total in told)
    mirrored = -points
    again = project.umap(features, indices, similarity, start=mirrored, epochs=20)
    turned = project.umap(features, indices, similarity, start=points, epochs=20)
    for start, found in ((mirrored, again), (points, turned)):
        assert np.corrcoef(start.ravel(), found.ravel())[0, 1] > 0.9


@pytest.mark.slow
def test_a_report_that_raises_ends_umap() -> None:
    features, _ = groups(60)
    indices, similarity = neighbors.search(features, features, 15, exclude_self=True)

    def stop(*_: int) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        project.umap(features, indices, similarity, report=stop)
