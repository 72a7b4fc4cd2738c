"""Exemplar: where seeds are, what copies show, and what becomes of their colours."""

from __future__ import annotations

import colorsys
from typing import Any

import numpy as np
import pytest
import torch
from pictures import generator, maps, photos
from PIL import Image

from sslviz import preview
from sslviz.errors import UserError
from sslviz.tasks import make_task, sampling
from sslviz.tasks.colour import colour_axes, scale_axes, to_hsv, to_rgb
from sslviz.tasks.exemplar import Exemplar, ExemplarProblem
from sslviz.tasks.seeds import choose_seeds

PLAIN: dict[str, Any] = {"contrast": 1.0, "power": 1.0, "multiply": 1.0, "add": 0.0, "hue": 0.0}
STILL: dict[str, Any] = {"translation": 0.0, "scale": 1.0, "rotation": 0.0}


def bound(images: torch.Tensor, seed: int = 0, **options: Any) -> ExemplarProblem:
    problem = Exemplar(**options).bind(images, generator(seed))
    assert isinstance(problem, ExemplarProblem)
    return problem


def windows(problem: ExemplarProblem, index: torch.Tensor) -> tuple[torch.Tensor, ...]:
    """Centre x and y and side in pixels, and angle, of what the copies that `make` draws show; by their
    boxes, which hold the turned windows."""
    angle = problem.draw(index, generator()).angle
    x0, y0, x1, y1 = (problem.make(index, generator()).boxes[:, 0] * problem.images.shape[-1]).unbind(1)
    return (x0 + x1) / 2, (y0 + y1) / 2, (x1 - x0) / (angle.cos().abs() + angle.sin().abs()), angle


def affine(view: np.ndarray) -> tuple[np.ndarray, float]:
    """The linear map from places in a view (h, w) to its values, as (constant, across, down) with places
    from −½ to ½ of the view's side, and the largest departure from it."""
    side = view.shape[0]
    at = (np.arange(side) + 0.5) / side - 0.5
    design = np.stack(
        [np.ones((side, side)), np.broadcast_to(at, (side, side)), np.repeat(at, side).reshape(side, side)]
    )
    design = design.reshape(3, -1).T
    solution, *_ = np.linalg.lstsq(design, view.ravel().astype(float), rcond=None)
    return solution, float(np.abs(design @ solution - view.ravel()).max())


@pytest.mark.parametrize("side", [32, 96, 128])
def test_nothing_is_padded_and_boxes_hold_the_turned_patch(side: int) -> None:
    """In images whose red is the column and green the line, a patch that was turned and scaled has linear red
    and green; padding of any kind, and any reflection, would bend them. The linear map gives the corners of
    the patch, which are inside the image, and the upright box around them."""
    levels = 255 // side  # grey levels a pixel: the more, the less rounding matters
    problem = bound(maps(20, side) * levels, **PLAIN)
    batch = problem.make(torch.arange(len(problem)).repeat(3), generator())
    angles = []
    for view, box in zip(batch.views[:, 0].numpy(), batch.boxes[:, 0].numpy() * side, strict=True):
        (red, off_red), (green, off_green) = affine(view[0]), affine(view[1])
        assert (
            max(off_red, off_green) < 1.05
        )  # rounding, which a slope of nearly one level a pixel can add up
        ends = np.array([[1, across, down] for across in (-0.5, 0.5) for down in (-0.5, 0.5)])
        x, y = ends @ red / levels + 0.5, ends @ green / levels + 0.5
        assert np.allclose([x.min(), y.min(), x.max(), y.max()], box, atol=0.8)
        angles.append(np.degrees(np.arctan2(green[1], red[1])))
        assert np.hypot(red[1], green[1]) == pytest.approx(np.hypot(red[2], green[2]), rel=0.04)  # square
    assert batch.boxes.min() * side >= 0.49
    assert batch.boxes.max() * side <= side - 0.49
    assert max(angles) < 21
    assert min(angles) > -21
    assert np.ptp(angles) > 30


