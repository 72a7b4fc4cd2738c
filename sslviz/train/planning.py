"""The plan of a new run: from what is given, the recipe of its task, and the speed of this machine."""

from __future__ import annotations

import importlib
import math
import time
from dataclasses import replace
from typing import Any

import torch

from sslviz.errors import UserError
from sslviz.plan import MEASURING, Plan, steps_within
from sslviz.recipes import DEFAULT, RECIPES
from sslviz.tasks.base import Task
from sslviz.train.draws import HELDOUT, Images
from sslviz.train.measuring import Calibration, Speed, has_bf16, measured, usable_threads

EVALUATIONS = 6
"""Evaluations in a run, the last on all held-out examples."""
GLANCE = 500
"""Held-out examples of the others, at most."""
FEWEST = 100
"""Examples, or images, on which there is something to see."""
LOOK = 1000
"""Labelled images whose features are looked at, at most."""
LOG_SECONDS = 0.4
"""Between metrics, as planned: often enough for a live curve, too seldom to wait for the device."""
LOG_STEPS = 50
"""Most steps between metrics, where it is not known how long a step takes."""


def make_plan(
    task: Task,
    images: Images,
    *,
    model: str = "small",
    device: str = "cpu",
    minutes: float | None = None,
    steps: int | None = None,
    like: Plan | None = None,
    lr: float | None = None,
    batch: int | None = None,
    precision: str | None = None,
    channels_last: bool | None = None,
    threads: int | None = None,
    calibration: Calibration | None = None,
) -> Plan:
    """What a run will do: for so many minutes (default one), for so many steps, or like another run.

    With minutes the speed of this machine is measured first, which takes a few seconds, and batch, precision,
    memory format and threads become what was fastest, save what is given; `calibration` keeps the measurement
    for the next run on the same machine. Raises `UserError` for values that make no sense.
    """
    for name, value in (("minutes", minutes), ("steps", steps), ("lr", lr), ("batch", batch)):
        if value is not None and not value > 0:
            raise UserError(f"The {name} of a run cannot be {value}.", "Give a number above nought.")
    if precision not in (None, "fp32", "bf16"):
        raise UserError(f"There is no precision {precision!r}.", "Choose fp32 or bf16.")
    changes = {
        "lr": lr,
        "batch": batch,
        "precision": precision,
        "channels_last": channels_last,
        "threads": threads,
    }
    given: dict[str, Any] = {name: value for name, value in changes.items() if value is not None}
    if like is not None:
        return replace(like, seconds=None, **given)
    plan = replace(_usual(task, len(images), device), **given)
    if steps is not None:
        every = max(1, math.ceil(steps / EVALUATIONS))
        log_every = min(LOG_STEPS, max(1, steps // 150))
        return replace(plan, steps=steps, log_every=log_every, evaluate_every=every)
    # As the first optimiser does, which takes two seconds that are not the run's.
    importlib.import_module("torch._dynamo")
    began = time.perf_counter()
    known = {} if calibration is None else calibration
    budget = 60.0 * (1.0 if minutes is None else minutes)
    speed = measured(task, images, plan, tuple(given), model, device, known, budget)
    if lr is None:  # a larger batch has less noise in its gradient, which a higher rate brings back
        plan = replace(plan, lr=plan.lr * math.sqrt(speed.batch / plan.batch))
    return _fitted(plan, speed, max(0.0, budget - (time.perf_counter() - began)))


def _usual(task: Task, images: int, device: str) -> Plan:
    """A plan by the recipe of the task, for one step."""
    recipe = RECIPES.get(task.name, DEFAULT)
    return Plan(
        steps=1,
        batch=recipe.batch,
        lr=recipe.rate(images),
        weight_decay=recipe.decay(images),
        optimizer=recipe.optimizer,
        momentum=recipe.momentum,
        precision="bf16" if has_bf16(torch.device(device)) else "fp32",
        threads=usable_threads(),
        label_smoothing=recipe.label_smoothing,
        warmup=recipe.warmup,
        reuse=recipe.reuse,
    )


def _fitted(plan: Plan, speed: Speed, seconds: float) -> Plan:
    """`plan` with as many steps as fit into `seconds`, done in the way that was measured."""
    plan = replace(
        plan,
        batch=speed.batch,
        precision=speed.precision,
        channels_last=speed.channels_last,
        threads=speed.threads,
        log_every=max(1, round(LOG_SECONDS / speed.step)),
        seconds=seconds,
    )
    plan = replace(plan, **_measuring(seconds, speed))
    evaluation = speed.evaluate * (HELDOUT + (EVALUATIONS - 1) * plan.glance) + speed.prepare
    looking = speed.looking * plan.look * math.ceil(EVALUATIONS / plan.look_every)
    steps = steps_within(seconds, speed.step, evaluation + looking)
    return replace(plan, steps=steps, evaluate_every=max(1, math.ceil(steps / EVALUATIONS)))


def _measuring(seconds: float, speed: Speed) -> dict[str, Any]:
    """How many examples to evaluate on during the run, and how many images to look at how often, for all of
    it to take its share of the run and no more, where that is possible."""
    certain = HELDOUT * speed.evaluate + speed.prepare
    share = max(MEASURING / 3 * seconds, MEASURING * seconds - certain)
    glance = int(share / 4 / (EVALUATIONS - 1) / speed.evaluate)
    # One look more than there are evaluations: the network before training is looked at too.
    images = 0.75 * share / speed.looking
    look = min(LOOK, max(FEWEST, int(images / (EVALUATIONS + 1))))
    looks = max(1, min(EVALUATIONS, int(images / look) - 1))
    return {
        "glance": min(GLANCE, max(FEWEST, glance)),
        "look": look,
        "look_every": math.ceil(EVALUATIONS / looks),
    }
