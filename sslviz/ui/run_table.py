"""All runs in a table: their figures and the settings in which they differ. Ticks live in the address."""

from __future__ import annotations

import functools
import hashlib
import math
from datetime import datetime
from typing import Any

import streamlit as st

from sslviz import comparison, origins, runs
from sslviz.runs import Run, Status
from sslviz.ui import frame, pictures, run_view, visitor, words

STATES = {
    "queued": "waiting",
    "running": "training",
    "done": "done",
    "failed": "failed",
    "cancelled": "stopped",
    "lost": "lost",
    "unreadable": "unreadable",
}
NUMBERS = ("size", "seed", "lr", "batch")
ROWS = 10
"""Shown at once; more are scrolled to."""


def choose(found: list[Run]) -> list[Run]:
    """The table of `found`; returns the ticked runs, which the address names too."""
    if not any(not run.bundled for run in found):
        hint = "The encoders below come with sslviz." if found else "Nothing is here to look at yet."
        frame.nothing("You have not trained a network yet.", hint, "train", "Train one")
    if not found:
        return []
    live = any(not run.bundled and run.status().state in run_view.LIVE for run in found)
    st.fragment(_table, run_every=visitor.every(2.0) if live else None)([run.id for run in found])
    by_id = {run.id: run for run in found}
    return [by_id[id_] for id_ in asked() if id_ in by_id]


def asked() -> list[str]:
    """Ids in the address: `run` names one, or several with commas between them."""
    return [one for one in st.query_params.get("run", "").split(",") if one]


def _table(ids: list[str]) -> None:
    """The table and its ticks; the body of a fragment."""
    found = runs.opened(frame.workspace(), ids)
    wanted = asked()
    if wanted != st.session_state.get("runs_ticked") or ids != st.session_state.get("runs_listed"):
        # Another address was opened, or rows have come and gone: a tick belongs to a run, not to a place.
        st.session_state["runs_ticked"] = st.session_state["runs_opened"] = wanted
        st.session_state["runs_listed"] = ids
    opened = st.session_state["runs_opened"]
    rows, statuses = [run.id for run in found], [run.status() for run in found]
    key = f"runs_{hashlib.sha256(repr((rows, opened)).encode()).hexdigest()[:12]}"
    event = st.dataframe(
        columns(found, statuses),
        column_config=_looks(found),
        hide_index=True,
        on_select="rerun",
        selection_mode="multi-row",
        selection_default={"selection": {"rows": [rows.index(id_) for id_ in opened if id_ in rows]}},
        key=key,
        height=40 + 35 * min(ROWS, len(found)),
        placeholder="",
        alt="Runs with their figures and settings",
    )
    ticked = [rows[place] for place in event["selection"]["rows"] if place < len(rows)]
    if ticked != [id_ for id_ in st.session_state["runs_ticked"] if id_ in rows]:
        st.session_state["runs_ticked"] = ticked
        if ticked:
            st.query_params["run"] = ",".join(ticked)
        else:
            st.query_params.pop("run", None)
        st.rerun()
    if not ticked:
        st.caption("Tick a run to see it, several to compare them.")


def columns(found: list[Run], statuses: list[Status]) -> dict[str, list[Any]]:
    """The table: what is the same in all runs of one's own, or known of none, is not in it."""
    sets = origins.names_of(found)
    # Each title is read from a file.
    titles = [run.title_on(images) for run, images in zip(found, sets, strict=True)]
    known = list(zip(found, titles, sets, strict=True))
    names = [words.name(run, given, images) for run, given, images in known]
    table: dict[str, list[Any]] = {
        "run": [pictures.name_of(name) for name in names],
        "held out": [_share(status.heldout_accuracy) for status in statuses],
        "chance": [_share(status.chance) for status in statuses],
        "features": [_share(status.knn_accuracy) for status in statuses],
        "state": [
            words.whence(run) if run.bundled else STATES[status.state]
            for run, status in zip(found, statuses, strict=True)
        ],
        "when": [datetime.fromtimestamp(r.spec.created) if r.spec.created else None for r in found],
    }
    own = comparison.differing([run for run in found if not run.bundled and not run.damage])
    ordinary = [run.bundled or given == words.ordinary(run, images) for run, given, images in known]
    if all(ordinary):
        own = {name: values for name, values in own.items() if name not in ("task", "images")}  # its name
    for name in own:
        values = sets if name == "images" else comparison.setting(found, name)
        # Numbers sort as numbers.
        table[name] = (
            values if name in NUMBERS else ["" if v is None else words.setting(name, v) for v in values]
        )
    table["speed"] = [status.views_per_second for status in statuses]
    table["note"] = [pictures.name_of(" ".join(run.note.split()), 120) for run in found]
    seldom = ("features", "note")
    shown = {name: values for name, values in table.items() if name not in seldom or any(values)}
    return shown | {"id": [run.id for run in found]}


def _share(value: float | None) -> float | None:
    """A fraction that is written with as many digits as it deserves."""
    digits = 1_000 if value is not None and value >= 0.01 else 10_000
    return None if value is None else math.floor(digits * value + 0.5 + 1e-9) / digits


def _looks(found: list[Run]) -> dict[str, Any]:
    """How the columns are called and written."""
    column = st.column_config
    share = functools.partial(
        column.ProgressColumn, format="percent", min_value=0, max_value=1, width="small"
    )
    config: dict[str, Any] = {
        "run": column.TextColumn("Run", width="medium"),
        "state": "State",
        "held out": share("Held out"),
        "chance": column.NumberColumn("Chance", format="percent"),
        "features": share("Features", help="Share of labelled images whose label their neighbours tell."),
        "speed": column.NumberColumn("Views/s", format="%d"),
        "when": column.DatetimeColumn("When", format="distance"),
        "note": "Note",
        "id": "Id",
        "lr": column.NumberColumn("Learning rate", format="%.3g"),
        "seed": column.NumberColumn("Seed", format="%d"),
    }
    options = {name for run in found for name in run.spec.options}
    return {name: comparison.called(name) for name in (*comparison.NAMES, *options)} | config
