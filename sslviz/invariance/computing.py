"""The work: every network sees the same changed images, a kind of change at a time."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

from sslviz import features, invariance, kept, networks
from sslviz.allocating import keep_freed_memory
from sslviz.imagesets import ImageSet
from sslviz.invariance import GRIDS, KINDS, PIXELS, Kind, Report, Subject
from sslviz.invariance.changing import Windows, resized, shown
from sslviz.model import Encoder, Network, pool
from sslviz.runs import Run
from sslviz.tasks import Task

MOST_ESTIMATED = 500
"""Images of the set that BatchNorm statistics are taken from."""
EXAMPLE = 72
"""Side of the one image that is shown at every strength, in pixels."""

Features = dict[str, NDArray[np.float64]]
"""By block and grid, (M, D)."""


def compute(found: Sequence[Subject], images: ImageSet, report: Report) -> None:
    """See `sslviz.invariance.compute`."""
    keep_freed_memory()
    lacking = {
        name: [one for one in found if kept.read(invariance.path(one, images, name)) is None]
        for name in KINDS
    }
    wanted = list(dict.fromkeys(one for several in lacking.values() for one in several))
    steps = len(wanted) + sum(len(KINDS[name].strengths) for name, several in lacking.items() if several)
    if not wanted:
        report(1, 1, "")
        return
    report(0, steps, "Reading the images")
    windows = Windows(images, invariance.sample(images))
    seers: dict[Subject, Callable[[Tensor], Features] | None] = {}
    for done, one in enumerate(wanted):
        report(done, steps, "Reading the networks")
        seers[one] = _seer(one, images)
    done = len(wanted)
    for name, several in lacking.items():
        for one in several:
            if seers[one] is None:
                kept.write(
                    invariance.path(one, images, name), {}, blocks=[], others={}, fault=_fault(one.run)
                )
        able = {one: seer for one in several if (seer := seers[one]) is not None}
        if able:

            def tell(at: int, begun: int = done, what: str = _SAID[name]) -> None:
                report(begun + at, steps, what)

            _kind(name, able, windows, images, tell)
        done += len(KINDS[name].strengths) if several else 0
    report(steps, steps, "")


_SAID = {
    "angle": "Turning the images",
    "shift": "Moving the images",
    "scale": "Scaling the images",
    "hue": "Turning the colours",
    "contrast": "Changing the contrast",
}


def _kind(
    name: str,
    seers: dict[Subject, Callable[[Tensor], Features]],
    windows: Windows,
    images: ImageSet,
    tell: Callable[[int], None],
) -> None:
    """All curves over one kind of change, which are kept when the last strength is done."""
    kind = KINDS[name]
    same = windows.changed(name, kind.neutral)
    first = {one: see(same) for one, see in seers.items()}
    alike: dict[Subject, dict[str, list[NDArray[np.float64]]]] = {
        one: {block: [] for block in seen} for one, seen in first.items()
    }
    drawn = []
    for place, strength in enumerate(kind.strengths):
        tell(place)
        pixels = same if is_neutral(name, kind, strength) else windows.changed(name, strength)
        drawn.append(shown(pixels[0], EXAMPLE))
        for one, see in seers.items():
            seen = first[one] if pixels is same else see(pixels)
            for block, rows in seen.items():
                alike[one][block].append(cosine(first[one][block], rows))
    for one, curves in alike.items():
        arrays: dict[str, NDArray[Any]] = {
            block: np.stack(columns, 1).astype(np.float32) for block, columns in curves.items()
        }
        others = {block: between(rows) for block, rows in first[one].items()}
        names = list(dict.fromkeys(block.rpartition(".")[0] for block in curves))
        if one.network == PIXELS:
            arrays["examples"] = np.stack(drawn)
        kept.write(invariance.path(one, images, name), arrays, blocks=names, others=others, fault="")


def is_neutral(name: str, kind: Kind, strength: float) -> bool:
    """Whether a strength changes nothing, as a whole turn does not, of an image or of the colours."""
    return strength == kind.neutral or (name == "angle" and strength % 360 == 0)


def cosine(one: NDArray[np.float64], other: NDArray[np.float64]) -> NDArray[np.float64]:
    """(M,) of rows (M, D) and (M, D). Two rows of zeros are the same; one is like no other row."""
    dots = (one * other).sum(1)
    norms = np.sqrt((one**2).sum(1) * (other**2).sum(1))
    empty = (one == 0).all(1) & (other == 0).all(1)
    return np.where(empty, 1.0, dots / np.where(norms == 0, 1.0, norms))


def between(rows: NDArray[np.float64]) -> float:
    """Mean cosine of two different rows of (M, D); 1 of a single one."""
    count = len(rows)
    if count < 2:
        return 1.0
    pairs = [cosine(np.roll(rows, step, 0), rows) for step in range(1, count)]
    return float(np.mean(pairs))


def _seer(subject: Subject, images: ImageSet) -> Callable[[Tensor], Features] | None:
    """What gives the features of changed images; None where the weights of the network are of no use."""
    run = subject.run
    if run is None:
        return lambda pixels: {f"{PIXELS}.{PIXELS}": features.pixels(pixels).astype(np.float64)}
    made = networks.trained(run) if subject.network == "run" else networks.untrained(run)
    if not _finite(made):
        return None
    task, side = networks.task_of(run), networks.side_for(run, images)
    known = _known(run, images)
    encoder = features.estimated(made, task, known)
    trial = see(encoder, task, torch.from_numpy(known[:1]))
    if not all(np.isfinite(rows).all() for rows in trial.values()):  # finite weights, and far too large
        return None
    return lambda pixels: see(encoder, task, resized(pixels, side))


def see(encoder: Encoder, task: Task, pixels: Tensor) -> Features:
    """Features of uint8 (M, 3, S, S), by block and grid: the block's maps averaged to grid × grid."""
    with torch.inference_mode():
        x = task.normalize(pixels[:, None])[:, 0].contiguous(memory_format=torch.channels_last)
        return {
            f"{block}.{grid}": functional.normalize(pool(maps, grid).flatten(1)).double().numpy()
            for block, maps in encoder.maps(x).items()
            for grid in GRIDS
        }


def _known(run: Run, images: ImageSet) -> NDArray[np.uint8]:
    """Whole images as the network of a run reads them, evenly spread over the set."""
    squares = networks.squares_for(run, images)
    count = min(len(squares), MOST_ESTIMATED)
    return np.array(squares[np.arange(count) * len(squares) // count])


def _finite(network: Network) -> bool:
    return all(bool(torch.isfinite(value).all()) for value in network.encoder.state_dict().values())


def _fault(run: Run | None) -> str:
    assert run is not None
    return f"Some weights of run {run.id} are not finite numbers: it has most likely diverged."
