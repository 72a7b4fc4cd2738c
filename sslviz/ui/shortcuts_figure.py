"""What a cue tells over the strength of an aberration, as curves."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import plotly.graph_objects as go

from sslviz import figures
from sslviz.shortcuts.alone import Told
from sslviz.shortcuts.guards import STRENGTHS
from sslviz.ui import looks

PLAIN = {"displayModeBar": False}
HEIGHT = 290
QUIET = "rgba(128,128,128,0.9)"
OTHERS = (("#0f9299", "solid"), (figures.PALETTE[6], "dash"))
"""Colour and dash of the measures."""


def rising(lines: Mapping[str, Sequence[tuple[float, Told]]], task: str, strength: float) -> go.Figure:
    """A curve a name, the first of which is without the guard; the strength that is looked at is a line.

    Strengths lie evenly, as on the slider.
    """
    ticks = [f"{one:g}" for one in STRENGTHS]
    chart = go.Figure(
        layout={
            "height": HEIGHT,
            "margin": {"l": 8, "r": 8, "t": 8, "b": 8},
            "xaxis": {
                "title": {"text": "aberration, per mille"},
                "type": "category",
                "categoryarray": ticks,
                "range": [-0.3, len(ticks) - 0.7],
                "fixedrange": True,
            },
            "yaxis": {"range": [0, 1.02], "tickformat": ".0%", "fixedrange": True},
            "legend": {"orientation": "h", "y": 1.02, "yanchor": "bottom", "x": 0},
        }
    )
    looked = [(looks.TASKS[task].color, "solid"), *OTHERS]
    for (name, points), (color, dash) in zip(lines.items(), looked, strict=False):
        values = [told.accuracy for _, told in points]
        chart.add_trace(
            go.Scatter(
                x=[f"{one:g}" for one, _ in points],
                y=values,
                name=name,
                mode="lines+markers",
                line={"color": color, "dash": dash, "width": 2.5},
                marker={"size": [12 if one == strength else 6 for one, _ in points]},
                error_y={
                    "array": [told.interval[1] - told.accuracy for _, told in points],
                    "arrayminus": [told.accuracy - told.interval[0] for _, told in points],
                    "thickness": 1.2,
                    "width": 3,
                    "color": color,
                },
                hovertemplate=f"{name}, %{{x}} per mille: %{{y:.1%}}<extra></extra>",
            )
        )
    chance = next(points[0][1].chance for points in lines.values() if points)
    chart.add_hline(
        chance,
        line={"color": QUIET, "dash": "dot", "width": 1.5},
        annotation={"text": "chance", "showarrow": False},
    )
    chart.add_vline(STRENGTHS.index(strength), line={"color": QUIET, "width": 1})
    return chart
