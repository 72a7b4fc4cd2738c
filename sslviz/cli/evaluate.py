"""`sslviz evaluate`: what the features of a run are worth."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import typer

from sslviz.cli.inspect import DEVICE, IMAGES, JSON, RUN, images_named, opened
from sslviz.cli.output import Progress, emit, percent, table
from sslviz.errors import UserError

if TYPE_CHECKING:
    pass

TITLES = {
    "knn": "20 nearest neighbours",
    "linear": "linear",
}
COLUMNS = {"run": "run", "untrained": "untrained", "pixels": "raw pixels", "colours": "colours"}


def evaluate(
    which: str = RUN,
    images: str = IMAGES,
    memory: str | None = typer.Option(
        None, help="What is known.  [default: the run's own images if labelled alike, else a split]"
    ),
    only: str | None = typer.Option(None, metavar="PARTS", help="Some of knn,linear,few.  [default: all]"),
    device: str = DEVICE,
    as_json: bool = JSON,
) -> None:
    """What a run's features are worth: every probe beside every baseline, by block."""
    run, queries, device = opened(which, images, device)
    from sslviz import probes

    parts = _parts(only, probes.PARTS)
    progress = Progress("Evaluating")
    try:
        known = images_named(memory) if memory is not None else probes.memory_for(run, queries)
        found = probes.evaluate(run, queries, known, parts=parts, device=device, report=progress)
    finally:
        progress.close()
    emit(found, as_json, _shown(found))


def _few(curves: dict[str, list[dict[str, Any]]]) -> str:
    """Linear classifiers by labelled images a class."""
    counts = [str(point["count"]) for point in curves["run"]]
    rows = [("labels a class, linear", *counts)]
    for source, points in curves.items():
        cells = [percent(point["linear"]["mean"]) for point in points]
        rows.append((COLUMNS[source], *cells))
    return table(rows)


def _parts(only: str | None, known: tuple[str, ...]) -> list[str]:
    if only is None:
        return list(known)
    parts = [part.strip() for part in only.split(",") if part.strip()]
    for part in parts:
        if part not in known:
            raise UserError(
                f"There is no part {part!r} of an evaluation.", f"Choose some of {', '.join(known)}."
            )
    if not parts:
        raise UserError("--only names no part.", f"Choose some of {', '.join(known)}.")
    return parts


def _shown(found: dict[str, Any]) -> str:
    """The tables for people."""
    said = []
    probes = [name for name in TITLES if name in found]
    rows = [("best block", *COLUMNS.values())]
    for name in probes:
        one = found[name]
        rows.append((TITLES[name], *(percent(one["best"].get(key, one.get(key))) for key in COLUMNS)))
    if probes:
        said.append(table(rows))
    for name in probes:
        one = found[name]
        rows = [(TITLES[name], "run", "untrained")]
        rows += [
            (block, percent(share), percent(one["untrained"][block])) for block, share in one["run"].items()
        ]
        said.append(table(rows))
    if found.get("few"):
        said.append(_few(found["few"]))
    said.append(
        f"Chance {percent(found['chance'])}; {found['queries']:,} queries, {found['memory']:,} in memory. "
        f"Figures that differ by less than their intervals may be equal: --json has them."
    )
    return "\n\n".join(said)
