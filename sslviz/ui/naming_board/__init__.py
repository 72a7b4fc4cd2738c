"""The board on which images are named: the names, a dozen images, and what the rest would be called.

A click is shown by the browser at once and told to the server, which answers with new proposals. What the
server has not confirmed is told again with the next click, for of two words on the way Streamlit may deliver
the later one alone.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import cache
from pathlib import Path
from typing import Any, Literal

import numpy as np
import streamlit as st

from sslviz import figures, images
from sslviz.imagesets import ImageSet
from sslviz.ui import remember
from sslviz.ui.embedding_map.files import texts
from sslviz.ui.triggers import told

HERE = Path(__file__).parent
LARGE = 192
"""Pixels of the side of a picture to be named."""
CLIENTS = 8
"""Boards, in tabs or before a reload, whose words are told apart."""
MOST_IDS = 400


@dataclass(frozen=True)
class Tile:
    """One image."""

    id: str
    row: int
    """Its place in the sheets of thumbnails."""
    file: str
    """Fit to be seen."""
    guess: int | None = None
    """The name proposed for it, as a place in the names."""
    certainty: float | None = None
    """Of the guess, in [0, 1]."""
    right: bool | None = None
    """Whether the guess is right, where that is to be shown."""


@dataclass(frozen=True)
class Strip:
    """The images that one name is proposed for most surely."""

    name: int
    note: str
    tiles: Sequence[Tile]


@dataclass(frozen=True)
class Board:
    """Everything that is drawn."""

    sprites: str
    """The set whose sheets of thumbnails are used."""
    names: Sequence[str]
    counts: Sequence[int]
    """Images that each name was given to."""
    given: Mapping[str, int]
    """By id, of the images that are drawn, their name as a place in `names`."""
    batch: Sequence[Tile]
    title: str
    note: str
    said: str
    """Above the strips: how far it has come."""
    strips: Sequence[Strip]
    named: Sequence[Tile]
    left: int
    """Images that are not named and not in the batch."""
    undoable: bool


@dataclass(frozen=True)
class Act:
    """Something that was done on the board."""

    kind: Literal["name", "forget", "undo", "next"]
    ids: tuple[str, ...] = ()
    name: str = ""


@cache
def _components() -> tuple[Any, Any]:
    create = st.components.v2.component
    own = "\n".join((HERE / name).read_text("utf-8") for name in ("parts.js", "acts.js", "board.js"))
    return (
        create(
            "sslviz_naming_board",
            html='<div class="nb"></div>\n<!-- filled by board.js -->',
            css=texts("map.css") + (HERE / "board.css").read_text("utf-8"),
            js=texts("thumbs.js") + own,
            isolate_styles=False,
        ),
        create("sslviz_large", js=(HERE / "large.js").read_text("utf-8")),
    )


def naming_board(board: Board, *, key: str, on_act: Callable[[Act], None]) -> None:
    """Draw the board. `on_act` is told of each thing that is done, once and in order, before the page runs
    again."""
    known = st.session_state.setdefault(f"{key}_heard", {})

    def acted() -> None:
        word = told(key, "acts")
        if not isinstance(word, dict):
            return
        client, heard = str(word.get("client"))[:40], known.pop(str(word.get("client"))[:40], 0)
        for number, act in _read(word.get("acts")):
            if number > heard:
                heard = number
                on_act(act)
        known[client] = heard
        for old in list(known)[:-CLIENTS]:
            del known[old]

    data = asdict(board) | {"heard": known, "palette": figures.PALETTE, "symbols": figures.SYMBOLS}
    _components()[0](key=key, data=data, on_acts_change=acted)


def large(chosen: ImageSet, rows: Sequence[int]) -> None:
    """Send pictures of these images to the browser, large enough to be named by; draw it after the board."""
    if rows:
        data = _pictures(chosen, tuple(rows), chosen.fingerprint)
        with st.container(key="naming_large"):
            st.html("<style>.st-key-naming_large { display: none; }</style>")
            _components()[1](key=f"large_{chosen.fingerprint}_{hash(tuple(rows))}", data=data)


@remember.resource(max_entries=32)
def _pictures(_chosen: ImageSet, rows: tuple[int, ...], fingerprint: str) -> bytes:
    """Four bytes with the length of a JSON head, the head, then JPEGs of the squares that a network sees."""
    import json

    made = []
    for row in rows:
        whole = _chosen.pixels(row)
        square = images.square(whole, min(LARGE, *whole.shape[:2]))
        made.append(images.encode_jpeg(np.ascontiguousarray(square), quality=85))
    ids = [_chosen.entries[row].id for row in rows]
    head = json.dumps({"set": fingerprint, "ids": ids, "bytes": [len(one) for one in made]}).encode()
    return len(head).to_bytes(4, "big") + head + b"".join(made)


def _read(word: object) -> list[tuple[int, Act]]:
    """What a browser says was done, (number, act), in order; what is no such thing is passed over."""
    found = []
    for one in word if isinstance(word, list) else []:
        if not isinstance(one, dict) or not isinstance(one.get("n"), int):
            continue
        kind, name, ids = one.get("kind"), one.get("name", ""), one.get("ids", [])
        if kind not in ("name", "forget", "undo", "next") or not isinstance(name, str):
            continue
        if not isinstance(ids, list) or not all(isinstance(id_, str) for id_ in ids):
            continue
        found.append((one["n"], Act(kind, tuple(ids[:MOST_IDS]), name)))
    return sorted(found, key=lambda pair: pair[0])
