"""What each block of a network is worth, as bars that choose the block."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import cache
from pathlib import Path
from typing import Any

import streamlit as st

from sslviz.ui.triggers import told

HERE = Path(__file__).parent


@cache
def _component() -> Any:
    return st.components.v2.component(
        "sslviz_block_bars",
        html='<div class="bb"></div>\n<!-- filled by bars.js -->',
        css=(HERE / "bars.css").read_text("utf-8"),
        js=(HERE / "bars.js").read_text("utf-8"),
    )


def block_bars(
    shares: Mapping[str, float],
    others: Mapping[str, float],
    lines: Mapping[str, float],
    current: str,
    *,
    key: str,
    on_click: Callable[[str], None],
) -> None:
    """Draw a bar for each block: `shares` of the trained network and `others` of the untrained, in [0, 1].

    `lines` are shares that no block has, as that of raw pixels, drawn across. `on_click` is told the block.
    """

    def clicked() -> None:
        value = told(key, "clicked")
        if value in shares:
            on_click(value)

    data = {
        "blocks": [
            {"name": name, "share": share, "other": others.get(name)} for name, share in shares.items()
        ],
        "lines": [{"name": name, "share": share} for name, share in lines.items()],
        "current": current,
    }
    _component()(key=key, data=data, on_clicked_change=clicked)
