"""Relative location against patches cut in NumPy, and the facts of its colour measures."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from pictures import generator, maps, photos

from sslviz.errors import UserError
from sslviz.tasks.colour import drop, project
from sslviz.tasks.location import STEPS, Location, LocationProblem


def bound(images: torch.Tensor, **options: Any) -> LocationProblem:
    problem = Location(**options).bind(images, generator())
    assert isinstance(problem, LocationProblem)
    return problem


def direction(first: np.ndarray, second: np.ndarray) -> int:
    """The answer that two boxes x0 y0 x1 y1 make, counted row by row around the centre."""
    size = first[2] - first[0]
    column = int(np.round((second[0] - first[0]) / (1.5 * size)))
    line = int(np.round((second[1] - first[1]) / (1.5 * size)))
    names = [(-1, -1), (-1, 0), (-1, 1), (0, -1), (0, 1), (1, -1), (1, 0), (1, 1)]
    return names.index((line, column))


@pytest.mark.parametrize("side", [96, 99, 104])
def test_patches_are_their_boxes(side: int) -> None:
    images = photos(40, side)
    batch = bound(images, colour="none").make(torch.arange(40), generator())
    boxes = (batch.boxes.numpy() * side).round().astype(int)
    for example in range(40):
        source = images[batch.source[example]].permute(1, 2, 0).numpy()
        if batch.mirror[example]:
            source = source[:, ::-1]
        for view, (x0, y0, x1, y1) in zip(batch.views[example], boxes[example], strict=True):
            assert np.array_equal(view.permute(1, 2, 0).numpy(), source[y0:y1, x0:x1])
    assert batch.mirror.any()
    assert not batch.mirror.all()


def test_answers_are_directions_and_reverse() -> None:
    problem = bound(photos(4, 104))
    batch = problem.make(torch.arange(4).repeat(100), generator())
    for (first, second), answer in zip(batch.boxes.numpy(), batch.answer.tolist(), strict=True):
        assert direction(first, second) == answer
        assert direction(second, first) == 7 - answer
    assert torch.equal(STEPS.flip(0), -STEPS)
    assert [problem.say(answer) for answer in range(8)] == [
        "above left",
        "above",
        "above right",
        "left",
        "right",
        "below left",
        "below",
        "below right",
    ]


def test_geometry_of_the_paper() -> None:
    """Patches of 96 pixels, 48 between them, moved by 7 at most."""
    assert Location(patch=0.2).geometry(480) == (96, 48, 7)
    assert Location().geometry(104) == (24, 12, 2)
    assert Location().geometry(96) == (22, 11, 2)


def test_gap_and_jitter() -> None:
    problem = bound(photos(1, 104))
    batch = problem.make(torch.zeros(4000, dtype=torch.int64), generator())
    boxes = (batch.boxes.numpy() * 104).round().astype(int)
    step = np.array([[-1, -1], [-1, 0], [-1, 1], [0, -1], [0, 1], [1, -1], [1, 0], [1, 1]])[
        batch.answer.numpy()
    ]
    moved_down = boxes[:, 1, 1] - boxes[:, 0, 1] - 36 * step[:, 0]
    moved_across = boxes[:, 1, 0] - boxes[:, 0, 0] - 36 * step[:, 1]
    for moved in (moved_down, moved_across):  # the difference of two jitters of ±2
        assert (moved.min(), moved.max()) == (-4, 4)
        assert abs(moved.mean()) < 0.15
    still = bound(photos(1, 104), gap=0.0, jitter=0.0).make(torch.arange(1), generator())
    first, second = (still.boxes[0].numpy() * 104).round().astype(int)
    assert max(abs(first[:2] - second[:2])) == 24


def test_place_of_the_first_patch_does_not_tell_the_answer() -> None:
    batch = bound(photos(1, 104), patch=0.15).make(torch.zeros(8000, dtype=torch.int64), generator())
    first = batch.boxes[:, 0, :2].numpy()
    means = np.array([first[batch.answer.numpy() == answer].mean(0) for answer in range(8)])
    assert np.ptp(means, axis=0).max() < 0.02
    assert np.ptp(first, axis=0).min() > 0.2


def test_projected_pixels() -> None:
    views = photos(4, 24)[:, None] // 2 + 60  # in a range in which nothing is clipped
    got = project(views).numpy().astype(float)
    axis = np.array([-1.0, 2.0, -1.0])
    matrix = np.eye(3) - np.outer(axis, axis) / (axis @ axis)
    wanted = np.einsum("ij,lvjhw->lvihw", matrix, views.numpy().astype(float))
    assert np.abs(got - wanted).max() <= 0.51
    green_magenta = np.einsum("j,lvjhw->lvhw", [-1.0, 2.0, -1.0], got)
    assert np.abs(green_magenta).max() <= 2  # rounding
    grey = views[:, :, :1].expand(-1, -1, 3, -1, -1)
    assert torch.equal(project(grey), grey)


def test_saturated_colours_are_projected_too() -> None:
    """Clipped, they would be greenish or magenta again."""
    corners = torch.cartesian_prod(*[torch.tensor([0, 255])] * 3).to(torch.uint8)
    shown = project(corners[:, :, None, None].expand(-1, 3, 2, 2)).double()
    leaning = 2 * shown[:, 1] - shown[:, 0] - shown[:, 2]
    assert leaning.abs().max() <= 3  # of rounding, up to one level of each of four
    brightness = corners.double().mean(1)[:, None, None]
    assert (shown.mean(1) - brightness).abs().max() <= 1


def test_dropped_channels() -> None:
    views = photos(200, 24)[:, None]
    got = drop(views, generator())
    kept = (got == views).all(-1).all(-1)[:, 0]
    assert (kept.sum(1) == 1).all()
    assert (kept.float().mean(0) > 0.2).all()
    spread = got.float().std((-2, -1))[:, 0]
    assert (spread[~kept] < 1.5).all()
    assert (spread[~kept] > 0).all()
    mean = got.float().mean((-2, -1))[:, 0]
    for example in range(200):
        assert (mean[example] - mean[example][kept[example]]).abs().max() < 1
    assert torch.equal(got, drop(views, generator()))


@pytest.mark.parametrize("colour", ["project", "drop", "none"])
def test_two_thirds_of_the_pairs_are_guarded(colour: str) -> None:
    images = photos(4, 104)
    index = torch.arange(4).repeat(150)
    batch = bound(images, colour=colour).make(index, generator())
    plain = bound(images, colour="none").make(index, generator())
    assert torch.equal(batch.boxes, plain.boxes)
    changed = (batch.views != plain.views).flatten(2).any(2)
    assert torch.equal(changed[:, 0], changed[:, 1])
    share = 0.0 if colour == "none" else 2 / 3
    assert changed.float().mean() == pytest.approx(share, abs=0.06)
    all_of_them = bound(images, colour=colour, colour_guard=1.0).make(index, generator())
    assert (all_of_them.views != plain.views).flatten(1).any(1).all() or colour == "none"


def test_each_patch_is_normalized_alone() -> None:
    task = Location()
    batch = bound(photos(5, 104)).make(torch.arange(5), generator())
    read = task.normalize(batch.views)
    assert read.mean((3, 4)).abs().max() < 1e-4
    assert (read.square().mean((2, 3, 4)).sqrt() - 1).abs().max() < 1e-3
    assert not torch.allclose(Location(patch_norm=False).normalize(batch.views), read)


def test_what_does_not_fit() -> None:
    with pytest.raises(UserError, match=r"Three patches of 31 pixels.*the images have 104"):
        bound(photos(1, 104), patch=0.3)
    with pytest.raises(UserError, match="Patches would be 3 pixels"):
        bound(photos(1, 64), patch=0.05)
    bound(photos(1, 104), patch=0.3, gap=0.0, jitter=0.0)


def test_shared_patches_are_a_grid_and_its_pairs_are_neighbours() -> None:
    """In images whose pixels say where they are, the two patches of every pair lie as the answer says."""
    side = 104
    problem = bound(maps(6, side), colour="none", mirror=False)
    shared = problem.make_shared(torch.arange(6), 8, generator())
    assert shared is not None
    assert shared.views.shape[:3] == (6, 9, 3)
    assert (shared.order.shape, shared.answer.shape) == ((6, 8, 2), (6, 8))
    corner = shared.views[:, :, :2, 0, 0].numpy().astype(float)  # x and y of the first pixel
    boxes = np.concatenate([corner, corner + problem.patch], 2)
    for row in range(6):
        assert (shared.views[row, :, 2] == row).all()
        for (first, second), answer in zip(
            shared.order[row].tolist(), shared.answer[row].tolist(), strict=True
        ):
            assert direction(boxes[row, first], boxes[row, second]) == answer
