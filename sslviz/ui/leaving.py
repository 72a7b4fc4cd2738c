"""What is kept of a visitor on a server that many use, for how long, and how it is all deleted."""

from __future__ import annotations

import streamlit as st

from sslviz import imagesets, journal, quotas, runs, settings, workspaces
from sslviz.ui import frame, remember, visitor

MEGABYTE = 1_000_000


def draw() -> None:
    """What of the visitor's lies on the server, and how to have it deleted; nothing where one is alone."""
    limits = settings.load()
    if not limits.server:
        return
    workspace = frame.workspace()
    own = sum(not run.bundled for run in runs.listing(workspace))
    there = (
        _of(imagesets.count_images(workspace), limits.most_images, "image"),
        _of(own, limits.most_runs, "run"),
        _of(quotas.bytes_in(workspace) // MEGABYTE, limits.most_bytes // MEGABYTE, "MB"),
    )
    st.subheader("Your data on this server", anchor=False)
    st.markdown(f"{', '.join(there)}. {_kept(limits.retention_days)}")
    if st.button("Delete all my data", icon=":material/delete_forever:", key="leave"):
        _confirm()


def _of(count: int, most: int, what: str) -> str:
    several = what if what == "MB" or (most or count) == 1 else f"{what}s"
    return f"{count:,} of {most:,} {several}" if most else f"{count:,} {several}"


def _kept(days: float) -> str:
    who = "whoever is signed in as you" if visitor.signed_in() else "this browser"
    seen = f"Only {who} sees them."
    if not days:
        return seen
    return f"{seen} They are deleted when you have not been here for {days:g} day{'' if days == 1 else 's'}."


@st.dialog("Delete all your data?")
def _confirm() -> None:
    st.markdown(
        "Your image sets, your runs, and everything that was computed from them are deleted from this "
        "server, now and for good. What is at work is stopped. What is shared with everybody stays."
    )
    if st.button("Delete all my data", type="primary", icon=":material/delete_forever:", key="leave_do"):
        with frame.guard():
            with st.spinner("Deleting…"):
                leave()
            st.toast("All your data is deleted.", icon=":material/check:")
            st.rerun()


def leave() -> None:
    """Delete the visitor's workspace, what the server's memory holds of it, and what this session remembers.

    Raises `UserError` where something does not stop in time.
    """
    workspace = frame.workspace()
    workspaces.delete(workspace)
    journal.note("workspace deleted", workspace=workspace.name)
    remember.forget()
    token = st.session_state.get(visitor.TAB)
    for key in list(st.session_state):
        del st.session_state[key]
    if token is not None:
        st.session_state[visitor.TAB] = token
    st.query_params.clear()
