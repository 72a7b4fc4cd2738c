"""Train the encoders that come with the package: `python -m sslviz.encoders [task …]`.

Each task is trained on the built-in scenes as `sslviz train TASK --images scenes --steps N --seed 0` would do
it, and what is needed to look at the result is written beside this file. The steps are fixed, so that another
machine, or a busy one, makes encoders of the same worth: about four minutes each on two cores that multiply
bfloat16, ten on others.
"""

from __future__ import annotations

import json
import shutil
import sys
import tempfile
from dataclasses import asdict
from pathlib import Path

import torch
from safetensors.torch import load_file, save

from sslviz import ingest, runs
from sslviz.files import write_atomically, write_json
from sslviz.runs import Run, Spec, checkpoints
from sslviz.tasks import TASKS
from sslviz.worker import work_run

FOLDER = Path(__file__).parent
MOST_BYTES = 1_600_000
STEPS = {"rotation": 3_000, "exemplar": 8_000, "jigsaw": 5_000, "location": 5_000}


def publish(run: Run) -> Path:
    """Copy what a reader of `run` needs to the package; returns its new folder."""
    folder = FOLDER / run.spec.task.ljust(12, "0")
    shutil.rmtree(folder, ignore_errors=True)
    title = f"{TASKS[run.spec.task].title} on scenes"
    write_json(folder / "spec.json", asdict(run.spec) | {"title": title})
    write_json(folder / "status.json", asdict(run.status()) | {"pid": None})
    points = "".join(json.dumps(point) + "\n" for point in run.metrics())
    write_atomically(folder / "metrics.jsonl", points.encode())
    checkpoints.save(folder / "checkpoints", run.status().step, {checkpoints.MODEL: light(run)})
    return folder


def light(run: Run) -> bytes:
    """The weights in half precision; without the head, which no map needs, where it would be too much."""
    weights = {name: half(tensor) for name, tensor in load_file(run.weights()).items()}
    data = save(weights)
    if len(data) > MOST_BYTES:
        data = save({name: tensor for name, tensor in weights.items() if name.startswith("encoder.")})
    assert len(data) <= MOST_BYTES, f"{run.spec.task}: {len(data)} bytes"
    return data


def half(tensor: torch.Tensor) -> torch.Tensor:
    return tensor.half() if tensor.is_floating_point() else tensor


def main() -> None:
    with tempfile.TemporaryDirectory() as scratch:
        workspace = Path(scratch) / "workspaces" / "local"
        ingest.resolve(workspace, "scenes")
        for task in sys.argv[1:] or STEPS:
            run = runs.create(workspace, Spec(task=task, images="scenes", steps=STEPS[task]))
            status = work_run(run)
            assert status.state == "done", status
            folder = publish(runs.open_run(workspace, run.id))
            sys.stderr.write(f"{folder.name}: held-out accuracy {status.heldout_accuracy:.3f}\n")


if __name__ == "__main__":
    main()
