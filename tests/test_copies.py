"""What is done to the copies of exemplar's seeds, one change at a time, against what it should be exactly."""

from __future__ import annotations

import colorsys
from dataclasses import fields, replace

import numpy as np
import pytest
import torch
from pictures import generator, photos

from sslviz.tasks.copies import Changes, unchanged
from sslviz.tasks.exemplar import Exemplar, ExemplarProblem
from sslviz.tasks.seeds import Seeds, gradient_energy

SIDE, SEED = 96, 32


@pytest.fixture(scope="module")
def problem() -> ExemplarProblem:
    """Seeds of the side of a view, of which the first is in the middle of its image, at line 32, column
    32."""
    found = Exemplar(scales=1, seeds=4).bind(photos(4, SIDE), generator())
    assert isinstance(found, ExemplarProblem)
    middle = torch.full((4,), 32)
    return replace(found, seeds=Seeds(torch.arange(4), middle, middle, torch.full((4,), SEED)))


def cut(problem: ExemplarProblem, top: int = 32, left: int = 32, side: int = SEED) -> torch.Tensor:
    return problem.images[0, :, top : top + side, left : left + side]


def copy(problem: ExemplarProblem, **changes: float | list[float]) -> torch.Tensor:
    """The first seed with some numbers of its copy replaced, uint8 (3, 32, 32)."""
    given = {name: torch.tensor([value], dtype=torch.float32) for name, value in changes.items()}
    return problem.copy(torch.tensor([0]), replace(unchanged(1), **given)).views[0, 0]


def test_unchanged_is_the_seed_bit_by_bit(problem: ExemplarProblem) -> None:
    index = torch.arange(4)
    batch = problem.copy(index, unchanged(4))
    assert torch.equal(batch.views[:, 0], problem.images[:, :, 32:64, 32:64])
    assert torch.allclose(batch.boxes[:, 0], torch.tensor([32.0, 32, 64, 64]) / SIDE)
    assert torch.equal(batch.answer, index)
    assert problem.inside(index, unchanged(4)).all()


def test_what_is_unchanged_among_others_is_left_alone(problem: ExemplarProblem) -> None:
    """Also where resampling has left values half way between two levels, which rounding would tip over."""
    index, apart = torch.zeros(3, dtype=torch.int64), replace(unchanged(3), scale=torch.full((3,), 2.0))
    mixed = replace(apart, contrast=torch.tensor([[2.0] * 3, [1.0] * 3, [1.0] * 3]),
                    hue=torch.tensor([0.0, 0.0, 0.1]))  # fmt: skip
    stretched, same, turned = problem.copy(index, mixed).views[:, 0]
    assert torch.equal(same, problem.copy(index, apart).views[0, 0])
    assert torch.equal(stretched, copy(problem, scale=2.0, contrast=[2.0] * 3))
    assert torch.equal(turned, copy(problem, scale=2.0, hue=0.1))


@pytest.mark.parametrize("one", [field.name for field in fields(Changes)])
def test_each_change_alone_changes_the_copy(problem: ExemplarProblem, one: str) -> None:
    value = {"move": [0.1, 0.0], "scale": 1.2, "angle": 0.2, "contrast": [1.0, 1.0, 1.5], "power": [1.0, 2.0],
             "multiply": [1.0, 0.8], "add": [0.0, 0.1], "hue": 0.1}[one]  # fmt: skip
    assert not torch.equal(copy(problem, **{one: value}), cut(problem))


def test_a_move_shows_what_is_there(problem: ExemplarProblem) -> None:
    assert torch.equal(copy(problem, move=[0.25, 0.0]), cut(problem, 32, 40))
    assert torch.equal(copy(problem, move=[-0.5, 0.125]), cut(problem, 36, 16))


@pytest.mark.parametrize("quarter", [1, 2, 3])
def test_a_quarter_turn_is_numpys(problem: ExemplarProblem, quarter: int) -> None:
    """The window is turned clockwise, so what it shows turns counter-clockwise."""
    turned = copy(problem, angle=quarter * np.pi / 2).int()
    assert (turned - torch.rot90(cut(problem), quarter, (1, 2)).int()).abs().max() <= 1


