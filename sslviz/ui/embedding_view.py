"""The embeddings page: what is looked at, the map, one image with its neighbours, the images of a lasso."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from html import escape
from typing import cast

import numpy as np
import streamlit as st
from numpy.typing import NDArray

from sslviz import embeddings, figures, neighbors, sprites
from sslviz.embeddings import Embedding, Source
from sslviz.imagesets import ImageSet
from sslviz.runs import Run
from sslviz.ui import embedding_work, frame, pictures
from sslviz.ui.embedding_map import Item, MapData, MapEvent, Row, embedding_map, thumbnail_rows
from sslviz.ui.embedding_map import sheets as send_sheets

SHOWN = 10
"""Neighbours in a row."""
BESIDE = 6
"""Neighbours beside the map."""
FEW = 300
"""Labelled images under which it is said that they are few."""
PAGE = 48
"""Thumbnails on a page of the gallery."""
SOURCES: dict[str, str] = {"run": "Trained", "untrained": "Untrained", "pixels": "Raw pixels"}
TITLES: dict[Source, str] = {
    "run": "The trained network",
    "untrained": "The same network, untrained",
    "pixels": "Raw pixels",
}
PROJECTIONS = {"umap": "UMAP", "pca": "PCA"}
WHAT_IT_SHOWS = {
    "pca": "PCA draws the two directions in which the features vary most: what lies far apart is different, "
    "but what lies close together may still differ in all the other directions.",
    "umap": "UMAP keeps neighbours together: what lies close together is alike, but how far apart two groups "
    "lie, and how large they are, means little.",
}


@dataclass(frozen=True)
class Scene:
    """What the page is about in this run of it."""

    run: Run
    images: ImageSet
    names: list[str]
    """Of the images, fit to be seen."""
    labels: NDArray[np.int64]
    groups: list[str]
    current: int | None
    """Row of the image in the address."""
    selected: list[int]

    def open(self, row: int) -> None:
        """Show an image: its id goes into the address."""
        if 0 <= row < len(self.images):
            st.query_params["image"] = self.images.entries[row].id

    def label(self, row: int) -> str:
        return self.groups[self.labels[row]] if self.labels[row] >= 0 else ""

    def blocks(self, source: Source) -> list[str]:
        return embeddings.blocks(self.run, self.images, source)

    def embedding(self, source: Source, block: str | None = None) -> Embedding | None:
        """Read once a server and kept, as long as it does not change."""
        stamp = embeddings.stamp(self.run, self.images, source)
        return _embedding(self.run, self.images, source, block, stamp)

    def scores(self, source: Source) -> dict[str, float]:
        stamp = embeddings.stamp(self.run, self.images, source)
        return _scores(self.run, self.images, source, stamp, hash(self.labels.tobytes()))


@st.cache_resource(show_spinner=False, max_entries=12)
def _embedding(
    _run: Run,
    _images: ImageSet,
    source: Source,
    block: str | None,
    stamp: str,  # noqa: ARG001
) -> Embedding | None:
    return embeddings.load(_images.workspace, _run.id, _images.name, source, block)


@st.cache_data(show_spinner=False, max_entries=64)
def _scores(_run: Run, _images: ImageSet, source: Source, stamp: str, labels: int) -> dict[str, float]:  # noqa: ARG001
    return embeddings.accuracies(_run, _images, source)


@st.cache_resource(show_spinner=False, max_entries=4)
def _sheets(_images: ImageSet, fingerprint: str) -> Sequence[sprites.Sheet]:  # noqa: ARG001
    return sprites.sheets(_images)


@st.cache_resource(show_spinner=False, max_entries=8)
def _scene_names(_images: ImageSet, fingerprint: str) -> list[str]:  # noqa: ARG001
    return [pictures.name_of(name) for name in _images.names]


def sheets(images: ImageSet) -> None:
    """Send the thumbnails of `images` to the browser; draw this after the map."""
    send_sheets(_sheets(images, images.fingerprint))


@st.fragment
def explore(run: Run, images: ImageSet) -> None:
    """Controls, map and what was clicked. Nothing else of the page is drawn again by a click."""
    with frame.guard():
        if not embedding_work.ready(run, images):
            return
        scene = _scene(run, images)
        embedding, projection = _choose(scene)
        if embedding is None:
            embedding_work.wait(run, images)
            return
        _worth(scene)
        awaited = projection == "umap" and embedding.umap is None
        projection = "pca" if awaited else projection
        place, side = st.columns([7, 3], gap="medium")
        with place:
            _map(scene, embedding, projection)
            if awaited:
                embedding_work.follow_umap(run, images, embedding)
        with side:
            _image(scene, embedding)
        _gallery(scene)
        _neighbors(scene, embedding)
        _explain(scene, projection)


def _scene(run: Run, images: ImageSet) -> Scene:
    labels, groups = embeddings.label_numbers(images)
    asked, ids = st.query_params.get("image"), images.ids
    fingerprint, rows = st.session_state.get("map_selected", ("", []))
    return Scene(
        run,
        images,
        _scene_names(images, images.fingerprint),
        labels,
        [pictures.name_of(name) for name in groups],
        ids.index(asked) if asked in ids else None,
        rows if fingerprint == images.fingerprint else [],
    )


def _choose(scene: Scene) -> tuple[Embedding | None, str]:
    """Source, projection and block, as the address has them."""
    with st.container(horizontal=True, vertical_alignment="bottom", gap="medium"):
        source = cast(Source, frame.choice("source", "Features of", SOURCES, "run"))
        wanted = frame.choice("projection", "Projection", PROJECTIONS, "umap")
        if scene.groups:
            st.toggle("Colour by label", value=True, key="map_coloured", persist_state="session")
        known = scene.blocks(source)
        block = None
        if len(known) > 1:
            scores = scene.scores(source)
            names = {one: f"{one} · {scores[one]:.0%}" if one in scores else one for one in known}
            first = embeddings.first_block(scene.run, scene.images, "run")[0]
            label = "Block, from the first to the last" + (", with labels predicted" if scores else "")
            block = frame.choice("block", label, names, first if first in known else known[-1])
    return (scene.embedding(source, block) if known else None), wanted


def _map(scene: Scene, embedding: Embedding, projection: str) -> None:
    coloured = bool(scene.groups) and bool(st.session_state.get("map_coloured", True))
    near = [] if scene.current is None else embedding.indices[scene.current, :SHOWN].tolist()

    def heed(event: MapEvent) -> None:
        if event.clicked is not None:
            scene.open(event.clicked)
        if event.selected is not None:
            st.session_state["map_selected"] = (scene.images.fingerprint, event.selected)

    colours = (tuple(scene.groups), hash(scene.labels.tobytes())) if coloured else None
    embedding_map(
        _points(scene, embedding, projection, embedding.key, colours),
        key="map",
        selected=scene.selected,
        current=scene.current,
        lines=near,
        on_event=heed,
    )


@st.cache_resource(show_spinner=False, max_entries=16)
def _points(_scene: Scene, _embedding: Embedding, projection: str, key: str, colours: object) -> MapData:
    umap = _embedding.umap if projection == "umap" else None
    return MapData(
        _embedding.pca if umap is None else umap,
        _scene.names,
        sprites=_scene.images.fingerprint,
        group=_scene.labels if colours else None,
        groups=_scene.groups if colours else (),
        title="Labels",
        view=f"{key} {projection}",
    )


def _image(scene: Scene, embedding: Embedding) -> None:
    """The image that was clicked."""
    row = scene.current
    if row is None:
        st.markdown(
            "#### Look around\nEvery point is an image. The closer two points, the more alike the network "
            "finds them.\n\n**Rest on a point** to see its image.  \n**Click** it to see its nearest "
            "neighbours.  \n**Draw a lasso** to collect images.\n\nOr begin with one of these:"
        )
        count = len(scene.images)
        some = sorted({(2 * place + 1) * count // 18 for place in range(9)})
        thumbnail_rows(
            [Row([Item(one, scene.names[one]) for one in some])],
            key="map_begin",
            sprites=scene.images.fingerprint,
            width=68,
            on_click=scene.open,
        )
        return
    name, label = escape(scene.names[row]), scene.label(row)
    facts = f'<strong style="overflow-wrap:anywhere">{name}</strong>'
    if label:
        color = figures.groups(scene.groups)[scene.labels[row]].color
        dot = f"width:.66em;height:.66em;border-radius:50%;background:{color};margin-right:.4em"
        facts += f'<div class="sv-note"><span style="display:inline-block;{dot}"></span>{escape(label)}</div>'
    shape = "width:100%;max-height:220px;object-fit:contain;border-radius:8px;background:var(--fill)"
    source = pictures.uri(scene.images.jpeg(row))
    pictures.show(f'<img src="{source}" alt="{name}" style="{shape}"><p style="margin:.6rem 0 0">{facts}</p>')
    near = embedding.indices[row, :SHOWN]
    st.caption(f"Its nearest by {TITLES[embedding.source].lower()}")
    pairs = zip(near[:BESIDE].tolist(), embedding.similarity[row].tolist(), strict=False)
    thumbnail_rows(
        [Row([_item(scene, row, *pair) for pair in pairs])],
        key="map_beside",
        sprites=scene.images.fingerprint,
        width=68,
        on_click=scene.open,
    )
    if label:
        same = int((scene.labels[near] == scene.labels[row]).sum())
        st.caption(f"{same} of the {len(near)} nearest have the same label.")
    if st.button("Close", icon=":material/close:", key="map_close", type="tertiary"):
        del st.query_params["image"]
        st.rerun(scope="fragment")


def _neighbors(scene: Scene, shown: Embedding) -> None:
    """Nearest neighbours by each source, one row under the other."""
    row = scene.current
    if row is None:
        return
    st.subheader("Nearest neighbours", anchor=False)
    rows: list[Row] = []
    trained: set[int] | None = None
    # The same block of both networks, also where the pixels, which have none, are on the map.
    alike = shown.block
    if shown.source == "pixels":
        alike = embeddings.first_block(scene.run, scene.images, "run")[0]
    for source in embeddings.SOURCES:
        one = shown if source == shown.source else scene.embedding(source, alike)
        if one is None:
            continue
        found = one.indices[row, :SHOWN].tolist()
        note = "32 × 32, mean removed" if source == "pixels" else one.block
        if trained is not None:
            note += (
                f" · {len(trained & set(found))} of {len(found)} are neighbours by the trained network too"
            )
        trained = set(found) if source == "run" else trained
        items = [_item(scene, row, *pair) for pair in zip(found, one.similarity[row].tolist(), strict=False)]
        rows.append(Row(items, TITLES[source], note))
    st.caption("How alike two images are, the number, can be compared within a row, not between rows.")
    thumbnail_rows(
        rows, key="map_neighbors", sprites=scene.images.fingerprint, strip=True, width=74, on_click=scene.open
    )


def _item(scene: Scene, query: int, row: int, similarity: float) -> Item:
    labels = scene.labels
    same = None if min(labels[query], labels[row]) < 0 else bool(labels[query] == labels[row])
    return Item(row, scene.names[row], scene.label(row), f"{similarity:.2f}", same)


def _gallery(scene: Scene) -> None:
    """The images inside the lasso."""
    rows = scene.selected
    if not rows:
        return
    st.subheader(f"{len(rows):,} chosen image{'s' if len(rows) > 1 else ''}", anchor=False)
    pages = -(-len(rows) // PAGE)
    page = st.pagination(pages, key=f"map_page_{len(rows)}_{rows[0]}") if pages > 1 else 1
    items = [
        Item(row, scene.names[row], scene.label(row), current=row == scene.current)
        for row in rows[(page - 1) * PAGE : page * PAGE]
        if row < len(scene.images)
    ]
    sprites_name = scene.images.fingerprint
    thumbnail_rows([Row(items)], key="map_gallery", sprites=sprites_name, width=76, on_click=scene.open)


def _worth(scene: Scene) -> None:
    """What the neighbours are worth, first of all: the network beside what needs no training."""
    best = {one: max(scores.values()) for one in embeddings.SOURCES if (scores := scene.scores(one))}
    if "run" not in best:
        return
    counts = np.bincount(scene.labels[scene.labels >= 0])
    cells = st.grid(4, min_column_width=130)
    for source, share in best.items():
        cells.metric(SOURCES[source], f"{share:.0%}", help=f"{TITLES[source]}, at its best block.")
    common = counts.max() / counts.sum()
    cells.metric("Always the commonest", f"{common:.0%}", help="Saying the label that most images have.")
    others = {one: share for one, share in best.items() if one != "run"}
    rival = max(others, key=lambda one: others[one], default=None)
    words = "How often the label that an image's 20 nearest neighbours vote for is its own. "
    if rival is not None and others[rival] >= best["run"]:
        words += f"**Training has not helped here:** {TITLES[rival].lower()} does as well or better. "
    if counts.sum() < FEW:
        words += f"With {counts.sum()} labelled images, differences of some points are chance. "
    st.caption(words)


def _explain(scene: Scene, projection: str) -> None:
    """What the map means, which block is shown and why, and what its neighbours are worth."""
    words = [WHAT_IT_SHOWS[projection], embeddings.first_block(scene.run, scene.images, "run")[1]]
    shares = {one: share for one in embeddings.SOURCES if (share := _precision(scene, one)) is not None}
    if shares:
        said = ", ".join(f"{SOURCES[one].lower()} {share:.0%}" for one, share in shares.items())
        words.append(f"Of the ten nearest neighbours this share has the image's own label: {said}.")
    st.caption(pictures.literal(" ".join(word for word in words if word), 1200))


def _precision(scene: Scene, source: Source) -> float | None:
    scores = scene.scores(source)
    best = max(scores, key=lambda block: scores[block]) if scores else None
    one = scene.embedding(source, best) if best else None
    return None if one is None else neighbors.precision_at_k(one.indices, scene.labels)
