"""The customary pipeline, which sslviz is measured against: files, torchvision's transforms image by image, a
DataLoader with two persistent workers, a plain loop. Written as one writes it, and as fast as that goes."""

from __future__ import annotations

import contextlib
import itertools
import math
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils.data import DataLoader
from torchvision.datasets import ImageFolder
from torchvision.transforms import v2
from torchvision.transforms.v2 import functional as F  # noqa: N812 - its own name for it

from sslviz.tasks import Task
from sslviz.train import Training

WORKERS = 2
Example = tuple[Tensor, Tensor]
"""float (E, V, 3, h, w) and int64 (E,): what one image gives."""


class Rotations:
    """Four turns of a crop."""

    def __init__(self, task: Any, side: int) -> None:
        smallest = task.smallest_crop**2
        self.prepare = v2.Compose(
            [
                v2.Resize(side, antialias=True),
                v2.CenterCrop(side),
                v2.RandomResizedCrop(side, scale=(smallest, 1.0), ratio=(1.0, 1.0), antialias=True),
                v2.RandomHorizontalFlip(),
                *_to_floats(),
            ]
        )

    def __call__(self, image: Any) -> Example:
        upright = self.prepare(image)
        return torch.stack([upright.rot90(k, (1, 2)) for k in range(4)])[:, None], torch.arange(4)


class Puzzle:
    """Nine tiles in one of the orders."""

    def __init__(self, task: Any, side: int, permutations: Tensor) -> None:
        self.cell, self.tile = task.geometry(side)
        self.permutations = permutations
        self.prepare = v2.Compose(
            [
                v2.Resize(side, antialias=True),
                v2.CenterCrop(side),
                v2.RandomCrop(3 * self.cell),
                v2.RandomHorizontalFlip(),
                v2.RandomGrayscale(task.colour_guard * task.grey),
                *_to_floats(),
            ]
        )

    def __call__(self, image: Any) -> Example:
        square = self.prepare(image)
        answer = torch.randint(len(self.permutations), (1,))
        tiles = []
        for place in self.permutations[answer[0]].tolist():
            row, column = divmod(place, 3)
            down, right = torch.randint(self.cell - self.tile + 1, (2,)).tolist()
            tiles.append(_cut(square, row * self.cell + down, column * self.cell + right, self.tile))
        return torch.stack(tiles)[None], answer


class Pair:
    """The centre patch and one of its eight neighbours."""

    def __init__(self, task: Any, side: int) -> None:
        self.side = side
        self.patch, self.gap, self.jitter = task.geometry(side)
        self.guard = task.colour_guard
        self.prepare = v2.Compose(
            [
                v2.Resize(side, antialias=True),
                v2.CenterCrop(side),
                v2.RandomHorizontalFlip(),
                *_to_floats(),
            ]
        )
        direction = torch.tensor([[-1.0, 2.0, -1.0]]) / math.sqrt(6)
        self.projection = torch.eye(3) - direction.T @ direction

    def __call__(self, image: Any) -> Example:
        square = self.prepare(image)
        if torch.rand(()) < self.guard:
            square = torch.einsum("ij,jhw->ihw", self.projection, square)
        answer = torch.randint(8, (1,))
        room = self.side - 3 * self.patch - 2 * self.gap - 2 * self.jitter
        corner = torch.randint(room + 1, (2,)) + self.jitter
        places = [4, int(answer) + int(answer >= 4)]
        patches = []
        for place in places:
            at = corner + torch.tensor(divmod(place, 3)) * (self.patch + self.gap)
            at = at + torch.randint(-self.jitter, self.jitter + 1, (2,))
            patches.append(_cut(square, int(at[0]), int(at[1]), self.patch))
        return torch.stack(patches)[None], answer


