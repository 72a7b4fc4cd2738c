"""The prose of the pages, which lies as Markdown in `sslviz/docs`."""

from __future__ import annotations

import re
from pathlib import Path

import sslviz

DOCS = Path(sslviz.__file__).parent / "docs"


def read(name: str) -> str:
    """The Markdown of `docs/<name>.md`; empty where there is none."""
    try:
        return (DOCS / f"{name}.md").read_text(encoding="utf-8")
    except OSError:
        return ""


def sections(name: str) -> dict[str, str]:
    """The Markdown under each `## ` heading of `docs/<name>.md`, by heading."""
    parts = re.split(r"^## +(.+)$", read(name), flags=re.MULTILINE)[1:]
    return {title.strip(): text.strip() for title, text in zip(parts[::2], parts[1::2], strict=True)}


def beginning(name: str) -> str:
    """The Markdown of `docs/<name>.md` between its title and its first `## ` heading."""
    before = re.split(r"^## ", read(name), maxsplit=1, flags=re.MULTILINE)[0]
    return re.sub(r"\A# .*\n", "", before).strip()
