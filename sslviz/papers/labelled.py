"""The network of a repetition, trained on the labels: what its features are held against.

It goes through the same loop by the same plan as the run did, with labels for answers: the same steps, rates
and precision, on the labelled images that the classifiers learn from. What the images or the machine cost,
they cost this network too.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Generator, Tensor

from sslviz.classifiers.published import BATCH
from sslviz.classifiers.shifting import shifted
from sslviz.plan import Plan
from sslviz.tasks.base import Batch, Problem, Task
from sslviz.tasks.sampling import send
from sslviz.train import Training


class Labels(Task):
    """Tell the label of an image, which is shifted by up to `padding` pixels over black and mirrored or not.
    No pretext task, and so not among them: nobody can tell labels of images without any."""

    name = "labels"
    title = "Labels"
    paper = ""
    views = 1
    minimum_side = 1

    def __init__(self, labels: Tensor, classes: int, padding: int = 0) -> None:
        """`labels`, int64 (N,) in [0, classes), are of the images that it will be bound to."""
        self.labels, self.classes, self.padding = labels, classes, padding

    def bind(
        self,
        images: Tensor,
        generator: Generator,  # noqa: ARG002
        device: torch.device | None = None,
    ) -> Problem:
        """Draws nothing. `images` is uint8 (N, 3, S, S)."""
        return LabelsProblem(self, images, device or images.device)

    def side(self, short_side: int) -> int:
        return short_side


class LabelsProblem(Problem):
    """An example a row."""

    def __init__(self, task: Labels, images: Tensor, device: torch.device) -> None:
        self.task, self.images, self.device, self.classes = task, images, device, task.classes

    def make(self, index: Tensor, generator: Generator) -> Batch:
        views = shifted(self.rows(index), self.task.padding, True, generator)
        nowhere = torch.zeros(len(index), 1, 4)  # whoever trains does not ask where a view lay
        return Batch(
            views[:, None],
            send(self.task.labels[index], self.device),
            send(index, self.device),
            nowhere,
            torch.zeros(len(index), dtype=torch.bool),
        )

    def say(self, answer: int) -> str:
        return str(answer)


def plan_of(plan: Plan, images: int) -> Plan:
    """The plan of a run for as many steps of labels, on the first `images`."""
    return replace(plan, held_out_from=images, seconds=None, replans=(), reuse=1, evaluate_every=plan.steps)


def told(
    model: str,
    known: Tensor,
    labels: Tensor,
    asked: Tensor,
    answers: Tensor,
    classes: int,
    plan: Plan,
    *,
    padding: int = 0,
    seed: int = 0,
    device: str = "cpu",
    report: Callable[[int, int], None] | None = None,
) -> NDArray[np.bool_]:
    """bool (M,): of which images `asked`, uint8 (M, 3, S, S), a network tells the label in `answers`, once it
    was trained by `plan`, of `plan_of`, on `known`, uint8 (N, 3, S, S), with `labels`; both int64 in
    [0, classes)."""
    task = Labels(torch.cat([labels, answers]), classes, padding)
    training = Training(task, torch.cat([known, asked]), plan, model=model, seed=seed, device=device)
    for metrics in training.run():
        if report:
            report(metrics.step, plan.steps)
    network = training.network.eval()
    right = []
    with torch.inference_mode():
        for part, answer in zip(torch.split(asked, BATCH), torch.split(answers, BATCH), strict=True):
            views = task.normalize(send(part, training.device)[:, None])
            right.append(network(views).argmax(1).cpu() == answer)
    found: NDArray[np.bool_] = torch.cat(right).numpy()
    return found
