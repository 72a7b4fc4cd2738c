"""`sslviz share` and `sslviz unshare`: what everybody who uses a server sees."""

from __future__ import annotations

import typer

from sslviz.cli.output import emit, table
from sslviz.errors import UserError

KINDS = ("set", "run")


def share(
    kind: str = typer.Argument("", metavar="[set|run]", help="What to share."),
    which: str = typer.Argument("", metavar="[NAME|RUN]", help="Name of a set, or id of a run."),
    as_json: bool = typer.Option(False, "--json", help="Print one JSON object."),
) -> None:
    """Show a set or a run of yours, read-only, in every workspace; without either, list what is shared."""
    from sslviz import origins, settings, sharing

    workspace = settings.workspace()
    if not kind:
        sets, runs = sharing.shared_sets(), sharing.shared_runs()
        rows = [["kind", "id", "name"]]
        rows += [["set", one.id, one.name] for one in sets]
        rows += [["run", run.id, origins.title_of(run)] for run in runs]
        found = {
            "sets": [{"id": one.id, "name": one.name, "images": one.images} for one in sets],
            "runs": [{"id": run.id, "title": origins.title_of(run)} for run in runs],
        }
        emit(found, as_json, table(rows) if len(rows) > 1 else "Nothing is shared.")
        return
    check(kind, which)
    if kind == "set":
        sharing.share_set(workspace, which)
        emit({"set": which, "shared": True}, as_json, f"Everybody sees the set {which!r}.")
        return
    run = sharing.share_run(workspace, which)
    emit({"run": run.id, "shared": True}, as_json, f"Everybody sees the run {run.id}.")


def unshare(
    kind: str = typer.Argument(..., metavar="set|run", help="What to take back."),
    which: str = typer.Argument("", metavar="NAME|RUN", help="Name of a set, or id of a run."),
    as_json: bool = typer.Option(False, "--json", help="Print one JSON object."),
) -> None:
    """Take back a set or a run that was shared; your own stays."""
    from sslviz import runs, settings, sharing

    check(kind, which)
    if kind == "run" and which == "latest":
        which = runs.open_run(settings.workspace(), which).id
    sharing.unshare_set(which) if kind == "set" else sharing.unshare_run(which)
    emit({kind: which, "shared": False}, as_json, f"The {kind} {which!r} is shared no more.")


def check(kind: str, which: str) -> None:
    if kind not in KINDS:
        raise UserError(f"Neither a set nor a run is a {kind!r}.", "Say `set NAME` or `run RUN`.")
    if not which:
        raise UserError(f"Which {kind} is not said.", f"Say `{kind} {'NAME' if kind == 'set' else 'RUN'}`.")
