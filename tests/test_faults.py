"""Faults: whatever is killed, stopped or damaged, a run is whole on disk, says how it stands, and goes on."""

from __future__ import annotations

import hashlib
import json
import multiprocessing
import os
import random
import time
from collections import Counter
from collections.abc import Iterator
from multiprocessing.context import ForkServerProcess
from pathlib import Path

import pytest
from safetensors import safe_open
from small_runs import curve, end_all, make_run, make_set

from sslviz import files
from sslviz.imagesets import ImageSet
from sslviz.runs import Run

STEPS = 30
FORKS = multiprocessing.get_context("forkserver")
# Each worker would take seconds to import these.
FORKS.set_forkserver_preload(["sslviz.worker.training", "torch._inductor.config", "torch._dynamo"])


@pytest.fixture(autouse=True)
def nothing_is_left() -> Iterator[None]:
    yield
    end_all()


@pytest.fixture
def images() -> ImageSet:
    return make_set()


def train(folder: str, environment: dict[str, str]) -> None:
    """A worker that writes all the time, for whoever kills it to strike while it does."""
    os.environ.update(environment)
    from sslviz import jobs, worker
    from sslviz.train import draws, planning
    from sslviz.worker import training

    draws.HELDOUT = planning.GLANCE = 16
    training.CHECKPOINT_SECONDS, training.STATUS_SECONDS = 0.1, 0.01
    jobs.lower_priority = lambda: None  # nobody else is served here
    os.fsync = lambda fd: None  # what was written outlives a process without it, though no power cut
    worker.main([folder])


def start_worker(run: Run) -> ForkServerProcess:
    environment = {name: value for name, value in os.environ.items() if name.startswith("SSLVIZ_")}
    process = FORKS.Process(target=train, args=(str(run.folder), environment), daemon=True)
    process.start()
    return process


def assert_nothing_is_torn(home: Path, run: Run) -> None:
    """Every JSON file of the home parses, lines are whole, and checkpoints are what their manifests say."""
    for path in home.rglob("*.json"):
        if not path.name.startswith("."):
            files.read_json(path)
    if (run.folder / "metrics.jsonl").exists():
        text = (run.folder / "metrics.jsonl").read_text()
        assert text.endswith("\n") or not text
        steps = [json.loads(line)["step"] for line in text.splitlines()]
        assert steps == sorted(set(steps))
        assert steps == [point["step"] for point in run.metrics()]
    for manifest in (run.folder / "checkpoints").glob("*/manifest.json"):
        written = files.read_json(manifest)
        assert manifest.parent.name == str(written["step"])
        assert set(written["files"]) == {"model.safetensors", "resume.safetensors"}
        for name, entry in written["files"].items():
            data = (manifest.parent / name).read_bytes()
            assert hashlib.sha256(data).hexdigest() == entry["sha256"]
            with safe_open(manifest.parent / name, "pt") as tensors:
                assert list(tensors.keys())


def kill_and_resume(images: ImageSet, home: Path, kills: int, seed: int) -> Counter[str]:
    """Kill `kills` workers at moments drawn over the whole of a run's time; count what they left."""
    ready = FORKS.Process(target=abs, args=(0,))
    ready.start()
    ready.join()
    whole = make_run(images, steps=STEPS)
    began = time.monotonic()
    start_worker(whole).join()
    lasts = time.monotonic() - began
    assert whole.status().state == "done"
    draw, found = random.Random(seed), Counter[str]()
    while found["killed"] < kills:
        run = make_run(images, steps=STEPS)
        process = start_worker(run)
        process.join(draw.uniform(0, lasts))
        process.kill()
        process.join()
        struck = time.monotonic()
        if process.exitcode == 0:  # it was faster than the first
            lasts *= 0.9
            continue
        assert process.exitcode == -9
        while run.status().state == "running":
            assert time.monotonic() - struck < 2
        assert_nothing_is_torn(home, run)
        before = run.read_status().state
        left = next(run.checkpoints(), None)
        found["killed"] += 1
        found[
            "before it began" if before == "queued" else "with a checkpoint" if left else "without one"
        ] += 1
        assert run.status().state == {"running": "lost", "done": "done", "queued": "queued"}[before]
        last = start_worker(run)
        last.join()
        assert last.exitcode == 0
        assert run.status().state == "done"
        assert_nothing_is_torn(home, run)
        assert curve(run) == curve(whole)
        assert [point["step"] for point in run.metrics()][-1] == STEPS
        assert run.weights().read_bytes() == whole.weights().read_bytes()
    return found


def test_two_kills_at_random_moments(images: ImageSet, home: Path) -> None:
    kill_and_resume(images, home, 2, seed=1)


@pytest.mark.slow
def test_thirty_kills_at_random_moments(images: ImageSet, home: Path) -> None:
    """Nothing is torn, none says it runs, and each ends with the very weights of a run that nobody killed."""
    found = kill_and_resume(images, home, 30, seed=0)
    print(dict(found))  # noqa: T201
    assert found["killed"] == 30
    assert found["with a checkpoint"] >= 5  # else they were all struck while they began
