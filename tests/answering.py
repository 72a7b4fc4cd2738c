"""Runs with networks that can be asked, made without training: their weights are the first ones, moved."""

from __future__ import annotations

from typing import Any

import torch
from safetensors.torch import save
from small_runs import make_run

from sslviz.imagesets import ImageSet
from sslviz.options import make_task
from sslviz.plan import Plan
from sslviz.runs import Run
from sslviz.train import Training

OPTIONS: dict[str, dict[str, Any]] = {
    "rotation": {"smallest_crop": 1.0, "mirror": False},
    "jigsaw": {"permutations": 12, "colour_guard": 0.0, "mirror": False},
    "location": {"colour": "none", "mirror": False},
    "exemplar": {"seeds": 8},
}
"""With which an answer can be checked against the image's own pixels."""
SIDE = 64


def trained(images: ImageSet, task: str, *, head: bool = True, seed: int = 0, **weights: torch.Tensor) -> Run:
    """A run of `task` on `images` that says it is done. `weights` replace those of these names."""
    options = OPTIONS[task]
    plan = Plan(steps=1, batch=2, lr=1e-3, weight_decay=0.0)
    training = Training(make_task(task, options), images.squares(SIDE), plan, seed=seed)
    state = training.network.state_dict()
    moved = torch.Generator().manual_seed(seed)
    for value in state.values():
        if value.is_floating_point():
            value += 0.3 * torch.randn(value.shape, generator=moved).abs()
    kept = {name: value.contiguous() for name, value in (state | weights).items()}
    if not head:
        kept = {name: value for name, value in kept.items() if name.startswith("encoder.")}
    run = make_run(images, task=task, options=options, size=SIDE, seed=seed, count=len(images)).set_spec(
        side=SIDE, view=training.view, classes=training.problem.classes
    )
    run.save_checkpoint(1, {"model.safetensors": save(kept)})
    run.set_status(state="done", step=1)
    return run


def training_rows(images: ImageSet, task: str, seed: int = 0) -> set[int]:
    """Rows that such a run trains on."""
    plan = Plan(steps=1, batch=2, lr=1e-3, weight_decay=0.0)
    training = Training(make_task(task, OPTIONS[task]), images.squares(SIDE), plan, seed=seed)
    return set(training.problem.make(training.train_rows, torch.Generator()).source.tolist())
