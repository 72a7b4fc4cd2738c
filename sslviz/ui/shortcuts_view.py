"""The shortcut lab: a guard, the picture of its cue, what the cue tells alone, and two short runs."""

from __future__ import annotations

from pathlib import Path

import streamlit as st

from sslviz.imagesets import ImageSet
from sslviz.shortcuts import GUARDS, OFF, STRENGTHS, Guard
from sslviz.shortcuts.guards import USUAL_STRENGTH
from sslviz.ui import ceiling, frame, guard_pictures, looks, prose, shortcuts_cue, shortcuts_pair, task_page

TASKS = tuple(dict.fromkeys(guard.task for guard in GUARDS.values()))


def explore(images: ImageSet) -> None:
    """The page below its title."""
    st.html(Path(__file__).with_name("shortcuts.css"))
    with st.container(width=760):
        st.markdown(prose.read("shortcuts/start"))
    guard = _guard()
    _below(guard, images)
    with st.expander("How it is measured", icon=":material/science:"):
        st.markdown(prose.read("shortcuts"))


@st.fragment
def _below(guard: Guard, images: ImageSet) -> None:
    """All that changes with the image; what is above stays as it is."""
    with frame.guard():
        _lab(guard, images, task_page.choose(images))


@st.fragment
def _lab(guard: Guard, images: ImageSet, row: int) -> None:
    """All that changes with the strength: the images to choose among are not sent again."""
    with frame.guard():
        _parts(guard, images, row)


def _parts(guard: Guard, images: ImageSet, row: int) -> None:
    st.subheader(guard.title, anchor=False)
    with st.container(width=760):
        st.markdown(guard.cue)
    strength = _strength() if guard.varies else 0.0
    with frame.guard():
        guard_pictures.show(guard, images, row, strength)
    frame.let_draw()
    if guard.is_mistake:
        ceiling.show(guard.task, guard.options(OFF))
    else:
        st.subheader("The cue alone", anchor=False)
        with frame.guard():
            shortcuts_cue.show(guard, images, strength)
    st.subheader("Two short runs", anchor=False)
    with frame.guard():
        shortcuts_pair.show(guard, images, strength)


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
