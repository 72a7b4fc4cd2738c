"""The map to take away: a table for other programs, a page for other people."""

from __future__ import annotations

import streamlit as st

from sslviz.embeddings import Embedding
from sslviz.embeddings.columns import Column
from sslviz.tables import as_csv
from sslviz.ui import embedding_points, embedding_scene, pictures, words
from sslviz.ui.embedding_scene import TITLES, Scene


def offer(scene: Scene, embedding: Embedding, drawn: str, dims: int, column: Column | None) -> None:
    """The downloads of the map that is shown. What is large is made when it is asked for."""
    with st.popover("Take the map away", icon=":material/download:"):
        st.caption("A picture of it: the arrow on the map itself.")
        st.download_button(
            "Table (CSV)",
            lambda: table(scene, embedding, drawn, dims, column),
            "sslviz-map.csv",
            "text/csv",
            icon=":material/table:",
            key="map_csv",
            on_click="ignore",
            help="A row an image: id, file, label, place on the map, colour, whether it was chosen.",
        )
        st.download_button(
            "Page of its own (HTML)",
            lambda: page(scene, embedding, drawn, dims, column),
            "sslviz-map.html",
            "text/html",
            icon=":material/web:",
            key="map_html",
            on_click="ignore",
            help="The map with its thumbnails in one file that opens anywhere, without sslviz or a network.",
        )


def table(scene: Scene, embedding: Embedding, drawn: str, dims: int, column: Column | None) -> bytes:
    """A row an image, in UTF-8."""
    points = embedding.layout(drawn, dims)
    assert points is not None
    chosen = set(scene.selected)
    colour = {} if column is None else {column.title.lower(): column.word}
    return as_csv(
        [
            {
                "id": entry.id,
                "file": entry.name,
                "label": entry.label,
                **{axis: round(float(value), 5) for axis, value in zip("xyz", points[row], strict=False)},
                **{title: word(row) for title, word in colour.items() if title != "label"},
                "chosen": row in chosen,
            }
            for row, entry in enumerate(scene.images.entries)
        ]
    ).encode()


def page(scene: Scene, embedding: Embedding, drawn: str, dims: int, column: Column | None) -> bytes:
    """The map as an HTML page."""
    from sslviz.ui.embedding_map import standalone

    points = embedding.layout(drawn, dims)
    assert points is not None
    data = embedding_points.data(
        scene, column, points, "standalone", near=embedding.indices[:, : embedding_points.LINES]
    )
    title = f"{scene.images.name}: {TITLES[embedding.source].lower()}, {embedding.block}"
    what = pictures.name_of(words.name(scene.run))
    said = (
        f"{len(scene.images):,} images by {what}. Rest on a point to see its image, click it for its nearest "
        "neighbours, draw a lasso to count. Made with sslviz."
    )
    return standalone.page(
        data,
        embedding_scene.all_sheets(scene.images),
        pictures.name_of(title, 200),
        said,
        selected=scene.selected,
        current=scene.current,
    )
