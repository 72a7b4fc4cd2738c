"""What a run at work writes down: its curves, how it stands, what a resume needs."""

from __future__ import annotations

import time
from dataclasses import asdict
from itertools import pairwise
from typing import Any

import torch
from safetensors.torch import save

from sslviz.errors import UserError
from sslviz.runs import Run, checkpoints
from sslviz.train import Metrics, Training
from sslviz.worker.beginning import plan_of
from sslviz.worker.memory import memory_bytes
from sslviz.worker.snapshots import Snapshots
from sslviz.worker.waiting import Report

CHECKPOINT_SECONDS = 10.0
STATUS_SECONDS = 1.0
LATELY = 0.1
"""Share of a run's steps, its last ones, whose accuracy is that of the run as it ended."""


class Diary:
    """What a run at work writes down: how it stands once a second, what a resume needs every ten.

    By the clock and not by metrics, between which there may be a few seconds or many minutes.
    """

    def __init__(self, run: Run, training: Training, tell: Report) -> None:
        self.run, self.training, self.tell = run, training, tell
        self.wrote = self.told = time.monotonic()
        self.figures: dict[str, Any] = {}
        self.fresh = False
        self.begun = self._spent()
        self.snapshots = Snapshots(run, training)
        self.snapshots.drop_later()

    def keep(self) -> None:
        """Between two steps: write what is due. Costs two looks at the clock."""
        self.say_how_it_stands()
        if self.training.step and time.monotonic() - self.wrote > CHECKPOINT_SECONDS:
            self.checkpoint()
            self.wrote = time.monotonic()
        if (failed := self.snapshots.keep()) and "remark" not in self.figures:
            self.figures["remark"] = f"{self.run.read_status().remark} {failed}".strip()

    def note(self, metrics: Metrics) -> None:
        """Add metrics to the curves, and a plan that has changed to the spec."""
        self.run.append_metric(asdict(metrics))
        self.figures |= figures_of(metrics)
        self.fresh = True
        if metrics.step == 1:  # which chooses kernels and fills caches
            self.begun = self._spent()
        if metrics.note or self.training.plan != plan_of(self.run):
            earlier = [*self.run.spec.replans, self.run.spec.plan or {}]
            self.run = self.run.set_spec(plan=asdict(self.training.plan), replans=earlier)
            self.figures |= {"steps": self.training.plan.steps}
        self.say_how_it_stands(at_once=metrics.step == 1)

    def say_how_it_stands(self, *, at_once: bool = False) -> None:
        """Write the status where it is a second old."""
        if at_once or time.monotonic() - self.told > STATUS_SECONDS:
            # Of one or two steps the speed would be a matter of chance.
            figures = self.figures if self.fresh else self.now()
            memory = memory_bytes(self.training.device)
            self.tell(self.run.set_status(**figures | {"memory_bytes": memory}))
            self.told, self.fresh = time.monotonic(), False

    def now(self) -> dict[str, Any]:
        """The figures of the last metrics, save those that are known of every step."""
        training, speed = self.training, self.training.views_per_second
        figures = self.figures | {
            "step": training.step,
            "seconds": training.seconds,
            "evaluation_seconds": training.evaluation_seconds,
        }
        return figures | ({} if speed is None else {"views_per_second": speed})

    def ended(self) -> dict[str, Any]:
        """The figures of a run that has come to its end.

        Speed and training accuracy are not those of the last metrics, which in a short run are of one batch:
        the speed is that of all steps of this sitting but the first, the accuracy that of the last tenth.
        """
        figures = dict(self.figures)
        views, seconds = (now - before for now, before in zip(self._spent(), self.begun, strict=True))
        if views and seconds > 0:
            figures["views_per_second"] = views / seconds
        after = (1 - LATELY) * self.training.step
        steps, right = 0, 0.0
        for before, point in pairwise([{"step": 0}, *self.run.metrics()]):
            if point["step"] > after and isinstance(accuracy := point.get("accuracy"), float):
                since = point["step"] - before["step"]
                steps, right = steps + since, right + since * accuracy
        return figures | ({"train_accuracy": right / steps} if steps else {})

    def _spent(self) -> tuple[int, float]:
        """Views trained on in this sitting, and the seconds of the steps of all sittings."""
        training = self.training
        return training.views_seen, training.seconds - training.evaluation_seconds

    def checkpoint(self) -> None:
        """Write all that a resume needs. Raises `UserError` where a weight is no number: the last good one
        stays."""
        training = self.training
        network = {k: v.detach().cpu().contiguous() for k, v in training.network.state_dict().items()}
        state = {k: v.detach().cpu().contiguous() for k, v in training.state().items()}
        numbers = (value for value in state.values() if value.is_floating_point())
        if not all(bool(torch.isfinite(value).all()) for value in numbers):
            raise UserError(
                f"The weights became NaN by step {training.step:,}; lower the learning rate.",
                f"It was {training.plan.lr:g} at its highest.",
            )
        contents = {checkpoints.MODEL: save(network), checkpoints.RESUME: save(state)}
        self.run.save_checkpoint(training.step, contents)


def figures_of(metrics: Metrics) -> dict[str, Any]:
    """The fields of a status that metrics tell."""
    figures: dict[str, Any] = {
        "step": metrics.step,
        "seconds": metrics.seconds,
        "loss": metrics.loss,
        "train_accuracy": metrics.accuracy,
        "views_per_second": metrics.views_per_second,
        "evaluation_seconds": metrics.evaluation_seconds,
    }
    if metrics.heldout_accuracy is not None:
        figures |= {"heldout_accuracy": metrics.heldout_accuracy, "heldout_loss": metrics.heldout_loss}
    if metrics.knn_accuracy is not None:
        figures["knn_accuracy"] = metrics.knn_accuracy
    return figures


def figures_kept(run: Run) -> dict[str, Any]:
    """The same of a run that goes on, or begins again, from the metrics that it keeps; None where these have
    none, so that nothing is said of a course that was given up."""
    names = {
        "loss": "loss",
        "train_accuracy": "accuracy",
        "heldout_accuracy": "heldout_accuracy",
        "heldout_loss": "heldout_loss",
        "views_per_second": "views_per_second",
        "knn_accuracy": "knn_accuracy",
    }
    found: dict[str, Any] = dict.fromkeys(names)
    for point in run.metrics():
        found |= {field: point[name] for field, name in names.items() if point.get(name) is not None}
    return found
