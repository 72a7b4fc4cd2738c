"""Neighbours against a plain double-precision computation, and votes against a loop."""

from __future__ import annotations

import numpy as np
import pytest

from sslviz import neighbors
from sslviz.errors import UserError


def cosine(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    a, b = a.astype(np.float64), b.astype(np.float64)
    return (a / np.linalg.norm(a, axis=1, keepdims=True)) @ (b / np.linalg.norm(b, axis=1, keepdims=True)).T


@pytest.mark.parametrize("scores_at_once", [1, 700, 8_000_000])
def test_finds_the_true_neighbours(monkeypatch: pytest.MonkeyPatch, scores_at_once: int) -> None:
    monkeypatch.setattr(neighbors, "SCORES_AT_ONCE", scores_at_once)
    random = np.random.default_rng(0)
    queries = random.normal(size=(41, 17)).astype(np.float32)
    memory = (random.normal(size=(97, 17)) * random.uniform(0.1, 1e6, (97, 1))).astype(np.float32)
    indices, similarity = neighbors.search(queries, memory, 9)
    truth = cosine(queries, memory)
    assert (indices == np.argsort(-truth, axis=1)[:, :9]).all()
    assert np.allclose(similarity, np.take_along_axis(truth, indices, axis=1), atol=1e-5)
    assert indices.dtype == np.int64
    assert similarity.dtype == np.float32


@pytest.mark.parametrize("scores_at_once", [1, 500, 8_000_000])
def test_no_row_finds_itself(monkeypatch: pytest.MonkeyPatch, scores_at_once: int) -> None:
    monkeypatch.setattr(neighbors, "SCORES_AT_ONCE", scores_at_once)
    rows = np.random.default_rng(1).normal(size=(60, 8)).astype(np.float32)
    rows[30:] = rows[:30]  # every image is there twice
    indices, similarity = neighbors.search(rows, rows, 100, exclude_self=True)
    assert indices.shape == (60, 59)
    assert (indices != np.arange(60)[:, None]).all()
    assert (indices[:, 0] == (np.arange(60) + 30) % 60).all(), "the nearest is the duplicate"
    assert np.allclose(similarity[:, 0], 1)


def test_ties_go_to_the_lower_index() -> None:
    rows = np.ones((500, 3), np.float32)
    indices, _ = neighbors.search(rows, rows, 4, exclude_self=True)
    assert (indices[0] == [1, 2, 3, 4]).all()
    assert (indices[2] == [0, 1, 3, 4]).all()
    assert (indices[499] == [0, 1, 2, 3]).all()


def test_rows_of_zeros_resemble_nothing() -> None:
    rows = np.zeros((4, 3), np.float32)
    rows[3] = 1
    indices, similarity = neighbors.search(rows, rows, 3, exclude_self=True)
    assert (similarity == 0).all()
    assert (indices[3] == [0, 1, 2]).all()


@pytest.mark.parametrize("wrong", [np.nan, np.inf, -np.inf])
def test_features_that_are_no_numbers_are_refused(wrong: float) -> None:
    rows = np.ones((5, 3), np.float32)
    rows[2, 1] = wrong
    with pytest.raises(UserError, match="not finite"):
        neighbors.search(rows, rows, 2)


def test_one_image_has_no_neighbour() -> None:
    row = np.ones((1, 3), np.float32)
    indices, similarity = neighbors.search(row, row, 5, exclude_self=True)
    assert indices.shape == similarity.shape == (1, 0)
    assert (neighbors.vote(indices, similarity, np.zeros(1, np.int64), 2) == -1).all()
    assert neighbors.leave_one_out(indices, similarity, np.zeros(1, np.int64), 2) is None


def test_vote_weighs_by_similarity() -> None:
    random = np.random.default_rng(2)
    labels = random.integers(-1, 5, 80)
    indices = random.integers(0, 80, (33, 7))
    similarity = random.uniform(-1, 1, (33, 7)).astype(np.float32)
    expected = []
    for row, near in zip(indices, similarity, strict=True):
        score = [0.0] * 5
        for other, value in zip(row, near, strict=True):
            if labels[other] >= 0:
                score[labels[other]] += np.exp(value / 0.1)
        expected.append(int(np.argmax(score)) if max(score) else -1)
    assert neighbors.vote(indices, similarity, labels, 5).tolist() == expected


def test_leave_one_out_and_precision_on_separate_groups() -> None:
    random = np.random.default_rng(3)
    centres = np.eye(3, 16) * 10
    labels = np.arange(90) % 3
    rows = (centres[labels] + random.normal(size=(90, 16))).astype(np.float32)
    indices, similarity = neighbors.search(rows, rows, 20, exclude_self=True)
    assert neighbors.leave_one_out(indices, similarity, labels, 3) == 1
    assert neighbors.precision_at_k(indices, labels) == 1
    shuffled = random.permutation(labels)
    assert 0.2 < (neighbors.precision_at_k(indices, shuffled) or 0) < 0.45
    assert neighbors.precision_at_k(indices, np.full(90, -1)) is None
    half = np.where(np.arange(90) < 45, labels, -1)
    assert neighbors.precision_at_k(indices, half) == 1, "images without a label do not count against it"
