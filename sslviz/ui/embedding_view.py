"""The embeddings page: the map of a set as a run sees it, and the way to the page's other views."""

from __future__ import annotations

from typing import cast

import numpy as np
import streamlit as st

from sslviz import embeddings, imagesets, project
from sslviz.embeddings import Embedding, Source
from sslviz.embeddings.columns import Column
from sslviz.imagesets import ImageSet
from sslviz.runs import Run
from sslviz.ui import (
    embedding_export,
    embedding_film,
    embedding_image,
    embedding_neighbors,
    embedding_panes,
    embedding_points,
    embedding_scene,
    embedding_work,
    frame,
    inside_view,
    invariance_view,
    pictures,
    plotly_js,
)
from sslviz.ui.block_bars import block_bars
from sslviz.ui.embedding_map import Guest, MapEvent, embedding_map
from sslviz.ui.embedding_neighbors import Asked
from sslviz.ui.embedding_scene import SOURCES, TITLES, Scene

VIEWS = {
    "map": "Map",
    "beside": "Side by side",
    "film": "Over training",
    "inside": "Inside the network",
    "invariance": "Invariance",
}
DIMENSIONS = {"2": "2-D", "3": "3-D"}
FEW = 300
"""Labelled images under which it is said that they are few."""
WHAT_IT_SHOWS = {
    "pca": "PCA draws the directions in which the features vary most: what lies far apart is different, "
    "but what lies close together may still differ in all the other directions.",
    "umap": "UMAP keeps neighbours together: what lies close together is alike, but how far apart two groups "
    "lie, and how large they are, means little.",
    "tsne": "t-SNE keeps neighbours together: what lies close together is alike, but distances between "
    "groups and the sizes of groups mean next to nothing.",
}


def explore(run: Run, images: ImageSet) -> None:
    """The page below its title: what is looked at, and the part that is chosen."""
    images = _pieces(images)
    if len(images) < 2:
        frame.nothing("This set has one image.", "A map needs at least two.", "images", "Add images")
        return
    _explore(run, images)
    plotly_js.library()  # after the points, which are sketched while it is on its way
    embedding_scene.sheets(images)


def _pieces(images: ImageSet) -> ImageSet:
    """The set, or pieces of its images where there are few and that is wanted."""
    if len(images) >= imagesets.crops.FEW:
        return images
    asked = st.query_params.get("crops") == "1"
    st.session_state["map_crops"] = asked

    def switched() -> None:
        st.query_params.update({"crops": "1"} if st.session_state["map_crops"] else {})
        if not st.session_state["map_crops"]:
            st.query_params.pop("crops", None)
        for name in ("image", "chosen", "zoom", "query", "part"):
            st.query_params.pop(name, None)

    st.toggle(
        f"Pieces of the {len(images)} images" if len(images) > 1 else "Pieces of the image",
        key="map_crops",
        on_change=switched,
        help="With few images a map is nearly empty. Pieces of them, coloured by the image they are from, "
        "show which parts the network finds alike.",
    )
    return embedding_scene.crops(images) if asked else images


@st.fragment
def _explore(run: Run, images: ImageSet) -> None:
    """Everything that a click changes. Nothing else of the page is drawn again."""
    with frame.guard():
        if not embedding_work.ready(run, images):
            return
        scene = embedding_scene.scene(run, images)
        _worth(scene)
        view = frame.choice("view", "View", VIEWS, "map", shown=False)
        if view == "beside":
            embedding_panes.compare(scene)
        elif view == "film":
            embedding_film.show(scene)
        elif view == "inside":
            whole = images.whole if isinstance(images, imagesets.Crops) else images
            inside_view.show(run, whole, None if whole is not images else scene.current)
        elif view == "invariance":
            invariance_view.show(run, images.whole if isinstance(images, imagesets.Crops) else images)
        else:
            _map_view(scene)


def _map_view(scene: Scene) -> None:
    embedding, projection, dims, colour = _choose(scene)
    if embedding is None:
        embedding_work.wait([scene.run], scene.images)
        return
    drawn = projection if embedding.layout(projection, dims) is not None else "pca"
    query = embedding_neighbors.current(scene)
    asked = None if query is None else Asked(scene, query)
    place, side = st.columns([7, 3], gap="medium")
    with place:
        column = embedding_points.column(scene, embedding, colour)
        _map(scene, embedding, drawn, dims, column, asked)
        if drawn != projection:
            wanted = (scene.run, embedding.source, embedding.block)
            embedding_work.follow_layout([wanted], scene.images, projection, dims)
        _trust(embedding, drawn, dims, column)
        embedding_export.offer(scene, embedding, drawn, dims, column)
    with side:
        _blocks(scene, embedding)
        embedding_image.show(scene, embedding, asked)
    embedding_points.gallery(scene)
    embedding_neighbors.rows(scene, embedding, asked)


