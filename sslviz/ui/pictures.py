"""Images as HTML: galleries, views as the network gets them, a source with the boxes of its views.

Names of files and sets are data that strangers wrote: everything here that shows one passes it through
`name_of` and `escape`, and whatever goes into a Streamlit label passes through `literal`.
"""

from __future__ import annotations

import base64
import io
import re
import unicodedata
from collections.abc import Collection, Iterable, Sequence
from html import escape

import numpy as np
import streamlit as st
from numpy.typing import NDArray
from PIL import Image

Pixels = NDArray[np.uint8]
Box = tuple[float, float, float, float]

_LINKS = re.compile(
    r"(?<=http:)(?=//)|(?<=https:)(?=//)|(?<=www)(?=\.)|(?<=[-.\w+])(?=@[-\w])", re.IGNORECASE
)
"""Where what GitHub's Markdown takes for an address of the web or of somebody's mail is broken in two."""


def name_of(text: str, limit: int = 80) -> str:
    """`text` fit to be seen: control and invisible characters replaced, at most `limit` characters."""
    seen = "".join("\N{REPLACEMENT CHARACTER}" if unicodedata.category(c)[0] == "C" else c for c in text)
    return seen if len(seen) <= limit else f"{seen[: limit - 1]}…"


def short(name: str, limit: int = 40) -> str:
    """The last part of a path, fit to be seen: what comes before is often the same for all."""
    return name_of(name.rstrip("/").rpartition("/")[2] or name, limit)


def literal(text: str, limit: int = 80) -> str:
    """`text` for a place that Streamlit reads as Markdown, so that it shows as it is written.

    Addresses are made links after everything else has been read, whatever was escaped, so a character without
    width stands in them.
    """
    unlinked = _LINKS.sub("\N{WORD JOINER}", name_of(text, limit))
    return re.sub(r"([\\`*_{}\[\]()#+\-.!|<>~$:&^])", r"\\\1", unlinked)


def uri(jpeg: bytes) -> str:
    """An encoded JPEG as a data URI."""
    return f"data:image/jpeg;base64,{base64.b64encode(jpeg).decode()}"


def pixels_uri(pixels: Pixels) -> str:
    """uint8 (h, w, 3) as a lossless data URI: not one pixel differs from what the network gets."""
    buffer = io.BytesIO()
    Image.fromarray(np.ascontiguousarray(pixels)).save(buffer, "PNG", compress_level=1)
    return f"data:image/png;base64,{base64.b64encode(buffer.getvalue()).decode()}"


def enlarged(values: NDArray[np.float64], times: int) -> NDArray[np.float64]:
    """(h, w) with every value a square of `times` × `times`."""
    return values.repeat(times, 0).repeat(times, 1)


def show(html: str, task: str = "") -> None:
    """Draw HTML in the house's style, in the colour of `task` where one is given."""
    st.html(f'<div class="sv sv-{task or "plain"}">{html}</div>')


def figure(source: str, alt: str, caption: str = "") -> str:
    """One picture with its caption; `alt` and `caption` are escaped here."""
    note = f"<figcaption>{escape(caption)}</figcaption>" if caption else ""
    return f'<figure><img src="{source}" alt="{escape(alt)}">{note}</figure>'


def views(pictures: Sequence[Pixels], captions: Sequence[str], width: int = 0) -> str:
    """Views side by side, pixels drawn as squares: four in a row, or as many of `width` CSS pixels as fit."""
    cells = "".join(
        figure(pixels_uri(p), f"View {i + 1}: {c}".rstrip(": "), c)
        for i, (p, c) in enumerate(zip(pictures, captions, strict=True))
    )
    columns = (
        f' style="grid-template-columns:repeat(auto-fill,minmax(min({width}px,45%),1fr))"' if width else ""
    )
    return f'<div class="sv-views sv-pixels{"" if width else " sv-four"}"{columns}>{cells}</div>'


def nine(tiles: Sequence[Pixels], numbers: Sequence[int], alt: str, lit: Collection[int] = ()) -> str:
    """Nine tiles in three rows, each with its number; the slots `lit`, from 0, are framed."""
    cells = "".join(
        f"<div{' class=sv-lit' if slot in lit else ''}>"
        f'<img src="{pixels_uri(t)}" alt="{escape(alt)}, tile {n}">'
        f'<span class="sv-number">{n}</span></div>'
        for slot, (t, n) in enumerate(zip(tiles, numbers, strict=True))
    )
    return f'<div class="sv-nine sv-pixels">{cells}</div>'


def source(
    picture: str,
    size: tuple[int, int],
    boxes: Sequence[Box],
    mirror: bool,
    marks: Sequence[str],
    alt: str,
    lit: int | None = None,
) -> str:
    """The photograph, a URI of `size` (width, height), with a rectangle for each view.

    `boxes` are fractions of the mirrored centre square, which is all that a task sees; the rest is dimmed.
    The one that is `lit` is in the colour of the task, as is the first of two.
    """
    drawn = []
    for i, (x0, y0, x1, y1) in enumerate(boxes):
        first = " sv-first" if i == (0 if len(boxes) == 2 and lit is None else lit) else ""
        mark = f'<span class="sv-number">{escape(marks[i])}</span>' if marks[i] else ""
        drawn.append(f'<div class="sv-box{first}" style="{_place(x0, y0, x1, y1)}">{mark}</div>')
    width, height = size
    across, down = (1 - min(size) / width) / 2, (1 - min(size) / height) / 2
    square = (
        f'<div class="sv-square" style="{_place(across, down, 1 - across, 1 - down)}">{"".join(drawn)}</div>'
    )
    turned = " sv-mirror" if mirror else ""
    return f'<div class="sv-source{turned}"><img src="{picture}" alt="{escape(alt)}">{square}</div>'


def _place(x0: float, y0: float, x1: float, y1: float) -> str:
    return f"left:{x0:.3%};top:{y0:.3%};width:{x1 - x0:.3%};height:{y1 - y0:.3%}"


def figures(cells: Sequence[tuple[str, str, str]], task: str = "") -> None:
    """Draw (name, value, what to hold it against) each, side by side."""
    body = "".join(
        f"<div><dt>{escape(name)}</dt><dd>{escape(value)}</dd><dd>{escape(note)}</dd></div>"
        for name, value, note in cells
    )
    show(f'<dl class="sv-figures">{body}</dl>', task)


def gallery(thumbnails: Iterable[tuple[bytes, str]]) -> str:
    """Thumbnails, (JPEG, name) each, with their names under them."""
    cells = "".join(
        f'<div title="{escape(name_of(name, 200))}">{figure(uri(jpeg), name_of(name), short(name))}</div>'
        for jpeg, name in thumbnails
    )
    return f'<div class="sv-gallery">{cells}</div>'


def strip(thumbnails: Iterable[tuple[bytes, str]]) -> str:
    """A row of small thumbnails that fills its width."""
    cells = "".join(f'<img src="{uri(jpeg)}" alt="{escape(name_of(name))}">' for jpeg, name in thumbnails)
    return f'<div class="sv-strip">{cells}</div>'
