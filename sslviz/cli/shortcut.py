"""`sslviz shortcut` and `sslviz cue`: a guard off and on, in two short runs; what its cue alone tells."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import typer

from sslviz.cli.inspect import images_named
from sslviz.cli.output import Progress, emit, percent, table
from sslviz.errors import UserError

NAME = typer.Argument(help="location-gap, rotation-flip, …; a wrong one lists them all.")
IMAGES = typer.Option(..., "--images", help="A set, a folder, a zip, or a built-in.")
STRENGTH = typer.Option(
    None,
    "--strength",
    help="Of chromatic aberration, in per mille, for the guards against fringes.  [default: 10]",
)


def shortcut(
    name: str = NAME,
    images: str = IMAGES,
    minutes: float | None = typer.Option(None, help="Budget of both runs together."),
    steps: int | None = typer.Option(None, help="Steps of each run.  [default: what suits the task]"),
    measure: str | None = typer.Option(
        None, help="Which guard, where there are several.  [default: the first]"
    ),
    strength: float | None = STRENGTH,
    seed: int = typer.Option(0, help="Of everything that is drawn, the same for both."),
    device: str = typer.Option("auto", help="auto, cpu, cuda or mps."),
    as_json: bool = typer.Option(False, "--json", help="Print one JSON object at the end."),
) -> int:
    """Train two short runs that differ in one guard, and see what it is for; what was begun goes on."""
    from sslviz.cli.reproduce import training
    from sslviz.cli.train import INTERRUPTED
    from sslviz.papers import whole
    from sslviz.papers.repeating import repeat
    from sslviz.shortcuts import guards, pairs
    from sslviz.worker.waiting import resolve_device

    if minutes is not None and steps is not None:
        raise UserError("--minutes and --steps exclude each other.", "Choose one of them.")
    if minutes is not None and not 0.05 <= minutes < 1e5:
        raise UserError(f"Two runs cannot be trained in {minutes:g} minutes.", "Give 0.05 at least.")
    guard = guards.guard_named(name)
    how: dict[str, Any] = {
        "measure": guards.measure_named(guard, measure),
        "strength": guards.strength_of(guard, strength),
        "steps": guard.steps if minutes is None and steps is None else steps,
        "minutes": minutes,
        "seed": seed,
    }
    place = resolve_device(device)
    chosen = images_named(images)
    command = pairs.command_of(guard, chosen.name, device=device, **how)
    asked = pairs.asked(guard, whole(chosen), device=place, command=command, **how)
    progress = Progress("Preparing")

    def report(done: int, total: int, message: str) -> None:
        progress.say(f"{message}: {done:,} of {total:,}")

    try:
        told = repeat(asked, training(progress), report, report)
    finally:
        progress.close()
    if "rows" not in told:
        stopped = {"guard": guard.name, "run": told["run"], "state": told["state"]}
        emit(stopped, as_json, f"Run {told['run']} was interrupted: the same command goes on with it.")
        return INTERRUPTED
    emit({"guard": guard.name, **told}, as_json, _shown(told))
    return 0


def _shown(told: Mapping[str, Any]) -> str:
    rows = [("", "right", "95% interval", "chance")]
    rows += [
        (row["what"], percent(row["value"]), _span(row["interval"]), percent(row["chance"]))
        for row in told["rows"]
    ]
    worth = [("features by", "without", "with", "untrained", "without less with, 95%")]
    worth += [
        (one["name"], *(percent(one[name]["value"]) for name in ("off", "on", "untrained")),
         _span((one["low"], one["high"])))
        for one in told["worth"]["measures"]
    ]  # fmt: skip
    runs = ", ".join(one["run"] for one in told["runs"])
    lines = [
        told["finding"],
        *([] if told["visible"] else [told["reason"]]),
        "",
        table(rows),
        "",
        table(worth),
    ]
    return "\n".join([*lines, "", f"Runs {runs}.", *told["remarks"]])


def _span(ends: Any) -> str:
    return "–" if ends is None else f"{100 * ends[0]:.1f} to {100 * ends[1]:.1f}%"


def cue(
    name: str = NAME,
    images: str = IMAGES,
    strength: float | None = STRENGTH,
    as_json: bool = typer.Option(False, "--json", help="Print one JSON object at the end."),
) -> int:
    """Say how far above chance one cue alone gets on the images, without its guard and with it."""
    from sslviz.shortcuts import alone, guards

    guard = guards.guard_named(name)
    chosen = images_named(images)
    at = guards.strength_of(guard, strength)
    progress = Progress("Looking for the cue")
    try:
        alone.measure(
            guard, chosen, [at], lambda done, total, said: progress.say(f"{done / total:.0%} {said}")
        )
    finally:
        progress.close()
    found = {which: alone.find(guard, which, at, chosen) for which in (guards.OFF, *guard.measures)}
    told = {which: one for which, one in found.items() if one is not None}
    assert len(told) == len(found)
    said = {which: alone.say(guard, told[guards.OFF], told[which], which) for which in guard.measures}
    result = {
        "guard": guard.name,
        "set": chosen.name,
        "strength": at,
        "cue": guards.SAID[guard.detector],
        "found": {which: one.plain() for which, one in told.items()},
        "finding": said,
    }
    emit(result, as_json, "\n".join(said.values()))
    return 0
