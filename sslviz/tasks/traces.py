"""Traces that a lens, a file or a careless program leaves in images: put there on purpose, to see what a
network makes of them.

Each tells something about a view that is no part of what is shown, which is what a shortcut is.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor
from torch.nn import functional

from sslviz.tasks.sampling import as_pixels

CHUNK = 64
"""Images that are worked on at a time, for 50,000 of them need not be in memory as fractions."""

LUMA = """16 11 10 16 24 40 51 61 12 12 14 19 26 58 60 55 14 13 16 24 40 57 69 56 14 17 22 29 51 87 80 62
18 22 37 56 68 109 103 77 24 35 55 64 81 104 113 92 49 64 78 87 103 121 120 101 72 92 95 98 112 100 103 99"""
CHROMA = "17 18 24 47 99 18 21 26 66 99 24 26 56 99 99 47 66 99 99 99"
"""The upper left corners of JPEG's two tables; what is not there is 99 (ITU-T T.81, tables K.1 and K.2)."""
YCC = torch.tensor([[0.299, 0.587, 0.114], [-0.168736, -0.331264, 0.5], [0.5, -0.418688, -0.081312]])
"""RGB to luma and two differences of colour (JFIF 1.02)."""


def aberrate(images: Tensor, strength: float) -> Tensor:
    """Lateral chromatic aberration: uint8 (N, 3, S, S) with red and blue enlarged about the centre, green as
    it is.

    `strength` is in per mille, 0 or more: what lies r pixels from the centre in green lies at
    r · (1 + strength / 1000) in the other two, as with a lens that brings green nearer to the centre (Doersch
    et al., section 3.1). 0 gives the images themselves. Resampled by cubic convolution (Keys 1981), which is
    exact for whatever is a parabola over four pixels; nothing outside the image is read but its last pixel,
    again.
    """
    if strength == 0:
        return images
    weights = _enlarging(images.shape[-1], 1 + strength / 1000).to(images.device)
    found = images.clone()
    for start in range(0, len(images), CHUNK):
        outer = images[start : start + CHUNK, ::2].to(torch.float32)
        found[start : start + CHUNK, ::2] = as_pixels(weights @ outer @ weights.T)
    return found


def _enlarging(side: int, factor: float) -> Tensor:
    """float32 (S, S): the weight of each source pixel in each pixel of a line that is enlarged."""
    centre = (side - 1) / 2
    place = centre + (torch.arange(side, dtype=torch.float64) - centre) / factor
    first = place.floor()
    weights = torch.zeros(side, side, dtype=torch.float64)
    for tap in range(-1, 3):
        away = (place - first - tap).abs()
        near = 1 - 2.5 * away**2 + 1.5 * away**3
        far = 2 - 4 * away + 2.5 * away**2 - 0.5 * away**3
        weight = torch.where(away <= 1, near, far)
        weights.scatter_add_(1, (first + tap).long().clamp(0, side - 1)[:, None], weight[:, None])
    return weights.to(torch.float32)


def compress(images: Tensor, quality: int) -> Tensor:
    """What a JPEG of this quality, 1 to 100, keeps: uint8 (N, 3, S, S), colour at full resolution.

    Blocks of 8 × 8 pixels, counted from the upper left corner, lose their fine detail each on its own, so
    that their edges show. 0 gives the images themselves.
    """
    if quality == 0:
        return images
    side, device = images.shape[-1], images.device
    tables, matrix = _tables(quality).to(device), _cosines().to(device)
    colours = YCC.to(device)
    missing = -side % 8
    found = torch.empty_like(images)
    for start in range(0, len(images), CHUNK):
        pixels = images[start : start + CHUNK].to(torch.float32)
        pixels = functional.pad(pixels, (0, missing, 0, missing), mode="replicate")
        parts = torch.einsum("ij,njhw->nihw", colours, pixels - 128.0)  # the differences are about 0 too
        blocks = parts.unfold(2, 8, 8).unfold(3, 8, 8)  # (n, 3, rows, columns, 8, 8)
        steps = tables[None, :, None, None]
        kept = (matrix @ blocks @ matrix.T).div(steps).round_().mul_(steps)
        parts = (matrix.T @ kept @ matrix).transpose(3, 4).reshape(pixels.shape)
        pixels = torch.einsum("ij,njhw->nihw", torch.linalg.inv(colours), parts) + 128.0
        found[start : start + CHUNK] = as_pixels(pixels)[..., :side, :side]
    return found


def _cosines() -> Tensor:
    """The discrete cosine transform of eight values: float32 (8, 8), orthogonal."""
    at = torch.arange(8, dtype=torch.float64)
    rows = torch.cos((2 * at + 1) * at[:, None] * math.pi / 16) / 2
    rows[0] /= math.sqrt(2)
    return rows.to(torch.float32)


def _tables(quality: int) -> Tensor:
    """float32 (3, 8, 8): by how much each coefficient is rounded, by the rule that libjpeg scales them."""
    luma = torch.tensor([int(word) for word in LUMA.split()]).view(8, 8)
    chroma = torch.full((8, 8), 99)
    corner = [int(word) for word in CHROMA.split()]
    chroma[:4, :5] = torch.tensor(corner).view(4, 5)
    scale = 5000 // quality if quality < 50 else 200 - 2 * quality
    tables = torch.stack([luma, chroma, chroma])
    return tables.mul(scale).add(50).div(100, rounding_mode="floor").clamp(1, 255).to(torch.float32)


def soften(views: Tensor) -> Tensor:
    """uint8 (..., h, w), each pixel the mean of itself and those to its right, below, and both: what reading
    an image half a pixel beside its pixels gives."""
    pixels = views.flatten(0, -3).to(torch.float32)
    padded = functional.pad(pixels, (0, 1, 0, 1), mode="replicate")
    return as_pixels(functional.avg_pool2d(padded, 2, stride=1)).view(views.shape)


def bar(views: Tensor, share: float) -> Tensor:
    """uint8 (..., h, w) with black bars above and below that take `share` of the height together; in
    place."""
    height = views.shape[-2]
    thick = round(share * height / 2)
    if thick:
        views[..., :thick, :] = 0
        views[..., height - thick :, :] = 0
    return views
