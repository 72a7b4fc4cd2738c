"""Short work that goes on beside the pages (ingest, scenes, downloads), followed in the sidebar.

The ids of the jobs that this session waits for lie in its state; the jobs themselves are folders, so a page
that is reloaded loses the progress bar and nothing else.
"""

from __future__ import annotations

import contextlib

import streamlit as st

from sslviz import jobs
from sslviz.errors import UserError
from sslviz.jobs import Job, JobStatus
from sslviz.ui import pictures, visitor

OVER = ("done", "failed", "cancelled")


def follow(job: Job, words: str, *, turn_to_set: bool = False) -> None:
    """Show `job` in the sidebar until it is over, then draw the page again, with its set current if asked."""
    followed = st.session_state.setdefault("followed", {})
    followed[job.id] = (words, turn_to_set)


def under_way(kind: str) -> bool:
    """Whether this session follows a job of this kind that is not over."""
    for id_ in st.session_state.get("followed", {}):
        status = status_of(id_)
        with contextlib.suppress(UserError, OSError, ValueError):
            if status is not None and status.state not in OVER and jobs.find(id_).request()[0] == kind:
                return True
    return False


def show() -> None:
    """The jobs that this session follows."""
    followed = st.session_state.get("followed", {})
    st.fragment(_show, run_every=visitor.every(1.0) if followed else None)()


def _show() -> None:
    followed: dict[str, tuple[str, bool]] = st.session_state.get("followed", {})
    for id_, (words, turn_to_set) in list(followed.items()):
        status = status_of(id_)
        if status is None or status.state in OVER:
            del followed[id_]
            result = (status.result if status else None) or {}
            if turn_to_set and isinstance(result.get("set"), str):
                st.session_state["next_images"] = result["set"]
            if status is not None and status.state != "done":
                failed = st.session_state.setdefault("failed_work", {})
                failed[id_] = (
                    f"{words}: {status.error or status.message or 'it stopped unexpectedly.'} {status.hint}"
                )
            st.rerun()
        bar(status, words)
    for id_, sentence in list(st.session_state.get("failed_work", {}).items()):
        st.warning(pictures.literal(sentence, 400))
        if st.button("Dismiss", key=f"dismiss_{id_}"):
            del st.session_state["failed_work"][id_]
            st.rerun()


def status_of(id_: str) -> JobStatus | None:
    """How a job stands; None where there is no such job (any more)."""
    try:
        return jobs.find(id_).status()
    except UserError:
        return None


def bar(status: JobStatus, words: str) -> None:
    """A progress bar with `words` and what the job says of itself."""
    share = min(1.0, status.done / status.total) if status.total else 0.0
    count = f" {status.done:,} of {status.total:,}" if status.total else ""
    st.progress(share, text=pictures.literal(f"{words}…{count}", 200))
