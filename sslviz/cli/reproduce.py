"""`sslviz reproduce`: a published experiment, whole or scaled down, beside what was published."""

from __future__ import annotations

import shlex
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import typer

from sslviz.cli.output import Progress, emit, percent, table
from sslviz.errors import UserError

if TYPE_CHECKING:
    from sslviz.papers import Divided, Figure, Findings, Paper
    from sslviz.runs import Run

RECORD = "reproduction.json"
"""In the folder of the run: what it repeats, at which scale, and what was found."""


def reproduce(
    name: str = typer.Argument(help="rotnet-cifar10."),
    images: str | None = typer.Option(
        None, help="Labelled images to train on: a set, a folder, a zip.  [default: those of the paper]"
    ),
    test: str | None = typer.Option(None, help="Labelled images to test on."),
    scale: str | None = typer.Option(
        None, help="paper, hour or minutes.  [default: paper on a GPU, else minutes]"
    ),
    seconds: float | None = typer.Option(None, help="Train for so many seconds instead of the epochs."),
    seed: int = typer.Option(0, help="Of everything that is drawn."),
    device: str = typer.Option("auto", help="auto, cpu, cuda or mps."),
    which: str | None = typer.Option(
        None, "--run", metavar="RUN", help="Go on with a repetition that was interrupted, or judge it again."
    ),
    as_json: bool = typer.Option(False, "--json", help="Print one JSON object at the end."),
) -> int:
    """Repeat a published experiment."""
    from sslviz.cli.train import INTERRUPTED, attend
    from sslviz.files import write_json
    from sslviz.papers import PAPERS
    from sslviz.runs import open_run
    from sslviz.worker.waiting import resolve_device

    if name not in PAPERS:
        raise UserError(f"There is no experiment {name!r} to repeat.", f"Choose {', '.join(PAPERS)}.")
    paper, place = PAPERS[name], resolve_device(device)
    if scale is not None and scale not in paper.scales:
        raise UserError(f"There is no scale {scale!r}.", f"Choose {', '.join(paper.scales)}.")
    if seconds is not None and not 1 <= seconds < 1e6:
        raise UserError(f"It cannot be trained for {seconds:g} seconds.", "Give at least one.")
    if which is not None:
        run, data, scale = _begun(paper, which, scale)
    else:
        data = _data(paper, images, test)
        scale = scale or next(iter(paper.scales) if place != "cpu" else reversed(list(paper.scales)))
        run = _made(
            paper,
            data,
            scale,
            seed,
            place,
            seconds,
            _command(paper, images, test, scale, seconds, seed, device),
        )
        write_json(run.folder / RECORD, {"paper": name, "scale": scale})
    status = run.status()
    if status.state != "done":
        status = attend(run)
    if status.state == "cancelled":
        emit(
            {"paper": name, "run": run.id, "state": status.state},
            as_json,
            f"Run {run.id} was interrupted: `sslviz reproduce {name} --run {run.id}` goes on with it.",
        )
        return INTERRUPTED
    run = open_run(run.workspace, run.id)  # training has added to its spec
    findings = _judged(paper, run, data, scale, place)
    told = _told(paper, run, scale, findings)
    write_json(run.folder / RECORD, told)
    emit(told, as_json, _shown(paper, run, findings))
    return 0


def _command(
    paper: Paper,
    images: str | None,
    test: str | None,
    scale: str,
    seconds: float | None,
    seed: int,
    device: str,
) -> str:
    words = ["sslviz", "reproduce", paper.name, "--scale", scale, "--seed", str(seed)]
    given = {"--images": images, "--test": test, "--seconds": seconds and f"{seconds:g}"}
    for option, value in given.items():
        words += [option, value] if value else []
    return shlex.join(words + ([] if device == "auto" else ["--device", device]))


