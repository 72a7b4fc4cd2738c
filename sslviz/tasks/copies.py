"""How the copies of exemplar's seed patches differ from their seeds: what is drawn, apart from how it is
done.

Letters in shapes: L copies.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, fields

import torch
from torch import Tensor

from sslviz.tasks.colour import scale_axes, to_hsv, to_rgb
from sslviz.tasks.sampling import send


@dataclass(frozen=True)
class Changes:
    """What is done to each of L copies; see `unchanged` for the values that do nothing. float32, on the
    CPU."""

    move: Tensor
    """(L, 2): to the right and down, as a fraction of the seed's side."""
    scale: Tensor
    """(L,): side of what the copy shows, as a multiple of the seed's; 2 shows things half as large."""
    angle: Tensor
    """(L,): radians by which the window is turned, clockwise as seen; what it shows turns the other way."""
    contrast: Tensor
    """(L, 3): factors along the principal axes of colour, the strongest last."""
    power: Tensor
    """(L, 2): powers of saturation and value."""
    multiply: Tensor
    """(L, 2): factors of saturation and value."""
    add: Tensor
    """(L, 2): what is added to saturation and value, which are in [0, 1]."""
    hue: Tensor
    """(L,): what is added to the hue, in turns of the colour wheel."""

    def __len__(self) -> int:
        return len(self.scale)

    def to(self, device: torch.device) -> Changes:
        """The same on `device`."""
        return Changes(*(send(getattr(self, one.name), device) for one in fields(self)))

    def rows(self, which: Tensor) -> Changes:
        """Those of some copies, int64 (M,)."""
        return Changes(*(getattr(self, one.name)[which] for one in fields(self)))


def unchanged(count: int) -> Changes:
    """`count` copies that are their seeds."""
    pair, one = (count, 2), (count,)
    return Changes(
        move=torch.zeros(pair),
        scale=torch.ones(one),
        angle=torch.zeros(one),
        contrast=torch.ones(count, 3),
        power=torch.ones(pair),
        multiply=torch.ones(pair),
        add=torch.zeros(pair),
        hue=torch.zeros(one),
    )


def recolour(patches: Tensor, changes: Changes, mean: Tensor, axes: Tensor) -> Tensor:
    """Patches, float (L, 3, h, w) in [0, 255] and changed in place, with contrast along the `axes` of colour
    (3, 3) about their `mean` (3,), then saturation, value and hue; all of it clipped to what there is.

    What is not changed of a copy is left alone, so that it costs nothing and rounds nothing.
    """

    def stretched(some: Tensor, how: Changes) -> Tensor:
        return scale_axes(some, how.contrast, mean, axes).clamp_(0, 255)

    apart = changes.contrast != 1
    patches = _where(apart.any(1), patches, changes, stretched)
    apart = (changes.power != 1) | (changes.multiply != 1) | (changes.add != 0)
    return _where(apart.any(1) | (changes.hue != 0), patches, changes, _tinted)


def _tinted(patches: Tensor, changes: Changes) -> Tensor:
    """Saturation and value to a power, times a factor, plus a shift; and the hue turned."""
    hsv = to_hsv(patches.div_(255))
    hue, rest = hsv[:, 0], hsv[:, 1:]  # changed in place
    power, factor, shift = (each[..., None, None] for each in (changes.power, changes.multiply, changes.add))
    rest.log_().mul_(power).exp_()  # half as long as `pow_`, which is exact to the last bit
    rest.mul_(factor).add_(shift).clamp_(0, 1)
    hue.add_(changes.hue[:, None, None])
    hue.sub_(hue.floor())
    return to_rgb(hsv).mul_(255)


def _where(
    which: Tensor, patches: Tensor, changes: Changes, how: Callable[[Tensor, Changes], Tensor]
) -> Tensor:
    """`how` applied to the patches that `which`, bool (L,) on the CPU, names, on their device."""
    if not which.any():
        return patches
    if which.all():
        return how(patches, changes.to(patches.device))
    rows = send(which.nonzero()[:, 0], patches.device)
    patches[rows] = how(patches[rows], changes.to(patches.device).rows(rows))
    return patches
