"""`sslviz runs`: list, show, cancel, resume, delete and export."""

from __future__ import annotations

import os
import time
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

from sslviz.cli.output import emit, percent, table
from sslviz.errors import UserError

if TYPE_CHECKING:
    from sslviz.jobs import Turn
    from sslviz.runs import Run

OUT = typer.Option(None, help="File to export to.  [default: sslviz-RUN.zip]")
SHARES = (
    "train_accuracy", "heldout_accuracy", "chance",
    "knn_accuracy", "knn_untrained", "knn_pixels", "knn_chance",
)  # fmt: skip
ACTIONS = ("show", "cancel", "resume", "delete", "export")


def runs(
    action: str = typer.Argument("", metavar="[show|cancel|resume|delete|export]", help="What to do."),
    which: str = typer.Argument(
        "", metavar="[RUN]", help="An id, or latest, which is the default save for delete."
    ),
    out: Path | None = OUT,
    as_json: bool = typer.Option(False, "--json", help="Print one JSON object."),
) -> int:
    """Without an action the runs there are; else one of them."""
    from sslviz import jobs, settings
    from sslviz.runs import ID, open_run

    workspace = settings.workspace()
    if out is not None and action != "export":
        raise UserError("--out is for `sslviz runs export`.", "Leave it out, or export the run.")
    if not action:
        list_runs(workspace, as_json)
        return 0
    if action not in ACTIONS:
        if which or not (ID.fullmatch(action) or action == "latest"):
            raise UserError(f"Runs cannot be asked to {action!r}.", f"Say one of {', '.join(ACTIONS)}.")
        action, which = "show", action
    if action == "delete" and not which:
        raise UserError("Which run is to be deleted is not said.", "`sslviz runs delete RUN` takes its id.")
    run = open_run(workspace, which or "latest")
    if action == "resume":
        return resume(run, as_json)
    if action == "delete":
        run.delete()
        emit({"run": run.id, "deleted": True}, as_json, f"Run {run.id} is deleted.")
        return 0
    if action == "cancel":
        cancel(run)
    found = described(run, sets_of(workspace), jobs.turn(run))
    if action == "export":
        path = out or Path(f"sslviz-{run.id}.zip")
        export(run, path)
        found["exported"] = str(path)
    hidden = ("silence", "place", "wait_seconds", "wait_known")
    told = {name: value for name, value in found.items() if name not in hidden} | {"state": _state(found)}
    known = {name: value for name, value in told.items() if value not in (None, "")}
    lines = [f"{name:>18}  {_written(name, value)}" for name, value in known.items()]
    emit(found, as_json, "\n".join(lines))
    return 0


def export(run: Run, path: Path) -> None:
    """Write the zip of a run to `path`, which is replaced at once or not at all."""
    from sslviz import export as exports
    from sslviz.files import write_atomically
    from sslviz.imagesets import show_name

    try:
        if path.is_symlink():  # the file behind it is written, and not the link
            path = Path(os.path.realpath(path))
        if not path.parent.is_dir():
            raise UserError(f"There is no folder {str(path.parent)!r}.")
        if path.exists() and not path.is_file():  # a rename would put the zip in a device's place
            raise UserError(f"{str(path)!r} is no file.", "Choose another with --out.")
        write_atomically(path, exports.pack(run))
    except (OSError, UserError) as error:
        cause = error if isinstance(error, OSError) else error.__cause__  # whose hint is about the home
        if isinstance(cause, OSError):
            raise UserError(f"{show_name(str(path))!r} cannot be written: {cause.strerror}.") from None
        raise


