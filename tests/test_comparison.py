"""The settings in which runs differ."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from sslviz.comparison import apart, called, differing, said
from sslviz.runs import Run, Spec


def a_run(number: int, **spec: Any) -> Run:
    return Run(Path(f"/nowhere/{number:012d}"), Spec(**{"task": "rotation", "images": "some"} | spec))


@given(
    st.lists(
        st.fixed_dictionaries({"seed": st.integers(0, 2), "size": st.none() | st.integers(16, 18)}),
        min_size=1,
    )
)
def test_a_setting_is_shown_exactly_where_it_is_not_the_same(specs: list[dict[str, Any]]) -> None:
    told = differing([a_run(n, **spec) for n, spec in enumerate(specs)])
    expected = {name for name in ("seed", "size") if len({spec[name] for spec in specs}) > 1}
    assert set(told) == expected
    for name in expected:
        assert told[name] == [spec[name] for spec in specs]


def test_what_the_plan_fixed_counts_and_not_what_was_left_open() -> None:
    one = a_run(1, plan={"lr": 0.003, "batch": 32, "precision": "bf16"})
    other = a_run(2, lr=0.003, batch=64)
    assert differing([one, other]) == {"batch": [32, 64], "precision": ["bf16", None], "squares": [1, None]}


def test_an_option_that_was_left_alone_is_its_default_and_no_option_of_another_task() -> None:
    found = [
        a_run(1, task="jigsaw", options={"permutations": 32}),
        a_run(2, task="jigsaw"),
        a_run(3, task="rotation"),
    ]
    assert differing(found)["permutations"] == [32, "default", None]
    assert differing(found[:1]) == {}


def test_minutes_and_steps_are_one_setting() -> None:
    found = [a_run(1, minutes=2.0), a_run(2, steps=1500), a_run(3), a_run(4, like="0" * 12)]
    assert differing(found) == {"budget": ["2 min", "1,500 steps", "1 min", f"like {'0' * 12}"]}


def test_runs_of_one_name_are_told_apart() -> None:
    found = [a_run(1, seed=1), a_run(2, seed=2), a_run(3), a_run(4)]
    assert apart(found, ["a", "a", "b", "b"]) == ["a · seed 1", "a · seed 2", "b · 0003", "b · 0004"]
    assert apart(found, ["a", "b", "c", "d"]) == ["a", "b", "c", "d"]


def test_settings_in_words() -> None:
    assert [said(value) for value in (None, True, 0.0030, 64, "bf16")] == ["–", "on", "0.003", "64", "bf16"]
    assert (called("lr"), called("colour_guard")) == ("Learning rate", "Colour guard")
