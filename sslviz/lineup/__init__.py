"""The four tasks side by side: what each one's features are worth on the same images, and how alike they are.

    asking.py       the four runs: same images, network, size, seed and time; those there are already serve
    computing.py    probes, features, CKA and neighbours, in a process of its own

Beside them stand the same network untrained, the same network trained on the labels, raw pixels, and the
colours alone. Findings are kept in the cache; reading imports numpy alone.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from sslviz import imagesets, kept
from sslviz.imagesets import ImageSet
from sslviz.intervals import Comparison
from sslviz.runs import Run
from sslviz.runs.identity import identity

AREA = "compare"
VERSION = 3
"""Of what is computed and of how it is kept."""
KEPT_BYTES = 200_000_000
NEAR = 10
"""Neighbours that are compared, and kept of each image."""

Kind = Literal["task", "supervised", "untrained", "pixels", "colours"]
KINDS: tuple[Kind, ...] = ("task", "supervised", "untrained", "pixels", "colours")
"""In the order in which they stand."""


@dataclass(frozen=True)
class Score:
    """What a probe finds of a network, at the block that was chosen on what is known."""

    accuracy: float
    low: float
    high: float
    """Ends of the 95% interval."""
    block: str = ""
    lead: Comparison | None = None
    """To the same network untrained, on the same questions."""
    behind: Comparison | None = None
    """Of a task to the best of the tasks, which has none."""


@dataclass(frozen=True)
class Contender:
    """One network, or raw pixels."""

    kind: Kind
    run: str = ""
    """Id of the run that it is the network of, or whose network it would have become."""
    task: str = ""
    block: str = ""
    """Whose features are compared with those of the others."""
    steps: int = 0
    seconds: float = 0.0
    """Of training."""
    pretext: float | None = None
    """Held-out accuracy in its own task."""
    chance: float | None = None
    """In that task."""
    knn: Score | None = None
    linear: Score | None = None
    agreement: float | None = None
    """Without labels: share of its ten nearest that an image keeps when it is disturbed."""


@dataclass(frozen=True, eq=False)
class Lineup:
    """M contenders on n images."""

    contenders: list[Contender]
    """The tasks, then what stands beside them."""
    cka: list[list[float | None]]
    """(M, M) of their features; see `similarity.cka`."""
    shared: list[list[float]]
    """(M, M) mean share of an image's ten nearest that are the same."""
    rows: NDArray[np.int64]
    """(n,) rows of the set, ascending."""
    near: NDArray[np.int64]
    """(M, n, k) the nearest others of each image, as places in `rows`, best first."""
    known: int = 0
    """Labelled images that probes learned from; nought where there are no labels."""
    asked: int = 0
    chance: float | None = None
    """Of telling a label by guessing."""
    whole: bool = True
    """Whether the network that is trained on the labels has had its turn."""

    @property
    def by_chance(self) -> float:
        """What two that have nothing to do with each other share of their nearest."""
        return min(1.0, int(self.near.shape[2]) / max(1, len(self.rows) - 1))

    def plain(self) -> dict[str, Any]:
        """As JSON has it."""
        return {
            "known": self.known,
            "asked": self.asked,
            "chance": self.chance,
            "compared": len(self.rows),
            "networks": [asdict(one) for one in self.contenders],
            "cka": self.cka,
            "neighbors": self.shared,
        }


def find(found: Sequence[Run], images: ImageSet) -> Lineup | None:
    """What was computed of these runs on these images; None where nothing was.

    Raises `UserError` for a run without weights.
    """
    whole = kept.read(path_of(found, images))
    if whole is None:
        return None
    head, arrays = whole
    contenders = [_contender(one) for one in head["contenders"]]
    return Lineup(
        contenders,
        head["cka"],
        head["shared"],
        arrays["rows"].astype(np.int64),
        arrays["near"].astype(np.int64),
        **head["more"],
    )


def _contender(told: Mapping[str, Any]) -> Contender:
    scores = {name: _read_score(told[name]) for name in ("knn", "linear") if told[name]}
    return Contender(**{**told, **scores})


def _read_score(told: Mapping[str, Any]) -> Score:
    compared = {name: Comparison(**told[name]) for name in ("lead", "behind") if told[name]}
    return Score(**{**told, **compared})


def store(found: Sequence[Run], images: ImageSet, lineup: Lineup) -> None:
    """Keep what was computed."""
    arrays = {"rows": lineup.rows.astype(np.int32), "near": lineup.near.astype(np.int32)}
    more = {name: getattr(lineup, name) for name in ("known", "asked", "chance", "whole")}
    kept.write(
        path_of(found, images),
        arrays,
        contenders=[asdict(one) for one in lineup.contenders],
        cka=lineup.cka,
        shared=lineup.shared,
        more=more,
    )
    kept.prune(AREA, KEPT_BYTES)


def path_of(found: Sequence[Run], images: ImageSet) -> Path:
    """Where it is kept: a name made of all that it depends on."""
    networks = [[identity(run, "run"), identity(run, "untrained")] for run in found]
    depends = [VERSION, images.fingerprint, imagesets.labels_digest(images), networks]
    return kept.folder(AREA, depends) / "lineup.bin"


def state(found: Sequence[Run], images: ImageSet) -> int:
    """Changes whenever something was computed; quick to ask for."""
    return kept.written(path_of(found, images))
