"""RotNet on CIFAR-10: Gidaris, Singh and Komodakis, ICLR 2018, table 1.

The protocol is that of the authors' code (github.com/gidariss/FeatureLearningRotNet, its config folder):
Network-in-Network with four blocks, trained for 200 epochs to tell four rotations; then on each frozen block
a classifier of three layers, for 100 epochs. The smallest scale has a smaller network, trained by the recipe
of the house, and linear probes, which few labelled images suffice for.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, replace
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from sslviz.imagesets import ImageSet
from sslviz.intervals import Z, compare
from sslviz.papers.base import (
    READ,
    SECOND_HAND,
    Figure,
    Finding,
    Findings,
    Paper,
    Report,
    Row,
    Scale,
    Value,
    apart,
    points,
)
from sslviz.papers.data import Data, divide
from sslviz.runs import Run, Spec

if TYPE_CHECKING:
    from sslviz.plan import Plan
    from sslviz.tasks import Task

PADDING = 4
BATCH, LR, MOMENTUM, DECAY = 128, 0.1, 0.9, 5e-4
FALL = 0.2
"""The learning rate is multiplied by this."""
FALLS = (60 / 200, 120 / 200, 160 / 200)
"""Where in training the network."""
PROBE_FALLS = (20 / 100, 40 / 100, 45 / 100)
"""Where in training the classifiers."""
PUBLISHED_MODEL = "nin"
SET = "cifar10"

WORTH_COMPILING = 20_000
"""Steps from which on the third that a GPU saves at each is more than the time that compiling takes."""

ISSUE = "issue 6 of github.com/gidariss/FeatureLearningRotNet"
TABLE = f"table 1 of the paper, as quoted in {ISSUE}"
RERUN = f"the authors' code, run by a reader, {ISSUE}"
NOTES = "the paper, quoted in notes on it"


def _by_block(source: str, certainty: str, *values: float) -> dict[str, Figure]:
    numbered = enumerate(values, start=1)
    return {f"conv{n}": Figure(value, source, certainty, at=n) for n, value in numbered}


RERUNS = _by_block(RERUN, READ, 0.8465, 0.8889, 0.8588, 0.5404)
PRETEXT = Figure(0.9365, RERUN, READ)
ON_LABELS = "the same network trained on the labels"
QUOTED = {
    ON_LABELS: Figure(0.9280, NOTES, SECOND_HAND),
    "a convolutional block on conv2, another probe": Figure(0.9116, NOTES, SECOND_HAND),
}


class RotNet(Paper):
    name = "rotnet-cifar10"
    title = "RotNet on CIFAR-10"
    citation = (
        "Gidaris, Singh and Komodakis: Unsupervised Representation Learning by Predicting Image Rotations, "
        "ICLR 2018"
    )
    task = "rotation"
    axis = "block"
    measured = "labels told by a classifier of three layers"
    data = "CIFAR-10"
    scales: ClassVar[Mapping[str, Scale]] = {
        "paper": Scale(
            "as published", images=("cifar10",), model="nin", epochs=200, batch=BATCH, side=32,
            probe_epochs=100,
        ),
        "hour": Scale(
            "about an hour on two processor cores", 60, images=("cifar10", "scenes"), model="nin", epochs=200,
            most=24_000, batch=32, side=32, probe_epochs=8, probe_images=5_000, test_images=2_000,
        ),
        "minutes": Scale(
            "minutes on two processor cores, a smaller network and linear probes", 8,
            images=("cifar10", "scenes"), steps=1_500, batch=32, probe_images=8_000, test_images=4_000,
        ),
    }  # fmt: skip
    published: ClassVar[Mapping[str, Figure]] = _by_block(TABLE, SECOND_HAND, 0.8507, 0.8906, 0.8621, 0.6173)

    def gather(self, images: ImageSet, test: ImageSet | None = None) -> Data:
        return divide(images, test)

    def values(self, scale: Scale) -> Sequence[Value]:  # noqa: ARG002
        return [Value(0.0, "the network")]

    @property
    def made_task(self) -> Task:
        """The whole image, shifted by up to four pixels over black and mirrored, then turned."""
        from sslviz.options import make_task

        return make_task(self.task, {"smallest_crop": 1.0, "padding": PADDING})

    def spec(
        self,
        data: Data,
        scale: Scale,
        value: Value,  # noqa: ARG002
        *,
        seed: int = 0,
        device: str = "cpu",
        seconds: float | None = None,
        report: Report | None = None,
    ) -> Spec:
        from sslviz.options import options_of

        task = self.made_task
        side = scale.side or task.side(data.images.short_side)
        squares = data.images.squares(side, report and (lambda done, total: report(done, total, "squares")))
        plan = _plan(task, squares, data, scale, device, seconds)
        return Spec(
            task=self.task,
            images=data.images.name,
            images_id=data.images.id,
            fingerprint=data.images.fingerprint,
            count=len(data.images),
            labels=len(data.names),
            options=options_of(task),
            model=scale.model,
            size=side,
            seed=seed,
            device=device,
            steps=plan.steps if seconds is None else None,
            minutes=None if seconds is None else seconds / 60,
            batch=scale.batch,
            lr=plan.lr,
            title=self.title if data.images.name == SET else f"RotNet on {data.images.name}",
            plan=asdict(plan),
        )

    def judge(
        self,
        runs: Sequence[Run],
        data: Data,
        scale: Scale,
        *,
        device: str = "cpu",
        report: Report | None = None,
    ) -> Findings:
        from sslviz.papers import blocks

        (run,) = runs
        by_published = scale.model == PUBLISHED_MODEL
        given = blocks.material(run, data, scale)
        if by_published:
            turns, found = blocks.told(run, given, scale, device, report)
        else:
            turns, found = blocks.told_linearly(run, given, device, report)
        tested = len(next(iter(found["run"].values())))
        published, reruns = (self.published, RERUNS) if by_published else ({}, {})
        measured = self.measured if by_published else "labels told by a linear probe"
        rows = [Row("rotation", turns, tested, chance=1 / 4, rerun=PRETEXT if published else None)]
        for place, (block, right) in enumerate(found["run"].items(), start=1):
            rows.append(
                Row(
                    block, float(right.mean()), tested, place, given.chance,
                    float(found["untrained"][block].mean()), published=published.get(block),
                    rerun=reruns.get(block), right=right,
                )
            )  # fmt: skip
        right = blocks.told_by_labels(run, given, device, report)
        quoted = dict(QUOTED)
        beside = quoted.pop(ON_LABELS) if published else None
        rows.append(
            Row(
                ON_LABELS,
                float(right.mean()),
                tested,
                chance=given.chance,
                published=beside,
                line="from labels",
                right=right,
            )
        )
        concluded = conclude(rows, found["untrained"])
        return Findings(rows, concluded, measured, tested, quoted, remarks(run, data, scale))


def _plan(task: Task, squares: Any, data: Data, scale: Scale, device: str, seconds: float | None) -> Plan:
    """What the run does: by the authors' configuration where it is their network, else by our recipe."""
    from sslviz.train import make_plan

    steps = scale.steps_for(data.train, scale.batch or BATCH) if seconds is None else None
    minutes = None if seconds is None else seconds / 60
    plan = make_plan(
        task, squares, model=scale.model, device=device, steps=steps, minutes=minutes, batch=scale.batch
    )
    if scale.model == PUBLISHED_MODEL:
        plan = replace(
            plan,
            **course(scale.batch or BATCH),
            milestones=FALLS,
            compile=device.startswith("cuda") and (steps or 0) >= WORTH_COMPILING,
        )
    return replace(plan, held_out_from=data.train)


