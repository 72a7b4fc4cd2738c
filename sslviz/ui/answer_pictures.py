"""Answers to a task as pictures: the image as somebody turned it, laid it, or placed it."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape

import numpy as np

from sslviz.quiz import Answer, Round
from sslviz.ui import pictures
from sslviz.ui.pictures import Pixels


def of(round_: Round, answer: Answer, alt: str) -> str:
    """What an answer makes of a round."""
    if round_.orders is not None:
        arranged = round_.arranged(answer) if isinstance(answer, int) else answer
        return nine([round_.views[slot] for slot in arranged], alt)
    assert isinstance(answer, int)
    if round_.task == "rotation":
        return one(turned_back(round_.views[0], answer), alt)
    if round_.task == "location":
        return placed(round_.views, answer, alt)
    return one(round_.candidates[answer], alt)


def asked(round_: Round, alt: str) -> str:
    """The round as it was before anybody answered."""
    if round_.orders is not None:
        return nine(round_.views, alt)
    if round_.task == "location":
        return f'<div class="an-pair">{"".join(one(view, alt) for view in round_.views)}</div>'
    return one(round_.views[0], alt)


def turned_back(view: Pixels, answer: int) -> Pixels:
    """A view (h, w, 3) that was turned left by `answer` quarters, as it was before."""
    return np.ascontiguousarray(np.rot90(view, -answer))


def one(pixels: Pixels, alt: str) -> str:
    """One view."""
    return f'<img class="an-one" src="{pictures.pixels_uri(pixels)}" alt="{escape(alt)}">'


def nine(tiles: Sequence[Pixels], alt: str) -> str:
    """Nine tiles as they lie."""
    cells = "".join(f'<img src="{pictures.pixels_uri(tile)}" alt="">' for tile in tiles)
    return f'<div class="an-nine" role="img" aria-label="{escape(alt)}">{cells}</div>'


def placed(views: Sequence[Pixels], answer: int, alt: str) -> str:
    """The second patch at one of the eight places around the first."""
    cells = []
    for place in range(9):
        shown = (
            views[0] if place == 4 else views[1] if place == (answer if answer < 4 else answer + 1) else None
        )
        cells.append("<i></i>" if shown is None else f'<img src="{pictures.pixels_uri(shown)}" alt="">')
    return f'<div class="an-places" role="img" aria-label="{escape(alt)}">{"".join(cells)}</div>'


def verdict(right: bool) -> str:
    """Whether an answer is correct, as HTML."""
    if right:
        return '<span class="an-verdict an-right">✓ correct</span>'
    return '<span class="an-verdict an-wrong">✕ wrong</span>'
