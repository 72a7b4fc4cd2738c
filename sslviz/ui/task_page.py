"""The page of a task: one image, and what is to be seen of the task on it, a view at a time."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import streamlit as st

from sslviz.imagesets import ImageSet
from sslviz.ui import (
    frame,
    looks,
    options,
    permutation_lab,
    pictures,
    task_look,
    task_play,
    task_says,
    transform_lab,
)

STRIP = 8
"""Images to choose from at a time."""


@dataclass(frozen=True)
class View:
    """One view of the page."""

    title: str
    show: Callable[[str, ImageSet, int], None]
    """Called with the name of the task, the set, and the row of the chosen image."""
    tasks: tuple[str, ...] = tuple(looks.TASKS)
    """Those that have it."""
    chooses: bool = True
    """Whether it looks at one image, which is chosen above it."""


VIEWS = {
    "look": View("What the network gets", task_look.show),
    "play": View("Play it yourself", task_play.show, chooses=False),
    "network": View("What the network says", task_says.show),
    "permutations": View("Permutation lab", permutation_lab.show, ("jigsaw",)),
    "transforms": View("Transforms lab", transform_lab.show, ("exemplar",)),
}


def draw(name: str) -> None:
    """The page of the task `name`."""
    look = looks.TASKS[name]
    options.keep(name)
    st.title(look.title, anchor=False)
    st.markdown(look.sentence)
    images = frame.open_current()
    if images is None:
        return
    titles = {key: view.title for key, view in VIEWS.items() if name in view.tasks}
    chosen = frame.choice("view", "View", titles, "look", shown=False) if len(titles) > 1 else "look"
    _view(name, images, VIEWS[chosen])


@st.fragment
def _view(name: str, images: ImageSet, view: View) -> None:
    """A view, below the choice of its image; what is above them stays as it is when another is chosen."""
    with frame.guard():
        view.show(name, images, choose(images) if view.chooses else 0)


def choose(images: ImageSet) -> int:
    """A strip of thumbnails to choose from; returns the row of the chosen one."""
    key = f"row_{images.folder.name}"
    row = int(st.session_state.get(key, 0))
    row = row if row < len(images) else 0
    first = int(st.session_state.get(f"first_{key}", 0))
    first = first if first < len(images) else 0

    def turn_to(to: int) -> None:
        st.session_state[key] = to

    def more() -> None:
        st.session_state[f"first_{key}"] = (first + STRIP) % len(images) if first + STRIP < len(images) else 0
        st.session_state[key] = st.session_state[f"first_{key}"]

    shown = range(first, min(first + STRIP, len(images)))
    # As a style of its own it is sent once; in the labels it would be read as Markdown at every change.
    thumbnails = [(at, pictures.uri(images.thumbnail(at))) for at in shown]
    styles = [
        f".st-key-strip .st-key-pick_{at} button {{ background-image: url({uri}) }}" for at, uri in thumbnails
    ]
    st.html(f"<style>{' '.join(styles)}</style>")
    with st.container(horizontal=True, key="strip", gap="xsmall", vertical_alignment="center"):
        for at in shown:
            st.button(
                pictures.literal(images.entries[at].name, 40),
                key=f"pick_{at}",
                type="primary" if at == row else "tertiary",
                on_click=turn_to,
                args=(at,),
            )
        if len(images) > STRIP:
            st.button("Other images", icon=":material/arrow_forward:", type="tertiary", on_click=more)
    return row
