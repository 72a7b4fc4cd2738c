"""The network of a run, trained on labels in place of its task."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from sslviz import networks
from sslviz.classifiers import whole
from sslviz.model import Network
from sslviz.plan import Plan
from sslviz.runs import Run

EPOCHS = 60
"""Passes through what is known, at most: more would teach nothing but these images by heart."""
TURNS = 4
"""Views of an image in a step of the rotation task: the same work is then a step on as many images."""
LR, DECAY = 3e-3, 0.05


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

    images: uint8 (N, 3, S, S) as the network reads them; labels int64 (N,) in [0, classes). See
    `classifiers.whole.trained`.
    """
    began = time.perf_counter()
    network = networks.untrained(run)
    batch = int((run.spec.plan or {}).get("batch", 32)) * (TURNS if run.spec.task == "rotation" else 1)
    steps = max(1, min(run.status().step, EPOCHS * len(images) // batch))
    plan = Plan(steps=steps, batch=batch, lr=LR, weight_decay=DECAY)
    whole.trained(
        whole.Labelling(network.encoder, classes),
        networks.task_of(run),
        torch.from_numpy(np.array(images)),
        torch.from_numpy(labels),
        plan,
        seed=run.spec.seed,
        device=device,
        report=report,
    )
    return Taught(network.eval(), steps, time.perf_counter() - began)
