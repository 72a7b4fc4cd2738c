"""The files beside this one, which become a component's HTML, styles and script."""

from __future__ import annotations

from pathlib import Path

HERE = Path(__file__).parent
MAP = ("thumbs.js", "chrome.js", "points.js", "drawing.js", "pictures.js", "film.js", "map.js")
"""The map's script, in the order of what uses what."""


def texts(*names: str) -> str:
    """The files of these names, one after the other."""
    return "\n".join((HERE / name).read_text("utf-8") for name in names)
