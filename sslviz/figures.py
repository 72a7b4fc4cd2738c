"""How groups of images are told apart on every figure: a colour and a shape each."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

PALETTE = (
    "#3f90da", "#e76300", "#832db6", "#ffa90e", "#bd1f01",
    "#92dadd", "#94a4a2", "#a96b59", "#b9ac70", "#717581",
)  # fmt: skip
"""Ten colours found by optimising for all common colour vision deficiencies (Petroff 2021, "Accessible Color
Sequences for Data Visualization"), ordered so that the first few differ most, on light and dark alike."""

SYMBOLS = ("circle", "diamond", "square")
"""The eleventh group has the first colour again and another shape."""


@dataclass(frozen=True)
class Group:
    """How the points of one group are drawn and called."""

    name: str
    color: str
    """As #rrggbb."""
    symbol: str
    """One of `SYMBOLS`, which plotly knows by the same names."""


def groups(names: Sequence[str]) -> list[Group]:
    """A colour and a shape for each name, always the same for the same place in the list."""
    return [
        Group(name, PALETTE[place % len(PALETTE)], SYMBOLS[place // len(PALETTE) % len(SYMBOLS)])
        for place, name in enumerate(names)
    ]


RAMP = ("#440154", "#472f7d", "#39568c", "#2a788e", "#1f988b", "#35b779", "#7ad151", "#d8e219")
"""Eight steps of viridis (van der Walt and Smith 2015), from little to much, even to the eye and in grey."""


def steps(names: Sequence[str]) -> list[Group]:
    """A colour for each of up to eight names that have an order, from little to much."""
    assert len(names) <= len(RAMP), len(names)
    last = max(1, len(names) - 1)
    return [
        Group(name, RAMP[round(place * (len(RAMP) - 1) / last)], "circle") for place, name in enumerate(names)
    ]
