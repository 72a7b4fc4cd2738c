"""What a home holds, in words that can be compared, and whether all of it is whole."""

from __future__ import annotations

import json
import zlib
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
from safetensors import safe_open

from sslviz import files, imagesets, kept, naming, runs, settings
from sslviz.imagesets import ImageSet
from sslviz.jobs import Job
from sslviz.runs import Run, checkpoints

OF_THE_CLOCK = ("created", "updated", "started", "finished", "pid")


def contents() -> dict[str, Any]:
    """The sets and runs of a home with everything that people put there, without ids and times."""
    workspace = settings.workspace()
    found: dict[str, Any] = {}
    for summary in imagesets.names(workspace):
        assert not summary.problem, summary.problem
        found[f"set {summary.name}"] = _set(imagesets.open_set(workspace, summary.name))
    for number, run in enumerate(reversed([run for run in runs.listing(workspace) if not run.bundled])):
        found[f"run {number}"] = _run(run)
    return found


def _set(images: ImageSet) -> dict[str, Any]:
    rows = []
    for row, entry in enumerate(images.entries):
        mask = images.mask(row)
        pixels = zlib.crc32(images.pixels(row)), zlib.crc32(images.thumbnail(row))
        rows.append((entry.id, entry.name, entry.label, entry.source, entry.box, pixels, mask is not None))
    names = naming.read(images)
    assert not names.damaged
    return {"rows": rows, "names": dict(names.given), "origin": images.origin, "builtin": images.builtin}


def _run(run: Run) -> dict[str, Any]:
    assert not run.damage, run.damage
    run.settle_cancel()  # as the supervisor does with one that nobody works on
    status = run.status()
    assert status.state != "unreadable", status.message
    spec = {name: value for name, value in asdict(run.spec).items() if name not in OF_THE_CLOCK}
    stands = {name: value for name, value in asdict(status).items() if name not in OF_THE_CLOCK}
    ticketed = any((settings.load().home / "queue").glob(f"*-{run.id}"))
    return {
        "spec": spec, "status": stands, "title": run.title, "note": run.note, "points": run.metrics(),
        "checkpoints": [step for step, _ in run.checkpoints()], "queued": ticketed,
        "more": sorted(path.name for path in run.folder.glob("*.json")),
    }  # fmt: skip


def assert_whole(home: Path) -> None:
    """Every file parses, or is what its checksum says, and nothing that was half written is left."""
    for path in sorted(home.rglob("*")):
        assert not (path.name.startswith(".") and path.suffix in (".tmp", ".deleted")), path
        if not path.is_file():
            continue
        if path.suffix == ".json":
            files.read_json(path)
        elif path.suffix == ".jsonl":
            text = path.read_text()
            assert not text or text.endswith("\n"), path
            for line in text.splitlines():
                json.loads(line)
        elif path.suffix == ".bin":
            assert kept.read(path) is not None, path
        elif path.suffix == ".npy":
            np.load(path, allow_pickle=False)
        elif path.suffix == ".safetensors":
            with safe_open(path, "np") as opened:
                assert opened.keys()
    for run in runs.listing(settings.workspace()):
        for name in ("checkpoints", checkpoints.SNAPSHOTS):
            assert checkpoints.damaged(run.folder / name) == []
    for folder in (home / "jobs").glob("*/"):
        if (folder / "status.json").exists():
            Job(folder).request()
            assert "cannot be read" not in Job(folder).status().error


def cached(home: Path) -> set[str]:
    """Files of the cache, by their names below it."""
    return {str(path.relative_to(home)) for path in (home / "cache").rglob("*") if path.is_file()}
