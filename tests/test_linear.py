"""The linear probe against scikit-learn's logistic regression, and what it must do whatever the features."""

from __future__ import annotations

import subprocess
import sys
import warnings
from typing import Any

import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression
from sklearn.preprocessing import StandardScaler

from sslviz import linear
from sslviz.errors import UserError
from sslviz.linear import fitting

Pair = tuple[np.ndarray, np.ndarray]


def groups(count: int, width: int, classes: int, apart: float, seed: int = 0, draw: int = 1) -> Pair:
    """Rows around a centre for each class, some directions stronger than others, far from the origin: the
    centres by `seed`, the rows by `draw`."""
    centres = np.random.default_rng(seed).normal(size=(classes, width)) * apart
    random = np.random.default_rng((seed, draw))
    labels = random.permutation(np.arange(count) % classes)
    strength = 3.0 / np.sqrt(1 + np.arange(width))
    rows = (centres[labels] + random.normal(size=(count, width))) * strength + 5.0
    return rows.astype(np.float32), labels.astype(np.int64)


def unbalanced(draw: int) -> Pair:
    rows, labels = groups(900, 12, 3, 0.4, draw=draw)
    kept = np.concatenate([np.flatnonzero(labels == c)[:n] for c, n in ((0, 250), (1, 30), (2, 3))])
    return rows[kept], labels[kept]


def with_constant(draw: int) -> Pair:
    rows, labels = groups(200, 10, 4, 0.5, draw=draw)
    rows[:, 3], rows[:, 7] = 0.1, 0.0
    return rows, labels


def doubled(draw: int) -> Pair:
    """Every row and every column is there twice."""
    rows, labels = groups(60, 40, 3, 0.3, draw=draw)
    return np.tile(rows, (2, 2)), np.tile(labels, 2)


SETS: dict[str, Any] = {
    "separable": lambda draw: groups(300, 20, 5, 3.0, draw=draw),
    "noisy": lambda draw: groups(400, 20, 5, 0.1, draw=draw),
    "of two classes": lambda draw: groups(150, 8, 2, 0.4, draw=draw),
    "few rows": lambda draw: groups(30, 300, 10, 0.4, draw=draw),
    "one row a class": lambda draw: groups(10, 64, 10, 0.4, draw=draw),
    "a row less than columns": lambda draw: groups(63, 64, 4, 0.2, draw=draw),
    "as many rows as columns": lambda draw: groups(64, 64, 4, 0.2, draw=draw),
    "unbalanced": unbalanced,
    "with constant columns": with_constant,
    "with everything twice": doubled,
    "in single precision": lambda draw: groups(4000, 80, 6, 0.15, draw=draw),
    "wide in single precision": lambda draw: groups(520, 700, 3, 0.1, draw=draw),
}


def objective(rows: np.ndarray, labels: np.ndarray, weights: np.ndarray, bias: np.ndarray, c: float) -> float:
    """What scikit-learn says that it minimises, divided by C; one column of weights for two classes."""
    logits = rows.astype(np.float64) @ weights + bias
    if logits.shape[1] == 1:
        logits = np.hstack([np.zeros_like(logits), logits])
    top = logits.max(axis=1)
    losses = np.log(np.exp(logits - top[:, None]).sum(axis=1)) + top - logits[np.arange(len(labels)), labels]
    return float(losses.sum() + (weights**2).sum() / (2 * c))


@pytest.mark.parametrize("penalty", [1.0, 10.0, 300.0])
@pytest.mark.parametrize("name", SETS)
def test_agrees_with_scikit_learn(name: str, penalty: float) -> None:
    rows, labels = SETS[name](1)
    asked, _ = SETS[name](2)
    classes = int(labels.max()) + 1
    scaler = StandardScaler().fit(rows.astype(np.float64))
    scaled = scaler.transform(rows.astype(np.float64))
    theirs = LogisticRegression(C=1 / penalty, tol=1e-8, max_iter=20_000).fit(scaled, labels)
    least = objective(scaled, labels, theirs.coef_.T, theirs.intercept_, 1 / penalty)
    ours = linear.fit(rows, labels, classes, penalty=penalty)
    weights = ours.weights * np.sqrt(scaler.var_)[:, None]
    bias = ours.bias + scaler.mean_ @ ours.weights
    if classes == 2:
        weights, bias = weights[:, 1:] - weights[:, :1], bias[1:] - bias[:1]
    found = objective(scaled, labels, weights, bias, 1 / penalty)
    assert least * (1 - 1e-6) <= found <= least * (1 + 1e-3)
    alike = ours.predict(asked) == theirs.predict(scaler.transform(asked.astype(np.float64)))
    assert alike.mean() >= 0.995
    shares = theirs.predict_proba(scaled)
    assert np.abs(ours.probabilities(rows) - shares).max() < 0.02


