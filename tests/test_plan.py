"""Plan arithmetic."""

from __future__ import annotations

import json
from dataclasses import asdict
from itertools import pairwise

import pytest

from sslviz.plan import Plan, steps_within


def plan(steps: int = 200) -> Plan:
    return Plan(steps=steps, batch=8, lr=0.1, weight_decay=0.01, warmup=0.1)


def test_the_rate_rises_and_falls_over_the_run() -> None:
    rates = [plan().learning_rate(step) for step in range(200)]
    assert all(before < after for before, after in pairwise(rates[:20]))
    assert all(before >= after for before, after in pairwise(rates[20:]))
    assert max(rates) == pytest.approx(0.1, rel=1e-3)
    assert rates[-1] < 0.002
    assert rates[110] == pytest.approx(0.0505, rel=1e-3)  # the middle of the fall


def test_a_rate_that_falls_in_steps_falls_where_the_paper_says() -> None:
    """RotNet: 0.1, 0.02, 0.004 and 0.0008, from epochs 60, 120 and 160 of 200; 100 steps an epoch."""
    published = Plan(
        20_000, 128, 0.1, 5e-4, warmup=0.0, schedule="steps", milestones=(0.3, 0.6, 0.8), gamma=0.2
    )
    for epoch, rate in ((0, 0.1), (59, 0.1), (60, 0.02), (119, 0.02), (120, 0.004), (160, 8e-4), (199, 8e-4)):
        assert published.learning_rate(100 * epoch) == pytest.approx(rate)
        assert published.learning_rate(100 * epoch + 99) == pytest.approx(rate)
    shorter = published.replanned(3_000, 6_000)  # half of what is done, and the falls move with the rest
    assert [round(shorter.learning_rate(step), 5) for step in (3_529, 3_530)] == [0.1, 0.02]
    assert Plan(**json.loads(json.dumps(asdict(published)))) == published


@pytest.mark.parametrize("steps", [1, 2, 3, 10])
def test_short_runs_have_a_rate(steps: int) -> None:
    assert all(0 < plan(steps).learning_rate(step) <= 0.1 for step in range(steps))


@pytest.mark.parametrize(("at", "steps"), [(50, 100), (50, 400), (3, 40)])
def test_a_replan_neither_jumps_nor_ends_early(at: int, steps: int) -> None:
    before, after = plan(), plan().replanned(at, steps)
    assert all(before.progress(step) == after.progress(step) for step in range(at + 1))
    rest = [after.progress(step) for step in range(at, steps + 1)]
    assert rest[-1] == pytest.approx(1.0)
    gaps = [b - a for a, b in pairwise(rest)]
    assert max(gaps) == pytest.approx(min(gaps))
    assert after.steps == steps


def test_replans_add_up() -> None:
    twice = plan().replanned(20, 100).replanned(60, 80)
    assert twice.progress(20) == pytest.approx(0.1)
    assert twice.progress(60) == pytest.approx(0.1 + 0.9 * 40 / 80)
    assert twice.progress(80) == pytest.approx(1.0)


def test_a_plan_is_what_it_was_before_its_later_replans() -> None:
    """As a checkpoint has it that is older than what was written down since; so the rate never goes back."""
    first = plan(1000)
    once = first.replanned(300, 800)
    twice = once.replanned(500, 600)
    assert twice.replans_as_of(once.replans) == once
    assert twice.replans_as_of(()) == once.replans_as_of(()) == first.replans_as_of(()) == first
    again = twice.replans_as_of(once.replans).replanned(350, 900)
    progress = [again.progress(step) for step in range(901)]
    assert progress == sorted(progress)
    assert (progress[0], progress[-1]) == (0.0, 1.0)


def test_a_plan_survives_json() -> None:
    made = plan().replanned(20, 100)
    assert Plan(**json.loads(json.dumps(asdict(made)))) == made


def test_steps_within_a_budget() -> None:
    assert steps_within(60.0, 0.1, 5.0) == 550
    assert steps_within(1.0, 0.1, 5.0) == 1
