"""Sets and runs that everybody who uses a server sees, and nobody changes: `home/shared/{sets,runs}`.

What is shared is a copy under the same id, made by whoever runs the server. It is listed in every workspace
after what is there; a set in the workspace that has the same name hides it. What has changed is shared again.
"""

from __future__ import annotations

import contextlib
import secrets
import shutil
from collections.abc import Callable
from pathlib import Path

from filelock import FileLock

from sslviz import files, imagesets, runs, settings
from sslviz.errors import UserError
from sslviz.files import writing
from sslviz.imagesets.locks import PATIENCE_SECONDS, locked
from sslviz.runs import Run

LEFT_OUT = ("arrays", "naming.json", "naming.lock", "lock", "cancel", "log.txt", "log.old.txt", "*.tmp")
"""What is made anew where it is wanted, and what is nobody else's business."""


def share_set(workspace: Path, name: str) -> None:
    """Show a set of `workspace` to everybody; one that is shared already is replaced.

    Raises `UserError` for a set that is not there and where a shared set has the same name.
    """
    images = imagesets.open_set(workspace, name)
    if images.shared:
        return
    with _locked():
        if any(one.name == images.name and one.id != images.id for one in shared_sets()):
            raise UserError(
                f"Another set called {images.name!r} is shared.",
                "Rename this one, or take the other back with `sslviz unshare set`.",
            )
        with locked(images.folder, PATIENCE_SECONDS, images.name):
            _put(images.folder, settings.shared() / "sets" / images.id)


def unshare_set(name: str) -> None:
    """Take a set back; workspaces that have it open go on. Raises `UserError` where it is not shared."""
    for one in shared_sets():
        if one.name == name:
            with _locked():
                _take(settings.shared() / "sets" / one.id)
            return
    raise UserError(f"No set called {imagesets.show_name(name)!r} is shared.", "`sslviz share` lists them.")


def share_run(workspace: Path, id_: str) -> Run:
    """Show a run of `workspace` to everybody; one that is shared already is replaced. Returns the run.

    Raises `UserError` for a run that is not there, is at work or has no weights.
    """
    run = runs.open_run(workspace, id_)
    if run.shared:
        return run
    if run.bundled:
        raise UserError(f"Run {run.id} comes with sslviz: everybody has it.")
    run.weights()
    if run.status().state in ("queued", "running"):
        raise UserError(f"Run {run.id} is not over yet.", "Share it when it is.")
    with _locked():
        _put(run.folder, settings.shared() / "runs" / run.id)
    return run


def unshare_run(id_: str) -> None:
    """Take a run back. Raises `UserError` where it is not shared."""
    for run in shared_runs():
        if run.id == id_:
            with _locked():
                _take(run.folder)
            return
    raise UserError(f"No run {id_[:40]!r} is shared.", "`sslviz share` lists them.")


def shared_sets() -> list[imagesets.Summary]:
    """The sets that are shared."""
    return [one for one in imagesets.names(settings.shared()) if one.shared]


def shared_runs() -> list[Run]:
    """The runs that are shared, newest first."""
    return [run for run in runs.listing(settings.shared()) if run.shared]


def offer_scenes(report: Callable[[int, int], None] | None = None) -> None:
    """Have the built-in set rendered once for everybody, where it is not shared yet."""
    from sslviz import scenes

    if not any(one.name == scenes.NAME for one in shared_sets()):
        scenes.render_set(settings.workspace(), report=report)
        share_set(settings.workspace(), scenes.NAME)


def _locked() -> FileLock:
    folder = settings.shared()
    with writing(folder):
        folder.mkdir(parents=True, exist_ok=True)
    return FileLock(folder / "shared.lock", timeout=60)


def _put(folder: Path, place: Path) -> None:
    """Copy `folder` to `place`, whole or not at all."""
    draft = files.temporary_beside(place)
    try:
        with writing(place.parent):
            place.parent.mkdir(parents=True, exist_ok=True)
            shutil.copytree(folder, draft, ignore=shutil.ignore_patterns(*LEFT_OUT))
            _take(place)
            files.replace(draft, place)
    except BaseException:
        shutil.rmtree(draft, ignore_errors=True)
        raise


def _take(place: Path) -> None:
    """Away by one rename first: a listing sees all of it or nothing."""
    gone = place.with_name(f".{place.name}-{secrets.token_hex(4)}.deleted")
    with contextlib.suppress(FileNotFoundError):
        place.rename(gone)
    shutil.rmtree(gone, ignore_errors=True)
