"""What a published experiment is: the runs that repeat it, how they are judged, and what was published."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from sslviz.imagesets import ImageSet
from sslviz.intervals import Z, compare, compare_means, of_mean, wilson
from sslviz.papers.data import Data, whole
from sslviz.runs import Run, Spec

Report = Callable[[int, int, str], None]
"""Called with things done, things to do, and what is being done."""

READ, SECOND_HAND, RECALLED = "read", "second-hand", "recalled, unchecked"
"""How certain a figure is: read where it was published; where somebody quotes it; from memory."""


@dataclass(frozen=True)
class Figure:
    """A number that somebody published."""

    value: float
    source: str
    certainty: str
    """`READ`, `SECOND_HAND` or `RECALLED`."""
    at: float | None = None
    """Of what is varied, where something is: how many classes, permutations, …"""


@dataclass(frozen=True)
class Scale:
    """How much of an experiment is done."""

    about: str
    minutes: float | None = None
    """About so many on two idle processor cores, for all runs and the judgement; None where nobody knows."""
    images: tuple[str, ...] = ("scenes",)
    """Built-in sets that will do, of which the first that is there is taken."""
    model: str = "small"
    values: tuple[float, ...] = ()
    """Of what is varied, one a run; empty where one run is all there is."""
    steps: int | None = None
    """Of each run; None where `epochs` says how many."""
    epochs: float = 0.0
    """Of the training images, in training the network."""
    most: int | None = None
    """Images shown in training the network, at most."""
    batch: int | None = None
    """Rows a step; None for the recipe of the task."""
    side: int | None = None
    """Of the square images, in pixels; None for the task's own choice."""
    probe_epochs: float = 0.0
    """Of the labelled images, in training a probe."""
    probe_images: int | None = None
    """Labelled images that a probe learns from, at most."""
    test_images: int | None = None

    def steps_for(self, images: int, batch: int) -> int:
        """Steps of a run on so many training images."""
        if self.steps is not None:
            return self.steps
        shown = max(1, round(self.epochs * images))
        return max(1, round((shown if self.most is None else min(self.most, shown)) / batch))


@dataclass(frozen=True)
class Value:
    """What one run of an experiment has that the others have not."""

    at: float
    """The value of what is varied; 0 where nothing is."""
    what: str
    """The same in words: "200 classes"."""


@dataclass(frozen=True)
class Row:
    """One line of the comparison: shares of 1."""

    what: str
    value: float | None
    """What was measured here."""
    asked: int = 0
    """Images that it is a share of, on which its interval rests."""
    at: float | None = None
    """Its place on the axis of the chart; None for a line beside the chart."""
    chance: float | None = None
    untrained: float | None = None
    """The same of the network before it was trained, where that is not chance."""
    pixels: float | None = None
    published: Figure | None = None
    rerun: Figure | None = None
    line: str = ""
    """Its name as a line across the chart, where it has no place on the axis and is a share of the same."""
    right: NDArray[np.bool_] | None = field(default=None, compare=False, repr=False)
    """bool (`asked`,): which of the images, where they are the same for other rows; not written down."""
    shares: NDArray[np.float64] | None = field(default=None, compare=False, repr=False)
    """float (`asked`,) in [0, 1]: how much of what was asked about each image, which is the same for other
    rows; not written down."""

    @property
    def interval(self) -> list[float] | None:
        """Of 95%, [low, high]: Wilson's, or from how much images differ where each was asked about often."""
        if self.shares is not None:
            return of_mean(self.shares)
        return None if self.value is None else wilson(self.value, self.asked)

    def plain(self) -> dict[str, Any]:
        """As JSON has it."""
        found = asdict(replace(self, right=None, shares=None)) | {"interval": self.interval}
        return {name: value for name, value in found.items() if name not in ("right", "shares")}


@dataclass(frozen=True)
class Finding:
    """Whether what was published shows in what was measured."""

    sentence: str
    visible: bool
    reason: str = ""
    """Why not, where it does not."""


@dataclass(frozen=True)
class Findings:
    """What a repetition found."""

    rows: list[Row]
    finding: Finding
    measured: str
    """What the shares of the rows are of: "puzzles solved"."""
    tested: int
    """Images that were tested on."""
    quoted: Mapping[str, Figure] = field(default_factory=dict)
    """What else is worth knowing beside it."""
    remarks: list[str] = field(default_factory=list)
    """In what this differs from what was published."""

    def plain(self) -> dict[str, Any]:
        """As JSON has it."""
        levels = {row.chance for row in self.rows if row.at is not None}
        return {
            "chance": levels.pop() if len(levels) == 1 else None,
            "rows": [row.plain() for row in self.rows],
            "finding": self.finding.sentence,
            "visible": self.finding.visible,
            "reason": self.finding.reason,
            "measured": self.measured,
            "tested": self.tested,
            "quoted": {what: asdict(figure) for what, figure in self.quoted.items()},
            "remarks": list(self.remarks),
        }


class Paper(ABC):
    """A published experiment: one run, or one for each value of something, judged together.

    Making one, and reading all that it says of itself, imports no torch.
    """

    name: ClassVar[str]
    """The word on the command line."""
    title: ClassVar[str]
    citation: ClassVar[str]
    task: ClassVar[str]
    axis: ClassVar[str]
    """What a chart has along it: "surrogate classes"."""
    measured: ClassVar[str]
    """What was published: "puzzles solved"."""
    data: ClassVar[str]
    """The images of the paper."""
    scales: ClassVar[Mapping[str, Scale]]
    """By name, the whole one first and the smallest last."""
    published: ClassVar[Mapping[str, Figure]]
    """By what they are of, in the order of the axis."""

    def gather(self, images: ImageSet, test: ImageSet | None = None) -> Data:
        """The images as the experiment needs them. Raises `UserError` where they do not suffice."""
        return whole(images, test)

    def values(self, scale: Scale) -> Sequence[Value]:
        """What the runs are of, one each, in the order in which they are made."""
        return [Value(at, self.say(at)) for at in scale.values]

    def say(self, at: float) -> str:
        """A value of what is varied, in words."""
        return f"{at:,.0f} {self.axis}"

    @abstractmethod
    def spec(
        self,
        data: Data,
        scale: Scale,
        value: Value,
        *,
        seed: int = 0,
        device: str = "cpu",
        seconds: float | None = None,
        report: Report | None = None,
    ) -> Spec:
        """The run of one value: to be made and trained as any other. With `seconds`, what that many seconds
        of training give instead of what `scale` says; `UserError` where runs need the same steps each."""

    @abstractmethod
    def judge(
        self,
        runs: Sequence[Run],
        data: Data,
        scale: Scale,
        *,
        device: str = "cpu",
        report: Report | None = None,
    ) -> Findings:
        """Put what the trained runs, one a value, are worth beside what was published."""


def apart(one: Row, other: Row, z: float = Z) -> bool:
    """Whether two shares differ by more than chance makes two shares of so many images differ, 95 times in
    100: of the same images pair by pair, else by the variances of both."""
    if one.value is None or other.value is None or not one.asked or not other.asked:
        return False
    if one.right is not None and other.right is not None:
        return compare(one.right, other.right).told_apart
    if one.shares is not None and other.shares is not None:
        return compare_means(one.shares, other.shares).told_apart
    variance = sum(row.value * (1 - row.value) / row.asked for row in (one, other) if row.value is not None)
    return abs(one.value - other.value) > z * math.sqrt(variance)


def points(share: float) -> str:
    """A difference of shares, in words."""
    return f"{100 * share:.1f} points"
