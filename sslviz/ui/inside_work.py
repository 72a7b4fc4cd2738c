"""What is not computed yet of the inside of a network: the job is started, followed, and started again."""

from __future__ import annotations

import sys
from typing import Any

from sslviz import inside
from sslviz.imagesets import ImageSet
from sslviz.runs import Run
from sslviz.ui import frame, waiting

QUICK = ("small",)
"""Networks that look at an image in less time than a process takes to start."""


def follow(run: Run, images: ImageSet, row: int | None) -> None:
    """Have whatever is missing computed, with words on how far it is; draws nothing when all is there."""
    state = inside.state(run, images)
    if not all(state):
        _follow(run, images, None, row)
    sample_there = state[2] and state[5]
    if row is not None and sample_there and not _look_there(run, images, row):
        _follow(run, images, row, row)


def look_at(run: Run, images: ImageSet, row: int) -> None:
    """Look at an image at once where that is quick: for a small network, once this process has torch."""
    if "torch" not in sys.modules or run.spec.model not in QUICK or _look_there(run, images, row):
        return
    state = inside.state(run, images)
    if state[2] and state[5]:
        inside.compute(images.workspace, run.id, images.name, image=images.ids[row], everything=False)


def _look_there(run: Run, images: ImageSet, row: int) -> bool:
    state = inside.state(run, images, row)
    return bool(state[2] and state[5])


def _follow(run: Run, images: ImageSet, image: int | None, row: int | None) -> None:
    # The fingerprint and the step are there so that a set or a run that has changed is another job.
    arguments: dict[str, Any] = {
        "workspace": str(frame.workspace()),
        "run": run.id,
        "set": images.name,
        "fingerprint": images.fingerprint,
        "step": run.status().step,
    }
    arguments |= {} if image is None else {"image": images.ids[image]}
    words = "Looking inside" if image is None else "Looking at the chosen image"
    waiting.until("inside", arguments, words, lambda: inside.state(run, images, row))
