"""The downstream page: its parts, each a question that the features of a run are put to."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from sslviz.imagesets import ImageSet
from sslviz.runs import Run
from sslviz.ui import (
    downstream_boxes,
    downstream_classes,
    downstream_masks,
    downstream_naming,
    downstream_scatter,
    downstream_tasks,
    frame,
)


@dataclass(frozen=True)
class Part:
    """One view of the page."""

    title: str
    show: Callable[[Run, ImageSet], None]


PARTS = {
    "classes": Part("Classification", downstream_classes.show),
    "masks": Part("Segmentation", downstream_masks.show),
    "boxes": Part("Localisation", downstream_boxes.show),
    "name": Part("Click to label", downstream_naming.show),
    "tasks": Part("Four tasks", downstream_tasks.show),
    "scatter": Part("Pretext and downstream", downstream_scatter.show),
}


def explore(run: Run, images: ImageSet) -> None:
    """The page below its title: the part that the address names."""
    chosen = frame.choice(
        "view", "View", {name: part.title for name, part in PARTS.items()}, "classes", shown=False
    )
    with frame.guard():
        PARTS[chosen].show(run, images)
