"""All runs in a table, and one run in full with what can be done to it."""

from __future__ import annotations

import functools
from datetime import datetime

import streamlit as st

from sslviz import runs
from sslviz.runs import Run
from sslviz.ui import frame, pictures, run_view, train_form

STATES = {
    "queued": "waiting",
    "running": "training",
    "done": "done",
    "failed": "failed",
    "cancelled": "stopped",
    "lost": "lost",
    "unreadable": "unreadable",
}


def choose(found: list[Run], linked: Run | None) -> Run | None:
    """The table of `found`; returns the ticked run, else the one that the address names."""
    if not any(not run.bundled for run in found):
        words = "The encoders below come with sslviz." if found else "Nothing is here to look at yet."
        frame.nothing("You have not trained a network yet.", words, "train", "Train one")
    if not found:
        return linked
    statuses = [run.status() for run in found]
    event = st.dataframe(
        {
            "title": [pictures.name_of(run_view.name(r)) for r in found],
            "images": [pictures.name_of(r.spec.images) for r in found],
            "state": [
                "comes with sslviz" if r.bundled else STATES[s.state]
                for r, s in zip(found, statuses, strict=True)
            ],
            "held out": [s.heldout_accuracy for s in statuses],
            "chance": [s.chance for s in statuses],
            "speed": [s.views_per_second for s in statuses],
            "when": [datetime.fromtimestamp(r.spec.created) if r.spec.created else None for r in found],
            "note": [pictures.name_of(r.note, 120) for r in found],
            "id": [r.id for r in found],
        },
        column_order=["title", "images", "state", "held out", "chance", "speed", "when", "id"]
        + (["note"] if any(r.note for r in found) else []),
        column_config={
            "title": st.column_config.TextColumn("Run", width="medium"),
            "images": "Images",
            "state": "State",
            "held out": st.column_config.ProgressColumn(
                "Held-out accuracy", format="percent", min_value=0, max_value=1
            ),
            "chance": st.column_config.NumberColumn("Chance", format="percent"),
            "speed": st.column_config.NumberColumn("Views/s", format="%d"),
            "when": st.column_config.DatetimeColumn("When", format="distance"),
            "note": "Note",
            "id": "Id",
        },
        hide_index=True,
        on_select="rerun",
        selection_mode="single-row",
        key="runs_table",
        height=min(420, 40 + 35 * len(found)),
        alt="Runs with their state and accuracy",
    )
    ticked = event["selection"]["rows"]
    if ticked and ticked[0] < len(found):
        st.query_params["run"] = found[ticked[0]].id  # so that F5 and a copied address find it again
        return found[ticked[0]]
    if linked is None:
        st.caption("Tick a row to see the run.")
    return linked


def detail(run: Run) -> None:
    """One run in full."""
    state = run.status().state
    st.subheader(run_view.title(run), anchor=False)
    if run.bundled:
        st.caption(
            "Comes with sslviz: trained on the built-in scenes, so that there is something to look at."
        )
    if run.note:
        st.caption(pictures.literal(run.note, 400))
    if state == "unreadable":
        st.warning(run_view.sentence(run, run.status()), icon=":material/broken_image:")
    else:
        st.fragment(run_view.live, run_every=1.0 if state in ("queued", "running") else None)(run.id)
        train_form.command(run.spec)
    _actions(run, state)
    if state != "unreadable":
        with st.expander("What was asked, in full"):
            st.json({k: v for k, v in run.spec.__dict__.items() if v not in (None, "", [], {})}, expanded=2)


def _actions(run: Run, state: str) -> None:
    has_weights = run.bundled or any(True for _ in run.checkpoints())
    with st.container(horizontal=True, vertical_alignment="center"):
        if has_weights:
            st.page_link(
                "pages/embeddings.py",
                label="See the map",
                icon=":material/scatter_plot:",
                query_params={"run": run.id} | ({} if run.bundled else {"images": run.spec.images}),
            )
            st.download_button(
                "Download",
                functools.partial(_packed, run),
                f"sslviz-{run.id}.zip",
                "application/zip",
                icon=":material/download:",
                on_click="ignore",
                key=f"export_{run.id}",
            )
        if run.bundled:
            return
        if state in ("failed", "lost", "cancelled") and st.button("Resume", icon=":material/resume:"):
            run_view.resume(run)
            st.rerun()
        with st.popover("Name and note", icon=":material/edit:"):
            title = st.text_input("Title", run.title, key=f"title_{run.id}", max_chars=80)
            note = st.text_area("Note", run.note, key=f"note_{run.id}", max_chars=2000)
            if st.button("Save", key=f"save_{run.id}"):
                run.describe(title=title, note=note)
                st.rerun()
        if st.button("Delete", icon=":material/delete:", key=f"delete_{run.id}"):
            _confirm(run)


def _packed(run: Run) -> bytes:
    """Called when somebody clicks: it takes torch, and time."""
    from sslviz import export

    return export.pack(run)


@st.dialog("Delete this run?")
def _confirm(run: Run) -> None:
    st.markdown(f"**{run_view.title(run)}** with its curves and weights will be deleted.")
    if st.button("Delete the run", type="primary", icon=":material/delete:"):
        with frame.guard():
            runs.open_run(frame.workspace(), run.id).delete()
            st.query_params.pop("run", None)
            st.rerun()
