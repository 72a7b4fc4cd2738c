"""Beside the map: the image that was chosen, and the way to ask about a part of it or about another one."""

from __future__ import annotations

from html import escape

import streamlit as st

from sslviz import figures, imagesets
from sslviz.embeddings import Embedding, queries
from sslviz.errors import UserError
from sslviz.ui import embedding_neighbors, frame, pictures
from sslviz.ui.cropper import Box, cropper
from sslviz.ui.embedding_map import Row, thumbnail_rows
from sslviz.ui.embedding_neighbors import Asked
from sslviz.ui.embedding_scene import TITLES, Scene
from sslviz.ui.upload import TYPES

BESIDE = 6
"""Neighbours beside the map."""


def show(scene: Scene, embedding: Embedding, asked: Asked | None) -> None:
    """The image in the address, or words on what can be done."""
    if asked is not None and asked.own:
        _own(asked)
    elif scene.current is not None:
        _image(scene, embedding, scene.current)
    else:
        _begin(scene)
    _ask()


def _begin(scene: Scene) -> None:
    st.markdown(
        "#### Look around\nEvery point is an image. The closer two points, the more alike the network "
        "finds them.\n\n**Rest on a point** to see its image.  \n**Click** it to see its nearest "
        "neighbours.  \n**Draw a lasso** to collect images.\n\nOr begin with one of these:"
    )
    count = len(scene.images)
    some = sorted({(2 * place + 1) * count // 18 for place in range(9)})
    thumbnail_rows(
        [Row([scene.item(one) for one in some])],
        key="map_begin",
        sprites=scene.images.fingerprint,
        width=68,
        on_click=scene.open,
    )


def _image(scene: Scene, embedding: Embedding, row: int) -> None:
    name, label = escape(scene.names[row]), scene.label(row)
    facts = f'<strong style="overflow-wrap:anywhere">{name}</strong>'
    if label:
        color = figures.groups(scene.groups)[scene.labels[row]].color
        dot = f"width:.66em;height:.66em;border-radius:50%;background:{color};margin-right:.4em"
        facts += f'<div class="sv-note"><span style="display:inline-block;{dot}"></span>{escape(label)}</div>'
    source = pictures.uri(scene.images.jpeg(row))
    parted = "part" in st.query_params
    if parted:

        def drawn(box: Box) -> None:
            st.query_params["part"] = ",".join(f"{one:g}" for one in box)

        box = embedding_neighbors.part()
        cropper(source, scene.names[row], box, key=f"map_crop_{row}", on_drawn=drawn)
        pictures.show(f'<p style="margin:.2rem 0 0">{facts}</p>')
        st.caption("Draw a rectangle: the neighbours of what is in it are looked for, in whole images.")
    else:
        shape = "width:100%;max-height:220px;object-fit:contain;border-radius:8px;background:var(--fill)"
        pictures.show(
            f'<img src="{source}" alt="{name}" style="{shape}"><p style="margin:.6rem 0 0">{facts}</p>'
        )
        near = embedding.indices[row, : embedding_neighbors.SHOWN]
        st.caption(f"Its nearest by {TITLES[embedding.source].lower()}")
        pairs = zip(near[:BESIDE].tolist(), embedding.similarity[row].tolist(), strict=False)
        thumbnail_rows(
            [Row([scene.item(one, row, similarity) for one, similarity in pairs])],
            key="map_beside",
            sprites=scene.images.fingerprint,
            width=68,
            on_click=scene.open,
        )
        if label:
            same = int((scene.labels[near] == scene.labels[row]).sum())
            st.caption(f"{same} of the {len(near)} nearest have the same label.")
    with st.container(horizontal=True):
        if not isinstance(scene.images, imagesets.Crops):
            st.button(
                "Whole image" if parted else "Ask about a part",
                icon=":material/crop:",
                key="map_part",
                on_click=_forget if parted else _part,
                args=("part",) if parted else (),
            )
        st.button(
            "Close",
            icon=":material/close:",
            key="map_close",
            type="tertiary",
            on_click=_forget,
            args=("image", "part"),
        )


def _part() -> None:
    st.query_params["part"] = ",".join(f"{one:g}" for one in embedding_neighbors.MIDDLE)


def _forget(*names: str) -> None:
    """Take these out of the address."""
    for name in names:
        st.query_params.pop(name, None)


def _own(asked: Asked) -> None:
    """A picture that was brought along."""
    shape = "width:100%;max-height:220px;object-fit:contain;border-radius:8px;background:var(--fill)"
    picture = pictures.uri(asked.query.jpeg)
    pictures.show(f'<img src="{picture}" alt="Your picture" style="{shape}">')
    st.caption(
        "Your picture, which is not of the set. On the map it stands where its nearest neighbours are; "
        "the map itself does not change."
    )
    st.button(
        "Close", icon=":material/close:", key="map_close", type="tertiary", on_click=_forget, args=("query",)
    )


def _ask() -> None:
    """Bring another picture along."""
    problem = st.session_state.pop("query_problem", None)
    if problem is not None:
        frame.problem(problem)
    with st.popover("Ask about another picture", icon=":material/add_photo_alternate:", width="stretch"):
        key = f"query_{st.session_state.setdefault('query_turn', 0)}"
        st.file_uploader(
            "A picture that is not of the set",
            type=[one for one in TYPES if one != "zip"],
            key=key,
            on_change=_uploaded,
            args=(key,),
        )


def _uploaded(key: str) -> None:
    """Read the picture, and let the address name it."""
    file = st.session_state[key]
    if file is None:
        return
    try:
        query = queries.uploaded(frame.workspace(), pictures.name_of(file.name), file.getvalue())
    except UserError as error:
        st.session_state["query_problem"] = error
        return
    st.session_state["query_turn"] += 1  # an uploader holds its file in the server's memory
    st.query_params["query"] = query.key
    _forget("image", "part")
