"""The prose of the pages, which lies as Markdown in `sslviz/docs`."""

from __future__ import annotations

from pathlib import Path

import sslviz

DOCS = Path(sslviz.__file__).parent / "docs"


def read(name: str) -> str:
    """The Markdown of `docs/<name>.md`; empty where there is none."""
    try:
        return (DOCS / f"{name}.md").read_text(encoding="utf-8")
    except OSError:
        return ""
