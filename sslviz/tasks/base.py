"""What every pretext task is: from an image make V views; the answer is a class.

Letters in shapes: N images, S side of an image, B rows asked for, E examples made (E ≥ B: rotation makes
four of a row), V views of an example, h × w size of a view, C classes.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Generator, Tensor


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


class Problem(ABC):
    """A task bound to images, with what is drawn once a run already drawn."""

    images: Tensor
    """uint8 (N, 3, S, S), on the host or on `device`."""
    device: torch.device
    """Where batches are built."""
    classes: int
    """Number of answers C; chance is 1 / C."""

    @abstractmethod
    def __len__(self) -> int:
        """Rows one can ask `make` for: images, or seeds for exemplar."""

    @abstractmethod
    def make(self, index: Tensor, generator: Generator) -> Batch:
        """Examples of the rows `index`, int64 (B,). The same generator state gives the same batch.

        `generator` lives on the CPU: geometry and answers are drawn there, so that every device makes the
        same examples.
        """

    @abstractmethod
    def say(self, answer: int) -> str:
        """The answer in words, as a person would say it: "turned 90° left"."""

    def split(self, generator: Generator) -> tuple[Tensor, Tensor]:
        """Rows for training and rows held out, each int64 and ascending: a fifth of the images is held out."""
        order = torch.randperm(len(self), generator=generator)
        held_out = max(1, len(self) // 5)
        return order[held_out:].sort().values, order[:held_out].sort().values

    def rows(self, index: Tensor) -> Tensor:
        """The images of rows `index`, uint8 (B, 3, S, S), on `device`, gathered where the images are."""
        gathered = self.images[index.to(self.images.device)]
        return gathered.to(self.device, non_blocking=True)


class Task(ABC):
    """A pretext task; subclasses are frozen dataclasses whose fields are its options."""

    name: ClassVar[str]
    """Short name: the key in `TASKS`, the word on the command line."""
    title: ClassVar[str]
    """Name as people say it."""
    paper: ClassVar[str]
    """Authors, title, venue and year of the paper that proposed it."""
    views: ClassVar[int]
    """V, views of an example."""

    @abstractmethod
    def bind(self, images: Tensor, generator: Generator, device: torch.device | None = None) -> Problem:
        """Draw what is drawn once a run. `images` is uint8 (N, 3, S, S); batches are built on `device`
        (by default where the images are). Raises `UserError` where the images do not suffice."""

    @abstractmethod
    def side(self, short_side: int) -> int:
        """S that suits images whose median short side is `short_side` pixels."""

    def normalize(self, views: Tensor) -> Tensor:
        """uint8 views (..., 3, h, w) → the float32 the network reads, about zero mean and unit spread."""
        return views.to(torch.float32).sub_(127.5).div_(64.0)
