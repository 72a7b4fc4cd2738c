"""What a run begins with: its images, its plan, the weights it starts from or goes on from."""

from __future__ import annotations

import contextlib
from dataclasses import fields, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from safetensors import SafetensorError
from safetensors.torch import load_file

from sslviz import kept
from sslviz.errors import UserError
from sslviz.examinee import unseen
from sslviz.imagesets import ImageSet, places_along
from sslviz.plan import Plan
from sslviz.recipes import DEFAULT, RECIPES
from sslviz.runs import Run, checkpoints, open_run
from sslviz.tasks import Task
from sslviz.train import make_plan


def saved_state(run: Run, fingerprint: str) -> tuple[int, dict[str, torch.Tensor]] | None:
    """(step, state) of the newest checkpoint that can be resumed from."""
    for step, folder in run.checkpoints():
        if run.spec.fingerprint != fingerprint:
            raise UserError(
                f"The images of {run.spec.images!r} have changed since this run began.",
                "Start a new run on them.",
            )
        with contextlib.suppress(OSError, SafetensorError):
            return step, load_file(folder / checkpoints.RESUME)
    return None


def start_weights(run: Run) -> tuple[dict[str, torch.Tensor] | None, int]:
    """Weights of the run that this one starts from, and the steps that they have behind them."""
    if run.spec.start is None:
        return None, 0
    parent = open_run(run.workspace, run.spec.start)
    if parent.spec.model != run.spec.model:
        raise UserError(
            f"Run {parent.id} has the network {parent.spec.model!r}, not {run.spec.model!r}.",
            f"Use --model {parent.spec.model}.",
        )
    path = parent.weights()
    return load_file(path), parent.spec.since + int(path.parent.name)


def plan_for(
    run: Run, task: Task, images: ImageSet, squares: NDArray[np.uint8], device: str, *, halve: bool
) -> Plan:
    """The plan: the one written down, where the run has begun, else a new one."""
    spec = run.spec
    if spec.plan is not None:
        plan = plan_of(run)
        if not halve:
            return plan
        # Beginning anew; a checkpoint says itself what re-plans there had been.
        first = plan if plan.seconds is None else plan.replans_as_of(())
        return replace(first, batch=max(1, plan.batch // 2))
    like = plan_of(open_run(run.workspace, spec.like)) if spec.like else None
    batch = spec.batch
    if halve:
        usual = RECIPES.get(task.name, DEFAULT).batch if like is None else like.batch
        batch = max(1, (batch or usual) // 2)
    path = kept.area_of("calibration") / "speeds.bin"
    calibration = _read_calibration(path)
    known = dict(calibration)
    plan = make_plan(
        task,
        squares,
        model=spec.model,
        device=device,
        minutes=spec.minutes,
        steps=spec.steps,
        like=like,
        lr=spec.lr,
        batch=batch,
        precision=spec.precision,
        channels_last=spec.channels_last,
        threads=spec.threads,
        calibration=calibration,
    )
    if calibration != known:
        kept.write(path, {}, speeds=calibration)
    if spec.centre or like is None:
        along = 1 if spec.centre or not task.of_images else places_along(images, squares.shape[-1])
        plan = replace(plan, squares=along)
    return plan if plan.held_out_from is not None else replace(plan, held_out_from=_kept_apart(run))


def _kept_apart(run: Run) -> int | None:
    """`Plan.held_out_from` of the run that this one starts from, where that had the same images: what was not
    to be seen stays apart."""
    if run.spec.start is None:
        return None
    parent = open_run(run.workspace, run.spec.start).spec
    found = (parent.plan or {}).get("held_out_from")
    return found if parent.fingerprint == run.spec.fingerprint and isinstance(found, int) else None


def known_before(run: Run, images: ImageSet, rows: torch.Tensor) -> str:
    """A sentence, where the run that this one starts from was or may have been trained, in the same task, on
    images that are held out now: another seed, or images that were added, divide a set anew. Else "".

    `rows`, int64, are those held out; exemplar's are patches, of which other copies are asked about anyhow.
    """
    if run.spec.start is None or run.spec.task == "exemplar":
        return ""
    try:
        parent = open_run(run.workspace, run.spec.start)
    except UserError:  # deleted, since this one began
        return ""
    if parent.spec.task != run.spec.task:
        return ""
    told = unseen(parent, images)
    begins = f"Run {parent.id}, from which this one starts,"
    if told.kind == "unknown":
        return f"{begins} may have been trained on images held out here: held-out accuracy may be too high."
    fresh = set() if told.kind == "seen" else set(told.rows.tolist())
    known, held = sum(row not in fresh for row in rows.tolist()), len(rows)
    if not known:
        return ""
    which = "the one image" if known == held == 1 else f"{known:,} of the {held:,} images"
    return f"{begins} was trained on {which} held out here, so that held-out accuracy is too high."


def plan_of(run: Run) -> Plan:
    """The plan that a run fixed. Raises `UserError` where it has none that this version understands."""
    names = {field.name for field in fields(Plan)}
    try:
        return Plan(**{k: v for k, v in (run.spec.plan or {}).items() if k in names})
    except (TypeError, ValueError):
        raise UserError(
            f"Run {run.id} has no plan to replay: it never began.", "Choose another run."
        ) from None


def _read_calibration(path: Path) -> dict[str, Any]:
    found = kept.read(path)
    return {} if found is None else dict(found[0]["speeds"])
