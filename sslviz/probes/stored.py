"""Where what probes found is kept, and how it is read; imports numpy alone, so that a page may."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from sslviz import kept
from sslviz.probes.divided import Division
from sslviz.probes.judged import Answers, Judged
from sslviz.runs import Run
from sslviz.runs.identity import identity

AREA = "probes"
VERSION = 2
KEPT_BYTES = 200_000_000


def path_of(run: Run, division: Division, part: str) -> Path:
    """Where what a probe found is kept. Raises `UserError` for a run without weights."""
    depends = [VERSION, division.digest, identity(run, "run"), identity(run, "untrained")]
    return kept.folder(AREA, depends) / f"{part}.bin"


def save(path: Path, judged: Judged, **more: Any) -> None:
    """Keep what a probe found, and `more` that is fit for JSON."""
    arrays = {"truth": judged.truth.astype(np.int32)}
    for source, blocks in judged.answers.items():
        arrays |= {f"{source}/{block}": answers.astype(np.int32) for block, answers in blocks.items()}
    kept.write(path, arrays, chosen=dict(judged.chosen), more=more)


def load(path: Path) -> tuple[Judged, dict[str, Any]] | None:
    """What was kept of a probe, or None where there is nothing."""
    found = kept.read(path)
    if found is None:
        return None
    head, arrays = found
    answers: dict[str, dict[str, Answers]] = {}
    for name, array in arrays.items():
        source, _, block = name.partition("/")
        if block:
            answers.setdefault(source, {})[block] = array.astype(np.int64)
    return Judged(arrays["truth"].astype(np.int64), answers, head["chosen"]), head["more"]
