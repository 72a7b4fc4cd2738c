"""The map as it changes over a training: a slider, and a button that plays it."""

from __future__ import annotations

import numpy as np
import streamlit as st

from sslviz import film
from sslviz.film import Film
from sslviz.ui import embedding_points, embedding_work, pictures
from sslviz.ui.embedding_map import Frames, MapEvent, embedding_map
from sslviz.ui.embedding_scene import Scene


def show(scene: Scene) -> None:
    """The film of the block in the address, which is computed where it is not."""
    block = embedding_points.block_of(scene, "run")
    with st.container(horizontal=True, vertical_alignment="bottom", gap="medium"):
        colour = embedding_points.colour(scene)
        _block(scene, block)
    found = film.find(scene.run, scene.images, block)
    if found is None:
        st.markdown(
            "**The map at up to twelve moments of the training.** The images go through the network as it "
            "was then; each map starts from the next and is turned to lie on it: what moves has changed."
        )
        embedding_work.wait_for_film(scene.run, scene.images, block)
        return
    _draw(scene, found, colour)
    st.caption(pictures.literal(_words(scene, found), 1200))
    embedding_points.gallery(scene)


def _block(scene: Scene, block: str | None) -> None:
    known = scene.blocks("run")
    if len(known) < 2:
        return
    st.session_state["film_block"] = block

    def chosen() -> None:
        st.query_params["block"] = st.session_state["film_block"]

    st.selectbox("Block", known, key="film_block", on_change=chosen, width=160)


def _draw(scene: Scene, found: Film, colour: str) -> None:
    embedding = scene.embedding("run", found.block)
    column = None if embedding is None else embedding_points.column(scene, embedding, colour)
    said = [
        _moment(int(step), found.knn[number], found.heldout[number])
        for number, step in enumerate(found.steps)
    ]
    data = embedding_points.data(
        scene,
        column,
        found.frames[-1],
        f"film {found.key}",
        rows=found.rows,
        near=found.indices[-1][:, : embedding_points.LINES],
        frames=Frames(found.frames, said),
    )

    def heed(event: MapEvent) -> None:
        if event.clicked is not None:
            scene.open(event.clicked)
        if event.selected is not None:
            scene.choose(event.selected)

    embedding_map(data, key="film", height=600, selected=scene.selected, current=scene.current, on_event=heed)


def _moment(step: int, knn: float | None, heldout: float | None) -> str:
    words = ["before training" if step == 0 else f"step {step:,}"]
    if knn is not None:
        words.append(f"labels told {knn:.0%}")
    if heldout is not None and step:
        words.append(f"task {heldout:.0%}")
    return " · ".join(words)


def _words(scene: Scene, found: Film) -> str:
    """What the film shows, in a sentence or two."""
    count = len(found.steps)
    words = f"{count} moments of {found.block}."
    if len(found.rows) < len(scene.images):
        words += f" {len(found.rows):,} of the {len(scene.images):,} images, of each label its share."
    first, last = found.knn[0], found.knn[-1]
    if first is not None and last is not None:
        words += (
            f" How often the 20 nearest tell the label: {first:.0%} at first, {last:.0%} at last"
            f"{', at most ' + format(max(_known(found)), '.0%') if max(_known(found)) > last else ''}."
        )
    moved = np.linalg.norm(np.diff(found.frames, axis=0), axis=2).mean(1)
    if len(moved) > 1:
        most = int(moved.argmax())
        words += (
            f" Points move most between steps {int(found.steps[most]):,} and {int(found.steps[most + 1]):,}."
        )
    if count < 3:
        words += " This run kept no states on its way; one that is trained now keeps ten."
    return words


def _known(found: Film) -> list[float]:
    return [share for share in found.knn if share is not None]
