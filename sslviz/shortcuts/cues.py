"""Cues: a few numbers of each view that say nothing of what it shows, for a classifier that gets them alone.

All read what the network reads, brought back to grey levels: views float32 (E, V, 3, h, w), about [0, 255];
they give features float32 (E, D).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

import torch
from torch import Tensor

DARK = 8.0
"""A pixel that is darker than this in all channels is black."""
LITTLE = 1e-3
BLOCK = 8
"""Pixels of a block of JPEG."""


def border(views: Tensor) -> Tensor:
    """What a narrow strip round each view tells.

    Of one view: mean and share of black pixels of each side and corner, D = 16. Of several: how well a side
    of one continues the facing side of another, for all that could touch, D = V (V - 1) · 2, and of two views
    also corner to corner, D = 8: one number for each of the eight places.
    """
    if views.shape[1] == 1:
        return _strips(views[:, 0])
    left, right = views[..., 0], views[..., -1]  # (E, V, 3, h)
    top, bottom = views[..., 0, :], views[..., -1, :]
    count = views.shape[1]
    pairs = [(one, other) for one in range(count) for other in range(count) if one != other]
    found = []
    for one, other in pairs:
        found += [_apart(right[:, one], left[:, other]), _apart(bottom[:, one], top[:, other])]
    if count == 2:
        found += [_apart(_corner(views[:, 0], *at), _corner(views[:, 1], *(1 - a for a in at)))
                  for at in ((0, 0), (0, 1), (1, 0), (1, 1))]  # fmt: skip
    return torch.stack(found, 1)


def _strips(views: Tensor) -> Tensor:
    """(E, 3, h, w) → (E, 16): mean and share of black of four sides and four corners."""
    thick = max(1, views.shape[-1] // 16)
    first, last = slice(None, thick), slice(-thick, None)
    everything = slice(None)
    places = [(first, everything), (last, everything), (everything, first), (everything, last)]
    places += [(down, across) for down in (first, last) for across in (first, last)]
    black = (views < DARK).all(1).to(torch.float32)
    found = [views[..., down, across].mean((1, 2, 3)) for down, across in places]
    found += [black[:, down, across].mean((1, 2)) for down, across in places]
    return torch.stack(found, 1)


def _corner(views: Tensor, down: int, across: int) -> Tensor:
    """(E, 3, h, w) → (E, 3, 4): the two by two pixels of a corner."""
    rows = slice(-2, None) if down else slice(0, 2)
    columns = slice(-2, None) if across else slice(0, 2)
    return views[..., rows, columns].flatten(2)


def _apart(one: Tensor, other: Tensor) -> Tensor:
    """(E, 3, n) twice → (E,): the logarithm of their mean difference, in grey levels."""
    return (one - other).abs().mean((1, 2)).add(1.0).log()


def tone(views: Tensor) -> Tensor:
    """Mean and spread of each channel of each view, D = 6 V."""
    return torch.cat([views.mean((-2, -1)), views.std((-2, -1))], 2).flatten(1)


def fringes(views: Tensor) -> Tensor:
    """By how many pixels red and blue lie beside green in each view, across and down, D = 4 V."""
    return torch.cat([shifts(views, 0), shifts(views, 2)], 2).flatten(1)


def shifts(views: Tensor, channel: int) -> Tensor:
    """(E, V, 2): how far, across and down, a channel of each view lies beside its green one, in pixels.

    By least squares: a channel that is green times a, plus b, moved by d, is about a · green + b - a · d ·
    (slope of green), so that four numbers fit all pixels of a view. What is flat is 0.
    """
    green = views[..., 1, 1:-1, 1:-1].flatten(2)
    across = (views[..., 1, 1:-1, 2:] - views[..., 1, 1:-1, :-2]).flatten(2) / 2
    down = (views[..., 1, 2:, 1:-1] - views[..., 1, :-2, 1:-1]).flatten(2) / 2
    columns = torch.stack([green, across, down], 3)
    columns = columns - columns.mean(2, keepdim=True)
    asked = views[..., channel, 1:-1, 1:-1].flatten(2)
    asked = (asked - asked.mean(2, keepdim=True)).unsqueeze(3)
    # A level or two of noise in each pixel keeps what is flat from being divided by nothing.
    noise = columns.shape[2] * torch.eye(3, device=views.device)
    products = columns.transpose(2, 3) @ columns + noise
    fitted = torch.linalg.solve(products, columns.transpose(2, 3) @ asked)[..., 0]
    scale = fitted[..., :1].clamp(min=0.2)
    moved: Tensor = -fitted[..., 1:] / scale
    return moved.clamp(-2.0, 2.0)


def sharpness(views: Tensor) -> Tensor:
    """How much neighbouring pixels differ in each view, and how much that falls at twice the distance,
    D = 4 V: both are little where a view was resampled."""
    found = []
    for axis in (-1, -2):
        near, far = (views.narrow(axis, step, views.shape[axis] - step)
                     - views.narrow(axis, 0, views.shape[axis] - step) for step in (1, 2))  # fmt: skip
        levels = [one.abs().mean((-3, -2, -1)).add(LITTLE).log() for one in (near, far)]
        found += [levels[0], levels[0] - levels[1]]
    return torch.cat(found, 1)


def blocks(views: Tensor) -> Tensor:
    """How far apart, modulo 8 pixels, the edges of blocks lie in two views, across and down: D = 16, for each
    of 8 distances how well the two then agree."""
    assert views.shape[1] == 2, "blocks are compared between two views"
    found = []
    for axis in (-1, -2):
        strength = _edges(views, axis)  # (E, 2, 8)
        first, second = strength.unbind(1)
        found += [(first * second.roll(-lag, 1)).mean(1) for lag in range(BLOCK)]
    return torch.stack(found, 1)


def _edges(views: Tensor, axis: int) -> Tensor:
    """(E, V, 8): how much pixels differ from their neighbours at each place within 8, beyond the mean."""
    size = views.shape[axis] - 3
    # The step over an edge beyond what the slopes on both sides lead to: texture has as much everywhere.
    before, left, right, after = (views.narrow(axis, step, size) for step in range(4))
    step = ((right - left) - (left - before + after - right) / 2).abs()
    profile = step.mean((-3, -2 if axis == -1 else -1))  # (E, V, size)
    sums = torch.stack([profile[..., place::BLOCK].mean(-1) for place in range(BLOCK)], -1)
    mean = sums.mean(-1, keepdim=True)
    return (sums - mean) / (mean + LITTLE)


CUES: Mapping[str, Callable[[Tensor], Tensor]] = {
    "border": border,
    "tone": tone,
    "fringes": fringes,
    "sharpness": sharpness,
    "blocks": blocks,
}
