"""What every map of the embeddings page shares: points, their colours, the block, the chosen images."""

from __future__ import annotations

import numpy as np
import streamlit as st
from numpy.typing import NDArray

from sslviz.embeddings import Embedding, Source, columns
from sslviz.embeddings.columns import Column
from sslviz.ui import remember
from sslviz.ui.embedding_map import Frames, MapData, Row, thumbnail_rows
from sslviz.ui.embedding_scene import Scene

PROJECTIONS = {"umap": "UMAP", "tsne": "t-SNE", "pca": "PCA"}
LINES = 10
"""Neighbours that a chosen point is joined to."""
PAGE = 48
"""Thumbnails on a page of the gallery."""


def block_of(scene: Scene, source: Source) -> str | None:
    """The block in the address, else the one to look at first."""
    known, asked = scene.blocks(source), st.query_params.get("block")
    if asked in known:
        return asked
    first = scene.first_block()[0]
    return first if first in known else known[-1]


def colour(scene: Scene) -> str:
    """The picker of what the points are coloured by, as the address has it; empty for nothing."""
    titles = {"": "Nothing", **columns.available(scene.run, scene.images)}
    first = "label" if "label" in titles else "cluster"
    asked = st.query_params.get("colour", first)
    st.session_state["map_colour"] = name = asked if asked in titles else first

    def chosen() -> None:
        st.query_params["colour"] = st.session_state["map_colour"]

    st.selectbox(
        "Colour by",
        list(titles),
        key="map_colour",
        format_func=lambda one: titles[one],
        on_change=chosen,
        width=210,
    )
    return name


def column(scene: Scene, embedding: Embedding, name: str) -> Column | None:
    """That column; None for nothing."""
    # "Changed by training" compares the two networks, at the block that is shown, or of pixels the first.
    block = embedding.block if embedding.source != "pixels" else None
    return scene.column(name, embedding, block) if name else None


def of(
    scene: Scene,
    embedding: Embedding,
    xy: NDArray[np.float32],
    column: Column | None,
    view: str,
    marks: tuple[int, ...] = (),
) -> MapData:
    """A map of all images by one embedding, packed once a server."""
    stamp = 0 if column is None else hash((column.title, column.group.tobytes(), *column.groups))
    words = hash((scene.labels.tobytes(), *scene.groups))
    return _of(scene, embedding, xy, column, view, marks, stamp, words)


@remember.resource(max_entries=24)
def _of(
    _scene: Scene,
    _embedding: Embedding,
    _xy: NDArray[np.float32],
    _column: Column | None,
    view: str,
    marks: tuple[int, ...],
    coloured: int,  # noqa: ARG001
    words: int,  # noqa: ARG001
) -> MapData:
    return data(_scene, _column, _xy, view, near=_embedding.indices[:, :LINES], marks=marks)


def data(
    scene: Scene,
    column: Column | None,
    xy: NDArray[np.float32],
    view: str,
    *,
    rows: NDArray[np.int64] | None = None,
    near: NDArray[np.int64] | None = None,
    marks: tuple[int, ...] = (),
    frames: Frames | None = None,
) -> MapData:
    """A map of the images `rows`, by default of all; `near` are places among them."""
    rows = np.arange(len(scene.images)) if rows is None else rows
    return MapData(
        xy,
        [scene.names[row] for row in rows.tolist()],
        ids=rows,
        sprites=scene.images.fingerprint,
        group=None if column is None else column.group[rows],
        groups=() if column is None else column.groups,
        title="" if column is None else column.title,
        label=scene.labels[rows],
        labels=scene.groups,
        near=near,
        marks=marks,
        frames=frames,
        view=view,
    )


def gallery(scene: Scene) -> None:
    """The images inside the lasso."""
    rows = scene.selected
    if not rows:
        return
    st.subheader(f"{len(rows):,} chosen image{'s' if len(rows) > 1 else ''}", anchor=False)
    pages = -(-len(rows) // PAGE)
    page = st.pagination(pages, key=f"map_page_{len(rows)}_{rows[0]}") if pages > 1 else 1
    items = [scene.item(row) for row in rows[(page - 1) * PAGE : page * PAGE]]
    sprites_name = scene.images.fingerprint
    thumbnail_rows([Row(items)], key="map_gallery", sprites=sprites_name, width=76, on_click=scene.open)
