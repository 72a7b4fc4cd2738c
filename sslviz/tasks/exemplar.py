"""Exemplar: which seed patch is this a changed copy of?"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import ClassVar

import torch
from torch import Generator, Tensor

from sslviz.errors import UserError
from sslviz.tasks.base import Batch, Problem, Task
from sslviz.tasks.colour import colour_axes, scale_axes, to_hsv, to_rgb
from sslviz.tasks.options import option
from sslviz.tasks.sampling import as_pixels, draw, sample_turned, send
from sslviz.tasks.seeds import Seeds, choose_seeds

TRIES = 8
"""Draws of a copy's geometry of which the first that lies inside the image is taken."""


@dataclass(frozen=True)
class Exemplar(Task):
    """Predict of which seed patch a view is a moved, turned and recoloured copy."""

    name: ClassVar[str] = "exemplar"
    title: ClassVar[str] = "Exemplar"
    paper: ClassVar[str] = (
        "Dosovitskiy, Fischer, Springenberg, Riedmiller and Brox: Discriminative Unsupervised Feature "
        "Learning with Exemplar Convolutional Neural Networks, NIPS 2014 and TPAMI 2015"
    )
    views: ClassVar[int] = 1
    minimum_side: ClassVar[int] = 24

    seeds: int = option(0, low=0, high=100_000)
    """How many seed patches there are to tell apart: the number of answers. 0 takes one from each image,
    but at least 100 and at most 4,000, as far as there is room. More seeds than images means several in an
    image, and smaller ones where the number asked for needs it.
    Paper: 50 to 32,000, best about 8,000 on STL-10; 16,000 in the released code."""

    patch: int = option(32, low=8, high=128)
    """Side of a view in pixels, and of the smallest seeds; both are smaller in images of under 96 pixels.
    Paper: 32 of 96 pixels (section 2)."""

    scales: int = option(4, low=1, high=8)
    """Number of sizes of seeds; each is 1.25 times the one before.
    Paper: several; 4 with a factor of 0.8 in the released code."""

    translation: float = option(0.2, low=0.0, high=0.5)
    """By how much a copy is moved at most in each direction, as a fraction of the seed's side; 0 is off.
    Paper: 0.2 (section 2)."""

    scale: float = option(1.4, low=1.0, high=2.0)
    """By what factor a copy shows more or less than the seed, at most; 1 is off.
    Paper: 0.7 to 1.4 (section 2)."""

    rotation: float = option(20.0, low=0.0, high=180.0)
    """By how many degrees a copy is turned at most, to either side; 0 is off.
    Paper: 20 degrees (section 2)."""

    contrast: float = option(2.0, low=1.0, high=4.0)
    """Factor by which the colours are stretched or pressed, at most, along each of the three principal axes
    of all the set's colours; 1 is off.
    Paper: 0.5 to 2 (section 2)."""

    power: float = option(4.0, low=1.0, high=8.0)
    """Power to which saturation and value are raised, from its inverse to itself; 1 is off.
    Paper: 0.25 to 4 (section 2)."""

    multiply: float = option(1.4, low=1.0, high=3.0)
    """Factor for saturation and value, from its inverse to itself; 1 is off.
    Paper: 0.7 to 1.4 (section 2)."""

    add: float = option(0.1, low=0.0, high=0.5)
    """What is added to saturation and value, at most, up or down; 0 is off.
    Paper: 0.1 (section 2)."""

    hue: float = option(0.1, low=0.0, high=0.5)
    """By how much of the colour wheel the hue is turned, at most, to either side; 0 is off.
    Paper: 0.1 (section 2)."""

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.seeds == 1:
            raise UserError("With one seed there is nothing to tell apart.", "Ask for two seeds or more.")

    def bind(self, images: Tensor, generator: Generator, device: torch.device | None = None) -> Problem:
        """Draws the seeds and measures the set's colour axes. Raises `UserError` where the images have too
        few places that are not flat."""
        self.check_images(images)
        wanted = self.answers(len(images))
        sides = self.seed_sides(images.shape[-1])
        seeds = choose_seeds(images, wanted, sides, generator)
        while len(seeds) < self.seeds and (len(sides) > 1 or sides[0] > 12):
            # Only a number that was asked for is worth smaller seeds.
            sides = sides[:1] if len(sides) > 1 else [max(12, sides[0] * 3 // 4)]
            seeds = choose_seeds(images, wanted, sides, generator)
        if len(seeds) < (self.seeds or 2):
            raise UserError(
                f"There is room for {len(seeds)} seeds where these images are not flat, not for {wanted}.",
                "Add images with more detail, or ask for fewer seeds.",
            )
        device = device or images.device
        mean, axes = (send(found, device) for found in colour_axes(images))
        return ExemplarProblem(images, device, self, seeds, mean, axes)

    def answers(self, count: int) -> int:
        return self.seeds or min(4000, max(100, count))

    def excerpt(self, count: int, total: int) -> Task:
        """As many seeds an image as among all of them, and one at least, so of the same sides."""
        if not self.seeds or count == total:
            return self
        return replace(self, seeds=max(2, count, round(self.seeds * count / total)))

    def seed_sides(self, side: int) -> list[int]:
        """Sides in pixels of the seeds in images of side `side`, the smallest first."""
        base = min(float(self.patch), side / 3)
        sides = [round(base * 1.25**step) for step in range(self.scales)]
        return sorted({one for one in sides if one <= 0.66 * side} or {sides[0]})

    def view_side(self, side: int) -> int:
        """Side in pixels of the views of images of side `side`."""
        return min(self.patch, max(16, side // 2))

    def side(self, short_side: int) -> int:
        """Up to 128, in which the seeds of 32 to 62 pixels are parts of things."""
        return max(self.minimum_side, min(short_side, 128))


@dataclass(eq=False)
class ExemplarProblem(Problem):
    """Every row is a seed and gives one changed copy of it; the answer is the row."""

    images: Tensor
    device: torch.device
    task: Exemplar
    seeds: Seeds
    """Where the seeds are; `seeds.row` says in which image."""
    mean: Tensor
    """float32 (3,): mean colour of the set."""
    axes: Tensor
    """float32 (3, 3): principal axes of the set's colours, one a column."""

    def __post_init__(self) -> None:
        self.classes = len(self.seeds)

    def __len__(self) -> int:
        return len(self.seeds)

    def split(self, generator: Generator) -> tuple[Tensor, Tensor]:  # noqa: ARG002
        """All seeds for training and all held out: what is held out is other copies of them."""
        every = torch.arange(len(self))
        return every, every.clone()

    def make(self, index: Tensor, generator: Generator) -> Batch:
        full = self.images.shape[-1]
        index = index.cpu()
        x, y, side, angle = self._geometry(index, generator)
        source = self.seeds.row[index]
        patches = sample_turned(self.rows(source), x, y, side, angle, self.task.view_side(full))
        patches = self._recolour(patches, generator)
        half = side * (angle.cos().abs() + angle.sin().abs()) / 2
        boxes = torch.stack([x - half, y - half, x + half, y + half], -1) / full
        return Batch(
            views=as_pixels(patches)[:, None],
            answer=send(index, self.device),
            source=send(source, self.device),
            boxes=send(boxes[:, None], self.device),
            mirror=torch.zeros(len(index), dtype=torch.bool, device=self.device),
        )

    def _geometry(self, index: Tensor, generator: Generator) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """Centre x and y and side in pixels, and angle in radians, of a copy of each seed; float32 (B,) each.

        Each copy is drawn `TRIES` times and the first taken that lies inside the image, half a pixel from its
        border at least; where none does, the last is shrunk and moved inside. So nothing is ever padded.
        """
        task, full = self.task, self.images.shape[-1]
        drawn = draw(generator, len(index), TRIES, 4, low=-1.0)
        seed = self.seeds.side[index, None].to(torch.float32)
        x = self.seeds.left[index, None] + seed / 2 + drawn[..., 0] * task.translation * seed
        y = self.seeds.top[index, None] + seed / 2 + drawn[..., 1] * task.translation * seed
        side = seed * task.scale ** drawn[..., 2]
        angle = drawn[..., 3] * math.radians(task.rotation)
        extent = side * (angle.cos().abs() + angle.sin().abs())
        half = extent / 2 + 0.5
        fits = (torch.minimum(x, y) >= half) & (torch.maximum(x, y) <= full - half)
        fits[:, -1] = True
        pick = (fits * torch.arange(TRIES, 0, -1)).argmax(1, keepdim=True)
        x, y, side, angle, extent = (each.gather(1, pick)[:, 0] for each in (x, y, side, angle, extent))
        shrink = ((full - 1) / extent).clamp(max=1.0)
        half = extent * shrink / 2 + 0.5
        x, y = (each.clamp(half, full - half) for each in (x, y))
        return x, y, side * shrink, angle

    def _recolour(self, patches: Tensor, generator: Generator) -> Tensor:
        """Contrast along the colour axes, then saturation, value and hue, of float (B, 3, h, w) in [0,
        255]."""
        task = self.task
        drawn = send(draw(generator, 10, len(patches), 1, 1, low=-1.0), self.device)
        if task.contrast > 1:
            factors = task.contrast ** drawn[:3, :, 0, 0].T
            patches = scale_axes(patches, factors, self.mean, self.axes)
            patches = patches.clamp_(0, 255)
        if task.power > 1 or task.multiply > 1 or task.add > 0 or task.hue > 0:
            hsv = to_hsv(patches.div_(255))
            hue, *parts = hsv.unbind(1)  # changed in place
            for part, (power, factor, shift) in zip(parts, (drawn[3:6], drawn[6:9]), strict=True):
                part.pow_(task.power**power).mul_(task.multiply**factor).add_(task.add * shift).clamp_(0, 1)
            hue.add_(task.hue * drawn[9])
            hue.sub_(hue.floor())
            patches = to_rgb(hsv).mul_(255)
        return patches

    def say(self, answer: int) -> str:
        return f"from seed {answer + 1}"
