"""What a cue alone tells: two shares beside chance, or curves over the strength of an aberration."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from html import escape

import streamlit as st

from sslviz.imagesets import ImageSet
from sslviz.shortcuts import OFF, Guard, alone
from sslviz.shortcuts.alone import Told
from sslviz.shortcuts.guards import SAID, STRENGTHS, USUAL_STRENGTH
from sslviz.ui import frame, pictures, shortcuts_bars, waiting
from sslviz.ui.words import percent

WIDE, HIGH = 640, 210
LEFT, RIGHT, TOP, BOTTOM = 44, 12, 10, 34
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
            "strokes are intervals of 95 %."
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
    classes = ("off", "first", "second")
    lines: list[tuple[str, str, list[tuple[float, Told]]]] = []
    for which, kind in zip((OFF, *guard.measures), classes, strict=False):
        points = [(s, one) for s in STRENGTHS if (one := alone.find(guard, which, s, images)) is not None]
        if points:
            lines.append((which, kind, points))
    if not lines:
        return
    chance = lines[0][2][0][1].chance
    body = _axes() + _level(chance)
    body += f'<line class="sv-at" x1="{_x(strength)}" x2="{_x(strength)}" y1="{TOP}" y2="{HIGH - BOTTOM}"/>'
    body += "".join(_line(kind, points, strength) for _, kind, points in lines)
    keys = "".join(f'<span class="sv-of-{kind}">{escape(NAMES[which])}</span>' for which, kind, _ in lines)
    said = "; ".join(f"{NAMES[which]}: {_told(points)}" for which, _, points in lines)
    pictures.show(
        f'<div class="sv-rising"><svg viewBox="0 0 {WIDE} {HIGH}" role="img" aria-label="{escape(said)}">'
        f'{body}</svg><div class="sv-keys">{keys}<span>chance {percent(chance)}</span></div></div>',
        guard.task,
    )


def _told(points: Sequence[tuple[float, Told]]) -> str:
    return ", ".join(f"{percent(one.accuracy)} at {strength:g} per mille" for strength, one in points)


def _x(strength: float) -> float:
    """Strengths lie evenly, as on the slider."""
    place = STRENGTHS.index(strength) / (len(STRENGTHS) - 1)
    return round(LEFT + place * (WIDE - LEFT - RIGHT), 1)


def _y(share: float) -> float:
    return round(TOP + (1 - share) * (HIGH - TOP - BOTTOM), 1)


def _axes() -> str:
    lines = "".join(
        f'<line class="sv-grid" x1="{LEFT}" x2="{WIDE - RIGHT}" y1="{_y(share)}" y2="{_y(share)}"/>'
        f'<text x="{LEFT - 8}" y="{_y(share) + 4}" text-anchor="end">{share:.0%}</text>'
        for share in (0.0, 0.5, 1.0)
    )
    ticks = "".join(
        f'<text x="{_x(one)}" y="{HIGH - BOTTOM + 16}" text-anchor="middle">{one:g}</text>'
        for one in STRENGTHS
    )
    middle = (LEFT + WIDE - RIGHT) / 2
    return (
        f'{lines}{ticks}<text x="{middle}" y="{HIGH - 3}" text-anchor="middle">aberration, per mille</text>'
    )


def _level(chance: float) -> str:
    return f'<line class="sv-chance" x1="{LEFT}" x2="{WIDE - RIGHT}" y1="{_y(chance)}" y2="{_y(chance)}"/>'


def _line(kind: str, points: Sequence[tuple[float, Told]], strength: float) -> str:
    along = " ".join(f"{_x(s)},{_y(one.accuracy)}" for s, one in points)
    upper = [f"{_x(s)},{_y(one.interval[1])}" for s, one in points]
    lower = [f"{_x(s)},{_y(one.interval[0])}" for s, one in points]
    band = f'<polygon class="sv-band-{kind}" points="{" ".join(upper + lower[::-1])}"/>'
    dot = "".join(
        f'<circle class="sv-dot-{kind}" cx="{_x(s)}" cy="{_y(one.accuracy)}" r="5.5"/>'
        for s, one in points
        if s == strength
    )
    return f'{band}<polyline class="sv-line-{kind}" points="{along}"/>{dot}'
