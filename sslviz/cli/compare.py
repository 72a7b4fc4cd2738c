"""`sslviz compare`: the four tasks on the same images, with the same network, for the same time."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import typer

from sslviz.cli.inspect import images_named
from sslviz.cli.output import Progress, complain, counted, emit, percent, table
from sslviz.cli.train import INTERRUPTED, attend
from sslviz.errors import UserError

if TYPE_CHECKING:
    from sslviz.imagesets import ImageSet
    from sslviz.lineup import Contender, Lineup, Score
    from sslviz.runs import Run


def compare(
    images: str = typer.Option(..., "--images", help="A set, a folder, a zip, or a built-in."),
    minutes: float | None = typer.Option(None, help="Budget of each run.  [default: 1]"),
    steps: int | None = typer.Option(None, help="Steps of each run instead of minutes."),
    model: str = typer.Option("small", help="small, nin, alexnet or resnet18."),
    size: int | None = typer.Option(None, help="Side of the images.  [default: what suits each task]"),
    seed: int = typer.Option(0, help="Of everything that is drawn."),
    device: str = typer.Option("auto", help="auto, cpu, cuda or mps."),
    supervised: bool = typer.Option(
        True, "--supervised/--no-supervised", help="Train the network on the labels too, where there are any."
    ),
    as_json: bool = typer.Option(False, "--json", help="Print one JSON object at the end."),
) -> int:
    """Train all four tasks alike, and compare what their features are worth and how alike they are.

    Runs that were asked for the same and are done already are taken as they are. A task whose views are
    larger than the images is left out.
    """
    if minutes is not None and steps is not None:
        raise UserError("--minutes and --steps exclude each other.", "Choose one of them.")
    chosen = images_named(images)
    budget: dict[str, Any] = (
        {"steps": steps} if steps is not None else {"minutes": 1.0 if minutes is None else minutes}
    )
    found, reused = _runs(chosen, device, {"model": model, "size": size, "seed": seed, **budget})
    if found is None:
        said = "Interrupted. The same command takes the runs that are done and trains the others."
        emit({"set": chosen.name, "state": "cancelled"}, as_json, said)
        return INTERRUPTED
    from sslviz import settings
    from sslviz.lineup import asking, computing
    from sslviz.worker.waiting import resolve_device

    progress = Progress("Comparing")

    def report(done: int, total: int, message: str) -> None:
        progress.say(f"Comparing {done / total:.0%}: {message}", last=done == total)

    try:
        told = computing.compute(
            settings.workspace(),
            [run.id for run in found],
            chosen.name,
            device=resolve_device(device),
            with_labels=supervised,
            report=report,
        )
    finally:
        progress.close()
    ids = {run.spec.task: run.id for run in found}
    without = sorted(asking.left_out(chosen, size))
    result = {"set": chosen.name, "images": len(chosen), "runs": ids, "reused": reused, "left_out": without}
    result |= told.plain()
    emit(result, as_json, _shown(told))
    return 0


def _runs(chosen: ImageSet, device: str, same: dict[str, Any]) -> tuple[list[Run] | None, list[str]]:
    """A run of each task, trained here where there is none, and the ids of those that were there; None for
    the runs where that was interrupted."""
    from sslviz import settings
    from sslviz.lineup import asking
    from sslviz.model import MODELS
    from sslviz.runs import create, open_run
    from sslviz.worker.waiting import resolve_device

    if same["model"] not in MODELS:
        raise UserError(f"There is no network {same['model']!r}.", f"Choose {', '.join(MODELS)}.")
    resolve_device(device)
    workspace, progress = settings.workspace(), Progress("")
    wanted, without = asking.specs(chosen, device=device, **same), asking.left_out(chosen, same["size"])
    if len(wanted) < 2:
        why = f"{'; '.join(without.values())}."
        raise UserError(f"There are no two tasks to compare on {chosen.name!r}: {why}", "Use larger images.")
    for why in without.values():
        complain(f"Left out: {why}.")
    found, reused = [], []
    for spec in wanted:
        run = asking.made(workspace, spec)
        if run is not None:
            reused.append(run.id)
            progress.say(f"{spec.task}: run {run.id} was asked for the same and is taken.", last=True)
            progress.close()
        else:
            run = create(workspace, spec)
            if attend(run).state == "cancelled":
                return None, reused
        found.append(open_run(workspace, run.id))  # training has added to its spec
    return found, reused


def _shown(told: Lineup) -> str:
    names = [_name(one) for one in told.contenders]
    if told.chance is None:
        rows = [("", "own task", "chance", "neighbours kept", "block")]
        rows += [
            (name, percent(one.pretext), percent(one.chance), percent(one.agreement), one.block)
            for name, one in zip(names, told.contenders, strict=True)
        ]
        about = f"{len(told.rows):,} images, no labels"
    else:
        rows = [("", "own task", "chance", "kNN", "linear")]
        rows += [
            (name, percent(one.pretext), percent(one.chance), _score(one.knn), _score(one.linear))
            for name, one in zip(names, told.contenders, strict=True)
        ]
        rows.append(("chance", "", "", percent(told.chance), percent(told.chance)))
        about = f"{counted(told.asked, 'image')} asked about, {told.known:,} known; intervals of 95%"
    on = f"on {counted(len(told.rows), 'image')}"
    alike = (
        f"CKA, {on}",
        _matrix(names, told.cka),
        "",
        f"Neighbours in common, {on}",
        _matrix(names, told.shared),
    )
    return "\n".join((table(rows), "", about, "", *alike))


def _name(one: Contender) -> str:
    return one.task if one.kind == "task" else one.kind


def _score(score: Score | None) -> str:
    if score is None:
        return "–"
    return f"{percent(score.accuracy)} ({percent(score.low)} to {percent(score.high)}) {score.block}".rstrip()


def _matrix(names: Sequence[str], values: Sequence[Sequence[float | None]]) -> str:
    rows = [("", *names)]
    rows += [
        (name, *("–" if value is None else f"{value:.2f}" for value in line))
        for name, line in zip(names, values, strict=True)
    ]
    return table(rows)
