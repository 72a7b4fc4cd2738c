"""What the two views of dense features share: what is missing, the figures on top, pictures in rows."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from html import escape
from pathlib import Path
from typing import Any

import streamlit as st

from sslviz import scenes
from sslviz.errors import UserError
from sslviz.imagesets import ImageSet
from sslviz.runs import Run
from sslviz.ui import frame, pictures

DRAWN = 160
"""Side of the pictures in pixels."""


def style() -> None:
    """The style of both views."""
    st.html(Path(__file__).with_name("downstream_dense.css"))


def missing(images: ImageSet, error: UserError) -> None:
    """In place of a view that a set has nothing for: what it lacks, and the way to the built-in scenes."""
    frame.nothing(pictures.literal(error.message, 300), pictures.literal(error.hint, 300))
    if images.name == scenes.NAME:
        return
    if scenes.NAME in st.session_state.get("image_names", []):
        if st.button("Turn to the built-in scenes", icon=":material/swap_horiz:"):
            frame.turn_to(scenes.NAME)
            st.rerun()
    elif st.button("Draw the built-in scenes", icon=":material/brush:"):
        frame.draw_scenes()
        st.rerun()


def arguments(run: Run, images: ImageSet, digest: str) -> dict[str, Any]:
    """Of a job on a run and a set; a set, labels or a run that have changed are another job."""
    return {
        "workspace": str(frame.workspace()),
        "run": run.id,
        "set": images.name,
        "fingerprint": images.fingerprint,
        "digest": digest,
        "step": run.status().step,
    }


def span(interval: Sequence[float]) -> str:
    """A 95% interval of a share, in per cent."""
    return f"{100 * interval[0]:.0f} to {100 * interval[1]:.0f}"


def lead(name: str, difference: float, low: float, high: float) -> str:
    """What the run leads by, in a sentence that claims no more than the interval allows."""
    between = f"({100 * low:+.1f} to {100 * high:+.1f})"
    if low > 0:
        return f"It leads {name} by {100 * difference:.1f} points {between}."
    if high < 0:
        return f"**It is behind {name}** by {-100 * difference:.1f} points {between}."
    return f"**From {name} it cannot be told apart:** {100 * difference:+.1f} points {between}."


def legend(marks: Iterable[tuple[str, str]]) -> str:
    """(style of a small box, name) each."""
    items = "".join(f'<span><i style="{style}"></i>{escape(name)}</span>' for style, name in marks)
    return f'<p class="sv-legend">{items}</p>'


def rows(header: Sequence[str], lines: Sequence[tuple[str, Sequence[str]]]) -> str:
    """Pictures in columns under a header: (name of the image, a picture a column) each."""
    head = "".join(f"<b>{escape(word)}</b>" for word in header)
    body = "".join(f'<p title="{escape(name)}">{escape(name)}</p>{"".join(cells)}' for name, cells in lines)
    return f'<div class="sv-answers"><div style="--columns:{len(header)}">{head}{body}</div></div>'
