"""What a published experiment is: which run repeats it, how it is judged, and what was published."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field
from typing import Any, ClassVar

import torch
from torch import Tensor

from sslviz import imagesets
from sslviz.errors import UserError
from sslviz.imagesets import ImageSet
from sslviz.runs import Run, Spec

Report = Callable[[int, int, str], None]
"""Called with things done, things to do, and what is being done."""


@dataclass(frozen=True)
class Figure:
    """A number that somebody published."""

    value: float
    source: str
    certainty: str
    """"read": where it was published; "second-hand": where somebody quotes it; "recalled"."""


@dataclass(frozen=True)
class Scale:
    """How much of an experiment is done."""

    about: str
    epochs: float
    """Of the training images, in training the network."""
    most: int | None
    """Images shown in training the network, at most."""
    batch: int
    probe_epochs: float
    probe_images: int | None
    """Labelled images that a probe learns from, at most."""
    test_images: int | None

    def shown(self, images: int) -> int:
        """How often an image of `images` is shown, in all."""
        count = max(1, round(self.epochs * images))
        return count if self.most is None else min(self.most, count)


@dataclass(frozen=True)
class Divided:
    """A labelled set whose first images are for training and whose others are for testing."""

    images: ImageSet
    train: int
    """Images to train on."""
    names: list[str]
    """The labels, in order."""

    def labels(self, rows: Tensor) -> Tensor:
        """int64: the label of each of `rows`, as its place in `names`."""
        place = {name: number for number, name in enumerate(self.names)}
        return torch.tensor([place[self.images.entries[row].label or ""] for row in rows.tolist()])

    def rows(self, *, test: bool, most: int | None) -> Tensor:
        """int64: rows to train or to test on, or `most` of them, drawn with seed 0, in order."""
        begin, end = (self.train, len(self.images)) if test else (0, self.train)
        order = torch.randperm(end - begin, generator=torch.Generator().manual_seed(0)) + begin
        return order[:most].sort().values


@dataclass(frozen=True)
class Row:
    """One line of the comparison: fractions of 1."""

    what: str
    run: float | None
    untrained: float | None = None
    published: Figure | None = None
    rerun: Figure | None = None


@dataclass(frozen=True)
class Findings:
    """What a repetition found."""

    rows: list[Row]
    chance: float
    """Of the probe."""
    tested: int
    """Images that the probe was tested on."""
    quoted: dict[str, Figure] = field(default_factory=dict)
    """What else is worth knowing beside it."""
    remarks: list[str] = field(default_factory=list)
    """In what this differs from what was published."""

    def plain(self) -> dict[str, Any]:
        """As JSON has it."""
        return asdict(self)


class Paper(ABC):
    """A published experiment."""

    name: ClassVar[str]
    """The word on the command line."""
    title: ClassVar[str]
    citation: ClassVar[str]
    data: ClassVar[str]
    """The built-in set that it was done on."""
    scales: ClassVar[Mapping[str, Scale]]
    """By name, the whole one first and the smallest last."""

    @abstractmethod
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
        """The run, with its plan: to be made and trained as any other. With `seconds`, what that many seconds
        of training give instead of the epochs of `scale`."""

    @abstractmethod
    def judge(
        self, run: Run, data: Divided, scale: Scale, *, device: str = "cpu", report: Report | None = None
    ) -> Findings:
        """Put what the trained run is worth beside what was published."""


def divide(images: ImageSet, test: ImageSet | None = None) -> Divided:
    """A set divided into training and test images: by its names, as CIFAR-10 comes, or with a `test` set.

    Two sets are joined in a third, which is made once; what is in both is trained on. Raises `UserError` for
    a set that does not say what is to be tested on, and where labels are missing.
    """
    if test is None:
        train = sum(1 for name in images.names if not name.startswith("test/"))
        if not 0 < train < len(images) or any(name.startswith("test/") for name in images.names[:train]):
            raise UserError(
                f"The set {images.name!r} does not say which images are to be tested on.",
                "Give them with --test.",
            )
        return _labelled(images, train)
    return _labelled(_joined(images, test), len(images))


def _joined(images: ImageSet, test: ImageSet) -> ImageSet:
    known = set(images.ids)
    added = [(one.id, one.label) for one in test.entries if one.id not in known]
    wanted = [(one.id, one.label) for one in images.entries] + added
    if len(wanted) == len(images):
        raise UserError(
            f"All images of {test.name!r} are in {images.name!r} too.",
            "Test on images that it does not have.",
        )
    name = f"{images.name[:36]} + {test.name[:36]}"
    if imagesets.find(images.workspace, name) is not None:
        there = imagesets.open_set(images.workspace, name)
        if [(one.id, one.label) for one in there.entries] == wanted:
            return there
        name = imagesets.free_name(images.workspace, name)
    return imagesets.merge(images.workspace, [images.name, test.name], name)


def _labelled(images: ImageSet, train: int) -> Divided:
    labels = images.labels
    names = sorted({label for label in labels[:train] if label is not None})
    bare = sum(1 for label in labels if label is None)
    if len(names) < 2 or bare:
        raise UserError(
            f"The images of {images.name!r} are not all labelled."
            if bare
            else f"The images of {images.name!r} have no two labels to tell apart.",
            "Labels are the names of folders; give sets that have them.",
        )
    strange = sorted({label for label in labels[train:] if label is not None} - set(names))
    if strange:
        raise UserError(
            f"No training image has the label {strange[0]!r}.", "Give training images of every label."
        )
    return Divided(images, train, names)
