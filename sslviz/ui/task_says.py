"""What the network says: to the chosen image, and to hundreds of others, whose mistakes have a pattern."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

import streamlit as st

from sslviz import exam
from sslviz.errors import UserError
from sslviz.exam import Exam
from sslviz.imagesets import ImageSet
from sslviz.runs import Run
from sslviz.ui import frame, remember, says_patterns, says_sample, task_run, waiting

if TYPE_CHECKING:
    from sslviz.exam.sampling import Asked


def show(name: str, images: ImageSet, row: int) -> None:
    """What a network of the task `name` says to the image in `row`, and to the set."""
    st.html(Path(__file__).with_name("answers.css"))
    st.html(Path(__file__).with_name("says.css"))
    usable = task_run.able(name)
    if not usable:
        task_run.none_yet(name)
        return
    with st.container(width=460):
        run = task_run.choose("Network", usable, images)
    assert run is not None
    above = st.container()
    with frame.guard():  # first, for it is read and needs no torch
        _patterns(images, run)
    with above, frame.guard():
        _sample(name, images, run, row)


@st.fragment
def _sample(name: str, images: ImageSet, run: Run, row: int) -> None:
    st.subheader("To this image", anchor=False)
    key = f"says_{name}"
    seed = int(st.session_state.get(key, 0))
    if name == "exemplar" and run.spec.fingerprint == images.fingerprint and not exam.written(run, images):
        st.caption("It appears here once the network's patches are known.")
        return
    try:
        with st.spinner("Loading PyTorch…" if "torch" not in sys.modules else "Asking…"):
            asked = _asked(run.id, run.status().step, images.fingerprint, row, _run=run, _images=images)
            opinions = asked.opinions(seed)
    except UserError as error:
        frame.problem(error)
        return
    says_sample.draw(name, opinions, images)

    def again() -> None:
        st.session_state[key] = seed + 1

    st.button(
        "Another one",
        icon=":material/casino:",
        on_click=again,
        key="says_again",
        help="Draw again: another crop, another answer.",
    )


@remember.resource(max_entries=16)
def _asked(
    run_id: str,  # noqa: ARG001
    step: int,  # noqa: ARG001
    fingerprint: str,  # noqa: ARG001
    row: int,
    *,
    _run: Run,
    _images: ImageSet,
) -> Asked:
    """The network with the image; only read."""
    from sslviz.exam import sampling

    return sampling.prepare(_run, _images, row)


def _patterns(images: ImageSet, run: Run) -> None:
    st.subheader("To hundreds of others", anchor=False)
    if run.spec.task == "exemplar" and run.spec.fingerprint != images.fingerprint:
        st.caption(
            "The answers of this network are patches of the images that it was trained on; about others it "
            "has nothing to say."
        )
        return
    found = _found(run.id, images.fingerprint, exam.written(run, images), _run=run, _images=images)
    if found is None:
        waiting.until(
            "exam",
            task_run.arguments(run, images),
            "Asking the network",
            lambda: exam.written(run, images),
        )
        return
    says_patterns.draw(found, images)


@remember.resource(max_entries=16)
def _found(run_id: str, fingerprint: str, stamp: int, *, _run: Run, _images: ImageSet) -> Exam | None:  # noqa: ARG001
    return exam.read(_run, _images) if stamp else None
