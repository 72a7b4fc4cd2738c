"""What a trained network sees, beside the same network untrained: its first filters, the patches that excite
its channels, where its features are strong, and its dense features as colours.

Both networks are folders in `home/cache/inside`, named by what they depend on: weights, images, side. The
untrained one is therefore shared by all runs that agree on it.

    filters.bin            kernels of the first convolution
    encoder.bin            the encoder with BatchNorm statistics of the set, and the axes of the colours
    looks/<image>.bin      energy and colours of an image, by block
    patches.bin            of each channel of each block, where it is strongest

Reading imports numpy alone, so that a page may do it; `compute` is work for a process of its own. Whatever
cannot be read whole counts as not computed.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from sslviz import imagesets, kept, runs
from sslviz.errors import UserError
from sslviz.files import writing
from sslviz.imagesets import ImageSet
from sslviz.inside import places
from sslviz.runs import Run

Source = Literal["run", "untrained"]
SOURCES: tuple[Source, ...] = ("run", "untrained")
Report = Callable[[int, int, str], None]

POWERS = (1, 2, 4)
"""Powers that energy is summed with, by block; the last one for all that follow. RotNet's for the first three
layers of AlexNet (Gidaris et al. 2018, figure 3)."""
SAMPLE = 6
"""Images that are looked at without being asked for."""
STRONGEST = 9
"""Patches kept of a channel, each of another image."""
MOST_SCANNED = 2000
FEWEST_SCANNED = 500
SCANNED_PIXELS = 1000 * 128**2
"""Large images are scanned in smaller numbers: 1,000 of 128 × 128 pixels take as long as 2,000 of 90 × 90."""


@dataclass(frozen=True, eq=False)
class Patches:
    """Where the K channels of a block are strongest, channels that differ most between images first."""

    channels: NDArray[np.int64]
    """(K,) numbers of the channels, by falling variance over the images of their largest activation."""
    rows: NDArray[np.int64]
    """(K, 9) rows of the images, strongest first; -1 where no further image excites the channel."""
    values: NDArray[np.float32]
    """(K, 9) the activations."""
    boxes: NDArray[np.int64]
    """(K, 9, 4) x0 y0 x1 y1, in pixels of the square, of all that the activation depends on."""
    centres: NDArray[np.float32]
    """(K, 9, 2) x y of the map position that was strongest, in pixels of the square."""


@dataclass(frozen=True, eq=False)
class Look:
    """One image as one network sees it, by block from the first to the last."""

    side: int
    """The network read the image's centre square at this many pixels."""
    energy: dict[str, NDArray[np.uint8]]
    """(h, w) from 0 to 255; all 0 where a map is flat."""
    colours: dict[str, NDArray[np.uint8]]
    """(h, w, 3) the first three principal components as red, green and blue."""


def filters(run: Run, images: ImageSet, source: Source) -> NDArray[np.uint8] | None:
    """The kernels of the first convolution as pictures, uint8 (F, k, k, 3), like ones side by side; see
    `sslviz.inside.kernels`. None where they are not computed."""
    found = kept.read(places.folder(run, images, source) / "filters.bin")
    return None if found is None else found[1]["filters"]


def patches(run: Run, images: ImageSet, source: Source) -> tuple[int, int, dict[str, Patches]] | None:
    """(images scanned, side of a square in pixels, the patches by block), or None where not computed."""
    found = kept.read(places.folder(run, images, source) / "patches.bin")
    if found is None:
        return None
    head, arrays = found
    names = ("channels", "rows", "values", "boxes", "centres")
    blocks = {block: Patches(*(arrays[f"{block}.{name}"] for name in names)) for block in head["blocks"]}
    return head["scanned"], head["side"], blocks


def look(run: Run, images: ImageSet, source: Source, row: int) -> Look | None:
    """The image in `row` as a network sees it, or None where it is not computed."""
    found = kept.read(_look(run, images, source, row))
    if found is None:
        return None
    head, arrays = found
    parts = ({block: arrays[f"{block}.{kind}"] for block in head["blocks"]} for kind in ("energy", "colours"))
    return Look(head["side"], *parts)


def state(run: Run, images: ImageSet, row: int | None = None) -> tuple[int, ...]:
    """What is there, quick to ask for: of each network when filters, patches and the looks at `wanted` images
    were written, in nanoseconds; 0 where they are not, or not all."""
    found = []
    for source in SOURCES:
        folder = places.folder(run, images, source)
        looks = [_look(run, images, source, one) for one in wanted(images, row)]
        found += [_written([folder / "filters.bin"]), _written([folder / "patches.bin"]), _written(looks)]
    return tuple(found)


def key(run: Run, images: ImageSet) -> str:
    """A text that changes with anything that what is kept depends on."""
    return " ".join(places.folder(run, images, source).name for source in SOURCES)


def discard_damaged(run: Run, images: ImageSet, row: int | None = None) -> bool:
    """Remove what is there and cannot be read, so that it is computed again; says whether there was any."""
    found = False
    for source in SOURCES:
        folder = places.folder(run, images, source)
        looks = [_look(run, images, source, one) for one in wanted(images, row)]
        for path in (folder / "filters.bin", folder / "patches.bin", *looks):
            if path.exists() and kept.read(path) is None:
                with writing(folder):
                    path.unlink(missing_ok=True)
                found = True
    return found


def power(place: int) -> int:
    """The power of the block in this place, from 0."""
    return POWERS[min(place, len(POWERS) - 1)]


def sample(images: ImageSet) -> list[int]:
    """Rows of a few images, spread over the set."""
    count = len(images)
    return sorted({(2 * place + 1) * count // (2 * SAMPLE) for place in range(SAMPLE)}) if count else []


def wanted(images: ImageSet, row: int | None) -> list[int]:
    """Rows to show: the chosen one first, then the sample, as many as the sample has."""
    others = [one for one in sample(images) if one != row]
    return (others if row is None else [row, *others])[:SAMPLE]


def scanned(count: int, side: int) -> NDArray[np.int64]:
    """Rows of the images, of `count` with squares of `side` pixels, that are searched for strong patches:
    spread evenly, since sets are sorted by label."""
    most = min(MOST_SCANNED, max(FEWEST_SCANNED, SCANNED_PIXELS // side**2))
    chosen = min(count, most)
    return np.arange(chosen, dtype=np.int64) * count // max(1, chosen)


def compute(
    workspace: Path,
    run_id: str,
    set_name: str,
    *,
    image: str | None = None,
    everything: bool = True,
    report: Report | None = None,
) -> None:
    """Compute what is not computed yet, of both networks; with `image`, an id, the look at that one too.

    Without `everything` it ends with the looks; patches, which take longest, are left out. `report` is
    called with (done, total, what is being done). Raises `UserError` where there is no such run, set or
    image, for a run without weights, and for one whose weights are not finite numbers.
    """
    run, images = runs.open_run(workspace, run_id), imagesets.open_set(workspace, set_name)
    if not len(images):
        raise UserError(f"The set {set_name!r} is empty.", "Add images to it.")
    row = None if image is None else images.row(image)
    from sslviz.inside import computing

    computing.compute(run, images, row, everything, report or (lambda *_: None))
    kept.prune(places.AREA, places.KEPT_BYTES)


def _look(run: Run, images: ImageSet, source: Source, row: int) -> Path:
    return places.folder(run, images, source) / "looks" / f"{images.entries[row].id}.bin"


def _written(paths: list[Path]) -> int:
    try:
        return max((path.stat().st_mtime_ns for path in paths), default=0)
    except OSError:
        return 0
