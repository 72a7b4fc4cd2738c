"""Who is there, and which workspace is theirs.

Alone on a machine it is "local". Where many people use one server, it is that of the signed-in user, where
the server has a login, else that of the browser, by a cookie that `sslviz.ui.cookies` has it keep. A cookie
that is missing or is none of ours gives a workspace of this tab's own: never an error, never somebody else's.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import streamlit as st

from sslviz import settings, workspaces
from sslviz.ui import cookies

SLOWER = 2.5
"""What follows work looks less often where many do."""
TAB = "token_of_this_tab"
NAMED = "workspace_of_this_session"


def workspace() -> Path:
    """The folder of the sets and runs that this session sees."""
    if not settings.load().server:
        return settings.workspace()
    name = of(st.context.cookies, signed_in())
    if name is None:
        name = workspaces.of_token(st.session_state.setdefault(TAB, workspaces.new_token()))
    assert name is not None
    # A session that is taken up again brings its own browser's cookie, unless that was cleared: what the
    # session remembers then is another workspace's.
    if st.session_state.setdefault(NAMED, name) != name:
        for key in list(st.session_state):
            del st.session_state[key]
        st.query_params.clear()
        st.session_state[NAMED] = name
    return settings.workspace(name)


def every(seconds: float) -> float:
    """Between two looks at work that goes on, for `run_every`: seconds of one who is alone."""
    return SLOWER * seconds if settings.load().server else seconds


def of(given: Mapping[str, Any], person: tuple[str, str] | None) -> str | None:
    """Name of the workspace of a `person` (who vouches for them, what they are called there) or of a browser
    that has sent the cookies `given`; None where neither says."""
    if person is not None:
        return workspaces.of_person(*person)
    return workspaces.of_token(cookies.token_in(given))


def login_offered() -> bool:
    """Whether the server has a login; in server mode one then has to sign in."""
    return bool(settings.load().server) and "is_logged_in" in st.user.to_dict()


def signed_in() -> tuple[str, str] | None:
    """Who vouches for the user, and what they are called there; None where nobody is signed in."""
    user = st.user.to_dict()
    if not user.get("is_logged_in"):
        return None
    subject = user.get("sub") or user.get("email")
    return (str(user.get("iss", "")), str(subject)) if subject else None
