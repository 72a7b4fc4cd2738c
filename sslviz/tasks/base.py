"""What every pretext task is: from an image make V views; the answer is a class.

Letters in shapes: N images, S side of an image, B rows asked for, E examples made (E ≥ B: rotation makes
four of a row), V views of an example, h × w size of a view, C classes.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Generator, Tensor

from sslviz.errors import UserError
from sslviz.tasks.options import check_options
from sslviz.tasks.sampling import send


@dataclass(frozen=True)
class Batch:
    """Examples of a pretext task, with where each pixel came from."""

    views: Tensor
    """uint8 (E, V, 3, h, w): what the network gets, before `Task.normalize`."""
    answer: Tensor
    """int64 (E,): the class to predict, in [0, C)."""
    source: Tensor
    """int64 (E,): the row of `images` that the views were cut from."""
    boxes: Tensor
    """float32 (E, V, 4): x0 y0 x1 y1 of each view in the (mirrored, if so) source, in [0, 1]; of a turned
    patch the upright box that holds it."""
    mirror: Tensor
    """bool (E,): the source was mirrored left to right before anything was cut."""

    def __len__(self) -> int:
        return len(self.answer)


@dataclass(frozen=True)
class Shared:
    """Examples that share views, each of which is there once, for training alone: the encoder sees every view
    on its own, so it need run once for all of them (Kolesnikov et al., CVPR 2019, do so with jigsaw)."""

    views: Tensor
    """uint8 (B, U, 3, h, w): the different views."""
    order: Tensor
    """int64 (B, R, V): which of the U views each slot of example r of row b shows."""
    answer: Tensor
    """int64 (B, R): the class to predict."""


class Problem(ABC):
    """A task bound to images, with what is drawn once a run already drawn."""

    images: Tensor
    """uint8 (N, 3, S, S), on the host or on `device`."""
    device: torch.device
    """Where batches are built."""
    classes: int
    """Number of answers C; chance is 1 / C."""
    arrangements: Tensor
    """int64 (C, V), only of tasks with `places`: by answer, the cell that each view belongs in."""

    def __len__(self) -> int:
        """Rows one can ask `make` for: images, or seeds for exemplar."""
        return len(self.images)

    @abstractmethod
    def make(self, index: Tensor, generator: Generator) -> Batch:
        """Examples of the rows `index`, int64 (B,), as many of each, side by side. The same generator state
        gives the same batch.

        `generator` lives on the CPU: geometry and answers are drawn there, so that every device makes the
        same examples.
        """

    @abstractmethod
    def say(self, answer: int) -> str:
        """The answer in words, as a person would say it: "turned 90° left"."""

    def split(self, generator: Generator) -> tuple[Tensor, Tensor]:
        """Rows for training and rows held out, each int64 and ascending: a fifth of the images is held out.

        A single image is in both, since there is nothing else to train on or to ask.
        """
        order = torch.randperm(len(self), generator=generator)
        if len(order) == 1:
            return order, order
        held_out = max(1, len(order) // 5)
        return order[held_out:].sort().values, order[:held_out].sort().values

    def make_shared(self, index: Tensor, times: int, generator: Generator) -> Shared | None:  # noqa: ARG002
        """`times` examples of each of the rows `index`, int64 (B,), that share views, distributed as those of
        `make`; None where a task has no two examples with a view in common."""
        return None

    def rows(self, index: Tensor) -> Tensor:
        """The images of rows `index`, uint8 (B, 3, S, S), on `device`, gathered where the images are."""
        # An image at a time, where indexing would go pixel by pixel.
        gathered = self.images.index_select(0, send(index, self.images.device))
        return send(gathered, self.device)


class Task(ABC):
    """A pretext task; subclasses are frozen dataclasses whose fields are its options.

    Options are checked on construction; see `sslviz.tasks.options`.
    """

    name: ClassVar[str]
    """Short name: the key in `TASKS`, the word on the command line."""
    title: ClassVar[str]
    """Name as people say it."""
    paper: ClassVar[str]
    """Authors, title, venue and year of the paper that proposed it."""
    views: ClassVar[int]
    """V, views of an example."""
    places: ClassVar[int] = 0
    """Cells of the board on which an answer says where each view belongs; 0 where answers say no such thing.
    With places, a problem has `arrangements`."""
    of_images: ClassVar[bool] = True
    """Whether each row of a problem is an image, and not something that was chosen in one."""
    minimum_side: ClassVar[int]
    """Pixels of the short side below which an image has too little in it for this task."""

    def __post_init__(self) -> None:
        check_options(self)

    @abstractmethod
    def bind(self, images: Tensor, generator: Generator, device: torch.device | None = None) -> Problem:
        """Draw what is drawn once a run. `images` is uint8 (N, 3, S, S); batches are built on `device`
        (by default where the images are). Raises `UserError` where the images do not suffice."""

    @abstractmethod
    def side(self, short_side: int) -> int:
        """S that suits images whose median short side is `short_side` pixels."""

    def answers(self, count: int) -> int | None:  # noqa: ARG002
        """Classes that there will be on `count` images, as far as they suffice; None where only the bound
        problem knows."""
        return None

    def excerpt(self, count: int, total: int) -> Task:  # noqa: ARG002
        """The task for `count` of `total` images, such that what it makes of an image is what it would make
        among all of them."""
        return self

    def normalize(self, views: Tensor) -> Tensor:
        """uint8 views (..., 3, h, w) → the float32 the network reads, about zero mean and unit spread."""
        pixels = views.to(torch.float32)
        offset = pixels.new_full((), -127.5 / 64.0)
        return torch.add(offset, pixels, alpha=1 / 64.0, out=pixels)  # goes over them once; both are exact

    def check_sides(self, short_sides: Sequence[int]) -> None:
        """Raise `UserError` if any of the images, given by its short side in pixels, is too small for this
        task; the sentence says how small they are and how many images would remain."""
        small = [side for side in short_sides if side < self.minimum_side]
        if not small:
            return
        remain = len(short_sides) - len(small)
        subject = "1 image is" if len(small) == 1 else f"{len(small)} images are"
        raise UserError(
            f"{subject} too small for {self.title.lower()}: the smallest is {min(small)} pixels on its short "
            f"side, {self.minimum_side} are needed, and {remain or 'none'} of {len(short_sides)} "
            f"{'remains' if remain == 1 else 'remain'}.",
            "Leave them out." if remain else "Use larger images, or a task with smaller views.",
        )

    def check_size(self, size: int | None) -> None:
        """Raise `UserError` if `size`, the side that squares are to be resampled to, is too small; None is
        what the task chooses itself."""
        if size is not None and size < self.minimum_side:
            raise UserError(
                f"A size of {size} pixels is too small for {self.title.lower()}.",
                f"Give {self.minimum_side} or more, or none.",
            )

    def check_images(self, images: Tensor) -> None:
        """Raise `UserError` unless `images` is uint8 (N, 3, S, S), N ≥ 1, with S enough for this task."""
        shape = tuple(images.shape)
        if len(shape) != 4 or shape[1] != 3 or shape[2] != shape[3]:
            raise UserError(
                f"{self.title} needs square RGB images of shape (N, 3, S, S), not {shape}.",
                "Cut the centre square of each image and resample them to one side.",
            )
        if images.dtype != torch.uint8:
            raise UserError(f"{self.title} needs pixels as uint8 in 0 to 255, not {images.dtype}.")
        if shape[0] == 0:
            raise UserError(f"{self.title} needs at least one image.", "Add images to the set.")
        self.check_sides([shape[2]] * shape[0])
