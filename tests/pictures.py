"""Images for the tests of tasks: pictures with something in them, and pictures that say where they are."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional


def photos(count: int, side: int, seed: int = 0) -> Tensor:
    """uint8 (count, 3, side, side): blobs of colour with some grain, no two alike."""
    generator = torch.Generator().manual_seed(seed)
    coarse = torch.rand(count, 3, 6, 6, generator=generator) * 255
    smooth = functional.interpolate(coarse, (side, side), mode="bilinear")
    grain = torch.randn(count, 3, side, side, generator=generator) * 12
    return (smooth + grain).clamp(0, 255).to(torch.uint8)


def maps(count: int, side: int) -> Tensor:
    """uint8 (count, 3, side, side): red is the column, green the line, blue the number of the image; so each
    pixel says where it is from. `side` and `count` are at most 256."""
    assert side <= 256
    assert count <= 256
    at = torch.arange(side)
    red = at.expand(count, side, side)
    green = at[:, None].expand(count, side, side)
    blue = torch.arange(count)[:, None, None].expand(count, side, side)
    return torch.stack([red, green, blue], 1).to(torch.uint8)


def generator(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)
