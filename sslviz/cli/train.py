"""`sslviz train`: one run, in the foreground."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import typer

from sslviz.cli.output import Progress, counted, emit, percent
from sslviz.errors import UserError

if TYPE_CHECKING:
    from sslviz.runs import Run, Spec, Status

INTERRUPTED = 130
OPTIONS = typer.Option([], metavar="NAME=VALUE", help="An option of the task; again for more.")


def train(
    task: str = typer.Argument(help="rotation, exemplar, jigsaw or location."),
    images: str = typer.Option(
        ..., "--images", help="A set, a folder, a zip, or a built-in: scenes, cifar10, …"
    ),
    minutes: float | None = typer.Option(None, help="Budget of time.  [default: 1]"),
    steps: int | None = typer.Option(None, help="Steps instead of minutes."),
    like: str | None = typer.Option(None, metavar="RUN", help="Replay the plan of a run."),
    model: str | None = typer.Option(None, help="small, nin, alexnet or resnet18.  [default: small]"),
    size: int | None = typer.Option(None, help="Side of the images, in pixels."),
    seed: int | None = typer.Option(None, help="Of everything that is drawn.  [default: 0]"),
    device: str = typer.Option("auto", help="auto, cpu, cuda or mps."),
    lr: float | None = typer.Option(None, help="Highest learning rate; of Muon an angle in radians."),
    batch: int | None = typer.Option(None, help="Images a step."),
    precision: str | None = typer.Option(None, help="fp32 or bf16."),
    channels_last: bool | None = typer.Option(
        None, "--channels-last/--channels-first", help="Memory format.  [default: the faster]"
    ),
    threads: int | None = typer.Option(None, help="Threads of the processor."),
    centre: bool | None = typer.Option(
        None,
        "--centre/--whole",
        help="Train on centre squares alone, or on squares from all along each image.  [default: whole]",
    ),
    option: list[str] = OPTIONS,
    start: str | None = typer.Option(None, "--from", metavar="RUN", help="Start from the weights of a run."),
    title: str = typer.Option("", help="A name for the run."),
    as_json: bool = typer.Option(False, "--json", help="Print one JSON object at the end."),
) -> int:
    """Train a network on a pretext task."""
    from sslviz import settings
    from sslviz.runs import Spec, create

    if sum(value is not None for value in (minutes, steps, like)) > 1:
        raise UserError("--minutes, --steps and --like exclude each other.", "Choose one of them.")
    like, start, inherited = _inherited(task, like, start)
    if minutes is None and steps is None and like is None:
        minutes = 1.0
    given = {
        "model": model,
        "size": size,
        "seed": seed,
        "start": start,
        "minutes": minutes,
        "steps": steps,
        "like": like,
        "lr": lr,
        "batch": batch,
        "precision": precision,
        "channels_last": channels_last,
        "threads": threads,
        "centre": centre,
    }
    chosen = {**inherited, **{name: value for name, value in given.items() if value is not None}}
    spec = _checked(Spec(task=task, images=images, device=device, title=title, **chosen), option)
    run = create(settings.workspace(), _with_images(spec, images))
    return follow(run, as_json)


def _inherited(
    task: str, like: str | None, start: str | None
) -> tuple[str | None, str | None, dict[str, Any]]:
    """Ids of the run that is replayed and of the one that is started from, and what they hand on."""
    from sslviz import settings
    from sslviz.runs import open_run

    workspace = settings.workspace()
    inherited: dict[str, Any] = {}
    if like is not None:
        parent = open_run(workspace, like)
        like = parent.id
        if parent.spec.task != task:
            raise UserError(
                f"Run {parent.id} is of the task {parent.spec.task}, not {task}.", "Replay that task."
            )
        if parent.spec.plan is None:
            raise UserError(f"Run {parent.id} has no plan to replay: it never began.", "Choose another run.")
        batches = {plan.get("batch") for plan in (*parent.spec.replans, parent.spec.plan)}
        if len(batches) > 1:
            asked = f"--steps {parent.spec.plan['steps']} --batch {parent.spec.plan['batch']}"
            raise UserError(
                f"Run {parent.id} went on with a smaller batch when memory ran out: no plan says its course.",
                f"Train with {asked}.",
            )
        inherited = {
            name: getattr(parent.spec, name)
            for name in ("model", "size", "seed", "centre", "options", "start")
        }
    if start is not None:
        parent = open_run(workspace, start)
        parent.weights()
        start = parent.id
        # With another seed, images that the parent was trained on would be held out.
        for name in ("model", "size", "seed", "centre", *(["options"] if parent.spec.task == task else [])):
            inherited.setdefault(name, getattr(parent.spec, name))
    return like, start, inherited


def _checked(spec: Spec, option: list[str]) -> Spec:
    """The spec with its options parsed; every mistake that can be seen before the images are read."""
    from dataclasses import asdict, replace

    from sslviz.model import MODELS
    from sslviz.options import make_task, options_of, parse_options
    from sslviz.runs import Spec
    from sslviz.runs.records import checked
    from sslviz.worker.waiting import resolve_device

    task = make_task(spec.task, {**spec.options, **parse_options(option)})
    if spec.model not in MODELS:
        raise UserError(f"There is no network {spec.model!r}.", f"Choose {', '.join(MODELS)}.")
    if spec.precision not in (None, "fp32", "bf16"):
        raise UserError(f"There is no precision {spec.precision!r}.", "Choose fp32 or bf16.")
    resolve_device(spec.device)
    task.check_size(spec.size)
    # An option that was set back to its default stays, or the command of the run would take it over again.
    taken_over = {name: getattr(task, name) for name in spec.options}
    spec = replace(spec, options={**taken_over, **options_of(task)})
    checked(Spec, asdict(spec))
    return spec


def _with_images(spec: Spec, text: str) -> Spec:
    from dataclasses import replace

    from sslviz import ingest, settings

    progress = Progress("Reading images")
    try:
        chosen = ingest.resolve(settings.workspace(), text, progress)
    finally:
        progress.close()
    return replace(
        spec,
        images=chosen.name,
        images_id=chosen.folder.name,
        fingerprint=chosen.fingerprint,
        count=len(chosen),
        labels=len(chosen.label_counts()),
    )


def follow(run: Run, as_json: bool) -> int:
    """Train in this process, show how it goes, and print how it ended; returns the exit code."""
    status = attend(run)
    ended = f"Run {run.id} is {status.state} after {counted(status.step, 'step')} and {status.seconds:.1f} s"
    reached = f"held-out accuracy {percent(status.heldout_accuracy)}, chance {percent(status.chance)}"
    emit(summary(run, status), as_json, f"{ended}: {reached}. {status.remark}".rstrip())
    return INTERRUPTED if status.state == "cancelled" else 0


def attend(run: Run) -> Status:
    """Train in this process and show how it goes; returns how it ended. Raises `UserError` on failure."""
    from sslviz.worker import work_run

    progress = Progress(run.spec.task)

    def report(status: Status) -> None:
        if status.state == "failed":  # said below
            return
        if status.state != "running" or not status.step:
            progress.say(status.message, last=bool(status.message))
            return
        progress.say(standing(status))

    try:
        status = work_run(run, report)
    finally:
        progress.close()
    if status.state == "failed":
        raise UserError(status.message, status.hint)
    return status


def standing(status: Status) -> str:
    """How a run at work stands, as far as it knows."""
    said = [f"step {status.step:,} of {status.steps:,}"]
    if status.loss is not None:
        said.append(f"loss {status.loss:.3f}")
    if status.heldout_accuracy is not None:
        said.append(f"held out {percent(status.heldout_accuracy)}")
    if status.views_per_second:
        said.append(f"{status.views_per_second:,.0f} views/s")
    return " · ".join(said)


def summary(run: Run, status: Status) -> dict[str, Any]:
    """The last line of `train --json`."""
    return {
        "run": run.id,
        "folder": str(run.folder),
        "task": run.spec.task,
        "classes": status.classes,
        "chance": status.chance,
        "steps": status.step,
        "seconds": status.seconds,
        "views_per_second": status.views_per_second,
        "train_accuracy": status.train_accuracy,
        "heldout_accuracy": status.heldout_accuracy,
    }
