"""Whether the network of a run can be asked the question of its task about a set, and about which images.

It is asked about images that it has not been trained on: a fifth of its own set was held out, and of other
sets it knows nothing, save the images that lie in both.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from sslviz import kept, networks, origins, runs
from sslviz.errors import UserError
from sslviz.imagesets import ImageSet
from sslviz.model import AssemblyHead, Network
from sslviz.runs import Run
from sslviz.runs.identity import has_head
from sslviz.tasks.base import Problem, Task
from sslviz.tasks.exemplar import Exemplar, ExemplarProblem
from sslviz.tasks.seeds import Seeds
from sslviz.train.draws import bind, divide, tensor_of

AREA = "seeds"
VERSION = 1
KEPT_BYTES = 100_000_000
ANCESTORS = 20
"""Runs that a run may go back to, each started from the next."""
VIEWS = 256
"""Views that a processor takes at once: with more, their maps leave its caches."""

Kind = Literal["held out", "others", "copies", "seen", "unknown"]


@dataclass(frozen=True, eq=False)
class Unseen:
    """Images to ask about."""

    rows: NDArray[np.int64]
    """Ascending; never empty where there are images."""
    kind: Kind
    """What the network knows of them. "held out": of its own set, not trained on; "others": of another set,
    none that it was trained on; "copies": exemplar's own patches, all of which it knows, in copies that it
    does not; "seen": there are none but those that it was trained on; "unknown": what it was trained on is
    gone or has changed."""


def knows_classes(run: Run, images: ImageSet) -> bool:
    """Whether the classes of a run mean something on these images: exemplar's are patches of its own."""
    return run.spec.task != "exemplar" or run.spec.fingerprint == images.fingerprint


def network_of(run: Run) -> Network:
    """The trained network, to be asked. Raises `UserError` where it has no weights, or none that answer."""
    run.weights()  # which says what is the matter where there are none
    if not has_head(run):
        raise UserError(
            "This network comes without the layers that answer its task.",
            "Train one of your own: a minute is enough for a first one.",
        )
    network = networks.trained(run).eval()
    if not all(bool(torch.isfinite(value).all()) for value in network.state_dict().values()):
        raise UserError(
            f"Some weights of run {run.id} are not finite numbers, so it has nothing to say.",
            "It has most likely diverged: train it again with a lower learning rate.",
        )
    return network


def fit(network: Network, problem: Problem) -> bool:
    """Whether the network's answers are those of `problem`."""
    head = network.head
    if isinstance(head, AssemblyHead):
        own: Tensor = head.arrangements.cpu()
        return own.shape == problem.arrangements.shape and bool(torch.equal(own, problem.arrangements))
    return True


def bound(run: Run, images: ImageSet) -> Problem:
    """The task of a run bound to a set as in its training. The seeds of exemplar, which take seconds to
    choose, are kept. Raises `UserError` where the images do not suffice for the task."""
    task, squares = networks.task_of(run), networks.squares_for(run, images)
    device = torch.device("cpu")
    if not isinstance(task, Exemplar):
        return bind(task, squares, run.spec.seed, device)
    path = _seeds(run, images)
    found = kept.read(path)
    if found is not None:
        arrays = {name: torch.from_numpy(value) for name, value in found[1].items()}
        seeds = Seeds(*(arrays[name] for name in ("row", "top", "left", "side")))
        return ExemplarProblem(tensor_of(squares), device, task, seeds, arrays["mean"], arrays["axes"])
    problem = bind(task, squares, run.spec.seed, device)
    assert isinstance(problem, ExemplarProblem)
    arrays = {**vars(problem.seeds), "mean": problem.mean, "axes": problem.axes}
    kept.write(path, {name: value.numpy() for name, value in arrays.items()})
    kept.prune(AREA, KEPT_BYTES)
    return problem


def quickly_bound(run: Run, images: ImageSet) -> bool:
    """Whether `bound` takes no longer than a page may."""
    return run.spec.task != "exemplar" or kept.written(_seeds(run, images)) > 0


def _seeds(run: Run, images: ImageSet) -> Path:
    spec, side = run.spec, networks.side_for(run, images)
    depends = [VERSION, images.fingerprint, spec.task, spec.options, side, spec.seed]
    return kept.folder(AREA, depends) / "seeds.bin"


def ask(network: Network, task: Task, views: Tensor, device: str = "cpu") -> Tensor:
    """What the network answers to examples: uint8 (E, V, 3, h, w) → logits, float32 (E, C) on the CPU."""
    size = max(1, VIEWS // views.shape[1])
    with torch.inference_mode():
        parts = [network(task.normalize(part.to(device))) for part in torch.split(views, size)]
        return torch.cat(parts).float().cpu()


def unseen(run: Run, images: ImageSet) -> Unseen:
    """The images of a set that the network of a run has not been trained on, as far as that can be told."""
    every = np.arange(len(images), dtype=np.int64)
    if run.spec.task == "exemplar" and knows_classes(run, images):
        return Unseen(every, "copies")
    seen = _trained_on(run, images, ANCESTORS)
    if seen is None:
        return Unseen(every, "unknown")
    rows = np.array([row for row, id_ in enumerate(images.ids) if id_ not in seen], np.int64)
    if not len(rows):
        return Unseen(every, "seen")
    return Unseen(rows, "held out" if run.spec.fingerprint == images.fingerprint else "others")


def _trained_on(run: Run, images: ImageSet, ancestors: int) -> set[str] | None:
    """Ids of the images that a run, and those that it started from, trained on; None where that cannot be
    told."""
    if not ancestors:
        return None
    spec = run.spec
    if images.fingerprint != spec.fingerprint:
        try:
            images = origins.images_of(run)
        except UserError:
            # The bundled encoders were trained on the built-in scenes, which nobody else has.
            return set() if run.bundled and not (run.shared or images.builtin) else None
        if images.fingerprint != spec.fingerprint:
            return None
    ids = images.ids
    try:
        rows, _ = _division(run, images)
        found = {ids[row] for row in rows.tolist()}
        if spec.start is None:
            return found
        earlier = _trained_on(runs.open_run(run.workspace, spec.start), images, ancestors - 1)
    except UserError:
        return None
    return None if earlier is None else found | earlier


def _division(run: Run, images: ImageSet) -> tuple[Tensor, Tensor]:
    """Rows that a run trained on and rows that it held out of its own images."""
    side, task = networks.side_for(run, images), networks.task_of(run)
    held_out_from = (run.spec.plan or {}).get("held_out_from")
    if isinstance(task, Exemplar):  # all images, whatever its seeds are
        return torch.arange(len(images)), torch.arange(0)
    # What is held out depends on how many images there are, and not on what they show.
    blank = torch.zeros(1, 3, side, side, dtype=torch.uint8).expand(len(images), -1, -1, -1)
    return divide(bind(task, blank, run.spec.seed, torch.device("cpu")), run.spec.seed, held_out_from)
