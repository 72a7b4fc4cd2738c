"""CKA against Gram matrices and the definition of HSIC as a mean over images; neighbours against sets."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from sslviz import similarity

Floats = NDArray[np.float32]


def draw(count: int, width: int, seed: int = 0) -> Floats:
    return np.random.default_rng(seed).normal(size=(count, width)).astype(np.float32)


def turn(width: int, seed: int) -> Floats:
    """An orthogonal matrix."""
    found, _ = np.linalg.qr(draw(width, width, seed))
    return found


def by_gram(one: Floats, other: Floats) -> float:
    """Debiased CKA by N × N matrices (Song et al. 2012, equation 5)."""

    def hsic(k: NDArray[np.float64], el: NDArray[np.float64]) -> float:
        count, ones = len(k), np.ones(len(k))
        k, el = k - np.diag(np.diag(k)), el - np.diag(np.diag(el))
        told = np.trace(k @ el) + k.sum() * el.sum() / ((count - 1) * (count - 2))
        return float((told - 2 / (count - 2) * (ones @ k @ el @ ones)) / (count * (count - 3)))

    k, el = (x.astype(np.float64) @ x.T.astype(np.float64) for x in (one, other))
    return hsic(k, el) / float(np.sqrt(hsic(k, k) * hsic(el, el)))


def by_fours(one: Floats, other: Floats) -> float:
    """The same by what it estimates: a mean over all ordered fours of different images."""

    def hsic(k: NDArray[np.float64], el: NDArray[np.float64]) -> float:
        fours = list(itertools.permutations(range(len(k)), 4))
        return sum(k[i, j] * (el[i, j] + el[q, r] - 2 * el[i, q]) for i, j, q, r in fours) / len(fours)

    k, el = (x.astype(np.float64) @ x.T.astype(np.float64) for x in (one, other))
    return hsic(k, el) / float(np.sqrt(hsic(k, k) * hsic(el, el)))


@given(count=st.integers(5, 40), wide=st.integers(1, 60), narrow=st.integers(1, 60), seed=st.integers(0, 99))
def test_it_is_what_gram_matrices_give(count: int, wide: int, narrow: int, seed: int) -> None:
    one = draw(count, wide, seed)
    other = draw(count, narrow, seed + 1) + 0.5 * one[:, :1] + 3
    wanted = np.clip(by_gram(one, other), 0, 1)
    assert similarity.cka(one, other) == pytest.approx(wanted, abs=1e-5)


def test_it_is_the_mean_over_fours_of_images() -> None:
    one = draw(7, 3)
    other = one @ draw(3, 4, 1) + 0.1 * draw(7, 4, 2)
    assert similarity.cka(one, other) == pytest.approx(by_fours(one, other), abs=1e-5)


def test_turning_scaling_and_shifting_change_nothing() -> None:
    one, other = draw(60, 20), draw(60, 30, 1)
    other[:, :20] += one
    told = similarity.cka(one, other)
    assert told is not None
    assert 0.1 < told < 0.9
    assert similarity.cka(one @ turn(20, 2), 7 * other @ turn(30, 3) - 2) == pytest.approx(told, abs=1e-5)
    assert similarity.cka(other, one) == pytest.approx(told, abs=1e-9)
    assert similarity.cka(one, 0.01 * one @ turn(20, 4) + 1) == pytest.approx(1, abs=1e-5)
    stretched = one * np.linspace(1, 9, 20, dtype=np.float32)  # no turn: another space to CKA
    assert similarity.cka(one, stretched) != pytest.approx(1, abs=1e-2)


def test_noise_is_like_nothing_however_few_the_images() -> None:
    """Where the plain estimate, by centred Gram matrices, finds near anything alike."""
    for count, width in ((24, 512), (100, 512), (2000, 64)):
        one, other = draw(count, width), draw(count, width, 1)
        told = similarity.cka(one, other)
        assert told is not None
        assert told < 0.05
    one, other = (x - x.mean(0) for x in (draw(24, 512), draw(24, 512, 1)))
    plain = np.linalg.norm(one.T @ other) ** 2
    assert plain / np.linalg.norm(one.T @ one) / np.linalg.norm(other.T @ other) > 0.9


def test_where_nothing_can_be_said() -> None:
    assert similarity.cka(draw(3, 5), draw(3, 5)) is None
    assert similarity.cka(draw(9, 5), np.full((9, 4), 0.1, np.float32)) is None
    rounding = np.full((9, 4), 0.5, np.float32) + 1e-7 * draw(9, 4, 1)
    assert similarity.cka(draw(9, 5), rounding.astype(np.float32)) is None
    assert similarity.cka(draw(4, 5), draw(4, 5)) == pytest.approx(1)


def test_the_matrix_holds_each_with_each() -> None:
    parts = [draw(30, 8), draw(30, 5, 1), np.ones((30, 2), np.float32), draw(30, 8) * 2]
    table = similarity.matrix(parts)
    for row, column in itertools.product(range(4), repeat=2):
        assert table[row][column] == similarity.cka(parts[row], parts[column])
    assert table[0][0] == 1
    assert table[0][3] == pytest.approx(1)
    assert table[2] == [None] * 4


def test_neighbours_in_common_are_those_in_both_sets() -> None:
    generator = np.random.default_rng(0)
    one, other = (np.stack([generator.permutation(50)[:12] for _ in range(50)]) for _ in range(2))
    share = similarity.shared(one, other, 10)
    wanted = [len({*a[:10]} & {*b[:10]}) / 10 for a, b in zip(one.tolist(), other.tolist(), strict=True)]
    assert share.tolist() == pytest.approx(wanted)
    assert similarity.shared(one, one).min() == 1
    assert similarity.shared(one[:, :3], other, 10).tolist() == pytest.approx(
        similarity.shared(one, other, 3).tolist()
    )
    assert similarity.shared(one[:, :0], other).tolist() == [1] * 50


def test_strangers_share_as_many_as_chance_gives() -> None:
    generator = np.random.default_rng(1)
    count = 300

    def others(row: int) -> NDArray[np.int64]:
        found = generator.permutation(count - 1)[:10]
        return found + (found >= row)

    one, other = (np.stack([others(row) for row in range(count)]) for _ in range(2))
    assert similarity.shared(one, other).mean() == pytest.approx(10 / (count - 1), rel=0.3)
