"""What was asked of a run and how it stands, as they are written to its folder."""

from __future__ import annotations

import math
import os
import shlex
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import ConfigDict, Field, TypeAdapter, ValidationError

from sslviz.errors import UserError
from sslviz.files import read_json

THREADS = 256
"""Most threads of torch: with very many more its libraries end the process."""
RACY_NANOSECONDS = 2 * 10**9
"""Two versions of a file that are younger than this may have the same time, size and place on the disk."""
SCHEMA = 1
"""Version of the folder. Older ones are read, newer ones are refused with a sentence."""

State = Literal["queued", "running", "done", "failed", "cancelled", "lost", "unreadable"]
FINISHED: tuple[State, ...] = ("done", "failed", "cancelled", "lost", "unreadable")
"""States in which nothing will change by itself."""

# Numbers within what torch, JSON and the clock can take: a damaged file may hold any.
Count = Annotated[int, Field(ge=0, le=10**12)]
Several = Annotated[int, Field(gt=0, le=10**12)]
Side = Annotated[int, Field(gt=0, le=20_000)]
"""In pixels: as large as an image may be."""
Classes = Annotated[int, Field(gt=0, le=10**6)]
Moment = Annotated[float, Field(ge=0, le=1e11)]
"""Seconds since 1970."""


@dataclass(frozen=True)
class Spec:
    """What was asked of a run. Everything that its result depends on is here or in the image set."""

    __pydantic_config__ = ConfigDict(allow_inf_nan=False)

    task: str
    images: str
    """Name of the image set when the run was made."""
    images_id: str = ""
    """Folder of the set, which outlives a renaming."""
    fingerprint: str = ""
    """Of the set's image ids: a run resumes only on the images it began with."""
    count: Count = 0
    labels: Count = 0
    """Names that label the images; nought where there are none."""
    options: dict[str, bool | int | float | str] = field(default_factory=dict)
    """The task's options that differ from its defaults, or from those of a run it takes options over from."""
    model: str = "small"
    size: Side | None = None
    """Side S of the squares; None for the task's own choice."""
    seed: Annotated[int, Field(ge=0, le=2**63 - 1)] = 0
    device: str = "auto"
    minutes: Annotated[float, Field(gt=0, le=1e6)] | None = None
    steps: Several | None = None
    like: str | None = None
    """Run whose plan is replayed."""
    lr: Annotated[float, Field(gt=0, le=1e30)] | None = None
    batch: Annotated[int, Field(gt=0, le=10**6)] | None = None
    precision: str | None = None
    channels_last: bool | None = None
    """Whether a pixel's channels lie side by side in memory; None for what is measured to be faster."""
    threads: Annotated[int, Field(gt=0, le=THREADS)] | None = None
    centre: bool = False
    """Whether training sees no more of an image than its centre square."""
    start: str | None = None
    """Run whose weights this one starts from."""
    since: Count = 0
    """Steps that those weights have behind them, over all the runs before."""
    title: str = ""
    note: str = ""
    origin: str = ""
    """The command that made it, where that was not `sslviz train`."""
    plan: dict[str, Any] | None = None
    """`dataclasses.asdict` of the plan, once fixed."""
    replans: list[dict[str, Any]] = field(default_factory=list)
    """Earlier plans that another speed than expected, or too little memory, made the run give up midway."""
    side: Side | None = None
    """S that the run trained on."""
    view: Side | None = None
    """Side of a view in pixels: with `classes`, what the network is built from."""
    classes: Classes | None = None
    created: Moment = 0.0
    limit: Annotated[float, Field(gt=0, le=1e6)] | None = None
    """Minutes at work after which it is stopped, by the rules of the place where it was made."""
    schema: int = SCHEMA

    @property
    def command(self) -> str:
        """The command line that asks for the same again.

        What it could take over from another run is written out, defaults too: they may not be that run's.
        """
        if self.origin:
            return self.origin
        inherits = self.like is not None or self.start is not None
        words = ["sslviz", "train", self.task, "--images", self.images]
        if self.like is not None:
            words += ["--like", self.like]
        elif self.steps is not None:
            words += ["--steps", str(self.steps)]
        else:
            words += ["--minutes", _word(1.0 if self.minutes is None else self.minutes)]
        words += ["--seed", str(self.seed)]
        if self.model != "small" or inherits:
            words += ["--model", self.model]
        size = self.size or (self.side if inherits else None)
        if size is not None:
            words += ["--size", str(size)]
        if self.device != "auto":
            words += ["--device", self.device]
        for name in ("lr", "batch", "precision", "threads"):
            value = getattr(self, name)
            if value is not None:
                words += [f"--{name}", _word(value)]
        switches = {("channels-last", "channels-first"): self.channels_last}
        switches |= {("centre", "whole"): self.centre if self.centre or inherits else None}
        words += [f"--{names[not on]}" for names, on in switches.items() if on is not None]
        for name, value in sorted(self.options.items()):
            words += ["--option", f"{name}={_word(value)}"]
        if self.start is not None:
            words += ["--from", self.start]
        return shlex.join(words)


