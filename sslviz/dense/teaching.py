"""Where objects are, as a network teaches itself: what stands out in some images is learned, and then looked
for in all.

What is unlike the border of its own image is the object or something beside it: a fence, a window, the sun. A
linear layer on dense features that learns it from many images at once can keep what looks alike in all of
them and drop what does not, and its own answers, cleaner than what it was taught, teach it again.

Self-training of a linear layer on the features of a frozen network, from masks that nobody drew, is that of
FOUND (Siméoni et al., CVPR 2023, section 3, its second stage), which begins with what attention says is
background, has features of a transformer, and refines masks by a bilateral solver.

Letters in shapes: B images of a batch, N all that are learned from, D features of a place over all blocks,
h × w the map of the first block, G side of the grid that is learned on, F of the fine map, L blocks.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from sslviz.dense import standouts
from sslviz.dense.segmenting import GRID, Maps, brought
from sslviz.dense.standouts import FINE
from sslviz.model import pool

TAUGHT = 300
"""Images that are learned from, at most."""
NUMBERS = 35_000_000
"""Features held at a time, in half precision: 70 MB. Wider networks learn from fewer images."""
ROUNDS = 4
"""Times that the layer is fitted. After 2 to 5 CorLoc of jigsaw trained was 0.958, 0.961, 0.963 and 0.962,
untrained 0.947, 0.945, 0.940 and 0.944, on 1,000 scenes of another seed than the built-in ones."""
PENALTY = 1e-3
"""Of squared weights, against the mean squared error of a place."""
ROOT = 0.3
"""Power of how unlike the border a place is that answers are multiplied by, for their outline. Of jigsaw
trained CorLoc was 0.959 with 0, 0.963 with 0.15 and with 0.3, and 0.950 with 0.5, on the same scenes."""
BATCH = 50


@dataclass(frozen=True)
class Taught:
    """A layer for each block, of the features of this and of all blocks before it."""

    blocks: tuple[str, ...]
    weights: Tensor
    """float (2 D + 2, L), 0 where a block does not look."""
    unit: float
    """How unlike the border places are on average."""

    def standing_out(self, features: Tensor, unlike: Tensor) -> Tensor:
        """float (B, D, G, G), float (B, h, w) → (B, L, F, F), large where each says that the object is."""
        answers = torch.einsum("bkhw,kl->blhw", _inputs(features, unlike, self.unit), self.weights)
        return _fine(answers).clamp(0, 1) * _fine(unlike[:, None]).clamp_min(0) ** ROOT


def count(features: int, images: int) -> int:
    """How many of so many images to learn from, each with so many features a place."""
    return max(1, min(TAUGHT, images, NUMBERS // (features * GRID**2)))


def side_by_side(standard: Maps) -> Tensor:
    """Standardised maps by block, float (B, K, h, w) each → float (B, D, G, G)."""
    return torch.cat([brought(one) for one in standard.values()], 1)


def learn(widths: dict[str, int], features: Tensor, unlike: Tensor) -> Taught:
    """From `widths`, the channels of each block, half (N, D, G, G), what `side_by_side` gives, and float
    (N, h, w), how unlike the border of its image each place of the first block is."""
    unit = max(float(unlike.mean()), 1e-12)
    looks = _looks(list(widths.values()))
    spans = [slice(begin, begin + BATCH) for begin in range(0, len(features), BATCH)]
    parts = [_largest(_fine(unlike[span, None])).expand(-1, len(widths), -1, -1) for span in spans]
    products = torch.zeros(len(looks), len(looks), dtype=torch.float64)
    for round_ in range(ROUNDS):
        wanted = torch.zeros(looks.shape, dtype=torch.float64)
        for span, part in zip(spans, parts, strict=True):
            flat = _inputs(features[span], unlike[span], unit).transpose(0, 1).flatten(1)
            wanted += (flat @ part.transpose(0, 1).flatten(1).T).double()
            if not round_:
                products += (flat @ flat.T).double()
        taught = Taught(tuple(widths), _solved(products, wanted, looks), unit)
        if round_ + 1 < ROUNDS:
            parts = [_largest(taught.standing_out(features[span], unlike[span])) for span in spans]
    return taught


def _inputs(features: Tensor, unlike: Tensor, unit: float) -> Tensor:
    """→ float (B, 2 D + 2, G, G): features, their products with how unlike the border a place is, that alone,
    and 1. By the products, to stand out counts for more or for less depending on what it is that does."""
    near, features = brought(unlike[:, None]) / unit, features.float()
    return torch.cat([features, features * near, near, torch.ones_like(near)], 1)


def _looks(widths: Sequence[int]) -> Tensor:
    """bool (2 D + 2, L): which inputs each block has, its own and those of blocks before it."""
    block = torch.arange(len(widths)).repeat_interleave(torch.tensor(widths))
    inputs = torch.cat([block, block, torch.zeros(2, dtype=torch.int64)])
    return inputs[:, None] <= torch.arange(len(widths))


def _solved(products: Tensor, wanted: Tensor, looks: Tensor) -> Tensor:
    """float (2 D + 2, L): the weights of ridge regression, from sums over places of products of the inputs
    with each other, (2 D + 2, 2 D + 2), and with what is wanted, (2 D + 2, L)."""
    places = products[-1, -1]
    weights = torch.zeros(looks.shape)
    for block, own in enumerate(looks.T):
        penalised = products[own][:, own] / places + PENALTY * torch.eye(int(own.sum()), dtype=torch.float64)
        weights[own, block] = torch.linalg.solve(penalised, wanted[own, block] / places).float()
    return weights


def _fine(maps: Tensor) -> Tensor:
    """float (B, L, h, w) → (B, L, F, F), interpolated."""
    return functional.interpolate(maps, (FINE, FINE), mode="bilinear", align_corners=False)


def _largest(maps: Tensor) -> Tensor:
    """float (B, L, F, F) → (B, L, G, G): how much of each place is in the largest part that stands out."""
    flat = maps.flatten(0, 1).numpy()
    limits = standouts.threshold(flat)
    parts = np.stack([standouts.part(one > limit) for one, limit in zip(flat, limits, strict=True)])
    return pool(torch.from_numpy(parts).float().view(maps.shape), GRID)
