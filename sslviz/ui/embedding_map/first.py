"""The first picture of a map: its points and legend, which the page shows before the map's own script runs.

In a new tab the browser mounts a component only once it has loaded what components need and has dealt with
everything that came meanwhile, which takes a second or several; an image needs nothing of that. It stands
where the map will draw its points, at any width, and goes when the map has drawn them; see `style.css`.
"""

from __future__ import annotations

import base64
from html import escape
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from sslviz.ui.embedding_map.data import Look, MapData

MOST = 20_000
"""Points above which the image would itself be what takes long."""
UNITS, RIM = 4000, 120
"""Steps along the longer side, and around all for the dots at the rim."""
LAYERS = 12
"""Later points lie above earlier ones, as in the map; within a layer, those of a later group do."""
SIZES, SMALLEST = ((150, 12.0), (700, 10.0), (2500, 7.5), (8000, 5.5)), 4.0
"""Diameters in CSS pixels by the count of points, as in `dotSize` of drawing.js."""
LONE = "#8a8f94"
ACCENT = "#0e6f73", "#1a7f84"
"""Of points without a group, and of all where there are no groups, in the light and the dark mode."""
IMAGE = """<svg xmlns="http://www.w3.org/2000/svg" viewBox="{box}"><style>
path {{ vector-effect: non-scaling-stroke; fill: none; stroke-linecap: round; stroke-width: {size}px;
 stroke-opacity: .85; stroke: {light} }}
@media (prefers-color-scheme: dark) {{ path {{ stroke: {dark} }} }}
@media (max-width: {narrow}px) {{ path {{ stroke-width: {small}px }} }}
{colours}</style>{paths}</svg>"""
HTML = """<div class="sv-points-frame"><div>
<img src="data:image/svg+xml;base64,{image}" alt="" decoding="sync"
 style="left: {left:.3%}; top: {top:.3%}; width: {across:.3%}; height: {up:.3%}"></div></div>
<div class="sv-points-legend">{legend}</div>"""


def picture(data: MapData, height: int, look: Look | None) -> str | None:
    """HTML of the points of a map as it is seen at first, with the map's `height` in CSS pixels.

    None where the map would look different: in three dimensions, over time, looked at from nearer or drawn
    with thumbnails; and where there are very many points.
    """
    count, dims = data.xy.shape
    near = look is not None and (look.zoom or look.pictures)
    if dims != 2 or data.frames is not None or near or not 0 < count <= MOST:
        return None
    style = f"--em-height: {int(height)}px"
    return f'<div class="sv-points" style="{style}" aria-hidden="true">{data.seen_first}</div>'


def drawn(data: MapData) -> str:
    """What is the same at any height: the image of points in two dimensions, and the legend."""
    low, high = data.xy.min(0).astype(float), data.xy.max(0).astype(float)
    reach = np.maximum(high - low, 0.1)  # as in `fitted` of drawing.js
    scale = UNITS / reach.max()
    width, up = (reach * scale).tolist()
    places = np.rint((data.xy - (low + high - reach) / 2) * scale).astype(int)
    places[:, 1] = round(up) - places[:, 1]
    return HTML.format(
        image=base64.b64encode(_image(data, places, (width, up)).encode()).decode(),
        # As large as the room for the points, with the image's rim outside.
        left=-RIM / width,
        top=-RIM / up,
        across=1 + 2 * RIM / width,
        up=1 + 2 * RIM / up,
        legend=_legend(data),
    )


def _image(data: MapData, places: NDArray[Any], extent: tuple[float, float]) -> str:
    """An SVG of dots at `places`, (N, 2) steps from the upper left of an `extent`, as wide at any size."""
    count = len(places)
    dots = np.array([f"M{x} {y}h0" for x, y in places.tolist()])
    colours = [group.color for group in data.drawn_groups]
    group = np.full(count, -1) if data.group is None or not colours else data.group
    paths = [
        f'<path class="g{one}" d="{"".join(dots[rows][group[rows] == one])}"/>'
        for rows in np.array_split(np.arange(count), min(count, LAYERS))
        for one in np.unique(group[rows]).tolist()
    ]
    size = next((wide for most, wide in SIZES if count <= most), SMALLEST)
    light, dark = (LONE, LONE) if colours else ACCENT
    return IMAGE.format(
        box=f"{-RIM} {-RIM} {extent[0] + 2 * RIM:.1f} {extent[1] + 2 * RIM:.1f}",
        size=size,
        small=0.75 * size,
        narrow=464 * (1 + 2 * RIM / extent[0]),  # where the map's frame is narrower than 500
        light=light,
        dark=dark,
        colours="".join(f".g{place} {{ stroke: {colour} }}" for place, colour in enumerate(colours)),
        paths="".join(paths),
    )


def _legend(data: MapData) -> str:
    """As `drawLegend` of chrome.js has it, so that nothing moves when that takes its place."""
    groups = data.drawn_groups
    rows = np.zeros(0, np.int64) if data.group is None else data.group[data.group >= 0]
    totals = np.bincount(rows, minlength=len(groups)).tolist()
    return "".join(
        f'<span><i class="sv-{one.symbol}" style="background: {one.color}"></i><b>{escape(one.name)}</b>'
        f"<small>{total:,}</small></span>"
        for one, total in zip(groups, totals, strict=False)
    )