def course(batch: int) -> dict[str, Any]:
    """What training the network and the classifiers have in common. A smaller batch takes a lower rate, in
    proportion."""
    return {
        "lr": LR * batch / BATCH,
        "momentum": MOMENTUM,
        "weight_decay": DECAY,
        "optimizer": "sgd",
        "schedule": "steps",
        "gamma": FALL,
        "warmup": 0.0,
        "label_smoothing": 0.0,
    }


def conclude(rows: Sequence[Row], untrained: Mapping[str, NDArray[np.bool_]] | None = None) -> Finding:
    """Whether the accuracy of the probe rises from block to block, and falls at the end, in a network that
    tells the turns and whose best block is worth more than it was `untrained`: that may rise and fall too."""
    blocks = [(row, row.value) for row in rows if row.at is not None and row.value is not None]
    (first, low), (last, end) = blocks[0], blocks[-1]
    best, most = max(blocks, key=lambda pair: pair[1])
    told = f"{low:.1%} of the labels are told from {first.what}, {most:.1%} from {best.what}"
    if best in (first, last):
        return Finding(
            f"{told}, and {end:.1%} from {last.what}, the last." if best is first else f"{told}, the last.",
            visible=False,
            reason=f"The {'first' if best is first else 'last'} block is the best: there is no "
            f"{'rise' if best is first else 'fall'}.",
        )
    sentence = f"{told} and {end:.1%} from {last.what}, the last: accuracy rises and falls with depth."
    if (nothing := _nothing_learned(rows, best, untrained)) is not None:
        return Finding(f"{told} and {end:.1%} from {last.what}, the last.", visible=False, reason=nothing)
    for other, what in ((first, "rise"), (last, "fall")):
        if not apart(best, other):
            return Finding(
                f"{told} and {end:.1%} from {last.what}, the last.",
                visible=False,
                reason=f"The {what} of {points(abs(most - (other.value or 0)))} is within what "
                f"{best.asked:,} test images can tell apart.",
            )
    return Finding(sentence, visible=True)


