"""The network of a run, and the same network before it was trained, from the run's folder."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from safetensors import SafetensorError
from safetensors.torch import load_file

from sslviz.errors import UserError
from sslviz.imagesets import ImageSet
from sslviz.model import Network, build
from sslviz.options import make_task
from sslviz.runs import Run
from sslviz.tasks import Task


def task_of(run: Run) -> Task:
    """The task that a run was trained on, with its options. Raises `UserError` for a damaged run."""
    _refuse_damaged(run)
    return make_task(run.spec.task, run.spec.options)


def untrained(run: Run) -> Network:
    """The network of a run as it was before training: same architecture, same seed. Raises `UserError` for a
    run that has not begun or is damaged."""
    _refuse_damaged(run)
    spec = run.spec
    if spec.classes is None or spec.view is None:
        raise UserError(f"Run {run.id} has not begun.", "Train it first.")
    task = task_of(run)
    return build(spec.model, task.views, spec.classes, spec.view, spec.seed, task.places)


def trained(run: Run) -> Network:
    """The network of a run with the weights of its newest checkpoint.

    The encoders that come with the package may be without their head, which then stays as it was made.
    Raises `UserError` where there are no weights, or where they are of another network.
    """
    _refuse_damaged(run)
    path = run.weights()
    network = untrained(run)
    try:
        weights = load_file(path)
        heads = {name: value for name, value in network.state_dict().items() if name.startswith("head.")}
        network.load_state_dict(heads | weights if run.bundled else weights)
    except (RuntimeError, SafetensorError, OSError):
        raise _unfit(run) from None
    return network


def at(run: Run, weights: Path | None) -> Network:
    """The network of a run with the encoder of a snapshot or a checkpoint, and a head that has learned
    nothing; None for the weights that its seed gives. See `runs.states`.

    Raises `UserError` where the weights are of another network.
    """
    network = untrained(run)
    if weights is None:
        return network
    try:
        found, own = load_file(weights), network.encoder.state_dict()
        network.encoder.load_state_dict({k: found[f"encoder.{k}"].to(v.dtype) for k, v in own.items()})
    except (KeyError, RuntimeError, SafetensorError, OSError):
        raise _unfit(run) from None
    return network


def _refuse_damaged(run: Run) -> None:
    """What was asked of it is not known, which is another matter than a run that has not begun."""
    if run.damage:
        raise UserError(f"Run {run.id} cannot be used.", run.damage)


def _unfit(run: Run) -> UserError:
    return UserError(
        f"The weights of run {run.id} do not fit its network.", "It was made by another version."
    )


def squares_for(run: Run, images: ImageSet) -> NDArray[np.uint8]:
    """The images as the network of a run reads them: uint8 (N, 3, S, S), S as in its training."""
    return images.squares(side_for(run, images))


def side_for(run: Run, images: ImageSet) -> int:
    """S in pixels, as in the training of a run; of one that has not begun as it would be on these images."""
    return run.spec.side or run.spec.size or task_of(run).side(images.short_side)
