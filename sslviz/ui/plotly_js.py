"""plotly.js, the file that the plotly package carries, for every component that draws with it.

It is large, and sent as the data of a component of its own whose message never changes: Streamlit then sends
it once a browser tab, and the tab runs it once, however often a page with a map is turned to. That keeps the
tab from everything else for a second or two, so it waits until somebody wants it: whoever does sets
`sslvizPlotlyWanted` and says so by the event `sslviz-plotly-wanted`, after drawing what can be drawn without.
The event `sslviz-plotly` says that it is there.
"""

from __future__ import annotations

import importlib.util
from functools import cache
from pathlib import Path
from typing import Any

import streamlit as st

LOAD = """
function run(data) {
  if (globalThis.sslvizPlotly) return;
  globalThis.sslvizPlotly = true;
  const script = document.createElement("script");
  script.src = URL.createObjectURL(new Blob([data], { type: "text/javascript" }));
  script.onload = () => globalThis.dispatchEvent(new Event("sslviz-plotly"));
  document.head.append(script);
}

export default function ({ data }) {
  if (!data?.length || globalThis.sslvizPlotly) return;
  if (globalThis.sslvizPlotlyWanted) run(data);
  else globalThis.addEventListener("sslviz-plotly-wanted", () => run(data), { once: true });
}
"""


def file() -> Path:
    """Where plotly.js lies."""
    found = importlib.util.find_spec("plotly")
    assert found is not None
    assert found.submodule_search_locations
    return Path(found.submodule_search_locations[0]) / "package_data" / "plotly.min.js"


@cache
def _component() -> Any:
    return st.components.v2.component("sslviz_plotly", js=LOAD)


@cache
def _script() -> bytes:
    return file().read_bytes()


def library() -> None:
    """Send plotly.js to the browser, once. Call it on a page that draws with it, outside any fragment."""
    with st.container(key="sslviz_unseen_library"):  # see `style.css`
        _component()(key="sslviz_plotly", data=_script())
