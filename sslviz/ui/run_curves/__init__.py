"""The curves of runs: plotly.js in a Streamlit component that keeps zoom and hidden curves over updates."""

from __future__ import annotations

import base64
import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import streamlit as st

HERE = Path(__file__).parent

Values = Sequence[float | None]


@dataclass(frozen=True)
class Line:
    """One run, by its colour."""

    id: str
    name: str
    """Shown as it is written, never as markup."""
    color: str


@dataclass(frozen=True)
class Curve:
    """Values over x; None is a gap."""

    panel: int
    """Index into the names of the panels."""
    run: int
    """Index into the runs."""
    kind: str
    """"training", "held out" or "features": what the legend can hide."""
    color: str
    x: Values
    y: Values
    raw: Values | None = None
    """Before smoothing, drawn faintly behind."""


@dataclass(frozen=True)
class Level:
    """A line across a panel, with words on it."""

    panel: int
    value: float
    text: str
    dash: str = "dash"
    """As plotly knows it: "dash", "dot"."""
    place: str = "start"
    """Of the words: "start", "middle" or "end" of the line."""
    below: bool = False
    """The words stand under the line and not on it."""
    color: str | None = None
    """None for the colour of words."""


@dataclass(frozen=True)
class Chart:
    """All that is drawn."""

    revision: str
    """What the axes mean. While it stays the same, zoom stays too."""
    label: str
    """For those who cannot see it: what it shows, in a sentence."""
    unit: str
    """Of x: "step", "seconds" or "minutes"."""
    end: float
    """Where x ends."""
    panels: Sequence[tuple[str, bool]]
    """Name of each panel, and whether it shows shares."""
    runs: Sequence[Line]
    curves: Sequence[Curve]
    levels: Sequence[Level] = ()
    begins: Sequence[float] = ()
    """Where one run went on from another."""

    @property
    def message(self) -> dict[str, Any]:
        """What the browser gets: numbers packed as float32, an x that curves share only once."""
        axes: dict[str, int] = {}
        curves = []
        for curve in self.curves:
            place = axes.setdefault(_packed(curve.x), len(axes))
            raw = None if curve.raw is None else _packed(curve.raw)
            curves.append(
                {
                    "panel": curve.panel,
                    "run": curve.run,
                    "kind": curve.kind,
                    "color": curve.color,
                    "x": place,
                    "y": _packed(curve.y),
                    "raw": raw,
                }
            )
        kinds = {curve.kind: curve.color for curve in self.curves}
        return {
            "revision": self.revision,
            "label": self.label,
            "unit": self.unit,
            "end": self.end,
            "panels": [{"name": name, "percent": percent} for name, percent in self.panels],
            "runs": [vars(run) for run in self.runs],
            "kinds": [{"name": name, "color": color} for name, color in kinds.items()],
            "axes": list(axes),
            "curves": curves,
            "levels": [vars(level) for level in self.levels],
            "begins": list(self.begins),
        }


def _packed(values: Values) -> str:
    numbers = [math.nan if value is None else value for value in values]
    return base64.b64encode(np.asarray(numbers, "<f4").tobytes()).decode()


@cache
def _component() -> Any:
    html, css, js = ((HERE / f"curves.{kind}").read_text("utf-8") for kind in ("html", "css", "js"))
    # Plotly's own styles live in the page's head, which a shadow root would not see.
    return st.components.v2.component("sslviz_curves", html=html, css=css, js=js, isolate_styles=False)


def run_curves(chart: Chart, *, key: str) -> None:
    """Draw the curves. `plotly_js.library` must have been called on the same page."""
    _component()(key=key, data=chart.message)
