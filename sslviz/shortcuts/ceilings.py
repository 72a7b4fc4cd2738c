"""How many right answers are possible at best, before any training, and why.

Where two answers look exactly alike, the best anybody can do is to give the likelier one. That is counted
here, from the options alone where they decide it, and on images where these do.
"""

from __future__ import annotations

import hashlib
from collections.abc import Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from sslviz.tasks import Task

FLAT = 4.0
"""Grey levels: views that spread less are taken to be alike, as the tasks that normalise views take them."""
MIRRORED = (2, 1, 0, 4, 3, 7, 6, 5)
"""By answer of relative location, that of the mirrored image."""


@dataclass(frozen=True)
class Ceiling:
    """The share of right answers that nobody can exceed, in (0, 1], and what it is owed to."""

    value: float
    reasons: tuple[str, ...]
    """Sentences."""


def bayes(examples: Iterable[tuple[Hashable, int]]) -> float:
    """The best share of right answers to equally likely examples, (what is seen, answer) each: of those that
    look alike, only the commonest answer is ever right. 1 where there are none."""
    counts: dict[Hashable, dict[int, int]] = {}
    total = 0
    for seen, answer in examples:
        answers = counts.setdefault(seen, {})
        answers[answer] = answers.get(answer, 0) + 1
        total += 1
    return sum(max(answers.values()) for answers in counts.values()) / total if total else 1.0


def of_permutations(permutations: Sequence[Sequence[Hashable]]) -> float:
    """The same of a jigsaw whose answers are these: permutations that occur twice cannot be told apart."""
    return bayes((tuple(row), answer) for answer, row in enumerate(permutations))


FLIPPED = {
    "rotation": (
        0.75,
        "A view that was turned left and then mirrored is, pixel for pixel, the mirrored picture turned "
        "right, and both occur equally often. Of these two answers one in two is right; others all can be.",
        "Left and right turns can be told apart only where the picture itself shows that it is mirrored, as "
        "writing does; of all others one in two is right, 75% in all.",
    ),
    "location": (
        0.625,
        "Patches that are mirrored after they were cut are those of the mirrored picture, where left is "
        "right. Six of the eight answers have a mirrored twin, and of those one in two is right.",
        "Left and right can be told apart only where the patches themselves show that they are mirrored; of "
        "all others 62.5% are right.",
    ),
}
"""Of views that are mirrored too late: the ceiling and why; what is said where nothing is mirrored before, so
that a mirrored view can be told."""
SAFE = {
    "rotation": "Pictures are mirrored before they are turned, so that every turn keeps its answer.",
    "location": "Pictures are mirrored before they are cut, so that left stays left.",
    "jigsaw": "Pictures are mirrored before they are cut, and no two of the permutations are the same.",
    "exemplar": "Every seed patch is an answer of its own; seeds that look alike are not counted here.",
}


def of_options(name: str, options: Mapping[str, Any]) -> Ceiling:
    """What the options of the task `name` allow, whatever the images; what is not among `options` is as by
    default. Asks no torch."""
    if not options.get("flip_after", False):
        return Ceiling(1.0, (SAFE[name],))
    value, why, unless = FLIPPED[name]
    return Ceiling(value, (why,)) if options.get("mirror", True) else Ceiling(1.0, (unless,))


def of_images(task: Task, squares: NDArray[np.uint8]) -> Ceiling:
    """What is possible at best on images, uint8 (N, 3, S, S), of those answers that look exactly alike on
    them, with the options of `task`. Imports torch.

    Rotation counts whole images, which is exact for random crops as well: of an image that is its own turned
    version, every crop is a turned crop. Relative location and jigsaw count one cut of each image, as if its
    place were known, so that more can be confounded than is counted, never less; where views are normalised,
    those that spread less than 4 grey levels count as alike. Exemplar counts nothing.

    Raises `UserError` where images do not suffice.
    """
    counted = {"rotation": _turned, "location": _placed, "jigsaw": _shuffled}.get(task.name)
    return Ceiling(1.0, ()) if counted is None else counted(task, squares)


def at_best(task: Task, squares: NDArray[np.uint8]) -> Ceiling:
    """Options and images together: the lower of both, with the reasons of both."""
    from sslviz.options import options_of

    asked, found = of_options(task.name, options_of(task)), of_images(task, squares)
    return Ceiling(min(asked.value, found.value), asked.reasons + found.reasons)


