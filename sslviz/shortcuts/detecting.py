"""How far one suspected cue alone gets: a linear classifier that sees it and nothing else. Imports torch."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from sslviz import linear
from sslviz.shortcuts.cues import CUES
from sslviz.tasks import Task

Floats = NDArray[np.float32]
Ints = NDArray[np.int64]

EXAMPLES = 4_000
"""Examples that a classifier learns from and is asked about, at most."""
DRAWS = 8
"""Times that each image is drawn, at most."""
FOLDS = 5
ROWS = 256
LEVELS, MIDDLE = 64.0, 127.5
"""What `Task.normalize` divides by and takes away where nothing is normalised by view: so cues are read in
grey levels."""


def seen(task: Task, views: Tensor) -> Tensor:
    """uint8 views → float32 of the same shape: what the network reads, brought back to grey levels."""
    return task.normalize(views).mul(LEVELS).add(MIDDLE)


def examples(
    task: Task, squares: NDArray[np.uint8], cue: str, seed: int = 0
) -> tuple[Floats, Ints, Ints, int]:
    """(features (E, D), answers (E,), image of each (E,), number of answers) of squares uint8 (N, 3, S, S).

    Raises `UserError` where the images do not suffice for the task.
    """
    generator = torch.Generator().manual_seed(seed)
    problem = task.bind(torch.from_numpy(squares), generator)
    each = len(problem.make(torch.zeros(1, dtype=torch.int64), torch.Generator().manual_seed(0)))
    draws = max(1, min(DRAWS, EXAMPLES // (each * len(problem))))
    features, answers, sources = [], [], []
    for _ in range(draws):
        for rows in torch.split(torch.arange(len(problem)), ROWS):
            batch = problem.make(rows, generator)
            features.append(CUES[cue](seen(task, batch.views)).numpy())
            answers.append(batch.answer.numpy())
            sources.append(batch.source.numpy())
    return np.concatenate(features), np.concatenate(answers), np.concatenate(sources), problem.classes


def told(
    task: Task,
    squares: NDArray[np.uint8],
    cue: str,
    seed: int = 0,
    report: Callable[[int, int], None] | None = None,
) -> tuple[Floats, int]:
    """(share of the examples of each image that are told (N,), number of answers), by classifiers that have
    not seen the image: five, each of which learns from four fifths of the images."""
    features, answers, sources, classes = examples(task, squares, cue, seed)
    right = np.zeros(len(answers), np.float64)
    part = np.random.default_rng(seed).permutation(len(squares)) % FOLDS
    for fold in range(FOLDS):
        asked = part[sources] == fold
        known = ~asked
        if asked.any() and len(np.unique(answers[known])) > 1:
            probe = linear.fit(features[known], answers[known], classes)
            right[asked] = probe.predict(features[asked]) == answers[asked]
        if report is not None:
            report(fold + 1, FOLDS)
    counts = np.bincount(sources, minlength=len(squares))
    shares = np.bincount(sources, right, len(squares)) / np.maximum(counts, 1)
    return shares.astype(np.float32), classes
