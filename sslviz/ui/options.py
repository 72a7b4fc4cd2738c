"""The options of a task as a form: for each its widget, what it does, and what the paper used."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import streamlit as st

if TYPE_CHECKING:
    from sslviz.tasks.options import Option

Value = bool | int | float | str


def chosen(task: str) -> dict[str, Value]:
    """The options of `task` that this session has changed from their defaults; asks no torch."""
    return dict(st.session_state.get(f"options_{task}", {}))


def form(task: str, place: str) -> dict[str, Value]:
    """Draw the form; returns the options that differ from their defaults.

    Raises `UserError` for values that make no sense together.
    """
    from sslviz.options import make_task
    from sslviz.tasks import TASKS
    from sslviz.tasks.options import describe

    before = chosen(task)
    changed: dict[str, Value] = {}
    cells = st.grid(3, min_column_width=240, gap="medium")
    for option in describe(TASKS[task]):
        with cells.cell():
            value = _widget(
                option, before.get(option.name, option.default), f"option_{place}_{task}_{option.name}"
            )
            st.caption(option.doc + (f"  \n*Paper: {option.paper}*" if option.paper else ""))
        if value is not None and value != option.default:
            changed[option.name] = value
    make_task(task, changed)  # says what is wrong with them
    st.session_state[f"options_{task}"] = changed
    return changed


def reset(task: str) -> None:
    """Forget what was changed; for a button's `on_click`."""
    for key in [k for k in st.session_state if str(k).startswith("option_") and f"_{task}_" in str(k)]:
        del st.session_state[key]
    st.session_state.pop(f"options_{task}", None)


def _widget(option: Option, value: Any, key: str) -> Any:
    """One option. What is drawn first is what was chosen before, on this page or another."""
    label = option.name.replace("_", " ").capitalize()
    if key not in st.session_state:
        st.session_state[key] = value
    if option.type is bool:
        return st.toggle(label, key=key)
    if option.choices:
        return st.selectbox(label, option.choices, key=key)
    if option.type is str:
        return st.text_input(label, key=key)
    kind: Any = option.type
    low = None if option.low is None else kind(option.low)
    high = None if option.high is None else kind(option.high)
    return st.number_input(
        label,
        min_value=low,
        max_value=high,
        step=_step(option),
        format="%d" if kind is int else "%.3g",
        key=key,
    )


def _step(option: Option) -> int | float:
    """Of the plus and minus buttons: about a twentieth of the range, 1, 2 or 5 of something."""
    if option.type is int or option.low is None or option.high is None:
        return 1 if option.type is int else 0.1
    rough = (option.high - option.low) / 20
    decade = 10 ** math.floor(math.log10(rough))
    return float(f"{max(n for n in (1, 2, 5) if n * decade <= rough * 1.001) * decade:.1g}")
