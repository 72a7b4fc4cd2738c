"""What a test set of a certain size can tell: intervals of a share, and of the difference of two.

Two classifiers asked about the same images are compared pair by pair: images that both tell, or neither,
say nothing about which is better, so the difference is known far better than either share. Where an image is
asked about several times, its answers are alike: then each image has a share of right answers, and it is
images that are counted.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Z = 1.96
"""Standard deviations on either side that hold 95% of a normal distribution."""
LEVEL = 0.95
HALVINGS = 50
ALIKE = 1e-9
"""Shares closer than this are the same, and what lies between them is how sums are rounded."""


def percent(share: float) -> str:
    """A share as people read it, in [0, 1]: tenths of a per cent, rounded as browsers round them, and two
    digits of what is less than one, for one in two thousand is not a tenth of a per cent."""
    if 0 < share < 0.01:
        return f"{100 * share:.2g}%"
    tenths = math.floor(1000 * share + 0.5 + 1e-9)
    return f"{tenths / 10:.1f}".removesuffix(".0") + "%"


@dataclass(frozen=True)
class Comparison:
    """Two classifiers, asked about the same queries."""

    queries: int
    difference: float
    """Accuracy of the first less that of the second, in [-1, 1]."""
    low: float
    high: float
    """The 95% interval of `difference`."""
    chance: float
    """Probability of a difference this large or larger between two that are equally good, in [0, 1]."""

    @property
    def told_apart(self) -> bool:
        """Zero is outside the interval."""
        return self.low > 0 or self.high < 0


def chance_of_labels(known: NDArray[np.int64], asked: NDArray[np.int64], classes: int) -> float:
    """What somebody gets who has seen no image of `asked`, (Q,) labels in [0, C): by always saying what is
    commonest in `known`, (N,), or any of several such, or where that is more, by guessing: 1 / C.
    """
    if not len(asked):
        return 1 / classes
    counts, shares = np.bincount(known, minlength=classes), np.bincount(asked, minlength=classes) / len(asked)
    return max(1 / classes, float(shares[counts == counts.max()].mean()))


def wilson(share: float, count: int, z: float = Z) -> list[float]:
    """Wilson's 95% interval of a share seen on `count` trials: [low, high]."""
    if count == 0:
        return [0.0, 1.0]
    middle = (share + z * z / (2 * count)) / (1 + z * z / count)
    half = z / (1 + z * z / count) * math.sqrt(share * (1 - share) / count + z * z / (4 * count * count))
    return [max(0.0, middle - half), min(1.0, middle + half)]


def wilson_of_difference(difference: float, count: int) -> list[float]:
    """Wilson's interval of what is from -1 to 1, seen alike on `count` images: [low, high]."""
    low, high = wilson((difference + 1) / 2, count)
    return [2 * low - 1, 2 * high - 1]


def compare(
    first: Sequence[bool] | NDArray[np.bool_], second: Sequence[bool] | NDArray[np.bool_], z: float = Z
) -> Comparison:
    """Whether the first classifier is better than the second: bool (Q,) each, which queries it got right.

    The interval is Tango's score interval (Statistics in Medicine 17, 1998), right even where the two seldom
    disagree; the chance is McNemar's with the mid-p correction (Fagerland et al. 2013). With no queries
    nothing is known: [-1, 1], and a chance of 1.
    """
    one, other = np.asarray(first, bool), np.asarray(second, bool)
    assert one.shape == other.shape
    assert one.ndim == 1
    better, worse, queries = int((one & ~other).sum()), int((~one & other).sum()), len(one)
    low, high = tango(better, worse, queries, z)
    return Comparison(
        queries, (better - worse) / max(queries, 1), low, high, chance_of(min(better, worse), better + worse)
    )


def tango(better: int, worse: int, queries: int, z: float = Z) -> tuple[float, float]:
    """(low, high) of the difference, where on `better` queries only the first is right and on `worse` only
    the second: all differences that a score test would not reject."""
    if queries == 0:
        return -1.0, 1.0
    seen = (better - worse) / queries

    def rejected(difference: float) -> bool:
        # The likeliest share of `worse` under this difference, from its quadratic equation.
        linear = -better - worse + (2 * queries - better + worse) * difference
        constant = -worse * difference * (1 - difference)
        root = math.sqrt(max(0.0, linear**2 - 8 * queries * constant))
        share = (root - linear) / (4 * queries)
        variance = queries * (2 * share + difference * (1 - difference))
        away = abs(better - worse - queries * difference)
        return away > z * math.sqrt(max(0.0, variance))

    ends = []
    for end in (-1.0, 1.0):
        inside, outside = seen, end
        if not rejected(end):
            inside = end
        for _ in range(HALVINGS):
            middle = (inside + outside) / 2
            inside, outside = (inside, middle) if rejected(middle) else (middle, outside)
        ends.append(inside)
    return ends[0], ends[1]


