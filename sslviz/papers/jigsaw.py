"""Jigsaw puzzles: Noroozi and Favaro, ECCV 2016, table 4: how many permutations there are to tell apart."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import ClassVar

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
from sslviz.papers.data import Data
from sslviz.runs import Run, Spec

DRAWN = "greedy_mean"
"""As in the paper (algorithm 1): the mean distance is large, and the closest two are not far apart.
With the default sets, whose closest two are, 256 were no harder than 8."""
TABLE = "table 4 of the paper"
QUOTED_IN = "the paper, as confirmed in issue 7 of github.com/bbrattoli/JigsawPuzzlePytorch"


def _published() -> dict[str, Figure]:
    known = {10: 0.97, 85: 0.88, 95: 0.87, 100: 0.84}
    found = {f"{at} permutations": Figure(value, TABLE, RECALLED, at) for at, value in known.items()}
    return found | {"1,000 permutations": Figure(0.71, QUOTED_IN, SECOND_HAND, 1000)}


class Permutations(Paper):
    name = "jigsaw-permutations"
    title = "Jigsaw and its permutations"
    citation = (
        "Noroozi and Favaro: Unsupervised Learning of Visual Representations by Solving Jigsaw Puzzles, "
        "ECCV 2016"
    )
    task = "jigsaw"
    axis = "permutations"
    measured = "puzzles solved"
    data = "ImageNet"
    scales: ClassVar[Mapping[str, Scale]] = {
        "paper": Scale(
            "the paper's network, batch and sizes, not its 350,000 steps", images=("imagenette", "scenes"),
            model="alexnet", values=(10, 100, 1000), steps=20_000, batch=256, side=255,
        ),
        "hour": Scale(
            "about an hour on two processor cores", 60, values=(10, 30, 100, 300, 1000), steps=8_000
        ),
        "minutes": Scale("minutes on two processor cores", 8, values=(10, 100, 1000), steps=1_200),
    }  # fmt: skip
    published: ClassVar[Mapping[str, Figure]] = _published()

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
        options = {"permutations": int(value.at), "permutation_set": DRAWN}
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
        rows = sweeps.held_out_rows(
            runs, self.values(scale), data.images, self.published, device=device, report=report
        )
        said = [
            *sweeps.scaled_down(runs, data, scale, "350,000 steps of 256 images of ImageNet"),
            "Every answer is scored by layers that all answers share; the paper's network has weights of its "
            "own for each.",
        ]
        return Findings(rows, conclude(rows), self.measured, rows[0].asked, remarks=said)


def conclude(rows: Sequence[Row]) -> Finding:
    """Whether the share of puzzles that are solved falls as there are more permutations."""
    known = [(row, row.value) for row in rows if row.value is not None]
    (few, most), (many, least) = known[0], known[-1]
    told = (
        f"With {few.what} {most:.1%} of the puzzles are solved (chance {few.chance or 0:.1%}), with "
        f"{many.what} {least:.1%} (chance {many.chance or 0:.1%})"
    )
    if most > least and apart(few, many):
        return Finding(f"{told}: the more permutations, the harder the question.", visible=True)
    reason = (
        "More permutations were not harder."
        if apart(few, many)
        else f"The difference is within what {few.asked:,} images held out can tell apart."
    )
    return Finding(f"{told}.", visible=False, reason=reason)
