"""A task on one image as the network gets it: the source, the views, the answer, the options."""

from __future__ import annotations

import logging
import sys
from contextlib import AbstractContextManager
from typing import TYPE_CHECKING, Any

import streamlit as st

from sslviz.errors import UserError
from sslviz.imagesets import ImageSet
from sslviz.ui import ceiling, frame, options, remember, task_figures, task_text

if TYPE_CHECKING:
    from sslviz.preview import Bound

log = logging.getLogger(__name__)

COPIES = 12
"""Copies of one seed patch that the page of exemplar shows."""


def show(name: str, images: ImageSet, row: int) -> None:
    """What training would make of the image in `row`, by the task `name`, and what is to be known of it."""
    changed = options.chosen(name)
    found = None
    try:
        with loading():
            options_ = tuple(sorted(changed.items()))
            found = bound(name, options_, str(images.folder), images.fingerprint, row, _images=images)
    except UserError as error:
        frame.problem(error)
    else:
        _drawn(name, images, found, changed)
        frame.let_draw()
    task_text.asks(name)
    _options(name, found)
    task_text.known(name, images, row, found)


@st.fragment
def _drawn(name: str, images: ImageSet, found: Bound, changed: dict[str, Any]) -> None:
    """One draw from the image, and another; the rest of the page stays as it is."""
    key = f"seed_{name}"
    seed = int(st.session_state.get(key, 0))
    with frame.guard():
        with loading():
            examples = found.copies(seed, COPIES) if name == "exemplar" else found.examples(seed)
        task_figures.draw(name, examples, images, changed)

    def again() -> None:
        st.session_state[key] = int(st.session_state.get(key, 0)) + 1

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


def loading() -> AbstractContextManager[None]:
    """Says that one waits, and for what, where the first use of a task takes seconds."""
    return st.spinner("Loading PyTorch…" if "torch" not in sys.modules else "Cutting…")


@remember.resource(max_entries=32)
def bound(
    name: str,
    options_: tuple[tuple[str, Any], ...],
    folder: str,
    fingerprint: str,
    row: int,
    *,
    _images: ImageSet,
) -> Bound:
    """The task bound to the image in `row`: what stays as it is for "another one"; it is only read.

    Raises `UserError` where the image does not suffice.
    """
    from sslviz import preview
    from sslviz.options import make_task

    log.debug("binding %s to row %d of %s, %s", name, row, folder, fingerprint)
    return preview.bind(make_task(name, dict(options_)), _images, row)


def _options(name: str, found: Bound | None) -> None:
    changed = options.chosen(name)
    count = f" ({len(changed)} changed)" if changed else ""
    with st.expander(f"Options{count}", icon=":material/tune:", key=f"expander_{name}"):
        before = dict(changed)
        with frame.guard():
            after = options.form(name, "task")
            if after != before:
                st.rerun()
        ceiling.show(name, changed, found)
        st.button("Back to the defaults", on_click=options.reset, args=(name,), disabled=not changed)
