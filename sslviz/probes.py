"""How much the features of a run are worth downstream: k nearest neighbours vote on labels.

Beside the run stand the same network before training, raw pixels and chance. A block is chosen by
leave-one-out on the memory and its accuracy then read on the queries, so the choice costs no honesty.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sslviz import features, neighbors, networks
from sslviz.errors import UserError
from sslviz.imagesets import ImageSet
from sslviz.intervals import wilson
from sslviz.runs import Run

NEIGHBORS = 20
MEMORY = 20_000
QUERIES = 3_000

Report = Callable[[int, int, str], None]
Rows = NDArray[np.int64]
Features = dict[str, NDArray[np.float32]]


def evaluate(
    run: Run,
    queries: ImageSet,
    memory: ImageSet | None = None,
    *,
    device: str = "cpu",
    report: Report | None = None,
) -> dict[str, Any]:
    """kNN accuracy of every block of a run on `queries`, with `memory` as what is known.

    Without `memory`, or where it holds the same images, `queries` is split, four fifths to one, alike within
    each label. No image is both known and asked about: see `_apart`. Returns what `sslviz evaluate --json`
    prints. Raises `UserError` where labels are missing.
    """
    if memory is not None and set(memory.ids) == set(queries.ids):
        memory = None
    names, known, asked = _rows(queries, memory)
    memory_set = queries if memory is None else memory
    task = networks.task_of(run)
    memory_images = networks.squares_for(run, memory_set)[known.rows]
    query_images = networks.squares_for(run, queries)[asked.rows]
    tell = report or (lambda *_: None)
    sources: dict[str, tuple[Features, Features]] = {}
    for source, make in (("run", networks.trained), ("untrained", networks.untrained)):
        both = features.extract(
            make(run),
            task,
            np.concatenate([memory_images, query_images]),
            memory=memory_images,
            device=device,
            report=lambda done, total, source=source: tell(done, total, f"features of the {source} network"),  # type: ignore[misc]
        )
        count = len(memory_images)
        sources[source] = ({k: v[:count] for k, v in both.items()}, {k: v[count:] for k, v in both.items()})
    knn: dict[str, Any] = {}
    best: dict[str, float] = {}
    for source, (kept, seen) in sources.items():
        knn[source] = {}
        chosen = (-1.0, "")
        for number, block in enumerate(kept):
            tell(number, len(kept), f"neighbours of the {source} network")
            knn[source][block] = _accuracy(kept[block], known.labels, seen[block], asked.labels, len(names))
            alone = _leave_one_out(kept[block], known.labels, len(names))
            chosen = max(chosen, (alone, block), key=lambda pair: pair[0])
        best[source] = knn[source][chosen[1]]
    knn["pixels"] = _accuracy(
        features.pixels(memory_images), known.labels, features.pixels(query_images), asked.labels, len(names)
    )
    knn["best"] = best
    return {
        "labels": names,
        "memory": len(known.rows),
        "queries": len(asked.rows),
        "chance": 1.0 / len(names),
        "knn": knn,
        "intervals": {
            "run": wilson(best["run"], len(asked.rows)),
            "untrained": wilson(best["untrained"], len(asked.rows)),
            "pixels": wilson(knn["pixels"], len(asked.rows)),
        },
    }


def default_memory(queries: ImageSet, own: ImageSet | None) -> ImageSet | None:
    """The run's own images where they carry the labels of `queries`, else None, which means a split."""
    # The same photographs under another name are no memory: half of it at least must be new.
    if own is None or 2 * len(set(own.ids) - set(queries.ids)) < len(own):
        return None
    labels = set(queries.label_counts())
    return own if labels and labels <= set(own.label_counts()) else None


class _Labelled:
    """Rows of a set and their labels as numbers, both int64 (M,)."""

    def __init__(self, images: ImageSet, rows: Rows, names: Sequence[str]) -> None:
        place = {name: number for number, name in enumerate(names)}
        self.rows = rows
        self.labels: Rows = np.array([place[images.entries[row].label or ""] for row in rows], np.int64)


def _rows(queries: ImageSet, memory: ImageSet | None) -> tuple[list[str], _Labelled, _Labelled]:
    """(names of the labels, memory, queries): at most 20,000 and 3,000, chosen with seed 0."""
    draw = np.random.default_rng(0)
    if len(queries.label_counts()) < 2:
        raise UserError(
            f"The images of {queries.name!r} have no two labels to tell apart.",
            "Labels are the names of folders; give a set that has them.",
        )
    if memory is not None:
        names, known, asked = _apart(queries, memory)
    else:
        names = sorted(queries.label_counts())
        parts = [draw.permutation(_with(queries, [name])) for name in names]
        cuts = [0 if len(part) == 1 else max(1, round(len(part) / 5)) for part in parts]
        asked = np.concatenate([part[:cut] for part, cut in zip(parts, cuts, strict=True)])
        known = np.concatenate([part[cut:] for part, cut in zip(parts, cuts, strict=True)])
        if not len(asked):
            raise UserError(f"No label of {queries.name!r} has two images.", "Add more images to each.")
    known = np.sort(draw.permutation(known)[:MEMORY]).astype(np.int64)
    asked = np.sort(draw.permutation(asked)[:QUERIES]).astype(np.int64)
    return names, _Labelled(memory or queries, known, names), _Labelled(queries, asked, names)


def _apart(queries: ImageSet, memory: ImageSet) -> tuple[list[str], Rows, Rows]:
    """(names of the labels, rows of the memory, rows of the queries), no image on both sides: what is in both
    sets is asked about, unless that is the whole memory."""
    shared = set(queries.ids) & set(memory.ids)
    within = len(shared) == len(memory)
    known = [row for row, id_ in enumerate(memory.ids) if within or id_ not in shared]
    asked = [row for row, id_ in enumerate(queries.ids) if not within or id_ not in shared]
    names = sorted(_labels(memory, known) & _labels(queries, asked))
    if len(names) < 2:
        raise UserError(
            f"{memory.name!r} and {queries.name!r} have no two labels in common, each on images of its own.",
            "Give another set as the memory, or none: then the images are split.",
        )
    return names, _those(memory, known, names), _those(queries, asked, names)


def _labels(images: ImageSet, rows: Sequence[int]) -> set[str]:
    return {images.entries[row].label or "" for row in rows} - {""}


def _those(images: ImageSet, rows: Sequence[int], names: Sequence[str]) -> Rows:
    return np.array([row for row in rows if images.entries[row].label in names], np.int64)


def _with(images: ImageSet, names: Sequence[str]) -> Rows:
    return _those(images, range(len(images)), names)


def _accuracy(
    memory: NDArray[np.float32], labels: Rows, queries: NDArray[np.float32], answers: Rows, classes: int
) -> float:
    indices, similarity = neighbors.search(queries, memory, min(NEIGHBORS, len(memory)))
    return float(np.mean(neighbors.vote(indices, similarity, labels, classes) == answers))


def _leave_one_out(memory: NDArray[np.float32], labels: Rows, classes: int) -> float:
    indices, similarity = neighbors.search(
        memory, memory, min(NEIGHBORS, max(1, len(memory) - 1)), exclude_self=True
    )
    return float(np.mean(neighbors.vote(indices, similarity, labels, classes) == labels))
