"""Charts of a published experiment: what the paper has, and what was measured here, on one scale upwards."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import plotly.graph_objects as go

from sslviz import figures
from sslviz.papers import Paper
from sslviz.ui import looks, pictures

HEIGHT = 300
PUBLISHED = figures.PALETTE[6]
"""Grey: what is not ours."""
UNTRAINED = figures.PALETTE[9]
LABELS = figures.PALETTE[2]
CHANCE = "rgba(128,128,128,0.9)"
FIRST_OF_MANY = 3
"""Fewer values than this are bars, more are a curve."""

Rows = Sequence[Mapping[str, Any]]


def published(paper: Paper, rows: Rows) -> go.Figure | None:
    """The figures that were published, on the scale of what was measured; None where there are none."""
    if not paper.published:
        return None
    rerun = {row["what"]: row["rerun"] for row in rows if row["at"] and row["rerun"]}
    chart = _chart(paper, [figure.at for figure in paper.published.values()], rows)
    names = [_name(paper, what, figure.at) for what, figure in paper.published.items()]
    drawn = {"paper": [figure.value for figure in paper.published.values()]}
    if rerun:
        drawn["authors' code, rerun by a reader"] = [figure["value"] for figure in rerun.values()]
    for place, (name, values) in enumerate(drawn.items()):
        chart.add_trace(
            go.Scatter(
                x=names,
                y=values,
                name=name,
                mode="lines+markers" if len(values) > 1 else "markers",
                line={"color": PUBLISHED, "dash": "dot" if place else "solid"},
                marker={"size": 9, "symbol": "circle-open" if place else "circle"},
                hovertemplate="%{x}: %{y:.1%}<extra></extra>",
            )
        )
    for row in _across(rows):
        if row["published"]:
            _level(chart, names, row["published"]["value"], row["line"], {"color": PUBLISHED, "dash": "dash"})
    return chart


def sources(paper: Paper) -> str:
    """Where the published figures are from, and how certain each is, as Markdown."""
    by: dict[str, list[str]] = {}
    for figure in paper.published.values():
        value = "" if figure.at is None else f"{figure.at:,.0f}"
        by.setdefault(f"{figure.certainty}: {figure.source}", []).append(value)
    said = [
        f"{source[0].upper()}{source[1:]}." if len(by) == 1 else f"For {', '.join(at)}, {source}."
        for source, at in by.items()
    ]
    return pictures.literal(f"{paper.measured.capitalize()}, {paper.data}. {' '.join(said)}", 600)


def measured(paper: Paper, rows: Rows) -> go.Figure:
    """What was measured, with its intervals, beside chance and what it is held against."""
    across, rows = _across(rows), [row for row in rows if row["at"] is not None and row["value"] is not None]
    chart = _chart(paper, [row["at"] for row in rows], [*rows, *across])
    names = [_name(paper, row["what"], row["at"]) for row in rows]
    color = looks.TASKS[paper.task].color
    ends = {
        "array": [row["interval"][1] - row["value"] for row in rows],
        "arrayminus": [row["value"] - row["interval"][0] for row in rows],
        "thickness": 1.4,
        "width": 4,
        "color": CHANCE if len(rows) < FIRST_OF_MANY else color,
    }
    common: dict[str, Any] = {
        "x": names,
        "y": [row["value"] for row in rows],
        "name": "trained" if any(row["untrained"] is not None for row in rows) else "held out",
        "error_y": ends,
        "hovertemplate": "%{x}: %{y:.1%}<extra></extra>",
    }
    if len(rows) < FIRST_OF_MANY:
        chart.add_trace(go.Bar(**common, marker={"color": color}, width=0.45))
    else:
        chart.add_trace(
            go.Scatter(
                **common, mode="lines+markers", line={"color": color, "width": 2.5}, marker={"size": 9}
            )
        )
    for what, name, line in (
        ("untrained", "untrained", {"color": UNTRAINED, "dash": "dash"}),
        ("pixels", "raw pixels", {"color": figures.PALETTE[8], "dash": "dashdot"}),
        ("chance", "chance", {"color": CHANCE, "dash": "dot", "width": 1.5}),
    ):
        values = [row[what] for row in rows]
        if len(set(values)) == 1 and values[0] is not None and len(rows) < FIRST_OF_MANY:
            chart.add_hline(
                values[0], line={**line, "width": 1.5}, annotation={"text": name, "showarrow": False}
            )
        elif any(value is not None for value in values):
            _level(chart, names, values, name, line)
    for row in across:
        _level(chart, names, row["value"], row["line"], {"color": LABELS, "dash": "longdash"})
    return chart


def _across(rows: Rows) -> Rows:
    """Those that are lines across the chart; repetitions of before had none."""
    return [row for row in rows if row.get("line")]


def _level(
    chart: go.Figure, names: Sequence[Any], values: float | Sequence[float], name: str, line: dict[str, Any]
) -> None:
    """A line from mark to mark, at one height or at the `values` of the marks."""
    heights = [values] * len(names) if isinstance(values, float | int) else values
    hover = f"{name}: %{{y:.1%}}<extra></extra>"
    chart.add_trace(go.Scatter(x=names, y=heights, name=name, mode="lines", line=line, hovertemplate=hover))


def _chart(paper: Paper, at: Sequence[float | None], rows: Rows) -> go.Figure:
    """An empty chart whose axes hold the published figures and the measured ones, with marks `at` some."""
    across: dict[str, Any] = {"title": {"text": paper.axis}, "fixedrange": True}
    if _counts(paper):
        ticks = _ticks([value for value in at if value])
        known = [*at, *(figure.at for figure in paper.published.values()), *(row["at"] for row in rows)]
        ends = [math.log10(value) for value in known if value]
        across |= {"type": "log", "tickvals": ticks, "ticktext": [f"{value:,.0f}" for value in ticks]}
        across["range"] = [min(ends) - 0.15, max(ends) + 0.15]
    else:
        across["type"] = "category"
    levels = [figure.value for figure in paper.published.values()]
    shown = [row for row in rows if row["at"] is not None or row.get("line")]
    levels += [row["interval"][1] for row in shown if row["interval"]]
    levels += [row["published"]["value"] for row in shown if row["published"]]
    top = min(1.0, 1.1 * max(levels, default=1.0))
    return go.Figure(
        layout={
            "height": HEIGHT,
            "margin": {"l": 8, "r": 8, "t": 8, "b": 8},
            "xaxis": across,
            "yaxis": {"range": [0, top], "tickformat": ".0%", "fixedrange": True},
            "legend": {"orientation": "h", "y": 1.02, "yanchor": "bottom", "x": 0},
            "showlegend": True,
        }
    )


def _ticks(values: Sequence[float]) -> list[float]:
    """Those of `values` whose names have room beside each other, the largest first."""
    kept: list[float] = []
    for value in sorted(values, reverse=True):
        if not kept or value < kept[-1] / 1.6:
            kept.append(value)
    return kept[::-1]


def _counts(paper: Paper) -> bool:
    """Whether what is varied are numbers of something, over which curves are drawn."""
    return paper.axis not in ("block", "gap")


def _name(paper: Paper, what: str, at: float | None) -> str | float | None:
    return at if _counts(paper) else what
