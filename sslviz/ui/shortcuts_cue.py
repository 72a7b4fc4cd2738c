"""What a cue alone tells: two shares beside chance, or curves over the strength of an aberration."""

from __future__ import annotations

from collections.abc import Mapping

import streamlit as st

from sslviz.imagesets import ImageSet
from sslviz.shortcuts import OFF, Guard, alone
from sslviz.shortcuts.alone import Told
from sslviz.shortcuts.guards import SAID, STRENGTHS, USUAL_STRENGTH
from sslviz.ui import frame, pictures, shortcuts_bars, waiting

NAMES = {OFF: "Without the guard", "on": "With the guard", "project": "Projected", "drop": "Channels dropped",
         "shift": "Channels shifted", "grey": "In grey"}  # fmt: skip


def show(guard: Guard, images: ImageSet, strength: float) -> None:
    """What was found at this strength, and the job that finds the rest."""
    named = (OFF, *guard.measures)
    at = {which: one for which in named if (one := alone.find(guard, which, strength, images)) is not None}
    with st.container(width=760):
        st.markdown(
            f"A classifier is given one thing of each view, {SAID[guard.detector]}, and asked the task's own "
            "question. It sees nothing of what the picture shows."
        )
    if len(at) == len(named):
        _figures(guard, at, strength)
    if guard.varies:
        _curves(guard, images, strength)
    if len(at) == len(named):
        with st.container(width=760):
            st.markdown(pictures.literal(alone.say(guard, at[OFF], at[guard.measure], guard.measure), 900))
        if at[OFF].ceiling < 1:
            st.caption(
                f"Possible at best on these images: {at[OFF].ceiling:.1%}. {' '.join(at[OFF].reasons)}"
            )
        st.caption(
            f"Asked about {len(at[OFF].shares):,} images, each by a classifier that has not seen it; the "
            "strokes are intervals of 95%."
        )
    if alone.missing(guard, images):
        # The strength stays out of what is asked for: a slider that moves is no other job.
        arguments = {
            "workspace": str(frame.workspace()),
            "set": images.name,
            "fingerprint": images.fingerprint,
            "guard": guard.name,
            "strength": USUAL_STRENGTH,
        }
        waiting.until("cue", arguments, "Asking the classifier", lambda: alone.state(guard, images))


def _figures(guard: Guard, at: Mapping[str, Told], strength: float) -> None:
    """The shares as bars."""
    rows = [
        shortcuts_bars.Share(NAMES[which], one.accuracy, *one.interval, guarded=which != OFF)
        for which, one in at.items()
    ]
    said = f" at {strength:g} per mille" if guard.varies else ""
    shortcuts_bars.draw(rows, guard.task, at[OFF].chance, label=f"What the cue alone tells{said}")


def _curves(guard: Guard, images: ImageSet, strength: float) -> None:
    """What the cue tells over all strengths that were asked about."""
    lines: dict[str, list[tuple[float, Told]]] = {}
    for which in (OFF, *guard.measures):
        known = [(one, alone.find(guard, which, one, images)) for one in STRENGTHS]
        lines[which] = [(one, told) for one, told in known if told is not None]
    if not any(len(points) > 1 for points in lines.values()):
        return
    from sslviz.ui import shortcuts_figure

    chart = shortcuts_figure.rising(
        {NAMES[which]: points for which, points in lines.items()}, guard.task, strength
    )
    with st.container(width=760):
        st.plotly_chart(chart, theme="streamlit", config=shortcuts_figure.PLAIN, key="rising")
