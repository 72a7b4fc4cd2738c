"""Where a run comes from: the images it was trained on, and the command that asks for it again."""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from dataclasses import replace

from sslviz import imagesets
from sslviz.errors import UserError
from sslviz.imagesets import ImageSet
from sslviz.imagesets.index import read_index
from sslviz.runs import ID, Run, Spec


def images_of(run: Run) -> ImageSet:
    """The set of a run, by its folder, which outlives a renaming, else by its name."""
    folder = run.workspace / "sets" / run.spec.images_id
    if ID.fullmatch(run.spec.images_id) and (folder / "index.json").exists():
        return ImageSet(run.workspace, folder)
    if imagesets.find(run.workspace, run.spec.images) is not None:
        return imagesets.open_set(run.workspace, run.spec.images)
    raise UserError(f"The image set {run.spec.images!r} of this run is gone.", "Add its images again.")


def names_of(found: Sequence[Run]) -> list[str]:
    """What the images of each run are called now, or were when it was made where they are gone. Each set is
    looked at once: there may be ten thousand runs."""
    of = {run.spec.images_id: run for run in reversed(found)}  # one's own, listed before what is shared
    now = {id_: name for id_, run in of.items() if (name := _name(run)) is not None}
    return [now.get(run.spec.images_id, run.spec.images) for run in found]


def name_of(run: Run) -> str:
    """What the images of a run are called now, or were when it was made where they are gone."""
    return names_of([run])[0]


def _name(run: Run) -> str | None:
    if not ID.fullmatch(run.spec.images_id):
        return None
    try:
        return read_index(run.workspace / "sets" / run.spec.images_id).name
    except UserError:
        return None


def title_of(run: Run) -> str:
    """Its title, which says what its images are called now where nobody gave it one."""
    return run.title_on(name_of(run))


def command_of(run: Run) -> str:
    """`Spec.command`, in which the images have the name that they have now: another set may have taken the
    one that they had."""
    return called(run.spec, name_of(run)).command


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
