"""Rows of thumbnails that can be clicked; the one under the pointer is ringed on the maps of the page."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from functools import cache
from typing import Any

import streamlit as st

from sslviz.ui.embedding_map.files import texts
from sslviz.ui.triggers import told


@dataclass(frozen=True)
class Item:
    """One thumbnail in a row."""

    id: int
    """What a click tells, and the point that is ringed on the map while the pointer is on it."""
    name: str
    caption: str = ""
    """In the lower left: the label."""
    value: str = ""
    """In the lower right: the similarity."""
    same: bool | None = None
    """A tick or a cross; None for neither."""
    current: bool = False
    tile: int | None = None
    """Place in the sheets of thumbnails; by default the id."""


@dataclass(frozen=True)
class Row:
    """Thumbnails under a title."""

    items: Sequence[Item]
    title: str = ""
    note: str = ""


@cache
def _component() -> Any:
    return st.components.v2.component(
        "sslviz_rows",
        html='<div class="er"></div>\n<!-- filled by rows.js -->',
        css=texts("map.css"),
        js=texts("thumbs.js", "rows.js"),
        isolate_styles=False,
    )


def thumbnail_rows(
    rows: Sequence[Row],
    *,
    key: str,
    sprites: str,
    strip: bool = False,
    width: int = 84,
    on_click: Callable[[int], None] | None = None,
) -> int | None:
    """Draw thumbnails from the sheets of the set `sprites`; returns the id that was clicked just now.

    A `strip` stays on one line and scrolls; otherwise a row wraps. `width` is the least width of a thumbnail
    in CSS pixels.
    """

    def clicked() -> None:
        value = told(key, "clicked")
        if isinstance(value, int) and on_click:
            on_click(value)

    shown = [
        {
            "title": row.title,
            "note": row.note,
            "items": [{**asdict(one), "tile": one.id if one.tile is None else one.tile} for one in row.items],
        }
        for row in rows
    ]
    data = {"rows": shown, "sprites": sprites, "strip": strip, "width": width}
    result = _component()(key=key, data=data, on_clicked_change=clicked)
    value: int | None = result.clicked
    return value
