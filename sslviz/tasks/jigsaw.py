"""Jigsaw: which way were the nine tiles shuffled?"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Generator, Tensor

from sslviz.errors import UserError
from sslviz.tasks.base import Batch, Problem, Task
from sslviz.tasks.colour import grey, standardize
from sslviz.tasks.options import option
from sslviz.tasks.permutations import KINDS, permutation_set
from sslviz.tasks.sampling import boxes_of, change, coin, cut, draw_up_to, mirror_where, mirrored_left, send
from sslviz.tasks.traces import aberrate


@dataclass(frozen=True)
class Jigsaw(Task):
    """Predict which of P known permutations shuffled the nine tiles of an image."""

    name: ClassVar[str] = "jigsaw"
    title: ClassVar[str] = "Jigsaw"
    paper: ClassVar[str] = (
        "Noroozi and Favaro: Unsupervised Learning of Visual Representations by Solving Jigsaw Puzzles, "
        "ECCV 2016"
    )
    views: ClassVar[int] = 9
    places: ClassVar[int] = 9
    minimum_side: ClassVar[int] = 48

    permutations: int = option(64, low=2, high=2000)
    """How many permutations there are to tell apart: the number of answers.
    Paper: 1,000 in the main experiments, and 100 with nearly the same result (table 4)."""

    permutation_set: str = option("algebraic", choices=KINDS)
    """How the permutations are chosen. "algebraic" takes groups whose members differ in at least 8 slots (up
    to 72), 7 (up to 504), 6 (up to 1,512) or 4 (beyond); "greedy_min" looks for a large smallest distance;
    "greedy_mean" for a large mean, "random" for nothing.
    Paper: the greedy mean, in which the closest two differ in 2 slots (algorithm 1)."""

    crop: float = option(0.95, low=0.5, high=1.0)
    """Side of the square that is cut into 3 × 3 cells, as a fraction of the image's, at a random place.
    Paper: 255 of 256 pixels of the short side, anywhere along the long side (authors' code)."""

    tile: float = option(64 / 85, low=0.4, high=1.0)
    """Side of a tile as a fraction of its cell; what is left is the gap, which keeps lines from simply
    running on from one tile to the next. 1 leaves no gap.
    Paper: tiles of 64 pixels in cells of 85, so 0.75 (authors' code)."""

    jitter: bool = option(True)
    """Put each tile at a random place in its cell, so that the distance of two tiles tells nothing; off,
    tiles are in the middle of their cells.
    Paper: yes, by 0 to 21 pixels of a cell of 85 (authors' code)."""

    mirror: bool = option(True)
    """Mirror every second image left to right, before it is cut.
    Paper: no; later versions do, and it makes a small set of images twice as large."""

    colour_guard: float = option(2 / 3, low=0.0, high=1.0)
    """Chance that the colours of a puzzle are disturbed, by one of the two measures below; the other puzzles
    keep plain colour, so that the network knows it when whole images are embedded.
    Paper: all puzzles are disturbed ("Preventing shortcuts")."""

    grey: float = option(0.45, low=0.0, high=1.0)
    """Of the disturbed puzzles, the share shown in grey; with the default of 2/3 above, 0.3 of all. The
    others have their channels shifted.
    Paper: 0.3 of the images in grey ("Preventing shortcuts")."""

    channel_shift: float = option(2 / 255, low=0.0, high=0.05)
    """By how much red and blue are shifted against green in each tile, at most, as a fraction of the square's
    side, in whole pixels, one at least; hides the fringes that tell where in a photograph a tile was.
    Paper: 2 of 255 pixels ("Preventing shortcuts")."""

    tile_norm: bool = option(True)
    """Give each tile mean 0 and spread 1, so that brightness and contrast do not tell which tiles belong
    side by side; off, all tiles are scaled alike.
    Paper: yes, mean and standard deviation of each tile ("Preventing shortcuts")."""

    aberration: float = option(0.0, low=0.0, high=30.0)
    """Chromatic aberration added to the images, in per mille: how much farther from the centre red and blue
    lie than green. The fringes that a lens makes, to see what the colour measures are for.
    Paper: none added; lenses do it ("Preventing shortcuts")."""

    def bind(self, images: Tensor, generator: Generator, device: torch.device | None = None) -> Problem:
        """Draws the permutation set where it is a drawn one. Raises `UserError` where a tile would have
        under 8 pixels."""
        self.check_images(images)
        cell, tile = self.geometry(images.shape[-1])
        if tile < 8:
            raise UserError(
                f"Tiles would be {tile} pixels wide, and at least 8 are needed.",
                "Use larger images, a larger crop or larger tiles.",
            )
        permutations = permutation_set(self.permutations, self.permutation_set, generator)
        images = aberrate(images, self.aberration).contiguous()
        return JigsawProblem(images, device or images.device, self, permutations, cell, tile)

    def geometry(self, side: int) -> tuple[int, int]:
        """Sides in pixels of a cell and of a tile in images of side `side`."""
        cell = int(self.crop * side + 1e-6) // 3
        return cell, max(1, round(self.tile * cell))

    def side(self, short_side: int) -> int:
        """Up to 136: cells of 43 pixels and tiles of 32."""
        return max(self.minimum_side, min(short_side, 136))

    def normalize(self, views: Tensor) -> Tensor:
        return standardize(views) if self.tile_norm else super().normalize(views)


@dataclass(eq=False)
class JigsawProblem(Problem):
    """Every row gives one puzzle; slot i of its views shows tile `permutations[answer, i]`."""

    images: Tensor
    device: torch.device
    task: Jigsaw
    permutations: Tensor
    """int64 (P, 9), tiles numbered row by row; on the CPU."""
    cell: int
    """Side of a cell in pixels."""
    tile: int
    """Side of a tile in pixels."""

    def __post_init__(self) -> None:
        self.classes = len(self.permutations)
        self.arrangements = self.permutations

    def make(self, index: Tensor, generator: Generator) -> Batch:
        count, full = len(index), self.images.shape[-1]
        index = index.cpu()
        answer = torch.randint(self.classes, (count,), generator=generator)
        shown = self.permutations[answer]  # (B, 9): the tile in each slot
        mirror = coin(0.5 * self.task.mirror, generator, count)
        corner = draw_up_to(torch.full((2, count, 1), full - 3 * self.cell), generator)
        slack = torch.full((2, count, 9), self.cell - self.tile)
        inside = draw_up_to(slack, generator) if self.task.jitter else slack // 2
        place = torch.stack([shown // 3, shown % 3]) * self.cell
        top, left = corner + place + inside  # (B, 9) each

        guarded = coin(self.task.colour_guard, generator, count)
        in_grey = guarded & coin(self.task.grey, generator, count)
        shift = self._channel_shifts(guarded & ~in_grey, generator)  # (2, B, 9, 3)
        row = index.repeat_interleave(9)
        tops = (top[..., None] + shift[0]).clamp_(0, full - self.tile)
        lefts = (left[..., None] + shift[1]).clamp_(0, full - self.tile)
        lefts = mirrored_left(lefts, self.tile, full, mirror[:, None, None])
        tiles = cut(self.images, row, tops.flatten(0, 1), lefts.flatten(0, 1), self.tile)
        tiles = send(tiles, self.device)
        tiles = mirror_where(tiles.view(count, 9, 3, self.tile, self.tile), mirror)
        return Batch(
            views=change(tiles, in_grey, grey),
            answer=send(answer, self.device),
            source=send(index, self.device),
            boxes=send(boxes_of(left, top, self.tile, full), self.device),
            mirror=send(mirror, self.device),
        )

    def _channel_shifts(self, shifted: Tensor, generator: Generator) -> Tensor:
        """int64 (2, B, 9, 3): down and right shift of each channel of each tile; green, by which the box is
        drawn, stays. Each tile has its own, since a lens shifts each place differently."""
        asked = self.task.channel_shift * 3 * self.cell
        most = max(1, round(asked)) if asked > 0 else 0
        count = len(shifted)
        drawn = draw_up_to(torch.full((2, count, 9, 3), 2 * most), generator) - most
        return drawn * shifted[:, None, None] * torch.tensor([1, 0, 1])

    def say(self, answer: int) -> str:
        return "tiles " + " ".join(str(tile + 1) for tile in self.permutations[answer].tolist())
