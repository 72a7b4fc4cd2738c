"""The network of a run, trained on labels in place of its task."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional

from sslviz import networks
from sslviz.classifiers.shifting import shifted
from sslviz.features import GRID
from sslviz.model import Network, pool
from sslviz.plan import Plan
from sslviz.runs import Run
from sslviz.train import seed_for
from sslviz.train.draws import rows_of_step
from sslviz.train.learning import optimizer_for, set_rate

EPOCHS = 60
"""Passes through what is known, at most: more would teach nothing but these images by heart."""
TURNS = 4
"""Views of an image in a step of the rotation task: the same work is then a step on as many images."""
LR, DECAY, PADDING = 3e-3, 0.05, 4


@dataclass(frozen=True, eq=False)
class Taught:
    """A network that has learned labels."""

    network: Network
    steps: int
    seconds: float


def teach(
    run: Run,
    images: NDArray[np.uint8],
    labels: NDArray[np.int64],
    classes: int,
    *,
    device: str = "cpu",
    report: Callable[[int, int], None] | None = None,
) -> Taught:
    """From the weights that a run began with, for as many steps of as many views as the run was trained for.

    images: uint8 (N, 3, S, S) as the network reads them, mirrored and shifted by up to four pixels anew each
    time; labels int64 (N,) in [0, classes). A linear layer on the last map, averaged to 2 × 2, answers.
    """
    place, began = torch.device(device), time.perf_counter()
    network, task = networks.untrained(run).to(place).train(), networks.task_of(run)
    batch = int((run.spec.plan or {}).get("batch", 32)) * (TURNS if run.spec.task == "rotation" else 1)
    steps = max(1, min(run.status().step, EPOCHS * len(images) // batch))
    plan = Plan(steps=steps, batch=batch, lr=LR, weight_decay=DECAY)
    head = Answer(network.encoder.channels * GRID**2, classes).to(place)
    optimizer = optimizer_for(nn.ModuleList([network.encoder, head]), plan, place)
    known, answers = torch.from_numpy(np.array(images)), torch.from_numpy(labels)
    rows, seed = torch.arange(len(known)), run.spec.seed
    for step in range(steps):
        index = rows_of_step(rows, batch, seed, step)
        shown = shifted(known[index], PADDING, True, seed_for(seed, "supervised", step))
        views = task.normalize(shown[:, None].to(place))[:, 0].contiguous(memory_format=torch.channels_last)
        set_rate(optimizer, plan.learning_rate(step))
        logits = head(pool(network.encoder(views), GRID).flatten(1))
        loss = functional.cross_entropy(logits, answers[index].to(place))
        loss.backward()  # type: ignore[no-untyped-call]
        optimizer.step()
        optimizer.zero_grad(set_to_none=True)
        if report:
            report(step + 1, steps)
    return Taught(network.eval(), steps, time.perf_counter() - began)


class Answer(nn.Module):
    """A linear layer that begins at nought, so that nothing is drawn for it."""

    def __init__(self, inputs: int, classes: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.zeros(classes, inputs))
        self.bias = nn.Parameter(torch.zeros(classes))

    def forward(self, x: Tensor) -> Tensor:
        """float (B, D) → logits, float (B, C)."""
        return functional.linear(x, self.weight, self.bias)
