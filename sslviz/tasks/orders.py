"""Long permutation sets from a table, for pages that cannot wait seconds for a greedy search.

The table holds what `permutation_set` gives with a generator seeded by 0, where it searches: there a smaller
set is the beginning of a larger one. `python -m sslviz.tasks.orders` writes it anew, which takes some ten
seconds.
"""

from __future__ import annotations

import functools
import math
from pathlib import Path

import numpy as np
import torch
from torch import Generator, Tensor

from sslviz.tasks.permutations import permutation_set, unrank

MOST = 2000
SLOW = ("algebraic", "greedy_min", "greedy_mean")
"""The kinds in the table, row by row."""
GROUPS = 1512
"""Up to here algebraic sets are whole groups and parts of them, and need no search."""
TABLE = Path(__file__).with_name("orders.npy")
"""uint32 (3, MOST): places in the lexicographic order of all permutations."""


def known_set(count: int, kind: str) -> Tensor:
    """`permutation_set(count, kind, …)` with a generator seeded by 0, at once; `count` is at most `MOST`."""
    assert count <= MOST, count
    if kind == "random" or (kind == "algebraic" and count <= GROUPS):
        return permutation_set(count, kind, Generator().manual_seed(0))
    return _known()[SLOW.index(kind), :count]


@functools.cache
def _known() -> Tensor:
    ranks = np.load(TABLE, allow_pickle=False).astype(np.int64)
    return unrank(torch.from_numpy(ranks).flatten()).view(*ranks.shape, 9)


def rank(permutations: Tensor) -> Tensor:
    """int64 (P, 9) → int64 (P,): the inverse of `unrank`."""
    places = torch.zeros(len(permutations), dtype=torch.int64)
    for slot in range(9):
        smaller_later = (permutations[:, slot + 1 :] < permutations[:, slot, None]).sum(1)
        places += smaller_later * math.factorial(8 - slot)
    return places


def write() -> None:
    """Search anew and replace the table."""
    sets = [permutation_set(MOST, kind, Generator().manual_seed(0)) for kind in SLOW]
    np.save(TABLE, torch.stack([rank(each) for each in sets]).numpy().astype(np.uint32), allow_pickle=False)


if __name__ == "__main__":
    write()
