"""A whole network trained with the labels: from what a run has learned, and from nothing.

That is what features are for in the end, and what they are held against. Both take as many steps through the
same function, and differ in the weights they start from and in the rate that suits such a start.
"""

from __future__ import annotations

import copy
from collections.abc import Callable

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional

from sslviz.classifiers.maps import parts
from sslviz.classifiers.plans import whole_plan
from sslviz.classifiers.shifting import as_views, lightly
from sslviz.model import Encoder, Network, pool
from sslviz.plan import Plan
from sslviz.tasks.base import Task
from sslviz.train.draws import rows_of_step, seed_for
from sslviz.train.learning import optimizer_for, set_rate

GRID = 4
"""The last map is averaged to as many cells a side: of CIFAR-10 a network told five points more than with
2 × 2."""
Report = Callable[[int, int], None]


class Labelling(nn.Module):
    """An encoder, and a linear layer on the means over parts of its last map."""

    def __init__(self, encoder: Encoder, classes: int) -> None:
        super().__init__()
        self.encoder = encoder
        # From noughts: nothing is drawn, and what the encoder knows is not shaken before the layer knows.
        self.weight = nn.Parameter(torch.zeros(classes, encoder.channels * GRID**2))
        self.bias = nn.Parameter(torch.zeros(classes))

    def forward(self, views: Tensor) -> Tensor:
        """float (B, 3, S, S) → logits, float (B, C)."""
        return functional.linear(pool(self.encoder(views), GRID).flatten(1), self.weight, self.bias)


def taught(
    network: Network,
    task: Task,
    images: Tensor,
    labels: Tensor,
    classes: int,
    *,
    learned: bool,
    plan: Plan | None = None,
    seed: int = 0,
    device: str = "cpu",
    report: Report | None = None,
) -> Labelling:
    """The encoder of `network`, trained on `images`, uint8 (N, 3, S, S), with `labels`, int64 (N,) below
    `classes`. The network itself stays as it was. `learned`: its weights are those of a run, which is called
    fine-tuning; first weights are trained at the higher rate that these take."""
    made = Labelling(copy.deepcopy(network.encoder), classes)
    plan = plan or whole_plan(network.encoder, task, images, learned=learned)
    return trained(made, task, images, labels, plan, seed=seed, device=device, report=report)


def trained(
    made: Labelling,
    task: Task,
    images: Tensor,
    labels: Tensor,
    plan: Plan,
    *,
    seed: int,
    device: str,
    report: Report | None,
) -> Labelling:
    """`made`, after all of it was trained by `plan`; images are shifted a little and mirrored, anew at each
    step."""
    place = torch.device(device)
    made.to(place, memory_format=torch.channels_last).train()  # type: ignore[call-overload]
    optimizer = optimizer_for(made, plan, place)
    rows = torch.arange(len(images))
    for step in range(plan.steps):
        set_rate(optimizer, plan.learning_rate(step))
        index = rows_of_step(rows, plan.batch, seed, step)
        views = as_views(task, lightly(images[index], seed_for(seed, "labelled", step)).to(place))
        loss = functional.cross_entropy(made(views), labels[index].to(place))
        loss.backward()  # type: ignore[no-untyped-call]
        optimizer.step()
        optimizer.zero_grad(set_to_none=True)
        if report:
            report(step + 1, plan.steps)
    return made.eval()


def told(made: Labelling, task: Task, images: Tensor) -> NDArray[np.int64]:
    """The labels that a trained network tells of `images`, uint8 (N, 3, S, S): int64 (N,)."""
    place = made.weight.device
    found = np.zeros(len(images), np.int64)
    with torch.inference_mode():
        for rows in parts(images):
            found[rows] = made(as_views(task, images[rows].to(place))).argmax(1).cpu().numpy()
    return found
