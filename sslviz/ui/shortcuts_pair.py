"""Two short runs, with a guard and without: what to ask for, how they stand, and what they came to."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import streamlit as st

from sslviz import jobs
from sslviz.errors import UserError
from sslviz.imagesets import ImageSet
from sslviz.jobs import Job
from sslviz.papers.records import Repetition
from sslviz.runs import Run
from sslviz.shortcuts import OFF, Guard, ceilings, pairs, worth
from sslviz.ui import curves, frame, looks, pictures, plotly_js, shortcuts_bars, visitor, work
from sslviz.ui.run_curves import Level, run_curves
from sslviz.ui.shortcuts_cue import NAMES

PROBES = {
    "knn": "Labels told by 20 nearest neighbours",
    "linear": "Labels told by a linear probe",
    "agreement": "Neighbours kept when an image is disturbed",
}


def show(guard: Guard, images: ImageSet, strength: float) -> None:
    """The form, the runs while they go on, and what was found of the newest such pair."""
    with st.container(width=760):
        st.markdown(
            "The same network, on the same images, for the same steps, from the same seed: once without the "
            "guard and once with it. Then both are asked what their features are worth."
        )
    measure = guard.measure
    if len(guard.measures) > 1:
        measure = frame.choice("measure", "Measure", {one: NAMES[one] for one in guard.measures}, measure)
    asked = _asked(guard, images, measure, strength)
    job = jobs.known("shortcut", asked)
    status = job.status() if job else None
    at_work = job is not None and status is not None and status.state not in work.OVER
    paper = pairs.Pair(guard, measure, strength, None).name
    found = [one for one in pairs.found(frame.workspace(), guard, images.name) if one.paper == paper]
    _begin(guard, images, asked, found, busy=at_work)
    if job is not None and status is not None and status.state == "failed":
        frame.problem(UserError(status.error or "The computation stopped.", status.hint))
    if at_work:
        assert job is not None
        st.fragment(_follow, run_every=visitor.every(1.0))(job, guard, paper, images.name)
    else:
        told = next((one for one in found if one.told), None)
        if told is not None:
            _results(guard, told)
    plotly_js.library()


def _asked(guard: Guard, images: ImageSet, measure: str, strength: float) -> dict[str, Any]:
    """The steps and the seed, in a row; returns what the job is asked for."""
    with st.container(horizontal=True, vertical_alignment="bottom"):
        steps = st.number_input(
            "Steps each", 1, 1_000_000, guard.steps, 100, key=f"steps_{guard.name}", width=150,
            help="The same for both. A few hundred take about a minute on two idle processor cores.",
        )  # fmt: skip
        seed = st.number_input("Seed", 0, 2**31 - 1, 0, 1, key=f"seed_of_{guard.name}", width=120)
    return {
        "workspace": str(frame.workspace()),
        "set": images.name,
        "fingerprint": images.fingerprint,
        "guard": guard.name,
        "measure": measure,
        "strength": strength,
        "steps": int(steps),
        "seed": int(seed),
    }


def _begin(
    guard: Guard, images: ImageSet, asked: Mapping[str, Any], found: Sequence[Repetition], *, busy: bool
) -> None:
    """The button, and the same as a command."""
    how = {name: asked[name] for name in ("measure", "strength", "steps", "seed")}
    begun = any(one.told is None for one in found)
    done = any(one.told is not None for one in found)
    label = "Train both" if not begun or done else "Go on"
    pressed = st.button(
        f"{label} (2 × {asked['steps']:,} steps)",
        icon=":material/play_arrow:",
        type="secondary" if done else "primary",
        disabled=busy,
    )
    st.code(pairs.command_of(guard, images.name, **how), language=None, wrap_lines=True)
    st.caption("The same in a terminal.")
    if pressed:
        jobs.start("shortcut", asked, again=True)
        st.rerun()


def _follow(job: Job, guard: Guard, paper: str, images: str) -> None:
    """How far the job is, and the curves of its runs; the body of a fragment."""
    status = job.status()
    if status.state in work.OVER:
        st.rerun()
    share = min(1.0, status.done / status.total) if status.total else 0.0
    st.progress(share, text=pictures.literal(status.message or "Starting.", 200))
    live = next((one for one in pairs.found(frame.workspace(), guard, images) if one.paper == paper), None)
    if live is not None:
        _curves([live.runs[at] for at in (pairs.WITHOUT, pairs.WITH) if at in live.runs], guard, live.key)
    asked = job.cancel_flag.exists()
    if st.button("Stopping…" if asked else "Stop", icon=":material/stop_circle:", disabled=asked):
        job.cancel()
        st.rerun(scope="fragment")
    st.caption("It goes on in a process of its own: you may close this tab. The same button goes on with it.")


def _curves(found: Sequence[Run], guard: Guard, key: str) -> None:
    """Both runs on one pair of axes; what is possible at best is a line."""
    chart = curves.build(found, [run.status() for run in found], weight=0.5, key=key)
    if chart is None:
        st.caption("The curve appears with the first measurement, a moment into the training.")
        return
    ceiling = _ceiling(guard)
    if ceiling is not None:
        line = Level(0, ceiling, f"possible at best {ceiling:.1%}", "solid", "start", True, "#d4483b")
        chart = replace(chart, levels=[*chart.levels, line])
    run_curves(chart, key=f"pair_{key}")


def _ceiling(guard: Guard) -> float | None:
    """Without the guard; None where nothing is impossible."""
    value = ceilings.of_options(guard.task, guard.options(OFF)).value
    return value if value < 1 else None


def _results(guard: Guard, repetition: Repetition) -> None:
    """The finding in words, then the figures that it rests on, then the curves."""
    told = repetition.told
    assert told is not None
    sentence = pictures.literal(told["finding"], 900)
    if told["visible"]:
        st.success(sentence, icon=":material/visibility:")
    else:
        st.info(f"{sentence}  \n{pictures.literal(told['reason'], 300)}", icon=":material/visibility_off:")
    st.markdown("**The task's own question**, on images held out")
    rows = [
        shortcuts_bars.Share(_name(row["at"]), row["value"], low, high, row["at"] != pairs.WITHOUT)
        for row in told["rows"]
        if row["value"] is not None
        for low, high in [row["interval"]]
    ]
    chance, ceiling = told["rows"][0]["chance"], _ceiling(guard)
    shortcuts_bars.draw(rows, guard.task, chance, ceiling, label="Right answers in the task itself")
    found = worth.read(told["worth"])
    for one in found.measures:
        st.markdown(f"**What the features are worth**: {PROBES[one.name].lower()}")
        marks = (("Without the guard", one.off), ("With the guard", one.on), ("Untrained", one.untrained))
        bars = [
            shortcuts_bars.Share(name, mark.value, mark.low, mark.high, mark is not one.off, mark.block)
            for name, mark in marks
        ]
        shortcuts_bars.draw(bars, guard.task, found.chance, label=PROBES[one.name])
    for remark in told["remarks"]:
        st.caption(pictures.literal(remark, 300))
    _curves([repetition.runs[at] for at in sorted(repetition.runs)], guard, repetition.key)
    with st.container(horizontal=True):
        for one in told["runs"]:
            st.page_link(
                "pages/train.py",
                label=f"The run {one['what']}",
                icon=looks.TASKS[guard.task].icon,
                query_params={"run": one["run"]},
            )


def _name(at: float) -> str:
    return "Without the guard" if at == pairs.WITHOUT else "With the guard"
