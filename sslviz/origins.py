"""Where a run comes from: the images it was trained on, and the command that asks for it again."""

from __future__ import annotations

import contextlib
import shlex
from dataclasses import replace

from sslviz import imagesets
from sslviz.errors import UserError
from sslviz.imagesets import ImageSet
from sslviz.runs import ID, Run, Spec


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
        spec = called(spec, images_of(run).name)
    return spec.command


def called(spec: Spec, name: str) -> Spec:
    """`spec` as it reads where its images have the name `name`, in the command that made it, too."""
    if name == spec.images:
        return spec
    return replace(spec, images=name, origin=_with_images(spec.origin, name))


def _with_images(origin: str, name: str) -> str:
    """A command with another name of the images. With a set to test on, the run's images are the two that it
    names joined, whose names these are not."""
    try:
        words = shlex.split(origin)
    except ValueError:  # damaged, and no command
        return origin
    if any(word.partition("=")[0] == "--test" for word in words):
        return origin
    for place, word in enumerate(words):
        if word.startswith("--images="):
            words[place] = f"--images={name}"
        elif word == "--images" and place + 1 < len(words):
            words[place + 1] = name
            break
    return shlex.join(words)
