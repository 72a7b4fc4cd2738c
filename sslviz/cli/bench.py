"""`sslviz bench`: how fast this machine is, and how close sslviz comes to what it can do."""

from __future__ import annotations

import contextlib
import os
import platform
import tempfile
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

from sslviz.cli.output import Progress, complain, emit, table
from sslviz.errors import UserError

if TYPE_CHECKING:
    from sslviz.imagesets import ImageSet

TIMED = (
    "first_metric", "knn", "knn_many", "pca", "umap", "umap_many", "tsne", "trustworthiness", "linear", "few",
    "repaint_rotation", "repaint_exemplar", "repaint_jigsaw", "repaint_location", "repaint_image",
    "repaint_permutations", "repaint_transform", "repaint_aberration",
    "map_cold", "map", "map_hover", "map_lasso", "map_blocked",
)  # fmt: skip
"""What has seconds beside a bound, in the order in which it is told."""

ALL = "train,ingest,first_metric,looking,repaint,map"
MOST = 2_000
"""Pictures that are measured on: enough for every part."""


def bench(
    images: str = typer.Option("scenes", help="A set, a folder, a zip or a built-in to measure on."),
    device: str = typer.Option("auto", help="auto, cpu, cuda or mps."),
    seconds: float = typer.Option(10.0, min=0.5, help="For each way of training each task."),
    size: int | None = typer.Option(None, help="Side of the images to train on, in pixels."),
    only: str = typer.Option(ALL, help="Parts to measure."),
    as_json: bool = typer.Option(False, "--json", help="Print one JSON object at the end."),
) -> None:
    """Measure training, reading pictures, neighbours, maps, probes and pages, each beside its bound."""
    from sslviz import bench as measuring
    from sslviz import ingest, settings, workspaces
    from sslviz.tasks import TASKS
    from sslviz.worker.waiting import resolve_device

    parts = tuple(part.strip() for part in only.split(",") if part.strip())
    if not parts or set(parts) - set(measuring.PARTS):
        raise UserError(f"{only!r} is no list of parts.", f"Choose among {', '.join(measuring.PARTS)}.")
    measuring.left_out(parts)  # which raises, before the images are read
    place = resolve_device(device)
    progress = Progress("Measuring")
    given = ingest.resolve(settings.workspace(), images, progress)
    before = os.environ.get("SSLVIZ_HOME")
    # A home of its own: what is made for measuring is nobody's run and nobody's set.
    with tempfile.TemporaryDirectory(prefix="sslviz-bench-", ignore_cleanup_errors=True) as home:
        os.environ["SSLVIZ_HOME"] = home
        try:
            found = measuring.measure(
                _copied(given, settings.workspace()),
                settings.workspace(),
                device=place,
                seconds=seconds,
                parts=parts,
                size=size,
                report=progress,
            )
        finally:
            progress.close()
            with contextlib.suppress(UserError):  # what pages began would go on for minutes
                workspaces.stop(settings.workspace())
            if before is None:
                del os.environ["SSLVIZ_HOME"]
            else:
                os.environ["SSLVIZ_HOME"] = before
    found |= _machine()
    if without := found["left_out"]:
        said = "was left out: it needs" if len(without) == 1 else "were left out: they need"
        complain(f"{' and '.join(without)} {said} Chromium and playwright.")
    if trained := found.get("train"):
        for name, task in TASKS.items():
            if name not in trained:
                complain(f"{name} was left out: it needs images of {task.minimum_side} pixels or more.")
    emit(found, as_json, told(found))


def _copied(images: ImageSet, workspace: Path) -> ImageSet:
    """The first pictures of a set, as they are stored, in a set of another home."""
    from sslviz import imagesets
    from sslviz.images import Stored

    copy = imagesets.create(workspace, "bench")
    copy.add(
        imagesets.NewImage(
            entry.name,
            stored=Stored(entry.id, entry.width, entry.height, images.jpeg(row), images.thumbnail(row)),
            label=entry.label,
        )
        for row, entry in enumerate(images.entries[:MOST])
    )
    return copy


def _machine() -> dict[str, Any]:
    import torch

    return {
        "date": datetime.now(UTC).isoformat(timespec="seconds"),
        "machine": platform.processor() or platform.machine(),
        "cores": os.cpu_count(),
        "torch": torch.__version__,
    }


def told(found: dict[str, Any]) -> str:
    """The figures as tables for people."""
    text = []
    if "train" in found:
        head = "views a second", "bare step", "sslviz", "of bare", "customary", "times", "with bf16", "times"
        ways: list[Sequence[str]] = [(*head, "measuring", "how")]
        for name, one in found["train"].items():
            layout = "channels_last" if one["channels_last"] else "contiguous"
            how = f"{one['precision']}, {layout}, batch {one['batch']}, {one['threads']} threads"
            ways.append(
                (name, _count(one["bare"]), _count(one["sslviz"]), f"{one['over_bare']:.2f}",
                 _count(one["customary"]), f"{one['over_customary']:.1f}",
                 _count(one["customary_bf16"]), f"{one['over_customary_bf16']:.1f}",
                 f"{100 * one['measuring']:.1f}%", f"{how}, views of {one['view']} px")
            )  # fmt: skip
        text.append(table(ways))
    if "ingest" in found:
        one = found["ingest"]
        figures = _count(one["pictures_per_second"]), _count(one["bound"]), f"{one['over_bare']:.2f}"
        text.append(table([("pictures a second", "sslviz", "bare pool", "of bare"), ("ingest", *figures)]))
    rows: list[Sequence[str]] = [("seconds", "sslviz", "CPU", "bound", "times", "what the bound is")]
    for name in TIMED:
        if one := found.get(name):
            times = f"{one['seconds'] / one['bound']:.1f}"
            spent = f"{one['cpu_seconds']:.3f}" if "cpu_seconds" in one else ""
            title = f"{name}, {one['images']:,} images" if "images" in one else name
            rows.append(
                (title, f"{one['seconds']:.3f}", spent, f"{one['bound']:.3f}", times, one["bound_is"])
            )
    if len(rows) > 1:
        text.append(table(rows))
    for name in ("knn", "knn_many"):
        one = found.get(name) or {}
        if one.get("faiss") is not None:
            times = f"{one['seconds'] / one['faiss']:.2f}"
            text.append(
                f"faiss-cpu's flat index takes {one['faiss']:.3f} s for {name}; sslviz {times} of it."
            )
    return "\n\n".join(text)


def _count(value: float) -> str:
    return f"{value:,.0f}"
