"""The names to take away: as a table, and as labels; and the table brought back."""

from __future__ import annotations

import csv
import io
from typing import Any

from sslviz.errors import UserError
from sslviz.imagesets import ImageSet, show_name
from sslviz.naming.given import Names
from sslviz.naming.probe import Proposals
from sslviz.tables import FORMULA


def table(images: ImageSet, names: Names, proposals: Proposals | None) -> list[dict[str, Any]]:
    """A row an image that has a name or a proposal: id, file, label, certainty in [0, 1], and which it is."""
    found = []
    for row, entry in enumerate(images.entries):
        given = names.given.get(entry.id)
        if given is not None:
            found.append(_row(entry.id, entry.name, given, 1.0, "named"))
        elif proposals is not None:
            name = proposals.names[proposals.best[row]]
            certainty = round(float(proposals.certainty[row]), 4)
            found.append(_row(entry.id, entry.name, name, certainty, "proposed"))
    return found


def labels(
    images: ImageSet, names: Names, proposals: Proposals | None, least: float | None = None
) -> dict[str, str]:
    """Labels by id for `ImageSet.set_labels`: the names that were given and, with `least`, also the proposals
    that are at least so certain, in [0, 1]."""
    return {
        one["id"]: one["label"]
        for one in table(images, names, None if least is None else proposals)
        if one["given"] == "named" or (least is not None and one["certainty"] >= least)
    }


def read_table(data: bytes, images: ImageSet, least: float = 1.0) -> tuple[dict[str, str], int]:
    """Labels by id from a CSV with columns `label` and `id` or `file`, and how many rows are of no image.

    Rows with a `certainty` below `least` are left out, rows without one are taken. Raises `UserError` for
    what is no such table.
    """
    try:
        text = data.decode("utf-8-sig")
        first = text.partition("\n")[0]
        reader = csv.DictReader(
            io.StringIO(text, newline=""), delimiter=";" if first.count(";") > first.count(",") else ","
        )
        rows = list(reader)
    except (UnicodeDecodeError, csv.Error):
        raise UserError(
            "This is not a table in CSV, UTF-8.", "Give the table that the page exports."
        ) from None
    columns = set(reader.fieldnames or ())
    if "label" not in columns or not columns & {"id", "file"}:
        there = ", ".join(show_name(str(name)) for name in sorted(columns)) or "none"
        raise UserError(
            f"The table needs a column `label` and one called `id` or `file`; it has {there[:200]}.",
            "Give the table that the page exports.",
        )
    ids = set(images.ids)
    by_file = {entry.name: entry.id for entry in reversed(images.entries)}
    found: dict[str, str] = {}
    unknown = 0
    for row in rows:
        label = _plain(row.get("label"))
        if not label or _share(row.get("certainty")) < least:
            continue
        image = row.get("id") or by_file.get(_plain(row.get("file")), "")
        if image in ids:
            found[image] = label
        else:
            unknown += 1
    return found, unknown


def _plain(cell: str | None) -> str:
    """A cell without the apostrophe that keeps spreadsheets from taking it for a formula."""
    text = cell or ""
    return text[1:] if text[:1] == "'" and text[1:2] and text[1] in FORMULA else text


def _share(cell: str | None) -> float:
    """A certainty; one that is not given is no reason for doubt, one that is no number is."""
    try:
        return float(cell.replace(",", ".")) if cell else 1.0
    except ValueError:
        return -1.0


def _row(image: str, file: str, label: str, certainty: float, given: str) -> dict[str, Any]:
    return {"id": image, "file": file, "label": label, "certainty": certainty, "given": given}
