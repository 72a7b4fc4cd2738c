"""What the network of a run is made of, for the names under which things that were found by it are kept."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, Literal

from sslviz.errors import UserError
from sslviz.files import read_json
from sslviz.runs import Run

Network = Literal["run", "untrained"]


def identity(run: Run, network: str = "run") -> list[Any]:
    """All that the features of a run's network depend on, besides the images: task, architecture, sides, and
    the weights or, of the untrained network, the seed. Fit for JSON; runs that agree share what is found.

    Raises `UserError` where the run has no weights, or they cannot be told.
    """
    spec = run.spec
    found: list[Any] = [network, spec.task, spec.options, spec.model, spec.size, spec.side, spec.view]
    return found + ([weights_digest(run.weights())] if network == "run" else [spec.seed, spec.classes])


def weights_digest(weights: Path) -> str:
    """SHA-256 of weights in a checkpoint, as its manifest has it."""
    digest: str = read_json(weights.parent / "manifest.json")["files"][weights.name]["sha256"]
    return digest


def has_head(run: Run) -> bool:
    """Whether the weights hold the layers that answer, from the file's head alone: the encoders that come
    with the package may be without. False where there are no weights."""
    try:
        with run.weights().open("rb") as file:
            names = json.loads(file.read(int.from_bytes(file.read(8), "little")))
    except (UserError, OSError, ValueError):
        return False
    return any(name.startswith("head.") for name in names)
