"""What each block of a rotation network is worth: classifiers of RotNet's table 1, or linear probes."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, replace

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from sslviz import features, kept, linear, networks
from sslviz.classifiers import published
from sslviz.model import Encoder, Network
from sslviz.papers.base import Report, Scale
from sslviz.papers.data import Data, Rows
from sslviz.papers.rotnet import BATCH, PADDING, PROBE_FALLS, course
from sslviz.plan import Plan
from sslviz.runs import Run
from sslviz.runs.identity import identity
from sslviz.tasks import Task

AREA = "classifiers"
VERSION = 1
"""Of what is kept; another version's files are not read."""
KEPT_BYTES = 20_000_000

Told = dict[str, dict[str, NDArray[np.bool_]]]
"""By network, "run" or "untrained", and block: of which test images the label is told, bool (N,)."""


def told(run: Run, data: Data, scale: Scale, device: str, report: Report | None) -> tuple[float, Told]:
    """(share of the turns told, labels told), by classifiers of three layers.

    The trained network is read as the authors did, with the BatchNorm statistics of its training; the
    untrained one has none, and takes those of the training images. What one network's classifiers told is
    kept, so whoever is interrupted in the other's has lost only those.
    """
    known = data.rows(test=False, most=scale.probe_images)
    asked = data.rows(test=True, most=scale.test_images)
    task = networks.task_of(run)
    squares = networks.squares_for(run, data.images)
    train, test = _taken(squares, known), _taken(squares, asked)
    trained = networks.trained(run)
    untrained = features.estimated(networks.untrained(run), task, train, device=device)
    plan = probe_plan(scale, len(train), (run.spec.plan or {})["precision"])
    labels, answers = torch.from_numpy(data.labels(known)), torch.from_numpy(data.labels(asked))

    # A set is the same, by its fingerprint, when its labels are others.
    told_apart = [known.tolist(), asked.tolist(), labels.tolist(), answers.tolist()]
    depends = [data.images.fingerprint, told_apart, asdict(plan)]

    def judged(name: str, encoder: Encoder) -> dict[str, NDArray[np.bool_]]:
        path = kept.folder(AREA, [VERSION, identity(run, name), run.spec.seed, *depends]) / "told.bin"
        if (before := kept.read(path)) is not None:
            return before[1]
        made = published.fit(
            encoder, task, train, labels, len(data.names), plan, padding=PADDING, seed=run.spec.seed,
            device=device, report=_telling(report, f"classifiers on the {name} network"),
        )  # fmt: skip
        right = published.told(encoder, made, task, test, answers, device=device)
        kept.write(path, right)
        kept.prune(AREA, KEPT_BYTES)
        return right

    found = {name: judged(name, one) for name, one in (("run", trained.encoder), ("untrained", untrained))}
    return rotation_accuracy(trained, task, test, device), found


def told_linearly(
    run: Run, data: Data, scale: Scale, device: str, report: Report | None
) -> tuple[float, Told]:
    """The same by linear probes of features as everywhere else: the map's means over 2 × 2 quarters."""
    known = data.rows(test=False, most=scale.probe_images)
    asked = data.rows(test=True, most=scale.test_images)
    task, squares = networks.task_of(run), networks.squares_for(run, data.images)
    train, test = _taken(squares, known), _taken(squares, asked)
    labels, answers = data.labels(known), data.labels(asked)
    trained = networks.trained(run)
    found: Told = {}
    for name, network in (("run", trained), ("untrained", networks.untrained(run))):
        by = features.extract(
            network, task, torch.cat([train, test]), memory=train, device=device,
            report=_telling(report, f"features of the {name} network"),
        )  # fmt: skip
        probes = {b: linear.fit(x[: len(train)], labels, len(data.names)) for b, x in by.items()}
        found[name] = {b: probe.predict(by[b][len(train) :]) == answers for b, probe in probes.items()}
    return rotation_accuracy(trained, task, test, device), found


def _telling(report: Report | None, what: str) -> Callable[[int, int], None] | None:
    return None if report is None else lambda done, total: report(done, total, what)


def probe_plan(scale: Scale, images: int, precision: str = "fp32") -> Plan:
    """How the classifiers are trained on so many images; `precision` is that of the frozen network."""
    batch = min(scale.batch or BATCH, images)
    plan = Plan(max(1, round(scale.probe_epochs * images / batch)), batch, 0.0, 0.0, precision)
    return replace(plan, **course(batch), milestones=PROBE_FALLS)


def rotation_accuracy(network: Network, task: Task, images: Tensor, device: str = "cpu") -> float:
    """Share of the four turns of `images`, uint8 (N, 3, S, S), that the network tells; nothing is shifted or
    mirrored, as when the authors tested."""
    network = network.to(device).eval()
    right = 0
    with torch.inference_mode():
        for part in torch.split(images, published.BATCH):
            for turn in range(4):
                views = part.to(device).rot90(turn, (-2, -1))[:, None]
                right += int((network(task.normalize(views)).argmax(1) == turn).sum())
    return right / (4 * len(images))


def _taken(squares: NDArray[np.uint8], rows: Rows) -> Tensor:
    return torch.from_numpy(squares[rows])
