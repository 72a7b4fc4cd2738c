"""The jobs of the shortcut lab: a pair of runs with a guard and without, and a cue that is told alone."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from sslviz import imagesets
from sslviz.papers import whole
from sslviz.shortcuts import alone, guard_named, pairs
from sslviz.worker.reproducing import carry_out
from sslviz.worker.waiting import resolve_device

Progress = Callable[..., None]


def pair(arguments: dict[str, Any], report: Progress, stopped: type[Exception]) -> dict[str, Any]:
    """Train both runs, one after the other, and judge them. Raises `stopped` and `UserError`."""
    guard = guard_named(str(arguments["guard"]))
    data = whole(imagesets.open_set(Path(arguments["workspace"]), arguments["set"]))
    how: dict[str, Any] = {
        "measure": str(arguments["measure"]),
        "strength": float(arguments["strength"]),
        "steps": int(arguments["steps"]),
        "seed": int(arguments["seed"]),
    }
    command = pairs.command_of(guard, data.images.name, **how)
    asked = pairs.asked(guard, data, device=resolve_device("auto"), command=command, **how)
    return carry_out(asked, report, stopped)


def cue(arguments: dict[str, Any], report: Progress) -> dict[str, Any]:
    """What the cue of a guard tells by itself, the given strength first. Raises `UserError`."""
    guard = guard_named(str(arguments["guard"]))
    images = imagesets.open_set(Path(arguments["workspace"]), arguments["set"])
    alone.measure(guard, images, alone.strengths_of(guard, float(arguments["strength"])), report)
    return {"guard": guard.name, "set": images.name}