def _nothing_learned(
    rows: Sequence[Row], best: Row, untrained: Mapping[str, NDArray[np.bool_]] | None
) -> str | None:
    """Why what the blocks show is nothing that the network has learned, or None where it may be."""
    turns = next((row for row in rows if row.what == "rotation"), None)
    if turns is not None and turns.value is not None and turns.asked and turns.chance is not None:
        noise = Z * math.sqrt(turns.chance * (1 - turns.chance) / turns.asked)
        if turns.value < turns.chance + noise:
            return f"Turns are told no better than by guessing, {turns.value:.1%}: nothing is learned yet."
    if untrained is not None and best.right is not None and best.value is not None:
        before = untrained[best.what]
        if not compare(best.right, before).told_apart or best.value < before.mean():
            return (
                f"From the same block of the untrained network {before.mean():.1%} are told, which "
                f"{len(before):,} test images do not tell apart: it has learned too little."
            )
    return None


def remarks(run: Run, data: Data, scale: Scale) -> list[str]:
    """In what a repetition differs from what was published."""
    plan = run.spec.plan or {}
    shown = plan["steps"] * plan["batch"]
    said = []
    if shown < 200 * data.train or scale != RotNet.scales["paper"]:
        probes = f"classifiers trained for {scale.probe_epochs:g} epochs for 100"
        if run.spec.model != PUBLISHED_MODEL:
            probes = "linear probes for classifiers of three layers"
        said.append(
            f"Scaled down: {shown / data.train:.2f} epochs of {data.train:,} images for 200, {probes}. The "
            "figures are not those of the paper."
        )
    if run.spec.model != PUBLISHED_MODEL:
        said.append(
            f"The network is {run.spec.model!r}, of five blocks, trained by the house's recipe; the paper's "
            "has four, each of three layers, and is trained by SGD."
        )
    if data.images.name != SET:
        said.append(f"The images are {data.images.name!r}; the published figures are of CIFAR-10.")
    if plan["precision"] != "fp32":
        said.append("The network was trained in bfloat16; the authors used single precision.")
    if run.spec.model == PUBLISHED_MODEL:
        said.append("Classifiers are tested after their last epoch; the authors' code keeps the best one.")
    return said
