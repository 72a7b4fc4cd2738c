"""Whose features: one of the runs that have weights, the bundled encoders among them."""

from __future__ import annotations

from collections.abc import Sequence

import streamlit as st

from sslviz import runs
from sslviz.errors import UserError
from sslviz.runs import Run
from sslviz.ui import frame, pictures, words


def choose(found: Sequence[Run], named: str) -> Run | None:
    """The page's title, `named`, and beside it the run: that in the address, else the newest with weights.

    None, with words in its place, where there is no such run.
    """
    title, beside = st.columns([2, 3], vertical_alignment="bottom")
    title.title(named)
    usable = with_weights(found)
    asked = st.query_params.get("run")
    if usable:
        st.session_state["map_run"] = asked if asked in usable else None if asked else next(iter(usable))
        beside.selectbox(
            "Run",
            list(usable),
            key="map_run",
            on_change=_chosen,
            format_func=lambda id_: _words(usable[id_]),
            placeholder="Choose a run",
        )
    if asked is not None and asked not in usable:
        frame.problem(_unusable(asked))
        st.page_link("pages/runs.py", label="See all runs", icon=":material/list_alt:")
    elif not usable:
        frame.nothing(
            "No network has been trained yet.", "A minute is enough for a first one.", "train", "Train one"
        )
    return usable.get(asked) if asked else next(iter(usable.values()), None)


def _chosen() -> None:
    if st.session_state["map_run"] is not None:
        st.query_params["run"] = st.session_state["map_run"]


def _unusable(asked: str) -> UserError:
    try:
        run = runs.open_run(frame.workspace(), asked)
    except UserError as unknown:
        return UserError(unknown.message, "It may have been deleted; choose another one.")
    if run.status().finished_state:
        return UserError(f"Run {run.id} ended before it had learned anything.", "Choose another one.")
    return UserError(f"Run {run.id} has no weights yet.", "Wait until it has trained for some seconds.")


def with_weights(found: Sequence[Run]) -> dict[str, Run]:
    """By id, in their order, the runs that there is something to look at of."""
    return {run.id: run for run in found if not run.damage and next(run.checkpoints(), None) is not None}


def others(run: Run) -> dict[str, Run]:
    """The same of all runs but one: those that it can be put beside."""
    return {id_: one for id_, one in with_weights(runs.listing(frame.workspace())).items() if id_ != run.id}


def _words(run: Run) -> str:
    if run.bundled:
        return f"{pictures.name_of(words.name(run))} ({words.whence(run)})"
    return f"{pictures.name_of(words.name(run))} · {run.id}"
