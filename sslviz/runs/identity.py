"""What the network of a run is made of, for the names under which things that were found by it are kept."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Literal

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
