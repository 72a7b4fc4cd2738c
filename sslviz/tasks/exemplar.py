"""Exemplar: which seed patch is this a changed copy of?"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import ClassVar

import torch
from torch import Generator, Tensor

from sslviz.errors import UserError
from sslviz.tasks.base import Batch, Problem, Task
from sslviz.tasks.colour import colour_axes
from sslviz.tasks.copies import Changes, recolour
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
    of_images: ClassVar[bool] = False
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
        return self.copy(index, self.draw(index, generator))

    def draw(self, index: Tensor, generator: Generator) -> Changes:
        """How a copy of each seed differs from it, at random within the ranges of the task.

        Each move, scale and angle is drawn `TRIES` times and the first taken with which the copy lies inside
        the image, half a pixel from its border at least; the last where none does.
        """
        task, count = self.task, len(index)
        drawn = draw(generator, count, TRIES, 4, low=-1.0)
        move, scale = drawn[..., :2] * task.translation, task.scale ** drawn[..., 2]
        angle = drawn[..., 3] * math.radians(task.rotation)
        fits = self._fits(index[:, None].cpu(), move, scale, angle)
        fits[:, -1] = True
        each, pick = torch.arange(count), (fits * torch.arange(TRIES, 0, -1)).argmax(1)
        drawn = draw(generator, 10, count, 1, 1, low=-1.0)[..., 0, 0].T
        tone = drawn[:, 3:9].view(count, 2, 3)  # of saturation and of value
        return Changes(
            move=move[each, pick],
            scale=scale[each, pick],
            angle=angle[each, pick],
            contrast=task.contrast ** drawn[:, :3],
            power=task.power ** tone[..., 0],
            multiply=task.multiply ** tone[..., 1],
            add=task.add * tone[..., 2],
            hue=task.hue * drawn[:, 9],
        )

    def copy(self, index: Tensor, changes: Changes) -> Batch:
        """The copies of the seeds `index`, int64 (L,), that differ from them by `changes` (L). One that does
        not lie inside the image is moved inside, and shrunk where it must be: nothing is ever padded."""
        full, index = self.images.shape[-1], index.cpu()
        x, y, side, extent = self._window(index, changes.move, changes.scale, changes.angle)
        shrink = ((full - 1) / extent).clamp(max=1.0)
        half = extent * shrink / 2 + 0.5
        x, y, side = x.clamp(half, full - half), y.clamp(half, full - half), side * shrink
        source = self.seeds.row[index]
        patches = sample_turned(self.rows(source), x, y, side, changes.angle, self.task.view_side(full))
        patches = recolour(patches, changes, self.mean, self.axes)
        half = side * (changes.angle.cos().abs() + changes.angle.sin().abs()) / 2
        boxes = torch.stack([x - half, y - half, x + half, y + half], -1) / full
        return Batch(
            views=as_pixels(patches)[:, None],
            answer=send(index, self.device),
            source=send(source, self.device),
            boxes=send(boxes[:, None], self.device),
            mirror=torch.zeros(len(index), dtype=torch.bool, device=self.device),
        )

    def inside(self, index: Tensor, changes: Changes) -> Tensor:
        """bool (L,): whether such a copy of a seed lies inside its image as it is, and need not be moved."""
        return self._fits(index.cpu(), changes.move, changes.scale, changes.angle)

    def _fits(self, index: Tensor, move: Tensor, scale: Tensor, angle: Tensor) -> Tensor:
        x, y, _, extent = self._window(index, move, scale, angle)
        half, full = extent / 2 + 0.5, self.images.shape[-1]
        return (torch.minimum(x, y) >= half) & (torch.maximum(x, y) <= full - half)

    def _window(
        self, index: Tensor, move: Tensor, scale: Tensor, angle: Tensor
    ) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """Centre x and y, side, and side of the upright square that holds it, in pixels, of the windows that
        copies show; float32, of the shape of `scale`."""
        seed = self.seeds.side[index].to(torch.float32)
        x = self.seeds.left[index] + seed / 2 + move[..., 0] * seed
        y = self.seeds.top[index] + seed / 2 + move[..., 1] * seed
        side = seed * scale
        return x, y, side, side * (angle.cos().abs() + angle.sin().abs())

    def say(self, answer: int) -> str:
        return f"from seed {answer + 1}"
