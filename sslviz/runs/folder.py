"""The run folder: what was asked, how it stands, its metrics and its checkpoints.

    spec.json                what was asked, and the plan once it is fixed
    status.json              how it stands, replaced atomically
    note.json                title and note, which a person may change at any time
    metrics.jsonl            one line a point, appended
    checkpoints/<step>/      model.safetensors, resume.safetensors, and manifest.json written last
    snapshots/<step>/        model.safetensors and its manifest: the encoder alone, in half precision
    log.txt                  what the worker printed
    lock                     held by the worker for as long as it lives
    cancel                   its presence asks the worker to stop

A run that says it is running while its lock is free was killed: its state is read as `lost`. Reading never
trusts the folder: whatever is half written, damaged or made by a later version leaves a run that is
listed as unreadable and can be deleted. The folder knows bytes, not tensors, so that no page has to wait
for torch.
"""

from __future__ import annotations

import json
import os
import secrets
import shutil
import time
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout

from sslviz import files, settings
from sslviz.errors import UserError
from sslviz.files import read_json, write_atomically, write_json, writing
from sslviz.runs import checkpoints
from sslviz.runs.records import Spec, Status, plain, read_as

FULL_BYTES = 1_000_000
"""A disk with less room than this is full."""
ORPHAN_SECONDS = 10.0
"""A queued run may be without its ticket for this long: its maker is between two lines."""


def is_held(lock: Path) -> bool:
    """Whether a living process holds the lock file. It is left as it was."""
    try:
        if not lock.exists():
            return False
        with FileLock(lock, timeout=0):
            return False
    except Timeout:
        return True
    except OSError:  # a folder that cannot be written: nobody works in it either
        return False


