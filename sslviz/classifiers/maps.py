"""Maps of a frozen encoder, kept for as long as heads learn from them.

The encoder learns nothing, so it need see an image once a showing, not once an epoch, and all heads learn
from the same maps.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import torch
from torch import Generator, Tensor, nn

from sslviz.classifiers.heads import coarse, side_for
from sslviz.classifiers.shifting import as_views, lightly
from sslviz.model import Encoder
from sslviz.tasks.base import Task
from sslviz.train.draws import seed_for

MIRRORED, MOVED = 2, 4
FEW = 4_000
"""Images up to which each is shown moved too: with 1,600 scenes that gained heads three points. With 10,000
images of CIFAR-10 each showing is hardly seen twice, and it cost them one."""
MEMORY = 1_400_000_000
"""Bytes of maps kept at once, unless a single block takes more."""
LARGEST = 60_000.0
"""Numbers of a map beyond this would be infinite in half precision."""
BATCH_PIXELS = 260_000
"""Pixels that the encoder sees at once: 256 images of 32 × 32."""


@dataclass(frozen=True, eq=False)
class Maps:
    """The maps of one block for all images: what a head learns from."""

    values: Tensor
    """float16 (V, N, K, n, n): V showings of each image, the first one as it is."""
    middle: Tensor
    """float32 (1, K, 1, 1): mean of each channel."""
    spread: Tensor
    """float32 (1, K, 1, 1): its standard deviation."""

    def __len__(self) -> int:
        return self.values.shape[1]

    def take(self, showings: Tensor, rows: Tensor) -> Tensor:
        """float32 (B, K, n, n), as a head reads them: of image `rows[i]`, showing `showings[i]`."""
        # An image at a time, where indexing by both would go number by number.
        index = (showings * len(self) + rows).to(self.values.device)
        return standard(self.values.flatten(0, 1).index_select(0, index).float(), self.middle, self.spread)


class Reader(nn.Module):
    """A trained head, and how it reads a block's map."""

    middle: Tensor
    spread: Tensor

    def __init__(self, head: nn.Sequential, maps: Maps) -> None:
        super().__init__()
        self.head = head
        self.register_buffer("middle", maps.middle)
        self.register_buffer("spread", maps.spread)

    def forward(self, maps: Tensor) -> Tensor:
        """float (B, K, h, h), as the encoder gives them → logits, float (B, C)."""
        logits: Tensor = self.head(standard(coarse(maps), self.middle, self.spread))
        return logits


def standard(maps: Tensor, middle: Tensor, spread: Tensor) -> Tensor:
    """Each channel with a mean of about 0 and a spread of about 1; what is linear in it stays so."""
    return ((maps - middle) / spread).contiguous(memory_format=torch.channels_last)


def shapes(encoder: Encoder, task: Task, images: Tensor) -> dict[str, tuple[int, int]]:
    """By block the channels and the side of its maps, as a head sees them, of images like `images`."""
    with torch.inference_mode():
        maps = encoder.maps(as_views(task, images[:1].to(place_of(encoder))))
    return {name: (m.shape[1], side_for(m.shape[1], m.shape[-1])) for name, m in maps.items()}


def showings_for(images: int) -> int:
    """Ways in which each of so many images is shown."""
    return MOVED if images <= FEW else MIRRORED


def groups(
    encoder: Encoder, task: Task, images: Tensor, blocks: Sequence[str], showings: int
) -> list[list[str]]:
    """`blocks`, in the order they run, in groups whose maps fit into memory together."""
    found: list[list[str]] = []
    room = 0
    for name, (channels, side) in shapes(encoder, task, images).items():
        if name in blocks:
            size = 2 * showings * len(images) * channels * side**2
            if not found or size > room:
                found.append([])
                room = MEMORY
            found[-1].append(name)
            room -= size
    return found


def keep(
    encoder: Encoder,
    task: Task,
    images: Tensor,
    blocks: Sequence[str],
    *,
    showings: int,
    seed: int = 0,
    report: Callable[[int, int], None] | None = None,
) -> dict[str, Maps]:
    """By block the maps of `images`, uint8 (N, 3, S, S), each seen in so many `showings`. The encoder is in
    evaluation mode; `report` is called with showings of images done and to do."""
    place = place_of(encoder)
    kept = {
        name: torch.empty((showings, len(images), channels, side, side), dtype=torch.float16, device=place)
        for name, (channels, side) in shapes(encoder, task, images).items()
        if name in blocks
    }
    for showing in range(showings):
        draws = seed_for(seed, "showing", showing)
        for rows in parts(images):
            views = as_views(task, shown(images[rows], showing, draws).to(place))
            with torch.inference_mode():
                for name, maps in encoder.maps(views).items():
                    if name in kept:
                        kept[name][showing, rows] = coarse(maps).clamp(-LARGEST, LARGEST).to(torch.float16)
            if report:
                report(showing * len(images) + rows.stop, showings * len(images))
    return {name: _described(values) for name, values in kept.items()}


def shown(images: Tensor, showing: int, draws: Generator) -> Tensor:
    """uint8 (B, 3, S, S) as they are, mirrored, or moved by a little."""
    if showing == 0:
        return images
    return images.flip(-1) if showing == 1 else lightly(images, draws)


def parts(images: Tensor) -> Iterator[slice]:
    """Rows of `images`, as many at a time as the encoder should see at once."""
    size = max(1, BATCH_PIXELS // math.prod(images.shape[-2:]))
    return (slice(begin, min(begin + size, len(images))) for begin in range(0, len(images), size))


def place_of(encoder: Encoder) -> torch.device:
    """Where an encoder is."""
    return next(encoder.parameters()).device


def _described(values: Tensor) -> Maps:
    """With the statistics of the images as they are."""
    channels = values.shape[2]
    total, squares = (torch.zeros(channels, dtype=torch.float64) for _ in range(2))
    for part in torch.split(values[0], 512):
        numbers = part.float()
        total += numbers.sum((0, 2, 3)).double().cpu()
        squares += numbers.square().sum((0, 2, 3)).double().cpu()
    count = values[0].numel() / channels
    middle = total / count
    spread = (squares / count - middle.square()).clamp_min(0).sqrt()
    # A channel that is the same everywhere tells nothing, and must not be divided by nought.
    spread = spread.where(spread > 1e-3 * (1e-3 + middle.abs()), torch.ones_like(spread))
    middle, spread = (one.float().view(1, -1, 1, 1).to(values.device) for one in (middle, spread))
    return Maps(values, middle, spread)
