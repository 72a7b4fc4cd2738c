"""Exemplar-CNN: Dosovitskiy et al., NIPS 2014 and TPAMI 2015: the number of surrogate classes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, ClassVar

import numpy as np
from numpy.typing import NDArray

from sslviz.imagesets import ImageSet
from sslviz.intervals import chance_of_labels
from sslviz.papers import sweeps
from sslviz.papers.base import (
    RECALLED,
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
)
from sslviz.papers.data import Data, whole
from sslviz.runs import Run, Spec

if TYPE_CHECKING:
    from sslviz.features import Images
    from sslviz.model import Network
    from sslviz.tasks import Task

SIDE, PATCH = 64, 16
"""Of images and patches at the small scales: half of the paper's patches, at which a step takes a third."""

CURVE = "the peak of the paper's curve for its small network; where it peaks is second-hand, how high is not"
QUOTED = {
    "STL-10, by the largest network": Figure(0.742, "the paper, quoted in notes on it", SECOND_HAND),
}


class Classes(Paper):
    name = "exemplar-classes"
    title = "Exemplar-CNN and its classes"
    citation = (
        "Dosovitskiy, Fischer, Springenberg, Riedmiller and Brox: Discriminative Unsupervised Feature "
        "Learning with Exemplar Convolutional Neural Networks, NIPS 2014 and TPAMI 2015"
    )
    task = "exemplar"
    axis = "surrogate classes"
    measured = "labels told by a linear classifier"
    data = "STL-10"
    scales: ClassVar[Mapping[str, Scale]] = {
        "paper": Scale(
            "the paper's images and numbers of classes, not its 1.2 million steps",
            images=("stl10", "scenes"), values=(50, 500, 2000, 8000, 16_000), steps=20_000, batch=128,
        ),
        "hour": Scale(
            "half an hour on two processor cores", 35, values=(4, 16, 64, 250, 1000, 4000), steps=12_000,
            side=SIDE,
        ),
        "minutes": Scale(
            "minutes on two processor cores", 10, values=(4, 16, 64, 250, 1000), steps=1_000, side=SIDE
        ),
    }  # fmt: skip
    published: ClassVar[Mapping[str, Figure]] = {
        "8,000 surrogate classes": Figure(0.68, CURVE, RECALLED, 8000),
    }

    def gather(self, images: ImageSet, test: ImageSet | None = None) -> Data:
        return whole(images, test, labelled=True)

    def spec(
        self,
        data: Data,
        scale: Scale,
        value: Value,
        *,
        seed: int = 0,
        device: str = "cpu",
        seconds: float | None = None,
        report: Report | None = None,  # noqa: ARG002
    ) -> Spec:
        options = {"seeds": int(value.at), **({"patch": PATCH} if scale.side == SIDE else {})}
        return sweeps.spec(self, data, scale, value, options, seed=seed, device=device, seconds=seconds)

    def judge(
        self,
        runs: Sequence[Run],
        data: Data,
        scale: Scale,
        *,
        device: str = "cpu",
        report: Report | None = None,
    ) -> Findings:
        from sslviz import features, linear, networks

        squares = networks.squares_for(runs[0], data.images)
        answers = data.labels(data.rows(test=False, most=None))
        tell = report or (lambda *_: None)
        task = networks.task_of(runs[0])

        def told(found: NDArray[np.float32]) -> NDArray[np.bool_]:
            right: NDArray[np.bool_] = linear.cross_validated(found, answers, len(data.names)) == answers
            return right

        def worth(network: Network, what: str) -> NDArray[np.bool_]:
            tell(0, 1, f"features of {what}")
            return told(_features(network, task, squares, device))

        # All runs begin with the same blocks, so the untrained network is one.
        untrained = float(worth(networks.untrained(runs[0]), "the untrained network").mean())
        pixels = float(told(features.pixels(squares)).mean())
        chance = chance_of_labels(answers, answers, len(data.names))
        rows = []
        for run, value in zip(runs, self.values(scale), strict=True):
            right = worth(networks.trained(run), value.what)
            rows.append(
                Row(
                    value.what, float(right.mean()), len(answers), value.at, chance, untrained,
                    pixels, self._published_at(value.at), right=right,
                )
            )  # fmt: skip
        return Findings(rows, conclude(rows), self.measured, len(answers), QUOTED, remarks(runs, data, scale))

    def _published_at(self, at: float) -> Figure | None:
        return next((one for one in self.published.values() if one.at == at), None)


def _features(network: Network, task: Task, images: Images, device: str) -> NDArray[np.float32]:
    """float32 (N, D): of all blocks side by side, each averaged over quarters of the image."""
    from sslviz import features

    return np.concatenate(list(features.extract(network, task, images, device=device).values()), axis=1)


def conclude(rows: Sequence[Row]) -> Finding:
    """Whether more classes make better features, and whether too many make worse ones."""
    known = [(row, row.value) for row in rows if row.value is not None]
    (few, low), (many, end) = known[0], known[-1]
    best, most = max(known, key=lambda pair: pair[1])
    said = f"{low:.1%} of the labels are told with {few.what}, {most:.1%} with {best.what}"
    if best is few or not apart(few, best):
        return Finding(
            f"{said}." if best is not few else f"{low:.1%} of the labels are told with {few.what}, the most.",
            visible=False,
            reason="More classes did not make better features."
            if best is few
            else f"The difference is within what {best.asked:,} images can tell apart.",
        )
    falls = best is not many and apart(best, many)
    after = (
        f", and {end:.1%} with {many.what}: too many are worse again"
        if falls
        else ": more classes, better features"
    )
    return Finding(f"{said}{after}.", visible=True)


def remarks(runs: Sequence[Run], data: Data, scale: Scale) -> list[str]:
    """In what a repetition differs from what was published."""
    return [
        *sweeps.scaled_down(runs, data, scale, "1.2 million steps of 128 patches"),
        f"The labels are those of {data.images.name!r}; the published figures are of STL-10.",
        "The classifier is logistic regression on the features of all blocks, the means over quarters of the "
        "image, tested on a fifth at a time; the paper's is a support vector machine on maxima.",
        "With more than 1,000 classes the last layer compares directions and begins with an example of each.",
    ]
