"""One task on one image: the source, the views as the network gets them, the answer, the options."""

from __future__ import annotations

import logging
import sys
from typing import TYPE_CHECKING, Any

import streamlit as st

from sslviz.errors import UserError
from sslviz.imagesets import ImageSet
from sslviz.ui import frame, looks, options, pictures, prose, task_figures

if TYPE_CHECKING:
    from sslviz.preview import Bound, Example

log = logging.getLogger(__name__)

STRIP = 8
"""Images to choose from at a time."""
COPIES = 12
"""Copies of one seed patch that the page of exemplar shows."""


def draw(name: str) -> None:
    """The page of the task `name`."""
    look = looks.TASKS[name]
    st.title(look.title, anchor=False)
    st.markdown(look.sentence)
    images = frame.open_current()
    if images is None:
        return
    row = _choose(images)
    changed = options.chosen(name)
    try:
        examples = _examples(name, images, row, changed)
    except UserError as error:
        frame.problem(error)
    else:
        task_figures.draw(name, examples, images, changed)
        _again(name)
    text = prose.read(f"tasks/{name}")
    if text:
        with st.container(width=720):
            st.markdown(text)
    _options(name)


def _choose(images: ImageSet) -> int:
    """A strip of thumbnails to choose from; returns the row of the chosen one."""
    key = f"row_{images.folder.name}"
    row = int(st.session_state.get(key, 0))
    row = row if row < len(images) else 0
    first = int(st.session_state.get(f"first_{key}", 0))
    first = first if first < len(images) else 0

    def choose(to: int) -> None:
        st.session_state[key] = to

    def more() -> None:
        st.session_state[f"first_{key}"] = (first + STRIP) % len(images) if first + STRIP < len(images) else 0
        st.session_state[key] = st.session_state[f"first_{key}"]

    with st.container(horizontal=True, key="strip", gap="xsmall", vertical_alignment="center"):
        for at in range(first, min(first + STRIP, len(images))):
            name = pictures.literal(images.entries[at].name, 40)
            label = f"![{name}]({pictures.uri(images.thumbnail(at))})"
            st.button(
                label,
                key=f"pick_{at}",
                type="primary" if at == row else "tertiary",
                on_click=choose,
                args=(at,),
            )
        if len(images) > STRIP:
            st.button("Other images", icon=":material/arrow_forward:", type="tertiary", on_click=more)
    return row


def _again(name: str) -> None:
    def again() -> None:
        st.session_state[f"seed_{name}"] = int(st.session_state.get(f"seed_{name}", 0)) + 1

    with st.container(horizontal=True, vertical_alignment="center"):
        st.button(
            "Another one",
            icon=":material/casino:",
            on_click=again,
            help="Draw again: another crop, another answer.",
        )
        st.page_link(
            "pages/train.py",
            label="Train on this task",
            icon=":material/model_training:",
            query_params={"task": name},
        )


def _examples(name: str, images: ImageSet, row: int, changed: dict[str, Any]) -> list[Example]:
    """What training would make of this image with these options and this draw."""
    with st.spinner("Loading PyTorch…" if "torch" not in sys.modules else "Cutting…"):
        options_ = tuple(sorted(changed.items()))
        bound = _bound(name, options_, str(images.folder), images.fingerprint, row, _images=images)
        seed = int(st.session_state.get(f"seed_{name}", 0))
        return bound.copies(seed, COPIES) if name == "exemplar" else bound.examples(seed)


@st.cache_resource(show_spinner=False, max_entries=32)
def _bound(
    name: str,
    options_: tuple[tuple[str, Any], ...],
    folder: str,
    fingerprint: str,
    row: int,
    *,
    _images: ImageSet,
) -> Bound:
    """What stays as it is for "another one"; it is only read."""
    from sslviz import preview
    from sslviz.options import make_task

    log.debug("binding %s to row %d of %s, %s", name, row, folder, fingerprint)
    return preview.bind(make_task(name, dict(options_)), _images, row)


def _options(name: str) -> None:
    changed = options.chosen(name)
    count = f" ({len(changed)} changed)" if changed else ""
    with st.expander(f"Options{count}", icon=":material/tune:", key=f"expander_{name}"):
        before = dict(changed)
        with frame.guard():
            after = options.form(name, "task")
            if after != before:
                st.rerun()
        st.button("Back to the defaults", on_click=options.reset, args=(name,), disabled=not changed)
