"""The options of a task as a form: for each its widget, what it does, and what the paper used.

What was changed lives in the session, and in the address as `options=location~gap=0~jitter=0`, so that a page
that is reloaded, or whose address somebody else opens, shows the same.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import streamlit as st

if TYPE_CHECKING:
    from sslviz.tasks.options import Option

Value = bool | int | float | str


def chosen(task: str) -> dict[str, Value]:
    """The options of `task` that this session has changed from their defaults; asks no torch."""
    return dict(st.session_state.get(f"options_{task}", {}))


def keep(task: str) -> None:
    """Take from the address what it says anew of `task`, and put into it what was changed."""
    asked, seen = st.query_params.get("options", ""), f"options_seen_{task}"
    if asked.partition("~")[0] == task and asked != st.session_state.get(seen):
        st.session_state[f"options_{task}"] = read(asked)
        _forget_widgets(task)
    changed = chosen(task)
    if changed:
        st.query_params["options"] = st.session_state[seen] = said(task, changed)
    else:
        st.query_params.pop("options", None)
        st.session_state.pop(seen, None)


def said(task: str, changed: Mapping[str, Value]) -> str:
    """Options that were changed, as the address has them."""
    pairs = (
        f"{name}={json.dumps(value) if not isinstance(value, str) else value}"
        for name, value in changed.items()
    )
    return "~".join((task, *pairs))


def read(text: str) -> dict[str, Value]:
    """What `said` has written. Whether a task has such options is found out where they are used."""
    found: dict[str, Value] = {}
    for pair in text.split("~")[1:]:
        name, equals, value = pair.partition("=")
        if equals and name:
            found[name] = _value(value)
    return found


def _value(text: str) -> Value:
    try:
        value = json.loads(text)
    except ValueError:
        return text
    return (
        value
        if isinstance(value, bool | int) or (isinstance(value, float) and math.isfinite(value))
        else text
    )


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
    keep(task)
    return changed


def reset(task: str) -> None:
    """Forget what was changed; for a button's `on_click`."""
    _forget_widgets(task)
    st.session_state[f"options_{task}"] = {}


def _forget_widgets(task: str) -> None:
    for key in [k for k in st.session_state if str(k).startswith("option_") and f"_{task}_" in str(k)]:
        del st.session_state[key]


def _widget(option: Option, value: Any, key: str) -> Any:
    """One option. What is drawn first is what was chosen before, on this page or another."""
    label = option.name.replace("_", " ").capitalize()
    if key not in st.session_state:
        st.session_state[key] = fitting(option, value)
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


def fitting(option: Option, value: Any) -> Value:
    """`value`, which an address may have brought, as the option takes it: within its range, of its kind, and
    its default where it makes no sense."""
    default: Value = option.default
    if option.choices or option.type is bool or option.type is str:
        fits = value in option.choices if option.choices else type(value) is option.type
        return value if fits else default
    if isinstance(value, bool) or not isinstance(value, int | float):
        return default
    number = value if option.low is None else max(option.low, value)
    number = number if option.high is None else min(option.high, number)
    return int(number) if option.type is int else float(number)


def _step(option: Option) -> int | float:
    """Of the plus and minus buttons: about a twentieth of the range, 1, 2 or 5 of something."""
    if option.type is int or option.low is None or option.high is None:
        return 1 if option.type is int else 0.1
    rough = (option.high - option.low) / 20
    decade = 10 ** math.floor(math.log10(rough))
    return float(f"{max(n for n in (1, 2, 5) if n * decade <= rough * 1.001) * decade:.1g}")