def _data(paper: Paper, images: str | None, test: str | None) -> Divided:
    from sslviz import ingest, settings
    from sslviz.papers import divide

    if test is not None and images is None:
        raise UserError("--test says what to test on, but not what to train on.", "Give --images too.")
    workspace, progress = settings.workspace(), Progress("Reading images")
    try:
        chosen = ingest.resolve(workspace, images or paper.data, progress)
        return divide(chosen, None if test is None else ingest.resolve(workspace, test, progress))
    finally:
        progress.close()


def _made(
    paper: Paper, data: Divided, scale: str, seed: int, device: str, seconds: float | None, command: str
) -> Run:
    from sslviz import settings
    from sslviz.runs import create

    progress = Progress("Preparing")
    try:
        spec = paper.spec(
            data, paper.scales[scale], seed=seed, device=device, seconds=seconds, report=progress
        )
    finally:
        progress.close()
    return create(settings.workspace(), replace(spec, origin=command))


def _begun(paper: Paper, which: str, scale: str | None) -> tuple[Run, Divided, str]:
    """A run that this command made earlier, its images, and its scale."""
    from sslviz import settings
    from sslviz.files import read_json
    from sslviz.origins import images_of
    from sslviz.papers import Divided
    from sslviz.runs import open_run

    run = open_run(settings.workspace(), which)
    try:
        record: dict[str, Any] = read_json(run.folder / RECORD)
        train = int((run.spec.plan or {})["held_out_from"])
        scale = scale or str(record["scale"])
        known = record["paper"] == paper.name and scale in paper.scales
    except (OSError, ValueError, KeyError, TypeError):
        known = False
    if not known or scale is None:
        raise UserError(
            f"Run {run.id} is no repetition of {paper.title}.", f"`sslviz reproduce {paper.name}` makes one."
        )
    images = images_of(run)
    if images.fingerprint != run.spec.fingerprint:
        raise UserError(f"The images of run {run.id} have changed.", "Repeat the experiment on them.")
    names = sorted(images.label_counts())
    return run, Divided(images, train, names), scale


def _judged(paper: Paper, run: Run, data: Divided, scale: str, device: str) -> Findings:
    progress = Progress("Judging")

    def report(done: int, total: int, message: str) -> None:
        progress.say(f"{message}: step {done:,} of {total:,}")

    try:
        return paper.judge(run, data, paper.scales[scale], device=device, report=report)
    finally:
        progress.close()


def _told(paper: Paper, run: Run, scale: str, findings: Findings) -> dict[str, Any]:
    """The last line of `reproduce --json`."""
    status = run.status()
    plan = run.spec.plan or {}
    return {
        "paper": paper.name,
        "citation": paper.citation,
        "run": run.id,
        "scale": scale,
        "steps": status.step,
        "batch": plan.get("batch"),
        "precision": plan.get("precision"),
        "device": status.device,
        "seconds": status.seconds,
        **findings.plain(),
    }


def _percent(figure: Figure | None) -> str:
    return percent(None if figure is None else figure.value)


def _shown(paper: Paper, run: Run, findings: Findings) -> str:
    rows = [("", "this run", "untrained", "paper", "authors' code, rerun")]
    rows += [
        (
            row.what,
            percent(row.run),
            percent(row.untrained),
            _percent(row.published),
            _percent(row.rerun),
        )
        for row in findings.rows
    ]
    figures = [figure for row in findings.rows for figure in (row.published, row.rerun) if figure]
    sources = dict.fromkeys(f"{one.source} ({one.certainty})" for one in figures)
    status = run.status()
    lines = [
        f"{paper.title}: {status.step:,} steps in {status.seconds:.1f} s, run {run.id}.",
        "",
        table(rows),
        "",
        f"Tested on {findings.tested:,} images; chance {percent(findings.chance)}.",
        *(
            f"{what}: {percent(one.value)} ({one.source}; {one.certainty})."
            for what, one in findings.quoted.items()
        ),
        f"Sources: {'; '.join(sources)}.",
        *findings.remarks,
    ]
    return "\n".join(lines)
