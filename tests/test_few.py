"""Curves over few labels: what is drawn, and that each point is what a plain computation finds."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression
from sklearn.neighbors import KNeighborsClassifier
from sklearn.preprocessing import StandardScaler

from sslviz import few, linear
from sslviz.errors import UserError

LABELS = np.random.default_rng(4).permutation(np.repeat([0, 1, 2, -1], [40, 12, 3, 20]))


def groups(count: int, width: int = 30, classes: int = 4, seed: int = 1) -> tuple[np.ndarray, np.ndarray]:
    """Noisy rows around a centre for each class."""
    centres = np.random.default_rng(0).normal(size=(classes, width))
    random = np.random.default_rng(seed)
    labels = random.permutation(np.arange(count) % classes)
    return (0.5 * centres[labels] + random.normal(size=(count, width))).astype(np.float32), labels


def test_a_class_gives_what_it_has_and_no_more_than_is_asked() -> None:
    plan = few.drawn(LABELS, (10, 1, 5, 100), draws=3)
    assert [each.count for each in plan] == [1, 5, 10, None]
    assert [len(each.rows) for each in plan] == [3, 3, 3, 1]
    given = [[np.bincount(LABELS[rows]).tolist() for rows in each.rows] for each in plan]
    assert given == [[[1, 1, 1]] * 3, [[5, 5, 3]] * 3, [[10, 10, 3]] * 3, [[40, 12, 3]]]
    for each in plan:
        for rows in each.rows:
            assert (np.diff(rows) > 0).all(), "no image twice"
            assert (LABELS[rows] >= 0).all()


def test_draws_depend_on_labels_and_seed_alone_and_differ() -> None:
    plan, again, other = few.drawn(LABELS), few.drawn(LABELS), few.drawn(LABELS, seed=1)
    for one, two, three in zip(plan[:-1], again, other, strict=False):
        assert all(np.array_equal(a, b) for a, b in zip(one.rows, two.rows, strict=True))
        assert not all(np.array_equal(a, b) for a, b in zip(one.rows, three.rows, strict=True))
        assert len({rows.tobytes() for rows in one.rows}) == few.DRAWS
    for number in range(few.DRAWS):  # what few labels hold, more hold as well
        for small, large in itertools.pairwise(plan[:-1]):
            assert set(small.rows[number]) <= set(large.rows[number])


def test_every_image_is_drawn_as_often_as_any_other() -> None:
    plan = few.drawn(np.repeat([0, 1], 10), (3,), draws=2000)
    times = np.bincount(np.concatenate(plan[0].rows), minlength=20)
    assert np.abs(times - 600).max() < 5 * np.sqrt(2000 * 0.3 * 0.7)


def test_without_a_label_nothing_is_drawn() -> None:
    (only,) = few.drawn(np.full(5, -1), (1, 2))
    assert only.count is None
    assert len(only.rows[0]) == 0


def test_each_point_is_what_scikit_learn_finds() -> None:
    known, labels = groups(240)
    asked, answers = groups(200, seed=2)
    points = few.curve(known, labels, asked, answers, 4, counts=(1, 10, 30), draws=3, seed=5)
    plan = few.drawn(labels, (1, 10, 30), draws=3, seed=5)
    assert [point.count for point in points] == [1, 10, 30, None]
    assert [point.images for point in points] == [4, 40, 120, 240]
    for point, each in zip(points, plan, strict=True):
        assert len(point.linear.draws) == len(point.neighbors.draws) == len(each.rows)
        for rows, straight, near in zip(each.rows, point.linear.draws, point.neighbors.draws, strict=True):
            scaler = StandardScaler().fit(known[rows])
            line = LogisticRegression(C=1 / linear.PENALTY, tol=1e-6, max_iter=1000)
            line.fit(scaler.transform(known[rows]), labels[rows])
            assert straight == pytest.approx(line.score(scaler.transform(asked), answers), abs=0.006)
            votes = KNeighborsClassifier(
                min(20, len(rows)), metric="cosine", weights=lambda distance: np.exp((1 - distance) / 0.1)
            ).fit(known[rows], labels[rows])
            assert near == pytest.approx(votes.score(asked, answers), abs=0.006)
    assert points[0].linear.mean < points[2].linear.mean
    assert points[0].linear.mean == pytest.approx(np.mean(points[0].linear.draws))
    assert points[0].linear.deviation == pytest.approx(np.std(points[0].linear.draws, ddof=1))
    assert points[3].linear.deviation == 0.0


def test_the_same_again_whatever_the_threads(request: pytest.FixtureRequest) -> None:
    known, labels = groups(120)
    asked, answers = groups(80, seed=2)
    found = few.curve(known, labels, asked, answers, 4, counts=(2, 10))
    request.getfixturevalue("three_threads")
    assert few.curve(known, labels, asked, answers, 4, counts=(2, 10)) == found


def test_what_has_no_label_is_neither_learned_from_nor_asked() -> None:
    known, labels = groups(100)
    asked, answers = groups(60, seed=2)
    some, others = np.arange(100) % 4 != 0, np.arange(60) % 3 != 0
    found = few.curve(
        known, np.where(some, labels, -1), asked, np.where(others, answers, -1), 4, counts=(), seed=1
    )
    expected = few.curve(known[some], labels[some], asked[others], answers[others], 4, counts=(), seed=1)
    assert found == expected


def test_an_unknown_class_counts_as_not_told() -> None:
    known, labels = groups(80, classes=2)
    asked, answers = groups(40, classes=2, seed=2)
    told = few.curve(known, labels, asked, answers, 3, counts=())[0]
    answers = answers.copy()
    answers[:20] = 2
    half = few.curve(known, labels, asked, answers, 3, counts=())[0]
    assert half.linear.mean <= 0.5 < told.linear.mean
    assert half.neighbors.mean <= 0.5 < told.neighbors.mean


def test_progress_is_told() -> None:
    known, labels = groups(60)
    told: list[tuple[int, int]] = []
    few.curve(known, labels, known, labels, 4, counts=(1, 3), draws=2, report=lambda *done: told.append(done))
    assert told == [(n, 5) for n in range(1, 6)]


def test_nothing_to_learn_or_to_ask_is_said() -> None:
    known, labels = groups(60)
    with pytest.raises(UserError, match="all of one class"):
        few.curve(known, np.zeros(60, np.int64), known, labels, 4)
    with pytest.raises(UserError, match="have no labels"):
        few.curve(known, np.full(60, -1), known, labels, 4)
    with pytest.raises(UserError, match="None of the images asked about"):
        few.curve(known, labels, known, np.full(60, -1), 4)
