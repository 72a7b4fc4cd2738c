"""Pretext accuracy against what the features are worth downstream, along runs and across them.

A point is a state of a run that was kept: how well the network did its own task then, and how well neighbours
or a linear classifier told labels by the features of a block. The first is in the run's curves, the second is
computed from the state's weights on at most a thousand labelled images, in a process of its own, and kept.

Reading imports numpy alone.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

import numpy as np

from sslviz import curves, imagesets, kept, linear, neighbors, runs
from sslviz.errors import UserError
from sslviz.imagesets import ImageSet
from sslviz.intervals import wilson
from sslviz.runs import Run
from sslviz.runs.states import State, state_identity, states
from sslviz.threads import side_by_side

AREA = "scatter"
VERSION = 3
"""Of what is computed and of how it is kept."""
KEPT_BYTES = 50_000_000
MOST = 1000
"""Images: the figures are then within three points, and a state takes a few seconds."""
NEAR = 20
"""Neighbours that vote, as everywhere."""
WINDOW = 0.25
"""Training accuracies are averaged over the steps this near, as a share of the step: a batch is few."""
FEWEST = 3
"""Points that are averaged at least."""
FEW = 8
"""Points under which a correlation says little."""

Source = Literal["chance", "training", "held out"]
PROBES = ("knn", "linear")
"""What tells labels: the nearest others, or a linear classifier that has learned from four fifths of them."""
Report = Callable[[int, int, str], None]


@dataclass(frozen=True)
class Point:
    """One state of one run."""

    run: str
    """Id."""
    task: str
    step: int
    last: bool
    """The end of what there is of the run."""
    pretext: float
    """Accuracy in the pretext task."""
    source: Source
    """Where that comes from: chance before the first step, training examples before the first evaluation."""
    chance: float
    worth: dict[str, float]
    """By block, from the first to the last: share of the images whose label the others tell, by a probe."""

    @property
    def scaled(self) -> float:
        """Pretext accuracy from chance, 0, to never wrong, 1, so that tasks can stand on one axis."""
        return (self.pretext - self.chance) / (1 - self.chance)

    def on(self, scaled: bool) -> float:
        return self.scaled if scaled else self.pretext


@dataclass(frozen=True)
class Correlation:
    """How two orders agree (Spearman): 1 for the same, -1 for the reverse."""

    value: float
    points: int
    still: bool = False
    """The worth of the features moved by less than the images can tell: the order is then chance."""

    @property
    def few(self) -> bool:
        return self.points < FEW


def sample(images: ImageSet) -> ImageSet:
    """The images that are looked at: those with a label or, of more than a thousand, some of each label.

    Raises `UserError` where there are no two labels to tell apart.
    """
    names = sorted(images.label_counts())
    place = {name: number for number, name in enumerate(names)}
    labels = np.array([place.get(label or "", -1) for label in images.labels], np.int64)
    rows = np.flatnonzero(labels >= 0)
    if len(names) < 2 or len(rows) < 3:
        raise UserError(
            f"The images of {images.name!r} have no two labels to tell apart.",
            "What features are worth is measured by labels, the names of folders: choose another set.",
        )
    return imagesets.Sample(images, rows[imagesets.draw_evenly(labels[rows], MOST)])


def points(run: Run, some: ImageSet, probe: str = "knn") -> list[Point] | None:
    """The points of a run on a `sample`, in order, by one of `PROBES`; None where not all are computed.

    A state of which no pretext accuracy is known is left out. Raises `UserError` for a run without weights.
    """
    course, about = states(run), _about(some)
    found = [_read(run, about, state, probe) for state in course]
    chance = run.status().chance or (1 / run.spec.classes if run.spec.classes else None)
    made = []
    for (step, _), worth in zip(course, found, strict=True):
        if worth is None:
            return None
        told = pretext_at(run, step)
        if told is not None and chance is not None and chance < 1:
            last = step == course[-1][0]
            made.append(Point(run.id, run.spec.task, step, last, *told, chance, worth))
    return made


def pretext_at(run: Run, step: int) -> tuple[float, Source] | None:
    """Pretext accuracy after `step` steps, and what it is of.

    Held-out accuracy is measured a few times in a run: between two measurements it lies on the line from one
    to the other, and after the last it stays. Before the first it is that of training examples around the
    step, which are then still new to the network; before the first step it is chance.
    """
    if step == 0:
        chance = run.status().chance
        return None if run.spec.start is not None or chance is None else (chance, "chance")
    read = curves.read(run)
    measured = [(one["step"], value) for one in read if (value := curves.number(one.get("heldout_accuracy")))]
    if measured and step >= measured[0][0]:
        across, up = zip(*measured, strict=True)
        return float(np.interp(step, across, up)), "held out"
    around = [(one["step"], value) for one in read if (value := curves.number(one.get("accuracy")))]
    near = [value for at, value in around if abs(at - step) <= WINDOW * step]
    if len(near) < FEWEST:
        near = [value for _, value in sorted(around, key=lambda pair: abs(pair[0] - step))[:FEWEST]]
    return (float(np.mean(near)), "training") if near else None


def compute(workspace: Path, run_ids: Sequence[str], set_name: str, report: Report | None = None) -> None:
    """Compute what is not computed yet of these runs on a set; `report` is told (done, total, what).

    Raises `UserError` where there are no labels, and for a run without weights.
    """
    from sslviz import features, networks

    found = [runs.open_run(workspace, id_) for id_ in run_ids]
    some = sample(imagesets.open_set(workspace, set_name))
    about = _about(some)
    wanted = [(run, state) for run in found for state in states(run) if _read(run, about, state) is None]
    for done, (run, (step, weights)) in enumerate(wanted):
        if report:
            report(done, len(wanted), f"{run.title}, step {step:,}")
        looked = features.extract(
            networks.at(run, weights), networks.task_of(run), networks.squares_for(run, some)
        )
        kept.write(_path(run, about, (step, weights)), {}, worth=_worth(looked, some))
    if wanted:
        kept.prune(AREA, KEPT_BYTES)
    if report:
        report(len(wanted), len(wanted), "")


def best_block(course: Sequence[Point]) -> str:
    """The block whose features are worth most at the end of a run."""
    worth = course[-1].worth
    return max(worth, key=lambda block: worth[block])


def within(course: Sequence[Point], block: str, images: int) -> Correlation | None:
    """Along one run, whose features were measured on so many `images`: whether they get better as it does its
    task better. None where one of the two does not move, and for fewer than three points."""
    found = _correlation([(one.pretext, one.worth[block]) for one in course])
    if found is None:
        return None
    worth = [one.worth[block] for one in course]
    low, high = (wilson(share, images) for share in (min(worth), max(worth)))
    return replace(found, still=low[1] >= high[0])


def across(courses: Sequence[Sequence[Point]], block: str | None = None) -> Correlation | None:
    """Over the ends of several runs, by scaled accuracy and a block, by default the best of each."""
    ends = [course[-1] for course in courses if course and course[-1].last]
    return _correlation([(one.scaled, one.worth[block or best_block([one])]) for one in ends])


def _correlation(pairs: Sequence[tuple[float, float]]) -> Correlation | None:
    from scipy.stats import spearmanr

    if len(pairs) < 3 or any(len(set(side)) < 2 for side in zip(*pairs, strict=True)):
        return None
    value = float(spearmanr(np.array(pairs)).statistic)
    return Correlation(value, len(pairs)) if math.isfinite(value) else None


def _worth(looked: dict[str, neighbors.Floats], some: ImageSet) -> dict[str, dict[str, float]]:
    """By probe and block. Neighbours judge each image by all others, a linear classifier by four in five."""
    names = sorted(some.label_counts())
    labels = np.array([names.index(label or "") for label in some.labels], np.int64)

    def near(rows: neighbors.Floats) -> float:
        found = neighbors.search(rows, rows, NEAR, exclude_self=True)
        return neighbors.leave_one_out(*found, labels, len(names), NEAR) or 0.0

    def linearly(rows: neighbors.Floats) -> float:
        return float(np.mean(linear.cross_validated(rows, labels, len(names)) == labels))

    return {
        "knn": {block: near(rows) for block, rows in looked.items()},
        "linear": dict(zip(looked, side_by_side(linearly, looked.values()), strict=True)),
    }


def _about(some: ImageSet) -> list[str]:
    """What the worth of any network on these images depends on."""
    return [some.fingerprint, imagesets.labels_digest(some)]


def _path(run: Run, about: Sequence[str], state: State) -> Path:
    return kept.folder(AREA, [VERSION, *about, *state_identity(run, state)]) / "worth.bin"


def _read(run: Run, about: Sequence[str], state: State, probe: str = "knn") -> dict[str, float] | None:
    found = kept.read(_path(run, about, state))
    worth = found[0]["worth"].get(probe) if found else None
    return {str(block): float(share) for block, share in worth.items()} if worth else None
