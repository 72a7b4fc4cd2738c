"""What the embeddings page is about in this run of it, and what it has read already."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import streamlit as st
from numpy.typing import NDArray

from sslviz import embeddings, imagesets, sprites
from sslviz.embeddings import Embedding, Source, chosen, columns
from sslviz.embeddings.columns import Column
from sslviz.imagesets import ImageSet
from sslviz.runs import Run
from sslviz.ui import pictures, remember
from sslviz.ui.embedding_map import Item, Look
from sslviz.ui.embedding_map import sheets as send_sheets

SOURCES: dict[str, str] = {"run": "Trained", "untrained": "Untrained", "pixels": "Raw pixels"}
TITLES: dict[Source, str] = {
    "run": "The trained network",
    "untrained": "The same network, untrained",
    "pixels": "Raw pixels",
}


@dataclass(frozen=True)
class Scene:
    """One run and one set of images, the image in the address and those that were chosen."""

    run: Run
    images: ImageSet
    names: list[str]
    """Of the images, fit to be seen."""
    labels: NDArray[np.int64]
    groups: list[str]
    """What the labels stand for, fit to be seen."""
    current: int | None
    """Row of the image in the address."""
    selected: list[int]

    def open(self, row: int) -> None:
        """Show an image: its id goes into the address."""
        if 0 <= row < len(self.images):
            st.query_params["image"] = self.images.entries[row].id
            for other in ("query", "part"):
                st.query_params.pop(other, None)

    def choose(self, rows: Sequence[int]) -> None:
        """Choose images: a name for them goes into the address."""
        if rows:
            st.query_params["chosen"] = chosen.keep(self.images, rows)
        else:
            st.query_params.pop("chosen", None)

    def label(self, row: int) -> str:
        return self.groups[self.labels[row]] if self.labels[row] >= 0 else ""

    def blocks(self, source: Source, run: Run | None = None) -> list[str]:
        return embeddings.blocks(run or self.run, self.images, source)

    def embedding(self, source: Source, block: str | None = None, run: Run | None = None) -> Embedding | None:
        """Read once a server and kept, as long as it does not change."""
        run = run or self.run
        return _embedding(run, self.images, source, block, embeddings.stamp(run, self.images, source))

    def scores(self, source: Source, run: Run | None = None) -> dict[str, float]:
        """Share of labels that neighbours tell, by block; empty without labels."""
        run = run or self.run
        stamp = embeddings.stamp(run, self.images, source)
        return _scores(run, self.images, source, stamp, hash(self.labels.tobytes()))

    def first_block(self, run: Run | None = None) -> tuple[str, str]:
        run = run or self.run
        stamp = embeddings.stamp(run, self.images, "run")
        return _first_block(run, self.images, stamp, hash(self.labels.tobytes()))

    def column(self, name: str, embedding: Embedding, block: str | None) -> Column:
        """What the points are coloured by."""
        key = (name, embedding.key, block, embeddings.stamp(self.run, self.images, "untrained"))
        return _column(self.run, self.images, embedding, *key, hash(self.labels.tobytes()))

    def item(self, row: int, query: int | None = None, similarity: float | None = None) -> Item:
        """A thumbnail of an image, with how alike it is to a query, and whether its label is the same."""
        known = query is not None and min(self.labels[query], self.labels[row]) >= 0
        same = bool(self.labels[query] == self.labels[row]) if known else None
        value = "" if similarity is None else f"{similarity:.2f}"
        return Item(row, self.names[row], self.label(row), value, same, row == self.current)


def scene(run: Run, images: ImageSet) -> Scene:
    """The scene that the address names."""
    labels, groups = embeddings.label_numbers(images)
    asked, ids = st.query_params.get("image"), images.ids
    return Scene(
        run,
        images,
        _names(images, images.fingerprint),
        labels,
        [pictures.name_of(name) for name in groups],
        ids.index(asked) if asked in ids else None,
        chosen.recall(images, st.query_params.get("chosen")),
    )


def look() -> Look:
    """Where the map is looked at from, by the address."""
    zoom = [part for part in st.query_params.get("zoom", "").split(",") if part]
    return Look.read({"zoom": zoom, "pictures": st.query_params.get("thumbs", "0")}) or Look()


def keep_look(found: Look) -> None:
    """Put it into the address."""
    for name, text in (
        ("zoom", ",".join(f"{one:g}" for one in found.zoom)),
        ("thumbs", str(found.pictures or "")),
    ):
        if text:
            st.query_params[name] = text
        else:
            st.query_params.pop(name, None)


def sheets(images: ImageSet) -> None:
    """Send the thumbnails of `images` to the browser; draw this after the map."""
    send_sheets(all_sheets(images))


def all_sheets(images: ImageSet) -> Sequence[sprites.Sheet]:
    """The sheets of thumbnails of a set."""
    return _sheets(images, images.fingerprint)


@remember.resource(max_entries=32)
def _embedding(
    _run: Run,
    _images: ImageSet,
    source: Source,
    block: str | None,
    stamp: str,  # noqa: ARG001
) -> Embedding | None:
    return embeddings.find(_run, _images, source, block)


@remember.data(max_entries=64)
def _scores(_run: Run, _images: ImageSet, source: Source, stamp: str, labels: int) -> dict[str, float]:  # noqa: ARG001
    return embeddings.accuracies(_run, _images, source)


@remember.data(max_entries=64)
def _first_block(_run: Run, _images: ImageSet, stamp: str, labels: int) -> tuple[str, str]:  # noqa: ARG001
    return embeddings.first_block(_run, _images, "run")


@remember.resource(max_entries=32)
def _column(
    _run: Run,
    _images: ImageSet,
    _embedding: Embedding,
    name: str,
    key: str,  # noqa: ARG001
    block: str | None,
    *rest: Any,  # noqa: ARG001
) -> Column:
    return columns.column(name, _run, _images, _embedding, block)


@remember.resource(max_entries=4)
def _sheets(_images: ImageSet, fingerprint: str) -> Sequence[sprites.Sheet]:  # noqa: ARG001
    return sprites.sheets(_images)


@remember.resource(max_entries=8)
def _names(_images: ImageSet, fingerprint: str) -> list[str]:  # noqa: ARG001
    return [pictures.name_of(name) for name in _images.names]


@remember.resource(max_entries=4)
def _crops(_images: ImageSet, fingerprint: str) -> imagesets.Crops:  # noqa: ARG001
    return imagesets.Crops(_images)


def crops(images: ImageSet) -> imagesets.Crops:
    """Pieces of the images of a set."""
    return _crops(images, images.fingerprint)
