"""What the start page shows: the four tasks in pictures, and three steps.

It must be painted at once, so it imports nothing heavy: the pictures come with the package until a job has
made others from the current images.
"""

from __future__ import annotations

import base64
from html import escape
from pathlib import Path

import streamlit as st

from sslviz import imagesets, jobs
from sslviz.errors import UserError
from sslviz.ui import frame, looks, pictures, work

PATIENCE_SECONDS = 2.0
"""After the first paint, before anything is started that would slow it down."""


def tasks() -> None:
    """A card for each task: its picture, its question, the way to its page."""
    folder, own = _folder()
    cells = st.grid(2, min_column_width=330, gap="medium")
    for name, look in looks.TASKS.items():
        with cells.cell():
            picture = next(
                (p for p in (folder / f"{name}.webp", looks.PICTURES / f"{name}.webp") if p.exists()), None
            )
            _card(name, look, picture)
            st.page_link(f"pages/{name}.py", label=f"Try {look.title.lower()}", icon=look.icon)
    made = f"Made from {pictures.literal(own)}" if own is not None else "Made from the built-in scenes"
    st.caption(f"{made}, by the code that training runs.")


def _card(name: str, look: looks.Look, picture: Path | None) -> None:
    image = ""
    if picture is not None:
        encoded = base64.b64encode(picture.read_bytes()).decode()
        alt = f"{look.title}: an image with boxes, and beside it the views cut from it"
        image = f'<img src="data:image/webp;base64,{encoded}" alt="{escape(alt)}" width="756" height="360">'
    pictures.show(
        f'<div class="sv-card"><h3>{escape(look.question)}</h3><p>{escape(look.sentence)}</p>{image}</div>',
        name,
    )


def _folder() -> tuple[Path, str | None]:
    """Where the pictures of the current set are, and its name where they are there."""
    name = frame.current()
    if name is not None:
        job = st.session_state.get("posters", {}).get(_key(name))
        if job is not None:
            status = work.status_of(job)
            if status is not None and status.state == "done":
                return jobs.find(job).folder / "result", name
    return looks.PICTURES, None


def _key(name: str) -> str:
    try:
        return imagesets.open_set(frame.workspace(), name).fingerprint
    except UserError:
        return ""


def steps() -> None:
    """Where to go from here."""
    first, second, third = st.columns(3, gap="medium")
    with first:
        st.markdown(
            "**1 · Your images**  \nA folder of photographs is enough; the built-in scenes do as well."
        )
        st.page_link("pages/images.py", label="Add images", icon=":material/photo_library:")
    with second:
        st.markdown(
            "**2 · Train for a minute**  \nChoose one of the four questions and watch the network learn."
        )
        st.page_link("pages/train.py", label="Train", icon=":material/model_training:")
    with third:
        st.markdown("**3 · Look**  \nSee which images the network takes to be alike, and which it confuses.")
        st.page_link("pages/embeddings.py", label="Open the map", icon=":material/scatter_plot:")


def prepare() -> None:
    """After the first paint: have the built-in scenes drawn, and the pictures made of the current images."""
    wanted = "scenes" not in st.session_state.get("image_names", []) or _unmade() is not None
    st.fragment(_prepare, run_every=PATIENCE_SECONDS if wanted else None)()


def _prepare() -> None:
    ticks = st.session_state["start_ticks"] = st.session_state.get("start_ticks", -1) + 1
    if ticks == 0:
        return  # this is the page's own run: it is not painted yet
    with frame.guard():
        known = {summary.name for summary in imagesets.names(frame.workspace())}
        if "scenes" not in known:
            # Once a session: one that failed, or a set that was deleted, is tried again with the next visit.
            if not st.session_state.get("scenes_asked"):
                st.session_state["scenes_asked"] = True
                frame.draw_scenes()
                st.rerun()
            return
        name = frame.current()
        if name is None:
            st.rerun()
        fingerprint = _unmade()
        if fingerprint is None:
            return
        job = jobs.start(
            "posters", {"workspace": str(frame.workspace()), "set": name, "fingerprint": fingerprint}
        )
        if job.status().state in work.OVER:
            st.session_state.setdefault("posters", {})[fingerprint] = job.id
            st.rerun()


def _unmade() -> str | None:
    """Fingerprint of the current set, if it has images and its pictures are not made yet."""
    name = frame.current()
    if name is None:
        return None
    try:
        images = imagesets.open_set(frame.workspace(), name)
    except UserError:
        return None
    return (
        images.fingerprint
        if len(images) and images.fingerprint not in st.session_state.get("posters", {})
        else None
    )
