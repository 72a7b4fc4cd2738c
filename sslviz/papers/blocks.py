"""What each block of a rotation network is worth: classifiers of RotNet's table 1, or linear probes; and what
the same network reaches on the labels."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from sslviz import features, kept, linear, networks
from sslviz.classifiers import published
from sslviz.intervals import chance_of_labels
from sslviz.model import Encoder, Network
from sslviz.papers import labelled
from sslviz.papers.base import Report, Scale
from sslviz.papers.data import Data
from sslviz.papers.rotnet import BATCH, PADDING, PROBE_FALLS, course
from sslviz.plan import Plan
from sslviz.runs import Run
from sslviz.runs.identity import identity
from sslviz.tasks import Task

AREA = "classifiers"
VERSION = 2
"""Of what is kept; another version's files are not read."""
KEPT_BYTES = 20_000_000
LABELS = "labels"
"""The name of what the network told that was trained on them."""

Told = dict[str, dict[str, NDArray[np.bool_]]]
"""By network, "run" or "untrained", and block: of which test images the label is told, bool (N,)."""


@dataclass(frozen=True)
class Material:
    """What is learned from and what is asked about, the same for every network of a repetition."""

    task: Task
    train: Tensor
    """uint8 (N, 3, S, S)."""
    labels: Tensor
    """int64 (N,) in [0, classes)."""
    test: Tensor
    """uint8 (M, 3, S, S)."""
    answers: Tensor
    """int64 (M,) in [0, classes)."""
    classes: int
    depends: list[Any]
    """What whatever was found with it depends on."""

    @property
    def chance(self) -> float:
        """Right answers of always saying the commonest label, at least 1 / C."""
        return chance_of_labels(self.labels.numpy(), self.answers.numpy(), self.classes)


def material(run: Run, data: Data, scale: Scale) -> Material:
    """The labelled images of a repetition, as many as the scale says."""
    known = data.rows(test=False, most=scale.probe_images)
    asked = data.rows(test=True, most=scale.test_images)
    squares = networks.squares_for(run, data.images)
    labels, answers = data.labels(known), data.labels(asked)
    # A set is the same, by its fingerprint, when its labels are others.
    told_apart = [known.tolist(), asked.tolist(), labels.tolist(), answers.tolist()]
    return Material(
        networks.task_of(run),
        torch.from_numpy(squares[known]),
        torch.from_numpy(labels),
        torch.from_numpy(squares[asked]),
        torch.from_numpy(answers),
        len(data.names),
        [data.images.fingerprint, told_apart, run.spec.seed],
    )


def told(run: Run, given: Material, scale: Scale, device: str, report: Report | None) -> tuple[float, Told]:
    """(share of the turns told, labels told), by classifiers of three layers.

    The trained network is read as the authors did, with the BatchNorm statistics of its training; the
    untrained one has none, and takes those of the training images. What one network's classifiers told is
    kept, so whoever is interrupted in the other's has lost only those.
    """
    trained = networks.trained(run)
    untrained = features.estimated(networks.untrained(run), given.task, given.train, device=device)
    plan = probe_plan(scale, len(given.train), (run.spec.plan or {})["precision"])

    def judged(name: str, encoder: Encoder) -> dict[str, NDArray[np.bool_]]:
        def find() -> dict[str, NDArray[np.bool_]]:
            made = published.fit(
                encoder, given.task, given.train, given.labels, given.classes, plan, padding=PADDING,
                seed=run.spec.seed, device=device,
                report=_telling(report, f"classifiers on the {name} network"),
            )  # fmt: skip
            return published.told(encoder, made, given.task, given.test, given.answers, device=device)

        return _kept([*given.depends, identity(run, name), asdict(plan)], find)

    found = {name: judged(name, one) for name, one in (("run", trained.encoder), ("untrained", untrained))}
    return rotation_accuracy(trained, given.task, given.test, device), found


def told_linearly(run: Run, given: Material, device: str, report: Report | None) -> tuple[float, Told]:
    """The same by linear probes of features as everywhere else: the map's means over 2 × 2 quarters."""
    labels, answers = given.labels.numpy(), given.answers.numpy()
    trained = networks.trained(run)
    found: Told = {}
    for name, network in (("run", trained), ("untrained", networks.untrained(run))):
        by = features.extract(
            network, given.task, torch.cat([given.train, given.test]), memory=given.train, device=device,
            report=_telling(report, f"features of the {name} network"),
        )  # fmt: skip
        probes = {b: linear.fit(x[: len(labels)], labels, given.classes) for b, x in by.items()}
        found[name] = {b: probe.predict(by[b][len(labels) :]) == answers for b, probe in probes.items()}
    return rotation_accuracy(trained, given.task, given.test, device), found


def told_by_labels(run: Run, given: Material, device: str, report: Report | None) -> NDArray[np.bool_]:
    """bool (M,): of which test images the label is told by the run's network, trained for as many steps by
    the run's plan on the labels that the classifiers have."""
    steps = max(1, run.status().step)
    plan = labelled.plan_of(replace(Plan(**(run.spec.plan or {})), steps=steps), len(given.train))

    def find() -> dict[str, NDArray[np.bool_]]:
        right = labelled.told(
            run.spec.model, given.train, given.labels, given.test, given.answers, given.classes, plan,
            padding=PADDING, seed=run.spec.seed, device=device,
            report=_telling(report, "the network trained on the labels"),
        )  # fmt: skip
        return {LABELS: right}

    return _kept([*given.depends, LABELS, run.spec.model, asdict(plan)], find)[LABELS]


def _kept(
    depends: list[Any], find: Callable[[], dict[str, NDArray[np.bool_]]]
) -> dict[str, NDArray[np.bool_]]:
    """What was found before, or is now."""
    path = kept.folder(AREA, [VERSION, *depends]) / "told.bin"
    if (before := kept.read(path)) is not None:
        return before[1]
    found = find()
    kept.write(path, found)
    kept.prune(AREA, KEPT_BYTES)
    return found


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
