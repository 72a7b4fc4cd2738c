"""What localisation found: boxes by network, rule and block, and how often they are right; numpy alone."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sslviz import kept
from sslviz.dense import boxes, places
from sslviz.dense.boxes import Boxes
from sslviz.imagesets import ImageSet
from sslviz.intervals import Comparison, compare, wilson
from sslviz.runs import Run

SOURCES = ("run", "untrained", "colour")
RULES = {
    "energy": "Energy",
    "component": "First component",
    "contrast": "Unlike the border",
    "taught": "Self-taught",
}
"""By name, what they are called."""


@dataclass(frozen=True, eq=False)
class Localisation:
    """Boxes in N images of a set. Some of the images choose rule and block, the others are reported."""

    rows: NDArray[np.int64]
    """(N,) rows of the images."""
    true: Boxes
    """(N, 4)"""
    found: dict[str, dict[str, dict[str, Boxes]]]
    """By source, rule and block (N, 4); colour has one rule and one "block"."""

    @property
    def reported(self) -> NDArray[np.int64]:
        """Places of the images that figures are of."""
        return boxes.parts(len(self.rows))[1]

    def chosen(self, source: str, rule: str = "") -> tuple[str, str]:
        """(rule, block) that was right most often on the images that are not reported; of one rule where it
        is given."""
        by, _ = boxes.parts(len(self.rows))
        return max(
            [
                (one, block)
                for one, blocks in self.found[source].items()
                for block in blocks
                if rule in ("", one)
            ],
            key=lambda one: boxes.right(self.found[source][one[0]][one[1]][by], self.true[by]).mean(),
        )

    def boxes(self, source: str, rule: str = "", block: str = "") -> Boxes:
        """(N, 4): of a network by a rule and a block, by default those that were chosen; "centre" and "whole"
        are the same box everywhere."""
        if source in ("centre", "whole"):
            one = boxes.centre() if source == "centre" else boxes.WHOLE
            return np.tile(one, (len(self.rows), 1))
        if not rule:
            rule, block = self.chosen(source)
        return self.found[source][rule][block]

    def right(self, source: str, rule: str = "", block: str = "") -> NDArray[np.bool_]:
        """(R,): whether the box is right, of the images that are reported."""
        some = self.reported
        return boxes.right(self.boxes(source, rule, block)[some], self.true[some])

    def corloc(self, source: str, rule: str = "", block: str = "") -> float:
        """The share of the images reported whose box is right."""
        return float(self.right(source, rule, block).mean())

    def interval(self, source: str, rule: str = "", block: str = "") -> list[float]:
        """Wilson's 95% interval of it."""
        return wilson(self.corloc(source, rule, block), len(self.reported))

    def lead(self, other: str) -> Comparison:
        """Whether the run's boxes are right more often than those of another, image by image."""
        return compare(self.right("run"), self.right(other))

    def numbers(self) -> dict[str, Any]:
        """Plain numbers, fit for JSON. `chosen` has rule and block, `lead` by how much the run is right more
        often, with its 95% interval."""
        corloc: dict[str, Any] = {
            source: {
                rule: {block: self.corloc(source, rule, block) for block in blocks}
                for rule, blocks in self.found[source].items()
            }
            for source in ("run", "untrained")
        }
        corloc |= {source: self.corloc(source) for source in ("colour", "centre", "whole")}
        corloc["best"] = {source: self.corloc(source) for source in ("run", "untrained")}
        leads = {other: self.lead(other) for other in ("untrained", "colour", "centre")}
        return {
            "images": len(self.reported),
            "chosen_by": len(self.rows) - len(self.reported),
            "corloc": corloc,
            "chosen": {source: list(self.chosen(source)) for source in ("run", "untrained")},
            "intervals": {source: self.interval(source) for source in (*SOURCES, "centre", "whole")},
            "lead": {other: [one.difference, one.low, one.high] for other, one in leads.items()},
        }


def find(run: Run, images: ImageSet) -> Localisation | None:
    """What was found, or None where it is not computed, or not all of it can be read.

    Raises `UserError` for a run without weights, and for a set that knows no boxes.
    """
    boxes.rows(images)  # says what is missing
    rows = np.empty(0, np.int64)
    found: dict[str, dict[str, dict[str, Boxes]]] = {}
    for source in SOURCES:
        read = kept.read(places.found_boxes(run, images, source))
        if read is None:
            return None
        head, arrays = read
        rows = arrays["rows"]
        found[source] = {
            rule: {block: arrays[f"{rule} {block}"].astype(np.float64) for block in head["blocks"]}
            for rule in head["rules"]
        }
    true = np.stack([box for row in rows if (box := boxes.of_entry(images.entries[row])) is not None])
    return Localisation(rows, true, found)


def state(run: Run, images: ImageSet) -> tuple[int, ...]:
    """When the boxes of each network were written, 0 where they are not there; quick to ask for."""
    return tuple(kept.written(places.found_boxes(run, images, source)) for source in SOURCES)


def key(run: Run, images: ImageSet) -> str:
    """A text that changes with anything that the findings depend on."""
    return " ".join(places.found_boxes(run, images, source).parent.name for source in SOURCES)
