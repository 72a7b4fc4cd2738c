"""What is said of a run's figures, and when nothing is."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from sslviz.advice import GUARDS, above_chance, advise
from sslviz.intervals import percent
from sslviz.recipes import RECIPES
from sslviz.runs import Spec, Status

TASKS = list(RECIPES)
CHANCES = {"rotation": 0.25, "exemplar": 0.002, "jigsaw": 1 / 64, "location": 0.125}


def told(
    task: str = "rotation",
    trained: float | None = None,
    options: Any = None,
    plan: Any = None,
    **status: Any,
) -> Any:
    given_ = {"state": "running", "step": 500, "steps": 1000, "chance": CHANCES[task]} | status
    spec = Spec(
        task=task, images="some", options=options or {}, plan={"glance": 500, "look": 400} | (plan or {})
    )
    points = [] if trained is None else [{"step": n, "accuracy": trained} for n in range(5)]
    return advise(spec, Status(**given_), points)


@given(st.sampled_from(list(CHANCES.values())), st.floats(0, 1), st.sampled_from([500, 2000]))
def test_better_than_guessing_is_the_exact_binomial_test(chance: float, accuracy: float, count: int) -> None:
    right = round(accuracy * count)
    tail = stats.binomtest(right, count, chance, alternative="greater").pvalue
    assert above_chance(accuracy, chance, count) == (tail < 0.025 and right > chance * count)


@pytest.mark.parametrize("task", TASKS)
def test_a_network_that_guesses_is_told_so_and_one_that_learns_is_left_alone(task: str) -> None:
    chance = CHANCES[task]
    advice = told(task, heldout_accuracy=chance)
    assert advice.kind == "chance"
    assert "50% of the run" in advice.text
    assert told(task, heldout_accuracy=chance + 0.3, trained=chance + 0.32) is None


def test_nothing_is_said_in_the_first_third_or_where_nothing_is_known() -> None:
    assert told(heldout_accuracy=0.25, step=333) is None
    assert told(heldout_accuracy=0.25, step=334) is not None
    assert told(heldout_accuracy=None) is None
    assert told(heldout_accuracy=0.25, chance=None) is None
    assert told(heldout_accuracy=0.25, steps=0) is None


def test_a_run_of_hardly_any_steps_is_told_so_whatever_its_figures() -> None:
    short = {"steps": 1, "step": 1, "heldout_accuracy": 0.6}
    advice = told(plan={"seconds": 30.0}, **short)
    assert (advice.kind, "1 step fit" in advice.text) == ("short", True)
    assert told(plan={"seconds": 0.0}, **short).kind == "short"  # measuring the machine took all of it
    assert told(plan={"seconds": 30.0}, **short | {"steps": 20, "step": 20}) is None
    assert told(**short) is None  # so many were asked for


def test_the_last_evaluation_asks_more_and_so_sees_more() -> None:
    assert told(heldout_accuracy=0.28).kind == "chance"
    assert told(heldout_accuracy=0.28, state="done", step=1000) is None


@given(st.floats(0, 1), st.floats(0, 1), st.sampled_from(TASKS))
def test_learning_by_heart_is_training_far_above_held_out(trained: float, heldout: float, task: str) -> None:
    advice = told(task, trained, heldout_accuracy=heldout)
    if trained <= heldout + 0.1:
        assert advice is None or "by heart" not in advice.text
    if trained - heldout > 0.5 and above_chance(heldout, CHANCES[task], 500):
        assert advice.kind == "by heart"
        assert f" {percent(heldout)} " in advice.text


def test_what_is_switched_off_is_named() -> None:
    advice = told("rotation", 0.9, {"mirror": False}, heldout_accuracy=0.5)
    assert "switching mirror on again" in advice.text
    assert "switching" not in told("rotation", 0.9, heldout_accuracy=0.5).text


def test_a_strange_learning_rate_is_the_first_suspect() -> None:
    usual = RECIPES["rotation"].lr
    for optimizer in ({}, {"optimizer": RECIPES["rotation"].optimizer}):
        high, low = {"lr": 10 * usual, **optimizer}, {"lr": usual / 100, **optimizer}
        assert "Lower the learning rate" in told(heldout_accuracy=0.25, plan=high).text
        assert "Raise the learning rate" in told(heldout_accuracy=0.25, plan=low).text
    assert "learning rate" not in told(heldout_accuracy=0.25, plan={"lr": usual}).text
    assert "learning rate" not in told(heldout_accuracy=0.25, plan=high | {"optimizer": "sgd"}).text
    assert "learning rate" not in told(heldout_accuracy=0.25, plan=low | {"optimizer": "sgd"}).text


@pytest.mark.parametrize("larger", [1, 4, 16])
def test_the_rate_that_a_plan_gives_a_larger_batch_is_not_strange(larger: int) -> None:
    recipe = RECIPES["rotation"]
    batch = {"batch": larger * recipe.batch}
    planned = recipe.lr * larger**0.5
    assert "learning rate" not in told(heldout_accuracy=0.25, plan=batch | {"lr": planned}).text
    assert "Lower the learning rate" in told(heldout_accuracy=0.25, plan=batch | {"lr": 2.1 * planned}).text


@pytest.mark.parametrize("task", TASKS)
def test_features_no_better_than_before_are_told_where_the_task_goes_well(task: str) -> None:
    figures = {"heldout_accuracy": 0.9, "knn_untrained": 0.3}
    assert told(task, 0.91, knn_accuracy=0.3, **figures).kind == "features"
    assert told(task, 0.91, knn_accuracy=0.4, **figures) is None
    assert told(task, 0.91, **figures) is None
    below = CHANCES[task] + 0.3 * (1 - CHANCES[task])
    assert told(task, below, knn_accuracy=0.3, **figures | {"heldout_accuracy": below}) is None


@pytest.mark.parametrize(("task", "guard"), [(task, name) for task in GUARDS for name in GUARDS[task]])
def test_a_guard_that_is_off_is_suspected(task: str, guard: str) -> None:
    from sslviz.tasks import TASKS as KNOWN
    from sslviz.tasks.options import describe

    (option,) = [one for one in describe(KNOWN[task]) if one.name == guard]
    assert option.default != GUARDS[task][guard]
    options = {guard: GUARDS[task][guard]}
    advice = told(task, 0.91, options, heldout_accuracy=0.9, knn_accuracy=0.3, knn_untrained=0.3)
    assert f"switch {guard.replace('_', ' ')} on again" in advice.text


@given(
    st.sampled_from([*TASKS, "another"]),
    st.sampled_from(["queued", "running", "done", "failed", "lost"]),
    st.lists(st.none() | st.floats(0, 1), min_size=5, max_size=5),
)
def test_it_never_raises_and_speaks_in_sentences(task: str, state: Any, values: list[float | None]) -> None:
    heldout, trained, knn, untrained, chance = values
    status = Status(state=state, step=9, steps=10, heldout_accuracy=heldout, train_accuracy=trained,
                    knn_accuracy=knn, knn_untrained=untrained, chance=chance or None)  # fmt: skip
    advice = advise(Spec(task=task, images="some"), status, [{"step": 1, "accuracy": None}])
    assert advice is None or (advice.text.endswith(".") and advice.text.count(". ") >= 1)


def test_exemplar_is_asked_about_new_copies_and_not_about_other_images() -> None:
    advice = told("exemplar", heldout_accuracy=0.008, trained=0.8)
    assert advice.kind == "by heart"
    assert "0.8% on new copies of the same patches" in advice.text
    assert "others" not in advice.text
    advice = told("exemplar", heldout_accuracy=CHANCES["exemplar"], trained=0.8)
    assert "answers on new copies" in advice.text
    assert "images" not in advice.text.split(".")[0]
