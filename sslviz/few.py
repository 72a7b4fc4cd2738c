"""What features are worth with few labels: accuracy against the number of labelled images a class.

Labels alone decide which images are drawn, so every source of features is asked with the same ones, and
accuracies of one draw can be compared pair by pair.
"""

from __future__ import annotations

import statistics
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from sslviz import linear, neighbors
from sslviz.errors import UserError
from sslviz.threads import side_by_side

Floats = NDArray[np.float32]
Ints = NDArray[np.int64]

COUNTS = (1, 5, 10, 100)
DRAWS = 5
NEIGHBORS = 20


@dataclass(frozen=True)
class Draws:
    """The labelled images of one point of a curve."""

    count: int | None
    """Images a class; a class that has fewer gives all of its own. None: all there are."""
    rows: tuple[Ints, ...]
    """Of each draw the rows with a label, int64 (M,), the same number in each."""


@dataclass(frozen=True)
class Accuracy:
    """Shares of the queries that were told, in [0, 1], draw by draw."""

    draws: tuple[float, ...]

    @property
    def mean(self) -> float:
        return statistics.fmean(self.draws)

    @property
    def deviation(self) -> float:
        """Standard deviation over draws; 0 of a single one, which says nothing of how others would be."""
        return statistics.stdev(self.draws) if len(self.draws) > 1 else 0.0


@dataclass(frozen=True)
class Point:
    """One number of labels."""

    count: int | None
    """Images a class; None: all there are."""
    images: int
    """Labelled images in all."""
    linear: Accuracy
    neighbors: Accuracy


def drawn(labels: Ints, counts: Sequence[int] = COUNTS, draws: int = DRAWS, seed: int = 0) -> list[Draws]:
    """Rows to learn from, for each count `draws` times, and once for all of them.

    labels int64 (N,), -1 where there is none, whose rows are never drawn. Each draw is one order of the
    images of each class, and a count takes the first of it: what few labels hold, more hold as well. A count
    that no class exceeds would be all of them, and is left out.
    """
    assert all(count > 0 for count in counts)
    draw = np.random.default_rng(seed)
    classes = [np.flatnonzero(labels == label) for label in np.unique(labels[labels >= 0])]
    orders = [[draw.permutation(rows) for rows in classes] for _ in range(draws)]
    most = max((len(rows) for rows in classes), default=0)
    found = [
        Draws(count, tuple(np.sort(np.concatenate([rows[:count] for rows in order])) for order in orders))
        for count in sorted(set(counts))
        if count < most
    ]
    return [*found, Draws(None, (np.flatnonzero(labels >= 0),))]


def curve(
    known: Floats,
    known_labels: Ints,
    asked: Floats,
    asked_labels: Ints,
    classes: int,
    *,
    counts: Sequence[int] = COUNTS,
    draws: int = DRAWS,
    seed: int = 0,
    report: Callable[[int, int], None] | None = None,
) -> list[Point]:
    """Accuracies on `asked`, (Q, D), of the linear probe and of neighbours that learn from few of `known`,
    (N, D): a point a count of `drawn`, the last with all labels.

    Labels int64 in [0, C), -1 where there is none, whose rows are neither learned from nor asked about. The
    penalty is that of `linear.chosen`; as many as 20 neighbours vote. A query whose class has no image to
    learn from counts as not told. `report` is called with draws done and to do. Raises `UserError` as
    `linear.fit` does, and where nothing asked has a label.
    """
    answered = asked_labels >= 0
    if not answered.any():
        raise UserError("None of the images asked about has a label.", "Give a set whose images have labels.")
    queries, answers = asked[answered], asked_labels[answered]
    plan = drawn(known_labels, counts, draws, seed)

    def ask(rows: Ints) -> tuple[float, float]:
        shown, labels = known[rows], known_labels[rows]
        predicted = linear.chosen(shown, labels, classes, seed=seed).predict(queries)
        nearest = neighbors.search(queries, shown, min(NEIGHBORS, len(rows)))
        voted = neighbors.vote(*nearest, labels, classes)
        return float(np.mean(predicted == answers)), float(np.mean(voted == answers))

    # The longest first, so that no thread is left with it at the end.
    asked_with = [rows for each in reversed(plan) for rows in each.rows]
    shares = []
    for found in side_by_side(ask, asked_with):
        shares.append(found)
        if report:
            report(len(shares), len(asked_with))
    points = []
    for each in reversed(plan):
        mine, shares = shares[: len(each.rows)], shares[len(each.rows) :]
        straight, near = zip(*mine, strict=True)
        points.append(Point(each.count, len(each.rows[0]), Accuracy(straight), Accuracy(near)))
    return points[::-1]