def test_labels_far_apart_and_classes_without_images() -> None:
    rows, labels = groups(120, 6, 3, 2.0)
    places = np.array([3, 40, 97])
    dense = linear.fit(rows, labels, 3)
    sparse = linear.fit(rows, places[labels], 100)
    assert (sparse.predict(rows) == places[dense.predict(rows)]).all()
    assert (dense.predict(rows) == labels).mean() > 0.9
    absent = np.setdiff1d(np.arange(100), places)
    assert (sparse.probabilities(rows)[:, absent] == 0).all()
    assert np.isneginf(sparse.logits(rows)[:, absent]).all()
    assert np.allclose(sparse.probabilities(rows)[:, places], dense.probabilities(rows), atol=1e-6)


def test_rows_without_a_label_are_left_out() -> None:
    rows, labels = groups(80, 6, 3, 0.5)
    some = np.where(np.arange(80) % 3 == 0, -1, labels)
    wild = np.where((some < 0)[:, None], np.float32(1e4), rows)
    found = linear.fit(wild, some, 3)
    expected = linear.fit(rows[some >= 0], labels[some >= 0], 3)
    assert np.array_equal(found.weights, expected.weights)


def test_rows_in_another_order_make_the_same_probe() -> None:
    rows, labels = groups(2000, 150, 6, 0.1)  # in single precision
    order = np.random.default_rng(5).permutation(2000)
    first, second = linear.fit(rows, labels, 6), linear.fit(rows[order], labels[order], 6)
    assert (first.predict(rows) == second.predict(rows)).mean() >= 0.995
    assert np.abs(first.probabilities(rows) - second.probabilities(rows)).max() < 0.02


@pytest.mark.parametrize("count", [90, 2500])
def test_columns_may_have_any_scale_and_lie_anywhere(count: int) -> None:
    rows, labels = groups(count, 110, 4, 0.2)
    scale = 10.0 ** np.linspace(-15, 15, 110)
    shift = np.random.default_rng(3).normal(size=110) * 50 * scale
    moved = (rows * scale + shift).astype(np.float32)
    first, second = linear.fit(rows, labels, 4), linear.fit(moved, labels, 4)
    assert np.abs(first.probabilities(rows) - second.probabilities(moved)).max() < 0.02
    assert (first.predict(rows) == second.predict(moved)).mean() >= 0.99


def test_a_column_that_is_constant_but_for_rounding_counts_for_nothing() -> None:
    rows, labels = groups(100, 5, 2, 0.5)
    nearly = np.where(np.arange(100) % 2 == 0, np.float32(0.1), np.nextafter(np.float32(0.1), np.float32(1)))
    found = linear.fit(np.column_stack([rows, nearly]), labels, 2)
    assert (found.weights[5] == 0).all()
    assert np.allclose(found.weights[:5], linear.fit(rows, labels, 2).weights)


def test_features_that_say_nothing_give_the_commonest_class() -> None:
    labels = np.array([0] * 5 + [1] * 9 + [2] * 2)
    found = linear.fit(np.full((16, 7), 3.0, np.float32), labels, 3)
    assert (found.weights == 0).all()
    assert np.allclose(found.probabilities(np.zeros((4, 7), np.float32)), [5 / 16, 9 / 16, 2 / 16], atol=0.01)


def test_the_same_again() -> None:
    rows, labels = groups(1600, 40, 5, 0.2)
    for make in (linear.fit, linear.chosen):
        first, second = make(rows, labels, 5), make(rows, labels, 5)
        assert np.array_equal(first.weights, second.weights)
        assert np.array_equal(first.bias, second.bias)


def test_arrays_are_left_as_they_are() -> None:
    rows, labels = groups(50, 5, 2, 0.5)
    before = rows.copy()
    rows.setflags(write=False)
    labels.setflags(write=False)
    linear.fit(rows, labels, 2)
    assert np.array_equal(rows, before)


@pytest.mark.parametrize("wrong", [np.nan, np.inf, -np.inf])
def test_features_that_are_no_numbers_are_said(wrong: float) -> None:
    rows, labels = groups(50, 5, 2, 0.5)
    rows[17, 3] = wrong
    with pytest.raises(UserError, match="not finite"):
        linear.fit(rows, labels, 2)


