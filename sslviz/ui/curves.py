"""Accuracy and loss against the step.

ECharts, because its element stays when a fragment draws it again, and with it the reader's zoom.
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

Point = dict[str, Any]


def draw(run: Run, status: Status) -> None:
    """Both charts side by side, or words where nothing has been measured yet."""
    points = thin(run.metrics())
    if not points:
        st.caption("The curve appears with the first measurement, a few seconds into the training.")
        return
    look = looks.TASKS.get(run.spec.task)
    color = look.color if look else CHANCE
    end = max(status.steps, points[-1]["step"])
    left, right = st.columns(2, gap="medium")
    with left:
        st.markdown("**Pretext accuracy**")
        lines = [
            _line("training", _values(points, "accuracy", 100), color),
            _line("held out", _values(points, "heldout_accuracy", 100), HELD_OUT),
        ]
        if status.chance is not None:
            height = round(100 * status.chance, 3)
            lines.append(_line("chance", [[0, height], [end, height]], CHANCE))
        alt = f"Held-out accuracy {_said(status.heldout_accuracy)}, chance {_said(status.chance)}"
        _chart(lines, end, "{value} %", f"accuracy_{run.id}", alt)
    with right:
        st.markdown("**Loss**")
        lines = [
            _line("training", _values(points, "loss"), color),
            _line("held out", _values(points, "heldout_loss"), HELD_OUT),
        ]
        _chart(lines, end, "{value}", f"loss_{run.id}", f"Training loss {points[-1].get('loss')}")


def thin(points: list[Point]) -> list[Point]:
    """About `POINTS` points at most; the newest and all that have a held-out value stay."""
    stride = max(1, len(points) // POINTS)
    last = len(points) - 1
    return [
        point
        for at, point in enumerate(points)
        if at % stride == 0 or at == last or point.get("heldout_accuracy") is not None
    ]


def _said(value: float | None) -> str:
    return "not measured yet" if value is None else f"{value:.1%}"


def _values(points: list[Point], field: str, scale: float = 1) -> list[list[float]]:
    return [
        [point["step"], round(point[field] * scale, 4)] for point in points if point.get(field) is not None
    ]


def _line(name: str, data: list[list[float]], color: str) -> dict[str, Any]:
    style: dict[str, Any] = {"width": 2.5 if name == "held out" else 1.5}
    if name == "chance":
        style["type"] = "dashed"
    return {
        "name": name,
        "type": "line",
        "data": data,
        "color": color,
        "lineStyle": style,
        "showSymbol": name == "held out",
        "symbolSize": 6,
    }


def _chart(lines: list[dict[str, Any]], end: int, unit: str, key: str, alt: str) -> None:
    chart = {
        "animation": False,
        "grid": {"left": 8, "right": 16, "top": 36, "bottom": 24, "containLabel": True},
        "legend": {"top": 0, "left": 0, "icon": "roundRect", "itemWidth": 14, "itemHeight": 4},
        "tooltip": {"trigger": "axis"},
        "xAxis": {
            "type": "value",
            "name": "step",
            "nameLocation": "middle",
            "nameGap": 24,
            "min": 0,
            "max": end,
        },
        "yAxis": {"type": "value", "min": 0, "axisLabel": {"formatter": unit}},
        "dataZoom": [{"type": "inside", "zoomOnMouseWheel": "ctrl", "moveOnMouseWheel": False}],
        "series": lines,
    }
    st.echarts_chart(chart, key=key, height=280, alt=alt)
