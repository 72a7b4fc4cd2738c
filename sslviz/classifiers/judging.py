"""All the ways to teach a network's maps labels, side by side: of a run, and of it before it was trained."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import partial
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from sslviz import features
from sslviz.classifiers import frozen, whole
from sslviz.classifiers.frozen import Pair, Report
from sslviz.classifiers.heads import HEADS
from sslviz.model import Network
from sslviz.tasks.base import Task

Rows = NDArray[np.int64]
Images = NDArray[np.uint8]


def judge(
    run: Network,
    untrained: Network,
    task: Task,
    known: Images,
    labels: Rows,
    asked: Images,
    classes: int,
    *,
    favourites: Mapping[str, str],
    device: str = "cpu",
    seed: int = 0,
    report: Report | None = None,
) -> dict[str, Rows]:
    """The labels told of `asked`, int64 (N,), by every head on both networks, and by training with labels.

    `known`, uint8 (M, 3, S, S), with `labels`, int64 (M,) below `classes`, is learned from; `asked`, uint8
    (N, 3, S, S), is asked about. Keys are as "linear_map/run/block2", "fine_tuned" and "supervised".

    Each head is taught on each block, save for the convolutional block, which takes longer than all the rest:
    of each network, "run" and "untrained", it gets its block in `favourites`. BatchNorm statistics of both
    frozen networks are those of the known images. Fine-tuned and supervised take the same number of steps.
    """
    images, answers, queries = _tensor(known), _tensor(labels), _tensor(asked)
    told: dict[str, Rows] = {}
    tell = report or (lambda *_: None)
    for source, network in (("run", run), ("untrained", untrained)):
        saying = partial(_about, tell, f"the {source} network")
        estimating = partial(_doing, saying, "statistics")
        encoder = features.estimated(network, task, images, device=device, report=estimating)
        pairs = _pairs(encoder.blocks, favourites[source])
        readers = frozen.fit(encoder, task, images, answers, classes, pairs, seed=seed, report=saying)
        found = frozen.answers(encoder, readers, task, queries, report=saying)
        told |= {f"{head}/{source}/{block}": rows for (head, block), rows in found.items()}
    for name, learned, network, what in (
        ("fine_tuned", True, run, "trained further with the labels"),
        ("supervised", False, untrained, "trained with the labels from nothing"),
    ):
        learning = partial(_doing, partial(_about, tell, "the whole network"), what)
        made = whole.taught(
            network, task, images, answers, classes,
            learned=learned, seed=seed, device=device, report=learning,
        )  # fmt: skip
        told[name] = whole.told(made, task, queries)
    return told


def _pairs(blocks: Any, favourite: str) -> Iterator[Pair]:
    """Which heads are taught on which blocks."""
    for head in HEADS:
        yield from ((head, block) for block in blocks if head != "conv_block" or block == favourite)


def _about(report: Report, whom: str, done: int, total: int, what: str) -> None:
    report(done, total, f"{whom}: {what}")


def _doing(report: Report, what: str, done: int, total: int) -> None:
    report(done, total, what)


def _tensor(array: NDArray[Any]) -> Tensor:
    return torch.from_numpy(np.array(array))
