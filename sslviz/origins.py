"""Where a run comes from: the images it was trained on, and the command that asks for it again."""

from __future__ import annotations

import contextlib
from dataclasses import replace

from sslviz import imagesets
from sslviz.errors import UserError
from sslviz.imagesets import ImageSet
from sslviz.runs import ID, Run


def images_of(run: Run) -> ImageSet:
    """The set of a run, by its folder, which outlives a renaming, else by its name."""
    folder = run.workspace / "sets" / run.spec.images_id
    if ID.fullmatch(run.spec.images_id) and (folder / "index.json").exists():
        return ImageSet(run.workspace, folder)
    if imagesets.find(run.workspace, run.spec.images) is not None:
        return imagesets.open_set(run.workspace, run.spec.images)
    raise UserError(f"The image set {run.spec.images!r} of this run is gone.", "Add its images again.")


def command_of(run: Run) -> str:
    """`Spec.command`, in which the images have the name that they have now: another set may have taken the
    one that they had."""
    spec = run.spec
    with contextlib.suppress(UserError):
        spec = replace(spec, images=images_of(run).name)
    return spec.command
