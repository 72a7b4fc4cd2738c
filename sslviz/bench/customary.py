"""The customary pipeline, which sslviz is measured against: files, torchvision's transforms image by image, a
DataLoader with two persistent workers, a plain loop. Written as one writes it, and as fast as that goes."""

from __future__ import annotations

import contextlib
import itertools
import math
import multiprocessing
import os
import signal
import time
from collections.abc import Callable, Iterator
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Any, Self

import torch
from torch import Tensor, nn
from torch.utils.data import DataLoader
from torchvision.datasets import ImageFolder
from torchvision.transforms import v2
from torchvision.transforms.v2 import functional as F  # noqa: N812 - its own name for it

from sslviz.bench.turns import Turns
from sslviz.layers import Convolution, Dropout
from sslviz.tasks import Task
from sslviz.train import Training

WORKERS = 2
STARTING = 3
"""Batches until the workers have started and the first kernels are chosen."""
BATCHES = 4
"""Batches that the pictures make at least: with one, nothing would be fetched ahead."""
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


class Customary(Turns):
    """The customary pipeline over the pictures in a folder, a while at a time, with the network and the batch
    of a run of ours. Between its turns its workers stand still, or they would fetch ahead at the expense of
    whoever has the turn. A context, which ends them."""

    def __init__(self, folder: Path, training: Training, side: int, *, fast: bool) -> None:
        """`fast` in bfloat16 and channels_last, else as one first writes it."""
        super().__init__()
        self.fast, self.device, task = fast, training.device, training.task
        rows = training.plan.batch * (training.plan.reuse if task.name == "location" else 1)
        images = ImageFolder(folder, transform_for(task, training, side))
        loader: DataLoader[Any] = DataLoader(
            images,
            max(1, min(rows, len(images) // BATCHES)),
            shuffle=True,
            num_workers=WORKERS,
            persistent_workers=True,
            collate_fn=_together,
            drop_last=True,
            multiprocessing_context="fork" if self.device.type == "cpu" else "spawn",
        )
        self.network = training.fresh_network()
        if hasattr(self.network.head, "arrangements"):
            self.network.head.arrangements.copy_(training.problem.arrangements)  # type: ignore[operator]
        written_plainly(self.network)
        layout = torch.channels_last if fast else torch.contiguous_format
        self.network.to(self.device, memory_format=layout)  # type: ignore[call-overload]
        self.optimizer = torch.optim.AdamW(self.network.parameters(), lr=training.plan.lr)
        self.batches = _forever(loader)
        self.workers: list[BaseProcess] = []

    def __enter__(self) -> Self:
        others = multiprocessing.active_children()
        for _ in range(STARTING):
            self._step(next(self.batches))
        self.workers = [one for one in multiprocessing.active_children() if one not in others]
        self._let("SIGSTOP")
        return self

    def __exit__(self, *_: object) -> None:
        self._let("SIGCONT")
        del self.batches  # and with it the loader, whose workers end

    def take(self, seconds: float) -> None:
        """Train for about so many seconds."""
        self.network.train()
        self._let("SIGCONT")
        began = time.perf_counter()
        while (taken := time.perf_counter() - began) < seconds:
            self.views += self._step(next(self.batches))
        self._let("SIGSTOP")
        self.seconds += taken

    def _let(self, signal_name: str) -> None:
        """Send the workers a signal, where the system has such."""
        if not hasattr(signal, signal_name):
            return
        for worker in self.workers:
            assert worker.pid is not None
            os.kill(worker.pid, getattr(signal, signal_name))

    def _step(self, batch: Example) -> int:
        """One step; how many views it was of."""
        x, answer = (part.to(self.device) for part in batch)
        fast = torch.autocast(self.device.type, torch.bfloat16) if self.fast else contextlib.nullcontext()
        with fast:
            loss = nn.functional.cross_entropy(self.network(x).float(), answer)
        self.optimizer.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        self.optimizer.step()
        loss.item()  # for the curve
        return x.shape[0] * x.shape[1]


def written_plainly(network: nn.Module) -> None:
    """Give a network torch's own layers in the place of those of `sslviz.layers`, and ReLU before pooling, as
    one writes it; it computes what it did."""
    for module in list(network.modules()):
        for name, layer in list(module.named_children()):
            if isinstance(layer, Convolution):
                plain = nn.Conv2d(layer.in_channels, layer.out_channels, 3, padding=1, bias=False)
                plain.weight = layer.weight
                module.add_module(name, plain)
            elif isinstance(layer, Dropout):
                module.add_module(name, nn.Dropout(layer.p))
        if isinstance(module, nn.Sequential):
            layers = list(module)
            for place, (first, second) in enumerate(itertools.pairwise(layers)):
                if isinstance(first, nn.MaxPool2d) and isinstance(second, nn.ReLU):
                    module[place], module[place + 1] = second, first


def _forever(loader: DataLoader[Any]) -> Iterator[Example]:
    while True:
        yield from loader
