"""New images: files, folders and zips from the browser, photographs from its camera, public data sets.

What is uploaded is written to a staging folder at once, under numbers instead of names, and read by a job in
a process of its own; the uploader is then emptied, since it holds its files in the server's memory.
"""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from typing import Any

import streamlit as st

from sslviz import imagesets, jobs, quotas, settings
from sslviz.errors import UserError
from sslviz.ingest.staging import stage
from sslviz.ui import frame, pictures, visitor, work

TYPES = ["jpg", "jpeg", "png", "webp", "gif", "tif", "tiff", "bmp", "heic", "heif", "avif", "zip"]


def draw() -> None:
    """Choose a set, drop files in, see what became of them."""
    target = _target()
    turn = st.session_state.setdefault("upload_turn", 0)
    with st.container(horizontal=True):
        folder = st.toggle("A whole folder", key="upload_folder", help="Its folders' names become labels.")
        camera = st.toggle("Camera", key="upload_camera")
    limits = settings.load()
    files: list[Any] = []
    if camera:
        photo = st.camera_input("Photograph", key=f"photo_{turn}")
        files = [photo] if photo is not None else []
    else:
        label = "Drop a folder here" if folder else "Drop photographs or zips here"
        chosen = st.file_uploader(
            label,
            type=TYPES,
            accept_multiple_files="directory" if folder else True,
            key=f"files_{turn}_{folder}",
            max_upload_size=limits.max_upload_bytes // settings.MEGABYTE,
            help="JPEG, PNG, WebP, HEIC, AVIF, GIF, TIFF, BMP, or zips of them.",
        )
        files = list(chosen or [])
    if files and target:
        _begin(target, files)
    elif files:
        st.warning("Choose a name for the set first; the files wait here.")
    report()


def _target() -> str | None:
    own = [
        summary.name
        for summary in imagesets.names(frame.workspace())
        if not (summary.builtin or summary.shared)
    ]
    current = frame.current()
    first = own.index(current) if current in own else 0
    # Another key for another set: what was chosen for the one before would stay.
    chosen = st.selectbox(
        "Into the set",
        own or ["photos"],
        index=first,
        accept_new_options=True,
        format_func=pictures.name_of,
        key=f"upload_target_{current if current in own else ''}",
        help="Type a name to make a new set.",
    )
    name = (chosen or "").strip()
    if name and name not in own:  # said before anything is handed over, and what was dropped stays there
        try:
            imagesets.check_name(frame.workspace(), name)
        except UserError as error:
            st.error(pictures.literal(str(error), 400), icon=":material/error:")
            return None
    return name or None


def _begin(target: str, files: Sequence[Any]) -> None:
    """Write `files` down, start the job that reads them, and empty the uploader."""
    limits = settings.load()
    taken = files[: limits.max_upload_images]
    size = sum(file.size for file in taken)
    staged = stage(((file.name, file.getbuffer()) for file in taken), size, limits)
    cut = f"Only the first {len(taken):,} of {len(files):,} files were taken."
    st.session_state["upload_note"] = cut if len(files) > len(taken) else ""
    arguments = {"workspace": str(frame.workspace()), "set": target, "staging": str(staged)}
    try:
        job = jobs.start("ingest", arguments)
    except BaseException:  # nobody will come for it
        shutil.rmtree(staged, ignore_errors=True)
        raise
    st.session_state["upload_turn"] += 1
    st.session_state["ingest_job"] = job.id
    work.follow(job, "Reading images", turn_to_set=True)
    st.rerun()


def report() -> None:
    """How the upload that this session began stands."""
    id_ = st.session_state.get("ingest_job")
    if id_ is None:
        return
    if note := st.session_state.get("upload_note"):
        st.caption(note)
    status = work.status_of(id_)
    over = status is None or status.state in work.OVER
    st.fragment(_report, run_every=None if over else visitor.every(0.7))(id_)


def _report(id_: str) -> None:
    status = work.status_of(id_)
    if status is None:
        return
    if status.state not in work.OVER:
        st.caption("Reading the images; you may leave this page, they are read all the same.")
        return
    if status.state != "done":
        st.error(pictures.literal(f"{status.error} {status.hint}", 400), icon=":material/error:")
        return
    result = status.result or {}
    added, duplicates, skipped = (result.get(key) for key in ("added", "duplicates", "skipped"))
    words = f"**{added or 0:,} added** to {pictures.literal(str(result.get('set', 'the set')))}"
    words += f", {duplicates:,} already there" if duplicates else ""
    words += f", {len(skipped):,} skipped" if skipped else ""
    (st.success if added or not skipped else st.warning)(f"{words}.", icon=":material/photo_library:")
    for note in result.get("notes", []):
        st.caption(pictures.literal(note, 400))
    if skipped:
        st.markdown("**Skipped**")
        st.dataframe(
            {
                "file": [pictures.name_of(row["name"]) for row in skipped],
                "why": [row["reason"] for row in skipped],
            },
            hide_index=True,
            height=min(320, 38 + 35 * len(skipped)),
        )
    if added:
        with st.container(horizontal=True):
            st.page_link(
                "pages/rotation.py", label="See what the tasks do to them", icon=":material/arrow_forward:"
            )
            st.page_link(
                "pages/images.py",
                label="Look at them",
                icon=":material/photo_library:",
                query_params={"part": "look", "images": str(result.get("set", ""))},
            )


def public() -> None:
    """Public data sets, with what they weigh and how they are licensed, before anything is fetched."""
    from sslviz import downloads

    have = {summary.name for summary in imagesets.names(frame.workspace())}
    st.markdown("Fetched by torchvision from their makers' servers when you ask for it, and only then.")
    for name, source in downloads.CATALOGUE.items():
        with st.container(border=True):
            words, action = st.columns([4, 1], vertical_alignment="center")
            words.markdown(
                f"**{source.title}** — {source.images:,} images, {source.megabytes:,} MB  \n"
                f"Licence: {source.licence}  \n[Home page]({source.home_page})"
            )
            with action:
                _fetch(name, have)


def _fetch(name: str, have: set[str]) -> None:
    from sslviz import downloads

    if name in have:
        if st.button("Show", key=f"show_{name}", width="stretch"):
            frame.turn_to(name)
            st.rerun()
        return
    most = quotas.limits_of(frame.workspace()).most_images
    large = bool(most) and downloads.CATALOGUE[name].images > most
    if st.button(
        "Download",
        key=f"download_{name}",
        icon=":material/download:",
        width="stretch",
        disabled=large,
        help=f"One person may keep {most:,} images here." if large else None,
    ):
        arguments = {"workspace": str(frame.workspace()), "name": name}
        work.follow(jobs.start("download", arguments, again=True), f"Downloading {name}", turn_to_set=True)
        st.rerun()
