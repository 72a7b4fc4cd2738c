"""How far features stay the same when an image is turned, moved, scaled or recoloured: curves over the
strength.

Some dozens of images of a set are changed, all alike, and the same changed images go through every network:
those of runs, an untrained one, and none at all (raw pixels). A curve has the cosine of the features of an
image and of its changed copy, 1 where nothing is changed. Beside it stands how alike two different images
are: features that are alike for all images are alike for a changed copy too, and that is no invariance.

Everything is kept by network and kind of change in `home/cache/invariance`; a job computes it. Reading
imports numpy alone.

Letters in shapes: M images, V strengths.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from sslviz import imagesets, kept, runs
from sslviz.errors import UserError
from sslviz.imagesets import ImageSet
from sslviz.runs import Run
from sslviz.runs.identity import identity

Network = Literal["run", "untrained", "pixels"]
Report = Callable[[int, int, str], None]

AREA = "invariance"
VERSION = 1
"""Of what is computed and of how it is kept."""
KEPT_BYTES = 200_000_000
MOST = 36
"""Images that are changed: the mean of a curve is then within a few hundredths."""
GRIDS = (2, 1)
"""Maps are averaged to 2 × 2, as everywhere, and to one place, which forgets where things are."""
PIXELS: Network = "pixels"
"""Also the name of their one block."""


@dataclass(frozen=True, eq=False)
class Subject:
    """Whose features: of a run, of its network before training, or raw pixels, which have no run."""

    network: Network
    run: Run | None = None


@dataclass(frozen=True)
class Kind:
    """One way of changing an image, and how strongly."""

    strengths: tuple[float, ...]
    """In rising order."""
    neutral: float
    """The strength that changes nothing; one of them."""

    @property
    def place(self) -> int:
        """Of the neutral strength."""
        return self.strengths.index(self.neutral)


def _between(most: float, steps: int, factor: bool = False) -> tuple[float, ...]:
    """From −most to most, or from 1/most to most by equal factors, the middle exact."""
    shares = [place / steps for place in range(-steps, steps + 1)]
    return tuple(most**share if factor else most * share for share in shares)


KINDS = {
    "angle": Kind(tuple(float(angle) for angle in range(0, 361, 15)), 0.0),
    "shift": Kind(_between(0.2, 6), 0.0),
    "scale": Kind(_between(1.4, 6, factor=True), 1.0),
    "hue": Kind(_between(0.5, 8), 0.0),
    "contrast": Kind(_between(4.0, 6, factor=True), 1.0),
}
"""Degrees counter-clockwise; shares of the side by which the window is moved to the right; sides of the
window as multiples; turns of the colour wheel; factors of the difference to the mean colour."""


@dataclass(frozen=True, eq=False)
class Curve:
    """Of one network and block, over the strengths of a kind."""

    kind: Kind
    alike: NDArray[np.float32]
    """(M, V) cosine of the features of each image and of its changed copy."""
    others: float
    """Mean cosine of the features of two different images, both unchanged; 1 of a single one."""

    def scaled(self) -> Curve:
        """With 0 for as alike as two different images, and 1 for the same."""
        room = max(1 - self.others, 1e-6)
        return Curve(self.kind, (self.alike - self.others) / room, 0.0)

    def mean(self) -> NDArray[np.float32]:
        """(V,) over the images."""
        found: NDArray[np.float32] = self.alike.mean(0)
        return found

    def quartiles(self) -> NDArray[np.float32]:
        """(2, V): between them is the middle half of the images."""
        found: NDArray[np.float32] = np.percentile(self.alike, (25, 75), axis=0).astype(np.float32)
        return found


def sample(images: ImageSet) -> list[int]:
    """Rows of the images that are changed, spread over the set."""
    count = len(images)
    some = min(count, MOST)
    return [(2 * place + 1) * count // (2 * some) for place in range(some)]


def subjects(found: Sequence[Run]) -> list[Subject]:
    """Whose features are compared: of these runs, of the first one's network untrained, and raw pixels."""
    return [*(Subject("run", run) for run in found), Subject("untrained", found[0]), Subject(PIXELS)]


def path(subject: Subject, images: ImageSet, kind: str) -> Path:
    """Where the curves of one network over one kind of change are kept."""
    whose = [PIXELS] if subject.run is None else identity(subject.run, subject.network)
    return kept.folder(AREA, [VERSION, images.fingerprint, *whose]) / f"{kind}.bin"


def blocks(subject: Subject, images: ImageSet, kind: str) -> list[str]:
    """The blocks that there are curves of, from the first to the last; none where they are not computed, or
    could not be."""
    found = kept.read(path(subject, images, kind))
    return [] if found is None else [str(block) for block in found[0]["blocks"]]


def fault(subject: Subject, images: ImageSet, kind: str) -> str:
    """Why there are no curves of a network, in a sentence; empty where there are, or will be."""
    found = kept.read(path(subject, images, kind))
    return "" if found is None else str(found[0].get("fault", ""))


def curve(subject: Subject, images: ImageSet, kind: str, block: str, grid: int = GRIDS[0]) -> Curve | None:
    """One curve; None where it is not computed."""
    found = kept.read(path(subject, images, kind))
    name = f"{block}.{PIXELS if block == PIXELS else grid}"
    if found is None or name not in found[1]:
        return None
    return Curve(KINDS[kind], found[1][name], float(found[0]["others"][name]))


def examples(images: ImageSet, kind: str) -> NDArray[np.uint8] | None:
    """One image at every strength, uint8 (V, h, w, 3); None where it is not computed."""
    found = kept.read(path(Subject(PIXELS), images, kind))
    return None if found is None else found[1].get("examples")


def state(found: Sequence[Subject], images: ImageSet) -> tuple[int, ...]:
    """When the curves of each network and kind were written, in nanoseconds; 0 where they are not."""
    return tuple(kept.written(path(one, images, kind)) for kind in KINDS for one in found)


def compute(workspace: Path, run_ids: Sequence[str], set_name: str, report: Report | None = None) -> None:
    """Compute what is not computed yet of the `subjects` of these runs on a set.

    Weights that are not finite numbers are kept as a `fault`. Raises `UserError` where there is no such run
    or set, and for an empty set.
    """
    found = [runs.open_run(workspace, id_) for id_ in run_ids]
    images = imagesets.open_set(workspace, set_name)
    if not len(images):
        raise UserError(f"The set {set_name!r} is empty.", "Add images to it.")
    from sslviz.invariance import computing

    computing.compute(subjects(found), images, report or (lambda *_: None))
    kept.prune(AREA, KEPT_BYTES)
