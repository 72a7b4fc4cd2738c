"""What is to be seen in the answers: which is taken for which, how far off, what is hard, what has no up."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from sslviz.exam import Exam


@dataclass(frozen=True)
class Ranked:
    """An image, or a patch, with what became of the questions about it."""

    number: int
    """The row of the image, or the class of the patch."""
    asked: int
    right: int
    loss: float
    """Mean over the questions, in nats."""


@dataclass(frozen=True)
class Pair:
    """Two classes of exemplar that are alike to the network."""

    one: int
    other: int
    mistaken: int
    """Copies of either that were taken for the other."""
    asked: int
    """Copies of both."""
    share: float
    """Mean probability given to the other, over all their copies, in [0, 1]."""


@dataclass(frozen=True, eq=False)
class Tilt:
    """Which way up the network takes an image to be."""

    row: int
    shares: NDArray[np.float64]
    """(4,) probability that the image, as it is, is turned by 0, 90, 180 and 270 degrees to the left."""
    entropy: float
    """Of `shares`, in bits: 0 where it is sure, 2 where no way up is likelier than another."""


def confusion(found: Exam) -> NDArray[np.int64]:
    """(C, C): how many examples of the class of the row were taken for the class of the column."""
    table = np.zeros((found.classes, found.classes), np.int64)
    np.add.at(table, (found.answer, found.said), 1)
    return table


def distances(found: Exam) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """Jigsaw: by the number of slots, 0 to 9, in which the network's permutation differs from the right one
    (their Hamming distance), how many examples there are, int (10,), and the share of them that guessing
    would have there, float (10,)."""
    slots = found.orders.shape[1]
    off = (found.orders[found.said] != found.orders[found.answer]).sum(1)
    counts = np.bincount(off, minlength=slots + 1)
    guessed = np.zeros(slots + 1)
    answers, times = np.unique(found.answer, return_counts=True)
    for answer, count in zip(answers.tolist(), times.tolist(), strict=True):
        every = (found.orders != found.orders[answer]).sum(1)
        guessed += count * np.bincount(every, minlength=slots + 1) / len(found.orders)
    return counts, guessed / max(1, len(found.answer))


def ranked(found: Exam, by: Literal["row", "answer"]) -> list[Ranked]:
    """Images, or the patches of exemplar, from the easiest to the hardest by their mean loss."""
    keys = getattr(found, by)
    numbers, place = np.unique(keys, return_inverse=True)
    asked = np.bincount(place)
    right = np.bincount(place, weights=found.right)
    loss = np.bincount(place, weights=found.loss.astype(np.float64)) / asked
    order = np.argsort(loss, kind="stable")
    return [Ranked(int(numbers[i]), int(asked[i]), int(right[i]), float(loss[i])) for i in order]


def tilts(found: Exam) -> list[Tilt]:
    """Rotation: the images whose way up is least clear to the network, first.

    What it says to each of the four turned copies is turned back, and the mean taken: a copy that was turned
    by k and is taken to be turned by j says that the image itself is turned by j - k.
    """
    back = (np.arange(4)[None, :] + found.answer[:, None]) % 4
    own = np.take_along_axis(found.shares.astype(np.float64), back, 1)
    rows, place = np.unique(found.row, return_inverse=True)
    means = np.zeros((len(rows), 4))
    np.add.at(means, place, own)
    means /= np.bincount(place)[:, None]
    logs = np.log2(means, where=means > 0, out=np.zeros_like(means))
    entropy = -(means * logs).sum(1)
    order = np.argsort(-entropy, kind="stable")
    return [Tilt(int(rows[i]), means[i], float(entropy[i])) for i in order]


def pairs(found: Exam, most: int) -> list[Pair]:
    """Exemplar: the classes most often taken for each other; among equals, those given more probability. Of
    more than `WHOLE` classes those pairs whose probabilities are kept."""
    counts = np.bincount(found.answer, minlength=found.classes)
    mistaken, _ = _taken(found)
    if found.shares.shape[1]:
        sums = np.zeros((found.classes, found.classes))
        np.add.at(sums, found.answer, found.shares)
        shares = {
            (one, other): float(sums[one, other] + sums[other, one]) / int(counts[one] + counts[other])
            for one, other in mistaken
        }
    else:
        kept = zip(found.pairs.tolist(), found.pair_shares.tolist(), strict=True)
        shares = {(one, other): share for (one, other), share in kept}
    order = sorted(shares, key=lambda key: (-mistaken[key], -shares[key], key))[:most]
    return [
        Pair(one, other, mistaken[one, other], int(counts[one] + counts[other]), shares[one, other])
        for one, other in order
    ]


def taken(found: Exam, most: int) -> list[tuple[int, int]]:
    """Exemplar: the classes most often taken for each other, the lower first; among equals, those given more
    probability by copies that have the other among the likeliest, as far as that is known."""
    mistaken, given = _taken(found)
    return sorted(mistaken, key=lambda key: (-mistaken[key], -given[key], key))[:most]


def _taken(found: Exam) -> tuple[dict[tuple[int, int], int], dict[tuple[int, int], float]]:
    """By pairs of classes of which one is among the likeliest answers to a copy of the other: the copies
    taken for the other, and the sum of the probabilities that it has where it is among them."""
    mistaken: dict[tuple[int, int], int] = {}
    given: dict[tuple[int, int], float] = {}
    for answer, said, best, shares in zip(
        found.answer.tolist(),
        found.said.tolist(),
        found.best.tolist(),
        found.best_shares.tolist(),
        strict=True,
    ):
        for other, share in zip(best, shares, strict=True):
            if other != answer:
                key = (min(answer, other), max(answer, other))
                given[key] = given.get(key, 0.0) + share
                mistaken[key] = mistaken.get(key, 0) + (other == said)
    return mistaken, given
