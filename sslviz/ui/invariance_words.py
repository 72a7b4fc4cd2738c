"""What to look for in the curves of invariance: what tasks ask for, and nothing that a figure has yet to
show."""

from __future__ import annotations

from collections.abc import Sequence

from sslviz.runs import Run

TITLES = {"angle": "Angle", "shift": "Shift", "scale": "Scale", "hue": "Hue", "contrast": "Contrast"}
AXES = {
    "angle": "turned by, in degrees counter-clockwise",
    "shift": "window moved to the right by, as a share of its side",
    "scale": "side of the window, as a multiple",
    "hue": "colours turned by, in turns of the colour wheel",
    "contrast": "difference to the mean colour times",
}
TICKS = {"angle": ".0f", "shift": "+.0%", "scale": ".2f", "hue": "+.2f", "contrast": ".2f"}
"""Formats of a strength."""
UNITS = {"angle": "°", "shift": "", "scale": "×", "hue": "", "contrast": "×"}
ASKED = {"angle": 90.0, "shift": 0.2, "scale": 1.4, "hue": 0.25, "contrast": 2.0}
"""The strength, or the nearest that there is, at which the figure is told in numbers."""
OPTIONS = {
    "angle": ("rotation", 20.0, 0.0, "turns of up to {:g}°"),
    "shift": ("translation", 0.2, 0.0, "moves of up to {:.0%} of a patch"),
    "scale": ("scale", 1.4, 1.0, "patches up to {:g} times as large or as small"),
    "hue": ("hue", 0.1, 0.0, "hues turned by up to {:g} of the colour wheel"),
    "contrast": ("contrast", 2.0, 1.0, "colours stretched or pressed by up to a factor of {:g}"),
}
"""The option of exemplar that asks for it: its name, its default, what it is when off, and in words."""
OTHERS = {
    "angle": "**Rotation must not be invariant to this**: it is asked by how many quarter turns an image "
    "was turned, and features that stayed the same could not tell. Its curve has to fall on the way to 90°.",
    "shift": "Rotation cuts a crop at a random place for every example, so where a thing lies does not "
    "change its answer. Jigsaw and relative location are asked where parts lie to each other.",
    "scale": "Rotation cuts crops of random sizes, unless that is switched off, so the size of a thing does "
    "not change its answer. Jigsaw and relative location cut at one size.",
    "hue": "Rotation never changes a colour. Jigsaw and relative location take colour away in some "
    "examples, as a guard against shortcuts.",
    "contrast": "Jigsaw and relative location bring every view to one contrast before a network sees it, "
    "unless that is switched off, so that little is left to change but what is clipped.",
}
"""What the other tasks ask for, or do, in this kind of change."""


def look_for(kind: str, found: Sequence[Run]) -> str:
    """What the tasks of these runs ask for, in this kind of change; Markdown."""
    tasks = {run.spec.task for run in found}
    said = [OTHERS[kind]] if _concerned(kind) & tasks else []
    said += [_exemplar(kind, run) for run in found if run.spec.task == "exemplar"]
    said.append(
        "The untrained network is the yardstick: what it shows is owed to the architecture. A network above "
        "its curve overlooks more of the change, one below it sees more."
    )
    return " ".join(said)


def _concerned(kind: str) -> set[str]:
    """The tasks that `OTHERS` speaks of."""
    named = {"angle": {"rotation"}, "contrast": {"jigsaw", "location"}}
    return named.get(kind, {"rotation", "jigsaw", "location"})


def _exemplar(kind: str, run: Run) -> str:
    name, usual, off, words = OPTIONS[kind]
    most = float(run.spec.options.get(name, usual))
    if most == off:
        return (
            f"This run of exemplar had *{name}* switched off, so it was not trained to be invariant either."
        )
    return f"**Exemplar is trained to be invariant** to {words.format(most)}, and no further."


def strength(kind: str, value: float) -> str:
    """A strength as people read it."""
    number = format(value, TICKS[kind])
    return f"×{number}" if UNITS[kind] == "×" else f"{number}{UNITS[kind]}"
