"""How fast pictures come in, and how soon after the click there is something to see."""

from __future__ import annotations

import multiprocessing
import os
import tempfile
import time
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from sslviz import images as decoding
from sslviz import imagesets, ingest, jobs, runs, settings
from sslviz.errors import UserError
from sslviz.imagesets import ImageSet
from sslviz.runs import Spec, is_held

PICTURES = 1_000
TRIES = 3


def measure_ingest(images: ImageSet, workspace: Path) -> dict[str, Any]:
    """Pictures a second of `ingest`, beside a bare pool of as many processes that reads, decodes, shrinks,
    encodes and makes the thumbnail of the same files and keeps nothing. Both start their processes."""
    with _files(images) as paths:
        ours, bare = [], []
        for number in range(TRIES):
            began = time.perf_counter()
            _bare(paths)
            bare.append(len(paths) / (time.perf_counter() - began))
            made = imagesets.create(workspace, f"bench {number}")
            began = time.perf_counter()
            ingest.ingest(made, paths)
            ours.append(len(paths) / (time.perf_counter() - began))
            made.delete()
    return {
        "pictures_per_second": max(ours),
        "bound": max(bare),
        "bound_is": "a bare pool",
        "over_bare": max(ours) / max(bare),
    }


@contextmanager
def _files(images: ImageSet) -> Iterator[list[Path]]:
    with tempfile.TemporaryDirectory() as name:
        paths = []
        for row in range(min(PICTURES, len(images))):
            paths.append(Path(name) / f"{row}.jpg")
            paths[-1].write_bytes(images.jpeg(row))
        yield paths


def _bare(paths: list[Path]) -> None:
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    with ProcessPoolExecutor(cores, multiprocessing.get_context("spawn")) as pool:
        for _ in pool.map(_stored, paths, chunksize=32):
            pass


def _stored(path: Path) -> int:
    limits = settings.load()
    stored = decoding.reencode(
        decoding.decode(path.read_bytes(), limits), limits.store_side, limits.thumbnail_side
    )
    return len(stored.jpeg) + len(stored.thumbnail)


def measure_first_metric(images: ImageSet, workspace: Path, device: str) -> dict[str, Any]:
    """Seconds from asking for a run to its first metrics, with a process ready and the machine measured, as
    after the first run of an open app; the median of a few."""
    server = jobs.serve()
    try:
        _first_metric(images, workspace, device)
        _warm()
        taken = []
        for _ in range(TRIES):
            taken.append(_first_metric(images, workspace, device))
            _warm()
    finally:
        server.release()
    return {"seconds": sorted(taken)[len(taken) // 2], "bound": 2.0, "bound_is": "what is promised"}


def _first_metric(images: ImageSet, workspace: Path, device: str) -> float:
    began = time.perf_counter()
    spec = Spec(task="rotation", images=images.name, images_id=images.folder.name, minutes=1.0, device=device)
    run = runs.create(workspace, spec)
    jobs.submit(run)
    while not run.metrics():
        if run.status().finished_state or time.perf_counter() - began > 120:
            raise UserError("The run that was to be timed did not begin.", f"{run.log} may say why.")
        time.sleep(0.005)
    taken = time.perf_counter() - began
    run.cancel()
    while not run.status().finished_state:
        time.sleep(0.05)
    runs.open_run(workspace, run.id).delete()
    return taken


def _warm(seconds: float = 120.0) -> None:
    """Wait until the next process is ready."""
    until = time.monotonic() + seconds
    while not is_held(jobs.warm_lock()):
        if time.monotonic() > until:
            raise UserError("No process became ready for a run.", "Is memory short?")
        time.sleep(0.05)
