"""What was asked of a run and how it stands, as they are written to its folder."""

from __future__ import annotations

import math
import shlex
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Annotated, Any, Literal

from pydantic import ConfigDict, Field, TypeAdapter, ValidationError

from sslviz.errors import UserError

SCHEMA = 1
"""Version of the folder. Older ones are read, newer ones are refused with a sentence."""

State = Literal["queued", "running", "done", "failed", "cancelled", "lost", "unreadable"]
FINISHED: tuple[State, ...] = ("done", "failed", "cancelled", "lost", "unreadable")
"""States in which nothing will change by itself."""


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
    count: Annotated[int, Field(ge=0)] = 0
    labels: Annotated[int, Field(ge=0)] = 0
    """Names that label the images; nought where there are none."""
    options: dict[str, bool | int | float | str] = field(default_factory=dict)
    """The task's options that differ from its defaults."""
    model: str = "small"
    size: Annotated[int, Field(gt=0)] | None = None
    """Side S of the squares; None for the task's own choice."""
    seed: Annotated[int, Field(ge=0)] = 0
    device: str = "auto"
    minutes: Annotated[float, Field(gt=0)] | None = None
    steps: Annotated[int, Field(gt=0)] | None = None
    like: str | None = None
    """Run whose plan is replayed."""
    lr: Annotated[float, Field(gt=0)] | None = None
    batch: Annotated[int, Field(gt=0)] | None = None
    precision: str | None = None
    threads: Annotated[int, Field(gt=0)] | None = None
    start: str | None = None
    """Run whose weights this one starts from."""
    since: Annotated[int, Field(ge=0)] = 0
    """Steps that those weights have behind them, over all the runs before."""
    title: str = ""
    note: str = ""
    plan: dict[str, Any] | None = None
    """`dataclasses.asdict` of the plan, once fixed."""
    replans: list[dict[str, Any]] = field(default_factory=list)
    """Earlier plans that a slower machine, or too little memory, made the run give up."""
    side: int | None = None
    """S that the run trained on."""
    view: int | None = None
    """Side of a view in pixels: with `classes`, what the network is built from."""
    classes: int | None = None
    created: float = 0.0
    """Seconds since 1970."""
    schema: int = SCHEMA

    @property
    def command(self) -> str:
        """The command line that asks for the same again."""
        words = ["sslviz", "train", self.task, "--images", self.images]
        if self.like is not None:
            words += ["--like", self.like]
        elif self.steps is not None:
            words += ["--steps", str(self.steps)]
        else:
            words += ["--minutes", f"{1.0 if self.minutes is None else self.minutes:g}"]
        words += ["--seed", str(self.seed)]
        for name, ordinary in (("model", "small"), ("size", None), ("device", "auto"), ("lr", None),
                               ("batch", None), ("precision", None), ("threads", None)):  # fmt: skip
            value = getattr(self, name)
            if value != ordinary:
                words += [f"--{name}", f"{value:g}" if isinstance(value, float) else str(value)]
        for name, value in sorted(self.options.items()):
            words += ["--option", f"{name}={str(value).lower() if isinstance(value, bool) else value}"]
        if self.start is not None:
            words += ["--from", self.start]
        return shlex.join(words)


@dataclass(frozen=True)
class Status:
    """How a run stands."""

    state: State = "queued"
    step: int = 0
    steps: int = 0
    """Steps planned; nought before the plan is fixed."""
    message: str = ""
    """One sentence for people: what it does now, or why it ended."""
    hint: str = ""
    started: float | None = None
    finished: float | None = None
    updated: float = 0.0
    seconds: float = 0.0
    """Of the training loop alone."""
    loss: float | None = None
    train_accuracy: float | None = None
    heldout_accuracy: float | None = None
    heldout_loss: float | None = None
    views_per_second: float | None = None
    classes: int | None = None
    chance: float | None = None
    device: str = ""
    pid: int | None = None
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


def plain(value: Any) -> Any:
    """`value` fit for JSON, which has no NaN and no infinity: they become None."""
    if isinstance(value, Mapping):
        return {key: plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [plain(item) for item in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value
