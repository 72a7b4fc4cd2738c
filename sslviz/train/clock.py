"""Time in a run."""

from __future__ import annotations

import time

from sslviz.plan import MEASURING, Plan


class Clock:
    """Seconds of the loop, those of evaluations apart, and what a step costs lately."""

    def __init__(self, before: float, step: int) -> None:
        """`before`: seconds of earlier sittings; `step`: where this one begins."""
        self.before, self.began = before, time.perf_counter()
        self.marked, self.marked_step = self.began, step
        self.logged = self.began
        self.each: float | None = None
        self.evaluated, self.evaluations = 0.0, 0
        self.looked, self.looks = 0.0, 0

    def seconds(self) -> float:
        return self.before + time.perf_counter() - self.began

    def speed(self, views: int) -> float:
        """Views a second since `log`."""
        return views / max(time.perf_counter() - self.logged, 1e-9)

    def log(self) -> None:
        """What came before has been told."""
        self.logged = time.perf_counter()

    def pause(self, seconds: float) -> None:
        """So many seconds, just past, were spent on something else than steps."""
        self.marked += seconds
        self.logged += seconds

    def evaluating(self, seconds: float) -> None:
        """So many seconds, just past, were an evaluation."""
        self.pause(seconds)
        self.evaluated += seconds
        self.evaluations += 1

    def looking(self, seconds: float) -> None:
        """So many seconds, just past, somebody looked at the features."""
        self.pause(seconds)
        self.looked += seconds
        self.looks += 1

    def step_seconds(self, step: int, steps: int, least: float) -> float | None:
        """Seconds of one of `steps` steps, from the last `least` seconds or more and, half as much, those
        before; None while there is nothing new to say. A run that may be over within `least` is looked at
        sooner, whenever a third of what was left has been done."""
        now = time.perf_counter()
        since = step - self.marked_step
        if since == 0 or (now - self.marked < least and 2 * since < steps - step):
            return None
        lately = (now - self.marked) / since
        self.marked, self.marked_step = now, step
        self.each = lately if self.each is None else (2.0 * lately + self.each) / 3.0
        return self.each

    def to_evaluate(self, plan: Plan, step: int, heldout: int) -> float:
        """Seconds that the evaluations ahead will take, the last of which is on all `heldout` examples."""
        if not self.evaluations:
            return MEASURING * (plan.seconds or 0.0)
        glance = self.evaluated / self.evaluations
        ahead = plan.evaluations - 1 - step // plan.evaluate_every
        look = self.looked / max(1, self.looks)
        return glance * (ahead + heldout / plan.glance) + look * (plan.looks - plan.looks_until(step))
