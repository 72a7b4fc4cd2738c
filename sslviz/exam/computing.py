"""The questions: a few examples of each of some images, and what the network answers."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import torch
from torch import Tensor

from sslviz import exam, examinee, networks
from sslviz.errors import UserError
from sslviz.exam import BEST, IMAGES, PATCHES, QUESTIONS, WHOLE, Exam, Report, patterns
from sslviz.imagesets import ImageSet
from sslviz.quiz import drawing
from sslviz.runs import Run
from sslviz.tasks.base import Batch, Problem, Task
from sslviz.tasks.exemplar import ExemplarProblem
from sslviz.train.draws import seed_for

ROWS = 32
"""Asked about at a time."""


def ask(run: Run, images: ImageSet, device: str, report: Report) -> Exam:
    """See `sslviz.exam.compute`."""
    report(0, 100, "Reading the images")
    if not examinee.knows_classes(run, images):
        raise UserError(
            "The answers of this network are patches of the images that it was trained on.",
            f"Turn to the set {run.spec.images!r}, or train it on this one.",
        )
    network = examinee.network_of(run).to(device)
    unseen = examinee.unseen(run, images)
    task, problem = networks.task_of(run), examinee.bound(run, images)
    if not examinee.fit(network, problem) or problem.classes != run.spec.classes:
        raise UserError(
            "This network's answers mean something else on these images.", "Train it on this set."
        )
    draws = seed_for(0, "exam")
    rows, times = _rows(problem, torch.from_numpy(unseen.rows), draws)
    parts: list[Exam] = []
    views: list[Tensor] = []
    for place in range(times):
        for begin in range(0, len(rows), ROWS):
            done = (place * len(rows) + begin) * 100 // (times * len(rows))
            report(done, 100, "Asking the network")
            batch = problem.make(rows[begin : begin + ROWS], draws)
            logits = examinee.ask(network, task, batch.views, device)
            if not bool(torch.isfinite(logits).all()):
                raise UserError("Some of what the network says are not finite numbers.", "Train it again.")
            parts.append(_answers(task, problem, batch, logits, unseen.kind))
            if isinstance(problem, ExemplarProblem) and problem.classes > WHOLE:
                views.append(batch.views.cpu())
    found = _together(parts)
    if isinstance(problem, ExemplarProblem):
        if views:
            found = _with_pairs(
                found, torch.cat(views), lambda some: examinee.ask(network, task, some, device)
            )
        found = _with_patches(found, problem)
    report(100, 100, "")
    return found


def _rows(problem: Problem, rows: Tensor, draws: torch.Generator) -> tuple[Tensor, int]:
    """Rows to ask about, and how often each."""
    if isinstance(problem, ExemplarProblem):
        return torch.randperm(len(problem), generator=draws)[:PATCHES].sort().values, QUESTIONS
    chosen = rows[torch.randperm(len(rows), generator=draws)[:IMAGES]].sort().values
    made = len(problem.make(chosen[:1], seed_for(0, "exam count")))
    return chosen, max(1, QUESTIONS // made)


def _answers(task: Task, problem: Problem, batch: Batch, logits: Tensor, kind: str) -> Exam:
    shares = logits.softmax(1)
    best = shares.topk(min(BEST, problem.classes), 1)
    few = problem.classes <= WHOLE
    orders = getattr(problem, "permutations", torch.zeros(0, 9, dtype=torch.int64))
    loss = torch.nn.functional.cross_entropy(logits, batch.answer, reduction="none")
    return Exam(
        task=task.name,
        classes=problem.classes,
        kind=kind,
        words=[problem.say(one) for one in range(problem.classes)] if few else [],
        row=batch.source.numpy(),
        answer=batch.answer.numpy(),
        said=logits.argmax(1).numpy(),
        loss=loss.numpy(),
        shares=(shares if few else shares[:, :0]).numpy(),
        best=best.indices.numpy(),
        best_shares=best.values.numpy(),
        orders=orders.numpy(),
        pairs=np.zeros((0, 2), np.int64),
        pair_shares=np.zeros(0, np.float32),
        patch_class=np.zeros(0, np.int64),
        patches=np.zeros((0, 1, 1, 3), np.uint8),
    )


def _together(parts: list[Exam]) -> Exam:
    names = ("row", "answer", "said", "loss", "shares", "best", "best_shares")
    joined: dict[str, Any] = {name: np.concatenate([getattr(part, name) for part in parts]) for name in names}
    return replace(parts[0], **joined)


def _with_pairs(found: Exam, views: Tensor, ask: Callable[[Tensor], Tensor]) -> Exam:
    """The pairs of classes most often taken for each other, with all that copies give to the other one.

    Their copies, among the `views` (E, 1, 3, h, w) that were asked about, are asked about once more: which
    pairs these are is known only now, and thousands of probabilities of each copy are too many to keep.
    """
    pairs = patterns.taken(found, exam.PAIRS)
    answer = torch.from_numpy(found.answer)
    means = []
    for one, other in pairs:
        mine = ((answer == one) | (answer == other)).nonzero().flatten()
        logits = torch.cat([ask(views[mine[n : n + ROWS]]) for n in range(0, len(mine), ROWS)])
        means.append(float(logits.softmax(1)[torch.arange(len(mine)), one + other - answer[mine]].mean()))
    return replace(
        found,
        pairs=np.array(pairs, np.int64).reshape(-1, 2),
        pair_shares=np.array(means, np.float32),
    )


def _with_patches(found: Exam, problem: ExemplarProblem) -> Exam:
    """The patches that there is something to say of: those taken for others, the easiest and the hardest."""
    wanted = {one for pair in patterns.pairs(found, exam.PAIRS) for one in (pair.one, pair.other)}
    ranked = patterns.ranked(found, "answer")
    wanted |= {one.number for one in (*ranked[: exam.SHOWN], *ranked[-exam.SHOWN :])}
    classes = torch.tensor(sorted(wanted))
    plain = drawing.plain(problem).make(classes, seed_for(0, "exam patches"))
    return replace(
        found,
        patch_class=classes.numpy(),
        patches=plain.views[:, 0].permute(0, 2, 3, 1).contiguous().numpy(),
    )
