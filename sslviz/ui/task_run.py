"""Which network of a task is asked or played against: one of the task's runs that can answer."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import streamlit as st

from sslviz import runs
from sslviz.imagesets import ImageSet
from sslviz.runs import Run
from sslviz.runs.identity import has_head
from sslviz.ui import embedding_run, frame, looks, pictures, words

NOBODY = "nobody"
"""In place of a run in the address: one plays alone."""


def able(task: str, without_head: Sequence[str] = ()) -> dict[str, Run]:
    """By id, the newest first, the runs of `task` that can be asked; of the tasks `without_head` also those
    that have features alone."""
    found = [run for run in runs.listing(frame.workspace()) if run.spec.task == task]
    usable = embedding_run.with_weights(found)
    return {id_: run for id_, run in usable.items() if task in without_head or has_head(run)}


def choose(label: str, usable: dict[str, Run], images: ImageSet, alone: str = "") -> Run | None:
    """A picker of one of these runs, which is kept in the address; at first the newest that was trained on
    this set, else the newest. With `alone`, one may choose none, under these words."""
    options = [*usable, *([NOBODY] if alone else [])]
    asked = st.query_params.get("run")
    own = [id_ for id_, run in usable.items() if run.spec.fingerprint == images.fingerprint]
    default = (own or options)[0]
    key = "task_run"
    st.session_state[key] = asked if asked in options else default

    def chosen() -> None:
        st.query_params["run"] = st.session_state[key]

    st.selectbox(
        label,
        options,
        key=key,
        on_change=chosen,
        format_func=lambda id_: _words(usable[id_]) if id_ in usable else alone,
    )
    if asked is not None and asked not in (*options, NOBODY):
        st.caption(f"The run {pictures.literal(asked, 40)} of the address cannot be asked about this task.")
    return usable.get(st.session_state[key])


def none_yet(task: str) -> None:
    """Where no run of a task can be asked: why, and the way to one."""
    headless = any(run.bundled and run.spec.task == task for run in runs.listing(frame.workspace()))
    title = looks.TASKS[task].title.lower()
    why = (
        "The network that comes with sslviz for this task is kept without the layers that answer, to save "
        "room: its features can be looked at, but it cannot be asked. "
    )
    frame.nothing(
        f"There is no network yet that answers {title}.",
        (why if headless else "") + "A minute is enough to train one of your own.",
    )
    link(task)


def arguments(run: Run, images: ImageSet) -> dict[str, Any]:
    """Of a job that asks a run about a set; a set or a run that has changed is another job."""
    return {
        "workspace": str(frame.workspace()),
        "run": run.id,
        "set": images.name,
        "fingerprint": images.fingerprint,
        "step": run.status().step,
    }


def link(task: str) -> None:
    """The way to a network of one's own."""
    st.page_link(
        "pages/train.py",
        label="Train on this task",
        icon=":material/model_training:",
        query_params={"task": task},
    )


def _words(run: Run) -> str:
    name = pictures.name_of(words.name(run))
    return f"{name} ({words.whence(run)})" if run.bundled else f"{name} · {run.id}"


KNOWS = {
    "held out": "The images were held out of the network's own set: it has not trained on them.",
    "others": "The images are of another set than the network was trained on.",
    "copies": "The patches are the network's own; these copies of them are new to it.",
    "seen": "The network was trained on these images, for there are no others: it may know them by heart.",
    "unknown": "Whether the network was trained on these images cannot be told: its own set is gone or has "
    "changed since.",
}
"""What the network knows of the images, by `examinee.Kind`."""
