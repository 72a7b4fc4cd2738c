"""How many names features need: accuracy against the set's own labels, which the probe has not seen."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from sslviz.naming.probe import Floats, Ints, Space, fitted

STEPS = (3, 5, 8, 12, 20, 30, 50, 80, 120, 200)
"""Numbers of names at which the accuracy is measured."""
ASKED = 2_000
"""Images that the accuracy is measured on, at most; of several people half as many each."""
DRAWS = 5


@dataclass(frozen=True, eq=False)
class Truth:
    """The labels that the given names stand for."""

    labels: list[str]
    """L labels, in order: those that a name stands for, or all where fewer than two are."""
    answers: Ints
    """(N,) the label of each image, as a place in `labels`; -1 for another, or none."""
    stands: Mapping[str, int]
    """By name, the label that most of its images have."""


@dataclass(frozen=True, eq=False)
class Worth:
    """Accuracy by the number of names."""

    counts: list[int]
    accuracy: NDArray[np.float64]
    """(len(counts),) in [0, 1], of the images that are not named."""


def truth(labels: Sequence[str | None], given: Mapping[int, str]) -> Truth | None:
    """What the names given to rows stand for, by the labels of these rows; None where all labels are one."""
    votes: dict[str, Counter[str]] = {}
    for row, name in given.items():
        label = labels[row]
        if label is not None:
            votes.setdefault(name, Counter())[label] += 1
    meant = {name: min(found, key=lambda one: (-found[one], one)) for name, found in votes.items()}
    covered = sorted(set(meant.values()))
    known = covered if len(covered) > 1 else sorted({label for label in labels if label is not None})
    if len(known) < 2:
        return None
    place = {label: number for number, label in enumerate(known)}
    answers = np.array([-1 if label is None else place.get(label, -1) for label in labels], np.int64)
    stands = {name: place[label] for name, label in meant.items()} if len(covered) > 1 else {}
    return Truth(known, answers, stands)


def replayed(space: Space, given: Mapping[int, str], against: Truth, *, seed: int = 0) -> Worth:
    """The names that a person gave, (row → name) in their order, as if given anew to these features."""
    rows = np.fromiter(given, np.int64, len(given))
    names = list(given.values())
    known = list(against.stands)
    unseen = np.setdiff1d(np.flatnonzero(against.answers >= 0), rows)
    asked = np.sort(np.random.default_rng(seed).permutation(unseen)[:ASKED])
    # Names that stand for no label are names of the probe all the same; they are never right.
    classes = [*known, *(name for name in dict.fromkeys(names) if name not in against.stands)]
    answers = np.array([classes.index(name) for name in names], np.int64)
    means = np.array([against.stands.get(name, -2) for name in classes], np.int64)
    counts, found = [], []
    mine, others = space.rows(rows), space.rows(asked)
    for count in (*(step for step in STEPS if step < len(rows)), len(rows)):
        if len(asked) and len(set(answers[:count].tolist())) > 1:
            counts.append(count)
            said = _answered(mine[:count], answers[:count], others)
            found.append(float(np.mean(means[said] == against.answers[asked])))
    return Worth(counts, np.array(found))


def simulated(space: Space, against: Truth, *, seed: int = 0, draws: int = DRAWS) -> Worth:
    """Somebody who names random images by the set's labels: the mean of several such people."""
    labelled = np.flatnonzero(against.answers >= 0)
    counts = [step for step in STEPS if step <= len(labelled) // 2]
    found = np.zeros((draws, len(counts)))
    for number in range(draws):
        rows = np.random.default_rng([seed, number]).permutation(labelled)
        known = rows[: max(counts, default=0)]
        asked = np.sort(rows[len(known) :][: ASKED // 2])
        mine, others = space.rows(known), space.rows(asked)
        right = against.answers[asked]
        for place, count in enumerate(counts):
            said = _answered(mine[:count], against.answers[known[:count]], others)
            found[number, place] = np.mean(said == right)
    return Worth(counts, found.mean(0))


def _answered(rows: Floats, answers: Ints, others: Floats) -> Ints:
    """(M,) what a probe that was fitted on `rows` calls the `others`."""
    kinds, numbers = np.unique(answers, return_inverse=True)
    if len(kinds) < 2:
        return np.full(len(others), kinds[0], np.int64)
    fit = fitted(rows, numbers.astype(np.int64), len(kinds))
    found: Ints = kinds[(others @ fit.weights).argmax(1)]
    return found
