"""RotNet on CIFAR-10: Gidaris, Singh and Komodakis, ICLR 2018, table 1.

The protocol is that of the authors' code (github.com/gidariss/FeatureLearningRotNet, its config folder):
Network-in-Network with four blocks, trained for 200 epochs to tell four rotations; then on each frozen block
a classifier of three layers, for 100 epochs.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, replace
from typing import Any, ClassVar

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from sslviz import classifiers, features, networks
from sslviz.model import Network
from sslviz.options import make_task, options_of
from sslviz.papers.base import Divided, Figure, Findings, Paper, Report, Row, Scale
from sslviz.plan import Plan
from sslviz.runs import Run, Spec
from sslviz.tasks import Task
from sslviz.train import make_plan

SIDE = 32
PADDING = 4
BATCH, LR, MOMENTUM, DECAY = 128, 0.1, 0.9, 5e-4
FALL = 0.2
"""The learning rate is multiplied by this."""
FALLS = (60 / 200, 120 / 200, 160 / 200)
"""Where in training the network."""
PROBE_FALLS = (20 / 100, 40 / 100, 45 / 100)
"""Where in training the classifiers."""

WORTH_COMPILING = 20_000
"""Steps from which on the third that a GPU saves at each is more than the time that compiling takes."""

ISSUE = "issue 6 of github.com/gidariss/FeatureLearningRotNet"
TABLE = f"table 1 of the paper, as quoted in {ISSUE}"
RERUN = f"the authors' code, run by a reader, {ISSUE}"


def _by_block(source: str, certainty: str, *values: float) -> dict[str, Figure]:
    return {f"conv{n}": Figure(value, source, certainty) for n, value in enumerate(values, start=1)}


PUBLISHED = _by_block(TABLE, "second-hand", 0.8507, 0.8906, 0.8621, 0.6173)
RERUNS = _by_block(RERUN, "read", 0.8465, 0.8889, 0.8588, 0.5404)
PRETEXT = Figure(0.9365, RERUN, "read")
QUOTED = {
    "the same network trained on the labels": Figure(
        0.9280, "the paper, quoted in notes on it", "second-hand"
    ),
    "a convolutional block on conv2, another probe": Figure(
        0.9116, "the paper, quoted in notes on it", "second-hand"
    ),
}


class RotNet(Paper):
    name = "rotnet-cifar10"
    title = "RotNet on CIFAR-10"
    citation = (
        "Gidaris, Singh and Komodakis: Unsupervised Representation Learning by Predicting Image Rotations, "
        "ICLR 2018"
    )
    data = "cifar10"
    scales: ClassVar[Mapping[str, Scale]] = {
        "paper": Scale("as published", 200, None, BATCH, 100, None, None),
        "hour": Scale("about an hour on two processor cores", 200, 24_000, 32, 8, 5_000, 2_000),
        "minutes": Scale("minutes on two processor cores", 200, 4_000, 32, 3, 1_500, 1_000),
    }

    @property
    def task(self) -> Task:
        """The whole image, shifted by up to four pixels over black and mirrored, then turned."""
        return make_task("rotation", {"smallest_crop": 1.0, "padding": PADDING})

    def spec(
        self,
        data: Divided,
        scale: Scale,
        *,
        seed: int = 0,
        device: str = "cpu",
        seconds: float | None = None,
        report: Report | None = None,
    ) -> Spec:
        squares = data.images.squares(SIDE, report and (lambda done, total: report(done, total, "squares")))
        steps = max(1, round(scale.shown(data.train) / scale.batch)) if seconds is None else None
        minutes = None if seconds is None else seconds / 60
        plan = make_plan(
            self.task, squares, model="nin", device=device, steps=steps, minutes=minutes, batch=scale.batch
        )
        plan = replace(
            plan,
            **_course(scale),
            milestones=FALLS,
            held_out_from=data.train,
            compile=device.startswith("cuda") and (steps or 0) >= WORTH_COMPILING,
        )
        return Spec(
            task=self.task.name,
            images=data.images.name,
            images_id=data.images.id,
            fingerprint=data.images.fingerprint,
            count=len(data.images),
            labels=len(data.names),
            options=options_of(self.task),
            model="nin",
            size=SIDE,
            seed=seed,
            device=device,
            steps=steps,
            minutes=minutes,
            batch=scale.batch,
            lr=plan.lr,
            title=self.title if data.images.name == self.data else f"RotNet on {data.images.name}",
            plan=asdict(plan),
        )

    def judge(
        self, run: Run, data: Divided, scale: Scale, *, device: str = "cpu", report: Report | None = None
    ) -> Findings:
        """The trained network is read as the authors did, with the BatchNorm statistics of its training; the
        untrained one has none, and takes those of the training images."""
        known = data.rows(test=False, most=scale.probe_images)
        asked = data.rows(test=True, most=scale.test_images)
        squares = data.images.squares(SIDE)
        train, test = _taken(squares, known), _taken(squares, asked)
        trained = networks.trained(run)
        untrained = features.estimated(networks.untrained(run), self.task, train, device=device)
        plan = probe_plan(scale, len(train), (run.spec.plan or {})["precision"])
        found = {}
        for name, encoder in (("trained", trained.encoder), ("untrained", untrained)):
            what = f"classifiers on the {name} network"
            made = classifiers.fit(
                encoder, self.task, train, data.labels(known), len(data.names), plan, padding=PADDING,
                seed=run.spec.seed, device=device,
                report=report and (lambda done, total, what=what: report(done, total, what)),
            )  # fmt: skip
            found[name] = classifiers.accuracies(
                encoder, made, self.task, test, data.labels(asked), device=device
            )
        rows = [Row("rotation", rotation_accuracy(trained, self.task, test, device), rerun=PRETEXT)]
        rows += [
            Row(block, value, found["untrained"][block], PUBLISHED.get(block), RERUNS.get(block))
            for block, value in found["trained"].items()
        ]
        return Findings(rows, 1 / len(data.names), len(test), QUOTED, remarks(run, data, scale))


def _course(scale: Scale) -> dict[str, Any]:
    """What training the network and the classifiers have in common. A smaller batch takes a lower rate, in
    proportion."""
    return {
        "lr": LR * scale.batch / BATCH,
        "momentum": MOMENTUM,
        "weight_decay": DECAY,
        "optimizer": "sgd",
        "schedule": "steps",
        "gamma": FALL,
        "warmup": 0.0,
        "label_smoothing": 0.0,
    }


def probe_plan(scale: Scale, images: int, precision: str = "fp32") -> Plan:
    """How the classifiers are trained on so many images; `precision` is that of the frozen network."""
    batch = min(scale.batch, images)
    plan = Plan(max(1, round(scale.probe_epochs * images / batch)), batch, LR, DECAY, precision)
    return replace(plan, **_course(scale), milestones=PROBE_FALLS)


def rotation_accuracy(network: Network, task: Task, images: Tensor, device: str = "cpu") -> float:
    """Share of the four turns of `images`, uint8 (N, 3, S, S), that the network tells; nothing is shifted or
    mirrored, as when the authors tested."""
    network = network.to(device).eval()
    right = 0
    with torch.inference_mode():
        for part in torch.split(images, classifiers.BATCH):
            for turn in range(4):
                views = part.to(device).rot90(turn, (-2, -1))[:, None]
                right += int((network(task.normalize(views)).argmax(1) == turn).sum())
    return right / (4 * len(images))


def remarks(run: Run, data: Divided, scale: Scale) -> list[str]:
    """In what a repetition differs from what was published."""
    plan = run.spec.plan or {}
    shown = plan["steps"] * plan["batch"]
    said = []
    if shown < 200 * data.train or scale != RotNet.scales["paper"]:
        said.append(
            f"Scaled down: {shown / data.train:.2f} epochs of {data.train:,} images for 200, classifiers "
            f"trained for {scale.probe_epochs:g} epochs for 100. The figures are not those of the paper."
        )
    if data.images.name != RotNet.data:
        said.append(f"The images are {data.images.name!r}; the published figures are of CIFAR-10.")
    if plan["precision"] != "fp32":
        said.append("The network was trained in bfloat16; the authors used single precision.")
    said.append("Classifiers are tested after their last epoch; the authors' code keeps the best one.")
    return said


def _taken(squares: NDArray[np.uint8], rows: Tensor) -> Tensor:
    return torch.from_numpy(squares[rows.numpy()])
