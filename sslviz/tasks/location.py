"""Relative location: where is the second patch, seen from the first?"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Generator, Tensor

from sslviz.errors import UserError
from sslviz.tasks.base import Batch, Problem, Shared, Task
from sslviz.tasks.colour import drop, project, standardize
from sslviz.tasks.options import option
from sslviz.tasks.sampling import (
    boxes_of,
    change,
    coin,
    cut,
    draw,
    draw_up_to,
    mirror_where,
    mirrored_left,
    send,
)
from sslviz.tasks.traces import aberrate, compress

WORDS = ("above left", "above", "above right", "left", "right", "below left", "below", "below right")
STEPS = torch.tensor([[-1, -1], [-1, 0], [-1, 1], [0, -1], [0, 1], [1, -1], [1, 0], [1, 1]])
"""int64 (8, 2): rows down and columns right from the first patch to the second, for each answer."""
PLACES = torch.tensor([0, 1, 2, 3, 5, 6, 7, 8])
"""int64 (8,): where the second patch is in the grid, numbered row by row, for each answer."""


@dataclass(frozen=True)
class Location(Task):
    """Predict at which of the eight neighbouring places a second patch lies, seen from the first."""

    name: ClassVar[str] = "location"
    title: ClassVar[str] = "Relative location"
    paper: ClassVar[str] = (
        "Doersch, Gupta and Efros: Unsupervised Visual Representation Learning by Context Prediction, "
        "ICCV 2015"
    )
    views: ClassVar[int] = 2
    places: ClassVar[int] = 9
    minimum_side: ClassVar[int] = 48

    patch: float = option(0.23, low=0.05, high=0.32)
    """Side of a patch as a fraction of the image's; three patches and two gaps must fit.
    Paper: 96 pixels in images of 150,000 to 450,000 pixels, so 0.17 to 0.29 of the short side of a photograph
    of 4 by 3 (section 3.2)."""

    gap: float = option(0.5, low=0.0, high=1.5)
    """Space between patches, as a fraction of the patch's side, so that lines do not simply run on from one
    to the other. 0 puts them edge to edge.
    Paper: 48 of 96 pixels, so 0.5 (section 3.1)."""

    jitter: float = option(7 / 96, low=0.0, high=0.25)
    """By how much each patch is moved at most in each direction, as a fraction of its side, so that the
    distance of two patches tells nothing.
    Paper: 7 of 96 pixels (section 3.1)."""

    mirror: bool = option(True)
    """Mirror every second image left to right, before it is cut.
    Paper: not mentioned; it makes a small set of images twice as large."""

    colour: str = option("project", choices=("project", "drop", "none"))
    """The measure against coloured fringes, which tell where in a photograph a patch was: "project" removes
    the green–magenta part of each pixel, "drop" keeps one channel of each patch and makes the others noise.
    Paper: both, with about equal results (section 3.1); the released code drops."""

    colour_guard: float = option(2 / 3, low=0.0, high=1.0)
    """Chance that a pair gets the measure above; the other pairs keep plain colour, so that the network
    knows it when whole images are embedded.
    Paper: 1."""

    patch_norm: bool = option(True)
    """Give each patch mean 0 and spread 1, so that brightness and contrast do not tell which patches are
    close; off, all patches are scaled alike.
    Paper: yes, mean and root mean square (authors' code)."""

    flip_after: bool = option(False)
    """Mirror both patches of every second pair after they were cut, and leave the answer as it is. A mistake,
    to see what it does: left cannot be told from right, and accuracy stops at 62.5%.
    Paper: never."""

    aberration: float = option(0.0, low=0.0, high=30.0)
    """Chromatic aberration added to the images, in per mille: how much farther from the centre red and blue
    lie than green. The fringes that a lens makes, to see what the colour measure is for.
    Paper: none added; lenses do it (section 3.1)."""

    jpeg: int = option(0, low=0, high=100)
    """Quality at which the images are compressed as JPEG does before patches are cut, 0 for not at all. Edges
    of its blocks of 8 pixels then show how far apart two patches were.
    Paper: none added; images come as they come."""

    def bind(
        self,
        images: Tensor,
        generator: Generator,  # noqa: ARG002
        device: torch.device | None = None,
    ) -> Problem:
        """Draws nothing. Raises `UserError` where three patches and two gaps do not fit into an image."""
        self.check_images(images)
        full = images.shape[-1]
        patch, gap, jitter = self.geometry(full)
        if patch < 6:
            raise UserError(f"Patches would be {patch} pixels wide; at least 6 are needed.", "Enlarge them.")
        needed = 3 * patch + 2 * gap + 2 * jitter
        if needed > full:
            raise UserError(
                f"Three patches of {patch} pixels with gaps of {gap} and jitter of {jitter} need {needed} "
                f"pixels, and the images have {full}.",
                "Make the patches or the gap smaller.",
            )
        images = compress(aberrate(images, self.aberration), self.jpeg).contiguous()
        return LocationProblem(images, device or images.device, self, patch, gap, jitter)

    def geometry(self, side: int) -> tuple[int, int, int]:
        """Pixels of patch, gap and largest jitter in images of side `side`."""
        patch = round(self.patch * side)
        return patch, round(self.gap * patch), round(self.jitter * patch)

    def side(self, short_side: int) -> int:
        """Up to 128: patches of 29 pixels."""
        return max(self.minimum_side, min(short_side, 128))

    def normalize(self, views: Tensor) -> Tensor:
        return standardize(views) if self.patch_norm else super().normalize(views)


@dataclass(eq=False)
class LocationProblem(Problem):
    """Every row gives one pair: the centre of a 3 × 3 grid of patches, then one of its neighbours."""

    images: Tensor
    device: torch.device
    task: Location
    patch: int
    """Side of a patch in pixels."""
    gap: int
    """Pixels between patches, before jitter."""
    jitter: int
    """Most pixels a patch is moved in each direction."""
    classes: int = 8

    def __post_init__(self) -> None:
        self.arrangements = torch.stack([torch.full_like(PLACES, 4), PLACES], 1)

    def make(self, index: Tensor, generator: Generator) -> Batch:
        answer = torch.randint(8, (len(index),), generator=generator)
        places = torch.stack([torch.full_like(answer, 4), PLACES[answer]], 1)
        views, boxes, mirror = self._cut(index.cpu(), places, generator)
        return Batch(
            views=views,
            answer=send(answer, self.device),
            source=send(index, self.device),
            boxes=send(boxes, self.device),
            mirror=send(mirror, self.device),
        )

    def make_shared(self, index: Tensor, times: int, generator: Generator) -> Shared:
        """The centre of a grid with each of its neighbours, or with as many as asked for; at most eight."""
        count = len(index)
        views, _, _ = self._cut(index.cpu(), torch.arange(9).expand(count, 9), generator)
        answer = draw(generator, count, 8).argsort(1)[:, :times]
        order = torch.stack([torch.full_like(answer, 4), PLACES[answer]], 2)
        return Shared(views, send(order, self.device), send(answer, self.device))

    def _cut(self, index: Tensor, places: Tensor, generator: Generator) -> tuple[Tensor, Tensor, Tensor]:
        """Patches at `places` int64 (B, U) of a 3 × 3 grid, numbered row by row: views, boxes and mirror of
        a `Batch` of U views."""
        count, full = len(index), self.images.shape[-1]
        several = places.shape[1]
        mirror = coin(0.5 * self.task.mirror, generator, count)
        # The whole grid lies in the image whatever the answer, so that the place of a pair in the
        # image does not depend on it.
        step = self.patch + self.gap
        room = full - 3 * self.patch - 2 * self.gap - 2 * self.jitter
        grid = draw_up_to(torch.full((count, 1, 2), room), generator) + self.jitter
        moved = draw_up_to(torch.full((count, several, 2), 2 * self.jitter), generator) - self.jitter
        corner = grid + step * torch.stack([places // 3, places % 3], 2) + moved
        top, left = corner.unbind(-1)

        stored_left = mirrored_left(left, self.patch, full, mirror[:, None])
        row = index.repeat_interleave(several)
        patches = send(cut(self.images, row, top.flatten(), stored_left.flatten(), self.patch), self.device)
        patches = mirror_where(patches.view(count, several, 3, self.patch, self.patch), mirror)
        if self.task.flip_after:
            patches = mirror_where(patches, coin(0.5, generator, count))
        return self._guard(patches, generator), boxes_of(left, top, self.patch, full), mirror

    def _guard(self, patches: Tensor, generator: Generator) -> Tensor:
        """`patches` (B, 2, 3, h, w) with the colour measure applied to some of the pairs, in place."""
        guarded = coin(self.task.colour_guard, generator, len(patches))
        if self.task.colour == "project":
            return change(patches, guarded, project)
        if self.task.colour == "drop":
            return change(patches, guarded, lambda pairs: drop(pairs, generator))
        return patches

    def say(self, answer: int) -> str:
        return WORDS[answer]