def test_a_copy_that_is_not_changed_is_its_seed_bit_by_bit() -> None:
    images = photos(6, 96)
    problem = bound(images, scales=1, **PLAIN, **STILL)
    batch = problem.make(torch.arange(len(problem)), generator())
    for example, (x0, y0, x1, y1) in enumerate((batch.boxes[:, 0] * 96).round().int().tolist()):
        assert (x1 - x0, y1 - y0) == (32, 32)
        assert torch.equal(batch.views[example, 0], images[batch.source[example], :, y0:y1, x0:x1])
        assert x0 == problem.seeds.left[example]
        assert y0 == problem.seeds.top[example]


def test_turned_copies_are_what_pillow_makes() -> None:
    """Of patches that are not shrunk, so that both read two by two pixels."""
    images = photos(6, 128)
    problem = bound(images, scales=1, scale=1.0, **PLAIN)
    index = torch.arange(24)
    batch = problem.make(index, generator())
    x, y, side, angle = windows(problem, index)
    for example in range(24):
        across, down = np.cos(float(angle[example])), np.sin(float(angle[example]))
        step = float(side[example]) / 32
        # Pillow maps the middle of each pixel of the result to a place in the source.
        a, b = across * step, -down * step
        c, f = float(x[example]) - 16 * (a + b), float(y[example]) - 16 * (across + down) * step
        source = Image.fromarray(images[batch.source[example]].permute(1, 2, 0).numpy())
        wanted = source.transform(
            (32, 32),
            Image.Transform.AFFINE,
            (a, b, c, down * step, across * step, f),
            Image.Resampling.BILINEAR,
        )
        got = batch.views[example, 0].permute(1, 2, 0).numpy().astype(int)
        assert np.abs(got - np.asarray(wanted).astype(int)).max() <= 3


def test_ranges_of_the_paper() -> None:
    """Translation ±0.2 of the seed, scale 0.7 to 1.4, rotation ±20°, each used to the full and not beyond."""
    problem = bound(photos(40, 128), scales=1)
    index = torch.arange(len(problem)).repeat(20)
    x, y, side, angle = windows(problem, index)
    seed = problem.seeds.side[index].float()
    moved_x = (x - problem.seeds.left[index] - seed / 2) / seed
    moved_y = (y - problem.seeds.top[index] - seed / 2) / seed
    for moved in (moved_x, moved_y):
        assert moved.abs().max() <= 0.2001
        assert moved.max() > 0.19
        assert moved.min() < -0.19
    assert 1 / 1.4 - 1e-4 <= (side / seed).min() < 0.73
    assert 1.36 < (side / seed).max() <= 1.4001
    assert 19 < angle.abs().max().rad2deg() <= 20.001
    assert abs(angle.mean()) < 0.02


def test_seeds_do_not_overlap() -> None:
    problem = bound(photos(5, 128), seeds=25)
    assert len(problem) == problem.classes == 25
    seeds = problem.seeds
    counts = torch.bincount(seeds.row, minlength=5)
    assert counts.min() >= 4
    assert set(seeds.side.tolist()) <= {32, 40, 50, 62}
    for row in range(5):
        taken = np.zeros((128, 128), int)
        for seed in (seeds.row == row).nonzero()[:, 0].tolist():
            top, left, side = (int(each[seed]) for each in (seeds.top, seeds.left, seeds.side))
            assert min(top, left) > 0
            assert max(top, left) + side < 128
            taken[top : top + side, left : left + side] += 1
        assert taken.max() == 1


def test_several_sizes_of_seeds() -> None:
    sides = bound(photos(200, 128)).seeds.side
    counts = torch.bincount(sides, minlength=63)[[32, 40, 50, 62]]
    assert counts.sum() == 200
    assert counts.min() > 25
    assert Exemplar().seed_sides(96) == [32, 40, 50, 62]
    assert Exemplar().seed_sides(32) == [11, 13, 17, 21]


