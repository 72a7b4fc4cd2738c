"""Context prediction: Doersch, Gupta and Efros, ICCV 2015, section 3.1: what the gap is for."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import ClassVar

from sslviz.papers import sweeps
from sslviz.papers.base import Figure, Finding, Findings, Paper, Report, Row, Scale, Value, apart, points
from sslviz.papers.data import Data
from sslviz.runs import Run, Spec

DEFAULT_GAP = 0.5
PLAIN = {"patch": 0.12, "jitter": 0.0, "patch_norm": False, "colour": "none"}
"""Of both runs of the small network, which then finds within minutes what runs on from one patch to the next:
no other guard, and patches so small that where in the image they lie tells little."""


class Gap(Paper):
    name = "location-gap"
    title = "Relative location and its gap"
    citation = (
        "Doersch, Gupta and Efros: Unsupervised Visual Representation Learning by Context Prediction, "
        "ICCV 2015"
    )
    task = "location"
    axis = "gap"
    measured = "places told"
    data = "ImageNet"
    scales: ClassVar[Mapping[str, Scale]] = {
        "paper": Scale(
            "the paper's kind of network and patches of 58 pixels, not its weeks",
            images=("imagenette", "scenes"), model="alexnet", values=(0.0, DEFAULT_GAP), steps=20_000,
            batch=64, side=255,
        ),
        "hour": Scale("half an hour on two processor cores", 30, values=(0.0, DEFAULT_GAP), steps=12_000),
        "minutes": Scale("minutes on two processor cores", 4, values=(0.0, DEFAULT_GAP), steps=1_200),
    }  # fmt: skip
    published: ClassVar[Mapping[str, Figure]] = {}
    """The paper says why there is a gap, and gives no figure without one."""

    def say(self, at: float) -> str:
        if at == 0:
            return "no gap"
        return "a gap of half a patch" if at == DEFAULT_GAP else f"a gap of {at:g} patches"

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
        options = {"gap": value.at, **(PLAIN if scale.model == "small" else {})}
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
        rows = sweeps.held_out_rows(runs, self.values(scale), data.images, device=device, report=report)
        said = sweeps.scaled_down(runs, data, scale, "a million steps and more on ImageNet")
        if scale.model == "small":
            said.append(
                "Patches are small, and neither moved at random nor normalised nor freed of colour: the gap "
                "is the only guard. With the others on, so short a training does not find the shortcut, and "
                "patches that lie farther apart are easier to place, for they tell ground from sky."
            )
        return Findings(rows, conclude(rows), self.measured, rows[0].asked, remarks=said)


def conclude(rows: Sequence[Row]) -> Finding:
    """Whether the question is easier where the patches touch."""
    without, default = rows[0], rows[-1]
    easy, hard = without.value or 0.0, default.value or 0.0
    told = (
        f"With no gap {easy:.1%} of the places are told, with {default.what} {hard:.1%} "
        f"(chance {default.chance or 0:.1%})"
    )
    if easy > hard and apart(without, default):
        return Finding(
            f"{told}: {points(easy - hard)} come from what runs on from one patch to the next.", visible=True
        )
    reason = (
        f"The difference of {points(easy - hard)} is within what {default.asked:,} images held out can tell "
        "apart."
        if not apart(without, default)
        else "Patches that touch were not easier to place."
    )
    return Finding(f"{told}.", visible=False, reason=reason)
