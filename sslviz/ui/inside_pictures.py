"""What was found inside networks as HTML: kernels, patches, heat on an image, colours."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from sslviz.images import encode_jpeg, square
from sslviz.inside import Look, Patches
from sslviz.ui import pictures
from sslviz.ui.pictures import Pixels

DRAWN = 192
"""Side in pixels of an image with heat on it."""
LARGEST_PATCH = 112
SMALL_PATCH = 24
"""Up to here a patch is a PNG, which is as small as a JPEG and has every pixel."""
HEAT = ((0, 0, 4), (87, 16, 110), (188, 55, 84), (249, 142, 9), (252, 255, 164))
"""The colours of matplotlib's "inferno" at 0, ¼, ½, ¾ and 1: their lightness rises evenly, so that whoever
sees no red or no green can tell them apart."""
HEAT_SHARE = 0.68


def pair(parts: Sequence[tuple[str, str, str]]) -> str:
    """Networks side by side: (name, note, HTML) each."""
    sections = "".join(f"<section>{whose(name, note)}{html}</section>" for name, note, html in parts)
    return f'<div class="sv-beside-each">{sections}</div>'


def whose(name: str, note: str = "") -> str:
    small = f"<small>{escape(note)}</small>" if note else ""
    return f'<p class="sv-whose">{escape(name)}{small}</p>'


def kernels(drawn: NDArray[np.uint8], whose_: str) -> str:
    """uint8 (F, k, k, 3), a small square each."""
    tile = 42 if len(drawn) <= 48 else 30 if len(drawn) <= 100 else 24
    cells = "".join(
        f'<img src="{pictures.pixels_uri(one)}" alt="Filter {number} of the {escape(whose_)} network">'
        for number, one in enumerate(drawn, 1)
    )
    return f'<div class="sv-kernels" style="--tile:{tile}px">{cells}</div>'


def channels(patches: Patches, places: range, squares: NDArray[np.uint8], names: Sequence[str]) -> str:
    """A row for each channel in these places of the order: its number and its patches.

    squares uint8 (N, 3, S, S); names (N,), as they came.
    """
    rows = []
    for place in places:
        cells = [
            _patch(squares, names, row, value, box, centre)
            for row, value, box, centre in zip(
                patches.rows[place].tolist(),
                patches.values[place].tolist(),
                patches.boxes[place].tolist(),
                patches.centres[place].tolist(),
                strict=True,
            )
            if row >= 0
        ]
        number = int(patches.channels[place])
        found = "".join(cells) or "<span>never active</span>"
        rows.append(f'<div class="sv-channel"><span title="Channel {number}">{number}</span>{found}</div>')
    return "".join(rows)


def _patch(
    squares: NDArray[np.uint8],
    names: Sequence[str],
    row: int,
    value: float,
    box: list[int],
    centre: list[float],
) -> str:
    x0, y0, x1, y1 = box
    pixels = np.ascontiguousarray(squares[row, :, y0:y1, x0:x1].transpose(1, 2, 0))
    name = escape(pictures.name_of(names[row], 120))
    if max(pixels.shape[:2]) > LARGEST_PATCH:
        picture = Image.fromarray(pixels)
        picture.thumbnail((LARGEST_PATCH, LARGEST_PATCH))
        pixels = np.asarray(picture)
    small = max(pixels.shape[:2]) <= SMALL_PATCH
    source = pictures.pixels_uri(pixels) if small else pictures.uri(encode_jpeg(pixels, 85))
    mark = ""
    if (x1 - x0) * (y1 - y0) > 0.4 * squares.shape[-1] ** 2:  # where in this much is not plain to see
        edge = max(x1 - x0, y1 - y0)  # what is not square stands in the middle of its cell
        left = ((centre[0] - x0) + (edge - (x1 - x0)) / 2) / edge
        top = ((centre[1] - y0) + (edge - (y1 - y0)) / 2) / edge
        mark = f'<i style="left:{left:.1%};top:{top:.1%}"></i>'
    return (
        f'<div class="sv-patch" title="{name} · activation {value:.2f}"><img src="{source}" alt="{name}">'
        f"{mark}</div>"
    )


def table(header: Sequence[str], rows: Sequence[tuple[str, Sequence[str]]], columns: int) -> str:
    """Pictures in `columns`, a name over each row."""
    head = "".join(f"<b>{escape(word)}</b>" for word in header)
    body = "".join(f"{whose(name) if name else ''}{''.join(cells)}" for name, cells in rows)
    return f'<div class="sv-maps"><div style="--columns:{columns}">{head}{body}</div></div>'


def photo(pixels: Pixels, name: str) -> str:
    """The centre square of an image, uint8 (H, W, 3)."""
    shown = escape(pictures.name_of(name, 120))
    source = pictures.uri(encode_jpeg(square(pixels, DRAWN), 88))
    return f'<img src="{source}" alt="{shown}" title="{shown}">'


def heat(look: Look, pixels: Pixels, whose_: str) -> list[str]:
    """By block, the energy as colours on the image in grey."""
    grey = square(pixels, DRAWN).astype(np.float64) @ (0.299, 0.587, 0.114)
    cells = []
    for block, energy in look.energy.items():
        fine = Image.fromarray(energy).resize((DRAWN, DRAWN), Image.Resampling.BILINEAR)
        level = np.asarray(fine) / 255.0
        source = heated(level, grey)
        cells.append(f'<img src="{source}" alt="Where {escape(block)} of the {whose_} network is strong">')
    return cells


def heated(level: NDArray[np.float64], grey: NDArray[np.float64]) -> str:
    """A level in [0, 1] at each pixel, (h, w), as colours on `grey` (h, w) in [0, 255]; a URI."""
    stops = np.linspace(0, 1, len(HEAT))
    hot = np.stack([np.interp(level, stops, [colour[c] for colour in HEAT]) for c in range(3)], -1)
    drawn = (1 - HEAT_SHARE) * grey[..., None] + HEAT_SHARE * hot
    return pictures.uri(encode_jpeg(np.rint(drawn).astype(np.uint8), 85))


def scale() -> str:
    """The colours of `heat`, from weak to strong."""
    stops = ",".join(f"rgb{colour}" for colour in HEAT)
    return f'weak<span class="sv-scale" style="background:linear-gradient(90deg,{stops})"></span>strong'


def colours(look: Look, block: str, alt: str) -> str:
    """The colours of a block, each place a square."""
    return f'<img class="sv-crisp" src="{pictures.pixels_uri(look.colours[block])}" alt="{escape(alt)}">'
