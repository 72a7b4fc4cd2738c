"""Neighbours against a plain double-precision computation, and votes against a loop."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from sklearn.neighbors import NearestNeighbors

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


def truth_of(rows: np.ndarray, others: np.ndarray, k: int, itself: bool) -> tuple[np.ndarray, np.ndarray]:
    """Neighbours by a full sort in double precision, with ties to the lower index."""
    similar = np.round(cosine(rows, others), 12)
    if not itself:
        np.fill_diagonal(similar, -np.inf)
    order = np.argsort(-similar, axis=1, kind="stable")[:, :k]
    return order, np.take_along_axis(similar, order, axis=1)


@pytest.mark.parametrize("count", [950, 1900, 3600])  # chunks of 16, 32 and 64 images
@pytest.mark.parametrize("half", [True, False])
def test_the_best_chunks_hold_the_true_neighbours(count: int, half: bool) -> None:
    random = np.random.default_rng(4)
    rows = random.normal(size=(count, 24)).astype(np.float32)
    rows[count // 2 :: 7] = rows[count // 2]  # a seventh of one half are equal
    rows[5] = 2 * rows[900]
    indices, similarity = neighbors.search(rows, rows if half else rows.copy(), 3, exclude_self=True)
    order, similar = truth_of(rows, rows, 3, itself=False)
    assert np.abs(similarity - similar).max() < 4 * neighbors.STEP
    apart = np.diff(np.sort(-np.round(cosine(rows, rows), 12), axis=1)[:, :6], axis=1)
    clear = ((apart > 1e-6) | (apart == 0)).all(axis=1)
    assert clear.mean() > 0.9
    assert (indices[clear] == order[clear]).all()
    assert indices[5, 0] == 900
    assert indices[900, 0] == 5


def test_equal_images_tie_wherever_they_are(monkeypatch: pytest.MonkeyPatch) -> None:
    random = np.random.default_rng(5)
    base = random.normal(size=(500, 40)).astype(np.float32)
    rows = np.tile(base, (3, 1))
    for scores_at_once in (40_000, 8_000_000):
        monkeypatch.setattr(neighbors, "SCORES_AT_ONCE", scores_at_once)
        indices, similarity = neighbors.search(base, rows, 6)
        own = np.arange(500)
        assert (indices[:, :3] == np.stack([own, own + 500, own + 1000], axis=1)).all()
        assert (np.diff(indices[:, 3:], axis=1) == 500).all()
        assert (similarity[:, 3] == similarity[:, 5]).all()


def test_where_everything_ties_the_first_are_found() -> None:
    rows = np.ones((1500, 5), np.float32)
    rows[700:] = 0
    indices, similarity = neighbors.search(rows, rows, 3, exclude_self=True)
    assert (indices[3:700] == [0, 1, 2]).all()
    assert (indices[1] == [0, 2, 3]).all()
    assert (indices[700:] == [0, 1, 2]).all()
    assert (similarity[:700] == 1).all()
    assert (similarity[700:] == 0).all()


@pytest.mark.parametrize("threads", [1, 3])
def test_threads_are_given_back(monkeypatch: pytest.MonkeyPatch, threads: int) -> None:
    before = torch.get_num_threads()
    rows = np.random.default_rng(7).normal(size=(800, 6)).astype(np.float32)
    torch.set_num_threads(threads)
    try:
        neighbors.search(rows, rows, 2, exclude_self=True)
        assert torch.get_num_threads() == threads
        monkeypatch.setattr(neighbors, "_settled", lambda *_: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            neighbors.search(rows, rows, 2)
        assert torch.get_num_threads() == threads
    finally:
        torch.set_num_threads(before)


def test_more_chunks_than_are_held_are_looked_at_row_by_row(monkeypatch: pytest.MonkeyPatch) -> None:
    rows = np.random.default_rng(6).normal(size=(1300, 12)).astype(np.float32)
    once = neighbors.search(rows, rows, 5, exclude_self=True)
    monkeypatch.setattr(neighbors, "PEAKS_AT_ONCE", 0)
    again = neighbors.search(rows, rows, 5, exclude_self=True)
    assert (once[0] == again[0]).all()
    assert (once[1] == again[1]).all()


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


def test_where_few_have_a_label_the_nearest_of_those_tell_it(monkeypatch: pytest.MonkeyPatch) -> None:
    """Of 900 images 60 have one of two labels: few are among another's 50 nearest. Scikit-learn finds the
    nearest of the 60 by itself."""
    random = np.random.default_rng(6)
    kinds = np.arange(900) % 2
    rows = (np.eye(2, 24)[kinds] * 1.5 + random.normal(size=(900, 24))).astype(np.float32)
    labels = np.full(900, -1)
    few = np.sort(random.permutation(900)[:60])
    labels[few] = kinds[few]
    near = neighbors.search(rows, rows, 50, exclude_self=True)
    distance, found = NearestNeighbors(n_neighbors=21, metric="cosine").fit(rows[few]).kneighbors(rows[few])
    assert (found[:, 0] == np.arange(60)).all()
    weight = np.exp((1 - distance[:, 1:]) / 0.1)
    said = [np.bincount(kinds[few[f]], w, 2).argmax() for f, w in zip(found[:, 1:], weight, strict=True)]
    expected = np.mean(np.array(said) == kinds[few])
    assert 0.6 < expected < 0.95
    assert neighbors.told(rows, *near, labels, 2) == pytest.approx(expected)
    assert neighbors.told(rows, *near, kinds, 2) == neighbors.leave_one_out(*near, kinds, 2)
    unneeded = np.full((900, 1), np.nan, np.float32)
    most = np.where(np.arange(900) % 10, kinds, -1)
    assert neighbors.told(rows, *near, most, 2) == neighbors.told(unneeded, *near, most, 2)
    monkeypatch.setattr(neighbors, "ASKED", 30)
    part = np.random.default_rng(0).permutation(60)[:30]
    expected = np.mean((np.array(said) == kinds[few])[part])
    assert neighbors.told(rows, *near, labels, 2) == pytest.approx(expected)


def test_who_nobody_votes_on_is_not_asked_about() -> None:
    indices = np.array([[1, 2], [0, 2], [4, 3], [2, 4], [3, 2]])
    similarity = np.full((5, 2), 0.5, np.float32)
    labels = np.array([0, 0, -1, 1, -1])
    assert neighbors.leave_one_out(indices, similarity, labels, 2) == 1, "two tell each other, one has nobody"
    assert neighbors.leave_one_out(indices, similarity, np.array([0, -1, -1, 0, -1]), 2) is None
    rows = np.array([[1, 0], [1, 0.1], [0, 1], [1, 1], [0.5, 1]], np.float32)
    for alone in ([0, 1, -1, 2, -1], [-1] * 5, [0, -1, -1, -1, -1]):
        assert neighbors.leave_one_out(indices, similarity, np.array(alone), 3) is None
        assert neighbors.told(rows, indices, similarity, np.array(alone), 3) is None
    assert neighbors.told(rows, indices, similarity, np.array([0, -1, 1, -1, 1]), 2) == pytest.approx(2 / 3)


def test_the_voters_are_the_nearest_with_a_label() -> None:
    random = np.random.default_rng(7)
    rows = random.normal(size=(80, 5)).astype(np.float32)
    labels = random.integers(-1, 3, 80)
    indices, similarity = neighbors.search(rows, rows, 40, exclude_self=True)
    right = []
    for row in np.flatnonzero(labels >= 0):
        score = [0.0] * 3
        for place in [p for p in range(40) if labels[indices[row, p]] >= 0][:4]:
            score[labels[indices[row, place]]] += np.exp(similarity[row, place] / 0.1)
        right.append(np.argmax(score) == labels[row])
    assert neighbors.leave_one_out(indices, similarity, labels, 3, 4) == pytest.approx(np.mean(right))


def test_others_are_those_that_the_search_finds() -> None:
    rows = np.random.default_rng(8).normal(size=(300, 16)).astype(np.float32) * 1e-20
    rows[7] = 0
    some = np.array([0, 7, 55, 299])
    indices, similarity = neighbors._others(rows, some, 9)
    found, value = neighbors.search(rows, rows, 9, exclude_self=True)
    assert (indices[[0, 2, 3]] == found[some[[0, 2, 3]]]).all()
    np.testing.assert_allclose(similarity, value[some], atol=1e-6)


def test_features_without_width_resemble_nothing() -> None:
    indices, similarity = neighbors.search(np.zeros((900, 0), np.float32), np.zeros((900, 0), np.float32), 3)
    assert (indices == [0, 1, 2]).all()
    assert (similarity == 0).all()
