"""What a minute is best spent on, by task: the defaults of a run, measured; see docs/benchmarks.md."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Recipe:
    """Defaults that a plan is made of."""

    batch: int
    """Rows asked of `Problem.make` a step."""
    lr: float
    """Highest learning rate, of AdamW."""
    weight_decay: float
    label_smoothing: float = 0.0
    warmup: float = 0.1
    """Share of the run in which the learning rate rises."""
    reuse: int = 1
    """Examples made of the views of one row, where a task has such (`Problem.make_shared`)."""


RECIPES: dict[str, Recipe] = {
    "rotation": Recipe(batch=32, lr=3e-3, weight_decay=0.05),
    "exemplar": Recipe(batch=64, lr=5e-3, weight_decay=0.05),
    "jigsaw": Recipe(batch=16, lr=3e-3, weight_decay=0.3, label_smoothing=0.1),
    "location": Recipe(batch=16, lr=2e-3, weight_decay=0.05, reuse=8),
}
DEFAULT = Recipe(batch=64, lr=3e-3, weight_decay=0.05)
"""For a task that has no recipe of its own yet."""
