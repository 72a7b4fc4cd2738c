"""Intervals: how often they hold the truth, counted over everything that can be seen."""

from __future__ import annotations

import math
from collections.abc import Iterator

import numpy as np
import pytest
from scipy.optimize import minimize_scalar
from scipy.stats import binom, binomtest, multinomial, t

from sslviz import intervals, probes
from sslviz.intervals import chance_of, compare, smallest_difference, tango, wilson


def tables(queries: int, better: float, worse: float) -> Iterator[tuple[int, int, float]]:
    """Every (better, worse) that can be seen, with its probability, but for the most unlikely."""
    likely = []
    for first in range(queries + 1):
        if binom.pmf(first, queries, better) < 1e-9:
            continue
        second = np.arange(queries - first + 1)
        counts = np.stack([np.full_like(second, first), second, queries - first - second], axis=1)
        chances = multinomial.pmf(counts, queries, [better, worse, 1 - better - worse])
        likely += [(first, int(n), float(p)) for n, p in zip(second, chances, strict=True) if p > 1e-9]
    return iter(likely)


@pytest.mark.parametrize("share", [0.0, 0.1, 0.35, 0.5, 0.9, 1.0])
@pytest.mark.parametrize("count", [5, 40, 400])
def test_wilsons_intervals_hold_the_share_as_often_as_they_say(share: float, count: int) -> None:
    right = np.arange(count + 1)
    holds = [low - 1e-12 <= share <= high + 1e-12 for low, high in (wilson(n / count, count) for n in right)]
    assert (binom.pmf(right, count, share) * holds).sum() > 0.9


def test_wilsons_interval_is_where_the_score_test_ends() -> None:
    for right, count in ((0, 10), (3, 10), (50, 100), (400, 400)):
        for end in wilson(right / count, count):
            if 0 < end < 1:
                assert abs(right / count - end) == pytest.approx(1.96 * math.sqrt(end * (1 - end) / count))
    assert wilson(0.5, 0) == [0.0, 1.0]
    assert probes.wilson is wilson


CASES = [(40, 0.1, 0.1), (40, 0.3, 0.05), (60, 0.02, 0.02), (60, 0.4, 0.2)]
MORE = [(200, 0.05, 0.05), (200, 0.15, 0.1), (400, 0.02, 0.005), (400, 0.3, 0.25)]


@pytest.mark.parametrize(
    ("queries", "better", "worse"), [*CASES, *(pytest.param(*case, marks=pytest.mark.slow) for case in MORE)]
)
def test_differences_are_held_as_often_as_is_said(queries: int, better: float, worse: float) -> None:
    held = all_ = 0.0
    for first, second, probability in tables(queries, better, worse):
        low, high = tango(first, second, queries)
        all_ += probability
        held += probability * (low - 1e-9 <= better - worse <= high + 1e-9)
    assert all_ > 0.9999
    assert 0.935 < held < 0.985


def test_the_interval_is_where_the_score_test_by_plain_maximisation_ends() -> None:
    def score(better: int, worse: int, queries: int, difference: float) -> float:
        """Of a difference, the other parameter being sought as what makes the counts likeliest."""

        def unlikely(share: float) -> float:
            chances = np.array([share + difference, share, 1 - 2 * share - difference])
            counts = np.array([better, worse, queries - better - worse])
            return -float(np.sum(counts * np.log(np.maximum(chances, 1e-300))))

        bounds = max(0.0, -difference), (1 - difference) / 2
        share = minimize_scalar(unlikely, bounds=bounds, method="bounded", options={"xatol": 1e-12}).x
        return (better - worse - queries * difference) / math.sqrt(
            queries * (2 * share + difference - difference**2)
        )

    for better, worse, queries in ((12, 5, 60), (3, 1, 25), (80, 95, 400), (9, 0, 30)):
        low, high = tango(better, worse, queries)
        assert score(better, worse, queries, low) == pytest.approx(1.96, abs=2e-3)
        assert score(better, worse, queries, high) == pytest.approx(-1.96, abs=2e-3)
        assert low < (better - worse) / queries < high


def test_intervals_of_differences_at_the_edges() -> None:
    for queries in (1, 7, 400):
        low, high = tango(0, 0, queries)  # they never disagree: how far they may by chance
        assert (-low, high) == pytest.approx((1.96**2 / (queries + 1.96**2),) * 2)
        assert tango(queries, 0, queries)[1] == 1.0
    for better, worse, queries in ((12, 5, 60), (0, 4, 25), (30, 30, 60)):
        low, high = tango(better, worse, queries)
        assert tango(worse, better, queries) == pytest.approx((-high, -low))
    assert tango(0, 0, 0) == (-1.0, 1.0)


@pytest.mark.parametrize(("fewer", "both"), [(0, 1), (0, 6), (3, 17), (8, 17), (40, 120), (700, 1500)])
def test_the_chance_is_mcnemars_less_half_of_what_was_seen(fewer: int, both: int) -> None:
    exact = binomtest(fewer, both).pvalue
    assert chance_of(fewer, both) == pytest.approx(exact - binom.pmf(fewer, both, 0.5), abs=1e-12)


@pytest.mark.parametrize("disagreeing", [0.1, 0.4])
def test_equal_classifiers_are_seldom_told_apart(disagreeing: float) -> None:
    half = disagreeing / 2
    wrongly = sum(
        probability
        for better, worse, probability in tables(50, half, half)
        if chance_of(min(better, worse), better + worse) < 0.05
    )
    assert wrongly < 0.052
    assert chance_of(0, 0) == chance_of(25, 50) == 1.0


