"""Where the object is, from dense features and no labels: four rules, each on the map of each block.

Letters in shapes: B images of a batch, K channels, h × w a map, F side of the fine map.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

from sslviz.dense import standouts, teaching
from sslviz.dense.boxes import Boxes
from sslviz.dense.localisation import RULES
from sslviz.dense.segmenting import BATCH_PIXELS, Maps, views
from sslviz.dense.standouts import FINE
from sslviz.dense.teaching import Taught
from sslviz.model import Encoder, pool
from sslviz.tasks.base import Task

FRAME = 16
"""Pixels that an image is continued by on each side, at least, as in a mirror. Without, the zeros that
convolutions pad with are an edge that maps answer to: with, energy was right up to 8 points more often."""
MOST_PLACES = 32
"""Side that finer maps are averaged to."""
FITTED = 200
"""Images that means, variances and components are taken from, at most."""

Tell = Callable[[int, int], None]


@dataclass(frozen=True)
class Statistics:
    """Of the features of a block over many images."""

    mean: Tensor
    """float (K,)."""
    spread: Tensor
    """float (K,), at least a little."""
    axis: Tensor
    """float (K,): the first principal component of features that are standardised."""
    sign: float
    """1 or -1: which way along the axis is the object."""


def locate(
    encoder: Encoder, task: Task, squares: NDArray[np.uint8], rows: NDArray[np.int64], tell: Tell
) -> dict[str, dict[str, Boxes]]:
    """By rule and block, the boxes of the images in `rows`, (N, 4).

    squares uint8 (all rows of the set, 3, S, S). "energy" is the sum of squares of the activations at a
    place; "component" the first principal component over the set, of standardised channels; "contrast" how
    far standardised features are from those of the most similar place along the image's border; "taught"
    what a layer says that learned from contrast, of a block and all before it (see `teaching`). `tell` gets
    (images done, in all).
    """
    some = _some(rows, FITTED)
    total = 2 * len(some) + min(teaching.TAUGHT, len(rows)) + len(rows)
    known = _statistics(encoder, task, squares, some, lambda done: tell(done, total))
    taught = _taught(encoder, task, squares, rows, known, lambda done: tell(2 * len(some) + done, total))
    found: dict[str, dict[str, list[Boxes]]] = {rule: {block: [] for block in known} for rule in RULES}
    for done, maps in _maps(encoder, task, squares, rows):
        for block, one in maps.items():
            for rule, map_ in standing_out(one, known[block]).items():
                found[rule][block].append(standouts.boxes(_fine(map_)))
        answers = taught.standing_out(*_lessons(maps, known)).unbind(1)
        for block, map_ in zip(taught.blocks, answers, strict=True):
            found["taught"][block].append(standouts.boxes(map_.numpy()))
        tell(total - len(rows) + done, total)
    return {
        rule: {block: np.concatenate(parts) for block, parts in blocks.items()}
        for rule, blocks in found.items()
    }


def standing_out(maps: Tensor, known: Statistics) -> dict[str, Tensor]:
    """float (B, K, h, w) → by rule float (B, h, w), large where the object is said to be."""
    standard = _standard(maps, known)
    return {
        "energy": maps.square().sum(1),
        "component": known.sign * torch.einsum("bkhw,k->bhw", standard, known.axis),
        "contrast": unlike_border(standard),
    }


def unlike_border(maps: Tensor) -> Tensor:
    """float (B, K, h, w) → (B, h, w): the distance of each place from the place along the border that is
    nearest to it, so 0 along the border. Background may be of several kinds, and most of them touch it."""
    edge = torch.from_numpy(standouts.border(*maps.shape[-2:])).flatten()
    places = maps.flatten(2).transpose(1, 2)
    nearest = torch.cdist(places, places[:, edge]).amin(2).masked_fill_(edge, 0)
    return nearest.view(len(maps), *maps.shape[-2:])


def by_colour(squares: NDArray[np.uint8], rows: NDArray[np.int64], tell: Tell) -> dict[str, dict[str, Boxes]]:
    """The same with no network: what is unlike the border in red, green and blue."""
    found = []
    for done, images in _batches(squares, rows, squares.shape[-1]):
        found.append(standouts.boxes(_fine(unlike_border(_coarse(images.float() / 255)))))
        tell(done, len(rows))
    return {"contrast": {"colour": np.concatenate(found)}}


def _taught(
    encoder: Encoder,
    task: Task,
    squares: NDArray[np.uint8],
    rows: NDArray[np.int64],
    known: dict[str, Statistics],
    tell: Callable[[int], None],
) -> Taught:
    widths = {block: len(one.mean) for block, one in known.items()}
    some = _some(rows, teaching.count(sum(widths.values()), len(rows)))
    lessons = []
    for done, maps in _maps(encoder, task, squares, some):
        features, unlike = _lessons(maps, known)
        lessons.append((features.half(), unlike))
        tell(done)
    features, unlike = (torch.cat(parts) for parts in zip(*lessons, strict=True))
    del lessons
    return teaching.learn(widths, features, unlike)


def _lessons(maps: Maps, known: dict[str, Statistics]) -> tuple[Tensor, Tensor]:
    """Standardised features of all blocks on one grid, float (B, D, G, G), and how unlike the border the
    places of the first block are, float (B, h, w)."""
    standard = {block: _standard(one, known[block]) for block, one in maps.items()}
    return teaching.side_by_side(standard), unlike_border(next(iter(standard.values())))


def _standard(maps: Tensor, known: Statistics) -> Tensor:
    """float (B, K, h, w) → the same, each channel of mean 0 and spread 1 over the set."""
    return (maps - known.mean[:, None, None]) / known.spread[:, None, None]


def _some(rows: NDArray[np.int64], most: int) -> NDArray[np.int64]:
    """At most so many of the rows, evenly spread."""
    count = min(most, len(rows))
    return rows[np.arange(count) * len(rows) // count]


def _statistics(
    encoder: Encoder,
    task: Task,
    squares: NDArray[np.uint8],
    rows: NDArray[np.int64],
    tell: Callable[[int], None],
) -> dict[str, Statistics]:
    sums: dict[str, Tensor] = {}
    for done, maps in _maps(encoder, task, squares, rows):
        for block, one in maps.items():
            flat = functional.pad(one.transpose(0, 1).flatten(1), (0, 0, 0, 1), value=1.0)  # (K + 1, places)
            products = (flat @ flat.T).double()
            sums[block] = sums[block] + products if block in sums else products
        tell(done)
    found = {block: _fitted(products) for block, products in sums.items()}
    projected: dict[str, list[NDArray[np.float32]]] = {block: [] for block in found}
    for done, maps in _maps(encoder, task, squares, rows):
        for block, one in maps.items():
            projected[block].append(standing_out(one, found[block])["component"].numpy())
        tell(len(rows) + done)
    return {
        block: replace(one, sign=standouts.sign(np.concatenate(projected[block])))
        for block, one in found.items()
    }


def _fitted(products: Tensor) -> Statistics:
    """From sums of products, (K + 1, K + 1), of the channels and of 1."""
    products = products / products[-1, -1]
    mean = products[-1, :-1]
    covariance = products[:-1, :-1] - mean[:, None] * mean
    variance = covariance.diagonal().clamp_min(0)
    spread = (variance + 1e-8 * (1 + mean.square())).sqrt()
    _, axes = torch.linalg.eigh(covariance / (spread[:, None] * spread))
    return Statistics(mean.float(), spread.float(), axes[:, -1].float(), 1.0)


def _maps(
    encoder: Encoder, task: Task, squares: NDArray[np.uint8], rows: NDArray[np.int64]
) -> Iterator[tuple[int, Maps]]:
    """(images done, the maps of a batch by block), of images continued beyond their edges and maps cut off
    again there."""
    side = squares.shape[-1]
    beyond = frame(side)
    share = beyond / (side + 2 * beyond)
    for done, images in _batches(squares, rows, side + 2 * beyond):
        with torch.inference_mode():
            framed = functional.pad(views(task, images), [beyond] * 4, mode="reflect")
            maps = {name: _coarse(_cut(one, share)) for name, one in encoder.maps(framed).items()}
        yield done, maps


def _batches(squares: NDArray[np.uint8], rows: NDArray[np.int64], side: int) -> Iterator[tuple[int, Tensor]]:
    """(images done, uint8 (B, 3, S, S)), as many at a time as fit at this side."""
    size = max(1, BATCH_PIXELS // side**2)
    for begin in range(0, len(rows), size):
        part = rows[begin : begin + size]
        yield begin + len(part), torch.from_numpy(np.array(squares[part]))


def frame(side: int) -> int:
    """By how many pixels images of this side are continued on each side: an eighth, in steps of 16."""
    return min(FRAME * max(1, round(side / 8 / FRAME)), side - 1)


def _cut(maps: Tensor, share: float) -> Tensor:
    """float (B, K, h, w) without this share at each edge; at least one place stays."""
    down, across = (min(round(length * share), (length - 1) // 2) for length in maps.shape[-2:])
    return maps[..., down : maps.shape[-2] - down, across : maps.shape[-1] - across]


def _coarse(maps: Tensor) -> Tensor:
    """float (B, K, h, w), finer ones averaged to 32 × 32."""
    return pool(maps, MOST_PLACES) if min(maps.shape[-2:]) > MOST_PLACES else maps


def _fine(map_: Tensor) -> NDArray[np.float32]:
    """float (B, h, w) → (B, F, F), interpolated."""
    fine = functional.interpolate(map_[:, None], (FINE, FINE), mode="bilinear", align_corners=False)
    found: NDArray[np.float32] = fine[:, 0].numpy()
    return found
