"""What a run tells of each image that it held out: of how many questions about it the answer is right."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray

from sslviz import examinee, networks
from sslviz.imagesets import ImageSet
from sslviz.runs import Run
from sslviz.train.draws import held_out

EXAMPLES = 32
"""Asked about at a time."""


def shares(run: Run, images: ImageSet, device: str = "cpu") -> NDArray[np.float64] | None:
    """float (H,): of each image that the run held out, in the order of the set, the share of right answers to
    the questions that its training asked about it. None where it cannot be told what was held out.

    Runs on the same images with the same seed held out the same images. Raises `UserError` for a run without
    weights, or with such as are no numbers.
    """
    unseen = examinee.unseen(run, images)
    if unseen.kind != "held out":
        return None
    network = examinee.network_of(run).to(device)
    task, problem = networks.task_of(run), examinee.bound(run, images)
    batch = held_out(problem, torch.from_numpy(unseen.rows), run.spec.seed)
    views, answers, source = (
        torch.split(part, EXAMPLES) for part in (batch.views, batch.answer, batch.source)
    )
    asked, right = np.zeros(len(images)), np.zeros(len(images))
    for view, answer, row in zip(views, answers, source, strict=True):
        told = examinee.ask(network, task, view, device).argmax(1) == answer
        np.add.at(asked, row.numpy(), 1)
        np.add.at(right, row.numpy(), told.numpy())
    found: NDArray[np.float64] = right[asked > 0] / asked[asked > 0]
    return found
