"""The embedding map: plotly.js in a Streamlit component, thumbnails under the pointer, lasso, click.

The largest things, plotly.js (`sslviz.ui.plotly_js`) and the sheets of thumbnails, are each sent by a
component of their own, whose message never changes: Streamlit then sends it once a browser tab, and a click
costs only the small message of the map itself.
"""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field
from functools import cache, cached_property
from pathlib import Path
from typing import Any

import numpy as np
import streamlit as st
from numpy.typing import NDArray

from sslviz import figures
from sslviz.sprites import Sheet

HERE = Path(__file__).parent


@dataclass(frozen=True, eq=False)
class MapData:
    """The points of a map."""

    xy: NDArray[np.float32]
    """(N, 2)."""
    names: Sequence[str]
    """N file names; shown as they are written, never as HTML."""
    ids: NDArray[np.int64] | None = None
    """(N,) what `clicked` and `selected` speak of; by default 0 … N-1."""
    tiles: NDArray[np.int64] | None = None
    """(N,) places in the sheets of thumbnails; by default the ids."""
    sprites: str = ""
    """Name of the sheets: the fingerprint of their image set."""
    group: NDArray[np.int64] | None = None
    """(N,) indices into `groups`, -1 for none; None draws all points alike."""
    groups: Sequence[str] = field(default_factory=tuple)
    """Names of the groups that the points are coloured by."""
    title: str = ""
    """What the groups are: "label"."""
    view: str = ""
    """What the coordinates are. While it stays the same, the zoom stays too."""

    @cached_property
    def message(self) -> dict[str, Any]:
        """What the browser gets."""
        count = len(self.xy)
        ids = np.arange(count) if self.ids is None else self.ids
        group = np.full(count, -1) if self.group is None else self.group
        message = {
            "xy": _packed(np.asarray(self.xy, np.float32).T, np.float32),
            "ids": _packed(ids, np.int32),
            "tiles": _packed(ids if self.tiles is None else self.tiles, np.int32),
            "group": _packed(group, np.int32),
            "groups": [asdict(group) for group in figures.groups(self.groups)],
            "names": list(self.names),
            "sprites": self.sprites,
            "title": self.title,
            "view": self.view,
        }
        digest = hashlib.sha256(json.dumps(message).encode()).hexdigest()
        return {**message, "version": digest[:16]}


@dataclass(frozen=True)
class MapEvent:
    """What the user did with the map just now."""

    clicked: int | None = None
    """Id of the point that was clicked."""
    selected: list[int] | None = None
    """Ids of the points that were lassoed; an empty list where the selection was cleared."""


def _packed(values: NDArray[Any], kind: type[np.generic]) -> str:
    return base64.b64encode(np.ascontiguousarray(values, kind).tobytes()).decode()


@cache
def _components() -> tuple[Any, Any, Any]:
    """The components for a sheet of thumbnails, for the map and for rows of thumbnails."""
    create = st.components.v2.component
    return (
        create("sslviz_sheet", js=_texts("sprites.js")),
        # Plotly's own styles live in the page's head, which a shadow root would not see.
        create(
            "sslviz_map",
            html=_texts("map.html"),
            css=_texts("map.css"),
            js=_texts("thumbs.js", "chrome.js", "map.js"),
            isolate_styles=False,
        ),
        create(
            "sslviz_rows",
            html='<div class="er"></div>\n<!-- filled by rows.js -->',
            css=_texts("map.css"),
            js=_texts("thumbs.js", "rows.js"),
            isolate_styles=False,
        ),
    )


def _texts(*names: str) -> str:
    return "\n".join((HERE / name).read_text("utf-8") for name in names)


def sheets(found: Sequence[Sheet]) -> None:
    """Send sheets of thumbnails to the browser, once; draw this below the map, which then comes first."""
    sheet = _components()[0]
    # Elements that show nothing would still take part in the page's spacing.
    with st.container(key="sslviz_sheets"):
        st.html("<style>.st-key-sslviz_sheets { display: none; }</style>")
        for one in found:
            head = json.dumps(one.head).encode()
            sheet(key=f"sheet_{one.name}", data=len(head).to_bytes(4, "big") + head + one.jpeg)


def embedding_map(
    data: MapData,
    *,
    key: str,
    height: int = 560,
    selected: Sequence[int] | None = None,
    current: int | None = None,
    lines: Sequence[int] = (),
    on_event: Callable[[MapEvent], None] | None = None,
) -> MapEvent:
    """Draw a map and return what the user did with it since the last run.

    `selected` are the ids shown as chosen, `current` is the id drawn with a ring and `lines` are those of its
    neighbours, joined to it by lines. `on_event` is called before the page runs again, so that it can be
    drawn with the new state at once. `plotly_js.library` must have been called on the same page.
    """
    draw = _components()[1]
    call = on_event or _nothing

    def clicked() -> None:
        value = st.session_state[key].clicked
        if isinstance(value, int):
            call(MapEvent(clicked=value))

    def chosen() -> None:
        value = st.session_state[key].selected
        if isinstance(value, list):
            call(MapEvent(selected=[int(one) for one in value]))

    result = draw(
        key=key,
        data={
            "points": data.message,
            "height": height,
            "selected": _packed(np.asarray(selected or [], np.int64), np.int32),
            "current": current,
            "lines": [int(one) for one in lines],
            "label": f"Map of {len(data.xy):,} images.",
        },
        on_clicked_change=clicked,
        on_selected_change=chosen,
    )
    return MapEvent(result.clicked, result.selected)


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
        value = st.session_state[key].clicked
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
    result = _components()[2](key=key, data=data, on_clicked_change=clicked)
    value: int | None = result.clicked
    return value


def _nothing(_: MapEvent) -> None:
    pass
