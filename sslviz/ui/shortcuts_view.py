"""The shortcut lab: a guard, the picture of its cue, what the cue tells alone, and two short runs."""

from __future__ import annotations

import logging
import sys
from pathlib import Path
from typing import Any

import numpy as np
import streamlit as st
from numpy.typing import NDArray

from sslviz.imagesets import ImageSet
from sslviz.shortcuts import GUARDS, OFF, STRENGTHS, Guard
from sslviz.shortcuts.guards import USUAL_STRENGTH
from sslviz.ui import ceiling, frame, looks, pictures, prose, shortcuts_cue, shortcuts_pair, task_page
from sslviz.ui.shortcuts_cue import NAMES

log = logging.getLogger(__name__)

TASKS = tuple(dict.fromkeys(guard.task for guard in GUARDS.values()))

DRAWS = 16
"""Examples that one which shows a mistake is looked for among."""


def explore(images: ImageSet) -> None:
    """The page below its title."""
    st.html(Path(__file__).with_name("shortcuts.css"))
    with st.container(width=760):
        st.markdown(prose.read("shortcuts/start"))
    guard = _guard()
    row = task_page.choose(images)
    st.subheader(guard.title, anchor=False)
    with st.container(width=760):
        st.markdown(guard.cue)
    strength = _strength() if guard.varies else 0.0
    with frame.guard():
        _pictures(guard, images, row, strength)
    if guard.is_mistake:
        ceiling.show(guard.task, guard.options(OFF))
    else:
        st.subheader("The cue alone", anchor=False)
        with frame.guard():
            shortcuts_cue.show(guard, images, strength)
    st.subheader("Two short runs", anchor=False)
    with frame.guard():
        shortcuts_pair.show(guard, images, strength)
    with st.expander("How it is measured", icon=":material/science:"):
        st.markdown(prose.read("shortcuts"))


def _guard() -> Guard:
    """The guard that is looked at: first its task, then which; both live in the address."""
    asked = GUARDS.get(st.query_params.get("guard", ""))
    tasks = {task: f"{looks.TASKS[task].icon} {looks.TASKS[task].title}" for task in TASKS}
    task = frame.choice("of", "Task", tasks, asked.task if asked else "location", shown=False)
    mine = {one.name: one.word.capitalize() for one in GUARDS.values() if one.task == task}
    default = next((name for name in mine if GUARDS[name].varies), next(iter(mine)))
    return GUARDS[frame.choice("guard", "Guard", mine, default, shown=False)]


def _strength() -> float:
    """Of the aberration, in per mille; it lives in the address."""
    key, seen = "shortcut_strength", "shortcut_strength_seen"
    asked = st.query_params.get("strength", f"{USUAL_STRENGTH:g}")
    # Taken over where it is new only: given its value again, a slider that is being moved would jump back.
    if key not in st.session_state or st.session_state.get(seen) != asked:
        st.session_state[key] = _nearest(asked)
    st.session_state[seen] = asked

    def moved() -> None:
        st.query_params["strength"] = st.session_state[seen] = f"{st.session_state[key]:g}"

    with st.container(width=480):
        st.select_slider(
            "Chromatic aberration added to the images",
            STRENGTHS,
            key=key,
            on_change=moved,
            format_func=lambda one: f"{one:g} ‰",
            help="By how many thousandths farther from the centre red and blue lie than green.",
        )
    return float(st.session_state[key])


def _nearest(asked: str) -> float:
    """The strength that can be chosen and is nearest to what an address asks for."""
    try:
        wanted = float(asked)
    except ValueError:
        return USUAL_STRENGTH
    return min(STRENGTHS, key=lambda one: abs(one - wanted))


def _pictures(guard: Guard, images: ImageSet, row: int, strength: float) -> None:
    """The same image without the guard and with it, as the task itself makes it."""
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

    st.button("Another one", icon=":material/casino:", on_click=again, help="Cut another place.")


Found = list[tuple[str, list[NDArray[np.uint8]], list[str]]]
"""Of each measure its pictures and what is said of them."""


@st.cache_data(show_spinner=False, max_entries=200)
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


@st.cache_data(show_spinner=False, max_entries=200)
def _fringes(
    name: str, strength: float, folder: str, fingerprint: str, row: int, seed: int, _images: ImageSet
) -> Found:
    from sslviz.shortcuts import showing

    log.debug("showing %s on row %d of %s, %s", name, row, folder, fingerprint)
    guard = GUARDS[name]
    found: Found = []
    _, plain = _bound(guard, OFF, 0.0, _images, row)
    _, place = showing.fringed(plain, seed)
    for which in (OFF, *guard.measures):
        _, bound = _bound(guard, which, strength, _images, row)
        pixels, _ = showing.fringed(bound, seed, place)
        found.append((which, [pixels], [f"{pixels.shape[1]} × {pixels.shape[0]} pixels, enlarged"]))
    return found


def _bound(guard: Guard, which: str, strength: float, images: ImageSet, row: int) -> tuple[Any, Any]:
    """The task with a measure or without, and it bound to the image in `row` alone."""
    from sslviz.options import make_task
    from sslviz.shortcuts import showing

    task = make_task(guard.task, guard.options(which, strength))
    side = task.side(images.short_side)
    square = _square(str(images.folder), images.fingerprint, row, side, images)
    return task, showing.square_of(task, square)


@st.cache_data(show_spinner=False, max_entries=64)
def _square(folder: str, fingerprint: str, row: int, side: int, _images: ImageSet) -> NDArray[np.uint8]:
    from sslviz import images as decoding

    log.debug("row %d of %s, %s", row, folder, fingerprint)
    square: NDArray[np.uint8] = decoding.square(_images.pixels(row), side).transpose(2, 0, 1)
    return np.ascontiguousarray(square)
