"""How far apart permutations can be, by trying all sets of four tiles; the table against the search."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest
import torch
from pictures import generator

from sslviz.tasks import spread
from sslviz.tasks.orders import GROUPS, MOST, SLOW, TABLE, known_set, rank
from sslviz.tasks.permutations import KINDS, permutation_set, unrank

FOUR = list(itertools.permutations(range(4)))


def apart(one: tuple[int, ...], other: tuple[int, ...]) -> int:
    return sum(a != b for a, b in zip(one, other, strict=True))


@pytest.mark.parametrize("count", [2, 3, 4, 5])
def test_no_set_of_four_tiles_is_above_the_bounds(count: int) -> None:
    """All sets that hold the identity; any other set is one of them with the tiles renamed."""
    table = np.array([[apart(p, q) for q in FOUR] for p in FOUR])
    means, leasts = [], []
    for others in itertools.combinations(range(1, 24), count - 1):
        found = table[np.ix_((0, *others), (0, *others))][np.triu_indices(count, 1)]
        means.append(found.mean())
        leasts.append(found.min())
    assert max(means) <= spread.most_mean(count, 4) + 1e-12
    assert max(leasts) == spread.most_least(count, 4)
    if count == 4:  # a Latin square: every tile in every slot once
        assert max(means) == 4 == spread.most_mean(4, 4)


@pytest.mark.parametrize("least", [2, 3, 4])
def test_the_largest_sets_of_four_tiles(least: int) -> None:
    """4! / (d − 1)! permutations at distance d or more are there, and by the bound no more can be."""
    even = [p for p in FOUR if sum(p[i] > p[j] for i, j in itertools.combinations(range(4), 2)) % 2 == 0]
    turns = [tuple((i + k) % 4 for i in range(4)) for k in range(4)]
    best = {2: FOUR, 3: even, 4: turns}[least]
    assert min(apart(p, q) for p, q in itertools.combinations(best, 2)) == least
    assert len(best) == math.factorial(4) // math.factorial(least - 1)
    assert spread.most_least(len(best), 4) == least
    assert len(best) == 24 or spread.most_least(len(best) + 1, 4) < least


@pytest.mark.parametrize(("count", "least"), [(9, 9), (10, 8), (72, 8), (73, 7), (504, 7), (505, 6)])
def test_algebraic_sets_reach_the_bound(count: int, least: int) -> None:
    """Of nine tiles: no set of that size is farther apart, and where a group ends this one is as far."""
    assert spread.most_least(count) == least
    if count in (9, 72, 504):
        found = spread.measure(known_set(count, "algebraic"))
        assert found.least == least
        assert found.mean == pytest.approx(8 * count / (count - 1)) == spread.most_mean(count)


@pytest.mark.parametrize(("count", "kind"), [(2, "random"), (40, "random"), (300, "greedy_mean")])
def test_measured_is_what_pairs_say(count: int, kind: str) -> None:
    rows = [tuple(row) for row in known_set(count, kind).tolist()]
    found = [(apart(rows[i], rows[j]), i, j) for i, j in itertools.combinations(range(count), 2)]
    measured = spread.measure(torch.tensor(rows))
    assert measured.pairs == tuple(np.bincount([one[0] for one in found], minlength=10))
    assert (measured.least, *measured.closest) == min(found)
    assert measured.mean == pytest.approx(np.mean([one[0] for one in found]))
    assert measured.mean <= spread.most_mean(count)


@pytest.mark.parametrize("tiles", [4, 6])
def test_distances_by_chance(tiles: int) -> None:
    every = list(itertools.permutations(range(tiles)))
    counts = np.bincount([apart(every[0], other) for other in every[1:]], minlength=tiles + 1)
    assert np.allclose(spread.by_chance(tiles), counts / counts.sum())


@pytest.mark.parametrize("kind", KINDS)
def test_known_sets_are_those_of_the_search(kind: str) -> None:
    for count in (9, 73):
        assert torch.equal(known_set(count, kind), permutation_set(count, kind, generator()))
    assert len(known_set(MOST, kind).unique(dim=0)) == MOST


def test_the_table_goes_on_from_the_groups() -> None:
    assert torch.equal(
        known_set(GROUPS + 3, "algebraic"), permutation_set(GROUPS + 3, "algebraic", generator())
    )
    some = torch.randint(math.factorial(9), (100,), generator=generator())
    assert torch.equal(rank(unrank(some)), some)


@pytest.mark.slow
def test_the_whole_table_is_that_of_the_search() -> None:
    table = np.load(TABLE)
    for kind, ranks in zip(SLOW, table, strict=True):
        assert np.array_equal(rank(permutation_set(MOST, kind, generator())).numpy(), ranks)
