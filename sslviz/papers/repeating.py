"""A published experiment repeated: its runs made, trained one after another, and judged.

A repetition that was interrupted goes on where it stopped, and one that is asked for again finds the runs
that it made: what is done is not done twice.
"""

from __future__ import annotations

import shlex
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from sslviz import imagesets, ingest
from sslviz.errors import UserError
from sslviz.imagesets import ImageSet
from sslviz.papers import records
from sslviz.papers.base import Paper, Report, Scale, Value
from sslviz.papers.data import Data
from sslviz.runs import Run, Status, create, open_run

FEWEST = 10
"""Images without which there is nothing to hold out, and nothing to conclude."""

Train = Callable[[Run, int, int], Status]
"""Trains a run, the how manieth of how many; returns that it is done or cancelled, else raises
`UserError`."""


@dataclass(frozen=True)
class Asked:
    """What is to be repeated: of which paper, at which scale, on which images."""

    paper: Paper
    scale_name: str
    data: Data
    seed: int = 0
    seconds: float | None = None
    device: str = "cpu"
    command: str = ""
    """The command line that asks for the same."""

    @property
    def scale(self) -> Scale:
        return self.paper.scales[self.scale_name]

    @property
    def key(self) -> str:
        return records.key_of(
            self.paper.name, self.scale, self.data.images.fingerprint, self.seed, self.seconds
        )


def images_for(workspace: Path, scale: Scale) -> str:
    """Name of the built-in set that is taken where none is named: the first of the scale's that is there,
    or that needs no download."""
    for name in scale.images:
        if name == "scenes" or imagesets.find_builtin(workspace, name) is not None:
            return name
    return scale.images[0]  # whoever opens it is told how to download it


def gather(
    workspace: Path,
    paper: Paper,
    scale: Scale,
    images: str | None,
    test: str | None,
    report: Callable[[int, int], None] | None = None,
) -> Data:
    """The images that are named, or the default. Raises `UserError` where they do not suffice."""
    if test is not None and images is None:
        raise UserError("--test says what to test on, but not what to train on.", "Give --images too.")
    # An empty name is not taken for none: whoever meant a set of their own is told.
    chosen = ingest.resolve(workspace, images_for(workspace, scale) if images is None else images, report)
    return paper.gather(chosen, None if test is None else ingest.resolve(workspace, test, report))


def repeat(
    asked: Asked, train: Train, report: Report | None = None, prepare: Report | None = None
) -> dict[str, Any]:
    """Make and train what runs are missing, judge them, and return what was found, as `--json` prints it.

    `prepare` follows the making of the runs, `train` their training, `report` the judgement. A run that was
    cancelled ends it: the answer then has `state` and the run, and nothing found. Raises `UserError`.
    """
    if len(asked.data.images) < FEWEST:
        raise UserError(
            f"It takes {FEWEST} images at least, some of which are held out; {asked.data.images.name!r} has "
            f"{len(asked.data.images)}.",
            "Add images to the set, or choose another.",
        )
    values = asked.paper.values(asked.scale)
    made: list[Run] = []
    for place, value in enumerate(values):
        run = _run_of(asked, value, prepare)
        if run.status().state != "done":
            status = train(run, place, len(values))
            if status.state != "done":
                return {"paper": asked.paper.name, "run": run.id, "state": status.state}
        made.append(open_run(run.workspace, run.id))  # training has added to its spec
    findings = asked.paper.judge(made, asked.data, asked.scale, device=asked.device, report=report)
    told = {**_record(asked, values[0]), **_told(asked, values, made), **findings.plain()}
    records.write(made[0], told)
    return told


def _run_of(asked: Asked, value: Value, report: Report | None) -> Run:
    """The run of a value: the one that was made before, or a new one."""
    workspace = asked.data.images.workspace
    known = records.find(workspace, asked.key)
    if known is not None and value.at in known.runs:
        run = known.runs[value.at]
        if run.status().state != "unreadable":
            return run
    spec = asked.paper.spec(
        asked.data,
        asked.scale,
        value,
        seed=asked.seed,
        device=asked.device,
        seconds=asked.seconds,
        report=report,
    )
    run = create(workspace, replace(spec, origin=asked.command))
    records.write(run, _record(asked, value))
    return run


def _record(asked: Asked, value: Value) -> dict[str, Any]:
    return {
        "repetition": asked.key,
        "paper": asked.paper.name,
        "scale": asked.scale_name,
        "seed": asked.seed,
        "seconds_each": asked.seconds,
        "images": asked.data.images.name,
        "train": asked.data.train,
        "at": value.at,
        "command": asked.command,
    }


def _told(asked: Asked, values: Sequence[Value], made: Sequence[Run]) -> dict[str, Any]:
    """What is said of the runs themselves."""
    listed = []
    for run, value in zip(made, values, strict=True):
        status, plan = run.status(), run.spec.plan or {}
        listed.append(
            {
                "run": run.id,
                "what": value.what,
                "at": value.at,
                "steps": status.step,
                "batch": plan.get("batch"),
                "precision": plan.get("precision"),
                "device": status.device,
                "seconds": status.seconds,
            }
        )
    first = listed[0]
    return {
        "title": asked.paper.title,
        "citation": asked.paper.citation,
        "about": asked.scale.about,
        "run": first["run"],
        "runs": listed,
        **{name: first[name] for name in ("steps", "batch", "precision", "device")},
        "seconds": sum(one["seconds"] for one in listed),
        "published": {what: asdict(figure) for what, figure in asked.paper.published.items()},
    }


def begun(paper: Paper, run: Run, images: ImageSet, device: str) -> Asked:
    """The repetition that a run belongs to, whose `images` these are.

    Raises `UserError` where it is none of this paper's, and where images or the scale have changed since.
    """
    record = records.read(run)
    if record is None or record["paper"] != paper.name or record["scale"] not in paper.scales:
        raise UserError(
            f"Run {run.id} is no repetition of {paper.title}.", f"`sslviz reproduce {paper.name}` makes one."
        )
    if images.fingerprint != run.spec.fingerprint:
        raise UserError(f"The images of run {run.id} have changed.", "Repeat the experiment on them.")
    train = int(record["train"])
    names = sorted(images.label_counts())
    asked = Asked(
        paper, record["scale"], Data(images, train, names), record["seed"], record["seconds_each"], device,
        record["command"],
    )  # fmt: skip
    if asked.key != record["repetition"]:
        raise UserError(
            f"Run {run.id} was made when the scale {asked.scale_name!r} was another one.",
            "Repeat the experiment.",
        )
    return asked


def command_of(
    paper: Paper,
    scale: str,
    seed: int = 0,
    *,
    images: str | None = None,
    test: str | None = None,
    seconds: float | None = None,
    device: str = "auto",
) -> str:
    """The command line that asks for a repetition."""
    words = ["sslviz", "reproduce", paper.name, "--scale", scale, "--seed", str(seed)]
    given = {"--images": images, "--test": test, "--seconds": seconds and f"{seconds:g}"}
    for option, value in given.items():
        words += [option, value] if value else []
    return shlex.join(words + ([] if device == "auto" else ["--device", device]))
