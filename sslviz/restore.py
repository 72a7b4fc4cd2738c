"""The network of a run: as it was trained, or as it was before the first step."""

from __future__ import annotations

from dataclasses import dataclass

import torch

from sslviz import imagesets
from sslviz.errors import UserError
from sslviz.imagesets import ImageSet
from sslviz.model import Network, build
from sslviz.options import make_task
from sslviz.runs import Run
from sslviz.tasks.base import Task


@dataclass(frozen=True)
class Restored:
    """A network, and what it needs to read an image as it did in training."""

    network: Network
    task: Task
    side: int
    """S of the squares it was trained on."""


def restore(run: Run, images: ImageSet, *, trained: bool = True) -> Restored:
    """The network of `run`, on the CPU in evaluation mode; with `trained` off, as it was drawn from its seed.

    `images` are those it shall look at: where the run says no side and its own images are gone, theirs
    decides. Raises `UserError` for a run without weights and for weights that are not of its network.
    """
    task = make_task(run.spec.task, run.spec.options)
    side = run.spec.size or task.side(_own(run, images).short_side)
    classes = run.status().classes
    if classes is None:
        raise UserError(
            f"Run {run.id} has not begun to train.", "Wait for its first step, or choose another run."
        )
    network = build(run.spec.model, task.views, classes, _view_size(task, side), run.spec.seed)
    if trained:
        from safetensors import SafetensorError
        from safetensors.torch import load_file

        try:
            network.load_state_dict(load_file(run.weights()))
        except (RuntimeError, SafetensorError, OSError):
            raise UserError(
                f"The weights of run {run.id} do not fit its network.",
                "The run is damaged; choose another one.",
            ) from None
    return Restored(network.eval(), task, side)


def _own(run: Run, images: ImageSet) -> ImageSet:
    """The images that the run was trained on, or `images` where they are gone."""
    try:
        found = imagesets.open_set(images.workspace, run.spec.images)
    except UserError:
        return images
    return found if len(found) else images


def _view_size(task: Task, side: int) -> int:
    """Side of a view in pixels, which depends on the task, its options and S, but on no image."""
    generator = torch.Generator().manual_seed(0)
    noise = torch.randint(0, 256, (24, 3, side, side), generator=generator, dtype=torch.uint8)
    problem = task.bind(noise, generator)
    return int(problem.make(torch.arange(1), generator).views.shape[-1])
