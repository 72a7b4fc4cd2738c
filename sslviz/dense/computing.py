"""What is not found yet of masks and of boxes, one source after the other; each is kept as soon as it is."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch
from numpy.typing import NDArray
from torch.utils.flop_counter import FlopCounterMode

from sslviz import features, kept, networks
from sslviz.allocating import keep_freed_memory
from sslviz.dense import boxes, locating, masks, places, segmentation, segmenting, supervised
from sslviz.dense.masks import Question
from sslviz.dense.segmenting import Scoring
from sslviz.errors import UserError
from sslviz.imagesets import ImageSet
from sslviz.model import Encoder, build
from sslviz.runs import Run

Report = Callable[[int, int, str], None]

ESTIMATED = 500
"""Images that BatchNorm statistics are taken from."""
SHOWN = 24
"""Images whose answers are kept as pictures."""
WORK, LOCATING_WORK = 1e12, 2.5e12
"""Floating-point operations that a network may take to read the images, of masks and of boxes: some 20 and
50 seconds on two cores. Larger networks read fewer images."""
TRAINING_WORK = 6e12
"""The same for training on masks; `small` takes 1.7e12 at 64 pixels."""
FEWEST_KNOWN, FEWEST_ASKED, FEWEST_LOCATED = 100, 50, 100
SEGMENTING = {
    "run": "Segmenting with the trained network",
    "untrained": "Segmenting with the untrained network",
    "colour": "Segmenting by colour",
    "supervised": "Training the same network on the masks",
}
LOCATING = {
    "run": "Looking for objects with the trained network",
    "untrained": "Looking for objects with the untrained network",
    "colour": "Looking for objects by colour",
}


def segment(run: Run, images: ImageSet, report: Report) -> None:
    """See `sslviz.dense.segment`."""
    keep_freed_memory()
    asked = _question(run, images)
    steps = _Steps(report, 1 + len(segmentation.SOURCES))
    steps.next("Reading images and masks")
    side = networks.side_for(run, images)
    small = min(side, supervised.SIDE)
    squares = {one: images.squares(one, steps) for one in (side, small)}
    known, true = (masks.truth(images, rows, asked) for rows in (asked.known, asked.asked))
    task = networks.task_of(run)

    def by_network(source: str) -> Scoring:
        read = segmenting.by_network(_estimated(run, squares[side], source), task)
        return segmenting.learn(read, squares[side], asked, known, steps)

    def by_training() -> Scoring:
        return supervised.learn(run.spec.model, task, squares[small], asked, known, run.spec.seed, steps)

    learning: dict[str, tuple[int, Callable[[], Scoring]]] = {
        "run": (side, lambda: by_network("run")),
        "untrained": (side, lambda: by_network("untrained")),
        "colour": (
            small,
            lambda: segmenting.learn(segmenting.by_colour, squares[small], asked, known, steps),
        ),
        "supervised": (small, by_training),
    }
    shown = _spread(len(asked.asked), SHOWN)
    head = {
        "classes": asked.classes,
        "known": len(asked.known),
        "shown": asked.asked[shown].tolist(),
        "setting": {"side": small, "steps": supervised.STEPS},
    }
    for source, (own_side, learn) in learning.items():
        steps.next(SEGMENTING[source])
        path = places.answers(run, images, source)
        if kept.read(path) is not None:
            continue
        if source == "supervised" and not _trainable(run, small):
            kept.write(path, {}, **head, answered=False, blocks=[])
            continue
        found = segmenting.answer(learn(), squares[own_side], asked, true, shown.tolist(), steps)
        arrays: kept.Arrays = {"counts": found.counts.astype(np.int32), "pictures": found.pictures}
        arrays |= {f"block {name}": counts for name, counts in found.blocks.items()}
        kept.write(path, arrays, **head, answered=True, blocks=list(found.blocks))


def locate(run: Run, images: ImageSet, report: Report) -> None:
    """See `sslviz.dense.locate`."""
    keep_freed_memory()
    side = networks.side_for(run, images)
    most = int(LOCATING_WORK / _operations(networks.untrained(run).encoder, side + 2 * locating.frame(side)))
    rows, _ = boxes.rows(images, max(FEWEST_LOCATED, min(boxes.LOOKED, most)))
    steps = _Steps(report, 1 + len(LOCATING))
    steps.next("Reading images")
    squares = images.squares(side, steps)
    for source, doing in LOCATING.items():
        steps.next(doing)
        path = places.found_boxes(run, images, source)
        if kept.read(path) is not None:
            continue
        if source == "colour":
            found = locating.by_colour(squares, rows, steps)
        else:
            encoder = _estimated(run, squares, source)
            found = locating.locate(encoder, networks.task_of(run), squares, rows, steps)
        arrays = {
            f"{rule} {block}": one.astype(np.float32)
            for rule, by_block in found.items()
            for block, one in by_block.items()
        }
        kept.write(path, {"rows": rows, **arrays}, rules=list(found), blocks=list(next(iter(found.values()))))


class _Steps:
    """Progress over several steps, each of which knows only its own."""

    def __init__(self, report: Report, count: int) -> None:
        self.report, self.count, self.place, self.doing = report, count, -1, ""

    def next(self, doing: str) -> None:
        """Begin the next step."""
        self.place, self.doing = self.place + 1, doing
        self(0, 1)

    def __call__(self, done: int, of: int) -> None:
        self.report(100 * self.place + 100 * done // max(1, of), 100 * self.count, self.doing)


def _question(run: Run, images: ImageSet) -> Question:
    """As many images as the network of the run can read in the time."""
    work = _operations(networks.untrained(run).encoder, networks.side_for(run, images))
    share = WORK / (work * (masks.KNOWN + masks.ASKED))
    return masks.question(
        images,
        min(masks.KNOWN, max(FEWEST_KNOWN, int(share * masks.KNOWN))),
        min(masks.ASKED, max(FEWEST_ASKED, int(share * masks.ASKED))),
    )


def _trainable(run: Run, side: int) -> bool:
    # Backward takes twice what forward takes.
    work = 3 * _operations(build(run.spec.model, 1, 2, side, 0).encoder, side)
    return work * supervised.STEPS * supervised.BATCH <= TRAINING_WORK


def _operations(encoder: Encoder, side: int) -> int:
    """Floating-point operations that one image of this side takes; at least 1."""
    with torch.no_grad(), FlopCounterMode(display=False) as counter:
        encoder.eval()(torch.zeros(1, 3, side, side))
    return max(1, int(counter.get_total_flops()))


def _estimated(run: Run, squares: NDArray[np.uint8], source: str) -> Encoder:
    """An encoder with BatchNorm statistics of the set."""
    network = networks.trained(run) if source == "run" else networks.untrained(run)
    if not all(bool(torch.isfinite(value).all()) for value in network.encoder.state_dict().values()):
        raise UserError(
            f"Some weights of run {run.id} are not finite numbers, so its features tell nothing.",
            "It has most likely diverged: train it again with a lower learning rate.",
        )
    some = np.array(squares[_spread(len(squares), ESTIMATED)])
    return features.estimated(network, networks.task_of(run), some)


def _spread(count: int, most: int) -> NDArray[np.int64]:
    """At most `most` of `count` places, evenly spread."""
    chosen = min(count, most)
    return np.arange(chosen, dtype=np.int64) * count // max(1, chosen)
