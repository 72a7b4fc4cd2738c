"""Two to four maps of the same images side by side, with one pointer and one selection."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import streamlit as st
from numpy.typing import NDArray
from streamlit.delta_generator import DeltaGenerator

from sslviz import project
from sslviz.embeddings import Embedding, Source, columns
from sslviz.runs import Run
from sslviz.ui import (
    embedding_neighbors,
    embedding_points,
    embedding_run,
    embedding_work,
    frame,
    pictures,
    words,
)
from sslviz.ui.embedding_map import MapData, MapEvent, Row, embedding_map, thumbnail_rows
from sslviz.ui.embedding_scene import SOURCES, Scene

COUNTS = {"2": "Two", "3": "Three", "4": "Four"}
BEGIN: tuple[Source, ...] = ("run", "untrained", "pixels", "run")
BEST = ""
"""In place of a block: the one to look at first."""
MARKED = 24
"""Images that are marked as changed most, at most one in twenty."""


@dataclass(frozen=True)
class Pane:
    """What one map shows."""

    what: str
    """A source of the page's run, or the id of another run."""
    block: str = BEST

    def text(self) -> str:
        return f"{self.what}.{self.block}" if self.block else self.what


def compare(scene: Scene) -> None:
    """The panes that the address names, by default the run, the untrained network and raw pixels."""
    with st.container(horizontal=True, vertical_alignment="bottom", gap="medium"):
        projection = frame.choice("projection", "Projection", embedding_points.PROJECTIONS, "umap")
        count = int(frame.choice("count", "Panes", COUNTS, "3"))
        colour = embedding_points.colour(scene)
        mark = st.toggle("Mark what changed most", value=True, key="panes_mark", persist_state="session")
    others = embedding_run.others(scene.run)
    panes = _panes(scene, others, count)
    rows = [
        st.columns(2 if count in (2, 4) else count, gap="small")
        for _ in range(-(-count // (3 if count == 3 else 2)))
    ]
    places = [place for row in rows for place in row][:count]
    chosen = [_choose(scene, others, panes, place, number) for number, place in enumerate(places)]
    found = [_embedding(scene, others, pane) for pane in chosen]
    missing = [
        others[pane.what]
        for pane, one in zip(chosen, found, strict=True)
        if one is None and pane.what in others
    ]
    if missing:
        embedding_work.wait(missing, scene.images)
    there = [one for one in found if one is not None]
    if not there:
        return
    column = embedding_points.column(scene, there[0], colour)
    marks = _changed(there) if mark and len(there) > 1 else np.zeros(0, np.int64)
    first: NDArray[np.float32] | None = None
    waiting: list[embedding_work.Want] = []
    for number, (pane, one, place) in enumerate(zip(chosen, found, places, strict=True)):
        if one is None:
            continue
        points = one.layout(projection)
        if points is None:
            points = one.layout("pca")
            waiting.append((others.get(pane.what, scene.run), one.source, one.block))
        assert points is not None
        points = points if first is None else project.aligned(points, first)
        first = points if first is None else first
        view = f"{one.key} {projection} {number} {'pca' if waiting else ''}"
        with place:
            data = embedding_points.of(scene, one, points, column, view, tuple(marks.tolist()))
            _draw(scene, data, number, 430 if count > 2 else 500)
            _say(scene, one, there[0] if number else None)
    if waiting:
        embedding_work.follow_layout(waiting, scene.images, projection, 2)
    _most_changed(scene, marks)
    embedding_points.gallery(scene)


def _panes(scene: Scene, others: dict[str, Run], count: int) -> list[Pane]:
    """As many panes as are wanted: those in the address, then those to begin with."""
    known = {*SOURCES, *others}
    found = []
    for text in st.query_params.get("panes", "").split("~"):
        what, _, block = text.partition(".")
        if what in known:
            found.append(Pane(what, block))
    for number in range(len(found), count):
        block = scene.blocks("run")[-1] if number == 3 else BEST
        found.append(Pane(BEGIN[number], block))
    return found[:count]


def _choose(
    scene: Scene, others: dict[str, Run], panes: list[Pane], place: DeltaGenerator, number: int
) -> Pane:
    """The pickers above a map: whose features, and of which block."""
    pane = panes[number]
    names = {**SOURCES, **{id_: pictures.name_of(words.name(run)) for id_, run in others.items()}}
    run = others.get(pane.what, scene.run)
    source = _source(pane)
    known = scene.blocks(source, run)
    block = pane.block if pane.block in known else BEST
    best = _best(scene, others, pane)
    titles = {BEST: f"best: {best}" if best else "best block", **{one: one for one in known}}
    if source == "pixels":
        titles = {BEST: "32 × 32"}
        block = BEST
    what_key, block_key = f"pane_what_{number}", f"pane_block_{number}"
    st.session_state[what_key], st.session_state[block_key] = pane.what, block

    def changed() -> None:
        now = [*panes]
        what = st.session_state[what_key]
        now[number] = Pane(what, st.session_state[block_key] if what == pane.what else BEST)
        st.query_params["panes"] = "~".join(one.text() for one in now)

    with place, st.container(horizontal=True, gap="small"):
        st.selectbox(
            f"Pane {number + 1}",
            list(names),
            key=what_key,
            format_func=lambda one: names[one],
            on_change=changed,
            label_visibility="collapsed",
        )
        # Also where there is nothing to choose: the maps are to stand at one height.
        st.selectbox(
            f"Block of pane {number + 1}",
            list(titles),
            key=block_key,
            format_func=lambda one: titles[one],
            on_change=changed,
            label_visibility="collapsed",
            disabled=len(known) < 2,
            width=150,
        )
    return Pane(pane.what, block)


def _source(pane: Pane) -> Source:
    return pane.what if pane.what in SOURCES else "run"  # type: ignore[return-value]


def _best(scene: Scene, others: dict[str, Run], pane: Pane) -> str | None:
    """The best block of a run; of the untrained network the same one, so that training alone differs."""
    run = others.get(pane.what, scene.run)
    return scene.first_block(run)[0] if scene.blocks("run", run) else None


def _embedding(scene: Scene, others: dict[str, Run], pane: Pane) -> Embedding | None:
    run = others.get(pane.what, scene.run)
    source = _source(pane)
    if not scene.blocks(source, run):
        return None
    return scene.embedding(
        source, None if source == "pixels" else pane.block or _best(scene, others, pane), run
    )


def _draw(scene: Scene, data: MapData, number: int, height: int) -> None:
    def heed(event: MapEvent) -> None:
        if event.clicked is not None:
            scene.open(event.clicked)
        if event.selected is not None:
            scene.choose(event.selected)

    embedding_map(
        data,
        key=f"pane_{number}",
        height=height,
        selected=scene.selected,
        current=scene.current,
        on_event=heed,
    )


def _say(scene: Scene, one: Embedding, first: Embedding | None) -> None:
    """Under a map: what its neighbours are worth, and how many it shares with the first."""
    said = []
    share = embedding_neighbors.precision(scene, one)
    if share is not None:
        said.append(f"Precision at 10: {share:.0%}.")
    if first is not None:
        same = 1 - float(columns.changed(first, one).mean())
        said.append(f"Of ten neighbours {10 * same:.1f} are those of the first map.")
    trust = one.trust.get("umap2")
    if trust is not None:
        said.append(f"Trustworthiness of its UMAP {trust:.2f}.")
    st.caption(" ".join(said))


def _changed(there: list[Embedding]) -> NDArray[np.int64]:
    """Rows of the images whose neighbours differ most from those in the first map, on average."""
    change = np.mean([columns.changed(there[0], one) for one in there[1:]], axis=0)
    count = max(1, min(MARKED, len(change) // 20))
    order = np.argsort(-change, kind="stable")[:count]
    found: NDArray[np.int64] = order[change[order] > 0].astype(np.int64)
    return found


def _most_changed(scene: Scene, marks: NDArray[np.int64]) -> None:
    if not len(marks):
        return
    st.subheader("Their neighbours changed most", anchor=False)
    st.caption("Ringed on the maps: images whose ten nearest differ most from those in the first map.")
    thumbnail_rows(
        [Row([scene.item(int(row)) for row in marks])],
        key="panes_changed",
        sprites=scene.images.fingerprint,
        strip=True,
        width=74,
        on_click=scene.open,
    )
