"""What was asked of runs, side by side: the settings in which they differ."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from typing import Any

from sslviz.runs import Run

DEFAULT = "default"
"""In place of an option that a run left as it is while another run of the task did not."""
NAMES = {
    "task": "Task",
    "images": "Images",
    "model": "Network",
    "size": "Size",
    "seed": "Seed",
    "budget": "Length",
    "optimizer": "Optimiser",
    "lr": "Learning rate",
    "batch": "Batch",
    "precision": "Precision",
    "channels_last": "Channels last",
    "squares": "Squares of an image",
    "device": "Device",
    "start": "Continues",
}
"""How the settings are called, in their order; the options of tasks follow."""
OPTIMIZERS = {"adamw": "AdamW", "muon": "Muon", "muon-adamw": "Muon and AdamW", "sgd": "SGD"}


def asked(run: Run) -> dict[str, Any]:
    """The settings of a run by name, as its plan fixed them where it has one: None is the network's own or
    the task's own choice that is not known yet."""
    spec, plan = run.spec, run.spec.plan or {}
    return {
        "task": spec.task,
        "images": spec.images,
        "model": spec.model,
        "size": spec.side or spec.size,
        "seed": spec.seed,
        "budget": budget(run),
        "optimizer": OPTIMIZERS.get(plan.get("optimizer", "")),
        "lr": plan.get("lr", spec.lr),
        "batch": plan.get("batch", spec.batch),
        "precision": plan.get("precision", spec.precision),
        "channels_last": spec.channels_last,
        "squares": plan.get("squares", 1) if plan else 1 if spec.centre else None,
        "device": spec.device,
        "start": spec.start,
    }


def budget(run: Run) -> str:
    """For how long a run was asked to train: minutes, steps, or as another run."""
    spec = run.spec
    if spec.like is not None:
        return f"like {spec.like}"
    if spec.steps is not None:
        return f"{spec.steps:,} steps"
    return f"{1.0 if spec.minutes is None else spec.minutes:g} min"


def differing(found: Sequence[Run]) -> dict[str, list[Any]]:
    """The settings, and the options of tasks, that are not the same in all runs: one value a run."""
    told = [asked(run) for run in found]
    table = {name: [one[name] for one in told] for name in NAMES}
    options = sorted({option for run in found for option in run.spec.options})
    table |= {name: setting(found, name) for name in options}
    return {name: values for name, values in table.items() if len({repr(value) for value in values}) > 1}


def setting(found: Sequence[Run], name: str) -> list[Any]:
    """One setting, or option, of each run."""
    if name in NAMES:
        return [asked(run)[name] for run in found]
    tasks = {run.spec.task for run in found if name in run.spec.options}
    return [run.spec.options.get(name, DEFAULT if run.spec.task in tasks else None) for run in found]


def called(name: str) -> str:
    """A setting's or an option's name for people."""
    return NAMES.get(name, name.replace("_", " ").capitalize())


def said(value: Any) -> str:
    """A setting's value for people."""
    if value is None:
        return "–"
    if isinstance(value, bool):
        return "on" if value else "off"
    return f"{value:g}" if isinstance(value, float) else str(value)


def apart(found: Sequence[Run], names: Sequence[str]) -> list[str]:
    """`names` of the runs, those that are alike told apart by up to two settings, or else by the id's end."""
    groups: dict[str, list[Run]] = {}
    for run, name in zip(found, names, strict=True):
        groups.setdefault(name, []).append(run)
    marks = {run.id: mark for twins in groups.values() for run, mark in _marks(twins)}
    full = [f"{n} · {marks[r.id]}" if marks[r.id] else n for r, n in zip(found, names, strict=True)]
    again = Counter(full)
    return [f"{n} · {r.id[-4:]}" if again[n] > 1 else n for r, n in zip(found, full, strict=True)]


def _marks(twins: Sequence[Run]) -> Iterator[tuple[Run, str]]:
    """What sets each of some runs apart, in few words."""
    told = differing(twins)
    shown = [name for name in told if name not in ("task", "images", "start")][:2]
    for place, run in enumerate(twins):
        values = {name: told[name][place] for name in shown if told[name][place] is not None}
        yield run, ", ".join(f"{called(name).lower()} {said(value)}" for name, value in values.items())
