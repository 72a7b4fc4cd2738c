"""Layouts turned onto each other, and new images put where their neighbours are."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.linalg import orthogonal_procrustes

from sslviz import project


@pytest.mark.parametrize("dims", [1, 2, 3])
@pytest.mark.parametrize("mirrored", [False, True])
def test_a_layout_that_was_turned_scaled_and_moved_is_brought_back(dims: int, mirrored: bool) -> None:
    random = np.random.default_rng(dims)
    to = random.uniform(-1, 1, (50, dims)).astype(np.float32)
    turn, _ = np.linalg.qr(random.normal(size=(dims, dims)))
    turn[:, 0] *= np.sign(np.linalg.det(turn)) * (-1 if mirrored else 1)
    found = project.aligned((to @ turn * 7 - 3).astype(np.float32), to)
    assert found.dtype == np.float32
    assert np.allclose(found, to, atol=1e-5)


def test_no_other_turn_brings_a_layout_closer() -> None:
    random = np.random.default_rng(5)
    to = random.normal(size=(80, 3)).astype(np.float32)
    points = (to @ np.linalg.qr(random.normal(size=(3, 3)))[0] + random.normal(size=(80, 3))).astype(
        np.float32
    )
    found = project.aligned(points, to)
    own, other = points - points.mean(axis=0), to - to.mean(axis=0)
    turned = own @ orthogonal_procrustes(own, other)[0]
    expected = turned * np.linalg.norm(other) / np.linalg.norm(own) + to.mean(axis=0)
    assert np.allclose(found, expected, atol=1e-5)
    inside = np.linalg.norm(found[:, None] - found[None], axis=2)
    before = np.linalg.norm(points[:, None] - points[None], axis=2)
    assert np.allclose(inside / inside.max(), before / before.max(), atol=1e-5), "the shape is kept"


def test_layouts_without_extent() -> None:
    one, other = np.array([[3.0, 4.0]], np.float32), np.array([[1.0, 2.0]], np.float32)
    assert (project.aligned(one, other) == other).all()
    spread = np.random.default_rng(0).normal(size=(9, 2)).astype(np.float32)
    middle = spread.mean(axis=0)
    assert np.allclose(project.aligned(np.full((9, 2), 5, np.float32), spread), middle, atol=1e-6)
    moved = project.aligned(spread, np.full((9, 2), 5, np.float32))
    assert np.allclose(moved, spread - middle + 5, atol=1e-6)
    line = np.stack([np.arange(9), np.zeros(9)], axis=1).astype(np.float32)
    assert np.allclose(project.aligned(line, line[:, ::-1]), line[:, ::-1], atol=1e-5)


def test_a_new_image_lies_among_its_neighbours() -> None:
    points = np.random.default_rng(1).uniform(-1, 1, (300, 2)).astype(np.float32)
    points[:10] = points[0] + np.random.default_rng(2).normal(scale=0.005, size=(10, 2))
    similarity = np.linspace(0.9, 0.6, 12).astype(np.float32)
    found = project.place(similarity, np.arange(12), points)
    weights = np.exp(similarity[:10] / 0.1)
    assert found.shape == (2,)
    assert found.dtype == np.float32
    assert np.allclose(found, weights @ points[:10] / weights.sum(), atol=1e-3)


@pytest.mark.parametrize("dims", [2, 3])
def test_a_new_image_does_not_fall_between_groups(dims: int) -> None:
    random = np.random.default_rng(3)
    left, right = np.full(dims, -0.8), np.full(dims, 0.8)
    points = np.repeat([left, right], 50, axis=0) + random.normal(scale=0.03, size=(100, dims))
    points = points.astype(np.float32)
    indices = np.array([50, 0, 1, 51, 2, 3, 52, 4, 5, 6])  # the nearest on the right, most on the left
    found = project.place(np.full(10, 0.5, np.float32), indices, points)
    assert np.linalg.norm(found - left) < 0.1
    near = np.where(indices >= 50, 0.9, 0.5).astype(np.float32)
    assert np.linalg.norm(project.place(near, indices, points) - right) < 0.1


def test_a_new_image_among_few_or_equal_ones() -> None:
    points = np.array([[0.5, -0.5]], np.float32)
    assert (project.place(np.ones(1, np.float32), np.zeros(1, np.int64), points) == points[0]).all()
    same = np.zeros((30, 3), np.float32)
    assert (project.place(np.zeros(10, np.float32), np.arange(10), same) == 0).all()
    far = project.place(np.array([-1.0, -1.0], np.float32), np.array([0, 1]), np.eye(2, dtype=np.float32))
    assert np.isfinite(far).all()
