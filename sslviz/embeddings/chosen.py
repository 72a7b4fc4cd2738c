"""Images that somebody has chosen, kept under a short name that fits into an address."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Sequence
from pathlib import Path

from sslviz import settings
from sslviz.files import read_json, write_json
from sslviz.imagesets import ImageSet

KEPT = 500
"""Selections; of more the oldest are forgotten."""


def keep(images: ImageSet, rows: Sequence[int]) -> str:
    """A name for these rows of a set; the same rows have the same name."""
    chosen = sorted({int(row) for row in rows if 0 <= row < len(images)})
    digest = _digest(images, chosen)
    path = _folder() / f"{digest}.json"
    if not path.exists():
        write_json(path, {"set": images.fingerprint, "rows": chosen})
        old = sorted(_folder().glob("*.json"), key=lambda one: one.stat().st_mtime)[:-KEPT]
        for one in old:
            one.unlink(missing_ok=True)
    return digest


def recall(images: ImageSet, name: str | None) -> list[int]:
    """The rows of that name; none where they are of another set, or forgotten."""
    if not name or not re.fullmatch("[0-9a-f]{16}", name):
        return []
    try:
        rows = [int(row) for row in read_json(_folder() / f"{name}.json")["rows"]]
        return rows if _digest(images, rows) == name and all(0 <= r < len(images) for r in rows) else []
    except (OSError, ValueError, KeyError, TypeError):
        return []


def _digest(images: ImageSet, rows: list[int]) -> str:
    """The name of a choice, which tells too whether what is read is what was written."""
    return hashlib.sha256(f"{images.fingerprint} {rows}".encode()).hexdigest()[:16]


def _folder() -> Path:
    return settings.load().home / "cache" / "chosen"
