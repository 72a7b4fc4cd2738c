"""Whose embeddings: one of the runs that have weights, the bundled encoders among them."""

from __future__ import annotations

from collections.abc import Sequence

import streamlit as st

from sslviz import runs
from sslviz.errors import UserError
from sslviz.runs import Run
from sslviz.ui import frame, pictures


def choose(found: Sequence[Run]) -> Run | None:
    """The run in the address, else the newest with weights; None with words where there is none to show."""
    usable = {run.id: run for run in found if _has_weights(run)}
    if not usable:
        frame.nothing(
            "No network has been trained yet.", "One minute is enough for a first one.", "train", "Train one"
        )
        return None
    asked = st.query_params.get("run")
    if asked is not None and asked not in usable:
        try:
            named = runs.open_run(frame.workspace(), asked)
            error = UserError(
                f"Run {named.id} has no weights yet.", "Wait until it has trained for some seconds."
            )
        except UserError as unknown:
            error = UserError(unknown.message, "It may have been deleted; choose another one below.")
        frame.problem(error)
        st.page_link("pages/runs.py", label="See all runs", icon=":material/list_alt:")
    st.session_state["map_run"] = asked if asked in usable or asked is None else None
    if asked is None:
        st.session_state["map_run"] = next(iter(usable))

    def chosen() -> None:
        st.query_params["run"] = st.session_state["map_run"]

    st.selectbox(
        "Run",
        list(usable),
        key="map_run",
        on_change=chosen,
        format_func=lambda id_: _words(usable[id_]),
        placeholder="Choose a run",
    )
    return usable.get(st.session_state["map_run"])


def _has_weights(run: Run) -> bool:
    return not run.damage and next(run.checkpoints(), None) is not None


def _words(run: Run) -> str:
    if run.bundled:
        return f"{pictures.name_of(run.title)} (comes with sslviz)"
    return f"{pictures.name_of(run.title)} · {run.id}"
