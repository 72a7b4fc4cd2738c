"""Streamlit's server in this process, for `sslviz app`."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from streamlit.web import bootstrap


def serve(script: Path, options: dict[str, Any]) -> None:
    """Serve `script` with Streamlit's `options`, by their dotted names, until the process is told to end."""
    bootstrap.load_config_options(flag_options=options)
    bootstrap.run(str(script), False, [], options)