def test_number_of_seeds() -> None:
    """One an image, a hundred at least where there is room, and no image twice before each has one."""
    many = bound(photos(130, 48))
    assert many.seeds.row.tolist() == list(range(130))
    assert bound(photos(60, 96)).classes == 100
    few = bound(photos(2, 96))
    assert 2 < few.classes < 100
    smaller = bound(photos(2, 96), seeds=20).seeds.side
    assert len(smaller) == 20
    assert 12 <= smaller.max() < 32
    some = bound(photos(50, 48), seeds=20)
    assert len(some.seeds.row.unique()) == 20
    assert torch.equal(some.make(torch.arange(20), generator()).source, some.seeds.row)
    assert some.say(16) == "from seed 17"
    with pytest.raises(UserError, match=r"room for \d+ seeds.*not for 500"):
        bound(photos(2, 96), seeds=500)
    with pytest.raises(UserError, match="one seed"):
        Exemplar(seeds=1)


def test_seeds_are_where_the_gradients_are() -> None:
    images = torch.full((60, 3, 96, 96), 128, dtype=torch.uint8)
    images[:, :, :, 48:] = photos(60, 96)[..., 48:]  # something in the right half only
    seeds = bound(images, seeds=60, scales=1).seeds
    shown = (seeds.left + seeds.side - 48).clamp(min=0) / seeds.side
    assert shown.clamp(max=1).mean() > 0.75  # of a seed; a seed put anywhere shows 0.5
    assert (seeds.left + seeds.side > 48).all()  # none is flat
    images[:50] = 128
    assert set(choose_seeds(images, 10, [32], generator()).row.tolist()) == set(range(50, 60))


def test_seeds_are_drawn_in_proportion_to_energy() -> None:
    """Two kinds of texture, one with twice the amplitude and so four times the energy."""
    grain = torch.randint(-20, 21, (400, 3, 96, 96), generator=generator())
    grain[..., 48:] *= 2
    images = (grain + 128).to(torch.uint8)
    seeds = choose_seeds(images, 400, [32], generator())
    right, left = int((seeds.left >= 48).sum()), int((seeds.left + 32 <= 48).sum())
    assert right / left == pytest.approx(4, rel=0.35)


