"""Accuracy and loss against the step.

Every chart that Streamlit offers forgets a reader's zoom when its data change (plotly is even made anew,
while Vega-Lite keeps its element), so the curves can be held still while the training goes on.
"""

from __future__ import annotations

from typing import Any

import streamlit as st

from sslviz.runs import Run, Status
from sslviz.ui import looks

HELD_OUT = "#0f9299"
"""Of the held-out curve, on either background."""
CHANCE = "#8a8f94"
POINTS = 400
"""Most points of a curve that are sent to the browser."""

HANDLING = "Drag to move, Shift and wheel to zoom, double-click to see all."

Point = dict[str, Any]


def draw(run: Run, status: Status) -> None:
    """Both charts side by side, or words where nothing has been measured yet."""
    points = _points(run, status)
    if not points:
        if not status.finished_state:
            st.caption("The curve appears with the first measurement, a few seconds into the training.")
        return
    look = looks.TASKS.get(run.spec.task)
    color = look.color if look else CHANCE
    end = max(status.steps, points[-1]["step"])
    left, right = st.columns(2, gap="medium")
    with left:
        st.markdown("**Pretext accuracy**")
        rows = _rows(points, accuracy="training", heldout_accuracy="held out")
        if status.chance is not None:
            rows += [{"step": x, "value": status.chance, "curve": "chance"} for x in (0, end)]
        alt = "Accuracy in training and on held-out images against the step, above the line of chance"
        _chart(rows, end, color, "~%", f"accuracy_{run.id}", alt)
    with right:
        st.markdown("**Loss**")
        rows = _rows(points, loss="training", heldout_loss="held out")
        _chart(rows, end, color, "~g", f"loss_{run.id}", "Loss against the step")
    live = not status.finished_state
    hold = "To look closer without losing the place at the next tick. "
    if live:
        st.toggle("Hold the curves still", key=f"hold_{run.id}", help=hold + HANDLING)
    else:
        st.caption(HANDLING)


def _points(run: Run, status: Status) -> list[Point]:
    """The points to draw: the newest, or those that are held still."""
    held = f"held_{run.id}"
    if status.finished_state or not st.session_state.get(f"hold_{run.id}"):
        st.session_state.pop(held, None)
        return thin(run.metrics())
    points: list[Point] = st.session_state.setdefault(held, thin(run.metrics()))
    return points


def thin(points: list[Point]) -> list[Point]:
    """About `POINTS` points at most; the newest and all that have a held-out value stay."""
    stride = max(1, len(points) // POINTS)
    last = len(points) - 1
    return [
        point
        for at, point in enumerate(points)
        if at % stride == 0 or at == last or point.get("heldout_accuracy") is not None
    ]


def _rows(points: list[Point], **fields: str) -> list[Point]:
    """One row a value: step, value, and the name of its curve."""
    return [
        {"step": point["step"], "value": point[field], "curve": curve}
        for field, curve in fields.items()
        for point in points
        if isinstance(point.get(field), int | float)
    ]


def _chart(rows: list[Point], end: int, color: str, form: str, key: str, alt: str) -> None:
    names = ["training", "held out", "chance"]
    colors = {"domain": names, "range": [color, HELD_OUT, CHANCE]}
    shown = sorted({row["curve"] for row in rows}, key=names.index)
    # A little beyond the end, or the last dot is cut in half; no ticks between whole steps.
    x = {
        "field": "step",
        "type": "quantitative",
        "title": "step",
        "scale": {"domain": [0, end * 1.015], "nice": False},
        "axis": {"tickMinStep": 1, "format": ",d"},
    }
    y = {"field": "value", "type": "quantitative", "title": None, "axis": {"format": form}}
    legend = {"orient": "top", "title": None, "values": shown}
    curve = {"field": "curve", "type": "nominal", "scale": colors, "legend": legend}
    is_held_out = "datum.curve == 'held out'"
    lines = {
        "mark": {"type": "line", "interpolate": "linear", "clip": True},
        "encoding": {
            "x": x,
            "y": y,
            "color": curve,
            "strokeDash": {
                "condition": {"test": "datum.curve == 'chance'", "value": [5, 4]},
                "value": [1, 0],
            },
            "strokeWidth": {"condition": {"test": is_held_out, "value": 2.5}, "value": 1.5},
        },
        # The wheel alone scrolls the page.
        "params": [
            {
                "name": "view",
                "select": {"type": "interval", "zoom": "wheel![event.shiftKey]"},
                "bind": "scales",
            }
        ],
    }
    dots = {
        "mark": {"type": "point", "filled": True, "size": 40, "clip": True, "tooltip": True},
        "encoding": {
            "x": x,
            "y": y,
            "color": curve,
            # The points of the other curves are there for the pointer only.
            "opacity": {"condition": {"test": is_held_out, "value": 1}, "value": 0},
        },
    }
    st.vega_lite_chart(rows_table(rows), {"layer": [lines, dots], "height": 280}, key=key, alt=alt)


def rows_table(rows: list[Point]) -> dict[str, list[Any]]:
    """Rows as columns."""
    return {name: [row[name] for row in rows] for name in ("step", "value", "curve")}
