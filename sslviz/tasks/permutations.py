"""Sets of permutations of nine tiles that differ from each other in many places.

A set is int64 (P, 9); row p says which tile each slot shows. The Hamming distance of two rows is the number
of slots in which they differ. What counts is the smallest distance in the set: two answers that differ
in two slots only are nearly the same puzzle. The mean says little, since it cannot exceed 8P / (P − 1) and
random permutations already average 8.
"""

from __future__ import annotations

import functools
import math

import torch
from torch import Generator, Tensor

KINDS = ("algebraic", "greedy_min", "greedy_mean", "random")
ALL = math.factorial(9)


def permutation_set(count: int, kind: str, generator: Generator) -> Tensor:
    """`count` distinct permutations of nine tiles, int64 (count, 9).

    - "algebraic": the best sets known, in a fixed order. Up to 72 from the affine group AGL(1, 9), minimum
      distance 8; up to 504 from PGL(2, 8), minimum 7; up to 1,512 from PΓL(2, 8), minimum 6; beyond,
      "greedy_min" goes on from there, minimum 4.
    - "greedy_min": again and again the permutation whose smallest distance to the set is largest.
    - "greedy_mean": again and again the one whose mean distance to the set is largest, as Noroozi and
      Favaro do (section 4.1); the minimum is 2.
    - "random": any.

    `generator` is used by the last three.
    """
    assert 1 <= count <= ALL, count
    if kind == "algebraic":
        if count <= 72:
            return affine_group()[:count]
        known = projective_group()
        return known[:count] if count <= len(known) else _greedy_min(known, count)
    if kind == "random":
        return unrank(torch.randperm(ALL, generator=generator)[:count])
    first = unrank(torch.randint(ALL, (1,), generator=generator))
    return _greedy_min(first, count) if kind == "greedy_min" else _greedy_mean(first, count)


def affine_group() -> Tensor:
    """int64 (72, 9): x → ax + b over GF(9), a ≠ 0. Two of these agree in one place at most, so the minimum
    distance is 8. Element u + vi of GF(9) (i² = −1, modulo 3) is tile 3u + v: row u, column v."""
    nonzero = [3, 4, 5, 6, 7, 8, 1, 2]  # 3 is 1 + 0i: the identity and the shifts come first
    maps = [[_gf9(a, x, b) for x in range(9)] for a in nonzero for b in range(9)]
    return torch.tensor(maps)


def projective_group() -> Tensor:
    """int64 (1512, 9): PΓL(2, 8) on the nine points of the projective line over GF(8).

    The first 504 are PGL(2, 8), x → (ax + b) / (cx + d), of which two agree in two points at most (minimum
    distance 7); the others are those after x → x² and x → x⁴, which fix three points (minimum 6). Tile 8
    is the point at infinity. In the order of `_in_squares`.
    """
    return _projective_group().clone()


@functools.cache
def _projective_group() -> Tensor:
    matrices = [(1, b, c, d) for c in range(8) for b in range(8) for d in range(8) if d != _gf8(b, c)]
    matrices += [(0, 1, c, d) for c in range(1, 8) for d in range(8)]
    fractions = _in_squares([tuple(_moebius(matrix, x) for x in range(9)) for matrix in matrices])
    square = torch.tensor([_gf8(x, x) for x in range(8)] + [8])
    return torch.cat([fractions, square[fractions], square[square][fractions]])


def distances(permutations: Tensor) -> Tensor:
    """int64 (P · (P − 1) / 2,): Hamming distances of all pairs of rows of `permutations` (P, 9)."""
    first, second = torch.triu_indices(len(permutations), len(permutations), 1)
    return (permutations[first] != permutations[second]).sum(1)


