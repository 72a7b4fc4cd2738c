"""One image set: its pictures and labels, and what can be done to it."""

from __future__ import annotations

import streamlit as st

from sslviz import imagesets
from sslviz.imagesets import ImageSet
from sslviz.ui import frame, pictures

PAGE = 60
"""Thumbnails on one page of the gallery."""


def draw() -> None:
    """The current set, and what cannot be read."""
    _broken()
    images = frame.open_current()
    if images is None:
        return
    labelled = images.label_counts()
    facts = f"{len(images):,} image{'' if len(images) == 1 else 's'}"
    facts += f", {len(labelled)} label{'' if len(labelled) == 1 else 's'}" if labelled else ", no labels"
    st.subheader(pictures.literal(images.name), anchor=False)
    st.caption(f"{facts}, typically {images.short_side} pixels on the short side.")
    _menu(images)
    label = None
    if labelled:
        label = st.selectbox(
            "Label",
            sorted(labelled),
            index=None,
            placeholder="All labels",
            key="set_label",
            format_func=lambda name: f"{pictures.name_of(name)} ({labelled.get(name, 0):,})",
            width=320,
        )
    view = st.segmented_control(
        "Show as", ["Pictures", "Table"], default="Pictures", required=True, key="set_as"
    )
    rows = [row for row, own in enumerate(images.labels) if label is None or own == label]
    page = (
        st.pagination(max(1, -(-len(rows) // PAGE)), key=f"set_page_{images.name}_{label}")
        if len(rows) > PAGE
        else 1
    )
    shown = rows[(page - 1) * PAGE : page * PAGE]
    if view == "Table":
        _table(images, shown, sorted(labelled))
    else:
        pictures.show(pictures.gallery((images.thumbnail(row), images.entries[row].name) for row in shown))
        if not images.shared:
            st.caption("To remove or relabel images, show the table and tick them.")


def _table(images: ImageSet, rows: list[int], labels: list[str]) -> None:
    """Rows to tick, and what can be done to the ticked ones."""
    event = st.dataframe(
        {
            "image": [pictures.uri(images.thumbnail(row)) for row in rows],
            "label": [pictures.name_of(images.entries[row].label or "") for row in rows],
            "name": [pictures.name_of(images.entries[row].name) for row in rows],
            "size": [f"{images.entries[row].width} × {images.entries[row].height}" for row in rows],
        },
        column_config={
            "image": st.column_config.ImageColumn("Image", width="small"),
            "label": "Label",
            "name": "Name",
            "size": "Pixels",
        },
        hide_index=True,
        row_height=56,
        height=480,
        on_select="rerun",
        selection_mode="multi-row",
        key=ticks_key(images, rows, st.session_state.get("set_changes", 0)),
        alt="Images of the set with names and labels",
    )
    if images.shared:
        return
    ids = [images.entries[rows[i]].id for i in event["selection"]["rows"] if i < len(rows)]
    if not ids:
        st.caption("Tick rows to remove or relabel them.")
        return
    many = f"{len(ids)} image{'s' if len(ids) > 1 else ''}"
    with st.container(horizontal=True, vertical_alignment="bottom"):
        label = st.selectbox(
            "New label",
            labels,
            index=None,
            accept_new_options=True,
            key="set_new_label",
            placeholder="Choose or type",
            format_func=pictures.name_of,
            width=240,
        )
        if st.button(f"Relabel {many}", icon=":material/label:", disabled=not label):
            images.relabel(ids, label)
            _changed(f"{many} relabelled")
        if st.button(f"Remove {many}", icon=":material/delete:"):
            _remove(images, ids, many)


def ticks_key(images: ImageSet, rows: list[int], changes: int) -> str:
    """Key of the table of `rows`: another one wherever a row that stayed ticked would be another image, since
    the set has changed or others are shown, and after each change, or ticked rows would be changed again."""
    return f"set_rows_{images.fingerprint}_{hash(tuple(rows))}_{changes}"


def _changed(words: str) -> None:
    """Draw the page anew, with a word on what was done, and nothing ticked."""
    st.session_state["set_changes"] = st.session_state.get("set_changes", 0) + 1
    st.toast(pictures.literal(words), icon=":material/check:")
    st.rerun()


@st.dialog("Remove from the set?")
def _remove(images: ImageSet, ids: list[str], many: str) -> None:
    st.markdown(f"{many} will be removed from **{pictures.literal(images.name)}**. Your own files stay.")
    if st.button(f"Remove {many} for good", type="primary", icon=":material/delete:"):
        with frame.guard():
            images.remove(ids)
            _changed(f"{many} removed")


def _menu(images: ImageSet) -> None:
    """Rename, merge, delete."""
    if images.shared:
        st.caption("Shared with everybody here: it cannot be changed, but merged with sets of your own.")
    others = [s.name for s in imagesets.names(frame.workspace()) if s.name != images.name]
    with st.container(horizontal=True):
        if st.button("Rename", icon=":material/edit:", key="rename_set", disabled=images.shared):
            _rename(images)
        if st.button("Merge", icon=":material/merge:", disabled=not others, key="merge_set"):
            _merge(images, others)
        if st.button("Delete", icon=":material/delete:", key="delete_set", disabled=images.shared):
            _confirm(images)


@st.dialog("Rename this set")
def _rename(images: ImageSet) -> None:
    name = st.text_input("New name", images.name, key=f"rename_{images.id}").strip()
    if st.button("Rename", type="primary", key="rename_do", disabled=not name or name == images.name):
        with frame.guard():
            images.rename(name)
            frame.turn_to(name)
            _changed(f"Renamed to {name}")


@st.dialog("Merge sets")
def _merge(images: ImageSet, others: list[str]) -> None:
    st.markdown(f"Make a new set of **{pictures.literal(images.name)}** and others. The old ones stay.")
    more = st.multiselect("With", others, key=f"merge_{images.id}", format_func=pictures.name_of)
    name = st.text_input("Name of the new set", key=f"merged_{images.id}").strip()
    if st.button("Merge", type="primary", key="merge_do", disabled=not more or not name):
        with frame.guard():
            with st.spinner("Merging…"):
                parts = [images, *(imagesets.open_set(frame.workspace(), other) for other in more)]
                merged = imagesets.merge(frame.workspace(), [images.name, *more], name)
                notes = imagesets.two_classes(merged, imagesets.labels_of(parts))
            frame.turn_to(name)
            _changed(" ".join([f"{name}: {len(merged):,} images" + "." * bool(notes), *notes]))


def _broken() -> None:
    """Sets that cannot be opened, each with its reason and a way to be rid of it."""
    for summary in imagesets.names(frame.workspace()):
        if summary.problem:
            st.warning(pictures.literal(summary.problem, 300), icon=":material/broken_image:")
            if st.button("Delete the unreadable set", key=f"broken_{summary.name}", icon=":material/delete:"):
                imagesets.delete(frame.workspace(), summary.name)
                st.rerun()


@st.dialog("Delete this set?")
def _confirm(images: ImageSet) -> None:
    st.markdown(
        f"**{pictures.literal(images.name)}** with {len(images):,} images will be deleted from this machine. "
        "Runs that were trained on it stay."
    )
    if st.button("Delete the set", type="primary", icon=":material/delete:"):
        with frame.guard():
            images.delete()
            frame.turn_away()
            _changed(f"{images.name} deleted")
