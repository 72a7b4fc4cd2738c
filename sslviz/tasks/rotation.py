"""Rotation: which way up is this picture?"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Generator, Tensor
from torch.nn import functional

from sslviz.tasks.base import Batch, Problem, Task
from sslviz.tasks.options import option
from sslviz.tasks.sampling import boxes_of, coin, draw_up_to, mirror_where, resample, send
from sslviz.tasks.traces import bar, soften

WORDS = ("upright", "turned 90° left", "upside down", "turned 90° right")


@dataclass(frozen=True)
class Rotation(Task):
    """Predict by which multiple of 90° an image was turned, counter-clockwise."""

    name: ClassVar[str] = "rotation"
    title: ClassVar[str] = "Rotation"
    paper: ClassVar[str] = (
        "Gidaris, Singh and Komodakis: Unsupervised Representation Learning by Predicting Image Rotations, "
        "ICLR 2018"
    )
    views: ClassVar[int] = 1
    minimum_side: ClassVar[int] = 16

    smallest_crop: float = option(0.6, low=0.2, high=1.0)
    """Side of the smallest square crop, as a fraction of the image's; each crop is between this and the
    whole image, resampled to one size. 1 shows the whole image every time.
    Paper: a crop of random place after 4 pixels of padding (CIFAR-10), a crop of random size and place
    (ImageNet), from the authors' code."""

    padding: int = option(0, low=0, high=64)
    """Black pixels put around the image before the crop is cut, so that with whole crops the image is shifted
    by up to as many. A view's box is the part that lies within the image.
    Paper: 4 on CIFAR-10, with whole crops (authors' code)."""

    mirror: bool = option(True)
    """Mirror every second image left to right, before it is turned.
    Paper: yes, before turning (authors' code)."""

    flip_after: bool = option(False)
    """Mirror every second view after it was turned. A known bug, to see what it does: a mirrored view that
    was turned left cannot be told from one turned right, and accuracy stops at 75%.
    Paper: never; the flip comes first."""

    bars: float = option(0.0, low=0.0, high=0.8)
    """Share of a view that black bars above and below it take before it is turned, as where a photograph that
    is not square is fitted into a square instead of being cut to one. A known mistake, to see what it does:
    bars at the sides tell that a view was turned.
    Paper: never; views are cut from a square (authors' code)."""

    softened: bool = option(False)
    """Turn by resampling, half a pixel beside the pixels, which leaves turned views a little softer than
    upright ones. A known mistake, to see what it does: softness tells that a view was turned.
    Paper: never; it turns by flips and transpositions, which leave no trace (authors' code)."""

    def bind(
        self,
        images: Tensor,
        generator: Generator,  # noqa: ARG002
        device: torch.device | None = None,
    ) -> Problem:
        """Draws nothing: rotation has no state."""
        self.check_images(images)
        return RotationProblem(images, device or images.device, self)

    def side(self, short_side: int) -> int:
        """The image's own size up to 64: orientation shows at low resolution, and small views train fast."""
        return max(self.minimum_side, min(short_side, 64))


@dataclass(eq=False)
class RotationProblem(Problem):
    """Every row gives four examples that share one crop and one flip, in the order of `WORDS`."""

    images: Tensor
    device: torch.device
    task: Rotation
    classes: int = 4

    def make(self, index: Tensor, generator: Generator) -> Batch:
        count, full = len(index), self.images.shape[-1]
        smallest = max(1, round(self.task.smallest_crop * full))
        side = smallest + draw_up_to(torch.full((count,), full - smallest), generator)
        padding = self.task.padding
        padded = full + 2 * padding
        top = draw_up_to(padded - side, generator)
        left = draw_up_to(padded - side, generator)
        mirror = coin(0.5 * self.task.mirror, generator, count)
        stored_left = torch.where(mirror, padded - left - side, left)
        images = functional.pad(self.rows(index), (padding,) * 4) if padding else self.rows(index)
        upright = resample(images, top, stored_left, side, full, mirror)
        # Flips and transposes only: a rotation that resamples would sign its angle in the pixels.
        upright = bar(upright, self.task.bars)
        turned = [upright.rot90(k, (-2, -1)) for k in range(4)]
        if self.task.softened:
            turned[1:] = [soften(view) for view in turned[1:]]
        views = torch.stack(turned, 1).flatten(0, 1)
        if self.task.flip_after:
            views = mirror_where(views, coin(0.5, generator, 4 * count))
        boxes = boxes_of(left - padding, top - padding, side, full).clamp_(0, 1).repeat_interleave(4, 0)
        return Batch(
            views=views[:, None],
            answer=send(torch.arange(4).repeat(count), self.device),
            source=send(index.repeat_interleave(4), self.device),
            boxes=send(boxes[:, None], self.device),
            mirror=send(mirror.repeat_interleave(4), self.device),
        )

    def say(self, answer: int) -> str:
        return WORDS[answer]
