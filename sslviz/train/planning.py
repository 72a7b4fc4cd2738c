"""The plan of a new run: from what is given, the recipe of its task, and the speed of this machine."""

from __future__ import annotations

import math
import os
import platform
import time
from dataclasses import replace
from typing import Any

import torch

from sslviz.errors import UserError
from sslviz.plan import Plan, steps_within
from sslviz.recipes import DEFAULT, RECIPES
from sslviz.tasks.base import Task
from sslviz.train.draws import HELDOUT, Images, seed_for
from sslviz.train.loop import GLANCE, Training

EVALUATIONS = 6
"""Evaluations in a run, the last on all held-out examples."""
LOG_SECONDS = 0.4
"""Between metrics, as planned: often enough for a live curve, too seldom to wait for the device."""
LOG_STEPS = 50
"""Most steps between metrics, where it is not known how long a step takes."""
CALIBRATION_SECONDS = 1.5


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
    threads: int | None = None,
    calibration: dict[str, Any] | None = None,
) -> Plan:
    """What a run will do: for so many minutes (default one), for so many steps, or like another run.

    With minutes the speed of this machine is measured first, which takes a few seconds; `calibration` keeps
    the measurement for the next run on the same machine. Raises `UserError` for values that make no sense.
    """
    for name, value in (("minutes", minutes), ("steps", steps), ("lr", lr), ("batch", batch)):
        if value is not None and not value > 0:
            raise UserError(f"The {name} of a run cannot be {value}.", "Give a number above nought.")
    if precision not in (None, "fp32", "bf16"):
        raise UserError(f"There is no precision {precision!r}.", "Choose fp32 or bf16.")
    changes = {"lr": lr, "batch": batch, "precision": precision, "threads": threads}
    given = {name: value for name, value in changes.items() if value is not None}
    if like is not None:
        return replace(like, seconds=None, **given)  # type: ignore[arg-type]
    began = time.perf_counter()
    recipe = RECIPES.get(task.name, DEFAULT)
    plan = Plan(
        steps=steps or 1,
        batch=recipe.batch,
        lr=recipe.lr,
        weight_decay=recipe.weight_decay,
        threads=_threads(),
        label_smoothing=recipe.label_smoothing,
        warmup=recipe.warmup,
        reuse=recipe.reuse,
    )
    plan = replace(plan, **given)  # type: ignore[arg-type]
    if steps is not None:
        precision = precision or ("bf16" if _has_bf16(torch.device(device)) else "fp32")
        every = max(1, math.ceil(steps / EVALUATIONS))
        log_every = min(LOG_STEPS, max(1, steps // 150))
        return replace(plan, precision=precision, log_every=log_every, evaluate_every=every)
    budget = 60.0 * (1.0 if minutes is None else minutes)
    speed = _measure(task, images, plan, model, device, precision, {} if calibration is None else calibration)
    left = max(0.0, budget - (time.perf_counter() - began))
    evaluation = speed["evaluate"] * (HELDOUT + (EVALUATIONS - 1) * GLANCE) + speed["prepare"]
    count = steps_within(left, speed["step"], evaluation)
    return replace(
        plan,
        steps=count,
        precision=speed["precision"],
        log_every=max(1, round(LOG_SECONDS / speed["step"])),
        evaluate_every=max(1, math.ceil(count / EVALUATIONS)),
        seconds=left,
    )


def _measure(
    task: Task,
    images: Images,
    plan: Plan,
    model: str,
    device: str,
    precision: str | None,
    calibration: dict[str, Any],
) -> dict[str, Any]:
    """Seconds of a step, of evaluating an example and of preparing all held-out ones; the best precision."""
    side = images.shape[-1]
    what = [
        platform.node(),
        device,
        plan.threads,
        task,
        model,
        side,
        plan.batch,
        precision,
        torch.__version__,
    ]
    key = " | ".join(map(str, what))
    if key in calibration:
        found: dict[str, Any] = calibration[key]
        return found
    tries = ["fp32", "bf16"] if _has_bf16(torch.device(device)) else ["fp32"]
    results = []
    for one in [precision] if precision else tries:
        training = Training(
            task, images, replace(plan, precision=one, steps=10**9), model=model, device=device
        )
        results.append({"precision": one} | _time(training))
    calibration[key] = min(results, key=lambda result: result["step"])
    return calibration[key]  # type: ignore[no-any-return]


def _time(training: Training) -> dict[str, float]:
    if training.device.type == "cpu":
        torch.set_num_threads(training.plan.threads)
    for _ in range(2):  # the first steps choose kernels and fill caches
        training.train_step()
    _wait(training.device)
    began = time.perf_counter()
    taken: list[float] = []
    while time.perf_counter() - began < CALIBRATION_SECONDS and len(taken) < 200:
        before = time.perf_counter()
        training.train_step()
        _wait(training.device)
        taken.append(time.perf_counter() - before)
    rows = training.heldout_rows.repeat(-(-64 // len(training.heldout_rows)))[:64]
    preparing, made = [], 1
    for _ in range(3):
        before = time.perf_counter()
        made = len(training.problem.make(rows, seed_for(0, "time")))
        preparing.append(time.perf_counter() - before)
    prepare = HELDOUT * min(preparing) / made  # the first fills caches, any may be interrupted
    each = sorted(taken)[len(taken) // 2]
    # A view without its backward pass costs about a third.
    view = each / (training.views_seen / training.step) / 3
    return {"step": each, "evaluate": view * training.task.views, "prepare": prepare}


def _wait(device: torch.device) -> None:
    if device.type == "cuda":
        torch.cuda.synchronize(device)
    elif device.type == "mps":
        torch.mps.synchronize()


def _threads() -> int:
    """As many as torch took itself, which heeds OMP_NUM_THREADS, but none for a core we may not use."""
    if hasattr(os, "sched_getaffinity"):
        return max(1, min(torch.get_num_threads(), len(os.sched_getaffinity(0))))
    return torch.get_num_threads()


def _has_bf16(device: torch.device) -> bool:
    """Whether the processor multiplies bfloat16 itself; elsewhere it is emulated and slow."""
    if device.type == "cuda":
        return bool(torch.cuda.is_bf16_supported(including_emulation=False))
    if device.type == "cpu":
        try:
            return bool(torch.cpu._is_avx512_bf16_supported() or torch.cpu._is_amx_tile_supported())
        except AttributeError:  # private, so it may go
            return False
    return False
