"""Where exemplar's seeds come from: the image with them, and its gradients."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from sslviz.images import encode_jpeg, square
from sslviz.imagesets import ImageSet
from sslviz.ui import inside_pictures, pictures, remember

if TYPE_CHECKING:
    from sslviz.preview import Bound
    from sslviz.tasks.exemplar import ExemplarProblem

DRAWN = 384
"""Side in pixels of the image with its seeds."""
FULL = 0.995
"""The strongest hundredth or so of the gradients is drawn in full."""


@remember.data(max_entries=64)
def drawn(_bound: Bound, _images: ImageSet, at: int, stamp: str) -> tuple[str, str]:  # noqa: ARG001
    """The photograph with the seeds on it, and the gradients of its square, as HTML."""
    import torch

    from sslviz.tasks.seeds import gradient_energy

    problem = problem_of(_bound)
    full = problem.images.shape[-1]
    boxes = []
    for row in _bound.rows:
        top, left, side = (
            int(each[row]) for each in (problem.seeds.top, problem.seeds.left, problem.seeds.side)
        )
        boxes.append((left / full, top / full, (left + side) / full, (top + side) / full))
    marks = [str(place + 1) if len(boxes) > 1 else "" for place in range(len(boxes))]
    jpeg = pictures.uri(encode_jpeg(square(_images.pixels(_bound.row), DRAWN), 90))
    photo = pictures.source(jpeg, (1, 1), boxes, False, marks, "The image with its seeds", at)
    pixels = torch.from_numpy(_bound.square.transpose(2, 0, 1).copy())
    slope = gradient_energy(pixels[None])[0].sqrt().double().numpy()  # the energy itself would hide the weak
    level = (slope / max(float(np.quantile(slope, FULL)), 1.0)).clip(0, 1)
    grey = _bound.square[:-1, :-1].astype(np.float64) @ (0.299, 0.587, 0.114)
    fine = pictures.enlarged(level, 4), pictures.enlarged(grey, 4)
    heat = pictures.source(
        inside_pictures.heated(*fine), (1, 1), boxes, False, marks, "Where the image has strong gradients", at
    )
    return photo, heat


def problem_of(bound: Bound) -> ExemplarProblem:
    """The problem that exemplar is bound to."""
    from sslviz.tasks.exemplar import ExemplarProblem

    assert isinstance(bound.problem, ExemplarProblem)
    return bound.problem
