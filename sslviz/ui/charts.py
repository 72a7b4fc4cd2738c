"""Charts that stand still: lines with error bars and reference lines, in the house's colours."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from html import escape
from typing import TYPE_CHECKING

import streamlit as st

from sslviz.figures import PALETTE

if TYPE_CHECKING:
    from plotly.graph_objects import Figure

APART = 0.055
"""Of the height of a chart: the least that two names stand apart."""
GREY = "#8a8f98"
"""For what needs no training, on light and dark alike."""


@dataclass(frozen=True)
class Line:
    """One curve: y over x, with what it is called."""

    name: str
    x: Sequence[str | float]
    y: Sequence[float]
    color: str = PALETTE[0]
    dash: str = "solid"
    low: Sequence[float] = field(default_factory=list)
    """Ends of the error bars, where there are any."""
    high: Sequence[float] = field(default_factory=list)
    hover: Sequence[str] = field(default_factory=list)
    """More words for each point; plain text."""


def shares(
    lines: Sequence[Line],
    levels: Mapping[str, float],
    *,
    key: str,
    x: str,
    y: str = "accuracy",
    height: int = 360,
    log: bool = False,
) -> None:
    """Draw shares in [0, 1] over `x`; `levels` are shares that nothing changes, as dotted lines by name.

    Names are data: plotly, which reads some HTML wherever it writes, gets them escaped.
    """
    from plotly.graph_objects import Figure, Scatter

    figure = Figure()
    for line in lines:
        bars = None
        if line.low:
            bars = {
                "type": "data",
                "array": [high - one for high, one in zip(line.high, line.y, strict=True)],
                "arrayminus": [one - low for low, one in zip(line.low, line.y, strict=True)],
                "thickness": 1.2,
                "width": 3,
            }
        figure.add_trace(
            Scatter(
                x=list(line.x),
                y=list(line.y),
                name=escape(line.name, quote=False),
                mode="lines+markers",
                line={"color": line.color, "dash": line.dash, "width": 2},
                marker={"size": 7},
                error_y=bars,
                customdata=[escape(word, quote=False) for word in line.hover] or None,
                hovertemplate="%{y:.1%}"
                + (" · %{customdata}" if line.hover else "")
                + "<extra>%{fullData.name}</extra>",
            )
        )
    top = max([*levels.values(), *(max(line.high or line.y, default=0.0) for line in lines)], default=1.0)
    _levels(figure, levels, top)
    figure.update_layout(
        height=height,
        margin={"l": 8, "r": 110 if levels else 8, "t": 8, "b": 8},
        legend={"orientation": "h", "y": -0.2, "x": 0},
        hovermode="closest",
        xaxis={"title": x, "type": "log" if log else "category"},
        yaxis={"title": y, "tickformat": ".0%", "rangemode": "tozero"},
    )
    st.plotly_chart(figure, key=key, theme="streamlit", config={"displayModeBar": False})


def _levels(figure: Figure, levels: Mapping[str, float], top: float) -> None:
    """Dotted lines across, named to the right of the chart, their names apart from each other."""
    above = -1.0
    for name, share in sorted(levels.items(), key=lambda item: item[1]):
        figure.add_hline(y=share, line={"color": GREY, "dash": "dot", "width": 1.2})
        place = max(share, above + APART * top)
        above = place
        figure.add_annotation(
            x=1,
            xref="paper",
            xshift=6,
            y=place,
            text=f"{escape(name, quote=False)} {share:.0%}",
            showarrow=False,
            xanchor="left",
            yanchor="middle",
            font={"size": 11, "color": GREY},
        )
