"""Training runs: making one, and finding those there are; `sslviz.runs.folder` says what one is."""

from __future__ import annotations

import os
import shutil
import time
from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import asdict
from pathlib import Path

from sslviz import files, quotas, settings
from sslviz.errors import UserError
from sslviz.files import writing
from sslviz.runs.folder import Run, is_held
from sslviz.runs.ids import ID, new_id
from sslviz.runs.records import FINISHED, Spec, State, Status, checked, read_as

__all__ = [
    "FINISHED", "ID", "Run", "Spec", "State", "Status",
    "create", "is_held", "listing", "new_id", "newest", "open_run", "read_run",
]  # fmt: skip

BUNDLED = Path(__file__).parent.parent / "encoders"
"""The encoders that come with the package, in the same layout."""


def _ids(workspace: Path) -> list[str]:
    """Ids of the runs in a workspace, oldest first."""
    try:
        return sorted(entry.name for entry in os.scandir(workspace / "runs") if ID.fullmatch(entry.name))
    except OSError:
        return []


def create(workspace: Path, spec: Spec) -> Run:
    """A new run, queued.

    Raises `UserError` for a spec whose values make no sense, where the folder cannot be written, and where
    the workspace may have no more runs.
    """
    known = _ids(workspace)
    quotas.check_runs(workspace, len(known))
    quotas.check_room(workspace)
    folder = workspace / "runs" / new_id(known[-1] if known else "")
    limit = quotas.limits_of(workspace).most_minutes or None
    spec = checked(Spec, {**asdict(spec), "created": time.time(), "limit": limit})
    status = Status(updated=time.time(), message="Waiting for its turn.")
    # Whole, or not there: half a run would be the latest one.
    draft = files.temporary_beside(folder)
    try:
        with writing(folder.parent):
            draft.mkdir(parents=True)
            files.put(draft / "status.json", files.as_json(asdict(status)))
            files.put(draft / "spec.json", files.as_json(asdict(spec)))
            files.replace(draft, folder)
    except BaseException:
        shutil.rmtree(draft, ignore_errors=True)
        shutil.rmtree(folder, ignore_errors=True)  # renamed already, though not for certain
        raise
    return Run(folder, spec)


def read_run(folder: Path, bundled: bool = False) -> Run:
    """The run in `folder`, however damaged."""
    try:
        return Run(folder, read_as(Spec, folder, "spec.json"), bundled)
    except UserError as error:
        damage = str(error)
    except (OSError, ValueError):
        damage = "What was asked of this run cannot be read."
    return Run(folder, Spec(task="", images=""), bundled, damage)


def _bundled() -> list[Run]:
    try:
        return _fixed(sorted(path for path in BUNDLED.iterdir() if ID.fullmatch(path.name)))
    except OSError:
        return []


def _shared(known: Collection[str]) -> list[Run]:
    """Those that everybody sees, newest first, but for the ids `known`, which a workspace holds itself."""
    shared = settings.shared()
    return _fixed(shared / "runs" / id_ for id_ in reversed(_ids(shared)) if id_ not in known)


def _fixed(folders: Iterable[Path]) -> list[Run]:
    return [run for run in (read_run(folder, bundled=True) for folder in folders) if not run.damage]


def listing(workspace: Path) -> list[Run]:
    """Every run, newest first, then those that are shared, and the encoders that come with the package."""
    parent, known = workspace / "runs", _ids(workspace)
    return [*(read_run(parent / id_) for id_ in reversed(known)), *_shared(known), *_bundled()]


def newest(workspace: Path, count: int) -> Iterator[Run]:
    """The `count` newest runs, newest first."""
    return (read_run(workspace / "runs" / id_) for id_ in _ids(workspace)[: -count - 1 : -1])


def opened(workspace: Path, ids: Sequence[str]) -> list[Run]:
    """The runs of these ids, those that are still there; the folders are looked at once for all."""
    known, parent = _ids(workspace), workspace / "runs"
    own = set(known)
    others = [] if own.issuperset(ids) else [*_shared(known), *_bundled()]
    there = {run.id: run for run in others} | {id_: read_run(parent / id_) for id_ in ids if id_ in own}
    return [there[id_] for id_ in ids if id_ in there]


def open_run(workspace: Path, id_: str) -> Run:
    """The run with this id, or the newest for "latest". Raises `UserError` where there is none."""
    if id_ == "latest":
        for run in newest(workspace, 1):
            return run
        raise UserError("There is no run yet.", "Train one first.")
    for run in opened(workspace, [id_]):
        return run
    raise UserError(f"There is no run {id_[:40]!r}.", "`sslviz runs` lists those there are.")
