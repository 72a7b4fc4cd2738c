"""What somebody waits for, beside its bound, measured in one process and on the same images.
Ratios are what to trust: a busy machine slows both sides."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from sslviz.errors import UserError
from sslviz.imagesets import ImageSet

PARTS = ("train", "ingest", "first_metric", "looking", "repaint", "map")
IN_BROWSER = ("repaint", "map")
"""Those that take a browser, and something to drive it."""

Report = Callable[[int, int, str], None]


def left_out(parts: tuple[str, ...]) -> list[str]:
    """Those of `parts` that take a browser which is not there. Raises `UserError` where they are all."""
    from sslviz.bench import chromium

    without = [part for part in parts if part in IN_BROWSER and not chromium.is_there()]
    if without and len(without) == len(parts):
        it = "it needs" if len(without) == 1 else "they need"
        raise UserError(
            f"Nothing can be measured of {' and '.join(without)}: {it} Chromium and playwright.",
            f"Install them, or choose among {', '.join(part for part in PARTS if part not in IN_BROWSER)}.",
        )
    return without


def measure(
    images: ImageSet,
    workspace: Path,
    *,
    device: str = "cpu",
    seconds: float = 10.0,
    parts: tuple[str, ...] = PARTS,
    size: int | None = None,
    report: Report = lambda *_: None,
) -> dict[str, Any]:
    """By name the figures of each of `parts`.

    `seconds` go to each of the four ways of training each task, on pictures of `size` pixels where that is
    given. `workspace` holds `images`, and for a while what is made for measuring. Raises as `left_out`, and
    where `size` is too small for every task.
    """
    # Not above: the bare pool's processes import this package, and must not wait for torch.
    from sslviz.bench import intake, looking, training

    calibration: dict[str, Any] = {}
    without = left_out(parts)
    found: dict[str, Any] = {"images": len(images), "device": device, "left_out": without}
    for number, part in enumerate(parts):
        if part in without:
            continue
        report(number, len(parts), part)
        if part == "train":
            found["train"] = training.measure(images, workspace, device, seconds, calibration, size)
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

            times = repainting.measure(images)
            slowest = max(times, key=lambda name: times[name]["seconds"])
            found |= times | {"repaint": {"slowest": slowest, **times[slowest]}}
    report(len(parts), len(parts), "")
    return found
