"""One round of a task, to be played: turned, put together, pointed at or picked, against the clock.

The clock is the browser's: it starts when the pictures are there and stops when the player is done.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, dataclass
from functools import cache
from pathlib import Path
from typing import Any

import streamlit as st

from sslviz.quiz import CELLS, Answer
from sslviz.ui.triggers import told

HERE = Path(__file__).parent
PARTS = ("parts.js", "turn.js", "tiles.js", "places.js", "patches.js", "board.js")
LONGEST = 86_400.0
"""Seconds: whoever left the board for longer than a day is not timed."""


@dataclass(frozen=True)
class Board:
    """Everything that is drawn."""

    round: str
    """Another one for another round."""
    task: str
    views: list[str]
    """URIs of the views, in their order."""
    candidates: list[str]
    """Exemplar: URIs of the patches to choose from."""
    choices: int
    gap: float
    """Of location: the space between two patches, in sides of a patch."""


@cache
def _component() -> Any:
    return st.components.v2.component(
        "sslviz_play_board",
        html='<div class="pb"></div>\n<!-- filled by board.js -->',
        css=(HERE / "board.css").read_text("utf-8"),
        js="\n".join((HERE / name).read_text("utf-8") for name in PARTS),
    )


def play_board(board: Board, *, key: str, on_answer: Callable[[Answer, float], None]) -> None:
    """Draw the board; `on_answer` is told the answer, and the seconds that it took, before the page runs
    again."""

    def answered() -> None:
        found = read(told(key, "answered"), board)
        if found is not None:
            on_answer(*found)

    _component()(key=key, data=asdict(board), on_answered_change=answered)


def read(word: object, board: Board) -> tuple[Answer, float] | None:
    """What a browser says was answered, and in how many seconds; None for anything else, as a word about
    another round."""
    if not isinstance(word, dict) or word.get("round") != board.round:
        return None
    seconds, answer = word.get("seconds"), word.get("answer")
    if not isinstance(seconds, int | float) or not 0 <= seconds <= LONGEST:
        return None
    if board.task == "jigsaw":
        if not isinstance(answer, list) or not all(isinstance(one, int) for one in answer):
            return None
        return (tuple(answer), float(seconds)) if sorted(answer) == list(range(CELLS)) else None
    if not isinstance(answer, int) or isinstance(answer, bool) or not 0 <= answer < board.choices:
        return None
    return answer, float(seconds)
