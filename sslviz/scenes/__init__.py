"""The built-in image set `scenes`: 2,000 rendered pictures of 128 × 128 in ten classes.

Picture-book scenes with one object each, drawn from a seed, so that there is something to learn from before
anybody has uploaded anything. An object's class is told by its shape alone: colours, backgrounds, size and
place are drawn independently of it. Which way is up is told by shapes, parts and gravity: brightness and
colour of sky and ground vary both ways, and over half of the scenes are indoors, at night or without horizon.

Objects are 30 to 85% of the side, tilted by at most 10°, and face left as often as right. To draw them takes
numpy and Pillow only, and no file is read.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

from filelock import FileLock

from sslviz import imagesets
from sslviz.files import replace, writing
from sslviz.imagesets import ImageSet, NewImage
from sslviz.scenes.backdrops import SETTINGS
from sslviz.scenes.compose import CLASSES, Scene, scene
from sslviz.scenes.rendering import Report, render

__all__ = ["CLASSES", "COUNT", "NAME", "SETTINGS", "Scene", "build", "render", "render_set", "scene"]

NAME = "scenes"
COUNT = 2000


def build(
    workspace: Path, count: int = COUNT, seed: int = 0, report: Callable[[int, int], None] | None = None
) -> ImageSet:
    """The set `scenes` of a workspace, rendered where it is not there yet; `report` gets (done, total).

    Rows are scenes 0 to `count` - 1 with label, box and mask, classes in mixed order and, for a multiple of
    ten, equally often. The set is made in `workspace/drafts` and moved when it is complete, so whatever ends
    the work leaves no half of a set. Raises `UserError` where it cannot be written, or its name is taken.
    """
    drafts = workspace / "drafts"
    with writing(drafts):
        drafts.mkdir(parents=True, exist_ok=True)
    # Of two who want it at once, one renders and the other waits.
    with writing(drafts), FileLock(drafts / "scenes.lock"):
        if imagesets.find_builtin(workspace, NAME) is None:
            draft = drafts / "scenes"
            shutil.rmtree(draft, ignore_errors=True)  # of somebody who was killed
            try:
                made = _fill(draft, count, seed, report)
                with writing(workspace):
                    (workspace / "sets").mkdir(parents=True, exist_ok=True)
                    replace(made, workspace / "sets" / made.name)
            finally:
                shutil.rmtree(draft, ignore_errors=True)
    return imagesets.open_set(workspace, NAME)


render_set = build
"""The name by which jobs know it."""


def _fill(draft: Path, count: int, seed: int, report: Report | None) -> Path:
    """Folder of a complete set in a workspace of its own, with no file of it left open."""
    made = imagesets.create(draft, NAME, builtin=True)
    made.add(_named(render(count, seed, report)))
    return made.folder


def _named(scenes: Iterator[Scene]) -> Iterator[NewImage]:
    for index, one in enumerate(scenes):
        label = CLASSES[one.label]
        name = f"{label}-{index:04d}.png"
        yield NewImage(name, pixels=one.pixels, label=label, source=NAME, box=one.box, mask=one.mask)
