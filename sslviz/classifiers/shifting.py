"""Light changes of images that leave what they show: a shift of a few pixels, and a mirror."""

from __future__ import annotations

import torch
from torch import Generator, Tensor
from torch.nn import functional

from sslviz.tasks.base import Task
from sslviz.tasks.sampling import coin, cut, draw_up_to, mirror_where

SHARE = 1 / 16
"""Of the side that images are shifted by, at most: two pixels of 32. The four that RotNet was trained with
need more epochs than there is time for."""


def shifted(images: Tensor, padding: int, mirror: bool, generator: Generator) -> Tensor:
    """uint8 (B, 3, S, S) moved by up to `padding` pixels over black, and every second one mirrored."""
    count, side = len(images), images.shape[-1]
    framed = functional.pad(images, (padding,) * 4)
    top, left = (draw_up_to(torch.full((count,), 2 * padding), generator) for _ in range(2))
    moved = cut(framed, torch.arange(count), top, left, side)
    return mirror_where(moved, coin(0.5 * mirror, generator, count))


def lightly(images: Tensor, generator: Generator) -> Tensor:
    """uint8 (B, 3, S, S) shifted by up to a sixteenth of the side, and every second one mirrored."""
    return shifted(images, round(SHARE * images.shape[-1]), True, generator)


def as_views(task: Task, images: Tensor) -> Tensor:
    """Whole images, uint8 (B, 3, S, S), as the network reads them: float of the same shape."""
    return task.normalize(images[:, None])[:, 0].contiguous(memory_format=torch.channels_last)
