"""What is written of a repetition into the folders of its runs, and how it is found again.

Each run has a `reproduction.json` that says which repetition it belongs to and which value it is of; that of
the first run holds what was found as well, once it was judged. No torch: the page reads this.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import Any

from sslviz import origins, runs
from sslviz.files import read_json, write_json
from sslviz.papers.base import Scale
from sslviz.runs import Run

RECORD = "reproduction.json"


@dataclass(frozen=True)
class Repetition:
    """One repetition, as far as runs of it have begun."""

    key: str
    paper: str
    scale: str
    seed: int
    images: str
    """What the set is called now, or was where it is gone."""
    runs: dict[float, Run] = field(default_factory=dict)
    """By the value that each is of, the newest of several."""
    told: dict[str, Any] | None = None
    """What was found; None before it was judged."""


def key_of(paper: str, scale: Scale, fingerprint: str, seed: int, seconds: float | None) -> str:
    """The name of a repetition: all that its runs and their judgement depend on besides the machine."""
    depends = [paper, asdict(scale), fingerprint, seed, seconds]
    return hashlib.sha256(json.dumps(depends, sort_keys=True).encode()).hexdigest()[:16]


def write(run: Run, record: dict[str, Any]) -> None:
    """Replace what is written of a run."""
    write_json(run.folder / RECORD, record)


def read(run: Run) -> dict[str, Any] | None:
    """What is written of a run: a record with `repetition`, `paper`, `scale`, `seed`, `at`; else None."""
    path = run.folder / RECORD
    try:
        stat = path.stat()
    except OSError:
        return None
    return _read(path, stat.st_mtime_ns, stat.st_size)


@lru_cache(maxsize=256)
def _read(path: Path, *_: int) -> dict[str, Any] | None:
    try:
        record = read_json(path)
        sound = all(isinstance(record[name], str) for name in ("repetition", "paper", "scale", "images"))
        numbers = isinstance(record["seed"], int) and isinstance(record["at"], int | float)
    except (OSError, ValueError, KeyError, TypeError):
        return None
    return record if sound and numbers else None


def repetitions(workspace: Path) -> list[Repetition]:
    """The repetitions that runs of the workspace belong to, newest first by their newest run."""
    return _grouped(runs.listing(workspace))


def find(workspace: Path, key: str) -> Repetition | None:
    """The repetition of this name, if any run of it was made."""
    return next((one for one in repetitions(workspace) if one.key == key), None)


def _grouped(listed: Sequence[Run]) -> list[Repetition]:
    groups: dict[str, list[tuple[Run, dict[str, Any]]]] = {}
    for run in listed:
        record = None if run.bundled or run.damage else read(run)
        if record is not None:
            groups.setdefault(record["repetition"], []).append((run, record))
    names = origins.names_of([members[0][0] for members in groups.values()])
    each = zip(groups.items(), names, strict=True)
    return [_repetition(key, members, name) for (key, members), name in each]


def _repetition(key: str, members: Sequence[tuple[Run, dict[str, Any]]], images: str) -> Repetition:
    of: dict[float, Run] = {}
    for run, record in members:
        of.setdefault(float(record["at"]), run)
    judged = [record for run, record in members if "rows" in record and run in of.values()]
    first = members[0][1]
    return Repetition(
        key,
        first["paper"],
        first["scale"],
        first["seed"],
        images,
        of,
        judged[0] if judged else None,
    )
