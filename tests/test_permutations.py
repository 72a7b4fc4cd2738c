"""The permutation sets against the figures of coding theory and of the reference."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
import torch
from pictures import generator

from sslviz.tasks.permutations import (
    ALL,
    KINDS,
    affine_group,
    distances,
    permutation_set,
    projective_group,
    unrank,
)


def hamming(rows: list[list[int]]) -> list[int]:
    """Distances of all pairs, one slot at a time."""
    return [sum(a != b for a, b in zip(p, q, strict=True)) for p, q in itertools.combinations(rows, 2)]


def closed(rows: list[list[int]]) -> bool:
    """Whether the permutations are a group: doing one after another gives one of them."""
    found = {tuple(row) for row in rows}
    return all(tuple(p[i] for i in q) in found for p in rows for q in rows)


def test_affine_group() -> None:
    rows = affine_group().tolist()
    assert len({tuple(row) for row in rows}) == 72
    assert closed(rows)
    found = hamming(rows)
    assert min(found) == 8
    assert np.mean(found) == pytest.approx(8.113, abs=5e-4)
    assert rows[0] == list(range(9))


def test_projective_group() -> None:
    every = projective_group()
    rows = every[:504].tolist()
    assert len({tuple(row) for row in every.tolist()}) == 1512
    assert closed(rows)
    found = distances(every[:504])
    assert int(found.min()) == 7
    assert float(found.double().mean()) == pytest.approx(8.016, abs=5e-4)
    assert int(distances(every).min()) == 6
    # Sharply 3-transitive: exactly one member takes any three points to any three.
    assert len({tuple(row[:3]) for row in rows}) == 504 == 9 * 8 * 7


@pytest.mark.parametrize("count", [63, 72, 99, 504, 1512])
def test_every_tile_is_in_every_slot_as_often(count: int) -> None:
    rows = permutation_set(count, "algebraic", generator())
    for slot in rows.T:
        assert torch.bincount(slot, minlength=9).tolist() == [count // 9] * 9


@pytest.mark.parametrize(
    ("count", "least"), [(2, 8), (64, 8), (72, 8), (73, 7), (100, 7), (504, 7), (1000, 6)]
)
def test_algebraic_sets(count: int, least: int) -> None:
    rows = permutation_set(count, "algebraic", generator())
    assert rows.shape == (count, 9)
    assert int(distances(rows).min()) >= least
    assert torch.equal(rows, permutation_set(count, "algebraic", generator(1)))


def test_algebraic_beyond_the_groups() -> None:
    rows = permutation_set(1530, "algebraic", generator())
    assert torch.equal(rows[:1512], projective_group())
    assert int(distances(rows).min()) >= 4


@pytest.mark.parametrize(("count", "mean"), [(10, 8.80), (64, 8.125), (100, 8.080)])
def test_greedy_mean_is_what_the_paper_gets(count: int, mean: float) -> None:
    found = hamming(permutation_set(count, "greedy_mean", generator()).tolist())
    assert np.mean(found) == pytest.approx(mean, abs=0.01)
    assert np.mean(found) <= 8 * count / (count - 1) + 1e-9
    assert min(found) == 2 or count == 10


def test_greedy_min_keeps_all_apart() -> None:
    found = hamming(permutation_set(64, "greedy_min", generator()).tolist())
    assert min(found) == 7


@pytest.mark.slow
def test_greedy_min_of_a_thousand() -> None:
    assert int(distances(permutation_set(1000, "greedy_min", generator())).min()) == 5


@pytest.mark.parametrize("kind", KINDS)
def test_every_set_is_of_distinct_permutations(kind: str) -> None:
    rows = permutation_set(100, kind, generator())
    assert rows.dtype == torch.int64
    assert (rows.sort(1).values == torch.arange(9)).all()
    assert len({tuple(row) for row in rows.tolist()}) == 100
    mean = float(distances(rows).double().mean())
    assert 7.9 < mean <= 800 / 99 + 1e-9
    if kind != "algebraic":
        assert not torch.equal(rows, permutation_set(100, kind, generator(1)))


def test_distances() -> None:
    rows = permutation_set(20, "random", generator())
    assert distances(rows).tolist() == hamming(rows.tolist())


def test_unrank_is_lexicographic() -> None:
    first = list(itertools.islice(itertools.permutations(range(9)), 3000))
    assert unrank(torch.arange(3000)).tolist() == [list(row) for row in first]
    assert unrank(torch.tensor([ALL - 1])).tolist() == [[8, 7, 6, 5, 4, 3, 2, 1, 0]]
