"""The embedding map: plotly.js in a Streamlit component, thumbnails under the pointer, lasso, click.

The largest things, plotly.js (`sslviz.ui.plotly_js`), the sheets of thumbnails and the points, are each sent
by a component of their own, whose message a click does not change: Streamlit then sends it once a browser
tab, and a click costs only the small message of the map itself.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from functools import cache
from typing import Any

import numpy as np
import streamlit as st

from sslviz.sprites import Sheet
from sslviz.ui.embedding_map.data import Frames, Guest, Look, MapData, MapEvent, packed
from sslviz.ui.embedding_map.files import MAP, texts
from sslviz.ui.embedding_map.first import picture
from sslviz.ui.embedding_map.rows import Item, Row, thumbnail_rows
from sslviz.ui.triggers import told

__all__ = [
    "Frames",
    "Guest",
    "Item",
    "Look",
    "MapData",
    "MapEvent",
    "Row",
    "embedding_map",
    "message",
    "sheets",
    "thumbnail_rows",
]


@cache
def _components() -> tuple[Any, Any, Any]:
    """The components for a sheet of thumbnails, for the points of a map, and for the map."""
    create = st.components.v2.component
    return (
        create("sslviz_sheet", js=texts("sprites.js")),
        create("sslviz_points", js=texts("sent.js")),
        # Plotly's own styles live in the page's head, which a shadow root would not see.
        create(
            "sslviz_map",
            html=texts("map.html"),
            css=texts("map.css"),
            js=texts(*MAP),
            isolate_styles=False,
        ),
    )


def sheets(found: Sequence[Sheet]) -> None:
    """Send sheets of thumbnails to the browser, once; draw this below the map, which then comes first."""
    sheet = _components()[0]
    # Elements that show nothing would still take part in the page's spacing; see `style.css`.
    with st.container(key="sslviz_unseen_sheets"):
        for one in found:
            head = json.dumps(one.head).encode()
            sheet(key=f"sheet_{one.name}", data=len(head).to_bytes(4, "big") + head + one.jpeg)


def message(
    data: MapData,
    *,
    height: int = 560,
    selected: Sequence[int] = (),
    current: int | None = None,
    guest: Guest | None = None,
    look: Look | None = None,
) -> dict[str, Any]:
    """Everything that the browser is told of a map, its points included."""
    return {
        "points": data.message,
        "height": height,
        "selected": packed(np.asarray(selected, np.int64), np.int32),
        "current": current,
        "guest": None if guest is None else guest.message,
        "zoom": list(look.zoom) if look is not None and look.zoom else None,
        "pictures": 0 if look is None else look.pictures,
        "label": f"Map of {len(data.xy):,} images.",
    }


def embedding_map(
    data: MapData,
    *,
    key: str,
    height: int = 560,
    selected: Sequence[int] | None = None,
    current: int | None = None,
    guest: Guest | None = None,
    look: Look | None = None,
    on_event: Callable[[MapEvent], None] | None = None,
) -> MapEvent:
    """Draw a map and return what the user did with it since the last run.

    `selected` are the ids shown as chosen, and `current` is the id drawn with a ring and joined to its
    neighbours. `look` is where a map that has just been opened is looked at from; afterwards the browser
    knows. `on_event` is called before the page runs again, so that it can be drawn with the new state at
    once. `plotly_js.library` must have been called on the same page.
    """
    call = on_event or _nothing

    def clicked() -> None:
        value = told(key, "clicked")
        if isinstance(value, int):
            call(MapEvent(clicked=value))

    def chosen() -> None:
        value = told(key, "selected")
        if isinstance(value, list):
            call(MapEvent(selected=[int(one) for one in value]))

    def looked() -> None:
        found = Look.read(told(key, "looked"))
        if found is not None:
            call(MapEvent(looked=found))

    _, points, map_ = _components()
    told_map = message(data, height=height, selected=selected or (), current=current, guest=guest, look=look)
    with st.container(key=f"sslviz_first_{key}"):
        # Before everything else: the browser shows it before it has a component ready.
        first = picture(data, height, look)
        st.html(first) if first else st.empty()
        with st.container(key=f"sslviz_unseen_{key}"):
            points(key=f"{key}_sent", data=data.sent)
        result = map_(
            key=key,
            data=told_map | {"points": data.message["version"]},
            on_clicked_change=clicked,
            on_selected_change=chosen,
            on_looked_change=looked,
        )
    return MapEvent(result.clicked, result.selected, Look.read(result.looked))


def _nothing(_: MapEvent) -> None:
    pass