@pytest.mark.parametrize(("label", "said"), [(1, "all of one class"), (-1, "have no labels")])
def test_one_class_is_nothing_to_tell_apart(label: int, said: str) -> None:
    rows, _ = groups(50, 5, 2, 0.5)
    for make in (linear.fit, linear.chosen):
        with pytest.raises(UserError, match=said):
            make(rows, np.full(50, label), 3)
    with pytest.raises(UserError, match="have no labels"):
        linear.fit(rows[:0], np.zeros(0, np.int64), 3)


def test_the_penalty_is_chosen_where_there_is_enough_to_choose_by() -> None:
    """Noise and weak signs over many columns ask for a strong penalty; clear signs in few for a weak one."""
    random = np.random.default_rng(0)
    labels = np.arange(2000) % 2
    weak = (random.normal(size=(2000, 400)) + 0.04 * (2 * labels[:, None] - 1)).astype(np.float32)
    near = random.normal(size=(2000, 3))
    clear = (near @ [1.0, -2.0, 0.5] > 0).astype(np.int64)
    lines = np.column_stack([near, near @ [1.0, -2.0, 0.5] * 1e-2 + near[:, 0]]).astype(np.float32)
    strengths = (1000.0, 0.01)
    assert linear.chosen(weak, labels, 2, penalties=strengths).penalty == 1000.0
    assert linear.chosen(lines, clear, 2, penalties=strengths).penalty == 0.01
    few = linear.chosen(weak[:1000], labels[:1000], 2, penalties=strengths)
    assert few.penalty == linear.PENALTY
    expected = linear.fit(weak, labels, 2, penalty=1000.0)
    assert np.array_equal(linear.chosen(weak, labels, 2, penalties=strengths).weights, expected.weights)


