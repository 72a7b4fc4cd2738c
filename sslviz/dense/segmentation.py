"""What segmentation found: of each source its answers, and the figures that follow from them; numpy alone."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sslviz import kept
from sslviz.dense import masks, places
from sslviz.dense.masks import Counts
from sslviz.imagesets import ImageSet
from sslviz.runs import Run

SOURCES = ("run", "untrained", "colour", "supervised")


@dataclass(frozen=True, eq=False)
class Answers:
    """Of one source about N images with C classes."""

    counts: Counts
    """(N, C, C) pixels by true class and answer."""
    blocks: dict[str, Counts]
    """(C, C) over all images, of each block alone; empty where there are none."""
    pictures: NDArray[np.uint8]
    """(M, S, S) the class answered at each pixel of the images that are shown."""


@dataclass(frozen=True, eq=False)
class Segmentation:
    """What was found of a run on a set."""

    classes: tuple[str, ...]
    """Background first."""
    known: int
    """Images that were learned from."""
    shown: tuple[int, ...]
    """(M,) rows of the images that are shown, all of them asked about."""
    sources: dict[str, Answers]
    """By name in `SOURCES`; "supervised" is not there where training would have taken too long."""
    setting: dict[str, Any]
    """How "supervised" was trained: its `side` and `steps`."""

    @property
    def asked(self) -> int:
        """Images that were asked about."""
        return len(self.sources["run"].counts)

    def totals(self, source: str) -> Counts:
        """(C, C) over all images; "background" answers nothing else."""
        found: Counts = np.zeros_like(self.sources["run"].counts[0])
        if source == "background":
            found[:, 0] = self.sources["run"].counts.sum((0, 2))
        else:
            found += self.sources[source].counts.sum(0)
        return found

    def by_block(self, source: str) -> dict[str, float]:
        """mIoU of each block alone."""
        return {name: masks.mean_overlap(counts) for name, counts in self.sources[source].blocks.items()}

    def lead(self, other: str) -> tuple[float, float, float]:
        """(by how much the run's mIoU is more than that of `other`, and the 95% interval of that)."""
        ours, theirs = self.sources["run"].counts, self.sources[other].counts
        more = masks.mean_overlap(ours.sum(0)) - masks.mean_overlap(theirs.sum(0))
        low, high = masks.interval(ours, theirs)
        return more, low, high

    def numbers(self) -> dict[str, Any]:
        """Plain numbers, fit for JSON. `interval` has 95% of the mIoU, `object` the overlap of all classes
        but the background as one, `by_class` null for a class that no image asked about has."""
        everyone = (*self.sources, "background")
        by_class = {
            source: [None if np.isnan(one) else float(one) for one in masks.overlaps(self.totals(source))]
            for source in everyone
        }
        return {
            "classes": list(self.classes),
            "known": self.known,
            "asked": self.asked,
            "miou": {source: masks.mean_overlap(self.totals(source)) for source in everyone},
            "interval": {source: masks.interval(one.counts) for source, one in self.sources.items()},
            "lead": {other: list(self.lead(other)) for other in self.sources if other != "run"},
            "by_block": {source: self.by_block(source) for source in ("run", "untrained")},
            "by_class": by_class,
            "pixels_right": {source: masks.right(self.totals(source)) for source in everyone},
            "object": {source: masks.objects(self.totals(source)) for source in everyone},
        }


def find(run: Run, images: ImageSet) -> Segmentation | None:
    """What was found, or None where it is not computed, or not all of it can be read.

    Raises `UserError` for a run without weights.
    """
    sources: dict[str, Answers] = {}
    head: dict[str, Any] = {}
    setting: dict[str, Any] = {}
    for source in SOURCES:
        found = kept.read(places.answers(run, images, source))
        if found is None:
            return None
        head, arrays = found
        setting = head["setting"]
        if head["answered"]:
            blocks = {name: arrays[f"block {name}"].astype(np.int64) for name in head["blocks"]}
            sources[source] = Answers(arrays["counts"].astype(np.int64), blocks, arrays["pictures"])
    return Segmentation(tuple(head["classes"]), head["known"], tuple(head["shown"]), sources, setting)


def state(run: Run, images: ImageSet) -> tuple[int, ...]:
    """When the answers of each source were written, 0 where they are not there; quick to ask for."""
    return tuple(kept.written(places.answers(run, images, source)) for source in SOURCES)


def key(run: Run, images: ImageSet) -> str:
    """A text that changes with anything that the findings depend on."""
    return " ".join(places.answers(run, images, source).parent.name for source in ("run", "untrained"))
