"""`sslviz evaluate`: what the features of a run are worth."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import typer

from sslviz.cli.inspect import DEVICE, IMAGES, JSON, RUN, images_named, opened
from sslviz.cli.output import Progress, counted, emit, percent, table
from sslviz.errors import UserError

if TYPE_CHECKING:
    from sslviz.imagesets import ImageSet
    from sslviz.runs import Run

TITLES = {
    "knn": "20 nearest neighbours",
    "linear": "linear",
    "linear_map": "linear on the map",
    "three_layers": "three layers on the map",
    "conv_block": "convolutional block",
}
COLUMNS = {"run": "run", "untrained": "untrained", "pixels": "raw pixels", "colours": "colours"}
DENSE = {
    "masks": ("run", "untrained", "supervised", "colour", "background"),
    "boxes": ("run", "untrained", "colour", "centre", "whole"),
}
"""What is asked of single places, and beside what."""
FEW = 20
"""Images asked about, of which fewer have it said how much one of them is of an accuracy."""


def evaluate(
    which: str = RUN,
    images: str = IMAGES,
    memory: str | None = typer.Option(
        None, help="What is known.  [default: the run's own images if labelled alike, else a split]"
    ),
    only: str | None = typer.Option(
        None,
        metavar="PARTS",
        help="Some of knn,linear,few,maps,masks,boxes.  [default: all the set tells]",
    ),
    device: str = DEVICE,
    as_json: bool = JSON,
) -> None:
    """What a run's features are worth: every probe beside every baseline, by block."""
    run, queries, device = opened(which, images, device)
    from sslviz import probes

    parts = _parts(only, (*probes.PARTS, *DENSE))
    if only is None:  # of masks and boxes what the set has
        parts = [part for part in parts if part not in DENSE or _knows(queries, part)]
    of_labels = [part for part in parts if part not in DENSE]
    found: dict[str, Any] = {}
    progress = Progress("Evaluating")
    try:
        if of_labels:
            known = images_named(memory) if memory is not None else probes.memory_for(run, queries)
            found = probes.evaluate(run, queries, known, parts=of_labels, device=device, report=progress)
        for part in parts:
            if part in DENSE:
                found[part] = _dense(part, run, queries, progress)
    finally:
        progress.close()
    emit(found, as_json, _shown(found))


def _knows(images: ImageSet, part: str) -> bool:
    """Whether a set has what a part asks about."""
    return any(one.mask_bytes if part == "masks" else one.box for one in images.entries)


def _dense(part: str, run: Run, images: ImageSet, report: Progress) -> dict[str, Any]:
    from sslviz import dense

    return (dense.segment if part == "masks" else dense.locate)(run, images, report).numbers()


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
        blocks = dict.fromkeys([*one["run"], *one["untrained"]])  # some heads are on one block of each
        rows += [
            (block, *(percent(one[source].get(block)) for source in ("run", "untrained"))) for block in blocks
        ]
        said.append(table(rows))
    if "whole" in found:
        whole = found["whole"]
        said.append(
            f"The whole network trained on the labels: from the run {percent(whole['fine_tuned'])}, "
            f"from scratch {percent(whole['supervised'])}."
        )
    if found.get("few"):
        said.append(_few(found["few"]))
    if "chance" in found:
        asked = found["queries"]
        said.append(
            f"Chance {percent(found['chance'])}; {counted(asked, 'image')} asked about, "
            f"{found['memory']:,} known."
            + (f" So few tell little: each is {percent(1 / asked)} of a figure." if asked < FEW else "")
        )
    if "masks" in found:
        said.append(_masks(found["masks"]))
    if "boxes" in found:
        said.append(_boxes(found["boxes"]))
    said.append("Figures that differ by less than their intervals may be equal: --json has them.")
    return "\n\n".join(said)


def _masks(found: dict[str, Any]) -> str:
    """Segmentation: the mean overlap of all blocks together, and of each alone."""
    there = [source for source in DENSE["masks"] if source in found["miou"]]
    rows = [("mIoU", *there), ("all blocks", *(percent(found["miou"][source]) for source in there))]
    for block in found["by_block"]["run"]:
        alone = [found["by_block"].get(source, {}).get(block) for source in there]
        rows.append((block, *("" if share is None else percent(share) for share in alone)))
    return f"{table(rows)}\nMasks of {found['known']:,} images known, {found['asked']:,} asked about."


def _boxes(found: dict[str, Any]) -> str:
    """Localisation: how often a box is right, by the rule and block that were chosen on other images."""
    corloc = found["corloc"]
    best = {**corloc, **corloc["best"]}
    rows = [("CorLoc", *DENSE["boxes"]), ("chosen", *(percent(best[source]) for source in DENSE["boxes"]))]
    for rule, blocks in found["corloc"]["run"].items():
        for block, share in blocks.items():
            rows.append(
                (f"{rule}, {block}", percent(share), percent(found["corloc"]["untrained"][rule][block]))
            )
    width = len(rows[0])
    rows = [(*row, *[""] * (width - len(row))) for row in rows]
    return f"{table(rows)}\nBoxes in {found['images']:,} images; taught: by a block and all before it."