def test_a_comparison_counts_only_where_they_differ() -> None:
    first = np.array([True] * 50 + [True] * 14 + [False] * 3 + [False] * 33)
    second = np.array([True] * 50 + [False] * 14 + [True] * 3 + [False] * 33)
    found = compare(first, second)
    assert (found.queries, found.difference) == (100, pytest.approx(0.11))
    assert (found.low, found.high) == tango(14, 3, 100)
    assert found.chance == chance_of(3, 17)
    assert found.told_apart
    other = compare(second.tolist(), first.tolist())
    assert (other.difference, other.low, other.high) == pytest.approx((-0.11, -found.high, -found.low))
    assert other.told_apart
    assert not compare(first, first).told_apart
    assert compare([], []) == intervals.Comparison(0, 0.0, -1.0, 1.0, 1.0)
    apart = wilson(0.64, 100)[0] > wilson(0.53, 100)[1]
    assert not apart, "the intervals of the shares overlap, though the difference is beyond doubt"


@pytest.mark.parametrize("queries", [10, 100, 400, 3000])
@pytest.mark.parametrize("share", [0.1, 0.5, 0.95])
def test_a_smaller_difference_is_not_told_and_this_one_is(queries: int, share: float) -> None:
    least = smallest_difference(queries, share)
    images = round(least * queries)
    assert least == pytest.approx(images / queries), "whole queries"
    both = max(images, round(2 * share * (1 - share) * queries))

    def told(difference: int) -> bool:
        worse = (both - difference) // 2
        low, _ = tango(both - worse, worse, queries)
        return low > 0

    assert not told(images - 2)
    assert told(images + 1)


def test_the_smallest_difference_in_round_numbers() -> None:
    assert smallest_difference(400, 0.5) == pytest.approx(0.07, abs=0.002)
    assert smallest_difference(10_000, 0.5) == pytest.approx(0.014, abs=0.001)
    assert smallest_difference(400, 0.5, disagreeing=0.1) == pytest.approx(0.032, abs=0.002)
    assert smallest_difference(400, 1.0) == 4 / 400
    assert smallest_difference(2, 0.5) == 1.0
    assert smallest_difference(0, 0.5) == 1.0


def test_the_mean_of_shares_lies_in_its_interval_as_often_as_is_said() -> None:
    """Some images are easy and others hard, and each is asked about eight times: its answers are alike, so
    that counting answers would promise too much."""
    draw = np.random.default_rng(0)
    inside = narrow = 0
    for _ in range(1000):
        shares = draw.binomial(8, draw.beta(2, 3, 60)) / 8
        low, high = intervals.of_mean(shares)
        inside += low <= 0.4 <= high
        few, many = intervals.wilson(float(shares.mean()), 8 * 60)
        narrow += few <= 0.4 <= many
    assert 930 <= inside <= 970
    assert narrow < 900


def test_means_of_two_images_are_compared_by_cauchys_distribution() -> None:
    """Which Student's is for two: half of the interval is tan(0.475 π) times the error of the mean."""
    first, second = np.array([0.9, 0.7]), np.array([0.5, 0.26])
    found = intervals.compare_means(first, second)
    error, mean = (0.44 - 0.40) / 2, 0.42
    half = math.tan(0.475 * math.pi) * error
    assert (found.difference, found.low, found.high) == pytest.approx((mean, mean - half, mean + half))
    assert found.chance == pytest.approx(1 - 2 * math.atan(mean / error) / math.pi)
    assert intervals.compare_means(second, first).high == pytest.approx(-found.low)


def test_students_quantiles_are_scipys() -> None:
    for degrees in [*range(1, 60), 100, 399, 2000]:
        assert intervals.students(degrees) == pytest.approx(t.ppf(0.975, degrees), rel=1e-9)


def test_what_two_share_is_no_noise_to_their_difference() -> None:
    draw = np.random.default_rng(1)
    hard = draw.random(60)
    first, second = hard + 0.02 * draw.random(60), hard
    (low, high), (lower, higher) = intervals.of_mean(first), intervals.of_mean(second)
    assert low < higher
    assert lower < high
    assert intervals.compare_means(first, second).told_apart
    assert not intervals.compare_means(first, draw.permutation(second)).told_apart


def test_of_hardly_any_images_hardly_anything_is_known() -> None:
    assert intervals.of_mean(np.zeros(0)) == [0.0, 1.0]
    assert intervals.of_mean(np.ones(5)) == intervals.wilson(1.0, 5)
    assert intervals.of_mean(np.array([0.0, 1.0])) == [0.0, 1.0]
    for count in (0, 1):
        assert intervals.compare_means(np.ones(count), np.zeros(count)).low == -1
    # All differ by as much, which two images may by luck and forty do not.
    assert not intervals.compare_means(np.ones(2), np.full(2, 0.5)).told_apart
    assert intervals.compare_means(np.ones(40), np.full(40, 0.5)).told_apart
    for count in range(2, 60):
        found = intervals.compare_means(np.full(count, 0.7), np.full(count, 0.4))
        assert found.low < found.difference < found.high
        assert found.told_apart == (found.chance < 0.05)
    same = intervals.compare_means(np.full(4, 0.5), np.full(4, 0.5))
    assert not same.told_apart
    assert same.chance == 1