def unrank(rank: Tensor) -> Tensor:
    """Permutations by their place in the lexicographic order: int64 (L,) in [0, 9!) → int64 (L, 9)."""
    left = torch.arange(9).repeat(len(rank), 1)
    slots = []
    for slot in range(9):
        size = math.factorial(8 - slot)
        pick = (rank // size)[:, None]
        rank = rank % size
        slots.append(left.gather(1, pick))
        keep = torch.arange(8 - slot).expand(len(rank), -1)
        left = left.gather(1, keep + (keep >= pick))
    return torch.cat(slots, 1)


def _in_squares(group: list[tuple[int, ...]]) -> Tensor:
    """A group of permutations that holds a cycle of all nine, as int64 (P, 9) in an order in which each nine
    rows are a Latin square: so in a set of any size every tile is in every slot about as often."""
    cycle = next(one for one in group if len(set(_orbit(one))) == 9)
    turns = [tuple(range(9))]
    while len(turns) < 9:
        turns.append(tuple(cycle[x] for x in turns[-1]))
    rows: dict[tuple[int, ...], None] = {}  # keeps its order, and each row once
    for one in group:
        rows.update(dict.fromkeys(tuple(one[x] for x in turn) for turn in turns))
    return torch.tensor(list(rows))


def _orbit(permutation: tuple[int, ...]) -> list[int]:
    """Where nine steps of `permutation` take the first tile."""
    visited = [0]
    while len(visited) < 9:
        visited.append(permutation[visited[-1]])
    return visited


def _greedy_min(start: Tensor, count: int) -> Tensor:
    """Add to `start` the permutation farthest from its nearest in the set, the first such, until `count`."""
    columns = _all_columns()
    chosen = list(start[:count])
    closest = torch.zeros(ALL, dtype=torch.uint8)  # slots shared with the nearest member of the set
    for latest in chosen:
        torch.maximum(closest, _agreement(columns, latest), out=closest)
    while len(chosen) < count:
        chosen.append(columns[:, closest.argmin()].long())
        torch.maximum(closest, _agreement(columns, chosen[-1]), out=closest)
    return torch.stack(chosen)


def _greedy_mean(start: Tensor, count: int) -> Tensor:
    """Add to `start` (1, 9) the permutation with the largest mean distance to the set, until `count`."""
    columns = _all_columns()
    shared = torch.zeros(ALL, dtype=torch.int32)  # slots shared with each member of the set, summed
    chosen = [start[0]]
    while True:
        agreement = _agreement(columns, chosen[-1])
        shared += agreement
        shared[agreement == 9] = 2**30  # never choose it again
        if len(chosen) == count:
            return torch.stack(chosen)
        chosen.append(columns[:, shared.argmin()].long())


def _all_columns() -> Tensor:
    """uint8 (9, 9!): all permutations, one a column."""
    return unrank(torch.arange(ALL)).to(torch.uint8).T.contiguous()


def _agreement(columns: Tensor, permutation: Tensor) -> Tensor:
    """uint8 (L,): slots in which `permutation` (9,) equals each column of `columns` (9, L)."""
    shared = torch.zeros(columns.shape[1], dtype=torch.uint8)
    same = torch.empty_like(shared)
    for column, tile in zip(columns, permutation.tolist(), strict=True):  # nine slots, all columns at once
        shared += torch.eq(column, tile, out=same)  # into bytes: seven times as fast as through bool
    return shared


def _gf9(a: int, x: int, b: int) -> int:
    """ax + b in GF(9); element u + vi is the number 3u + v."""
    (p, q), (u, v), (r, s) = divmod(a, 3), divmod(x, 3), divmod(b, 3)
    return (p * u - q * v + r) % 3 * 3 + (p * v + q * u + s) % 3


@functools.cache
def _gf8(a: int, b: int) -> int:
    """The product in GF(8): polynomials over GF(2) as bits, modulo t³ + t + 1."""
    product = 0
    for bit in range(3):
        if b >> bit & 1:
            product ^= a << bit
    for bit in (4, 3):
        if product >> bit & 1:
            product ^= 0b1011 << (bit - 3)
    return product


def _moebius(matrix: tuple[int, int, int, int], x: int) -> int:
    """(ax + b) / (cx + d) on the projective line over GF(8), where 8 stands for infinity."""
    a, b, c, d = matrix
    above, below = (a, c) if x == 8 else (_gf8(a, x) ^ b, _gf8(c, x) ^ d)
    if below == 0:
        return 8
    return next(y for y in range(8) if _gf8(below, y) == above)
