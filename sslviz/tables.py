"""Tables for other programs."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Mapping, Sequence
from typing import Any

FORMULA = "=+-@\t\r\n"
"""A cell that begins with one of these is taken for a formula by spreadsheets."""


def as_csv(points: Sequence[Mapping[str, Any]]) -> str:
    """Points as rows, their fields as columns, in the order in which fields first appear.

    Text that a spreadsheet would take for a formula gets an apostrophe before it; numbers stay numbers.
    """
    columns = list(dict.fromkeys(name for point in points for name in point))
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\r\n")  # RFC 4180
    writer.writerow([_cell(name) for name in columns])
    for point in points:
        writer.writerow([_cell(point.get(name)) for name in columns])
    return out.getvalue()


def _cell(value: object) -> object:
    if value is None or isinstance(value, bool | int | float):
        return value
    text = value if isinstance(value, str) else json.dumps(value)
    return f"'{text}" if text.startswith(tuple(FORMULA)) else text
