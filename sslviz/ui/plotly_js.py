"""plotly.js, the file that the plotly package carries, for every component that draws with it.

It is large, and sent by a component of its own whose message never changes: Streamlit then sends it once a
browser tab. It says that it is there by the event `sslviz-plotly`.
"""

from __future__ import annotations

import importlib.util
from functools import cache
from pathlib import Path
from typing import Any

import streamlit as st

LOADED = "\nexport default () => { globalThis.dispatchEvent(new Event('sslviz-plotly')); };\n"


@cache
def _component() -> Any:
    found = importlib.util.find_spec("plotly")
    assert found is not None
    assert found.submodule_search_locations
    file = Path(found.submodule_search_locations[0]) / "package_data" / "plotly.min.js"
    return st.components.v2.component("sslviz_plotly", js=file.read_text("utf-8") + LOADED)


def library() -> None:
    """Send plotly.js to the browser, once. Call it on a page that draws with it, outside any fragment."""
    with st.container(key="sslviz_library"):
        st.html("<style>.st-key-sslviz_library { display: none; }</style>")
        _component()(key="sslviz_plotly")
