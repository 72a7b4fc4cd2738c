"""Classifiers trained on the maps of a frozen encoder, as RotNet was judged (Gidaris et al. 2018, table 1).

Neither a linear probe nor neighbours: three layers that see where in the map things are tell far more: 0.89
on CIFAR-10, where linear probes on the mean of the map gave 0.55 to 0.62, of other networks. A figure means
something only with the name of its probe beside it.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Generator, Tensor, nn
from torch.nn import functional

from sslviz.model import Encoder
from sslviz.plan import Plan
from sslviz.tasks.base import Task
from sslviz.tasks.sampling import coin, cut, draw_up_to, mirror_where, send
from sslviz.train import Images, seed_for
from sslviz.train.draws import rows_of_step
from sslviz.train.learning import optimizer_for, set_rate
from sslviz.train.loop import AHEAD
from sslviz.train.replaying import Replayed

BATCH = 256
"""Images of a batch where nothing is learned."""

Report = Callable[[int, int], None]


def three_layers(inputs: int, classes: int, generator: Generator) -> nn.Sequential:
    """float (B, ...) with `inputs` numbers a row → logits (B, C): two hidden layers of 20 C units, at most
    2,048, with BatchNorm and ReLU. Weights are drawn with a spread of √(2 / outputs), as the authors did."""
    hidden = min(20 * classes, 2048)
    classifier = nn.Sequential(
        nn.Flatten(),
        nn.Linear(inputs, hidden, bias=False),
        nn.BatchNorm1d(hidden),
        nn.ReLU(inplace=True),
        nn.Linear(hidden, hidden, bias=False),
        nn.BatchNorm1d(hidden),
        nn.ReLU(inplace=True),
        nn.Linear(hidden, classes),
    )
    for layer in classifier:
        if isinstance(layer, nn.Linear):
            nn.init.normal_(layer.weight, 0.0, math.sqrt(2.0 / layer.out_features), generator=generator)
            if layer.bias is not None:
                nn.init.zeros_(layer.bias)
    return classifier


def fit(
    encoder: Encoder,
    task: Task,
    images: Images,
    labels: Tensor,
    classes: int,
    plan: Plan,
    *,
    padding: int = 4,
    mirror: bool = True,
    seed: int = 0,
    device: str = "cpu",
    report: Report | None = None,
) -> dict[str, nn.Sequential]:
    """A classifier a block, trained by `plan`, by SGD, on `images`, uint8 (N, 3, S, S), with `labels`,
    int64 (N,), in [0, classes).

    The encoder is in evaluation mode and learns nothing; one pass through it serves all blocks. Images are
    shifted by up to `padding` pixels and mirrored, as for the training of the encoder itself.
    """
    place = torch.device(device)
    encoder, images = encoder.to(place).eval(), _on(images, place)
    with torch.inference_mode():
        widths = {name: maps.numel() for name, maps in encoder.maps(_views(task, images[:1])).items()}
    made = {
        name: three_layers(width, classes, seed_for(seed, f"classifier {name}")).to(place)
        for name, width in widths.items()
    }
    optimizer = optimizer_for(nn.ModuleDict(made), plan, place)

    def learn(views: Tensor, answer: Tensor) -> None:
        with torch.no_grad(), _autocast(plan, place):
            maps = encoder.maps(views)
        losses = [
            functional.cross_entropy(classifier(maps[name].float()), answer)
            for name, classifier in made.items()
        ]
        try:
            torch.stack(losses).sum().backward()  # type: ignore[no-untyped-call]  # no weight is shared
            optimizer.step()
        finally:
            optimizer.zero_grad(set_to_none=True)

    step = Replayed(learn, place)
    rows, labels = torch.arange(len(images)), labels.to(place)
    ahead = AHEAD if place.type == "cuda" else 1
    for number in range(plan.steps):
        set_rate(optimizer, plan.learning_rate(number))
        part, turn = divmod(number, ahead)
        if turn == 0:
            index = send(rows_of_step(rows, ahead * plan.batch, seed, part), place)
            shown = shifted(images[index], padding, mirror, seed_for(seed, "classifier", part))
            views, answers = _views(task, shown).chunk(ahead), labels[index].chunk(ahead)
        step(views[turn], answers[turn])
        if report:
            report(number + 1, plan.steps)
    return {name: classifier.eval() for name, classifier in made.items()}


def accuracies(
    encoder: Encoder,
    classifiers: Mapping[str, nn.Sequential],
    task: Task,
    images: Images,
    labels: Tensor,
    *,
    device: str = "cpu",
) -> dict[str, float]:
    """By block the share of `images`, uint8 (N, 3, S, S), whose label its classifier tells."""
    found = told(encoder, classifiers, task, images, labels, device=device)
    return {name: float(right.mean()) for name, right in found.items()}


def told(
    encoder: Encoder,
    classifiers: Mapping[str, nn.Sequential],
    task: Task,
    images: Images,
    labels: Tensor,
    *,
    device: str = "cpu",
) -> dict[str, NDArray[np.bool_]]:
    """By block, bool (N,): of which `images`, uint8 (N, 3, S, S), its classifier tells the label."""
    place = torch.device(device)
    encoder, images, labels = encoder.to(place).eval(), _on(images, place), labels.to(place)
    right: dict[str, list[Tensor]] = {name: [] for name in classifiers}
    with torch.inference_mode():
        for part, answer in zip(torch.split(images, BATCH), torch.split(labels, BATCH), strict=True):
            maps = encoder.maps(_views(task, part))
            for name, classifier in classifiers.items():
                right[name].append(classifier(maps[name]).argmax(1) == answer)
    return {name: torch.cat(parts).cpu().numpy() for name, parts in right.items()}


def shifted(images: Tensor, padding: int, mirror: bool, generator: Generator) -> Tensor:
    """uint8 (B, 3, S, S) moved by up to `padding` pixels over black, and every second one mirrored."""
    count, side = len(images), images.shape[-1]
    framed = functional.pad(images, (padding,) * 4)
    top, left = (draw_up_to(torch.full((count,), 2 * padding), generator) for _ in range(2))
    moved = cut(framed, torch.arange(count), top, left, side)
    return mirror_where(moved, coin(0.5 * mirror, generator, count))


def _on(images: Images, device: torch.device) -> Tensor:
    """All images at once where they are looked at: 50,000 of 32 pixels are 150 MB."""
    return (images if isinstance(images, Tensor) else torch.from_numpy(np.array(images))).to(device)


def _views(task: Task, images: Tensor) -> Tensor:
    """Whole images as the network reads them."""
    return task.normalize(images[:, None])[:, 0].contiguous(memory_format=torch.channels_last)


def _autocast(plan: Plan, device: torch.device) -> torch.autocast:
    return torch.autocast(device.type, dtype=torch.bfloat16, enabled=plan.precision == "bf16")