def test_twice_the_window_is_shrunk(problem: ExemplarProblem) -> None:
    """64 pixels in 32: each is the mean of four."""
    wide = cut(problem, 16, 16, 64).float().view(3, 32, 2, 32, 2).mean((2, 4))
    assert (copy(problem, scale=2.0).float() - wide).abs().max() <= 1


def test_contrast_along_the_axes(problem: ExemplarProblem) -> None:
    factors = np.array([0.7, 1.3, 0.5])
    axes, mean = problem.axes.numpy().astype(float), problem.mean.numpy().astype(float)
    pixels = cut(problem).permute(1, 2, 0).numpy().astype(float)
    wanted = ((pixels - mean) @ axes * factors) @ axes.T + mean
    got = copy(problem, contrast=factors.tolist()).permute(1, 2, 0).numpy()
    assert np.abs(got - wanted.clip(0, 255)).max() <= 0.51


@pytest.mark.parametrize(
    ("power", "multiply", "add", "hue"),
    [((2.0, 1.0), (1.0, 1.0), (0.0, 0.0), 0.0), ((1.0, 0.5), (1.0, 1.0), (0.0, 0.0), 0.0),
     ((1.0, 1.0), (1.4, 0.7), (0.0, 0.0), 0.0), ((1.0, 1.0), (1.0, 1.0), (-0.1, 0.1), 0.0),
     ((1.0, 1.0), (1.0, 1.0), (0.0, 0.0), -0.1), ((0.5, 2.0), (0.8, 1.2), (0.05, -0.05), 0.3)],
)  # fmt: skip
def test_saturation_value_and_hue_by_the_standard_library(
    problem: ExemplarProblem, power: list[float], multiply: list[float], add: list[float], hue: float
) -> None:
    got = copy(problem, power=list(power), multiply=list(multiply), add=list(add), hue=hue)
    for line, column in ((0, 0), (7, 21), (16, 3), (31, 31)):
        h, *parts = colorsys.rgb_to_hsv(*(cut(problem)[:, line, column].numpy() / 255))
        s, v = (
            min(1.0, max(0.0, part**p * m + a))
            for part, p, m, a in zip(parts, power, multiply, add, strict=True)
        )
        wanted = np.array(colorsys.hsv_to_rgb((h + hue) % 1, s, v)) * 255
        assert np.abs(got[:, line, column].numpy() - wanted).max() <= 1


def test_a_copy_beyond_the_border_is_moved_inside(problem: ExemplarProblem) -> None:
    far = replace(unchanged(1), move=torch.tensor([[3.0, 0.0]]))
    assert not problem.inside(torch.tensor([0]), far).any()
    box = problem.copy(torch.tensor([0]), far).boxes[0, 0] * SIDE
    assert torch.allclose(box, torch.tensor([63.5, 32.0, 95.5, 64.0]))
    huge = replace(unchanged(1), scale=torch.tensor([9.0]))
    box = problem.copy(torch.tensor([0]), huge).boxes[0, 0] * SIDE
    assert torch.allclose(box, torch.tensor([0.5, 0.5, 95.5, 95.5]))


def test_making_is_drawing_and_then_copying(problem: ExemplarProblem) -> None:
    index = torch.arange(4).repeat(10)
    made = problem.make(index, generator(7))
    changes = problem.draw(index, generator(7))
    assert torch.equal(made.views, problem.copy(index, changes).views)
    task = problem.task
    for drawn, most in ((changes.contrast, task.contrast), (changes.power, task.power),
                        (changes.scale, task.scale), (changes.multiply, task.multiply)):  # fmt: skip
        assert 1 / most - 1e-6 <= drawn.min() < 1 < drawn.max() <= most + 1e-6
    for drawn, most in ((changes.move, task.translation), (changes.add, task.add), (changes.hue, task.hue),
                        (changes.angle, np.radians(task.rotation))):  # fmt: skip
        assert -most - 1e-6 <= drawn.min() < 0 < drawn.max() <= most + 1e-6


def test_gradient_energy_by_numpy() -> None:
    images = photos(2, 24)
    pixels = images.numpy().astype(float)
    right, down = np.diff(pixels, axis=3)[:, :, :-1], np.diff(pixels, axis=2)[..., :-1]
    assert np.allclose(gradient_energy(images).numpy(), (right**2 + down**2).sum(1), atol=0.1)
