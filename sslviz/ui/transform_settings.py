"""What can be done to a copy of an exemplar's seed, as sliders: at the ranges that the paper gives."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import streamlit as st

if TYPE_CHECKING:
    from sslviz.tasks.copies import Changes
    from sslviz.tasks.options import Option

STEPS = 8
"""Of a slider, to either side of its middle."""


@dataclass(frozen=True)
class Part:
    """One number that is drawn for each copy."""

    title: str
    field: str
    """Of `Changes`."""
    place: int | None = None
    """Its column there, where there are several."""


@dataclass(frozen=True)
class Transform:
    """One of the paper's transforms: an option of the task, and what it draws."""

    title: str
    option: str
    """The field of the task that holds its range."""
    factor: bool
    """Whether it goes from 1/range to range, by equal factors, and not from −range to range."""
    unit: str
    """"×", "°", or nothing."""
    parts: tuple[Part, ...]
    words: str


TRANSFORMS = {
    "translation": Transform(
        "Translation", "translation", False, "",
        (Part("To the right", "move", 0), Part("Down", "move", 1)),
        "The window is moved, by a share of the side of the seed.",
    ),
    "scale": Transform(
        "Scale", "scale", True, "×", (Part("Side of the window", "scale"),),
        "The window is made larger or smaller, and what it shows is brought to the same number of pixels.",
    ),
    "rotation": Transform(
        "Rotation", "rotation", False, "°", (Part("Turn of the window", "angle"),),
        "The window is turned clockwise, so what it shows turns the other way.",
    ),
    "contrast": Transform(
        "Contrast", "contrast", True, "×",
        (Part("Strongest colour axis", "contrast", 2), Part("Second", "contrast", 1),
         Part("Weakest", "contrast", 0)),
        "Colours are stretched or pressed along the three principal axes of all the set's colours. The "
        "strongest is mostly light against dark. Here they are of two dozen images, in training of all.",
    ),
    "power": Transform(
        "Power", "power", True, "", (Part("Saturation", "power", 0), Part("Value", "power", 1)),
        "Saturation and value, both from 0 to 1, are raised to a power: above 1 they get less, below 1 more.",
    ),
    "multiply": Transform(
        "Multiplication", "multiply", True, "×",
        (Part("Saturation", "multiply", 0), Part("Value", "multiply", 1)),
        "Saturation and value are multiplied by a factor.",
    ),
    "add": Transform(
        "Addition", "add", False, "", (Part("Saturation", "add", 0), Part("Value", "add", 1)),
        "Something is added to saturation and value, which go from 0 to 1.",
    ),
    "hue": Transform(
        "Hue", "hue", False, "", (Part("Turn of the colour wheel", "hue"),),
        "Every colour is turned on the colour wheel; one whole turn is back where it began.",
    ),
}  # fmt: skip
"""By the name of the task's option, in the order in which they are done."""


def option_of(transform: Transform) -> Option:
    """The option of the task, whose default is the range."""
    from sslviz.tasks import TASKS
    from sslviz.tasks.options import describe

    return next(one for one in describe(TASKS["exemplar"]) if one.name == transform.option)


def strengths(transform: Transform, steps: int = STEPS) -> list[float]:
    """What its slider can be set to: 2 · steps + 1 values, with the one that does nothing in the middle."""
    most = float(option_of(transform).default)
    shares = [place / steps for place in range(-steps, steps + 1)]
    return [most**share if transform.factor else most * share for share in shares]


def said(transform: Transform, value: float) -> str:
    """A strength as people read it."""
    if transform.factor:
        return f"{transform.unit}{value:.2f}"
    if value == 0:
        return "0"
    return f"{value:+.1f}°" if transform.unit == "°" else f"{value:+.3f}".rstrip("0").rstrip(".")


def key(transform: Transform, part: Part) -> str:
    """Of its slider in the session."""
    return f"transform_{transform.option}_{part.field}_{part.place}"


def chosen(transform: Transform, part: Part) -> int:
    """Where its slider stands, from -STEPS to STEPS; 0 does nothing."""
    return int(st.session_state.get(key(transform, part), 0))


def slider(transform: Transform, part: Part, titled: bool = False) -> None:
    """Draw it; `titled` where it stands among those of other transforms."""
    values = strengths(transform)
    name = key(transform, part)
    st.session_state[name] = chosen(transform, part)  # kept while another transform is looked at
    several = len(transform.parts) > 1
    among = f"{transform.title}: {part.title.lower()}" if several else transform.title
    st.select_slider(
        among if titled else part.title,
        list(range(-STEPS, STEPS + 1)),
        key=name,
        format_func=lambda place: said(transform, values[place + STEPS]),
    )


def reset() -> None:
    """Have all of them do nothing; for a button's `on_click`."""
    for transform in TRANSFORMS.values():
        for part in transform.parts:
            st.session_state[key(transform, part)] = 0


def changes(names: Sequence[str]) -> Changes:
    """One copy, changed by those transforms as their sliders stand."""
    from sslviz.tasks.copies import unchanged

    found = unchanged(1)
    for transform in (TRANSFORMS[name] for name in names):
        values = strengths(transform)
        for part in transform.parts:
            found = with_part(found, transform, part, [values[chosen(transform, part) + STEPS]])
    return found


def across(transform: Transform, steps: int) -> tuple[list[float], Changes]:
    """Copies from one end of the range of a transform to the other, all its parts alike; the neutral in the
    middle."""
    from sslviz.tasks.copies import unchanged

    values = strengths(transform, steps)
    found = unchanged(len(values))
    for part in transform.parts:
        found = with_part(found, transform, part, values)
    return values, found


def with_part(found: Changes, transform: Transform, part: Part, values: Sequence[float]) -> Changes:
    """`found` with one number of each copy replaced."""
    import torch

    amounts = torch.tensor([math.radians(one) if transform.unit == "°" else one for one in values])
    column = getattr(found, part.field).clone()
    if part.place is None:
        column = amounts
    else:
        column[:, part.place] = amounts
    return replace(found, **{part.field: column})
