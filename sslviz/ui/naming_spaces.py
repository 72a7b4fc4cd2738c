"""What naming has read and computed already, kept by the server."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from sslviz import embeddings, naming
from sslviz.embeddings import Embedding, Source
from sslviz.imagesets import ImageSet
from sslviz.naming import Names, Proposals, Space
from sslviz.runs import Run
from sslviz.ui import remember


def blind_block(known: Sequence[str]) -> str:
    """The block to begin with where labels are not to be looked at: two thirds of the way up.

    With few names it was better than the block that keeps most neighbours under a disturbance.
    """
    return known[round(0.65 * (len(known) - 1))]


def embedding(run: Run, images: ImageSet, source: Source, block: str | None) -> Embedding | None:
    """The same object for as long as what it is read from stays the same."""
    return _embedding(run, images, source, block, embeddings.stamp(run, images, source))


def space(found: Embedding) -> Space:
    """The features of an embedding as the probe reads them."""
    return _space(found, found.key)


def rows_by_id(images: ImageSet) -> dict[str, int]:
    """The row of each id."""
    return _rows_by_id(images, images.fingerprint)


def proposals(found: Embedding, images: ImageSet, names: Names) -> Proposals | None:
    """Names for all images; None as long as there are no two names."""
    if len(names.counts()) < 2:
        return None
    return _proposals(found, images, found.key, tuple(names.given.items()))


@remember.resource(max_entries=8)
def _embedding(
    _run: Run,
    _images: ImageSet,
    source: Source,
    block: str | None,
    stamp: str,  # noqa: ARG001
) -> Embedding | None:
    return embeddings.find(_run, _images, source, block)


@remember.resource(max_entries=8)
def _space(_found: Embedding, key: str) -> Space:  # noqa: ARG001
    return Space(_found.features)


@remember.resource(max_entries=4)
def _rows_by_id(_images: ImageSet, fingerprint: str) -> dict[str, int]:  # noqa: ARG001
    return {image: row for row, image in enumerate(_images.ids)}


@remember.resource(max_entries=4)
def _proposals(
    _found: Embedding,
    _images: ImageSet,
    key: str,  # noqa: ARG001
    given: tuple[tuple[str, str], ...],
) -> Proposals:
    row_of = rows_by_id(_images)
    rows = np.array([row_of[image] for image, _ in given], np.int64)
    return naming.propose(space(_found), rows, [name for _, name in given])
