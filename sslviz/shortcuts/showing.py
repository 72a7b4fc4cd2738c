"""A task's views of one image, laid out so that the cue is seen: with a guard and without. Imports torch."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray

from sslviz.preview import Bound, Example, bind
from sslviz.shortcuts.detecting import seen
from sslviz.tasks import Task
from sslviz.tasks.base import Problem

Pixels = NDArray[np.uint8]


def square_of(task: Task, square: Pixels) -> Bound:
    """The task bound to one square alone, uint8 (3, S, S): quick, for a page that a slider redraws."""
    return bind(task, square[None], 0)


def laid_out(task: Task, bound: Bound, seed: int, *, read: bool) -> list[tuple[Pixels, str]]:
    """What the task makes of the image: pictures, each with what is to be said of it.

    Rotation gives four views; the others one picture, uint8 (h, w, 4), in which each view lies where it was
    cut, and what lies between is transparent. `read`: as the network reads it, normalised, in place of as it
    was cut.
    """
    examples = bound.examples(seed)
    if task.views == 1:
        return [(_pixels(task, one, 0, read), one.sentence) for one in examples]
    said = examples[0].sentence
    said = (
        f"The second patch lies {said}"
        if task.views == 2
        else f"Each tile where it was cut; the network gets {said}"
    )
    return [(_board(task, examples[0], read), said)]


def _pixels(task: Task, example: Example, view: int, read: bool) -> Pixels:
    pixels = example.views[view]
    if not read:
        return pixels
    levels = seen(task, torch.from_numpy(pixels).permute(2, 0, 1))
    found: Pixels = levels.round().clamp(0, 255).to(torch.uint8).permute(1, 2, 0).numpy()
    return found


def _board(task: Task, example: Example, read: bool) -> Pixels:
    """The views where they were cut, on nothing, as far as they reach."""
    side = example.source.shape[0]
    places = [(round(x0 * side), round(y0 * side)) for x0, y0, _, _ in example.boxes]
    left, top = (min(place[axis] for place in places) for axis in (0, 1))
    size = example.views[0].shape[0]
    wide, high = (max(place[axis] for place in places) + size for axis in (0, 1))
    board = np.zeros((high - top, wide - left, 4), np.uint8)
    for number, (x, y) in enumerate(places):
        cell = board[y - top : y - top + size, x - left : x - left + size]
        cell[..., :3], cell[..., 3] = _pixels(task, example, number, read), 255
    return board


def fringed(bound: Bound, seed: int, place: int | None = None) -> tuple[Pixels, int]:
    """(a view far from the centre, uint8 (h, w, 3); its place among the views), where fringes show best: the
    one with most in it, unless `place` says which."""
    views = _corner_views(bound.problem, seed)
    if place is None:
        levels = views.astype(np.float32).mean(1)
        busy = np.abs(np.diff(levels, axis=-1)).mean((1, 2)) + np.abs(np.diff(levels, axis=-2)).mean((1, 2))
        place = int(busy.argmax())
    found: Pixels = np.ascontiguousarray(views[place].transpose(1, 2, 0))
    return found, place


def _corner_views(problem: Problem, seed: int) -> Pixels:
    """uint8 (4, 3, h, w): the views of the four corners of one grid of the image."""
    generator = torch.Generator().manual_seed(seed)
    shared = problem.make_shared(torch.zeros(1, dtype=torch.int64), 8, generator)
    if shared is not None:
        views = shared.views[0]
    else:
        batch = problem.make(torch.zeros(1, dtype=torch.int64), generator)
        slots = problem.arrangements[batch.answer[0]].argsort()  # by tile, the slot that shows it
        views = batch.views[0][slots]
    found: Pixels = views[[0, 2, 6, 8]].numpy()
    return found
