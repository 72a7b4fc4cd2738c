"""A run as it stands: a sentence, its figures, what they say, and its curves."""

from __future__ import annotations

from html import escape

import streamlit as st

from sslviz import curves as numbers
from sslviz import jobs, runs
from sslviz.advice import advise
from sslviz.runs import Run, Status
from sslviz.ui import curves, pictures, visitor, words
from sslviz.ui.words import duration, percent

ICONS = {
    "queued": ":material/hourglass_top:",
    "running": ":material/play_circle:",
    "done": ":material/check_circle:",
    "failed": ":material/error:",
    "cancelled": ":material/cancel:",
    "lost": ":material/link_off:",
    "unreadable": ":material/broken_image:",
}
LIVE = ("queued", "running")
TICK, FIRST_TICK = 1.0, 0.5
"""Seconds between two looks at a live run, and before its first point has come."""


def figures(run: Run, status: Status) -> list[tuple[str, str, str, str]]:
    """(name, value, what to hold it against, what it is) of each figure that is known."""
    chance = f"chance {percent(status.chance)}" if status.chance is not None else ""
    cells = [("Held-out accuracy", percent(status.heldout_accuracy), chance,
              "Share of right answers on images it never trained on; guessing reaches one over the number of "
              "answers.")]  # fmt: skip
    if status.knn_accuracy is not None or status.knn_untrained is not None:
        against = [(status.knn_untrained, "untrained"), (status.knn_pixels, "pixels")]
        beside = " · ".join(f"{name} {percent(value)}" for value, name in against if value is not None)
        block = next((p["knn_block"] for p in reversed(numbers.read(run)) if p.get("knn_block")), None)
        of = f", by the features of its block {block}" if isinstance(block, str) else ""
        cells.append(("Features", percent(status.knn_accuracy), beside,
                      f"Share of labelled images whose label their 20 neighbours tell{of}."))  # fmt: skip
    speed = f"{status.views_per_second:,.0f}" if status.views_per_second else "–"
    cells.append(("Views a second", speed, "", "Images or patches that went through the network."))
    if status.memory_bytes:
        on = "of the process" if status.device in ("", "cpu") else f"on {status.device}"
        cells.append(("Memory", words.memory(status.memory_bytes), on, "What the run uses."))
    if status.state == "running":
        left = "…"
        if status.step and status.steps:
            left = duration(status.seconds / status.step * (status.steps - status.step))
        cells.append(("Time left", left, f"{duration(status.seconds)} so far" if status.seconds else "", ""))
    else:
        steps = f"{status.step:,} step{'' if status.step == 1 else 's'}" if status.step else ""
        cells.append(("Trained for", duration(status.seconds) if status.seconds else "–", steps, ""))
    return cells


def show_figures(run: Run, status: Status) -> None:
    """The figures side by side, each with its yardstick under it."""
    cells = "".join(
        f'<div title="{escape(what)}"><dt>{escape(name)}</dt><dd>{escape(value)}</dd>'
        f"<dd>{escape(beside) or '&nbsp;'}</dd></div>"
        for name, value, beside, what in figures(run, status)
    )
    pictures.show(f'<dl class="sv-figures">{cells}</dl>', run.spec.task)


def resume(run: Run) -> None:
    """Let it go on from its last checkpoint."""
    jobs.submit(run)


def show(run: Run) -> None:
    """The run as it stands, followed for as long as it goes on."""
    from sslviz.ui import frame

    every = None
    if run.status().state in LIVE:
        began = st.session_state[f"began_{run.id}"] = bool(numbers.read(run))
        every = visitor.every(TICK if began else FIRST_TICK)
    listed = runs.listing(frame.workspace())
    relatives(run, listed)
    st.fragment(live, run_every=every)(run.id, curves.offer(run, listed))


def relatives(run: Run, listed: list[Run]) -> None:
    """Links to the run that this one continues, and to those that continue it."""
    parent = next((other for other in listed if other.id == run.spec.start), None)
    after = numbers.children(run, listed)
    if parent is None and not after:
        if run.spec.start:
            st.caption(f"Continues run {pictures.literal(run.spec.start)}, which is no longer here.")
        return
    with st.container(horizontal=True, key="relatives"):
        if parent is not None:
            plural = "" if run.spec.since == 1 else "s"
            steps = f" after its {run.spec.since:,} step{plural}" if run.spec.since else ""
            _link(parent, f"Continues {words.title(parent)}{steps}", ":material/arrow_back:")
        for child in after[:3]:
            _link(child, f"Continued by {words.title(child)} · {child.id[-4:]}", ":material/arrow_forward:")


def _link(run: Run, label: str, icon: str) -> None:
    st.page_link("pages/train.py", label=label, icon=icon, query_params={"run": run.id})


def live(id_: str, offered: dict[str, str]) -> None:
    """The run as it stands now, with a stop button while it goes on; the body of a fragment."""
    from sslviz.ui import frame

    with frame.guard():
        run = runs.open_run(frame.workspace(), id_)
        status = run.status()
        st.markdown(f"{ICONS[status.state]} {words.sentence(run, status)}")
        if status.state in LIVE:
            share = min(1.0, status.step / status.steps) if status.steps else 0.0
            st.progress(
                share, text=f"Step {status.step:,} of {status.steps:,}" if status.steps else "Starting…"
            )
        show_figures(run, status)
        points = numbers.read(run)
        advice = advise(run.spec, status, points)
        if advice is not None:
            st.info(pictures.literal(advice.text, 600), icon=":material/lightbulb:")
        curves.draw([run], id_, offered)
        told = " ".join(part for part in (words.measuring(status), words.plan(run.spec)) if part)
        if told:
            st.caption(pictures.literal(told, 400))
        if status.state in LIVE:
            asked = run.cancel_flag.exists()
            if st.button("Stopping…" if asked else "Stop", icon=":material/stop_circle:", disabled=asked):
                run.cancel()
                st.rerun(scope="fragment")
            st.session_state[f"watched_{id_}"] = True
            if points and not st.session_state.get(f"began_{id_}", True):
                st.rerun()  # from now on a look a second will do
        elif st.session_state.pop(f"watched_{id_}", False):
            st.rerun()
