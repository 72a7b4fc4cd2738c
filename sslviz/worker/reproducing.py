"""The job that repeats a published experiment: it trains the runs itself, one after another, and judges them.

They are ordinary runs meanwhile: listed, with their curves, and whoever cancels one ends the job.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from sslviz.errors import UserError
from sslviz.papers import PAPERS
from sslviz.papers.repeating import Asked, command_of, gather, repeat
from sslviz.runs import Run, Status
from sslviz.worker.training import work_run
from sslviz.worker.waiting import resolve_device

Progress = Callable[..., None]
PARTS = 1000
"""A run is so many parts of the work; the judgement is as many as a run."""


def reproduce(arguments: dict[str, Any], report: Progress, stopped: type[Exception]) -> dict[str, Any]:
    """`workspace`, `paper`, `scale`, `seed`; `images`, where not the default ones.

    `report` raises `stopped` where somebody asked the job to stop. Raises it too, and `UserError`.
    """
    paper, scale = PAPERS[arguments["paper"]], str(arguments["scale"])
    images = arguments.get("images")
    report(0, 1, "Reading the images.")
    data = gather(Path(arguments["workspace"]), paper, paper.scales[scale], images, None)
    seed = int(arguments.get("seed", 0))
    command = command_of(paper, scale, seed, images=images)
    asked = Asked(paper, scale, data, seed, device=resolve_device("auto"), command=command)
    return carry_out(asked, report, stopped)


def carry_out(asked: Asked, report: Progress, stopped: type[Exception]) -> dict[str, Any]:
    """Train and judge what was asked for; `report` and `stopped` as above."""
    total = PARTS * (len(asked.paper.values(asked.scale)) + 1)

    def train(run: Run, place: int, several: int) -> Status:
        def tell(status: Status) -> None:
            share = status.step / status.steps if status.steps else 0.0
            of = f"Run {place + 1} of {several}" if several > 1 else "Training"
            steps = f"step {status.step:,} of {status.steps:,}" if status.step else status.message
            try:
                report(round(PARTS * (place + share)), total, f"{of}: {steps}")
            except stopped:
                run.cancel()  # it ends between two steps, and keeps what it has learned

        status = work_run(run, tell)
        if status.state == "failed":
            raise UserError(status.message, status.hint)
        return status

    def judging(done: int, of: int, message: str) -> None:
        report(round(PARTS * (done / max(1, of))) + total - PARTS, total, f"Judging: {message}")

    told = repeat(asked, train, judging)
    if "rows" not in told:
        raise stopped
    return {"run": told["run"], "visible": told["visible"]}
