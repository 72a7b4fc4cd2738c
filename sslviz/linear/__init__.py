"""A linear probe: multinomial logistic regression with an L2 penalty, on features as they are.

Arrays go in and come out as numpy, and torch is imported only where weights are sought.

Letters in shapes: N images, D features, C classes.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from sslviz.errors import UserError

Floats = NDArray[np.float32]
Doubles = NDArray[np.float64]
Ints = NDArray[np.int64]

PENALTY = 10.0
"""On average the best, or within half a point of it, for 10 to 1,600 images and features of four tasks'
networks, 128 to 512 of them. More of them want more: see `usual`."""
NARROW = 512
"""Features up to which `PENALTY` is the usual one."""
ENOUGH_TO_GROW = 200
"""Labelled images from which the usual penalty of more features has grown to its full: of 50, pixels and
blocks side by side gain nothing by a penalty above 30."""
PENALTIES = (10_000.0, 3_000.0, 1_000.0, 300.0, 100.0, 30.0, 10.0, 3.0, 1.0, 0.3)
"""3,072 pixels want 1,000 to 10,000, blocks of networks 1 to 100."""
ENOUGH_TO_CHOOSE = 1_500
"""Labelled images from which a held-out fifth chooses a penalty better than `PENALTY` is: at 1,000 the choice
cost half a point, at 1,600 it gained as much."""
ENOUGH_TO_JUDGE = 100
"""Images held out, with fewer of which the choice would be noise: of classes of up to two images none are."""
WORSE = 0.01
"""Share that two penalties in a row must tell less than the best before weaker ones are left untried: they
take longest, most of all of many features, and what has been lost by then does not come back."""
CHOOSING = 10_000
"""Images that a penalty is chosen on, at most, so that choosing costs about what one fit of many costs."""
PART = 4096
"""Rows asked about together."""


@dataclass(frozen=True)
class Probe:
    """A linear classifier of features as they come: they are not to be standardised before."""

    weights: Doubles
    """(D, C), zero for classes of which there was no image."""
    bias: Doubles
    """(C,), minus infinity for classes of which there was no image."""
    penalty: float
    """λ of `fit`."""

    def logits(self, features: Floats) -> Floats:
        """(N, D) → float32 (N, C), minus infinity for classes of which there was no image."""
        found = np.empty((len(features), len(self.bias)), np.float32)
        for start in range(0, len(features), PART):
            part = slice(start, start + PART)  # in double precision, since columns may be far from zero
            found[part] = features[part].astype(np.float64) @ self.weights + self.bias
        return found

    def predict(self, features: Floats) -> Ints:
        """(N, D) → the likeliest class of each, int64 (N,); a tie goes to the lower."""
        likeliest: Ints = self.logits(features).argmax(axis=1).astype(np.int64)
        return likeliest

    def probabilities(self, features: Floats) -> Floats:
        """(N, D) → float32 (N, C), rows that sum to 1; 0 for classes of which there was no image."""
        logits = self.logits(features)
        odds = np.exp(logits - logits.max(axis=1, keepdims=True))
        shares: Floats = odds / odds.sum(axis=1, keepdims=True)
        return shares


def usual(count: int, width: int) -> float:
    """The penalty where none can be chosen, for so many labelled images and features: `PENALTY` up to 512
    features; beyond, by the square of their number, as far as there are the images to make use of it.

    For 3,072 pixels of photographs that is 360 from 200 images on: 2 to 6 points better than `PENALTY`, and
    1 to 2 below the best. Choosing by cross-validation in three parts was worse of 50 images, no better of
    200, up to 2 better of 600 photographs, and took several times as long.
    """
    return PENALTY * max(1.0, (width / NARROW) ** 2 * min(1.0, count / ENOUGH_TO_GROW))


def fit(features: Floats, labels: Ints, classes: int, *, penalty: float = PENALTY) -> Probe:
    """The probe with the least sum of the images' cross-entropies plus λ/2 times the sum of the squared
    weights, of features whose columns are given mean 0 and variance 1 over these images.

    features (N, D); labels int64 (N,) in [0, C), -1 where there is none, whose rows are left out. `penalty`
    is λ > 0: it is scikit-learn's `LogisticRegression(C=1 / λ)`. As there, biases are free, and of two
    classes the difference of their weights is what is penalised. Constant columns count for nothing; a class
    without images is never predicted. Raises `UserError` where there are no two classes to tell apart, or a
    feature is not a finite number.
    """
    from sslviz.linear import fitting

    assert features.ndim == 2
    assert labels.shape == features.shape[:1], f"{labels.shape} against {features.shape}"
    assert labels.max(initial=-1) < classes
    assert penalty > 0
    rows, answers, present = _labelled(features, labels)
    ((weights, bias),) = fitting.path(rows, answers, len(present), [penalty])
    return _probe(weights, bias, present, classes, penalty)


def chosen(
    features: Floats, labels: Ints, classes: int, *, penalties: Sequence[float] = PENALTIES, seed: int = 0
) -> Probe:
    """The probe of `fit` with the penalty that tells most of a held-out fifth, alike within each class, of at
    most 10,000 of the images; a tie goes to the strongest.

    With fewer than 1,500 labelled images, or fewer than 100 held out, the choice would be noise, and the
    penalty is the `usual` one. Weaker penalties than two that tell clearly less are not tried.
    """
    from sslviz.linear import fitting

    rows = np.flatnonzero(labels >= 0)
    default = usual(len(rows), features.shape[1])
    if len(rows) < ENOUGH_TO_CHOOSE:
        return fit(features, labels, classes, penalty=default)
    learned, judged = _split(labels, rows, np.random.default_rng(seed))
    if len(judged) < ENOUGH_TO_JUDGE:
        return fit(features, labels, classes, penalty=default)
    shown, answers, present = _labelled(features[learned], labels[learned])
    asked, truth = features[judged], labels[judged]
    ordered = sorted(penalties, reverse=True)
    shares: list[float] = []

    def ended(weights: Doubles, bias: Doubles) -> bool:
        predicted = _probe(weights, bias, present, classes, ordered[len(shares)]).predict(asked)
        shares.append(float(np.mean(predicted == truth)))
        return len(shares) > 2 and max(shares[-2:]) <= max(shares) - WORSE

    fitting.path(shown, answers, len(present), ordered, ended)
    return fit(features, labels, classes, penalty=ordered[int(np.argmax(shares))])


def cross_validated(features: Floats, labels: Ints, classes: int, *, folds: int = 5) -> Ints:
    """(N, D) → int64 (N,): of each image what a probe says that has learned from the other parts, of as many
    as `folds`, drawn with seed 0, with the `usual` penalty. Where these are all of one class, that class."""
    part = np.random.default_rng(0).permutation(len(features)) % folds
    told: Ints = np.zeros(len(features), np.int64)
    for fold in np.unique(part):
        known, asked = part != fold, part == fold
        present = np.unique(labels[known])
        if len(present) > 1:
            penalty = usual(int(known.sum()), features.shape[1])
            probe = fit(features[known], labels[known], classes, penalty=penalty)
            told[asked] = probe.predict(features[asked])
        elif len(present):
            told[asked] = present[0]
    return told


def _split(labels: Ints, rows: Ints, draw: np.random.Generator) -> tuple[Ints, Ints]:
    """(rows to learn from, rows to judge by), four to one in each class; an only one is learned from."""
    share = min(1.0, CHOOSING / len(rows))
    learned, judged = [], []
    for label in np.unique(labels[rows]):
        mixed = draw.permutation(rows[labels[rows] == label])
        mixed = mixed[: max(1, round(share * len(mixed)))]
        cut = round(len(mixed) / 5)
        judged.append(mixed[:cut])
        learned.append(mixed[cut:])
    return np.sort(np.concatenate(learned)), np.sort(np.concatenate(judged))


def _labelled(features: Floats, labels: Ints) -> tuple[Floats, Ints, Ints]:
    """(rows with a label, which of the present classes each is of, the present classes)."""
    known = labels >= 0
    present, answers = np.unique(labels[known], return_inverse=True)
    if len(present) < 2:
        said = "are all of one class" if len(present) else "have no labels"
        raise UserError(
            f"The images to learn from {said}, so there is nothing to tell apart.",
            "Give labelled images of two classes at least.",
        )
    return features if known.all() else features[known], answers.astype(np.int64), present


def _probe(weights: Doubles, bias: Doubles, present: Ints, classes: int, penalty: float) -> Probe:
    """From weights (P, D) and bias (P,) of the present classes to those of all."""
    everywhere = np.zeros((weights.shape[1], classes))
    everywhere[:, present] = weights.T
    shifts = np.full(classes, -np.inf)
    shifts[present] = bias
    return Probe(everywhere, shifts, penalty)
