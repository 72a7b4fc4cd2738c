"""The plan of a run: everything besides task, images, model and seed that its course depends on."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

FLOOR = 0.01
"""Last learning rate of a run, as a share of its highest."""
MEASURING = 0.045
"""Share of a run's seconds that evaluations may take; a little under what is promised, 5%."""


@dataclass(frozen=True)
class Plan:
    """What a run does at which step. Plain numbers and words, so `dataclasses.asdict` can be written as JSON
    and `Plan(**...)` reads it back. Two runs with equal plans and seeds take the same course on a CPU."""

    steps: int
    batch: int
    """Rows asked of `Problem.make` a step."""
    lr: float
    weight_decay: float
    precision: str = "fp32"
    """"fp32", or "bf16" for autocast."""
    channels_last: bool = True
    threads: int = 1
    """Of torch, on a CPU."""
    log_every: int = 10
    evaluate_every: int = 100
    """Steps between evaluations on a part of the held-out examples; the last evaluation is on all."""
    glance: int = 500
    """Held-out examples of an evaluation during the run."""
    look_every: int = 1
    """Evaluations between two looks at the features of labelled images, where there are any; the last
    evaluation has one too."""
    look: int = 400
    """Labelled images of such a look."""
    label_smoothing: float = 0.0
    warmup: float = 0.1
    """Share of the run in which the learning rate rises."""
    optimizer: str = "adamw"
    """"adamw"; "sgd" with Nesterov's momentum, which decays every parameter, as the papers did; "muon",
    whose learning rate is an angle, see `sslviz.train.muon`; or "muon-adamw", where what is no convolution
    learns by AdamW."""
    momentum: float = 0.9
    """Of SGD and Muon."""
    schedule: str = "cosine"
    """"cosine", or "steps": the learning rate is multiplied by `gamma` at each of `milestones`."""
    milestones: Sequence[float] = ()
    """Shares of the run, ascending, so that a longer or shorter run falls at the same places."""
    gamma: float = 0.1
    held_out_from: int | None = None
    """Image from which on all are held out and none before, where a set is divided already; by default a
    fifth is drawn from the seed."""
    reuse: int = 1
    """Examples made of the views of one row, where a task has such (`Problem.make_shared`)."""
    squares: int = 1
    """Squares of each image that are trained on, along its longer side; 1 is the centre alone."""
    compile: bool = False
    seconds: float | None = None
    """Budget of the loop; None where the number of steps was given, and nothing depends on the clock."""
    replans: Sequence[tuple[int, int]] = ()
    """(at which step, how many steps from then on) whenever the machine was not as fast as expected."""

    def __post_init__(self) -> None:
        object.__setattr__(self, "replans", tuple((int(at), int(steps)) for at, steps in self.replans))
        object.__setattr__(self, "milestones", tuple(float(share) for share in self.milestones))

    @property
    def evaluations(self) -> int:
        """Evaluations in all."""
        return -(-self.steps // self.evaluate_every)

    @property
    def looks(self) -> int:
        """Looks in all."""
        return -(-self.evaluations // self.look_every)

    def looks_at(self, step: int) -> bool:
        """Whether the evaluation after `step` steps comes with a look."""
        return step == self.steps or step // self.evaluate_every % self.look_every == 0

    def looks_until(self, step: int) -> int:
        """Looks up to and with the evaluation after `step` steps."""
        return self.looks if step == self.steps else step // self.evaluate_every // self.look_every

    def progress(self, step: int) -> float:
        """How far through the run its step number `step` is, in [0, 1]; what the schedule is drawn over.

        At a re-plan the rest of the schedule is stretched over the steps that are left, so that the learning
        rate neither jumps nor ends early.
        """
        done, since, steps = 0.0, 0, self._first_steps()
        for at, total in self.replans:
            if step < at:
                break
            done += (1.0 - done) * (at - since) / max(1, steps - since)
            since, steps = at, total
        return min(1.0, done + (1.0 - done) * (step - since) / max(1, steps - since))

    def learning_rate(self, step: int) -> float:
        """Of step number `step`, from 0: a linear rise, then half a cosine down to a hundredth, or steps."""
        progress = self.progress(step)
        if progress < self.warmup:
            # From the step's end, or the first step would be lost.
            return self.lr * min(1.0, self.progress(step + 1) / self.warmup)
        if self.schedule == "steps":
            return self.lr * self.gamma ** sum(progress >= share for share in self.milestones)
        fall = (progress - self.warmup) / max(1e-9, 1.0 - self.warmup)
        return self.lr * (FLOOR + (1.0 - FLOOR) * 0.5 * (1.0 + math.cos(math.pi * fall)))

    def replanned(self, step: int, steps: int) -> Plan:
        """The plan when at `step` the run turns out to have `steps` steps in all."""
        first = self.replans or ((0, self.steps),)
        return replace(self, steps=steps, replans=(*first, (step, steps)))

    def replans_as_of(self, replans: Sequence[tuple[int, int]]) -> Plan:
        """The plan as it was when `replans` were all there had been; none, as it was at first."""
        return replace(self, steps=replans[-1][1] if replans else self._first_steps(), replans=replans)

    def _first_steps(self) -> int:
        return self.replans[0][1] if self.replans else self.steps


def steps_within(seconds: float, step_seconds: float, evaluation_seconds: float) -> int:
    """How many steps fit into a budget beside the evaluations; at least one."""
    return max(1, int((seconds - evaluation_seconds) / step_seconds))