def _word(value: bool | int | float | str) -> str:
    """`value` as it is typed, short where that loses nothing."""
    if isinstance(value, bool):
        return str(value).lower()
    return f"{value:g}" if isinstance(value, float) and float(f"{value:g}") == value else str(value)


@dataclass(frozen=True)
class Status:
    """How a run stands."""

    __pydantic_config__ = ConfigDict(allow_inf_nan=False)

    state: State = "queued"
    step: Count = 0
    steps: Count = 0
    """Steps planned; nought before the plan is fixed."""
    message: str = ""
    """One sentence for people: what it does now, or why it ended."""
    hint: str = ""
    remark: str = ""
    """What was out of the ordinary, in a sentence that stays: memory that sufficed for half a batch only, a
    checkpoint that was damaged."""
    started: Moment | None = None
    finished: Moment | None = None
    updated: Moment = 0.0
    seconds: Annotated[float, Field(ge=0)] = 0.0
    """Of the training loop alone."""
    loss: float | None = None
    train_accuracy: float | None = None
    heldout_accuracy: float | None = None
    heldout_loss: float | None = None
    views_per_second: float | None = None
    knn_accuracy: float | None = None
    """Share of labelled images whose label their neighbours tell, by the features of the best block."""
    knn_untrained: float | None = None
    """The same of the network before it was trained."""
    knn_pixels: float | None = None
    knn_chance: float | None = None
    """Of always saying the commonest label."""
    evaluation_seconds: Annotated[float, Field(ge=0)] = 0.0
    """Of `seconds`, those spent on measuring and not on steps."""
    memory_bytes: Count | None = None
    """Of the device; on a processor, of the whole process."""
    classes: Classes | None = None
    chance: Annotated[float, Field(gt=0, le=1)] | None = None
    device: str = ""
    pid: Annotated[int, Field(gt=0)] | None = None
    """Process of the worker, of meaning only while the lock is held."""
    schema: int = SCHEMA

    @property
    def finished_state(self) -> bool:
        """Nothing will change by itself."""
        return self.state in FINISHED


_ADAPTERS: dict[type[Any], TypeAdapter[Any]] = {kind: TypeAdapter(kind) for kind in (Spec, Status)}


def checked(kind: type[Any], value: object) -> Any:
    """`value` as a `kind`, or a `UserError` that says what is wrong with it."""
    if isinstance(value, dict) and isinstance(value.get("schema"), int) and value["schema"] > SCHEMA:
        raise UserError("This run was made by a later version of sslviz.", "Update sslviz to open it.")
    try:
        return _ADAPTERS[kind].validate_python(value)
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"]) or kind.__name__.lower()
        raise UserError(f"{where} is {first.get('input')!r:.60}: {first['msg'].lower()}.") from None


def read_as(kind: type[Any], folder: Path, name: str) -> Any:
    """What is in a file as a `Spec` or `Status`; what was written a while ago is not read again each time.

    With ten thousand runs in a list, handling paths would take longer than reading the files. Raises
    `UserError` for what makes no sense, `OSError` and `ValueError` for what cannot be read.
    """
    path = os.path.join(folder, name)  # noqa: PTH118
    found = os.stat(path)  # noqa: PTH116
    if abs(time.time_ns() - found.st_mtime_ns) < RACY_NANOSECONDS:
        return checked(kind, read_json(path))
    return _remembered(kind.__name__, path, found.st_ino, found.st_mtime_ns, found.st_size)


@lru_cache(maxsize=40_000)
def _remembered(kind: str, path: str, *_: int) -> Any:
    return checked({"Spec": Spec, "Status": Status}[kind], read_json(path))


def plain(value: Any) -> Any:
    """`value` fit for JSON, which has no NaN and no infinity: they become None."""
    if isinstance(value, Mapping):
        return {key: plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [plain(item) for item in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value
