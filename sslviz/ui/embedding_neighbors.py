"""Nearest neighbours by several networks, one row under the other, of an image or of another picture."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import streamlit as st
from numpy.typing import NDArray

from sslviz import embeddings, neighbors
from sslviz.embeddings import Embedding, Source, queries
from sslviz.embeddings.queries import Found, Query
from sslviz.runs import Run
from sslviz.ui import cropper, embedding_run, embedding_work, pictures, remember, words
from sslviz.ui.embedding_map import Row, thumbnail_rows
from sslviz.ui.embedding_scene import TITLES, Scene

SHOWN = 10
"""Neighbours in a row."""
MIDDLE = (0.25, 0.25, 0.75, 0.75)
AGREE = 0.7
"""Rows that have this share in common are said to agree."""
MOST = 8
"""Runs that can be put beside the one of the page."""


@dataclass(frozen=True)
class Asked:
    """A picture that is asked about in place of an image of the set."""

    scene: Scene
    query: Query

    @property
    def own(self) -> bool:
        """Whether it was brought along, and is not a part of an image of the set."""
        return "query" in st.query_params

    def find(self, source: Source, block: str, run: Run | None = None) -> Found | None:
        """Its neighbours by a block of a source."""
        run = run or self.scene.run
        one = self.scene.embedding(source, block, run)
        return None if one is None else _found(self.query, run, self.scene, one, self.query.key, one.key)


@remember.resource(max_entries=64)
def _found(_query: Query, _run: Run, _scene: Scene, _one: Embedding, query: str, key: str) -> Found | None:  # noqa: ARG001
    return queries.find(_query, _run, _scene.images, _one)


def part() -> cropper.Box | None:
    """The part of the image in the address; None where it makes no sense."""
    return cropper.read(st.query_params.get("part", "").split(","))


def current(scene: Scene) -> Query | None:
    """The picture in the address that is asked about: one that was brought along, or a part of an image."""
    key = st.query_params.get("query")
    if key is not None:
        return queries.recall(scene.images.workspace, key)
    if "part" in st.query_params and scene.current is not None:
        return queries.part(scene.images, scene.current, part() or MIDDLE)
    return None


def rows(scene: Scene, shown: Embedding, asked: Asked | None) -> None:
    """A row for each network, and for raw pixels: the nearest images, how alike, and with the same label."""
    if scene.current is None and asked is None:
        _precision_table(scene, shown)
        return
    st.subheader("Nearest neighbours", anchor=False)
    st.caption("How alike two images are, the number, can be compared within a row, not between rows.")
    others = _others(scene)
    drawn: list[Row] = []
    found: list[tuple[str, frozenset[int]]] = []
    query = None if asked is not None else scene.current
    for title, run, source in _lines(scene, others):
        one = shown if (run, source) == (scene.run, shown.source) else _alike(scene, run, source, shown)
        if one is None:
            continue
        if asked is not None:
            hit = asked.find(source, one.block, run)
            pair = None if hit is None else (hit.indices, hit.similarity)
        else:
            assert query is not None
            pair = (one.indices[query], one.similarity[query])
        if pair is None:
            continue
        near = [int(row) for row in pair[0][:SHOWN]]
        note = "32 × 32, mean removed" if source == "pixels" else one.block
        note += _agreement(frozenset(near), found)
        share = precision(scene, one)
        note += "" if share is None else f" · precision at 10 over the whole set {share:.0%}"
        found.append((title, frozenset(near)))
        items = [scene.item(row, query, float(alike)) for row, alike in zip(near, pair[1], strict=False)]
        drawn.append(Row(items, title, note))
    thumbnail_rows(
        drawn,
        key="map_neighbors",
        sprites=scene.images.fingerprint,
        strip=True,
        width=74,
        on_click=scene.open,
    )


def _lines(scene: Scene, others: list[Run]) -> Iterator[tuple[str, Run, Source]]:
    yield TITLES["run"], scene.run, "run"
    for run in others:
        yield words.name(run), run, "run"
    yield TITLES["untrained"], scene.run, "untrained"
    yield TITLES["pixels"], scene.run, "pixels"


def _alike(scene: Scene, run: Run, source: Source, shown: Embedding) -> Embedding | None:
    """The block of a source to put beside the one shown: the same of the same network, else its best."""
    if run.id != scene.run.id:
        return scene.embedding("run", None, run)
    if shown.source == "pixels":
        return scene.embedding(source, scene.first_block()[0])
    return scene.embedding(source, shown.block)


def _agreement(near: frozenset[int], before: list[tuple[str, frozenset[int]]]) -> str:
    """Which of the rows above shows much the same."""
    if not before or not near:
        return ""
    shares = [(len(near & known) / len(near), title) for title, known in before]
    share, title = max(shares)
    if share >= AGREE:
        return (
            f" · agrees with {title[0].lower()}{title[1:]}: {len(near & dict(before)[title])} of {len(near)}"
        )
    first, known = before[0]
    return f" · {len(near & known)} of {len(near)} as {first[0].lower()}{first[1:]}"


def _others(scene: Scene) -> list[Run]:
    """Runs whose neighbours are shown as well: those in the address; they are computed where they are not."""
    usable = embedding_run.others(scene.run)
    asked = [one for one in st.query_params.get("with", "").split(",") if one in usable][:MOST]
    if not usable:
        return []
    st.session_state["map_with"] = asked

    def chosen() -> None:
        picked = st.session_state["map_with"]
        if picked:
            st.query_params["with"] = ",".join(picked)
        else:
            st.query_params.pop("with", None)

    with st.container(horizontal=True, vertical_alignment="bottom"):
        st.multiselect(
            "And by other runs",
            list(usable),
            key="map_with",
            format_func=lambda one: pictures.name_of(words.name(usable[one])),
            on_change=chosen,
            max_selections=MOST,
            placeholder="Choose runs",
        )
        tasks = newest_of_each_task(list(usable.values()), scene.run.spec.task)
        if tasks:
            st.button(
                "One of each task",
                icon=":material/compare:",
                key="map_with_tasks",
                on_click=lambda: st.query_params.update({"with": ",".join(run.id for run in tasks)}),
            )
    missing = [usable[one] for one in asked if not scene.blocks("run", usable[one])]
    if missing:
        embedding_work.wait(missing, scene.images)
    return [usable[one] for one in asked if scene.blocks("run", usable[one])]


def newest_of_each_task(usable: list[Run], besides: str) -> list[Run]:
    """The first run of each task but one, of runs in the order in which they are listed: one's own, newest
    first, before the encoders that come along."""
    found: dict[str, Run] = {}
    for run in usable:
        if run.spec.task != besides:
            found.setdefault(run.spec.task, run)
    return list(found.values())


def precision(scene: Scene, one: Embedding) -> float | None:
    if not scene.groups:
        return None
    return _precision_of(one, scene.labels, one.key, hash(scene.labels.tobytes()))


@remember.data(max_entries=128)
def _precision_of(_one: Embedding, _labels: NDArray[np.int64], key: str, labels: int) -> float | None:  # noqa: ARG001
    return neighbors.precision_at_k(_one.indices, _labels)


def _precision_table(scene: Scene, shown: Embedding) -> None:
    """What the neighbours are worth over the whole set, before an image is chosen."""
    shares = []
    for source in embeddings.SOURCES:
        one = _alike(scene, scene.run, source, shown)
        share = None if one is None else precision(scene, one)
        if share is not None:
            shares.append(f"{TITLES[source].lower()} {share:.0%}")
    if shares:
        st.caption(
            "Precision at 10, the share of an image's ten nearest that have its label, over the whole set: "
            + ", ".join(shares)
            + "."
        )
