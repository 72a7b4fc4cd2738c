"""Time in a run."""

from __future__ import annotations

import time

from sslviz.plan import Plan


class Clock:
    """Seconds of the loop, those of evaluations apart; what a step costs lately."""

    def __init__(self, before: float, step: int) -> None:
        self.before, self.began = before, time.perf_counter()
        self.mark, self.marked_step, self.lately = self.began, step, 0.0
        self.evaluated, self.evaluations = 0.0, 0
        self.logged = self.began

    def seconds(self) -> float:
        return self.before + time.perf_counter() - self.began

    def speed(self, views: int) -> float:
        """Views a second since this was asked before."""
        now = time.perf_counter()
        speed = views / max(now - self.logged, 1e-9)
        self.logged = now
        return speed

    def evaluating(self, seconds: float) -> None:
        self.evaluated += seconds
        self.evaluations += 1
        self.mark += seconds
        self.logged += seconds

    def step_seconds(self, step: int, least: float = 3.0) -> float | None:
        """Seconds of a step over the last few seconds; None while too little is known."""
        now = time.perf_counter()
        if now - self.mark < least:
            return None
        each = (now - self.mark) / max(1, step - self.marked_step)
        self.mark, self.marked_step = now, step
        return each

    def to_evaluate(self, plan: Plan, step: int, full: float) -> float:
        """Seconds that the evaluations ahead will take, the last of which takes `full` times as long."""
        if not self.evaluations:
            return 0.03 * (plan.seconds or 0.0)
        glance = self.evaluated / self.evaluations
        ahead = (plan.steps - 1) // plan.evaluate_every - step // plan.evaluate_every
        return glance * (ahead + full)
