"""What is known of each image of a set, as groups that the points of a map can be coloured by."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from sslviz import embeddings, figures, similarity
from sslviz.embeddings.stored import Embedding
from sslviz.imagesets import ImageSet
from sslviz.runs import Run

SMALL = 32
"""Pixels of the side at which brightness and colourfulness are measured."""


@dataclass(frozen=True, eq=False)
class Column:
    """One fact about N images."""

    title: str
    group: NDArray[np.int64]
    """(N,) places in `groups`, -1 where it is not known."""
    groups: list[figures.Group]
    note: str = ""
    """What it is, in a sentence."""

    def word(self, row: int) -> str:
        """What it says of an image; empty where that is not known."""
        return self.groups[self.group[row]].name if self.group[row] >= 0 else ""


def available(run: Run, images: ImageSet) -> dict[str, str]:
    """Titles of the columns that there are, by name, the most telling first."""
    titles = {}
    if any(images.labels):
        titles["label"] = "Label"
    titles["cluster"] = "Cluster"
    told = embeddings.answers(run, images)
    if told is not None:
        titles |= {"answer": "Answer to the task", "difficulty": "Difficulty of the task"}
    titles["change"] = "Changed by training"
    if len({_folder(images, row) for row in range(len(images))}) > 1:
        titles["folder"] = "Source folder"
    return titles | {
        "brightness": "Brightness",
        "colourfulness": "Colourfulness",
        "shape": "Shape",
        "size": "Size in pixels",
    }


def column(name: str, run: Run, images: ImageSet, embedding: Embedding, block: str | None = None) -> Column:
    """The column of this name, one of `available`; `block` is that of both networks to compare for "change".

    Values that are numbers come as up to eight steps, each holding about as many images.
    """
    make: dict[str, Callable[[], Column]] = {
        "label": lambda: _words("Label", images.labels),
        "folder": lambda: _words("Source folder", [_folder(images, row) for row in range(len(images))]),
        "cluster": lambda: _clusters(embedding),
        "answer": lambda: _answer(run, images),
        "difficulty": lambda: _difficulty(run, images),
        "change": lambda: _change(run, images, block),
        "brightness": lambda: _brightness(images),
        "colourfulness": lambda: _colourfulness(images),
        "shape": lambda: _words("Shape", [_shape(e.width, e.height) for e in images.entries]),
        "size": lambda: _numbers(
            "Size in pixels", np.array([min(e.width, e.height) for e in images.entries], float), "{:.0f}"
        ),
    }
    return make[name]()


def changed(one: Embedding, other: Embedding, k: int = 10) -> NDArray[np.float32]:
    """Share of each image's k nearest by `one` that are not among those by `other`: (N,) in [0, 1]."""
    return 1 - similarity.shared(one.indices, other.indices, k)


def _words(title: str, words: list[str | None]) -> Column:
    numbers, names = embeddings.numbered(words)
    return Column(title, numbers, figures.groups(names))


def _folder(images: ImageSet, row: int) -> str | None:
    entry = images.entries[row]
    return entry.name.rpartition("/")[0] or entry.source or None


def _shape(width: int, height: int) -> str:
    return "landscape" if width > 1.1 * height else "portrait" if height > 1.1 * width else "square"


def _clusters(embedding: Embedding) -> Column:
    count = int(embedding.clusters.max(initial=0)) + 1
    names = [f"Cluster {number + 1}" for number in range(count)]
    note = "k-means on the features of this block; the clusters of another block are others."
    return Column("Cluster", embedding.clusters, figures.groups(names), note)


def _answer(run: Run, images: ImageSet) -> Column:
    found = embeddings.answers(run, images)
    assert found is not None
    table, names = found
    note = "What the network answers to one question of its task about each image."
    if run.spec.task == "rotation":
        note = "Which way round the network takes each image to be, shown it as it is."
    if names == ["wrong", "right"]:
        note = "Whether the network answers one question of its task about each image rightly."
    return Column("Answer to the task", table[:, 0].astype(np.int64), figures.groups(names), note)


def _difficulty(run: Run, images: ImageSet) -> Column:
    found = embeddings.answers(run, images)
    assert found is not None
    note = "Mean loss of the network on its own task, of four questions about each image."
    return _numbers("Difficulty of the task", found[0][:, 2].astype(float), "{:.2g}", note, unknown=-1)


def _change(run: Run, images: ImageSet, block: str | None) -> Column:
    one, other = (embeddings.find(run, images, source, block) for source in ("run", "untrained"))
    if one is None or other is None:
        return Column("Changed by training", np.full(len(images), -1), [])
    note = "Share of the ten nearest images that are others than in the same network untrained."
    return _numbers("Changed by training", changed(one, other).astype(float), "{:.0%}", note)


def _brightness(images: ImageSet) -> Column:
    return _numbers("Brightness", images.squares(SMALL).mean((1, 2, 3)) / 255, "{:.2f}")


def _colourfulness(images: ImageSet) -> Column:
    """Hasler and Süsstrunk (2003): spread and mean of red against green and yellow against blue."""
    values = np.empty(len(images))
    squares = images.squares(SMALL)
    for start in range(0, len(values), 1024):
        red, green, blue = np.moveaxis(squares[start : start + 1024].astype(np.float32), 1, 0)
        across, along = red - green, (red + green) / 2 - blue
        spread = np.hypot(across.std((1, 2)), along.std((1, 2)))
        mean = np.hypot(across.mean((1, 2)), along.mean((1, 2)))
        values[start : start + 1024] = spread + 0.3 * mean
    return _numbers("Colourfulness", values, "{:.0f}")


def _numbers(
    title: str, values: NDArray[np.float64], shown: str, note: str = "", unknown: float | None = None
) -> Column:
    """Steps that hold about as many images each; equal values are never in two steps."""
    known = np.ones(len(values), bool) if unknown is None else values != unknown
    most = min(len(figures.RAMP), max(1, int(known.sum())))
    edges = np.unique(np.quantile(values[known], np.linspace(0, 1, most + 1))) if known.any() else np.zeros(0)
    group = np.full(len(values), -1)
    if len(edges) < 2:
        group[known] = 0
        names = [shown.format(edges[0])] if len(edges) else []
        return Column(title, group, figures.steps(names), note)
    place = np.searchsorted(edges[1:-1], values[known], side="right")
    group[known] = place
    names = [f"{shown.format(low)} to {shown.format(high)}" for low, high in itertools.pairwise(edges)]
    return Column(title, group, figures.steps(names), note)
