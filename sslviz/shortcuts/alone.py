"""What a cue alone was found to tell, with a guard and without it: kept, so that a page only reads it.

Reading imports no torch.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sslviz import imagesets, kept
from sslviz.errors import UserError
from sslviz.imagesets import ImageSet, Sample
from sslviz.intervals import compare_means, wilson
from sslviz.shortcuts.guards import OFF, SAID, STRENGTHS, Guard

AREA = "cues"
VERSION = 2
"""Of what is computed and of how it is kept."""
KEPT_BYTES = 50_000_000
FEWEST = 10
MOST = 600
"""Images that a cue is looked for in: an interval of 8 points at most, in seconds."""

Report = Callable[[int, int, str], None]


@dataclass(frozen=True, eq=False)
class Told:
    """What a cue tells by itself."""

    shares: NDArray[np.float32]
    """(N,) of each image, the share of its examples that are told rightly."""
    classes: int
    ceiling: float = 1.0
    """Right answers that are possible at best on these images, see `ceilings.at_best`."""
    reasons: tuple[str, ...] = ()
    """Why, in sentences."""

    @property
    def accuracy(self) -> float:
        return float(self.shares.mean())

    @property
    def chance(self) -> float:
        return 1.0 / self.classes

    @property
    def interval(self) -> tuple[float, float]:
        """Of 95%; counts images and not the examples made of them, which are alike."""
        low, high = wilson(self.accuracy, len(self.shares))
        return low, high

    @property
    def above_chance(self) -> bool:
        """Guessing is below the interval."""
        return self.interval[0] > self.chance

    def plain(self) -> dict[str, Any]:
        """As JSON has it."""
        return {
            "accuracy": self.accuracy,
            "interval": list(self.interval),
            "chance": self.chance,
            "images": len(self.shares),
            "ceiling": self.ceiling,
            "reasons": list(self.reasons),
        }


def lead(one: Told, other: Told) -> tuple[float, float, float]:
    """By how much one tells more than the other of the same images: (mean, low, high), 95%."""
    found = compare_means(one.shares.astype(np.float64), other.shares.astype(np.float64))
    return found.difference, found.low, found.high


def path_of(guard: Guard, which: str, strength: float, images: ImageSet) -> Path:
    """Where it is kept: a name made of all that it depends on."""
    options = sorted(guard.options(which, strength).items())
    depends = [VERSION, MOST, guard.task, options, guard.detector, images.fingerprint]
    return kept.folder(AREA, depends) / "told.bin"


def find(guard: Guard, which: str, strength: float, images: ImageSet) -> Told | None:
    """What was found; None where nothing was."""
    found = kept.read(path_of(guard, which, strength, images))
    if found is None:
        return None
    head, arrays = found
    return Told(arrays["shares"], int(head["classes"]), float(head["ceiling"]), tuple(head["reasons"]))


def strengths_of(guard: Guard, first: float = 0.0) -> list[float]:
    """The strengths that are asked about, `first` before all others."""
    return [first, *(one for one in STRENGTHS if one != first)] if guard.varies else [0.0]


def state(guard: Guard, images: ImageSet) -> int:
    """Changes whenever something was found; quick to ask for."""
    return sum(
        kept.written(path_of(guard, which, strength, images))
        for strength in strengths_of(guard)
        for which in (OFF, *guard.measures)
    )


def missing(guard: Guard, images: ImageSet) -> bool:
    """Whether anything is still to be found."""
    return any(
        not kept.written(path_of(guard, which, strength, images))
        for strength in strengths_of(guard)
        for which in (OFF, *guard.measures)
    )


def measure(guard: Guard, images: ImageSet, strengths: Iterable[float], report: Report | None = None) -> None:
    """Find what has not been found yet, at these strengths in their order, and keep it. Imports torch.

    `report` is called with (done, total, what is being done). Raises `UserError` for a guard without a cue,
    and where the images do not suffice.
    """
    from sslviz.options import make_task
    from sslviz.shortcuts import ceilings, detecting

    if guard.is_mistake:
        raise UserError(
            f"{guard.name} is no cue that could be told by itself.",
            "What is possible at best is said before any training.",
        )
    tell = report or (lambda *_: None)
    wanted = [(strength, which) for strength in strengths for which in (OFF, *guard.measures)]
    some = sample(images)
    for place, (strength, which) in enumerate(wanted):
        if find(guard, which, strength, images) is not None:
            continue
        said = guard.say(which) + (f", {strength:g} per mille" if guard.varies else "")
        tell(100 * place, 100 * len(wanted), said)
        task = make_task(guard.task, guard.options(which, strength))
        squares = np.ascontiguousarray(some.squares(task.side(images.short_side)))

        def part(done: int, total: int, place: int = place, said: str = said) -> None:
            tell(100 * place + 100 * done // total, 100 * len(wanted), said)

        shares, classes = detecting.told(task, squares, guard.detector, report=part)
        best = ceilings.at_best(task, squares)
        kept.write(
            path_of(guard, which, strength, images),
            {"shares": shares},
            classes=classes,
            ceiling=best.value,
            reasons=best.reasons,
        )
    kept.prune(AREA, KEPT_BYTES)
    tell(1, 1, "")


def sample(images: ImageSet) -> ImageSet:
    """The images that cues are looked for in. Raises `UserError` where there are too few."""
    if len(images) < FEWEST:
        raise UserError(
            f"A cue is looked for in {FEWEST} images at least; {images.name!r} has {len(images) or 'none'}.",
            "Add images to it.",
        )
    return Sample(images, imagesets.draw_evenly(np.zeros(len(images), np.int64), MOST))


def say(guard: Guard, off: Told, on: Told, measure_: str) -> str:
    """What was found, in sentences that claim what the intervals allow."""
    low, high = off.interval
    told = (
        f"A classifier that sees nothing but {SAID[guard.detector]} gives {off.accuracy:.1%} right answers "
        f"({low:.1%} to {high:.1%}), where guessing gives {off.chance:.1%}"
    )
    if not off.above_chance:
        return f"{told}: no more than guessing, so this cue gives nothing away on these images."
    mean, least, _ = lead(off, on)
    low, high = on.interval
    left = f"With {_called(guard, measure_)} it is {on.accuracy:.1%} ({low:.1%} to {high:.1%})"
    if least <= 0:
        return f"{told}. {left}: a difference that {len(on.shares):,} images cannot tell from none."
    if not on.above_chance:
        return f"{told}. {left}: no more than guessing."
    taken = mean / (off.accuracy - off.chance)
    return f"{told}. {left}, so that {min(taken, 1):.0%} of what was above chance is gone."


def _called(guard: Guard, measure_: str) -> str:
    return "the guard" if len(guard.measures) == 1 else f"“{measure_}”"