def test_every_image_size_down_to_the_smallest() -> None:
    for side in (24, 25, 33, 40):
        batch = bound(photos(30, side)).make(torch.arange(30), generator())
        assert batch.views.shape[-1] == max(16, side // 2)
        assert batch.boxes.min() > 0
        assert batch.boxes.max() < 1


def test_copies_are_drawn_anew() -> None:
    problem = bound(photos(4, 96), seeds=4)
    views = problem.make(torch.zeros(50, dtype=torch.int64), generator()).views
    assert len({view.numpy().tobytes() for view in views}) == 50


def test_hsv_is_that_of_the_standard_library() -> None:
    colours = torch.rand(200, 3, generator=generator())
    colours[:4] = torch.tensor([[0.0, 0, 0], [1, 1, 1], [0.5, 0.5, 0.5], [1, 0, 0]])
    hsv = to_hsv(colours[:, :, None, None])
    wanted = torch.tensor([colorsys.rgb_to_hsv(*colour) for colour in colours.tolist()])
    assert torch.allclose(hsv[:, :, 0, 0], wanted, atol=1e-4)
    assert torch.allclose(to_rgb(hsv)[:, :, 0, 0], colours, atol=1e-4)
    again = torch.tensor([colorsys.hsv_to_rgb(*colour) for colour in colours.tolist()])
    assert torch.allclose(to_rgb(colours[:, :, None, None])[:, :, 0, 0], again, atol=1e-4)


def test_colour_axes_are_numpys() -> None:
    images = photos(70, 20)
    mean, axes = colour_axes(images, chunk=16)
    pixels = images.permute(1, 0, 2, 3).flatten(1).numpy().astype(float)
    assert np.allclose(mean, pixels.mean(1), atol=1e-3)
    _, wanted = np.linalg.eigh(np.cov(pixels, bias=True))
    assert np.allclose(np.abs((axes.double().numpy() * wanted).sum(0)), 1, atol=1e-4)
    some, _ = colour_axes(images, most=10)
    assert np.allclose(some, pixels.reshape(3, 70, -1)[:, ::7].mean((1, 2)), atol=1e-3)


def test_contrast_scales_along_the_axes() -> None:
    images = photos(10, 32)
    mean, axes = colour_axes(images)
    pixels = images[:3].float()
    assert torch.allclose(scale_axes(pixels, torch.ones(3, 3), mean, axes), pixels, atol=0.01)
    factors = torch.tensor([[2.0, 0.5, 1.5]]).expand(3, 3)
    changed = scale_axes(pixels, factors, mean, axes)
    for axis in range(3):
        along = axes[:, axis, None, None]
        before, after = (((each - mean[:, None, None]) * along).sum(1) for each in (pixels, changed))
        assert torch.allclose(after, before * factors[0, axis], atol=0.05)


@pytest.mark.parametrize("only", ["contrast", "power", "multiply", "add", "hue"])
def test_each_change_of_colour_alone(only: str) -> None:
    """Each does something, differently for each copy; all but the last leave the hue, where there is one."""
    images = photos(8, 96)
    default = getattr(Exemplar(), only)
    problem = bound(images, seeds=8, scales=1, **{**PLAIN, only: default}, **STILL)
    plain = bound(images, seeds=8, scales=1, **PLAIN, **STILL)
    index = torch.zeros(6, dtype=torch.int64)
    changed, before = (each.make(index, generator()).views[:, 0].float() / 255 for each in (problem, plain))
    assert (changed != before).flatten(1).any(1).all()
    assert len({view.numpy().tobytes() for view in changed}) == 6
    if only == "contrast":
        return
    hsv, was = to_hsv(changed), to_hsv(before)
    clear = (hsv[:, 1] > 0.2) & (hsv[:, 2] > 0.3) & (was[:, 1] > 0.2) & (was[:, 2] > 0.3)
    turned = ((hsv[:, 0] - was[:, 0] + 0.5).remainder(1) - 0.5)[clear].abs()
    if only == "hue":
        assert 0.03 < turned.max() < 0.115
        assert (hsv[:, 2] - was[:, 2]).abs().max() < 0.01
    else:
        assert turned.max() < 0.03
    if only == "add":
        assert (hsv[:, 2] - was[:, 2]).abs().max() < 0.11
    if only == "multiply":
        ratio = (hsv[:, 2] / was[:, 2].clamp(min=0.01))[(was[:, 2] > 0.2) & (was[:, 2] < 0.7)]
        assert 1 / 1.4 - 0.03 < ratio.min() < ratio.max() < 1.43


@pytest.mark.parametrize("seeds", [0, 20, 60, 300])
def test_a_page_shows_seeds_of_the_sides_that_the_whole_set_has(seeds: int) -> None:
    images = photos(60, 128)
    task = make_task("exemplar", {"seeds": seeds})
    whole = task.bind(images, generator())
    shown = preview.bind(task, images.numpy(), 3)
    assert shown.classes == task.answers(60)
    sides = [problem.seeds.side.unique().tolist() for problem in (whole, shown.problem)]
    assert sides[0] == sides[1]
    assert {example.row for example in shown.examples(0)} == {3}


def test_copies_are_the_same_however_many_are_sampled_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    problem = make_task("exemplar", {"seeds": 20}).bind(photos(7, 48), generator())
    changes = problem.draw(torch.arange(20), generator())
    views = []
    for images in (1, 3, 20):  # the last of which is all of them
        monkeypatch.setattr(sampling, "SAMPLED_AT_ONCE", images * 3 * 48 * 48)
        views.append(problem.copy(torch.arange(20), changes).views)
    assert torch.equal(views[0], views[2])
    assert torch.equal(views[1], views[2])