def alike(count: int, seed: int, *, kinds: int, each: int) -> tuple[np.ndarray, np.ndarray]:
    """Weak signs of two classes in `kinds` columns, half of which vary together; of each as many as `each`
    are nearly copies, as neighbouring pixels are: (rows, labels)."""
    random, labels = np.random.default_rng(seed), np.arange(count) % 2
    inner = random.normal(size=(count, kinds)) + 0.1 * (2 * labels[:, None] - 1)
    inner[:, : kinds // 2] += random.normal(size=(count, 1))
    rows = np.repeat(inner, each, axis=1) + 0.1 * random.normal(size=(count, kinds * each))
    return rows.astype(np.float32), labels


def test_of_many_weak_features_a_penalty_is_chosen_that_tells_more_than_100() -> None:
    rows, labels = alike(1600, 1, kinds=200, each=6)
    asked, answers = alike(2000, 2, kinds=200, each=6)
    found, old = linear.chosen(rows, labels, 2), linear.fit(rows, labels, 2, penalty=100.0)
    assert found.penalty > 100
    assert np.mean(found.predict(asked) == answers) > np.mean(old.predict(asked) == answers) + 0.007


def test_the_usual_penalty_grows_with_features_and_tells_more_of_many() -> None:
    for width in (1, 128, 512):
        assert linear.usual(10_000, width) == linear.usual(3, width) == linear.PENALTY
    assert linear.usual(10, 3072) < linear.usual(100, 3072) < linear.usual(200, 3072)
    assert linear.usual(200, 3072) == linear.usual(1400, 3072) == 36 * linear.PENALTY
    rows, labels = alike(400, 1, kinds=100, each=30)
    asked, answers = alike(2000, 2, kinds=100, each=30)
    usual, narrow = linear.chosen(rows, labels, 2), linear.fit(rows, labels, 2)
    assert usual.penalty == linear.usual(400, 3000)
    assert np.mean(usual.predict(asked) == answers) > np.mean(narrow.predict(asked) == answers) + 0.015


def test_without_enough_to_judge_by_the_penalty_is_the_usual_one() -> None:
    """A fifth of two images is none; of 100 it is 20."""
    rows = np.random.default_rng(0).normal(size=(1600, 2)).astype(np.float32)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for labels in (np.arange(400, 2000) // 2, np.maximum(np.arange(1600), 100) // 2 - 50):
            assert linear.chosen(rows, labels, 1000).penalty == linear.PENALTY


def test_penalties_weaker_than_two_that_are_clearly_worse_are_not_tried() -> None:
    rows, labels = groups(300, 20, 3, 0.3)
    shown: list[np.ndarray] = []

    def third(weights: np.ndarray, bias: np.ndarray) -> bool:
        assert bias.shape == (3,)
        shown.append(weights)
        return len(shown) == 3

    whole = fitting.path(rows, labels, 3, [100.0, 30.0, 10.0, 3.0])
    cut = fitting.path(rows, labels, 3, [100.0, 30.0, 10.0, 3.0], third)
    assert len(whole) == 4
    assert len(cut) == len(shown) == 3
    assert all(np.array_equal(one[0], two[0]) for one, two in zip(whole, cut, strict=False))


def test_each_image_is_judged_with_the_usual_penalty_of_as_many_features() -> None:
    rows, labels = alike(100, 1, kinds=100, each=15)
    told = linear.cross_validated(rows, labels, 2)
    part = np.random.default_rng(0).permutation(100) % 5
    for fold in range(5):
        scaler = StandardScaler().fit(rows[part != fold])
        line = LogisticRegression(C=1 / linear.usual(80, 1500), tol=1e-6, max_iter=2000)
        line.fit(scaler.transform(rows[part != fold]), labels[part != fold])
        theirs = line.predict(scaler.transform(rows[part == fold]))
        assert np.sum(told[part == fold] != theirs) <= 1


def test_what_is_judged_by_is_a_fifth_of_each_class_and_learned_from_by_none(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    labels = np.repeat([0, 1, 2, 3, -1], [1000, 500, 7, 1, 100])
    rows = np.flatnonzero(labels >= 0)
    learned, judged = linear._split(labels, rows, np.random.default_rng(0))
    assert np.array_equal(np.sort(np.concatenate([learned, judged])), rows)
    assert np.bincount(labels[judged], minlength=4).tolist() == [200, 100, 1, 0]
    monkeypatch.setattr(linear, "CHOOSING", 150)
    learned, judged = linear._split(labels, rows, np.random.default_rng(0))
    assert set(labels[learned]) == {0, 1, 2, 3}
    assert len(learned) + len(judged) <= 152
    assert not set(learned) & set(judged)


def test_rows_are_taken_in_parts_by_any_number_of_threads(
    monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest
) -> None:
    rows, labels = groups(4000, 80, 6, 0.15)
    whole = linear.fit(rows, labels, 6)
    monkeypatch.setattr(fitting, "SHARED", 700 * 81)
    alone = linear.fit(rows, labels, 6)
    assert np.allclose(alone.probabilities(rows), whole.probabilities(rows), atol=0.01)
    request.getfixturevalue("three_threads")
    assert np.allclose(linear.fit(rows, labels, 6).weights, alone.weights, rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("penalty", [1e-6, 1e6])
def test_hardly_any_penalty_and_nothing_else(penalty: float) -> None:
    """In single precision, with columns that are copies of each other."""
    rows, labels = groups(3000, 60, 3, 0.1)
    found = linear.fit(np.tile(rows, (1, 3)), labels, 3, penalty=penalty)
    assert np.isfinite(found.weights).all()
    if penalty < 1:
        free = linear.fit(rows, labels, 3, penalty=1e-3)
        assert (found.predict(np.tile(rows, (1, 3))) == free.predict(rows)).mean() > 0.99
    else:
        assert np.abs(found.probabilities(np.tile(rows, (1, 3))) - 1 / 3).max() < 0.01


def test_many_images_are_asked_about_in_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    rows, labels = groups(100, 5, 3, 0.5)
    found = linear.fit(rows, labels, 3)
    whole = found.logits(rows)
    monkeypatch.setattr(linear, "PART", 7)
    assert np.allclose(found.logits(rows), whole)
    assert found.logits(rows[:0]).shape == (0, 3)
    assert found.predict(rows[:0]).dtype == np.int64


def test_a_probe_is_asked_without_torch() -> None:
    program = (
        "import sys, numpy as np\nfrom sslviz import few, intervals, linear\n"
        "linear.Probe(np.ones((3, 2)), np.zeros(2), 1.0).predict(np.ones((4, 3), np.float32))\n"
        "print(*(set(sys.modules) & {'torch', 'sklearn', 'scipy'}))"
    )
    found = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert not found.stdout.split()


def test_each_image_is_judged_by_others() -> None:
    """One label can be told, and what marks a single image cannot be learned from the others."""
    draw = np.random.default_rng(0)
    answers = draw.integers(0, 3, 90)
    clear = draw.normal(0, 0.05, (90, 5)).astype(np.float32)
    clear[np.arange(90), answers] += 1
    assert np.array_equal(linear.cross_validated(clear, answers, 3), answers)
    alone = linear.cross_validated(np.eye(90, dtype=np.float32), answers, 3)
    assert np.mean(alone == answers) < 0.55


@pytest.mark.parametrize("labels", [[1], [2, 2], [0, 1], [0, 1, 1, 1, 1, 1]])
def test_too_few_to_judge_by_are_told_the_only_label_there_is(labels: list[int]) -> None:
    answers = np.array(labels)
    told = linear.cross_validated(np.ones((len(labels), 2), np.float32), answers, 3)
    assert told.shape == answers.shape
    assert set(told) <= {0, *labels}
