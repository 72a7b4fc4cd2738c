"""The scatter of pretext against downstream accuracy: colour is the task, the symbol is the block."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from html import escape
from typing import TYPE_CHECKING

import streamlit as st

from sslviz import pretext
from sslviz.pretext import Point
from sslviz.ui import looks

if TYPE_CHECKING:
    from plotly.graph_objects import Figure

SYMBOLS = ("circle", "square", "diamond", "triangle-up", "cross", "star", "hexagon", "triangle-down")
"""Of the blocks, from the first to the last."""
GREY = "#8a8f98"
"""Of what belongs to no task, on light and dark alike."""
SMALL, LARGE = 7, 12
"""Of a point in CSS pixels, and of the end of a run."""


def draw(
    courses: Mapping[str, Sequence[Point]],
    called: Mapping[str, str],
    *,
    guess: float,
    scaled: bool,
    every: bool,
    by: str,
    key: str,
) -> None:
    """Draw the courses of runs, by id, which are `called` by plain text: all blocks, or the best of each;
    labels were told `by` a probe. `guess` is the share that is told by always saying the commonest."""
    from plotly.graph_objects import Figure

    figure = Figure()
    blocks = list(dict.fromkeys(block for course in courses.values() for block in course[-1].worth))
    for id_, course in courses.items():
        best = pretext.best_block(course)
        for block in course[-1].worth if every else (best,):
            symbol = SYMBOLS[blocks.index(block) % len(SYMBOLS)]
            _line(figure, course, block, called[id_], scaled, symbol, by)
    shown = blocks if every else [pretext.best_block(course) for course in courses.values()]
    _legend(figure, courses, [block for block in blocks if block in shown], blocks)
    axis = "pretext accuracy, from chance to perfect" if scaled else "pretext accuracy"
    figure.add_hline(y=guess, line={"color": GREY, "dash": "dot", "width": 1.2})
    figure.add_annotation(
        x=1,
        xref="paper",
        y=guess,
        text=f"guessing {guess:.0%}",
        showarrow=False,
        xanchor="right",
        yanchor="bottom",
        font={"size": 11, "color": GREY},
    )
    figure.update_layout(
        height=460,
        margin={"l": 8, "r": 8, "t": 8, "b": 8},
        legend={"orientation": "h", "y": -0.16, "x": 0},
        hovermode="closest",
        xaxis={"title": axis, "tickformat": ".0%"},
        yaxis={"title": f"labels told by {by}", "tickformat": ".0%"},
    )
    st.plotly_chart(figure, key=key, theme="streamlit", config={"displayModeBar": False})


def _line(
    figure: Figure, course: Sequence[Point], block: str, name: str, scaled: bool, symbol: str, by: str
) -> None:
    from plotly.graph_objects import Scatter

    color = looks.TASKS[course[-1].task].color
    figure.add_trace(
        Scatter(
            x=[one.on(scaled) for one in course],
            y=[one.worth[block] for one in course],
            mode="lines+markers",
            line={"color": color, "width": 1},
            opacity=0.9,
            marker={
                "symbol": [f"{symbol}-open" if one.source == "training" else symbol for one in course],
                "size": [LARGE if one.last else SMALL for one in course],
                "color": color,
                "line": {"width": 1.4, "color": color},
            },
            hovertext=[_hover(one, block, name, by) for one in course],
            hovertemplate="%{hovertext}<extra></extra>",  # a name may hold what plotly reads as a template
            showlegend=False,
        )
    )


def _hover(one: Point, block: str, name: str, by: str) -> str:
    """Plotly reads some HTML here, and a name is data."""
    kind = {"chance": "before training", "training": "training examples", "held out": "held out"}[one.source]
    end = ", its end" if one.last else ""
    return (
        f"<b>{escape(name)}</b><br>step {one.step:,}{end} · {escape(block)}<br>"
        f"pretext {one.pretext:.1%} ({kind}), chance {one.chance:.1%}<br>{by} {one.worth[block]:.1%}"
    )


def _legend(
    figure: Figure, courses: Mapping[str, Sequence[Point]], shown: Sequence[str], blocks: Sequence[str]
) -> None:
    """A name for each colour and each symbol that occurs."""
    from plotly.graph_objects import Scatter

    tasks = {course[-1].task for course in courses.values()}
    keys = [(look.title, look.color, "circle") for task, look in looks.TASKS.items() if task in tasks]
    keys += [(block, GREY, SYMBOLS[blocks.index(block) % len(SYMBOLS)]) for block in shown]
    for name, color, symbol in keys:
        figure.add_trace(
            Scatter(
                x=[None],
                y=[None],
                mode="markers",
                name=escape(name),
                marker={"color": color, "symbol": symbol, "size": 9},
                hoverinfo="skip",
            )
        )
