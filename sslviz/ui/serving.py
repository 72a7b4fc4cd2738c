"""Streamlit's server in this process, for `sslviz app`."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import streamlit as st
from starlette.middleware import Middleware
from streamlit.runtime.scriptrunner import get_script_run_ctx
from streamlit.web import bootstrap

from sslviz import __version__, journal, workspaces
from sslviz.ui import cookies, garbage, visitor


def serve(script: Path, options: dict[str, Any]) -> None:
    """Serve `script` with Streamlit's `options`, by their dotted names, until the process is told to end."""
    workspaces.sweep_uploads()
    garbage.keep()
    bootstrap.load_config_options(flag_options=options)
    bootstrap.run(str(script), False, [], options)


def serve_many(script: Path, options: dict[str, Any]) -> None:
    """The same to many people, each with a workspace that their browser keeps the key of."""
    for name in workspaces.expire():
        journal.note("workspace expired", workspace=name)
    journal.note("server began", version=__version__)
    garbage.keep()
    try:
        sys.argv = [str(script)]  # whose folder is put on the path
        app = st.App(script, middleware=[Middleware(cookies.Keeper)], on_script_error=failed)
        app.run(config=options)
    finally:
        journal.note("server ended")


def failed(error: Exception) -> None:
    """Note what no page expected; the visitor sees that something went wrong, and no details."""
    whose = visitor.workspace().name if get_script_run_ctx() is not None else ""
    journal.trouble(error, whose)
