"""Shares as bars with their intervals, beside chance and, where there is one, the ceiling."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from html import escape

from sslviz.ui import pictures
from sslviz.ui.words import percent


@dataclass(frozen=True)
class Share:
    """One bar."""

    name: str
    value: float
    low: float
    high: float
    guarded: bool = False
    """Drawn lighter."""
    note: str = ""


def draw(
    rows: Sequence[Share], task: str, chance: float | None, ceiling: float | None = None, *, label: str = ""
) -> None:
    """Bars of a whole of 100%; a dotted line is chance, a red one what is possible at best."""
    cells = "".join(_row(row, chance, ceiling) for row in rows)
    keys = f"<span>chance {percent(chance)}</span>" if chance is not None else ""
    if ceiling is not None:
        keys += f'<span class="sv-of-ceiling">possible at best {percent(ceiling)}</span>'
    pictures.show(
        f'<div class="sv-shares" role="group" aria-label="{escape(label)}">{cells}</div>'
        f'<div class="sv-keys">{keys}</div>',
        task,
    )


def _row(row: Share, chance: float | None, ceiling: float | None) -> str:
    marks = "" if chance is None else f'<u style="left:{chance:.2%}"></u>'
    marks += "" if ceiling is None else f'<u class="sv-ceiling" style="left:{ceiling:.2%}"></u>'
    kind = ' class="sv-guarded"' if row.guarded else ""
    said = f"{percent(row.low)} to {percent(row.high)}"
    note = f" {escape(row.note)}" if row.note else ""
    return (
        f'<div class="sv-share"><span>{escape(row.name)}</span>'
        f'<span class="sv-track"><i{kind} style="width:{row.value:.2%}"></i>'
        f'<b style="left:{row.low:.2%};width:{row.high - row.low:.2%}"></b>{marks}</span>'
        f"<span>{percent(row.value)} <small>{said}{note}</small></span></div>"
    )
