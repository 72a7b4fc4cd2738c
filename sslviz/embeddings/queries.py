"""A picture that is not of the set, beside the images that are: what is nearest to it."""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from sslviz import embeddings, images, kept, neighbors
from sslviz.embeddings.stored import Embedding
from sslviz.errors import UserError
from sslviz.imagesets import ImageSet
from sslviz.runs import Run

FOLDER = "queries"
"""In a workspace: they are somebody's own, whoever else has the same set."""
KEPT = 200
"""Pictures; of more the oldest are forgotten."""
LEAST = 8
"""Pixels of the side of a part of an image that there is something to see in."""


@dataclass(frozen=True, eq=False)
class Query:
    """A picture that is asked about."""

    key: str
    """Another one for other pixels."""
    name: str
    """What to call it, fit to be seen."""
    pixels: NDArray[np.uint8]
    """uint8 (H, W, 3)."""

    @property
    def jpeg(self) -> bytes:
        """A copy to show."""
        return images.thumbnail(self.pixels, 320)


@dataclass(frozen=True, eq=False)
class Found:
    """The neighbours of a query in one embedding."""

    indices: NDArray[np.int64]
    """(k,) rows of the set, best first."""
    similarity: NDArray[np.float32]
    """(k,) in [-1, 1]."""


def uploaded(workspace: Path, name: str, data: bytes) -> Query:
    """A picture from a file, read in a process of its own and kept in the workspace.

    Raises `UserError` for what is no image.
    """
    from sslviz.images.pool import decode_all

    for _, found in decode_all([(name, data)], processes=1):
        if not isinstance(found, images.Stored):
            raise UserError(f"{name} {found.message}.", found.hint or "Choose another picture.")
        folder = workspace / FOLDER
        kept.write(folder / f"{found.id}.bin", {"jpeg": np.frombuffer(found.jpeg, np.uint8)})
        for old in sorted(folder.glob("*.bin"), key=lambda one: one.stat().st_mtime)[:-KEPT]:
            old.unlink(missing_ok=True)
        return Query(found.id, name, images.decode_jpeg(found.jpeg))
    raise AssertionError("one file in, one answer out")


def recall(workspace: Path, key: str) -> Query | None:
    """A picture that was uploaded to the workspace before, by its key; None where it is forgotten."""
    if not re.fullmatch("[0-9a-f]{16}", key):
        return None
    found = kept.read(workspace / FOLDER / f"{key}.bin")
    if found is None:
        return None
    return Query(key, "Your picture", images.decode_jpeg(found[1]["jpeg"].tobytes()))


def part(known: ImageSet, row: int, box: tuple[float, float, float, float]) -> Query:
    """A part of an image of the set: `box` is x0 y0 x1 y1 in [0, 1] of the whole image.

    Raises `UserError` where there is next to nothing in it.
    """
    whole = known.pixels(row)
    height, width = whole.shape[:2]
    x0, x1 = (round(min(1.0, max(0.0, value)) * width) for value in (box[0], box[2]))
    y0, y1 = (round(min(1.0, max(0.0, value)) * height) for value in (box[1], box[3]))
    if x1 - x0 < LEAST or y1 - y0 < LEAST:
        raise UserError("That part is too small to see anything in.", "Draw a larger rectangle.")
    pixels = np.ascontiguousarray(whole[y0:y1, x0:x1])
    key = hashlib.sha256(pixels.tobytes()).hexdigest()[:16]
    return Query(key, f"Part of {known.names[row]}", pixels)


def find(query: Query, run: Run, known: ImageSet, embedding: Embedding, k: int = 50) -> Found | None:
    """The nearest images of the set to a query, by the features of `embedding`; None where the network
    that they come from is not kept. Imports torch."""
    from sslviz import features, networks

    if embedding.source == "pixels":
        square = images.square(query.pixels, features.PIXEL_SIDE).transpose(2, 0, 1)[None]
        asked = features.pixels(square)
    else:
        encoder = embeddings.encoder(run, known, embedding.source)
        if encoder is None:
            return None
        task = networks.task_of(run)
        side = networks.side_for(run, known)
        square = images.square(query.pixels, side).transpose(2, 0, 1)[None]
        asked = features.through(encoder, task, square, blocks=[embedding.block])[embedding.block]
    indices, similarity = neighbors.search(asked, np.asarray(embedding.features), k)
    return Found(indices[0], similarity[0])
