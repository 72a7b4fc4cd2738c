"""An image on which one draws a rectangle."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import streamlit as st

from sslviz.ui.triggers import told

HERE = Path(__file__).parent
Box = tuple[float, float, float, float]


@cache
def _component() -> Any:
    return st.components.v2.component(
        "sslviz_cropper",
        html='<div class="cr" tabindex="0" role="application"><img alt="">'
        '<div class="cr-box" hidden></div></div>',
        css=(HERE / "cropper.css").read_text("utf-8"),
        js=(HERE / "cropper.js").read_text("utf-8"),
    )


def cropper(uri: str, name: str, box: Box | None, *, key: str, on_drawn: Callable[[Box], None]) -> None:
    """Draw the image `uri` with the rectangle `box`, x0 y0 x1 y1 in [0, 1]; `on_drawn` is told another."""

    def drawn() -> None:
        found = read(told(key, "drawn"))
        if found is not None:
            on_drawn(found)

    _component()(key=key, data={"uri": uri, "name": name, "box": box}, on_drawn_change=drawn)


def read(value: Any) -> Box | None:
    """A rectangle from the browser or an address; None for anything else."""
    try:
        x0, y0, x1, y1 = (round(float(one), 4) for one in value)
    except (TypeError, ValueError):
        return None
    return (x0, y0, x1, y1) if 0 <= x0 < x1 <= 1 and 0 <= y0 < y1 <= 1 else None
