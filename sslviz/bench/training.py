"""Throughput of training, in views a second: the bare step, a whole run of sslviz, the customary pipeline."""

from __future__ import annotations

import statistics
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from sslviz import runs
from sslviz.bench.customary import Customary
from sslviz.bench.turns import Turns
from sslviz.imagesets import ImageSet, squares_along
from sslviz.options import make_task
from sslviz.plan import Plan
from sslviz.runs import Spec
from sslviz.tasks import TASKS, Task
from sslviz.train import Metrics, Training, make_plan
from sslviz.train.learning import Learner
from sslviz.train.measuring import Calibration, wait
from sslviz.worker.diary import Diary
from sslviz.worker.looking import Looker
from sslviz.worker.training import Followed
from sslviz.worker.waiting import Stop

TURN = 0.4
"""Seconds for which the bare step and the run take turns, so that a busy moment hits both."""
ROUND = 2.0
"""Seconds of either before the turn of the customary pipeline, which takes a while to settle."""
LONG = 10**7
"""Steps of a plan that nothing comes to the end of."""


def measure(
    images: ImageSet,
    workspace: Path,
    device: str,
    seconds: float,
    calibration: Calibration,
    size: int | None = None,
) -> dict[str, dict[str, Any]]:
    """By task: `bare`, `sslviz`, `customary`, `customary_bf16` in views a second, the ratios, the share of
    a minute's run that measuring takes, and how it was run. `seconds` are spent on each of the four.

    `size` is the side that all pictures are resampled to, in pixels, by default each task's own; tasks that
    need more are left out. Raises `UserError` where that is all of them.
    """
    tasks = {name: make_task(name, {}) for name in TASKS}
    needing = {name: task for name, task in tasks.items() if size is not None and size < task.minimum_side}
    if len(needing) == len(tasks):
        min(needing.values(), key=lambda task: task.minimum_side).check_size(size)
    found = {}
    with _files(images) as folder:
        for name, task in tasks.items():
            if name not in needing:
                squares = images.squares(size or task.side(images.short_side))
                found[name] = _task(task, images, squares, folder, workspace, device, seconds, calibration)
    return found


def _task(
    task: Task,
    images: ImageSet,
    squares: NDArray[np.uint8],
    folder: Path,
    workspace: Path,
    device: str,
    seconds: float,
    calibration: Calibration,
) -> dict[str, Any]:
    side = squares.shape[-1]
    planned = make_plan(task, squares, minutes=1, device=device, calibration=calibration)
    plan = replace(planned, steps=LONG, seconds=None)
    spec = Spec(task=task.name, images=images.name, steps=LONG, device=device, plan=asdict(plan))
    run = runs.create(workspace, spec)
    training = Followed(task, squares, plan, device=device, along=squares_along(images, side))
    training.stop = Stop(run)
    training.looker = Looker(images, squares, plan.look, 0, device)
    training.untrained = training.fresh_network() if training.looker.able else None
    training.diary = Diary(run, training, lambda _: None)
    bare, ours = BareStep(training), _Course(training)
    with (
        Customary(folder, training, side, fast=False) as customary,
        Customary(folder, training, side, fast=True) as customary_bf16,
    ):
        takers = (bare, ours, customary, customary_bf16)
        for one in takers:
            one.take(seconds / 8)  # the first steps choose kernels and fill caches
            one.forget()
        rounds = max(1, round(seconds / ROUND))
        turns = max(1, round(seconds / rounds / TURN))
        for _ in range(rounds):
            for _ in range(turns):
                for one in (bare, ours):
                    one.take(seconds / rounds / turns)
            for one in (customary, customary_bf16):
                one.take(seconds / rounds)
    figures: dict[str, Any] = {
        "bare": bare.speed,
        "sslviz": ours.speed,
        "customary": customary.speed,
        "customary_bf16": customary_bf16.speed,
    }
    figures |= {
        "over_bare": figures["sslviz"] / figures["bare"],
        "over_customary": figures["sslviz"] / figures["customary"],
        "over_customary_bf16": figures["sslviz"] / figures["customary_bf16"],
        "measuring": _measuring_share(training, planned),
        "side": side,
        "view": training.view,
        "batch": plan.batch,
        "precision": plan.precision,
        "channels_last": plan.channels_last,
        "threads": plan.threads,
    }
    run.delete()
    return figures


def _measuring_share(training: Followed, plan: Plan) -> float:
    """Share of a run by `plan` that its evaluations and looks take, each timed here between steps, and the
    making of what is asked, once."""
    vars(training).pop("heldout", None)
    began = time.perf_counter()
    assert len(training.heldout)
    making = time.perf_counter() - began

    def seconds(work: Callable[[], object]) -> float:
        taken = []
        for _ in range(3):  # the first time, what another pipeline did is still in the caches
            training.train_step()
            wait(training.device)
            began = time.perf_counter()
            work()
            wait(training.device)
            taken.append(time.perf_counter() - began)
        return statistics.median(taken)

    glance, whole = seconds(lambda: training.evaluate(plan.glance)), seconds(training.evaluate)
    look = seconds(training.look) if training.looker.able else 0.0
    # One look more, at the network before training.
    evaluating = glance * (plan.evaluations - 1) + whole + look * (plan.looks + 1)
    return (making + evaluating) / (plan.seconds or 60.0)


class BareStep(Turns):
    """The same network, batch, precision, memory format and optimiser on one batch that is there already,
    nothing fetched: the bound of what a run can do here."""

    def __init__(self, training: Training) -> None:
        super().__init__()
        self.training = training
        self.batch = training._draw()
        views = self.batch[0]
        self.views_a_step = views.shape[0] * views.shape[1]
        network = training.fresh_network()
        network.load_state_dict(training.network.state_dict())
        layout = torch.channels_last if training.plan.channels_last else torch.contiguous_format
        network.to(training.device, memory_format=layout)  # type: ignore[call-overload]
        self.learner = Learner(network, training.plan, training.device, counting=False)

    def take(self, seconds: float) -> None:
        """Steps for so many seconds."""
        self.learner.network.train()
        began = time.perf_counter()
        while time.perf_counter() - began < seconds:
            if not self.learner.step.again():
                self.learner.learn(*self.batch, self.training.plan.lr)
            self.views += self.views_a_step
            if self.views % (50 * self.views_a_step) == 0:
                wait(self.training.device)
        wait(self.training.device)
        self.seconds += time.perf_counter() - began


class _Course(Turns):
    """A run as the worker does it, with metrics, status, checkpoints and looks, a while at a time."""

    def __init__(self, training: Followed) -> None:
        super().__init__()
        self.training = training
        self.metrics: Iterator[Metrics] = training.run()

    def take(self, seconds: float) -> None:
        """Go on for about so many seconds, those of evaluations apart."""
        training = self.training
        began = time.perf_counter()
        before, measuring = training.views_seen, training.evaluation_seconds
        while time.perf_counter() - began - (training.evaluation_seconds - measuring) < seconds:
            training.diary.note(next(self.metrics))
        wait(training.device)
        self.views += training.views_seen - before
        self.seconds += time.perf_counter() - began - (training.evaluation_seconds - measuring)


@contextmanager
def _files(images: ImageSet) -> Iterator[Path]:
    """The pictures as JPEG files in one class folder, as ImageFolder wants them."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name) / "all"
        folder.mkdir()
        for row in range(len(images)):
            (folder / f"{row}.jpg").write_bytes(images.jpeg(row))
        yield folder.parent
