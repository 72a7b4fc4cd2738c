"""What somebody waits for, beside its bound, measured in one process and on the same images.
Ratios are what to trust: a busy machine slows both sides."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from sslviz.imagesets import ImageSet

PARTS = ("train", "ingest", "first_metric", "looking", "repaint", "map")

Report = Callable[[int, int, str], None]


def measure(
    images: ImageSet,
    workspace: Path,
    *,
    device: str = "cpu",
    seconds: float = 10.0,
    parts: tuple[str, ...] = PARTS,
    report: Report = lambda *_: None,
) -> dict[str, Any]:
    """By name the figures of each of `parts`; `seconds` go to each of the four ways of training each task.
    `workspace` holds `images`, and for a while what is made for measuring."""
    # Not above: the bare pool's processes import this package, and must not wait for torch.
    from sslviz.bench import intake, looking, training

    calibration: dict[str, Any] = {}
    found: dict[str, Any] = {"images": len(images), "device": device}
    for number, part in enumerate(parts):
        report(number, len(parts), part)
        if part == "train":
            found["train"] = training.measure(images, workspace, device, seconds, calibration)
        elif part == "ingest":
            found["ingest"] = intake.measure_ingest(images, workspace)
        elif part == "first_metric":
            figures = intake.measure_first_metric(images, workspace, device)
            found |= {"first_metric_seconds": figures["seconds"], "first_metric": figures}
        elif part == "looking":
            found |= looking.measure()
        elif part == "map":
            from sslviz.bench import browsing

            found |= browsing.measure(workspace)
        else:
            from sslviz.bench import repainting

            found |= repainting.measure(images)
    report(len(parts), len(parts), "")
    return found
