"""`sslviz reproduce`: a published experiment, whole or scaled down, beside what was published."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import typer

from sslviz.cli.output import Progress, counted, emit, percent, table
from sslviz.errors import UserError

if TYPE_CHECKING:
    from sslviz.papers import Paper
    from sslviz.papers.repeating import Asked
    from sslviz.runs import Run, Status


def reproduce(
    name: str = typer.Argument(help="rotnet-cifar10, exemplar-classes, jigsaw-permutations or location-gap."),
    images: str | None = typer.Option(
        None, help="Images to train on: a set, a folder, a zip.  [default: those of the paper, or scenes]"
    ),
    test: str | None = typer.Option(None, help="Labelled images to test on, for rotnet-cifar10."),
    scale: str | None = typer.Option(
        None, help="paper, hour or minutes.  [default: paper on a GPU, else minutes]"
    ),
    seconds: float | None = typer.Option(
        None, help="Train for so many seconds instead of the epochs, for rotnet-cifar10."
    ),
    seed: int = typer.Option(0, help="Of everything that is drawn."),
    device: str = typer.Option("auto", help="auto, cpu, cuda or mps."),
    which: str | None = typer.Option(
        None, "--run", metavar="RUN", help="Go on with a repetition that was interrupted, or judge it again."
    ),
    as_json: bool = typer.Option(False, "--json", help="Print one JSON object at the end."),
) -> int:
    """Repeat a published experiment; what was begun and not finished goes on."""
    from sslviz.cli.train import INTERRUPTED
    from sslviz.papers import PAPERS
    from sslviz.papers.repeating import repeat
    from sslviz.worker.waiting import resolve_device

    if name not in PAPERS:
        raise UserError(f"There is no experiment {name!r} to repeat.", f"Choose {', '.join(PAPERS)}.")
    paper, place = PAPERS[name], resolve_device(device)
    if scale is not None and scale not in paper.scales:
        raise UserError(f"There is no scale {scale!r}.", f"Choose {', '.join(paper.scales)}.")
    if seconds is not None and not 1 <= seconds < 1e6:
        raise UserError(f"It cannot be trained for {seconds:g} seconds.", "Give at least one.")
    if which is not None:
        asked = _begun(paper, which, scale, place)
    else:
        asked = _asked(paper, images, test, scale, seconds, seed, device)
    progress = Progress("Preparing")

    def report(done: int, total: int, message: str) -> None:
        progress.say(f"{message}: {done:,} of {total:,}")

    try:
        told = repeat(asked, training(progress), report, report)
    finally:
        progress.close()
    if "rows" not in told:
        again = f"`sslviz reproduce {name} --run {told['run']}` goes on with it."
        emit(told, as_json, f"Run {told['run']} was interrupted: {again}")
        return INTERRUPTED
    emit(told, as_json, _shown(paper, told))
    return 0


def training(progress: Progress) -> Any:
    """What trains a run in this process and shows how it goes."""
    from sslviz.cli.train import attend

    def train(run: Run, place: int, total: int) -> Status:
        progress.close()
        if total > 1:
            progress.say(f"Run {place + 1} of {total}: {run.spec.title}", last=True)
            progress.close()
        return attend(run)

    return train


def _asked(
    paper: Paper,
    images: str | None,
    test: str | None,
    scale: str | None,
    seconds: float | None,
    seed: int,
    device: str,
) -> Asked:
    from sslviz import settings
    from sslviz.papers.repeating import Asked, command_of, gather
    from sslviz.worker.waiting import resolve_device

    place = resolve_device(device)
    scale = scale or next(iter(paper.scales) if place != "cpu" else reversed(list(paper.scales)))
    progress = Progress("Reading images")
    try:
        data = gather(settings.workspace(), paper, paper.scales[scale], images, test, progress)
    finally:
        progress.close()
    command = command_of(paper, scale, seed, images=images, test=test, seconds=seconds, device=device)
    return Asked(paper, scale, data, seed, seconds, place, command)


def _begun(paper: Paper, which: str, scale: str | None, device: str) -> Asked:
    """A repetition that was begun earlier, by one of its runs."""
    from sslviz import settings
    from sslviz.origins import images_of
    from sslviz.papers.repeating import begun
    from sslviz.runs import open_run

    run = open_run(settings.workspace(), which)
    asked = begun(paper, run, images_of(run), device)
    if scale not in (None, asked.scale_name):
        raise UserError(f"Run {run.id} is of the scale {asked.scale_name!r}.", "Leave --scale out.")
    return asked


def _figure(figure: Mapping[str, Any] | None) -> str:
    return percent(None if figure is None else figure["value"])


def _shown(paper: Paper, told: Mapping[str, Any]) -> str:
    """What was found, for people."""
    lines = [
        f"{paper.title}: {told['finding']}",
        *([f"It does not show here. {told['reason']}"] if not told["visible"] else []),
        "",
        table(_rows(told["rows"])),
        "",
        *_quoted(told),
        f"Tested on {told['tested']:,} images; {_runs(told)}.",
        *told["remarks"],
    ]
    return "\n".join(lines)


def _rows(rows: list[dict[str, Any]]) -> list[tuple[str, ...]]:
    """The rows with those columns that any of them has something in."""
    columns = {
        "this run": lambda row: percent(row["value"]),
        "95% interval": lambda row: "–".join(percent(end) for end in row["interval"] or ()),
        "chance": lambda row: percent(row["chance"]),
        "untrained": lambda row: percent(row["untrained"]),
        "pixels": lambda row: percent(row["pixels"]),
        "paper": lambda row: _figure(row["published"]),
        "authors' code, rerun": lambda row: _figure(row["rerun"]),
    }
    fields = {
        "pixels": "pixels",
        "untrained": "untrained",
        "paper": "published",
        "authors' code, rerun": "rerun",
    }
    kept = [
        name for name in columns if name not in fields or any(row[fields[name]] is not None for row in rows)
    ]
    return [("", *kept), *((row["what"], *(columns[name](row) for name in kept)) for row in rows)]


def _quoted(told: Mapping[str, Any]) -> list[str]:
    """The figures that were published, each with its source and how certain it is."""
    shown = {row["what"] for row in told["rows"] if row["published"]}
    others = {what: one for what, one in told["published"].items() if what not in shown}
    lines = [
        f"Published, {what}: {percent(one['value'])} ({one['source']}; {one['certainty']})."
        for what, one in {**others, **told["quoted"]}.items()
    ]
    beside = [one for row in told["rows"] for one in (row["published"], row["rerun"]) if one]
    sources = dict.fromkeys(f"{one['source']} ({one['certainty']})" for one in beside)
    return [*lines, *([f"Sources: {'; '.join(sources)}."] if sources else [])]


def _runs(told: Mapping[str, Any]) -> str:
    names = ", ".join(one["run"] for one in told["runs"])
    many = f"runs {names}" if len(told["runs"]) > 1 else f"run {names}"
    return f"{many}, {counted(told['steps'], 'step')} each, {told['seconds']:.1f} s of training in all"
