"""Curves of invariance, each with the middle half of the images as a band."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from sslviz.invariance import Curve
from sslviz.ui import invariance_words

if TYPE_CHECKING:
    from plotly.graph_objects import Figure

BAND = 0.1
"""How much of its colour a band has."""


@dataclass(frozen=True, eq=False)
class Line:
    """One curve, with how it is drawn."""

    name: str
    curve: Curve
    color: str
    """As #rrggbb."""
    dash: str = "solid"
    banded: bool = True


def figure(kind: str, lines: Sequence[Line], scaled: bool) -> Figure:
    """The lines over the strengths of a kind; `scaled`: 0 is two different images, 1 the same."""
    from plotly.graph_objects import Figure

    made = Figure()
    for line in lines:
        if line.banded and len(line.curve.alike) > 1:
            made.add_trace(_band(line))
    for line in lines:
        made.add_trace(_line(line))
        if not scaled:
            made.add_hline(
                y=line.curve.others, line={"color": line.color, "dash": "dot", "width": 1}, opacity=0.55
            )
    made.update_layout(
        height=420,
        margin={"l": 8, "r": 8, "t": 12, "b": 8},
        legend={"orientation": "h", "y": -0.22, "x": 0},
        hovermode="x unified",
        xaxis=_axis(kind),
        yaxis={"title": _title(scaled), "tickformat": ".1f", "zeroline": scaled},
    )
    return made


def _title(scaled: bool) -> str:
    return "similarity, from another image (0) to itself (1)" if scaled else "cosine similarity"


def _axis(kind: str) -> dict[str, Any]:
    axis: dict[str, Any] = {"title": invariance_words.AXES[kind], "hoverformat": invariance_words.TICKS[kind]}
    if kind == "angle":
        return axis | {"tickvals": list(range(0, 361, 45)), "range": [-4, 364]}
    if kind in ("scale", "contrast"):
        ticks = (0.25, 0.5, 1, 2, 4) if kind == "contrast" else (0.71, 0.84, 1, 1.19, 1.4)
        return axis | {"type": "log", "tickvals": ticks, "ticktext": [f"{tick:g}" for tick in ticks]}
    return axis | {"tickformat": invariance_words.TICKS[kind]}


def _line(line: Line) -> Any:
    from plotly.graph_objects import Scatter

    return Scatter(
        x=line.curve.kind.strengths,
        y=line.curve.mean(),
        name=line.name,
        mode="lines+markers" if len(line.curve.kind.strengths) <= 17 else "lines",
        marker={"size": 5},
        line={"color": line.color, "dash": line.dash, "width": 2},
        hovertemplate="%{y:.2f}",
    )


def _band(line: Line) -> Any:
    from plotly.graph_objects import Scatter

    low, high = line.curve.quartiles().tolist()
    across = list(line.curve.kind.strengths)
    red, green, blue = (int(line.color[at : at + 2], 16) for at in (1, 3, 5))
    return Scatter(
        x=across + across[::-1],
        y=high + low[::-1],
        fill="toself",
        fillcolor=f"rgba({red},{green},{blue},{BAND})",
        line={"width": 0},
        hoverinfo="skip",
        showlegend=False,
    )