def _choose(scene: Scene) -> tuple[Embedding | None, str, int, str]:
    """The embedding, its projection and dimensions, and what it is coloured by, as the address has them."""
    with st.container(horizontal=True, vertical_alignment="bottom", gap="medium"):
        source = cast(Source, frame.choice("source", "Features of", SOURCES, "run"))
        projection = frame.choice("projection", "Projection", embedding_points.PROJECTIONS, "umap")
        dims = int(frame.choice("dims", "Dimensions", DIMENSIONS, "2"))
        colour = embedding_points.colour(scene)
    block = embedding_points.block_of(scene, source) if scene.blocks(source) else None
    return (scene.embedding(source, block) if block else None), projection, dims, colour


def _map(
    scene: Scene, embedding: Embedding, drawn: str, dims: int, column: Column | None, asked: Asked | None
) -> None:
    def heed(event: MapEvent) -> None:
        if event.clicked is not None:
            scene.open(event.clicked)
        if event.selected is not None:
            scene.choose(event.selected)
        if event.looked is not None:
            embedding_scene.keep_look(event.looked)

    points = embedding.layout(drawn, dims)
    assert points is not None
    guest = None
    found = None if asked is None else asked.find(embedding.source, embedding.block)
    if asked is not None and found is not None:
        at = project.place(found.similarity, found.indices, points)
        guest = Guest(at, found.indices[: embedding_points.LINES].tolist(), pictures.uri(asked.query.jpeg))
    embedding_map(
        embedding_points.of(scene, embedding, points, column, f"{embedding.key} {drawn}{dims}"),
        key="map",
        selected=scene.selected,
        current=None if guest is not None else scene.current,
        guest=guest,
        look=embedding_scene.look(),
        on_event=heed,
    )


def _trust(embedding: Embedding, drawn: str, dims: int, column: Column | None) -> None:
    """What the map means, and how far it can be trusted."""
    words = WHAT_IT_SHOWS[drawn]
    share = embedding.trust.get(f"{drawn}{dims}")
    if share is not None:
        words += (
            f" Trustworthiness {share:.2f}: how far what lies together here is together in the features as "
            "well (1 is all of it; points strewn at random have about 0.5)."
        )
    if column is not None and column.note:
        words += f" {column.title}: {column.note[0].lower()}{column.note[1:]}"
    st.caption(pictures.literal(words, 1200))


def _blocks(scene: Scene, embedding: Embedding) -> None:
    """What each block is worth; a click shows its map."""
    shares, others = scene.scores("run"), scene.scores("untrained")
    beside = scene.scores("pixels")
    words = "Labels told by the 20 nearest, by block."
    if not shares:
        shares, others = (embeddings.agreements(scene.run, scene.images, one) for one in ("run", "untrained"))
        beside = embeddings.agreements(scene.run, scene.images, "pixels")
        words = "Neighbours an image keeps when it is mirrored, cropped and lit differently, by block."
    if len(shares) < 2:
        return
    lines = {"raw pixels": max(beside.values())} if beside else {}
    current = embedding.block if embedding.source != "pixels" else ""

    def chosen(block: str) -> None:
        st.query_params["block"] = block
        if st.query_params.get("source") == "pixels":
            st.query_params["source"] = "run"

    st.markdown("#### By block")
    block_bars(shares, others, lines, current, key="map_blocks", on_click=chosen)
    why = scene.first_block()[1]
    st.caption(pictures.literal(f"{words} {why}", 800))


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
    what = "image it was cut from" if isinstance(scene.images, imagesets.Crops) else "label"
    those = ", of the pictures with a label," if (scene.labels < 0).any() else ""
    words = f"How often the {what} that a picture's 20 nearest neighbours{those} vote for is its own. "
    if rival is not None and others[rival] >= best["run"]:
        words += f"**Training has not helped here:** {TITLES[rival].lower()} does as well or better. "
    if counts.sum() < FEW:
        words += f"With {counts.sum()} labelled images, differences of some points are chance. "
    st.caption(words)
