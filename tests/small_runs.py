"""A set of a few generated images, and runs on it that take seconds."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from sslviz import imagesets, jobs, runs, settings
from sslviz.imagesets import ImageSet, NewImage
from sslviz.runs import Run, Spec

ROOT = Path(__file__).resolve().parents[1]
FEW = "from sslviz.train import draws, planning; draws.HELDOUT = planning.GLANCE = 16; "
"""Evaluations on few examples, for runs whose accuracy nobody reads."""
STARTED: list[subprocess.Popen[str]] = []


def pictures(count: int = 24, side: int = 32, seed: int = 0) -> np.ndarray[Any, np.dtype[np.uint8]]:
    """Coarse random colours, bright at the top: uint8 (N, S, S, 3)."""
    draw = np.random.default_rng(seed)
    coarse = draw.integers(0, 160, (count, 4, 4, 3)).repeat(side // 4, 1).repeat(side // 4, 2)
    light = np.linspace(90, 0, side)[None, :, None, None]
    return (coarse + light).clip(0, 255).astype(np.uint8)


def make_set(name: str = "pics", count: int = 24, side: int = 32, seed: int = 0) -> ImageSet:
    images = imagesets.create(settings.workspace(), name)
    images.add(
        NewImage(f"{'ab'[n % 2]}/{n}.png", pixels=pixels, label="ab"[n % 2])
        for n, pixels in enumerate(pictures(count, side, seed))
    )
    return images


def make_run(chosen: ImageSet, **changes: Any) -> Run:
    spec: dict[str, Any] = {"task": "rotation", "images": chosen.name, "size": 16, "steps": 6, "batch": 4,
                            "device": "cpu", "threads": 1, "precision": "fp32"}  # fmt: skip
    spec |= {"images_id": chosen.folder.name, "fingerprint": chosen.fingerprint}
    return runs.create(settings.workspace(), Spec(**spec | changes))


def wait_for(condition: Callable[[], object], seconds: float = 90.0) -> None:
    until = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < until, "waited in vain"
        time.sleep(0.02)


def python(code: str, *arguments: str) -> subprocess.Popen[str]:
    """A process that runs `code`, apart from this one's session."""
    process = subprocess.Popen(
        [sys.executable, "-c", code, *arguments],
        cwd=ROOT,
        env=dict(os.environ),
        start_new_session=True,
        text=True,
    )
    STARTED.append(process)
    return process


def recorded(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Have no process start; the modules that were to run in one are noted. A thread that an earlier test
    left may still ask for one, but for a folder of another home."""
    asked: list[str] = []
    home = str(settings.load().home)

    def note(module: str, *arguments: str, **_: Any) -> None:
        if not arguments or arguments[0].startswith(home):
            asked.append(module)

    monkeypatch.setattr(jobs.processes, "detach", note)
    return asked


def end_all() -> None:
    """End what `python` started."""
    while STARTED:
        process = STARTED.pop()
        process.kill()
        process.wait()


def worker(run: Run) -> subprocess.Popen[str]:
    """The run's worker as a process of its own."""
    return python(FEW + "import sys; from sslviz.worker import main; main(sys.argv[1:])", str(run.folder))


def curve(run: Run) -> list[tuple[Any, ...]]:
    """What a run's metrics say, without what depends on the clock."""
    names = ("step", "loss", "accuracy", "heldout_accuracy", "heldout_loss", "learning_rate", "knn_accuracy")
    return [tuple(point[name] for name in names) for point in run.metrics()]
