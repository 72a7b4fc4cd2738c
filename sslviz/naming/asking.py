"""Which images a person is shown: some of every kind to begin with, then those that would tell most."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from sslviz.naming.probe import Floats, Ints, Proposals, Space

ALIKE = 20
"""Neighbours of an image that tell about as much as the image itself."""
SAMPLE = 2_000
"""Images that groups are looked for among."""
ROUNDS = 6


def spread(space: Space, count: int, *, besides: Ints | None = None, seed: int = 0) -> Ints:
    """Up to `count` rows, int64, as unlike each other and the rows `besides` as the set allows.

    The middles of groups by k-means, the largest group first: on three classes a dozen middles led to 65%
    where a dozen random images led to 55%. Groups that hold one of `besides` are passed over.
    """
    known = np.zeros(0, np.int64) if besides is None else besides
    draw = np.random.default_rng(seed)
    others = np.setdiff1d(np.arange(len(space)), known)
    if len(others) <= count:
        return others
    sample = np.sort(draw.permutation(others)[:SAMPLE])
    points = space.rows(np.concatenate([sample, known]))
    centres, group = _groups(points, min(len(points), count + len(known)), draw)
    seen = set(group[len(sample) :].tolist())
    sizes = np.bincount(group[: len(sample)], minlength=len(centres))
    found = []
    for one in np.argsort(-sizes, kind="stable").tolist():
        if one in seen or not sizes[one]:
            continue
        inside = np.flatnonzero(group[: len(sample)] == one)
        found.append(int(sample[inside[(points[inside] @ centres[one]).argmax()]]))
    rest = [row for row in draw.permutation(sample).tolist() if row not in set(found)]
    return np.array([*found, *rest][:count], np.int64)


def least_certain(proposals: Proposals, near: Ints, count: int, *, besides: Ints | None = None) -> Ints:
    """Up to `count` rows, int64, of images without a name, those whose two best names are closest first.

    Of images that are each other's neighbours one is enough: `near`, (N, k), holds each image's nearest, best
    first. The rows `besides` come last.
    """
    rest = proposals.open.copy()
    later = np.zeros(0, np.int64) if besides is None else besides[proposals.open[besides]]
    rest[later] = False
    found: list[int] = []
    alike: list[int] = []
    close = np.zeros(len(rest), bool)
    for row in _ordered(proposals.margin, rest):
        if len(found) == count:
            break
        if close[row]:
            alike.append(row)
            continue
        found.append(row)
        close[near[row, :ALIKE]] = True
    last = later[np.argsort(proposals.margin[later], kind="stable")].tolist()
    return np.array([*found, *alike, *last][:count], np.int64)


def surest(proposals: Proposals, name: int, count: int) -> Ints:
    """Up to `count` rows, int64, of images without a name for which `name` is most probable, surest first."""
    mine = proposals.open & (proposals.best == name)
    return np.array(_ordered(-proposals.certainty, mine)[:count], np.int64)


def _ordered(values: Floats, chosen: NDArray[np.bool_]) -> list[int]:
    """The chosen rows, the least value first."""
    rows = np.flatnonzero(chosen)
    found: list[int] = rows[np.argsort(values[rows], kind="stable")].tolist()
    return found


def _groups(points: Floats, count: int, draw: np.random.Generator) -> tuple[Floats, Ints]:
    """k-means from k-means++ (Arthur and Vassilvitskii 2007) on rows of length 1: centres and (N,) groups."""
    centres = points[[int(draw.integers(len(points)))]]
    away = 1 - points @ centres[0]
    for _ in range(count - 1):
        chance = away.clip(0).astype(np.float64) ** 2
        if not chance.sum():
            break  # no more that differ
        new = points[draw.choice(len(points), p=chance / chance.sum())]
        centres = np.concatenate([centres, new[None]])
        away = np.minimum(away, 1 - points @ new)
    group = (points @ centres.T).argmax(1)
    for _ in range(ROUNDS):
        for one in range(len(centres)):
            inside = points[group == one]
            if len(inside):
                middle = inside.mean(0)
                centres[one] = middle / max(1e-6, float(np.linalg.norm(middle)))
        group = (points @ centres.T).argmax(1)
    return centres, group.astype(np.int64)
