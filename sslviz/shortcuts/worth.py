"""What the features of two runs are worth, and whether they differ: by labels, or without any."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from sslviz.errors import UserError
from sslviz.imagesets import ImageSet
from sslviz.intervals import compare, compare_means, of_mean
from sslviz.papers.base import Report
from sslviz.runs import Run

if TYPE_CHECKING:
    from sslviz.embeddings import Source

PROBES = {"knn": "their neighbours", "linear": "a linear probe"}


@dataclass(frozen=True)
class Mark:
    """What is found of one network: a share of 1 and the ends of its 95% interval."""

    value: float
    low: float
    high: float
    block: str = ""


@dataclass(frozen=True)
class Measure:
    """One way to judge features, of the run without the guard, the one with it, and the network untrained."""

    name: str
    """"knn", "linear" or "agreement"."""
    off: Mark
    on: Mark
    untrained: Mark
    low: float
    high: float
    """The 95% interval of what the run without the guard is ahead by; below nought if it is worse."""
    asked: int


@dataclass(frozen=True)
class Worth:
    """All ways in which features could be judged."""

    measures: tuple[Measure, ...] = field(default_factory=tuple)
    chance: float | None = None
    """Of telling a label by guessing; None where there are no labels."""

    @property
    def less(self) -> bool:
        """Whether features are worth less without the guard by one measure, and more by none."""
        return any(one.high < 0 for one in self.measures) and not any(one.low > 0 for one in self.measures)

    @property
    def sentence(self) -> str:
        """What is said of the features, as far as intervals allow."""
        return " ".join(_say(one) for one in self.measures)

    def plain(self) -> dict[str, Any]:
        """As JSON has it."""
        return {"chance": self.chance, "measures": [asdict(one) for one in self.measures]}


def read(told: dict[str, Any]) -> Worth:
    """The inverse of `Worth.plain`."""
    measures = [
        Measure(**{**one, **{name: Mark(**one[name]) for name in ("off", "on", "untrained")}})
        for one in told["measures"]
    ]
    return Worth(tuple(measures), told["chance"])


def _say(one: Measure) -> str:
    if one.name == "agreement":
        what = "Of its ten nearest an image that is disturbed a little keeps"
    else:
        what = f"The features tell labels, by {PROBES[one.name]},"
    told = f"{what} {one.off.value:.1%} without it and {one.on.value:.1%} with it"
    told += f" (untrained {one.untrained.value:.1%})"
    if one.high < 0:
        return f"{told}: less without."
    return f"{told}: more without." if one.low > 0 else f"{told}: not told apart."


def judged(runs: Sequence[Run], images: ImageSet, device: str, report: Report | None) -> Worth:
    """Judge the features of the run without and of the run with the guard. Imports torch.

    By probes of labels where there are two labels, on the same questions; else by the neighbours that an
    image keeps, image by image. Raises `UserError` for a run without weights.
    """
    from sslviz import probes

    try:
        division = probes.divide(images)
    except UserError:  # no two labels
        return Worth((_agreement(runs, images, report),))
    for number, run in enumerate(runs):

        def tell(done: int, total: int, said: str, number: int = number) -> None:
            if report is not None:
                report(round(100 * (number + done / max(1, total))), 200, said)

        probes.measure(run, division, ("knn", "linear"), device=device, report=tell)
    return Worth(tuple(_probe(runs, division, name) for name in PROBES), division.chance)


def _probe(runs: Sequence[Run], division: Any, name: str) -> Measure:
    from sslviz import probes

    off, on = (probes.find(run, division, name) for run in runs)
    assert off is not None
    assert on is not None

    def mark(one: probes.Judged, source: str) -> Mark:
        low, high = one.interval(source)
        return Mark(one.accuracy(source), low, high, one.chosen.get(source, ""))

    right = [one.answers["run"][one.chosen["run"]] == one.truth for one in (off, on)]
    away = compare(*right)
    return Measure(
        name, mark(off, "run"), mark(on, "run"), mark(on, "untrained"), away.low, away.high, len(off.truth)
    )


def _agreement(runs: Sequence[Run], images: ImageSet, report: Report | None) -> Measure:
    from sslviz import embeddings
    from sslviz.lineup import judging

    some = judging.sample(images)

    def tell(done: int, total: int, said: str) -> None:
        if report is not None:
            report(done, total, said or "what images keep of their neighbours")

    off, *_ = judging.by_agreement(runs[0], some, tell, alone=True)
    on, untrained, *_ = judging.by_agreement(runs[1], some, tell, alone=False)
    sources: tuple[tuple[Run, Source], ...] = ((runs[0], "run"), (runs[1], "run"), (runs[1], "untrained"))
    marks, every = [], []
    for one, (run, source) in zip((off, on, untrained), sources, strict=True):
        block = one.contender.block
        shares = embeddings.keeps(run, some, source).get(block, np.zeros(0))
        low, high = of_mean(shares)
        marks.append(Mark(float(shares.mean()) if len(shares) else 0.0, low, high, block))
        every.append(shares)
    away = compare_means(every[0], every[1])
    return Measure("agreement", marks[0], marks[1], marks[2], away.low, away.high, away.queries)
