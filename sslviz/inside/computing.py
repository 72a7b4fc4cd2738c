"""Both networks of a run on a set: filters first, then what some images look like, then the patches."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from sslviz import features, inside, kept, networks
from sslviz.allocating import keep_freed_memory
from sslviz.errors import UserError
from sslviz.images import square
from sslviz.imagesets import ImageSet
from sslviz.inside import SOURCES, Report, Source, dense, kernels, places, strongest
from sslviz.model import Encoder, Network
from sslviz.runs import Run
from sslviz.tasks import Task

MOST_ESTIMATED = 500
"""Images that BatchNorm statistics are taken from: some thousand places even of the smallest map."""
FITTED = 24
"""Images that the principal components are fitted to."""
FINER = 2
"""Images are looked at with this times their side, and finer maps; never beyond LARGEST."""
LARGEST = 512

Fitted = dict[str, dict[str, NDArray[np.float64]]]


def compute(run: Run, images: ImageSet, row: int | None, everything: bool, report: Report) -> None:
    """See `sslviz.inside.compute`."""
    if everything:
        keep_freed_memory()
    folders = {source: places.folder(run, images, source) for source in SOURCES}
    steps = _Steps(report, 1 + len(SOURCES) * (2 if everything else 1))
    # Every network is begun with what takes shortest, so that the page fills while the rest goes on.
    for source, folder in folders.items():
        if kept.read(folder / "filters.bin") is None:
            weights = _first(_network(run, source).encoder).weight.detach().numpy()
            kept.write(folder / "filters.bin", {"filters": kernels.pictures(weights)})
    steps.next("Reading the images")
    task, squares = networks.task_of(run), networks.squares_for(run, images)
    sides = squares.shape[-1], min(LARGEST, FINER * squares.shape[-1])
    wanted = inside.wanted(images, row) + inside.sample(images)
    encoders: dict[Source, Encoder] = {}
    for source, folder in folders.items():
        steps.next(f"Looking at some images with the {_CALLED[source]} network")
        encoders[source], fitted = _estimated(run, images, source, task, squares, max(sides), steps)
        for one in dict.fromkeys(wanted):
            path = folder / "looks" / f"{images.entries[one].id}.bin"
            if kept.read(path) is None:
                _look(path, _maps(encoders[source], task, images, one, max(sides)), fitted, max(sides))
    for source, folder in folders.items() if everything else ():
        steps.next(f"Looking for the patches that excite the {_CALLED[source]} network")
        if kept.read(folder / "patches.bin") is None:
            rows = inside.scanned(len(images), sides[0])
            found = strongest.search(encoders[source], task, squares, rows, steps)
            arrays = {f"{block}.{key}": value for block in found for key, value in vars(found[block]).items()}
            head: dict[str, Any] = {"blocks": list(found), "scanned": len(rows), "side": sides[0]}
            kept.write(folder / "patches.bin", arrays, **head)
    steps.next("")


_CALLED: dict[Source, str] = {"run": "trained", "untrained": "untrained"}


class _Steps:
    """Progress over several steps, each of which knows only its own."""

    def __init__(self, report: Report, count: int) -> None:
        self.report, self.count, self.place, self.doing = report, count, -1, ""

    def next(self, doing: str) -> None:
        """Begin the next step."""
        self.place, self.doing = self.place + 1, doing
        self(0, 1)

    def __call__(self, done: int, of: int) -> None:
        self.report(100 * self.place + 99 * done // max(1, of), 100 * self.count, self.doing)


def _network(run: Run, source: Source) -> Network:
    network = networks.trained(run) if source == "run" else networks.untrained(run)
    if not all(bool(torch.isfinite(value).all()) for value in network.encoder.state_dict().values()):
        raise _diverged(run)
    return network


def _diverged(run: Run) -> UserError:
    return UserError(
        f"Some weights of run {run.id} are not finite numbers, so there is nothing to see inside it.",
        "It has most likely diverged: train it again with a lower learning rate.",
    )


def _first(encoder: Encoder) -> nn.Conv2d:
    return next(module for module in encoder.modules() if isinstance(module, nn.Conv2d))


def _estimated(
    run: Run,
    images: ImageSet,
    source: Source,
    task: Task,
    squares: NDArray[np.uint8],
    side: int,
    report: _Steps,
) -> tuple[Encoder, Fitted]:
    """The encoder with BatchNorm statistics of the set, and the axes of the colours by block; both kept."""
    path = places.folder(run, images, source) / "encoder.bin"
    found = kept.read(path)
    if found is not None:
        head, arrays = found
        encoder = networks.untrained(run).encoder.eval()
        encoder.load_state_dict({name: torch.from_numpy(arrays[name]) for name in encoder.state_dict()})
        parts = ("mean", "axes", "low", "high")
        return encoder, {one: {p: arrays[f"{one} {p}"] for p in parts} for one in head["blocks"]}
    known, fitted_to = _spread(len(images), MOST_ESTIMATED), _spread(len(images), FITTED)
    total = len(known) + FINER**2 * len(fitted_to)
    encoder = features.estimated(
        _network(run, source), task, np.array(squares[known]), report=lambda done, _: report(done, total)
    )
    some: dict[str, list[NDArray[np.float32]]] = {name: [] for name in encoder.blocks}
    for place, row in enumerate(fitted_to.tolist()):
        report(len(known) + FINER**2 * place, total)
        for name, maps in _maps(encoder, task, images, row, side):
            if not bool(torch.isfinite(maps).all()):  # weights that are finite and far too large
                raise _diverged(run)
            some[name].append(dense.some_places(maps))
    fitted = {name: dense.fit(rows) for name, rows in some.items()}
    arrays = {name: value.numpy() for name, value in encoder.state_dict().items()}
    arrays |= {f"{name} {part}": value for name, axes in fitted.items() for part, value in axes.items()}
    kept.write(path, arrays, blocks=list(fitted))
    return encoder, fitted


def _spread(count: int, most: int) -> NDArray[np.int64]:
    """Rows of at most `most` of `count` images, evenly spread."""
    chosen = min(count, most)
    return np.arange(chosen, dtype=np.int64) * count // chosen


def _maps(
    encoder: Encoder, task: Task, images: ImageSet, row: int, side: int
) -> Iterator[tuple[str, Tensor]]:
    """Of one image, by block its map, float (K, h, w)."""
    pixels = torch.from_numpy(square(images.pixels(row), side).transpose(2, 0, 1).copy())
    with torch.inference_mode():
        for name, maps in encoder.maps(task.normalize(pixels[None, None])[:, 0]).items():
            yield name, maps[0]


def _look(path: Path, maps: Iterator[tuple[str, Tensor]], fitted: Fitted, side: int) -> None:
    arrays: dict[str, NDArray[np.uint8]] = {}
    blocks = []
    for place, (name, found) in enumerate(maps):
        arrays[f"{name}.energy"] = dense.energy(found, inside.power(place))
        arrays[f"{name}.colours"] = dense.colours(found, fitted[name])
        blocks.append(name)
    kept.write(path, arrays, blocks=blocks, side=side)
