"""Colour: guards against chromatic shortcuts, and the contrast and hue changes of exemplar patches.

A lens bends red and blue a little differently, so coloured fringes tell where in a photograph a patch was
cut, and a network finds that out before it looks at what is shown. The guards remove the fringes.
"""

from __future__ import annotations

import math

import torch
from torch import Generator, Tensor

from sslviz.tasks.sampling import as_pixels, noise, send


def standardize(views: Tensor, floor: float = 4.0) -> Tensor:
    """uint8 (..., 3, h, w) → float32: each view has mean 0 in each channel and spread 1 over all of them.

    So neither brightness, nor colour cast, nor contrast tells which views are from neighbouring places. A
    flat view stays flat: the spread is never taken to be under `floor` grey levels.
    """
    pixels = views.to(torch.float32, copy=True)
    pixels.sub_(pixels.mean((-2, -1), keepdim=True))
    length = torch.linalg.vector_norm(pixels, dim=(-3, -2, -1), keepdim=True)  # reads them once, writes none
    spread = length.div_(math.sqrt(pixels.shape[-3:].numel())).clamp_(min=floor)
    return pixels.div_(spread)


def grey(views: Tensor) -> Tensor:
    """uint8 (..., 3, h, w) → the same shape, each channel the mean of the three."""
    mean = views.sum(-3, keepdim=True, dtype=torch.int16).add_(1).div_(3, rounding_mode="floor")
    return mean.to(torch.uint8).expand(views.shape)


def project(views: Tensor) -> Tensor:
    """uint8 (..., 3, h, w) without its green–magenta part, in which fringes show: that along (-1, 2, -1)
    (Doersch et al., section 3.1). Grey pixels stay as they are.

    A saturated colour may then lie outside [0, 255]. It is moved toward the grey of its brightness until it
    does not: clipped, it would be greenish or magenta again.
    """
    # The matrix I - aaᵀ / aᵀa written out: what is left of a pixel is its brightness, which green then is,
    # and by how much red and blue are off it, one as much above as the other below.
    red, green, blue = views.to(torch.float32).unbind(-3)
    off = (red - blue).div_(2)
    mean = (red + green).add_(blue).div_(3)
    room = torch.minimum(mean, 255.0 - mean)
    off = torch.minimum(torch.maximum(off, -room), room)
    return as_pixels(torch.stack([mean + off, mean, mean - off], -3))


def drop(views: Tensor, generator: Generator) -> Tensor:
    """uint8 (..., 3, h, w) with one channel of each view, drawn at random, as it is and the others noise of a
    level or two around its mean; a hundredth of the spread, as published, would vanish in whole levels."""
    keep = send(torch.randint(3, views.shape[:-3], generator=generator), views.device)[..., None, None, None]
    kept = views.take_along_dim(keep, -3)
    mean = kept.to(torch.float32).mean((-2, -1), keepdim=True)
    spread = torch.rand(views.shape, generator=noise(generator, views.device), device=views.device)
    others = as_pixels(mean + (spread - 0.5) * 3.0)
    channel = torch.arange(3, device=views.device)[:, None, None]
    return torch.where(channel == keep, kept, others)


def colour_axes(images: Tensor, most: int = 2048, chunk: int = 64) -> tuple[Tensor, Tensor]:
    """Mean colour (3,) and principal axes of colour (3, 3), one a column, of uint8 (N, 3, S, S), float32.

    Of more than `most` images evenly spaced ones are taken, in chunks, since three numbers a pixel of
    50,000 images need not be in memory at once.
    """
    # float64: sums of whole numbers stay exact, so neither chunks nor memory layout make a difference.
    total = torch.zeros(3, dtype=torch.float64)
    products = torch.zeros(3, 3, dtype=torch.float64)
    count = 0
    step = -(-len(images) // most)
    for start in range(0, len(images), step * chunk):
        pixels = images[start : start + step * chunk : step].transpose(0, 1).flatten(1).to(torch.float64)
        total += pixels.sum(1).cpu()
        products += (pixels @ pixels.T).cpu()
        count += pixels.shape[1]
    mean = total / count
    axes = torch.linalg.eigh(products / count - torch.outer(mean, mean)).eigenvectors
    return mean.to(torch.float32), axes.to(torch.float32)


def scale_axes(pixels: Tensor, factors: Tensor, mean: Tensor, axes: Tensor) -> Tensor:
    """float (L, 3, h, w) with its part along each colour axis times `factors` (L, 3), about `mean`."""
    matrix = axes * factors[:, None] @ axes.T  # (L, 3, 3)
    moved = (mean - matrix @ mean)[..., None]
    return torch.baddbmm(moved, matrix, pixels.flatten(2)).view_as(pixels)


def to_hsv(rgb: Tensor) -> Tensor:
    """float RGB (..., 3, h, w) in [0, 1] → hue, saturation, value, each in [0, 1]."""
    red, green, blue = rgb.unbind(-3)
    value = rgb.amax(-3)
    chroma = value - rgb.amin(-3)
    # In sixths of the wheel times chroma, from the primary that there is most of to the one that there is
    # more of: as if it were blue, then where it is green, then where it is red. Masks that are factors take a
    # third of the time of `where`.
    hue = torch.add(red - green, chroma, alpha=4.0)
    hue.addcmul_(torch.add(blue - red, chroma, alpha=2.0).sub_(hue), (green == value).to(rgb.dtype))
    hue.addcmul_((green - blue).sub_(hue), (red == value).to(rgb.dtype))
    hue = hue.div_(chroma.clamp(min=1e-6)).div_(6.0)
    return torch.stack([hue.sub_(hue.floor()), chroma / value.clamp(min=1e-6), value], -3)


def to_rgb(hsv: Tensor) -> Tensor:
    """The inverse of `to_hsv`."""
    hue, saturation, value = (part.unsqueeze(-3) for part in hsv.unbind(-3))
    # How far each primary is from the hue on the colour wheel, in sixths of it.
    primary = torch.arange(0.0, 6.0, 2.0, device=hsv.device)[:, None, None]
    away = (hue * 6 - primary).abs_().sub_(3.0).abs_().neg_().add_(3.0)
    return torch.addcmul(value, value * saturation, away.sub_(1.0).clamp_(0, 1), value=-1.0)
