"""What is not computed yet: its job is started, followed, and started again where it failed."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import streamlit as st

from sslviz import jobs
from sslviz.errors import UserError
from sslviz.jobs import Job
from sslviz.ui import frame, pictures, visitor, work


def until(kind: str, arguments: Mapping[str, Any], words: str, state: Callable[[], object]) -> None:
    """Follow the short job of this kind and these arguments, which is started where it is not under way.

    For a page that has found that what the job makes is not there. Draws `words` with a bar that moves, and
    has the page run again when the job is over or `state()`, which is asked every second, has changed. What
    the result depends on belongs into the arguments: the same arguments are the same job.
    """
    job = jobs.start(kind, arguments)
    status = job.status()
    if status.state in ("failed", "cancelled"):
        frame.problem(UserError(status.error or "The computation stopped.", status.hint))
        if st.button("Try again", icon=":material/refresh:", key=f"again_{job.id}"):
            jobs.start(kind, arguments, again=True)
            st.rerun()
        return
    if status.state == "done":  # and yet something is missing: the cache was cleared
        job = jobs.start(kind, arguments, again=True)
    st.fragment(_poll, run_every=visitor.every(1.0))(job, words, state, state())


def _poll(job: Job, words: str, state: Callable[[], object], before: object) -> None:
    status = job.status()
    if status.state in work.OVER or state() != before:
        st.rerun()
    share = status.done / status.total if status.total else 0.0
    said = f"{words}: {status.message}" if status.message else f"{words}…"
    st.progress(min(1.0, share), text=pictures.literal(said, 200))