def students(degrees: int) -> float:
    """Standard errors on either side that hold 95% of Student's t with so many degrees of freedom, at least
    one; without scipy, for pages that read what was found and wait for nothing."""
    assert degrees >= 1

    def held(angle: float) -> float:
        # Abramowitz and Stegun, 26.7.3 and 26.7.4, of t = sqrt(degrees) tan(angle).
        square, odd = math.cos(angle) ** 2, degrees % 2
        term = math.cos(angle) if odd else 1.0
        total = 0.0
        for power in range(odd, degrees - 1, 2):
            total += term
            term *= square * (power + 1) / (power + 2)
        within = math.sin(angle) * total
        return 2 / math.pi * (angle + within) if odd else within

    low, high = 0.0, math.pi / 2
    for _ in range(HALVINGS):
        middle = (low + high) / 2
        low, high = (middle, high) if held(middle) < LEVEL else (low, middle)
    return math.sqrt(degrees) * math.tan(low)


def of_mean(shares: NDArray[np.float64]) -> list[float]:
    """The 95% interval of the mean of shares in [0, 1], one an image: [low, high], by Student's t; Wilson's
    where all are the same, from which no spread can be told."""
    from scipy.stats import ttest_1samp

    if not len(shares) or np.ptp(shares) < ALIKE:
        return wilson(float(shares[0]) if len(shares) else 0.0, len(shares))
    low, high = ttest_1samp(shares, 0.0).confidence_interval(0.95)
    return [max(0.0, float(low)), min(1.0, float(high))]


def compare_means(first: NDArray[np.float64], second: NDArray[np.float64]) -> Comparison:
    """Whether the first is ahead of the second: float (Q,) in [0, 1] each, what they have of every image.

    The interval and the chance are those of Student's t for paired samples. Where all differ by as much, no
    spread can be told, and they are Wilson's, of a share that goes from -1 to 1. With fewer than two images
    nothing is known: [-1, 1], and a chance of 1.
    """
    from scipy.stats import ttest_1samp

    assert first.shape == second.shape
    assert first.ndim == 1
    away = first - second
    if len(away) < 2:
        return Comparison(len(away), float(away.sum()), -1.0, 1.0, 1.0)
    mean = float(away.mean())
    if np.ptp(away) < ALIKE:
        low, high = wilson_of_difference(mean, len(away))
        # The score test that Wilson's interval inverts: a share of (mean + 1) / 2 against one half.
        return Comparison(len(away), mean, low, high, math.erfc(abs(mean) * math.sqrt(len(away) / 2)))
    told = ttest_1samp(away, 0.0)
    low, high = told.confidence_interval(0.95)
    return Comparison(len(away), mean, max(-1.0, float(low)), min(1.0, float(high)), float(told.pvalue))


def chance_of(fewer: int, both: int) -> float:
    """Mid-p of McNemar's exact test, two-sided: the two disagreed on `both` queries, and the one that was
    right less often was so on `fewer` of them."""
    below = sum(math.comb(both, count) for count in range(fewer))
    # Twice what is below, and what is there once: whole numbers, exact however many there are.
    return float(min(1.0, (2 * below + math.comb(both, fewer)) / 2**both))


def smallest_difference(queries: int, share: float, disagreeing: float | None = None) -> float:
    """The difference in accuracy, in [0, 1], below which two classifiers that are right on about `share` of
    this many queries are not told apart: 95% intervals around anything less hold zero.

    `disagreeing` is the share of queries on which just one of the two is right; by default as of two that
    err independently, 2 p (1 - p), which is more than of two that see the same images with like eyes: what
    is said is then a little too large, never too small. Rounded up to whole queries; 1 where no number of
    them would do.
    """
    assert 0 <= share <= 1
    often = 2 * share * (1 - share) if disagreeing is None else disagreeing
    # Of d queries' difference among n that disagree, McNemar's test rejects where d² > z² n, and d ≤ n.
    needed = max(Z * math.sqrt(often * queries), Z * Z)
    return min(1.0, math.ceil(needed) / queries) if queries else 1.0
