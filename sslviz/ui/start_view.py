"""What the start page shows: the four tasks in pictures, and what it has made after the first paint.

It must be painted at once, so it imports nothing heavy: the pictures come with the package until a job has
made others from the current images.
"""

from __future__ import annotations

import base64
from html import escape
from pathlib import Path

import streamlit as st

from sslviz import imagesets, jobs, settings
from sslviz.errors import UserError
from sslviz.imagesets import ImageSet
from sslviz.runs import Run
from sslviz.ui import embedding_work, frame, looks, pictures, start_pipeline, visitor, work

PATIENCE_SECONDS = 2.0
"""After the first paint, before anything is started that would slow it down."""


def tasks() -> None:
    """A card for each task: its picture, its question, the way to its page."""
    folder, own = posters(), bool(_made())
    cells = st.grid(2, min_column_width=330, gap="medium")
    for name, look in looks.TASKS.items():
        with cells.cell():
            picture = next(
                (p for p in (folder / f"{name}.webp", looks.PICTURES / f"{name}.webp") if p.exists()), None
            )
            _card(name, look, picture)
            st.page_link(f"pages/{name}.py", label=f"Try {look.title.lower()}", icon=look.icon)
    made = f"Made from {pictures.literal(frame.current() or '')}" if own else "Made from the built-in scenes"
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


def posters() -> Path:
    """Where pictures of the tasks are, `<task>.webp`: those of the current set, or those that came along."""
    return _made() or looks.PICTURES


def _made() -> Path | None:
    """Where those of the current set are, once they are made."""
    name = frame.current()
    job = st.session_state.get("posters", {}).get(_key(name)) if name is not None else None
    if job is None:
        return None
    status = work.status_of(job)
    return jobs.find(job).folder / "result" if status is not None and status.state == "done" else None


def _key(name: str) -> str:
    try:
        return imagesets.open_set(frame.workspace(), name).fingerprint
    except UserError:
        return ""


def prepare() -> None:
    """After the first paint: have the built-in scenes drawn, the pictures made of the current images, and the
    features computed that the whole way ends with."""
    wanted = (
        "scenes" not in st.session_state.get("image_names", [])
        or _unmade() is not None
        or _unlooked() is not None
    )
    st.fragment(_prepare, run_every=visitor.every(PATIENCE_SECONDS) if wanted else None)()


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
        fingerprint, unlooked = _unmade(), _unlooked()
        if fingerprint is not None:
            arguments = {"workspace": str(frame.workspace()), "set": name, "fingerprint": fingerprint}
            job = jobs.start("posters", arguments)
            if job.status().state in work.OVER:
                st.session_state.setdefault("posters", {})[fingerprint] = job.id
                st.rerun()
        elif unlooked is not None:
            st.session_state["looking"] = True
            _look(*unlooked)
        elif st.session_state.pop("looking", False):
            st.rerun()


def _look(run: Run, images: ImageSet) -> None:
    """Have features computed that are not known, or leave it at that where it failed."""
    job = embedding_work.begin(run, images)
    state = job.status().state
    if state in ("failed", "cancelled"):
        st.session_state.setdefault("not_looked_at", set()).add(job.id)
    elif state == "done" and start_pipeline.unknown() is not None:  # what it made was cleared away
        embedding_work.begin(run, images, again=True)


def _unlooked() -> tuple[Run, ImageSet] | None:
    """The network and the images that are still to be looked at; one that failed is not tried again.

    Where many share the machine it is left to whoever opens the map: of thirty who come in at once, all would
    wait for what none has asked for.
    """
    unknown = None if settings.load().server else start_pipeline.unknown()
    if unknown is None:
        return None
    job = embedding_work.known(*unknown)
    return None if job is not None and job.id in st.session_state.get("not_looked_at", ()) else unknown


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
