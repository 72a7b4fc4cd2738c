"""The four runs that stand side by side, asked for alike, and those that are there already."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from sslviz import comparison, runs
from sslviz.imagesets import ImageSet
from sslviz.jobs.queue import FOUND_OUT
from sslviz.runs import Run, Spec

TASKS = ("rotation", "exemplar", "jigsaw", "location")
LEAST = {"rotation": 16, "exemplar": 24, "jigsaw": 48, "location": 48}
"""Pixels on the short side of an image that a task needs: its `minimum_side`, which takes torch to read."""
BESIDES = FOUND_OUT | {"images", "title", "note", "origin", "device"}
"""What two runs may differ in and yet have been asked for the same."""


def left_out(images: ImageSet, size: int | None = None) -> dict[str, str]:
    """Why a task cannot be trained on the images, resampled to `size` where that is given, by its name."""
    side = min((min(entry.width, entry.height) for entry in images.entries), default=0)
    least = side if size is None else min(side, size)
    given = f"the smallest image has {side}" if least == side else f"the size is {size}"
    return {
        task: f"{task} needs {needed} pixels on the short side, and {given}"
        for task, needed in LEAST.items()
        if least < needed
    }


def specs(images: ImageSet, **same: Any) -> list[Spec]:
    """What to ask for: one run of each task that can be trained on `images`, the rest the `same` for all; see
    `Spec`."""
    without = left_out(images, same.get("size"))
    return [
        Spec(
            task=task,
            images=images.name,
            images_id=images.folder.name,
            fingerprint=images.fingerprint,
            count=len(images),
            labels=len(images.label_counts()),
            **same,
        )
        for task in TASKS
        if task not in without
    ]


def made(workspace: Path, spec: Spec) -> Run | None:
    """The newest run that was asked for the same on the same images, and is done."""
    wanted = _asked(spec)
    for run in runs.listing(workspace):
        same = run.spec.fingerprint == spec.fingerprint and _asked(run.spec) == wanted
        if same and not run.bundled and not run.damage and run.status().state == "done":
            return run
    return None


def comparable(usable: Iterable[Run], images: ImageSet) -> list[Run]:
    """Of runs, newest first, one of each task that was trained on `images`, in the order of the tasks: those
    that were asked for alike and of most tasks, and where they are not of all, the newest of the others."""
    newest: dict[str, Run] = {}
    groups: dict[str, dict[str, Run]] = {}
    for run in usable:
        if is_on(run, images):
            newest.setdefault(run.spec.task, run)
            groups.setdefault(_alike(run), {}).setdefault(run.spec.task, run)
    found = newest | max(groups.values(), key=len, default={})  # of equals the first, which is newer
    return [found[task] for task in TASKS if task in found]


def is_on(run: Run, images: ImageSet) -> bool:
    """Whether a run was trained on a set, though perhaps before images were added to it."""
    return run.spec.images_id == images.id or run.spec.fingerprint == images.fingerprint


def unlike(found: Sequence[Run]) -> dict[str, list[str]]:
    """The settings, by their names for people, in which the comparison is not fair: one value a run.

    Sides and rates that were left to the tasks may differ: each has what suits it.
    """
    asked: dict[str, list[Any]] = {
        "model": [run.spec.model for run in found],
        "size": [run.spec.size for run in found],
        "seed": [run.spec.seed for run in found],
        "budget": [comparison.budget(run) for run in found],
        "start": [run.spec.start for run in found],
    }
    return {
        comparison.called(name): [comparison.said(value) for value in values]
        for name, values in asked.items()
        if len(set(values)) > 1
    }


def _alike(run: Run) -> str:
    """The same for runs that differ in their task alone; those that come along were made for each other."""
    besides = {"task", "options"}
    if run.bundled and not run.shared:
        return ""
    return repr([pair for pair in _asked(run.spec).items() if pair[0] not in besides])


def _asked(spec: Spec) -> dict[str, Any]:
    asked = {name: value for name, value in asdict(spec).items() if name not in BESIDES}
    if spec.minutes is None and spec.steps is None and spec.like is None:
        asked["minutes"] = 1.0  # which is what no budget means
    return asked
