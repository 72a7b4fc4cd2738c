"""What a trained network answers when it is asked its own question about each image of a set."""

from __future__ import annotations

import copy
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch.nn import functional

from sslviz.errors import UserError
from sslviz.imagesets import ImageSet
from sslviz.model import Network
from sslviz.runs import Run
from sslviz.runs.identity import has_head

QUESTIONS = 4
"""Asked about each image, at most; rotation's are the four turns."""
MOST = 5_000
"""Images that are asked about: beyond, it would take longer than what it tells is worth."""
NAMED = 12
"""Classes up to which each is a colour of its own; of more it is told whether the answer was right."""
ROWS = 32


@dataclass(frozen=True, eq=False)
class Answers:
    """The answers about N images."""

    table: NDArray[np.float32]
    """(N, 3): the answer to the first question about an image, as a place in `names`; the share of the
    questions about it that were answered rightly, in [0, 1]; and the mean loss over them, in nats. -1 each
    for an image that nothing was asked about."""
    names: list[str]


def ask(run: Run, network: Network, images: ImageSet) -> Answers | None:
    """Ask with fixed draws; None where the network has no head, or its classes mean nothing on this set.

    Exemplar's classes are patches of the images it was trained on, so it can be asked about those alone.
    """
    from sslviz import examinee, networks
    from sslviz.train.draws import seed_for

    task = networks.task_of(run)
    if not has_head(run) or not examinee.knows_classes(run, images):
        return None
    try:
        problem = examinee.bound(run, images)
    except UserError:
        return None  # too small for the task, though not for the network
    if not examinee.fit(network, problem) or problem.classes != run.spec.classes:
        return None
    network = copy.deepcopy(network).eval()
    count = len(images)
    first = np.full(count, -1, np.int64)
    asked, right, loss = (np.zeros(count) for _ in range(3))
    draws = seed_for(0, "answers")
    rows = torch.randperm(len(problem), generator=draws)[:MOST].sort().values
    times = 1 if task.name == "rotation" else QUESTIONS
    with torch.inference_mode():
        for part in torch.split(rows, ROWS):
            for _ in range(times):
                batch = problem.make(part, draws)
                logits = network(task.normalize(batch.views))
                said, truth = logits.argmax(1), batch.answer
                costs = functional.cross_entropy(logits, truth, reduction="none")
                source = batch.source.numpy()
                np.add.at(asked, source, 1)
                np.add.at(right, source, (said == truth).numpy())
                np.add.at(loss, source, costs.numpy().astype(np.float64))
                # Of rotation's four, what it says of the picture as it is.
                plain = truth.numpy() == 0 if task.name == "rotation" else np.ones(len(truth), bool)
                told = said.numpy() if problem.classes <= NAMED else (said == truth).numpy().astype(np.int64)
                news = plain & (first[source] < 0)
                first[source[news]] = told[news]
    known = asked > 0
    table = np.full((count, 3), -1, np.float32)
    table[known] = np.stack([first, right / asked.clip(1), loss / asked.clip(1)], axis=1)[known]
    if not np.isfinite(table).all():
        return None
    classes = range(problem.classes)
    return Answers(
        table, [problem.say(one) for one in classes] if problem.classes <= NAMED else ["wrong", "right"]
    )