def described(run: Run, sets: Mapping[str, str], turn: Turn | None = None) -> dict[str, Any]:
    """A run's status with what it is a run of, how long it has been silent where that is too long, and when
    its turn comes where it waits. `sets` are the names that image sets have now, by their ids."""
    from sslviz import origins

    spec, status = run.spec, run.status()
    spec = origins.called(spec, sets.get(spec.images_id, spec.images))
    return {
        "run": run.id,
        "folder": str(run.folder),
        "title": run.title_on(spec.images),
        "task": spec.task,
        "images": spec.images,
        "model": spec.model,
        "command": spec.command if not run.damage else "",
        "parent": spec.start,
    } | {
        name: value
        for name, value in asdict(status).items()
        if name not in ("schema", "pid", "updated")
    } | {"silence": run.silence(status)} | (
        {} if turn is None
        else {"place": turn.place, "wait_seconds": turn.seconds, "wait_known": turn.known}
    )  # fmt: skip


def sets_of(workspace: Path) -> dict[str, str]:
    """The names of image sets by their ids."""
    from sslviz import imagesets

    return {found.id: found.name for found in imagesets.names(workspace) if not found.problem}


def _written(name: str, value: Any) -> str:
    """A field of a described run for people."""
    if name in ("started", "finished"):
        return time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(value))
    if name in SHARES:
        return percent(value)
    if name == "memory_bytes":
        return f"{value / 1e6:,.0f} MB"
    return f"{value:,.3f}" if isinstance(value, float) else str(value)


def _state(found: dict[str, Any]) -> str:
    """The state of a described run for people."""
    if "place" in found and found["state"] == "queued":
        return waiting(found["place"], found["wait_seconds"], found["wait_known"])
    if found["silence"] is None:
        return str(found["state"])
    return f"{found['state']}, not responding for {found['silence']:,.0f} s"


def waiting(place: int, seconds: float, known: bool) -> str:
    """Its place in the queue and when its turn comes, for people."""
    before = f"{place} run{'s' if place > 1 else ''} before it" if place else "next in line"
    minutes = f"{seconds:.0f} s" if seconds < 90 else f"{seconds / 60:.0f} min"
    return f"queued, {before}" + (f", in {'about' if known else 'at least'} {minutes}" if seconds else "")


def list_runs(workspace: Path, as_json: bool) -> None:
    from sslviz import jobs
    from sslviz.runs import listing

    found = listing(workspace)

    rows = [("run", "state", "task", "images", "steps", "held out", "chance", "title")]
    turns = jobs.turns()
    sets = sets_of(workspace)
    told = [described(run, sets, turns.get(run.id)) for run in found]
    rows += [
        (
            one["run"], _state(one), one["task"], one["images"], f"{one['step']:,}",
            percent(one["heldout_accuracy"]), percent(one["chance"]), one["title"],
        )
        for one in told
    ]  # fmt: skip
    emit(
        {"runs": told},
        as_json,
        table(rows) if found else "No runs yet: `sslviz train rotation --images scenes`.",
    )


def cancel(run: Run) -> None:
    """Ask a run to stop and wait until it has. Raises `UserError` where it does not."""
    from sslviz import jobs, settings

    if run.status().state not in ("queued", "running"):
        return
    run.cancel()
    until = time.monotonic() + 2 * settings.load().cancel_seconds
    while run.status().state in ("queued", "running"):
        if time.monotonic() > until:
            raise UserError(
                f"Run {run.id} was asked to stop and has not stopped yet.", "Ask again in half a minute."
            )
        jobs.keep_supervisor()  # which ends a process that does not heed
        time.sleep(0.1)


def resume(run: Run, as_json: bool) -> int:
    """Go on with a run in the foreground."""
    from sslviz.cli.train import follow, summary
    from sslviz.runs import is_held

    status = run.status()
    run.refuse_read_only("be resumed")
    if run.damage:
        raise UserError(f"Run {run.id} cannot be resumed.", run.damage)
    if is_held(run.lock):
        raise UserError(f"Run {run.id} is at work.", "Wait for it, or cancel it.")
    if status.state == "done" and any(run.checkpoints()):
        emit(summary(run, status), as_json, f"Run {run.id} is done already.")
        return 0
    run.cancel_flag.unlink(missing_ok=True)
    return follow(run, as_json)