class Copy:
    """A patch of the image, moved, turned and recoloured; the class is drawn, which costs the same."""

    def __init__(self, task: Any, side: int, classes: int) -> None:
        self.classes = classes
        low = 1 / task.scale
        self.prepare = v2.Compose(
            [
                v2.Resize(side, antialias=True),
                v2.CenterCrop(side),
                v2.RandomCrop(min(side, 2 * task.view_side(side))),
                v2.RandomAffine(
                    task.rotation,
                    (task.translation / 2, task.translation / 2),
                    (low, task.scale),
                    interpolation=v2.InterpolationMode.BILINEAR,
                ),
                v2.CenterCrop(task.view_side(side)),
                v2.ColorJitter(task.add, task.contrast - 1, task.multiply - 1, task.hue),
                *_to_floats(),
            ]
        )

    def __call__(self, image: Any) -> Example:
        return self.prepare(image)[None, None], torch.randint(self.classes, (1,))


def _to_floats() -> list[Any]:
    return [
        v2.ToImage(),
        v2.ToDtype(torch.float32, scale=True),
        v2.Normalize([0.5] * 3, [0.25] * 3),
    ]


def _cut(square: Tensor, top: int, left: int, side: int) -> Tensor:
    """A tile with mean 0 and spread 1."""
    tile: Tensor = F.crop(square, top, left, side, side)
    return (tile - tile.mean()) / tile.std().clamp(min=1e-2)


def transform_for(task: Task, training: Training, side: int) -> Callable[[Any], Example]:
    """What makes the examples of an image, as one would write it with torchvision."""
    made: dict[str, Callable[[], Callable[[Any], Example]]] = {
        "rotation": lambda: Rotations(task, side),
        "jigsaw": lambda: Puzzle(task, side, training.problem.arrangements),
        "location": lambda: Pair(task, side),
        "exemplar": lambda: Copy(task, side, training.problem.classes),
    }
    return made[task.name]()


def _together(examples: list[tuple[Example, int]]) -> Example:
    views, answers = zip(*(example for example, _ in examples), strict=True)
    return torch.cat(views), torch.cat(answers)


def views_per_second(folder: Path, training: Training, side: int, *, fast: bool, seconds: float) -> float:
    """Views a second of the customary pipeline over the pictures in `folder`, for about `seconds`, with the
    network and the batch of `training`; `fast` in bfloat16 and channels_last, else as one first writes it."""
    task, device = training.task, training.device
    rows = training.plan.batch * (training.plan.reuse if task.name == "location" else 1)
    images = ImageFolder(folder, transform_for(task, training, side))
    loader: DataLoader[Any] = DataLoader(
        images,
        min(rows, len(images)),
        shuffle=True,
        num_workers=WORKERS,
        persistent_workers=True,
        collate_fn=_together,
        drop_last=True,
        multiprocessing_context="fork" if device.type == "cpu" else "spawn",
    )
    network = training.fresh_network()
    if hasattr(network.head, "arrangements"):
        network.head.arrangements.copy_(training.problem.arrangements)  # type: ignore[operator]
    network.to(device, memory_format=torch.channels_last if fast else torch.contiguous_format)  # type: ignore[call-overload]
    optimizer = torch.optim.AdamW(network.parameters(), lr=training.plan.lr)
    network.train()
    batches = _forever(loader)
    began, views = 0.0, 0
    for number in itertools.count():
        if number == 3:  # the workers have started, and the first kernels are chosen
            began, views = time.perf_counter(), 0
        if began and time.perf_counter() - began > seconds:
            break
        x, answer = next(batches)
        x, answer = x.to(device), answer.to(device)
        with torch.autocast(device.type, torch.bfloat16) if fast else contextlib.nullcontext():
            loss = nn.functional.cross_entropy(network(x).float(), answer)
        optimizer.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        optimizer.step()
        loss.item()  # for the curve
        views += x.shape[0] * x.shape[1]
    return views / (time.perf_counter() - began)


def _forever(loader: DataLoader[Any]) -> Iterator[Example]:
    while True:
        yield from loader
