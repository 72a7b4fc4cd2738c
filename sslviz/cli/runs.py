"""`sslviz runs`: list, show, cancel, resume, delete and export."""

from __future__ import annotations

import time
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

from sslviz.cli.output import emit, percent, table
from sslviz.errors import UserError

if TYPE_CHECKING:
    from sslviz.runs import Run

OUT = typer.Option(None, help="File to export to.  [default: sslviz-RUN.zip]")
ACTIONS = ("show", "cancel", "resume", "delete", "export")


def runs(
    action: str = typer.Argument("", metavar="[show|cancel|resume|delete|export]", help="What to do."),
    which: str = typer.Argument("", metavar="[RUN]", help="An id, or latest, which is the default."),
    out: Path | None = OUT,
    as_json: bool = typer.Option(False, "--json", help="Print one JSON object."),
) -> int:
    """Without an action the runs there are; else one of them."""
    from sslviz import settings
    from sslviz.runs import ID, listing, open_run

    workspace = settings.workspace()
    if not action:
        list_runs(listing(workspace), as_json)
        return 0
    if action not in ACTIONS:
        if which or not (ID.fullmatch(action) or action == "latest"):
            raise UserError(f"Runs cannot be asked to {action!r}.", f"Say one of {', '.join(ACTIONS)}.")
        action, which = "show", action
    run = open_run(workspace, which or "latest")
    if action == "resume":
        return resume(run, as_json)
    if action == "delete":
        run.delete()
        emit({"run": run.id, "deleted": True}, as_json, f"Run {run.id} is deleted.")
        return 0
    if action == "cancel":
        cancel(run)
    found = described(run)
    if action == "export":
        path = out or Path(f"sslviz-{run.id}.zip")
        try:
            path.write_bytes(run.export())
        except OSError as error:
            raise UserError(f"{str(path)!r} cannot be written: {error.strerror}.") from None
        found["exported"] = str(path)
    emit(
        found,
        as_json,
        "\n".join(f"{name:>18}  {value}" for name, value in found.items() if value not in (None, "")),
    )
    return 0


def described(run: Run) -> dict[str, Any]:
    """A run's status with what it is a run of."""
    spec = run.spec
    return {
        "run": run.id,
        "folder": str(run.folder),
        "title": run.title,
        "task": spec.task,
        "images": spec.images,
        "model": spec.model,
        "command": spec.command if not run.damage else "",
        "parent": spec.start,
    } | {
        name: value
        for name, value in asdict(run.status()).items()
        if name not in ("schema", "pid", "updated")
    }


def list_runs(found: list[Run], as_json: bool) -> None:
    rows = [("run", "state", "task", "images", "steps", "held out", "chance", "title")]
    told = [described(run) for run in found]
    rows += [
        (
            one["run"], one["state"], one["task"], one["images"], f"{one['step']:,}",
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
    """Ask a run to stop and wait until it has."""
    from sslviz import settings

    if run.status().state not in ("queued", "running"):
        return
    run.cancel()
    until = time.monotonic() + 2 * settings.load().cancel_seconds
    while run.status().state in ("queued", "running") and time.monotonic() < until:
        time.sleep(0.1)


def resume(run: Run, as_json: bool) -> int:
    """Go on with a run in the foreground."""
    from sslviz.cli.train import follow, summary
    from sslviz.runs import is_held

    status = run.status()
    if run.bundled or run.damage:
        raise UserError(
            f"Run {run.id} cannot be resumed.", run.damage or "It comes with sslviz; train one of your own."
        )
    if is_held(run.lock):
        raise UserError(f"Run {run.id} is at work.", "Wait for it, or cancel it.")
    if status.state == "done":
        emit(summary(run, status), as_json, f"Run {run.id} is done already.")
        return 0
    run.cancel_flag.unlink(missing_ok=True)
    return follow(run, as_json)
