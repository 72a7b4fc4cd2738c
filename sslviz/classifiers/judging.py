"""All the ways to teach a network's maps labels, side by side: of a run, and of it before it was trained."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
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
from sslviz.model import Encoder, Network
from sslviz.tasks.base import Task

Rows = NDArray[np.int64]
Images = NDArray[np.uint8]


def judge(
    run: Network,
    untrained: Network,
    task: Task,
    known: Images,
    known_labels: Rows,
    asked: Images,
    asked_labels: Rows,
    classes: int,
    *,
    blocks: Sequence[str] | None = None,
    device: str = "cpu",
    seed: int = 0,
    report: Report | None = None,
) -> tuple[dict[str, Any], dict[str, Rows]]:
    """(accuracies on `asked`, the labels told of it): every head on both networks, and training with labels.

    `known`, uint8 (M, 3, S, S), with `known_labels`, int64 (M,) below `classes`, is learned from; `asked`,
    uint8 (N, 3, S, S), is asked about. Accuracies are {head: {"run" | "untrained": {block: share}},
    "fine_tuned": {"run": share}, "supervised": share}; the labels told, int64 (N,), have keys as
    "linear_map/run/block2", "fine_tuned/run" and "supervised".

    Each head is taught on each of `blocks`. By default on all, save for the convolutional block, which takes
    longer than all the rest: of each network it gets the block that tells a linear layer most, chosen with
    the known images alone. BatchNorm statistics of both frozen networks are those of the known images.
    """
    tell = report or (lambda *_: None)
    images, labels, queries = _tensor(known), _tensor(known_labels), _tensor(asked)
    told: dict[str, Rows] = {}
    for source, network in (("run", run), ("untrained", untrained)):
        saying = partial(_about, tell, f"the {source} network")
        estimating = partial(_doing, saying, "statistics")
        encoder = features.estimated(network, task, images, device=device, report=estimating)
        pairs = _pairs(encoder, task, images, labels, classes, blocks, seed, saying)
        readers = frozen.fit(encoder, task, images, labels, classes, pairs, seed=seed, report=saying)
        found = frozen.answers(encoder, readers, task, queries, report=saying)
        told |= {f"{head}/{source}/{block}": rows for (head, block), rows in found.items()}
    for name, train, network, what in (
        ("fine_tuned/run", whole.fine_tuned, run, "trained further with the labels"),
        ("supervised", whole.supervised, untrained, "trained with the labels from nothing"),
    ):
        learning = partial(_doing, partial(_about, tell, "the whole network"), what)
        made = train(network, task, images, labels, classes, seed=seed, device=device, report=learning)
        told[name] = whole.told(made, task, queries)
    return accuracies(told, asked_labels), told


def accuracies(told: Mapping[str, Rows], answers: Rows) -> dict[str, Any]:
    """The shares of `answers`, int64 (N,), that are told, nested as the keys of `told` say."""
    found: dict[str, Any] = {}
    for key, rows in told.items():
        *path, last = key.split("/")
        place = found
        for name in path:
            place = place.setdefault(name, {})
        place[last] = float(np.mean(rows == answers))
    return found


def _pairs(
    encoder: Encoder,
    task: Task,
    images: Tensor,
    labels: Tensor,
    classes: int,
    blocks: Sequence[str] | None,
    seed: int,
    report: Report,
) -> list[Pair]:
    """Which heads are taught on which blocks."""
    if blocks is not None:
        return [(head, block) for head in HEADS for block in blocks]
    chosen = frozen.most_telling(encoder, task, images, labels, classes, seed=seed, report=report)
    quick = [(head, block) for head in HEADS if head != "conv_block" for block in encoder.blocks]
    return [*quick, ("conv_block", chosen)]


def _about(report: Report, whom: str, done: int, total: int, what: str) -> None:
    report(done, total, f"{whom}: {what}")


def _doing(report: Report, what: str, done: int, total: int) -> None:
    report(done, total, what)


def _tensor(array: NDArray[Any]) -> Tensor:
    return torch.from_numpy(np.array(array))
