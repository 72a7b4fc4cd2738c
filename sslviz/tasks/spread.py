"""How far apart the permutations of a set are, and how far apart they could be at best.

N permutations of n tiles (nine, where it is not said) have N (N − 1) / 2 pairs, whose Hamming distances are
2 to n: two permutations cannot differ in one slot alone.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional


@dataclass(frozen=True)
class Spread:
    """The distances of all pairs of a set."""

    pairs: tuple[int, ...]
    """Number of pairs at each distance, 0 to n."""
    closest: tuple[int, int]
    """The first two rows, in lexicographic order, that are as near to each other as any."""

    @property
    def least(self) -> int:
        """The smallest distance."""
        return next(distance for distance, count in enumerate(self.pairs) if count)

    @property
    def mean(self) -> float:
        return sum(distance * count for distance, count in enumerate(self.pairs)) / sum(self.pairs)


def measure(permutations: Tensor) -> Spread:
    """Of `permutations`, int64 (N, n), N ≥ 2."""
    count, tiles = permutations.shape
    shown = functional.one_hot(permutations, tiles).flatten(1).to(torch.float32)  # (N, n · n)
    pairs = torch.zeros(tiles + 1, dtype=torch.int64)
    least, closest = tiles + 1, (0, 1)
    for first in range(0, count - 1, 256):
        block = shown[first : first + 256]
        apart = tiles - (block @ shown[first:].T).round().to(torch.int64)  # whole numbers, so exact
        later = torch.ones(apart.shape, dtype=torch.bool).triu(1)
        pairs += torch.bincount(apart[later], minlength=tiles + 1)
        apart[~later] = tiles + 1
        if int(apart.min()) < least:
            least = int(apart.min())
            row, column = divmod(int(apart.argmin()), apart.shape[1])
            closest = (first + row, first + column)
    return Spread(tuple(pairs.tolist()), closest)


def most_mean(count: int, tiles: int = 9) -> float:
    """What the mean distance of `count` ≥ 2 permutations cannot exceed: (n − 1) N / (N − 1), or n where that
    is less.

    Look at one slot. If tile t is there in m_t of the N permutations, Σ m_t = N, then Σ m_t (m_t − 1) / 2
    pairs agree in it. With Σ m_t² ≥ N² / n (the squares are smallest where all are equal) these are at least
    (N² / n − N) / 2, so at most N² (n − 1) / 2n of the N (N − 1) / 2 pairs differ there: a share of (n − 1) N
    / (n (N − 1)). The mean distance is the sum of these shares over the n slots. It is reached if and only if
    each tile is in each slot equally often, as in whole groups that move every tile everywhere.
    """
    assert count >= 2, count
    return min(float(tiles), (tiles - 1) * count / (count - 1))


def most_least(count: int, tiles: int = 9) -> int:
    """What the smallest distance of `count` ≥ 2 permutations cannot exceed: the largest d with n! / (d − 1)!
    ≥ N.

    At a distance of d or more no two agree in their first n − d + 1 slots, for at most d − 1 others are left
    in which to differ. So there are no more of them than ways to fill these slots, which are n! / (d − 1)!.
    Of nine tiles: 9 at distance 9, 72 at 8, 504 at 7, 3,024 at 6.
    """
    assert 2 <= count <= math.factorial(tiles), count
    most = math.factorial(tiles)
    return max(d for d in range(2, tiles + 1) if most // math.factorial(d - 1) >= count)


def by_chance(tiles: int = 9) -> list[float]:
    """Share of the pairs at each distance, 0 to n, if two different permutations are drawn at random.

    From one of them, d slots can be chosen in C(n, d) ways, and their tiles put into each other's places,
    none into its own, in D(d) ways (derangements).
    """
    away = [1, 0]
    while len(away) <= tiles:
        away.append((len(away) - 1) * (away[-1] + away[-2]))
    ways = [math.comb(tiles, d) * away[d] for d in range(tiles + 1)]
    return [0.0] + [one / (math.factorial(tiles) - 1) for one in ways[1:]]
