"""What is left of a run's course: the network before training, as it was along the way, and at its end."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from sslviz.runs import Run, checkpoints
from sslviz.runs.identity import identity, weights_digest

State = tuple[int, Path | None]
"""A step, and the encoder's weights after it; None for those that the seed gives."""


def states(run: Run) -> list[State]:
    """The states of a run that are kept, in order: its snapshots, or its checkpoints where it has none.

    Raises `UserError` where there are no weights.
    """
    newest = run.weights()
    last = int(newest.parent.name)
    kept = run.snapshots() or [(step, folder) for step, folder in run.checkpoints()][:0:-1]
    found: list[State] = []
    if run.spec.start is None and last > 0:
        found.append((0, None))
        kept = [(step, folder) for step, folder in kept if step > 0]
    found += [(step, folder / checkpoints.MODEL) for step, folder in kept if step < last]
    return [*found, (last, newest)]


def state_identity(run: Run, state: State) -> list[Any]:
    """All that the features of a state depend on, besides the images; see `identity`."""
    step, weights = state
    return [step, weights and weights_digest(weights), *identity(run, "untrained")]
