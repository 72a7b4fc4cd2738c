"""The names to take away: as a table, and as labels."""

from __future__ import annotations

from typing import Any

from sslviz.imagesets import ImageSet
from sslviz.naming.given import Names
from sslviz.naming.probe import Proposals


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


def _row(image: str, file: str, label: str, certainty: float, given: str) -> dict[str, Any]:
    return {"id": image, "file": file, "label": label, "certainty": certainty, "given": given}
