"""The names to take away: as a table, and as labels; and the table brought back."""

from __future__ import annotations

import csv
import io
import math
from collections import Counter
from dataclasses import dataclass
from typing import Any

from sslviz.errors import UserError
from sslviz.imagesets import ImageSet, show_name
from sslviz.naming.given import Names
from sslviz.naming.probe import Proposals
from sslviz.tables import FORMULA

_SEVERAL = "\0"
"""In place of an id: more than one image is called so."""


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


@dataclass(frozen=True)
class Brought:
    """Labels from a table, and how many of its rows were not taken."""

    labels: dict[str, str]
    """By the id of the image; of several rows of an image the last one's."""
    unknown: int = 0
    """Rows of no image of the set."""
    ambiguous: int = 0
    """Rows of a file's name that several images have, and no id."""
    uncertain: int = 0
    """Rows less certain than was asked for."""
    unlabelled: int = 0
    """Rows without a label."""
    contradicted: int = 0
    """Rows whose image has another label further down."""


def read_table(data: bytes, images: ImageSet, least: float = 1.0) -> Brought:
    """Labels from a CSV with columns `label` and `id` or `file`, in whatever case.

    Rows with a `certainty` below `least`, in [0, 1], are left out, rows without one are taken. A file's name
    that several images have does not say which is meant. Raises `UserError` for what is no such table.
    """
    if not 0.0 <= least <= 1.0:
        raise UserError(f"A certainty is a number from 0 to 1, and not {least:g}.", "Give 0.9, say.")
    try:
        text = data.decode("utf-8-sig")
        first = text.partition("\n")[0]
        reader = csv.DictReader(
            io.StringIO(text, newline=""),
            delimiter=";" if first.count(";") > first.count(",") else ",",
            strict=True,  # an open quote would otherwise swallow the rows behind it
        )
        reader.fieldnames = [name.strip().lower() for name in reader.fieldnames or ()]
        rows = list(reader)
    except (UnicodeDecodeError, csv.Error) as error:
        quote = "Is a quote not closed? " if isinstance(error, csv.Error) else ""
        raise UserError(
            "This is not a table in CSV, UTF-8.", f"{quote}Give the table that the page exports."
        ) from None
    columns = set(reader.fieldnames or ())
    if "label" not in columns or not columns & {"id", "file"}:
        there = ", ".join(show_name(str(name)) for name in sorted(columns)) or "none"
        raise UserError(
            f"The table needs a column `label` and one called `id` or `file`; it has {there[:200]}.",
            "Give the table that the page exports.",
        )
    ids = set(images.ids)
    count = Counter(entry.name for entry in images.entries)
    by_file = {entry.name: entry.id if count[entry.name] == 1 else _SEVERAL for entry in images.entries}
    found: dict[str, str] = {}
    missed = Counter[str]()
    for row in rows:
        label = _plain(row.get("label")).strip()
        image = _meant(row, ids, by_file)
        if not label:
            missed["unlabelled"] += 1
        elif _share(row.get("certainty")) < least:
            missed["uncertain"] += 1
        elif image not in ids:
            missed["ambiguous" if image == _SEVERAL else "unknown"] += 1
        else:
            missed["contradicted"] += found.get(image, label) != label
            found[image] = label
    return Brought(found, **missed)


def _meant(row: dict[str, Any], ids: set[str], by_file: dict[str, str]) -> str:
    """The id of a row's image; spaces around an id or a name count only where it is called so."""
    cell = row.get("id") or ""
    if cell.strip():
        return cell if cell in ids else cell.strip()
    file = row.get("file") or ""
    return by_file.get(_plain(file)) or by_file.get(_plain(file.strip()), "")


def _plain(cell: str | None) -> str:
    """A cell without the apostrophe that keeps spreadsheets from taking it for a formula."""
    text = cell or ""
    return text[1:] if text[:1] == "'" and text[1:2] and text[1] in FORMULA else text


def _share(cell: str | None) -> float:
    """A certainty; one that is not given is no reason for doubt, one that is no number is."""
    try:
        share = float(cell.replace(",", ".")) if cell and cell.strip() else 1.0
    except ValueError:
        return -1.0
    return -1.0 if math.isnan(share) else share


def _row(image: str, file: str, label: str, certainty: float, given: str) -> dict[str, Any]:
    return {"id": image, "file": file, "label": label, "certainty": certainty, "given": given}
