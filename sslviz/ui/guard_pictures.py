"""The picture of a guard: the same image without it and with it, as the task itself makes the views."""

from __future__ import annotations

import logging
import sys
from pathlib import Path
from typing import Any

import numpy as np
import streamlit as st
from numpy.typing import NDArray

from sslviz.imagesets import ImageSet
from sslviz.shortcuts import GUARDS, OFF, Guard
from sslviz.ui import pictures, remember
from sslviz.ui.shortcuts_cue import NAMES

log = logging.getLogger(__name__)

DRAWS = 16
"""Examples that one which shows a mistake is looked for among."""


def show(guard: Guard, images: ImageSet, row: int, strength: float = 0.0) -> None:
    """Draw it for the image in `row`, and a button that draws another."""
    st.html(Path(__file__).with_name("shortcuts.css"))
    seed = int(st.session_state.get(f"seed_{guard.name}", 0))
    with st.spinner("Loading PyTorch…" if "torch" not in sys.modules else "Cutting…"):
        if guard.varies:
            found = _fringes(guard.name, strength, str(images.folder), images.fingerprint, row, seed, images)
        else:
            found = _views(guard.name, str(images.folder), images.fingerprint, row, seed, images)
    cells = []
    for which, pixels, said in found:
        title = NAMES[which]
        body = pictures.views(pixels, said) if len(pixels) == 4 else pictures.figure(
            pictures.pixels_uri(pixels[0]), f"{title}: {said[0]}", said[0])  # fmt: skip
        cells.append(f'<div class="sv-pixels"><b>{title}</b>{body}</div>')
    wide = " sv-fringed" if guard.varies else ""
    pictures.show(f'<div class="sv-guards{wide}">{"".join(cells)}</div>', guard.task)

    def again() -> None:
        st.session_state[f"seed_{guard.name}"] = seed + 1

    st.button(
        "Cut another place",
        icon=":material/casino:",
        type="tertiary",
        on_click=again,
        key=f"cut_{guard.name}",
    )


Found = list[tuple[str, list[NDArray[np.uint8]], list[str]]]
"""Of each measure its pictures and what is said of them."""


@remember.data(max_entries=200)
def _views(name: str, folder: str, fingerprint: str, row: int, seed: int, _images: ImageSet) -> Found:
    from sslviz.shortcuts import showing

    log.debug("showing %s on row %d of %s, %s", name, row, folder, fingerprint)
    guard = GUARDS[name]
    bound = {which: _bound(guard, which, 0.0, _images, row) for which in (OFF, *guard.measures)}
    # A mistake is made in every second example: the next one that shows it is looked for.
    for at in range(DRAWS * seed, DRAWS * (seed + 1)):
        found: Found = []
        for which, (task, one) in bound.items():
            shown = showing.laid_out(task, one, at, read=guard.detector == "tone")
            found.append((which, [pixels for pixels, _ in shown], [said for _, said in shown]))
        off, on = found[0][1][-1], found[1][1][-1]
        if not guard.is_mistake or not np.array_equal(off, on):
            break
    return found


@remember.data(max_entries=200)
def _fringes(
    name: str, strength: float, folder: str, fingerprint: str, row: int, seed: int, _images: ImageSet
) -> Found:
    from sslviz.shortcuts import showing

    log.debug("showing %s on row %d of %s, %s", name, row, folder, fingerprint)
    guard = GUARDS[name]
    found: Found = []
    place = _place(name, folder, fingerprint, row, seed, _images)
    for which in (OFF, *guard.measures):
        _, bound = _bound(guard, which, strength, _images, row)
        pixels, _ = showing.fringed(bound, seed, place)
        found.append((which, [pixels], [f"{pixels.shape[1]} × {pixels.shape[0]} pixels, enlarged"]))
    return found


@remember.data(max_entries=200)
def _place(name: str, folder: str, fingerprint: str, row: int, seed: int, _images: ImageSet) -> int:
    """Where on the image fringes are looked at, which is the same for all strengths."""
    from sslviz.shortcuts import showing

    log.debug("where to look at %s on row %d of %s, %s", name, row, folder, fingerprint)
    _, plain = _bound(GUARDS[name], OFF, 0.0, _images, row)
    _, place = showing.fringed(plain, seed)
    return place


def _bound(guard: Guard, which: str, strength: float, images: ImageSet, row: int) -> tuple[Any, Any]:
    """The task with a measure or without, and it bound to the image in `row` alone."""
    from sslviz.options import make_task
    from sslviz.shortcuts import showing

    task = make_task(guard.task, guard.options(which, strength))
    side = task.side(images.short_side)
    square = _square(str(images.folder), images.fingerprint, row, side, images)
    return task, showing.square_of(task, square)


@remember.data(max_entries=64)
def _square(folder: str, fingerprint: str, row: int, side: int, _images: ImageSet) -> NDArray[np.uint8]:
    from sslviz import images as decoding

    log.debug("row %d of %s, %s", row, folder, fingerprint)
    square: NDArray[np.uint8] = decoding.square(_images.pixels(row), side).transpose(2, 0, 1)
    return np.ascontiguousarray(square)
