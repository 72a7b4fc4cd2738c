"""Experiments of several runs that differ in one option of the task: the same images, seed and steps."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from sslviz.errors import UserError
from sslviz.imagesets import ImageSet
from sslviz.papers.base import Figure, Paper, Report, Row, Scale, Value
from sslviz.papers.data import Data
from sslviz.runs import Run, Spec

HELD_OUT = 5
"""One image in so many is held out by a run."""


def spec(
    paper: Paper,
    data: Data,
    scale: Scale,
    value: Value,
    options: Mapping[str, Any],
    *,
    seed: int,
    device: str,
    seconds: float | None,
) -> Spec:
    """The run of one value, whose task has these `options`. Raises `UserError` where `seconds` are asked for,
    options make no sense, or images are too small."""
    from sslviz.options import make_task, options_of

    if seconds is not None:
        raise UserError(
            f"The runs of {paper.name} are compared after the same number of steps, so none can be given "
            "seconds.",
            f"Leave --seconds out; --scale {list(paper.scales)[-1]} is the shortest.",
        )
    task = make_task(paper.task, options)
    task.check_sides([min(entry.width, entry.height) for entry in data.images.entries])
    return Spec(
        task=paper.task,
        images=data.images.name,
        images_id=data.images.id,
        fingerprint=data.images.fingerprint,
        count=len(data.images),
        labels=len(data.images.label_counts()),
        options=options_of(task),
        model=scale.model,
        size=scale.side,
        seed=seed,
        device=device,
        steps=scale.steps,
        batch=scale.batch,
        title=f"{paper.title}: {value.what}",
    )


def held_out_rows(
    runs: Sequence[Run],
    values: Sequence[Value],
    images: ImageSet,
    published: Mapping[str, Figure] | None = None,
    *,
    device: str = "cpu",
    report: Report | None = None,
) -> list[Row]:
    """What each run tells of the images that it held out, which are the same for all; intervals count those
    images, and not the examples made of them, which are alike."""
    from sslviz.papers import heldout

    rows = []
    for number, (run, value) in enumerate(zip(runs, values, strict=True)):
        if report is not None:
            report(number, len(runs), "asking about the images that were held out")
        status, shares = run.status(), heldout.shares(run, images, device)
        figure = next((one for one in (published or {}).values() if one.at == value.at), None)
        rows.append(
            Row(
                value.what,
                status.heldout_accuracy if shares is None else float(shares.mean()),
                max(1, run.spec.count // HELD_OUT) if shares is None else len(shares),
                at=value.at,
                chance=status.chance,
                published=figure,
                shares=shares,
            )
        )
    return rows


def scaled_down(runs: Sequence[Run], data: Data, scale: Scale, published: str) -> list[str]:
    """In what a sweep differs from what was published, as far as all sweeps do: `published` says what
    the paper trained for."""
    plan = runs[0].spec.plan or {}
    steps, batch = plan.get("steps", scale.steps), plan.get("batch", scale.batch)
    return [
        f"Scaled down: {steps:,} steps of {batch} images a run on {len(data.images):,} images, the network "
        f"{scale.model!r} and seed {runs[0].spec.seed}, for {published}. The figures are not those of the "
        "paper.",
        "One run a value: what another seed would change is not in the intervals.",
    ]
