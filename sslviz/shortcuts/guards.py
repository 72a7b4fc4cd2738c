"""The guards against shortcuts: what each is a guard against, and the task with and without it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from sslviz.errors import UserError

Value = bool | int | float | str
Options = dict[str, Value]

STRENGTHS = (0.0, 1.0, 2.0, 4.0, 6.0, 10.0, 15.0, 20.0, 30.0)
"""Of aberration, in per mille: how strong it can be chosen, since each is measured beforehand."""
USUAL_STRENGTH = 10.0
OFF = "off"

SAID: Mapping[str, str] = {
    "border": "the outermost pixels of each view",
    "tone": "mean and spread of each channel of each view",
    "fringes": "by how much red and blue lie beside green in each view",
    "sharpness": "how much neighbouring pixels differ in each view",
    "blocks": "where the edges of JPEG's blocks lie in the two views",
}
"""What each cue is, in words."""


@dataclass(frozen=True)
class Guard:
    """One guard of a task: the options that switch it off, and those of the measures that switch it on."""

    name: str
    """The word on the command line."""
    task: str
    title: str
    cue: str
    """What gives the answer away, in two sentences."""
    off: Mapping[str, Value]
    measures: Mapping[str, Mapping[str, Value]]
    """By name, the best known first: what the guard may be."""
    common: Mapping[str, Value] = field(default_factory=dict)
    """Options with and without it."""
    detector: str = ""
    """The cue that a classifier is given alone, see `cues.CUES`; empty where it guards against a mistake."""
    varies: bool = False
    """Whether the images are given aberration of a strength that can be chosen."""
    steps: int = 1200
    """Of each of the two runs, unless somebody asks for others."""

    @property
    def word(self) -> str:
        """Its name among the guards of its task: "gap"."""
        return self.name.partition("-")[2]

    @property
    def is_mistake(self) -> bool:
        """Whether it guards against a mistake that spoils the answers, not against a cue that tells them."""
        return not self.detector

    def options(self, which: str, strength: float = USUAL_STRENGTH) -> Options:
        """The options of the task with a measure, by its name, or with none, "off"."""
        chosen = self.off if which == OFF else self.measures[which]
        varied: Options = {"aberration": strength} if self.varies and strength else {}
        return {**self.common, **varied, **chosen}

    @property
    def measure(self) -> str:
        """The name of the best known measure."""
        return next(iter(self.measures))

    def say(self, which: str) -> str:
        """With or without it, in words."""
        if which == OFF:
            return "without the guard"
        return "with the guard" if len(self.measures) == 1 else f"with the guard, {which}"


ON: Mapping[str, Mapping[str, Value]] = {"on": {}}

_ALL = (
    Guard(
        "rotation-flip", "rotation", "Mirror first, turn last",
        "A view that is mirrored after it was turned left is the mirrored picture turned right: of the two "
        "quarter turns either answer is as good. No network can know better, so accuracy stops at 75%.",
        {"flip_after": True}, ON, steps=600,
    ),
    Guard(
        "rotation-bars", "rotation", "Cut a square, put no bars round it",
        "A photograph that is not square and is fitted into one has black bars above and below, and at its "
        "sides once it is turned. Where the bars are tells whether it was turned by a quarter, whatever it "
        "shows.",
        {"bars": 0.25}, ON, detector="border", steps=600,
    ),
    Guard(
        "rotation-resampling", "rotation", "Turn by moving whole pixels",
        "A turn that resamples leaves a picture a little softer than it was. Softness then tells the upright "
        "copy from the others, and nothing need be recognised.",
        {"softened": True}, ON, detector="sharpness", steps=600,
    ),
    Guard(
        "jigsaw-gap", "jigsaw", "Gaps between the tiles",
        "Tiles that touched fit together like pieces of a torn letter: lines and colours run on across the "
        "cut. A random gap keeps edges from being matched, so that the tiles have to be understood.",
        {"crop": 0.715, "tile": 1.0, "jitter": False}, ON, detector="border",
    ),
    Guard(
        "jigsaw-tone", "jigsaw", "Mean and spread of each tile",
        "Neighbouring tiles are about as bright as each other, and the sky is brighter than the ground. "
        "Brightness and contrast alone then sort the tiles; each is given mean 0 and spread 1.",
        {"tile_norm": False}, ON, detector="tone",
    ),
    Guard(
        "jigsaw-fringes", "jigsaw", "Colour measures against fringes",
        "A lens bends colours differently, so that edges have fringes of green and magenta, the wider the "
        "farther from the centre. They tell where in the photograph a tile was, whatever it shows.",
        {"colour_guard": 0.0},
        {"shift": {"colour_guard": 1.0, "grey": 0.0}, "grey": {"colour_guard": 1.0, "grey": 1.0}},
        detector="fringes", varies=True,
    ),
    Guard(
        "location-gap", "location", "Gap and jitter",
        "Where two patches touch, a line or a colour that runs on from one to the other gives the answer "
        "away. A gap, and a little random movement of each patch, leave no edge to be matched.",
        {"gap": 0.0, "jitter": 0.0}, ON, detector="border",
    ),
    Guard(
        "location-tone", "location", "Mean and spread of each patch",
        "The sky is brighter than the ground, and corners of photographs are darker than their middle. "
        "Brightness alone then tells above from below; each patch is given mean 0 and spread 1.",
        {"patch_norm": False}, ON, detector="tone",
    ),
    Guard(
        "location-fringes", "location", "Colour measures against fringes",
        "A lens bends colours differently, so that edges have fringes of green and magenta, the wider the "
        "farther from the centre. They tell where in the photograph a patch was, and from two such places "
        "how one lies to the other.",
        {"colour": "none"},
        {"project": {"colour_guard": 1.0}, "drop": {"colour": "drop", "colour_guard": 1.0}},
        detector="fringes", varies=True,
    ),
    Guard(
        "location-blocks", "location", "Jitter against the blocks of JPEG",
        "JPEG works on blocks of 8 pixels, whose edges show where much was compressed. Patches at fixed "
        "distances have the edges at fixed places, which tells one neighbour from another; random movement "
        "hides that.",
        {"jitter": 0.0}, ON, common={"jpeg": 10}, detector="blocks",
    ),
    Guard(
        "location-flip", "location", "Mirror first, cut last",
        "A pair whose patches are mirrored after they were cut shows left as right, and its answer still "
        "says left. Six of the eight answers are then as good as their mirrored twins: it stops at 62.5%.",
        {"flip_after": True}, ON,
    ),
)  # fmt: skip

GUARDS: Mapping[str, Guard] = {guard.name: guard for guard in _ALL}
"""By the name that `sslviz shortcut` takes, in the order of the tasks."""


def guard_named(name: str) -> Guard:
    """The guard of this name. Raises `UserError` where there is none, listing those there are."""
    if name not in GUARDS:
        raise UserError(f"There is no guard {name!r}.", f"Choose {', '.join(GUARDS)}.")
    return GUARDS[name]


def measure_named(guard: Guard, measure: str | None) -> str:
    """The measure of this name, the best known by default. Raises `UserError` where it has none such."""
    if measure is None:
        return guard.measure
    if measure not in guard.measures:
        raise UserError(f"{guard.name} has no measure {measure!r}.", f"Choose {' or '.join(guard.measures)}.")
    return measure


def strength_of(guard: Guard, strength: float | None) -> float:
    """The strength of aberration, the usual one by default, 0 where nothing varies. Raises `UserError` where
    it cannot be that."""
    if not guard.varies:
        if strength is not None:
            raise UserError(f"{guard.name} has no aberration to be chosen.", "Leave --strength out.")
        return 0.0
    chosen = USUAL_STRENGTH if strength is None else float(strength)
    if not 0 <= chosen <= max(STRENGTHS):
        raise UserError(f"Aberration cannot be {chosen:g} per mille.", f"It is from 0 to {max(STRENGTHS):g}.")
    return chosen
