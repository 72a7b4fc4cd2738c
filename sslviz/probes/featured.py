"""The features that probes are given: of a run, of its network untrained, and two that need no network."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from sslviz import features, kept, networks
from sslviz.probes.divided import Division, Part
from sslviz.runs import Run
from sslviz.runs.identity import identity

Floats = NDArray[np.float32]
Report = Callable[[int, int], None]

AREA = "features"
VERSION = 1
KEPT_BYTES = 3_000_000_000

NETWORKS = ("run", "untrained")
PLAIN: Mapping[str, Callable[[features.Images], Floats]] = {
    "pixels": features.pixels,
    "colours": features.colours,
}
"""Sources without blocks."""
SOURCES = (*NETWORKS, *PLAIN)


@dataclass(frozen=True, eq=False)
class Featured:
    """What one block of one source gives for a division."""

    known: Floats
    """(M, D)."""
    asked: Floats
    """(Q, D)."""


def of(
    run: Run, division: Division, source: str, *, device: str = "cpu", report: Report | None = None
) -> dict[str, Featured]:
    """Features of a source by block, from the cache where they were computed before.

    `source` is one of `SOURCES`; a plain one has a single block of its own name. BatchNorm statistics are
    re-estimated on what is known, for both networks alike. `report` is called with images done and to do.
    """
    path = _path(run, division, source)
    count = len(division.known)
    found = kept.read(path)
    if found is None:
        known, asked = (squares(run, part) for part in (division.known, division.asked))
        both = np.concatenate([known, asked])
        if source in PLAIN:
            arrays = {source: PLAIN[source](both)}
        else:
            make = networks.trained if source == "run" else networks.untrained
            arrays = features.extract(
                make(run), networks.task_of(run), both, memory=known, device=device, report=report
            )
        kept.write(path, arrays)
        kept.prune(AREA, KEPT_BYTES)
    else:
        arrays = found[1]
    return {block: Featured(array[:count], array[count:]) for block, array in arrays.items()}


def squares(run: Run, part: Part) -> NDArray[np.uint8]:
    """The images of a part as the network of a run reads them: uint8 (M, 3, S, S)."""
    return networks.squares_for(run, part.images)[part.rows]


def _path(run: Run, division: Division, source: str) -> Path:
    side = networks.side_for(run, division.known.images)
    depends = [VERSION, source, side, division.known.ids, division.asked.ids]
    if source in NETWORKS:
        depends += identity(run, source)
    return kept.folder(AREA, depends) / "features.bin"