@dataclass(frozen=True)
class Run:
    """One run folder."""

    folder: Path
    spec: Spec
    bundled: bool = False
    """Comes with the package, or is shared with everybody: read only."""
    damage: str = ""
    """Why the folder cannot be read; empty for a sound one."""

    @property
    def id(self) -> str:
        return self.folder.name

    @property
    def title(self) -> str:
        """The name a person gave, on one line, else task and images, as they were called when it was made."""
        return self.title_on(self.spec.images)

    def title_on(self, images: str) -> str:
        """Its title where its images are called so."""
        given = (" ".join(one.split()) for one in (self._note().get("title") or "", self.spec.title))
        ordinary = f"{self.spec.task} on {images}" if self.spec.task else f"run {self.id}"
        return next(filter(None, given), ordinary)

    @property
    def note(self) -> str:
        return self._note().get("note") or self.spec.note

    @property
    def shared(self) -> bool:
        """Shown to every workspace, and changed by none."""
        return self.workspace == settings.shared()

    @property
    def workspace(self) -> Path:
        return self.folder.parent.parent

    @property
    def lock(self) -> Path:
        return self.folder / "lock"

    @property
    def cancel_flag(self) -> Path:
        return self.folder / "cancel"

    @property
    def log(self) -> Path:
        return self.folder / "log.txt"

    def _note(self) -> dict[str, str]:
        try:
            value = read_json(os.path.join(self.folder, "note.json"))  # noqa: PTH118 - as in `read_as`
        except (OSError, ValueError):
            return {}
        return {k: v for k, v in value.items() if isinstance(v, str)} if isinstance(value, dict) else {}

    # Reading

    def status(self) -> Status:
        """How it stands now. Never raises: a status that cannot be read is the state `unreadable`."""
        if self.damage:
            return Status(state="unreadable", message=self.damage)
        status = self.read_status()
        if status.state in ("queued", "running") and not self.bundled and self._abandoned(status):
            # It may have ended between the two looks; what it wrote last is true.
            status = self.read_status()
            if status.state in ("queued", "running") and self._abandoned(status):
                # On a full disk a process cannot leave a word about it.
                full = f": the disk is full at {self.folder}" if self._is_disk_full() else ""
                message = f"Stopped unexpectedly at step {status.step}{full}."
                return replace(status, state="lost", message=message, hint=self.resuming(), pid=None)
        return status

    def _is_disk_full(self) -> bool:
        try:
            return files.free_bytes(self.folder) < FULL_BYTES
        except OSError:
            return False

    def read_status(self) -> Status:
        try:
            status: Status = read_as(Status, self.folder, "status.json")
        except FileNotFoundError:
            if not self.folder.is_dir():
                return Status(state="unreadable", message="It was deleted.")
            return Status(state="done" if self.bundled else "queued", updated=self.spec.created)
        except (OSError, ValueError):
            return Status(state="unreadable", message="Its status cannot be read.")
        except UserError as error:
            return Status(state="unreadable", message=error.message, hint=error.hint)
        return status

    def _abandoned(self, status: Status) -> bool:
        if is_held(self.lock):
            return False
        if status.state == "running":
            return True
        home = self.workspace.parent.parent
        ticketed = any(any((home / place).glob(f"*-{self.id}")) for place in ("queue", "running"))
        return not ticketed and abs(time.time() - status.updated) > ORPHAN_SECONDS

    def silence(self, status: Status) -> float | None:
        """Seconds since a running run was last heard of, if more than `settings.silence_seconds`; else None.

        A run at work writes its status about once a second. A clock that was set back makes no silence.
        """
        if status.state != "running":
            return None
        silent = time.time() - status.updated
        return silent if silent > settings.load().silence_seconds else None

    def metrics(self, after_step: int = -1) -> list[dict[str, Any]]:
        """The points of its curves with `step` > `after_step`, in order, without broken lines."""
        try:
            text = (self.folder / "metrics.jsonl").read_bytes().decode("utf-8", "replace")
        except OSError:
            return []
        points = []
        for line in text.split("\n")[:-1]:
            try:
                point = json.loads(line)
            except (ValueError, RecursionError):
                continue
            if isinstance(point, dict) and isinstance(point.get("step"), int) and point["step"] > after_step:
                points.append(point)
        return points

    def checkpoints(self) -> Iterator[tuple[int, Path]]:
        """(step, folder) of the complete checkpoints, newest first."""
        return checkpoints.sound(self.folder / "checkpoints")

    def snapshots(self) -> list[tuple[int, Path]]:
        """(step, folder) of the encoders kept along the way, whole ones only, oldest first."""
        return list(checkpoints.sound(self.folder / checkpoints.SNAPSHOTS))[::-1]

    def damage_until(self, step: int) -> str:
        """A sentence on the newest checkpoint that is damaged, for a run that goes on from `step`, which is
        the newest that is not, or nought; empty where no newer one is damaged."""
        newer = [one for one in checkpoints.damaged(self.folder / "checkpoints") if one > step]
        if not newer:
            return ""
        whence = f"it went on from step {step:,}" if step else "it began again from step 0"
        return f"The checkpoint of step {newer[0]:,} was damaged: {whence}."

    def resuming(self) -> str:
        """A sentence on what Resume does with a run that was stopped midway."""
        if checkpoints.any_written(self.folder / "checkpoints"):
            return "Resume goes on from the last checkpoint."
        return "Resume begins again at step 0: it had no checkpoint yet."

    def weights(self) -> Path:
        """`model.safetensors` of the newest checkpoint that is whole.

        Raises `UserError` where there is none.
        """
        for _, folder in self.checkpoints():
            return folder / checkpoints.MODEL
        if self.read_status().state == "done" or checkpoints.any_written(self.folder / "checkpoints"):
            hint = (
                "Install sslviz again."
                if self.bundled
                else f"`sslviz runs resume {self.id}` trains it again."
            )
            raise UserError(f"Run {self.id} has no weights: its checkpoints are damaged.", hint)
        raise UserError(f"Run {self.id} has no weights yet.", "Train it for longer, or choose another run.")

    # Writing: by the process that holds the lock

    def set_status(self, **changes: Any) -> Status:
        """Replace fields of the status; returns the new one. Raises `UserError` where the run was deleted."""
        self.refuse_deleted()
        status = replace(self.read_status(), **{"updated": time.time(), **plain(changes)})
        write_json(self.folder / "status.json", asdict(status))
        return status

    def set_spec(self, **changes: Any) -> Run:
        """The run with fields of its spec replaced, on disk too."""
        run = replace(self, spec=replace(self.spec, **plain(changes)))
        write_json(self.folder / "spec.json", asdict(run.spec))
        return run

    def append_metric(self, point: Mapping[str, Any]) -> None:
        """Add a point to the curves: one write, so that a reader sees it whole or not at all."""
        line = json.dumps(plain(point), allow_nan=False) + "\n"
        files.append(self.folder / "metrics.jsonl", line.encode())

    def keep_metrics(self, last_step: int) -> None:
        """Drop what lies after `last_step`: a resumed run writes those points again."""
        lines = [json.dumps(point) + "\n" for point in self.metrics() if point["step"] <= last_step]
        write_atomically(self.folder / "metrics.jsonl", "".join(lines).encode())

    def save_checkpoint(self, step: int, contents: Mapping[str, bytes]) -> Path:
        """Write a checkpoint: `contents` maps "model.safetensors", "resume.safetensors" to their bytes."""
        # Whoever resumes from it takes the points before it for granted.
        files.flush(self.folder / "metrics.jsonl")
        return checkpoints.save(self.folder / "checkpoints", step, contents)

    # What people ask of a run

    def cancel(self) -> None:
        """Ask it to stop; what it has learned is kept. A run that nobody works on is cancelled at once."""
        self.refuse_read_only("be cancelled")
        self.refuse_deleted()
        if self.status().state not in ("queued", "running"):
            return
        with writing(self.folder):
            self.cancel_flag.touch()
        self.settle_cancel()

    def settle_cancel(self) -> bool:
        """Mark it cancelled if that was asked and no process works on it; returns whether it was done."""
        if not self.folder.is_dir():  # a lock would make it anew
            return False
        try:
            with FileLock(self.lock, timeout=0):
                state = self.read_status().state
                if state not in ("queued", "running") or not self.cancel_flag.exists():
                    return False
                self.set_status(
                    state="cancelled", message="Cancelled.", hint="", finished=time.time(), pid=None
                )
        except (Timeout, OSError, UserError):
            return False
        return True

    def describe(self, *, title: str | None = None, note: str | None = None) -> None:
        """Give it a title or a note."""
        self.refuse_read_only("be renamed")
        value = self._note()
        value |= {k: v.strip() for k, v in (("title", title), ("note", note)) if v is not None}
        write_json(self.folder / "note.json", value)

    def delete(self) -> None:
        """Delete the folder. Raises `UserError` while a process works on it."""
        self.refuse_read_only("be deleted")
        if is_held(self.lock):
            raise UserError(f"Run {self.id} is at work.", "Cancel it first.")
        home = self.workspace.parent.parent
        for ticket in (*(home / "queue").glob(f"*-{self.id}"), *(home / "running").glob(f"*-{self.id}")):
            ticket.unlink(missing_ok=True)
        # Away by one rename first: a listing sees all of it or nothing.
        gone = self.folder.with_name(f".{self.id}-{secrets.token_hex(4)}.deleted")
        with writing(self.folder.parent):
            if self.folder.is_symlink() or not self.folder.is_dir():
                self.folder.unlink(missing_ok=True)
                return
            shutil.rmtree(files.moved(self.folder, gone), ignore_errors=True)

    def refuse_read_only(self, what: str) -> None:
        """Raise `UserError` for a run that comes with the package or is shared; `what` cannot be done."""
        if self.bundled:
            whence = "is shared with everybody" if self.shared else "comes with sslviz"
            raise UserError(f"Run {self.id} {whence} and cannot {what}.")

    def refuse_deleted(self) -> None:
        """Raise `UserError` for a run that somebody has deleted since it was opened."""
        if not self.folder.is_dir():
            raise UserError(f"Run {self.id} was deleted.", "Train a new one.")
