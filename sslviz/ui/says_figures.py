"""Figures of what was taken for what, as HTML in the colours of the page."""

from __future__ import annotations

import math
from collections.abc import Sequence
from html import escape

import numpy as np
from numpy.typing import NDArray

from sslviz.ui import pictures

STEPS = ((-1, -1), (0, -1), (1, -1), (-1, 0), (1, 0), (-1, 1), (0, 1), (1, 1))
"""Right and down from the first patch to the second, for each answer of location."""
REACH = 48.0
"""Length of the longest arrow, in per cent of its box."""
LEAST = 0.02
"""Share under which there is no arrow."""


def matrix(table: NDArray[np.int64], words: Sequence[str]) -> str:
    """Counts (C, C) as a table: a row for what is so, a column for what was said, in per cent of the row."""
    shares = table / np.maximum(1, table.sum(1, keepdims=True))
    head = "".join(f'<th scope="col">{escape(word)}</th>' for word in words)
    rows = []
    for k, word in enumerate(words):
        cells = "".join(
            f'<td class="{"ns-hit" if j == k else "ns-miss"}" style="--share:{share:.3f}" '
            f'title="{table[k, j]:,} of {table[k].sum():,}">{100 * share:.0f}</td>'
            for j, share in enumerate(shares[k])
        )
        rows.append(f'<tr><th scope="row">{escape(word)}</th>{cells}</tr>')
    return (
        '<div class="ns-wide"><table class="ns-matrix"><thead>'
        f"<tr><th>is ↓ &ensp; said →</th>{head}</tr></thead><tbody>{''.join(rows)}</tbody></table></div>"
    )


def arrows(table: NDArray[np.int64], words: Sequence[str]) -> str:
    """Counts (8, 8) of location as nine boxes: in each, at the place of the second patch, arrows to where it
    was put."""
    boxes = []
    most = float((table / np.maximum(1, table.sum(1, keepdims=True))).max())
    for place in range(9):
        if place == 4:
            boxes.append('<span class="ns-first">first<br>patch</span>')
            continue
        k = place if place < 4 else place - 1
        asked = int(table[k].sum())
        shares = table[k] / max(1, asked)
        boxes.append(_box(k, shares, asked, most, words))
    return f'<div class="ns-arrows">{"".join(boxes)}</div>'


def _box(k: int, shares: NDArray[np.float64], asked: int, most: float, words: Sequence[str]) -> str:
    """One place of the second patch; `most` is the share that the longest arrow stands for."""
    lines = "".join(
        _arrow(j, shares[j] / most, right=False) for j in range(8) if shares[j] >= LEAST and j != k
    )
    lines += _arrow(k, shares[k] / most, right=True) if shares[k] >= LEAST else ""
    common = sorted(range(8), key=lambda j: -shares[j])[:3]
    told = f"Lay {words[k]}, {asked} times; put " + ", ".join(f"{words[j]} {shares[j]:.0%}" for j in common)
    label = escape(told)
    return (
        f'<figure title="{label}"><div role="img" aria-label="{label}">{lines}</div>'
        f"<figcaption>{shares[k]:.0%}</figcaption></figure>"
    )


def _arrow(j: int, share: float, *, right: bool) -> str:
    """An arrow from the middle of its box; `share` is of the longest. Its length goes by the root of it, so
    that a tenth of the answers is still seen beside the half of them."""
    across, down = STEPS[j]
    turn = math.degrees(math.atan2(down, across))
    kind = "ns-hit" if right else "ns-miss"
    return f'<i class="{kind}" style="--turn:{turn:.0f}deg;--reach:{REACH * math.sqrt(share):.1f}%"></i>'


def steps(counts: NDArray[np.int64], guessed: NDArray[np.float64]) -> str:
    """Bars by distance, int (10,), with a line at the share that guessing would have, float (10,)."""
    shares = counts / max(1, counts.sum())
    top = max(0.05, float(shares.max()), float(guessed.max()))
    columns = []
    for off, (share, guess) in enumerate(zip(shares.tolist(), guessed.tolist(), strict=True)):
        if off == 1:
            continue  # two orders cannot differ in one slot alone
        told = f"{off} slots off: {counts[off]:,} answers, {share:.1%}; guessing {guess:.1%}"
        line = f'<u style="bottom:{100 * guess / top:.1f}%"></u>' if guess > 0 else ""
        columns.append(
            f'<div title="{told}"><span class="ns-column"><b class="{"ns-hit" if off == 0 else ""}" '
            f'style="height:{100 * share / top:.1f}%"></b>{line}</span>'
            f"<em>{f'{share:.0%}' if counts[off] else ''}</em><small>{off}</small></div>"
        )
    return f'<div class="ns-steps" role="img" aria-label="{_told(shares, guessed)}">{"".join(columns)}</div>'


def _told(shares: NDArray[np.float64], guessed: NDArray[np.float64]) -> str:
    return "; ".join(
        f"{off} slots off {share:.0%}, guessing {guess:.0%}"
        for off, (share, guess) in enumerate(zip(shares.tolist(), guessed.tolist(), strict=True))
        if share or guess
    )


def thumbnails(cells: Sequence[tuple[str | None, str, str]]) -> str:
    """(picture, name, what is told of it) each."""
    made = "".join(
        f'<div title="{escape(pictures.name_of(name, 200))}">'
        f"{pictures.figure(uri or '', pictures.name_of(name), told)}</div>"
        for uri, name, told in cells
    )
    return f'<div class="sv-gallery ns-gallery">{made}</div>'


def tilted(cells: Sequence[tuple[str, str, str, str]]) -> str:
    """(picture, name, what is told of it, the compass around it) each."""
    made = "".join(
        f'<figure title="{escape(pictures.name_of(name, 200))}"><div class="ns-tilt">'
        f'<img src="{uri}" alt="{escape(pictures.name_of(name))}">{compass_}</div>'
        f"<figcaption>{told}</figcaption></figure>"
        for uri, name, told, compass_ in cells
    )
    return f'<div class="ns-tilts">{made}</div>'


def compass(shares: NDArray[np.float64]) -> str:
    """How likely each side of an image is to be its top: of `shares` (4,), that it is turned left by 0, 90,
    180 and 270 degrees. Turned left by 90, what was its top is at the left."""
    sides = ("top", "left", "bottom", "right")
    return "".join(
        f'<span class="ns-{side}" style="--share:{share:.3f}">{share:.0%}</span>'
        for side, share in zip(sides, shares.tolist(), strict=True)
    )
