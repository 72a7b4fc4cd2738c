"""Two short runs that differ in one guard alone: the same images, seed and steps; and what they come to.

It is an experiment like those of `sslviz.papers`, whose runs are made, found again and gone on with in the
same way; what is published of it is that a guard is needed.
"""

from __future__ import annotations

import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar

from sslviz.papers import records, sweeps
from sslviz.papers.base import Figure, Finding, Findings, Paper, Report, Row, Scale, Value, apart, points
from sslviz.papers.data import Data
from sslviz.papers.repeating import Asked
from sslviz.runs import Run, Spec
from sslviz.shortcuts.ceilings import of_options
from sslviz.shortcuts.guards import OFF, Guard
from sslviz.shortcuts.worth import Worth, judged

WITHOUT, WITH = 0.0, 1.0
"""Of what is varied: whether there is a guard."""
SCALE = "pair"


@dataclass(frozen=True)
class PairFindings(Findings):
    """What a pair of runs came to."""

    ceiling: float = 1.0
    """Right answers that are possible at best without the guard."""
    worth: Worth = field(default_factory=Worth)

    def plain(self) -> dict[str, Any]:
        """As JSON has it."""
        return {**super().plain(), "ceiling": self.ceiling, "worth": self.worth.plain()}


class Pair(Paper):
    """A guard, with a measure and a strength of aberration, trained for so long with it and without."""

    axis = "guard"
    measured = "right answers on images held out"
    data = ""
    citation = ""
    published: ClassVar[Mapping[str, Figure]] = {}

    def __init__(self, guard: Guard, measure: str, strength: float, steps: int | None) -> None:
        self.guard, self.measure, self.strength = guard, measure, strength
        self.name: str = f"shortcut {guard.name} {measure} {strength:g}"  # type: ignore[misc]
        self.title: str = guard.title  # type: ignore[misc]
        self.task: str = guard.task  # type: ignore[misc]
        self.scales: Mapping[str, Scale] = {  # type: ignore[misc]
            SCALE: Scale("two short runs", values=(WITHOUT, WITH), steps=steps)
        }

    def say(self, at: float) -> str:
        return self.guard.say(OFF if at == WITHOUT else self.measure)

    def options(self, at: float) -> dict[str, Any]:
        """Of the task, with the guard or without."""
        return self.guard.options(OFF if at == WITHOUT else self.measure, self.strength)

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
        """With `seconds` for both together, the first run finds out how many steps they give and the second
        replays its plan."""
        from dataclasses import replace

        options = self.options(value.at)
        spec = sweeps.spec(self, data, scale, value, options, seed=seed, device=device, seconds=None)
        if seconds is None:
            return spec
        key = records.key_of(self.name, scale, data.images.fingerprint, seed, seconds)
        known = records.find(data.images.workspace, key)
        first = known.runs.get(WITHOUT) if known is not None else None
        if value.at == WITHOUT or first is None:
            return replace(spec, minutes=seconds / 120)
        return replace(spec, like=first.id)

    def judge(
        self,
        runs: Sequence[Run],
        data: Data,
        scale: Scale,
        *,
        device: str = "cpu",
        report: Report | None = None,
    ) -> PairFindings:
        rows = sweeps.held_out_rows(runs, self.values(scale), data.images, device=device, report=report)
        worth = judged(runs, data.images, device, report)
        ceiling = of_options(self.task, self.options(WITHOUT)).value
        finding = conclude(self.guard, rows, worth, ceiling)
        return PairFindings(
            rows, finding, self.measured, rows[0].asked, remarks=_remarks(runs), ceiling=ceiling, worth=worth
        )


def _remarks(runs: Sequence[Run]) -> list[str]:
    plan = runs[0].spec.plan or {}
    return [
        f"{plan.get('steps', 0):,} steps of {plan.get('batch', 0)} images a run, the network "
        f"{runs[0].spec.model!r} and seed {runs[0].spec.seed}.",
        "One run each: what another seed would change is not in the intervals.",
    ]


def conclude(guard: Guard, rows: Sequence[Row], worth: Worth, ceiling: float) -> Finding:
    """What shows: of a cue, that the task gets easier without the guard and the features worth less; of a
    mistake, that the task gets harder and stays at its ceiling."""
    off, on = rows
    first, second = off.value or 0.0, on.value or 0.0
    told = (
        f"Without the guard {first:.1%} of the answers are right, with it {second:.1%} "
        f"(chance {off.chance or 0:.1%})"
    )
    differs = apart(off, on)
    if guard.is_mistake:
        return _mistake(told, off, first < second and differs, ceiling, worth)
    if not differs:
        return Finding(
            f"{told}, which {off.asked:,} images held out cannot tell apart. {worth.sentence}",
            visible=False,
            reason="The shortcut does not show at this scale: more steps may be needed, or these images lack "
            "the cue.",
        )
    if first < second:
        return Finding(
            f"{told}: the task is harder without it. {worth.sentence}",
            visible=False,
            reason="The shortcut does not show at this scale: a network that takes it finds the task easier.",
        )
    easier = f"{told}: it is easier without, by {points(first - second)}"
    if worth.less:
        return Finding(f"{easier}. {worth.sentence}", visible=True)
    return Finding(
        f"{easier}. {worth.sentence}",
        visible=False,
        reason="The task is easier, but that the features are worth less for it does not show at this scale.",
    )


def _mistake(told: str, off: Row, harder: bool, ceiling: float, worth: Worth) -> Finding:
    low = (off.interval or [0.0])[0]
    said = f"{told}. Without the guard {ceiling:.1%} are possible at best. {worth.sentence}"
    if low > ceiling:
        return Finding(said, False, "More is right than is possible: the images held out are too few to say.")
    if not harder:
        return Finding(
            said, False, f"The two are not told apart by {off.asked:,} images held out: train for longer."
        )
    return Finding(said, visible=True)


def asked(
    guard: Guard,
    data: Data,
    *,
    measure: str,
    strength: float,
    steps: int | None = None,
    minutes: float | None = None,
    seed: int = 0,
    device: str = "cpu",
    command: str = "",
) -> Asked:
    """The pair as `papers.repeating.repeat` takes it, for so many steps each or minutes together."""
    assert (steps is None) != (minutes is None)
    pair = Pair(guard, measure, strength, steps)
    seconds = None if minutes is None else 60 * minutes
    return Asked(pair, SCALE, data, seed, seconds, device, command)


def command_of(
    guard: Guard,
    images: str,
    *,
    measure: str,
    strength: float,
    steps: int | None = None,
    minutes: float | None = None,
    seed: int = 0,
    device: str = "auto",
) -> str:
    """The command line that asks for the same."""
    words = ["sslviz", "shortcut", guard.name, "--images", images]
    words += ["--steps", str(steps)] if steps is not None else ["--minutes", f"{minutes:g}"]
    words += ["--measure", measure] if measure != guard.measure else []
    words += ["--strength", f"{strength:g}"] if guard.varies else []
    words += ["--seed", str(seed)]
    return shlex.join(words + ([] if device == "auto" else ["--device", device]))


def found(workspace: Path, guard: Guard, images: str) -> list[records.Repetition]:
    """The pairs of a guard that were trained on a set, newest first, whole or not."""
    begins = f"shortcut {guard.name} "
    return [
        one for one in records.repetitions(workspace) if one.paper.startswith(begins) and one.images == images
    ]
