"""The map as one HTML file that needs nothing else: no server, no network."""

from __future__ import annotations

import base64
import json
from collections.abc import Sequence
from html import escape
from typing import Any

from sslviz.sprites import Sheet
from sslviz.ui.embedding_map import MapData, message
from sslviz.ui.embedding_map.files import MAP, texts
from sslviz.ui.plotly_js import file

COLOURS = {
    "light": {"background-color": "#ffffff", "text-color": "#1f2328", "primary-color": "#0e6f73"},
    "dark": {"background-color": "#0e1117", "text-color": "#fafafa", "primary-color": "#2aa3a8"},
}
SHADES = {
    "border-color": "color-mix(in srgb, var(--st-text-color) 20%, transparent)",
    "secondary-background-color": "color-mix(in srgb, var(--st-text-color) 8%, var(--st-background-color))",
    "font": "system-ui, sans-serif",
}
PAGE = """<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta http-equiv="Content-Security-Policy"
 content="default-src 'none'; script-src 'unsafe-inline' 'unsafe-eval'; style-src 'unsafe-inline';
 img-src data: blob:">
<title>{title}</title>
<style>
:root {{ {light} {shades} }}
@media (prefers-color-scheme: dark) {{ :root {{ {dark} }} }}
body {{ margin: 0; padding: 20px; background: var(--st-background-color); color: var(--st-text-color);
  font-family: var(--st-font); }}
h1 {{ font-size: 1.2rem; margin: 0 0 4px; overflow-wrap: anywhere; }}
p {{ margin: 0 0 14px; opacity: 0.75; max-width: 60em; }}
{css}
</style>
</head>
<body>
<h1>{title}</h1>
<p>{words}</p>
<main id="map">
{html}
</main>
<script>{plotly}</script>
<script>
{script}
const sent = {data};
const store = (globalThis.sslvizSprites = new Map());
for (const [head, url] of sent.sheets) {{
  const {{ tile, columns, each }} = head;
  const set = store.get(head.set) ?? {{ tile, columns, each, sheets: [] }};
  set.sheets[head.sheet] = {{ url, rows: head.rows }};
  store.set(head.set, set);
}}
const map = new EmbeddingMap(document.getElementById("map"));
map.send = () => map.due && map.later(0); // nobody answers
map.update(sent.map);
</script>
</body>
</html>
"""


def page(data: MapData, found: Sequence[Sheet], title: str, words: str, **state: Any) -> bytes:
    """The map with its thumbnails as one HTML file. `state` is as for `embedding_map.message`.

    It asks nobody for anything, and says so to the browser: its own policy forbids every request. (plotly.js
    makes its shaders' programs from text, hence `unsafe-eval`.)
    """
    sheets = [
        [sheet.head, f"data:image/jpeg;base64,{base64.b64encode(sheet.jpeg).decode()}"] for sheet in found
    ]
    sent = {"map": message(data, height=680, **state), "sheets": sheets}
    script = texts(*MAP).replace("export default function", "function unused")
    return PAGE.format(
        title=escape(title),
        words=escape(words),
        light=_variables(COLOURS["light"]),
        dark=_variables(COLOURS["dark"]),
        shades=_variables(SHADES),
        css=texts("map.css"),
        html=texts("map.html"),
        plotly=_inline(file().read_text("utf-8")),
        script=_inline(script),
        # A name may hold what ends a script.
        data=json.dumps(sent).replace("<", "\\u003c"),
    ).encode()


def _inline(script: str) -> str:
    return script.replace("</script", "<\\/script")


def _variables(values: dict[str, str]) -> str:
    return " ".join(f"--st-{name}: {value};" for name, value in values.items())
