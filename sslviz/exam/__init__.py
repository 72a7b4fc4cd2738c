"""What a network says to hundreds of examples of its own task, and in what its mistakes agree.

    computing.py   the questions: images that the network was not trained on, a few examples of each
    patterns.py    what is to be seen in the answers
    sampling.py    one sample of one image, and how likely each answer to it is

Kept by run and set, see `sslviz.kept`. Reading imports numpy alone, so that a page may do it; `compute` is
work for a process of its own. What cannot be read whole counts as not computed.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sslviz import imagesets, kept, runs
from sslviz.errors import UserError
from sslviz.imagesets import ImageSet
from sslviz.runs import Run
from sslviz.runs.identity import identity

AREA = "exam"
VERSION = 2
"""Of what is computed and of how it is kept; another version's files are not read."""
KEPT_BYTES = 200_000_000
IMAGES = 250
"""Images that are asked about, at most."""
QUESTIONS = 4
"""Examples of each image; rotation's are the four turns."""
PATCHES = 2_000
"""Seed patches that exemplar is asked about, at most, as often each."""
WHOLE = 16
"""Classes up to which all probabilities are kept."""
BEST = 5
"""Of more classes, the probabilities that are kept of an example."""
PAIRS = 8
"""Pairs of patches that are taken for each other, of which the pictures are kept."""
SHOWN = 8
"""Easiest, and as many hardest, of which the pictures are kept."""
Report = Callable[[int, int, str], None]


@dataclass(frozen=True, eq=False)
class Exam:
    """The answers to E examples of a task with C classes."""

    task: str
    classes: int
    kind: str
    """What the network knows of the images; see `examinee.Unseen`."""
    words: list[str]
    """What the classes are called, where there are at most `WHOLE`."""
    row: NDArray[np.int64]
    """(E,) the image, by its row in the set."""
    answer: NDArray[np.int64]
    """(E,) the right answer."""
    said: NDArray[np.int64]
    """(E,) what the network took for likeliest."""
    loss: NDArray[np.float32]
    """(E,) minus the logarithm of the probability that it gave the right answer, in nats."""
    shares: NDArray[np.float32]
    """(E, C) probabilities, with at most `WHOLE` classes; else (E, 0)."""
    best: NDArray[np.int64]
    """(E, B) the B likeliest answers, likeliest first; B is at most `BEST`."""
    best_shares: NDArray[np.float32]
    """(E, B) their probabilities."""
    orders: NDArray[np.int64]
    """Jigsaw: (C, 9) the permutations; else (0, 9)."""
    pairs: NDArray[np.int64]
    """Exemplar of more than `WHOLE` classes: (P, 2) those most often taken for each other; else (0, 2)."""
    pair_shares: NDArray[np.float32]
    """(P,) mean probability given to the other class of the pair, over all copies of both."""
    patch_class: NDArray[np.int64]
    """Exemplar: (K,) classes of which the patch is kept."""
    patches: NDArray[np.uint8]
    """Exemplar: (K, h, w, 3) the patches as they lie in their images."""

    @property
    def right(self) -> NDArray[np.bool_]:
        """(E,)"""
        return np.asarray(self.said == self.answer)

    @property
    def accuracy(self) -> float:
        return float(self.right.mean())

    @property
    def images(self) -> int:
        """How many were asked about."""
        return len(np.unique(self.row))

    def patch(self, number: int) -> NDArray[np.uint8] | None:
        """The patch of a class, (h, w, 3), where it is kept."""
        found = np.flatnonzero(self.patch_class == number)
        return self.patches[found[0]] if len(found) else None


HEAD = ("task", "classes", "kind", "words")
ARRAYS = (
    "row",
    "answer",
    "said",
    "loss",
    "shares",
    "best",
    "best_shares",
    "orders",
    "pairs",
    "pair_shares",
    "patch_class",
    "patches",
)


def path(run: Run, images: ImageSet) -> Path:
    """Where the answers of a run about a set are kept. Raises `UserError` for a run without weights."""
    spec = run.spec
    # Which images were held out depends on where the run was trained, and on its seed.
    depends = [spec.seed, spec.fingerprint, (spec.plan or {}).get("held_out_from"), spec.start]
    return kept.folder(AREA, [VERSION, images.fingerprint, *depends, *identity(run)]) / "exam.bin"


def read(run: Run, images: ImageSet) -> Exam | None:
    """The answers of a run about a set; None where they are not computed."""
    found = kept.read(path(run, images))
    if found is None:
        return None
    head, arrays = found
    try:
        fields: dict[str, Any] = {name: head[name] for name in HEAD} | {name: arrays[name] for name in ARRAYS}
        return Exam(**fields)
    except KeyError:
        return None


def written(run: Run, images: ImageSet) -> int:
    """When the answers were written, in nanoseconds; 0 where they are not there."""
    return kept.written(path(run, images))


def compute(
    workspace: Path, run_id: str, set_name: str, *, device: str = "cpu", report: Report | None = None
) -> Exam:
    """Ask a run about a set and keep the answers; returns them. `report` is called with (done, total, what is
    being done). Raises `UserError` where there is no such run or set, the set is empty or its images do not
    suffice for the task, and for a run that cannot be asked about it."""
    run, images = runs.open_run(workspace, run_id), imagesets.open_set(workspace, set_name)
    if not len(images):
        raise UserError(f"The set {set_name!r} is empty.", "Add images to it.")
    from sslviz.exam import computing

    found = computing.ask(run, images, device, report or (lambda *_: None))
    head = {name: getattr(found, name) for name in HEAD}
    kept.write(path(run, images), {name: getattr(found, name) for name in ARRAYS}, **head)
    kept.prune(AREA, KEPT_BYTES)
    return found
