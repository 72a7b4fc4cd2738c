"""One image as a sample of the task, and how likely the network takes each answer to be."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from sslviz import examinee, networks
from sslviz.errors import UserError
from sslviz.images import square
from sslviz.imagesets import ImageSet
from sslviz.model import Network
from sslviz.preview import Bound, Example
from sslviz.quiz import drawing
from sslviz.runs import Run
from sslviz.tasks.base import Problem, Task
from sslviz.tasks.exemplar import ExemplarProblem
from sslviz.train.draws import bind, seed_for

BEST = 5
"""Answers that are told of many."""


@dataclass(frozen=True, eq=False)
class Opinion:
    """What the network says to one example."""

    example: Example
    best: list[tuple[int, float]]
    """(answer, probability), the likeliest first: of few classes all, of many the best, and the right one
    last where it is not among them."""
    words: dict[int, str]
    """What each answer that is told is called."""
    patches: dict[int, NDArray[np.uint8]]
    """Exemplar: (h, w, 3) the patch of each answer that is told."""
    orders: NDArray[np.int64] | None
    """Jigsaw: (P, 9) the permutations."""


@dataclass(frozen=True, eq=False)
class Asked:
    """A network with an image that it can be asked about; only read."""

    network: Network
    task: Task
    bound: Bound

    def opinions(self, seed: int) -> list[Opinion]:
        """What it says to a sample of this seed: to all four turns of rotation, else to one example."""
        exemplar = isinstance(self.bound.problem, ExemplarProblem)
        examples = self.bound.copies(seed, 1) if exemplar else self.bound.examples(seed)
        views = torch.from_numpy(np.stack([np.stack(one.views) for one in examples])).permute(0, 1, 4, 2, 3)
        shares = examinee.ask(self.network, self.task, views.contiguous()).softmax(1)
        return [self._opinion(one, row) for one, row in zip(examples, shares, strict=True)]

    def _opinion(self, example: Example, shares: torch.Tensor) -> Opinion:
        count = len(shares) if len(shares) <= drawing.NAMED else BEST
        told = shares.topk(count).indices.tolist()
        if example.answer not in told:
            told.append(example.answer)
        patches = {}
        if isinstance(self.bound.problem, ExemplarProblem):
            made = drawing.plain(self.bound.problem).make(torch.tensor(told), seed_for(0, "exam patches"))
            for answer, view in zip(told, made.views, strict=True):
                patches[answer] = view[0].permute(1, 2, 0).contiguous().numpy()
        words = {one: self.bound.problem.say(one) for one in told}
        orders = getattr(self.bound.problem, "permutations", None)
        best = [(one, float(shares[one])) for one in told]
        return Opinion(example, best, words, patches, None if orders is None else orders.numpy())


def prepare(run: Run, images: ImageSet, row: int) -> Asked:
    """The network of a run and the image in `row`. Raises `UserError` where it cannot be asked about it."""
    if not examinee.knows_classes(run, images):
        raise UserError(
            "The answers of this network are patches of the images that it was trained on.",
            f"Turn to the set {run.spec.images!r}, or train it on this one.",
        )
    network, task = examinee.network_of(run), networks.task_of(run)
    side = networks.side_for(run, images)
    pixels = square(images.pixels(row), side)
    if run.spec.task == "exemplar":
        problem: Problem = examinee.bound(run, images)
        assert isinstance(problem, ExemplarProblem)
        rows = (problem.seeds.row == row).nonzero().flatten().tolist()
        if not rows:
            raise UserError("None of the network's patches is on this image.", "Choose another one.")
    else:
        one = torch.from_numpy(pixels.transpose(2, 0, 1).copy())[None]
        problem, rows = bind(task, one, run.spec.seed, torch.device("cpu")), [0]
    if not examinee.fit(network, problem):
        raise UserError(
            "This network answers with other permutations than its options say.", "Choose another."
        )
    return Asked(network, task, Bound(problem, problem.classes, pixels, row, rows))
