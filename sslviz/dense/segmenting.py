"""Segmentation by what a frozen network has at each place: a linear softmax a block, and one over all blocks.

Letters in shapes: B images of a batch, K channels, S side of the images, G side of the grid, C classes.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

from sslviz.dense import masks, probing
from sslviz.dense.masks import Counts, Question
from sslviz.model import Encoder, pool
from sslviz.tasks.base import Task

GRID = 16
"""Maps are brought to this side to be learned from: as fine as the third block of `small` at 128 pixels."""
CELLS = 64
"""Places of an image that are learned from, at most: neighbours say nearly the same."""
FEWEST_CELLS = 8
NUMBERS = 30_000_000
"""Features held at a time: 120 MB."""
BATCH_PIXELS = 500_000
ALL = "all blocks"

Maps = dict[str, Tensor]
Reading = Callable[[Tensor], Maps]
"""uint8 (B, 3, S, S) → by block float (B, K, h, w)."""
Scoring = Callable[[Tensor], Maps]
"""uint8 (B, 3, S, S) → by probe float (B, C, h, w): scores of the classes, of which `ALL` is one."""
Tell = Callable[[int, int], None]


@dataclass(frozen=True, eq=False)
class Answered:
    """What was answered about the images that were asked about."""

    counts: Counts
    """(N, C, C) by image, of all blocks together."""
    blocks: dict[str, Counts]
    """(C, C) over all images, of each block alone."""
    pictures: NDArray[np.uint8]
    """(M, S, S) the answers of all blocks together about the images to be shown."""


def by_network(encoder: Encoder, task: Task) -> Reading:
    """The maps of an encoder as it is."""

    return lambda images: encoder.maps(views(task, images))


def views(task: Task, images: Tensor) -> Tensor:
    """Whole images as a network reads them: uint8 (B, 3, S, S) → float, of the same shape."""
    return task.normalize(images[:, None])[:, 0].contiguous(memory_format=torch.channels_last)


def by_colour(images: Tensor) -> Maps:
    """What needs no network: red, green, blue, how far right and down, and the products of any two of these;
    uint8 (B, 3, S, S) → {"colour": float (B, 20, G, G)}."""
    colour = pool(images.float() / 127.5 - 1, GRID)
    along = torch.linspace(-1, 1, GRID)
    place = torch.stack([along.expand(GRID, GRID), along[:, None].expand(GRID, GRID)])
    plain = torch.cat([colour, place.expand(len(images), -1, -1, -1)], 1)
    first, second = torch.triu_indices(5, 5)
    return {"colour": torch.cat([plain, plain[:, first] * plain[:, second]], 1)}


def learn(
    read: Reading, squares: NDArray[np.uint8], asked: Question, truth: NDArray[np.uint8], tell: Tell
) -> Scoring:
    """What gives scores to the classes at each place of images, learned from the known ones.

    squares uint8 (all rows of the set, 3, S, S); truth as `masks.truth` gives it of the known rows. `tell`
    gets (images done, images in all).
    """
    features, shares, spans = _places(read, squares, asked, truth, tell)
    probes = {ALL: (slice(0, features.shape[1]), probing.fit(features, shares))}
    if len(spans) > 1:
        probes |= {block: (span, probing.fit(features[:, span], shares)) for block, span in spans.items()}

    def score(images: Tensor) -> Maps:
        together = torch.cat([brought(one) for one in read(images).values()], 1)
        return {name: linear.scores(together[:, span]) for name, (span, linear) in probes.items()}

    return score


def answer(
    score: Scoring,
    squares: NDArray[np.uint8],
    asked: Question,
    truth: NDArray[np.uint8],
    shown: Sequence[int],
    tell: Tell,
) -> Answered:
    """What is answered about the images that are asked about, by their `truth`; `shown` are places among
    them. Scores in between places are interpolated."""
    classes = len(asked.classes)
    counts: list[Counts] = []
    blocks: dict[str, Counts] = {}
    drawn: list[NDArray[np.uint8]] = []
    for begin, images in _batches(squares, asked.asked):
        with torch.inference_mode():
            found = {name: _likeliest(scores, asked.side) for name, scores in score(images).items()}
        true = truth[begin : begin + len(images)]
        told = {name: masks.count(true, one, classes) for name, one in found.items()}
        counts.append(told.pop(ALL))
        for name, one in told.items():
            blocks[name] = blocks.get(name, 0) + one.sum(0)
        drawn += [found[ALL][place - begin] for place in shown if begin <= place < begin + len(images)]
        tell(begin + len(images), len(asked.asked))
    return Answered(np.concatenate(counts), blocks, np.stack(drawn))


def _places(
    read: Reading,
    squares: NDArray[np.uint8],
    asked: Question,
    truth: NDArray[np.uint8],
    tell: Tell,
) -> tuple[Tensor, Tensor, dict[str, slice]]:
    """Some places of each known image: features (P, D), shares of the classes (P, C), and which columns are
    whose block's."""
    draw = torch.Generator().manual_seed(0)
    features, shares = torch.empty(0), []
    spans: dict[str, slice] = {}
    cells = 0
    for begin, images in _batches(squares, asked.known):
        with torch.inference_mode():
            maps = {name: brought(one).flatten(2) for name, one in read(images).items()}
        if not spans:
            width = 0
            for name, one in maps.items():
                spans[name] = slice(width, width + one.shape[1])
                width += one.shape[1]
            cells = max(FEWEST_CELLS, min(CELLS, NUMBERS // (width * len(asked.known))))
            features = torch.empty(len(asked.known), cells, width)
        chosen = torch.rand(len(images), GRID * GRID, generator=draw).argsort(1)[:, :cells]
        for name, one in maps.items():
            taken = one.gather(2, chosen[:, None].expand(-1, one.shape[1], -1))
            features[begin : begin + len(images), :, spans[name]] = taken.transpose(1, 2)
        share = shares_of(truth[begin : begin + len(images)], len(asked.classes)).flatten(2)
        shares.append(share.gather(2, chosen[:, None].expand(-1, share.shape[1], -1)).transpose(1, 2))
        tell(begin + len(images), len(asked.known))
    return features.flatten(0, 1), torch.cat(shares).flatten(0, 1), spans


def shares_of(truth: NDArray[np.uint8], classes: int) -> Tensor:
    """uint8 (B, S, S) → float (B, C, G, G): how much of a place each class has; pixels that nobody knows
    belong to none."""
    where = torch.from_numpy(truth).long()
    one_hot = functional.one_hot(where.where(where < classes, classes), classes + 1)[..., :classes]
    return pool(one_hot.permute(0, 3, 1, 2).float(), GRID)


def _likeliest(scores: Tensor, side: int) -> NDArray[np.uint8]:
    """float (B, C, h, w) → uint8 (B, S, S), the likeliest class; a tie goes to the lower."""
    fine = functional.interpolate(scores, (side, side), mode="bilinear", align_corners=False)
    return fine.argmax(1).to(torch.uint8).numpy()


def brought(maps: Tensor) -> Tensor:
    """float (B, K, h, w) → (B, K, G, G): the means of finer maps, coarser ones interpolated."""
    if min(maps.shape[-2:]) >= GRID:
        return pool(maps, GRID)
    return functional.interpolate(maps, (GRID, GRID), mode="bilinear", align_corners=False)


def _batches(squares: NDArray[np.uint8], rows: masks.Rows) -> Iterator[tuple[int, Tensor]]:
    """(place of the first, images uint8 (B, 3, S, S)) at a time."""
    size = max(1, BATCH_PIXELS // squares.shape[-1] ** 2)
    for begin in range(0, len(rows), size):
        yield begin, torch.from_numpy(np.array(squares[rows[begin : begin + size]]))