def _turned(task: Any, squares: NDArray[np.uint8]) -> Ceiling:
    """All turns of all images, mirrored before and after as the options have it, made by the task."""
    import torch

    plain = replace(task, smallest_crop=1.0, padding=0, mirror=False, flip_after=False)
    examples: list[tuple[Hashable, int]] = []
    itself = 0
    for flipped in (False, True) if task.mirror else (False,):
        images = torch.from_numpy(np.ascontiguousarray(squares))
        problem = plain.bind(images.flip(-1) if flipped else images, torch.Generator())
        batch = problem.make(torch.arange(len(images)), torch.Generator().manual_seed(0))
        views, answers = batch.views[:, 0].numpy(), batch.answer.tolist()
        for after in (False, True) if task.flip_after else (False,):
            shown = views[..., ::-1] if after else views
            digests = [_digest(view) for view in shown]
            examples += zip(digests, answers, strict=True)
            if not flipped and not after:
                itself = sum(len(set(digests[at : at + 4])) < 4 for at in range(0, len(digests), 4))
    said = (
        f"{_images(itself)} their own turned version, so that their turns cannot be told apart."
        if itself
        else ""
    )
    return Ceiling(bayes(examples), (said,) if said else ())


def _placed(task: Any, squares: NDArray[np.uint8]) -> Ceiling:
    """The eight neighbours of one grid of each image; those that look alike cannot be told apart."""
    import torch

    plain = replace(task, mirror=False, flip_after=False, colour_guard=0.0)
    problem = plain.bind(torch.from_numpy(np.ascontiguousarray(squares)), torch.Generator())
    shared = problem.make_shared(torch.arange(len(squares)), 8, torch.Generator().manual_seed(0))
    assert shared is not None
    around = [place for place in range(9) if place != 4]
    kinds = _kinds(shared.views.numpy()[:, around], task.patch_norm)
    examples: list[tuple[Hashable, int]] = []
    for row, looks in enumerate(kinds):
        for answer, look in enumerate(looks):
            examples.append(((row, look), answer))
            if task.flip_after and task.mirror:
                examples.append(((row, look), MIRRORED[answer]))
    flat = float(np.mean([look == "flat" for looks in kinds for look in looks]))
    said = (
        f"{flat:.1%} of the patches are nearly uniform, and one such patch is like another." if flat else ""
    )
    return Ceiling(bayes(examples), (said,) if said else ())


def _shuffled(task: Any, squares: NDArray[np.uint8]) -> Ceiling:
    """All arrangements of the tiles of each image; those in which like tiles change places are the same."""
    import torch

    plain = replace(task, mirror=False, jitter=False, colour_guard=0.0)
    generator = torch.Generator().manual_seed(0)
    problem = plain.bind(torch.from_numpy(np.ascontiguousarray(squares)), generator)
    batch = problem.make(torch.arange(len(squares)), generator)
    permutations = problem.permutations.numpy()
    kinds = _kinds(batch.views.numpy(), task.tile_norm)
    shares, flat = [], 0
    for answer, shown in zip(batch.answer.tolist(), kinds, strict=True):
        flat += shown.count("flat")
        ordered: list[str] = [""] * 9
        for slot, tile in enumerate(permutations[answer]):
            ordered[tile] = shown[slot]
        shares.append(of_permutations([[ordered[tile] for tile in row] for row in permutations]))
    share = flat / (9 * len(kinds))
    said = f"{share:.1%} of the tiles are nearly uniform, and one such tile is like another." if flat else ""
    return Ceiling(float(np.mean(shares)), (said,) if said else ())


def _kinds(views: NDArray[np.uint8], normalised: bool) -> list[list[str]]:
    """What each view looks like, views (N, V, 3, h, w): the same word for those that look alike; where views
    are `normalised`, nearly uniform ones do."""
    spread = views.astype(np.float32)
    spread = (spread - spread.mean((-2, -1), keepdims=True)).std((-3, -2, -1))
    return [
        [
            "flat" if normalised and level < FLAT else _digest(view)
            for level, view in zip(levels, one, strict=True)
        ]
        for levels, one in zip(spread, views, strict=True)
    ]


def _digest(view: NDArray[np.uint8]) -> str:
    return hashlib.blake2b(np.ascontiguousarray(view).tobytes(), digest_size=16).hexdigest()


def _images(count: int) -> str:
    return "1 image is" if count == 1 else f"{count:,} images are"
