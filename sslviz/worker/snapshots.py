"""Snapshots: the encoder as it was at a few steps of a run, for a film of what it learned."""

from __future__ import annotations

import time

import torch
from safetensors.torch import save

from sslviz.errors import UserError
from sslviz.plan import Plan
from sslviz.runs import Run, checkpoints
from sslviz.train import Training

SHARES = (1 / 64, 1 / 32, 1 / 16, 1 / 8, 3 / 16, 1 / 4, 3 / 8, 1 / 2, 5 / 8, 3 / 4)
"""Of the run, roughly geometric, since most changes early. What there was before is made anew from the seed,
and the end is the newest checkpoint."""
MOST_BYTES = 100_000_000
"""Of the snapshots of a run: those of a large network are fewer."""
SECONDS = 0.02
"""Share of a run's seconds that writing them may take: those of a very short run are fewer."""


class Snapshots:
    """Keeps what is due. It draws no random numbers and leaves the network as it is, so that the course of a
    run does not depend on it."""

    def __init__(self, run: Run, training: Training) -> None:
        self.parent = run.folder / checkpoints.SNAPSHOTS
        self.training = training
        self.start = run.spec.start is not None
        numbers = sum(value.numel() for value in training.network.encoder.state_dict().values())
        self.shares = fewer(2 * numbers, int(self.start))
        self.spent, self.each = 0.0, 0.0

    def drop_later(self) -> None:
        """Remove those of steps that are ahead: the run may take another course there."""
        # Of a run that begins anew the one from before its first step may be of other weights.
        checkpoints.drop(self.parent, self.training.step or -1)

    def keep(self) -> str:
        """Between two steps: write the snapshot that is due. A sentence where that failed, which is no reason
        to end a run."""
        step = self.training.step
        due = is_due(self.training.plan, step, self.shares) and self._has_time() if step else self.start
        if not due or (self.parent / str(step) / "manifest.json").exists():
            return ""
        began = time.perf_counter()
        weights = encoder(self.training)
        if not all(bool(torch.isfinite(value).all()) for value in weights.values()):
            return ""  # the loss, or the next checkpoint, says more
        try:
            checkpoints.save(self.parent, step, {checkpoints.MODEL: save(weights)}, kept=None)
        except (UserError, OSError) as error:
            checkpoints.drop(self.parent, step - 1)
            why = error.message if isinstance(error, UserError) else f"{error.strerror or error}."
            return f"The network of step {step:,} was not kept for the film. {why}"
        self.each = time.perf_counter() - began
        self.spent += self.each
        return ""

    def _has_time(self) -> bool:
        """Whether one more keeps to its share of the time that the run will take, and leaves the later ones
        theirs. Not known before the first, which is written."""
        progress = self.training.plan.progress(self.training.step)
        whole = self.training.seconds / progress
        passed = sum(share <= progress for share in self.shares) / len(self.shares)
        return self.each == 0 or self.spent + self.each <= SECONDS * whole * passed


def encoder(training: Training) -> dict[str, torch.Tensor]:
    """Weights of the encoder in half precision, on the CPU; what has one number a channel stays as it is,
    since variances may be larger than half precision reaches."""
    state = training.network.state_dict()
    return {
        name: (value.detach().half() if value.ndim > 1 else value.detach()).cpu().contiguous()
        for name, value in state.items()
        if name.startswith("encoder.")
    }


def is_due(plan: Plan, step: int, shares: tuple[float, ...] = SHARES) -> bool:
    """Whether `step` ≥ 1 is the first with one of `shares` of the plan done. Each comes once, however often
    the plan changes, and the same after a resume."""
    before, now = plan.progress(step - 1), plan.progress(step)
    return any(before < share <= now < 1 for share in shares)


def fewer(size: int, besides: int = 0) -> tuple[float, ...]:
    """As many of `SHARES` as snapshots of `size` bytes fit beside some others, spread over all of them."""
    count = max(0, min(len(SHARES), MOST_BYTES // size - besides))
    if count < 2:
        return SHARES[3 : 3 + count]
    return tuple(SHARES[round(n * (len(SHARES) - 1) / (count - 1))] for n in range(count))
