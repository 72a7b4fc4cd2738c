"""Squares from all along images that are not square: which there are, and that training draws them all."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from PIL import Image
from small_runs import curve, make_run, make_set, pictures

from sslviz import comparison, images, imagesets, runs, settings
from sslviz.imagesets import ImageSet, NewImage, along
from sslviz.options import make_task
from sslviz.train import Plan, Training
from sslviz.ui import words
from sslviz.worker import work_run

Pixels = NDArray[np.uint8]


def noise(height: int, width: int, seed: int = 0) -> Pixels:
    return np.random.default_rng(seed).integers(0, 256, (height, width, 3), dtype=np.uint8)


def make_wide(sizes: list[tuple[int, int]], name: str = "wide") -> ImageSet:
    """A set of coarse images, each (height, width)."""
    made = imagesets.create(settings.workspace(), name)
    coarse = pictures(len(sizes), 32)
    made.add(
        NewImage(f"{n}.png", pixels=np.asarray(Image.fromarray(pixels).resize((width, height))))
        for n, (pixels, (height, width)) in enumerate(zip(coarse, sizes, strict=True))
    )
    return made


def test_squares_of_their_own_size_are_cut_out_of_the_image() -> None:
    wide = noise(40, 70)
    found = images.squares_along(wide, 40, 4)
    assert [np.array_equal(found[k], wide[:, k * 10 : k * 10 + 40]) for k in range(4)] == [True] * 4
    # An image on its side has the same squares, on their sides.
    assert np.array_equal(images.squares_along(wide.transpose(1, 0, 2), 40, 4), found.transpose(0, 2, 1, 3))


@pytest.mark.parametrize("size", [(90, 120), (120, 90), (100, 100), (33, 200), (16, 17)])
def test_resampled_squares_show_the_parts_that_pillow_shows(size: tuple[int, int]) -> None:
    """Beside each square cut first and resampled then, of an image that is smooth, so that what a filter
    reaches beyond a cut hardly matters."""
    y, x = np.mgrid[0 : size[0], 0 : size[1]]
    pixels = np.stack([x * 2, y * 2, x + y], 2).clip(0, 255).astype(np.uint8)
    side, places, edge = 24, 3, min(size)
    found = images.squares_along(pixels, side, places).astype(np.int16)
    for place in range(places):
        start = place * (max(size) - edge) / (places - 1)
        left, top = (start, 0) if size[1] > size[0] else (0, start)
        box = (left, top, left + edge, top + edge)
        want = Image.fromarray(pixels).resize((side, side), Image.Resampling.BICUBIC, box=box)
        # Half a pixel of the result, where the longer side is no whole number of them.
        assert np.abs(found[place] - np.asarray(want, np.int16)).max() <= 2 * edge / side + 3


@pytest.mark.parametrize(
    ("sizes", "expected"),
    [
        ([(48, 48)] * 3, 1),
        ([(48, 50)] * 3, 1),  # nothing would differ
        ([(48, 54)] * 3, 2),
        ([(48, 64), (64, 48), (48, 64)], 4),
        ([(48, 72)] * 3, 5),
        ([(48, 240)] * 3, 5),
        ([(48, 48), (48, 48), (48, 96)], 1),  # most are square
    ],
)
def test_how_many_squares_depends_on_how_long_the_images_are(
    sizes: list[tuple[int, int]], expected: int
) -> None:
    made = make_wide(sizes)
    assert imagesets.places_along(made, 32) == expected


def test_they_take_no_more_of_the_disk_than_they_may(monkeypatch: pytest.MonkeyPatch) -> None:
    made = make_wide([(48, 72)] * 4)
    one = 4 * 3 * 32**2
    for room, expected in ((5 * one, 5), (5 * one - 1, 4), (2 * one, 2), (2 * one - 1, 1), (0, 1)):
        monkeypatch.setattr(along, "SPACE", room)
        assert imagesets.places_along(made, 32) == expected


def test_a_set_has_the_squares_of_its_images_one_after_another() -> None:
    made = make_wide([(48, 72), (72, 48), (48, 48), (60, 200)])
    found = imagesets.squares_along(made, 32, 3)
    assert found is not None
    assert found.shape == (12, 3, 32, 32)
    for row in range(4):
        want = images.squares_along(made.pixels(row), 32, 3)
        assert np.array_equal(found[3 * row : 3 * row + 3].transpose(0, 2, 3, 1), want)
    assert imagesets.squares_along(made, 32, 1) is None
    # The centre squares are there beside them, and neither takes the other's place.
    assert np.array_equal(made.squares(32)[2].transpose(1, 2, 0), images.square(made.pixels(2), 32))
    kept = sorted(path.name.partition("-")[0] for path in (made.folder / "arrays").iterdir())
    assert kept == ["32", "32x3"]
    made.add([NewImage("more.png", pixels=noise(48, 72))])
    again = imagesets.squares_along(made, 32, 3)
    assert again is not None
    assert len(again) == 15
    assert [path.name.partition("-")[0] for path in (made.folder / "arrays").iterdir()] == ["32x3"]


@pytest.mark.parametrize("name", ["rotation", "jigsaw", "location"])
def test_steps_draw_all_squares_of_the_images_that_are_trained_on_and_of_no_other(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Every square is of one grey, which says whose it is."""
    count, places, side = 10, 3, 48
    greys = torch.arange(count * places, dtype=torch.uint8) + 100
    along_ = greys[:, None, None, None].expand(-1, 3, side, side).contiguous()
    centre = torch.zeros(count, 3, side, side, dtype=torch.uint8)
    options = {"rotation": {}, "jigsaw": {"grey": 0.0}, "location": {"colour": "none", "patch_norm": False}}
    plan = Plan(steps=8, batch=8, lr=1e-3, weight_decay=0.0, reuse=4 if name == "location" else 1)
    task = make_task(name, options[name])
    monkeypatch.setattr(type(task), "normalize", lambda _, views: views.float())
    training = Training(task, centre, plan, along=along_)
    drawn: set[int] = set()
    for _ in range(40):
        views = training._draw()[0]
        drawn |= {int(grey) for grey in views.flatten(1).unique()}
        training.step += 1
    rows = training.train_rows
    assert drawn == {100 + int(row) * places + place for row in rows for place in range(places)}
    assert not training.heldout.views.any()  # of the centre squares


def test_a_run_says_how_many_squares_it_saw_and_goes_on_with_them(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sslviz.train.draws.HELDOUT", 16)
    made = make_wide([(32, 48)] * 12)
    whole, centre = make_run(made), make_run(made, centre=True)
    for run in (whole, centre):
        assert work_run(run).state == "done"
    found = [runs.open_run(run.workspace, run.id) for run in (whole, centre)]
    assert [(run.spec.plan or {})["squares"] for run in found] == [5, 1]
    assert curve(whole) != curve(centre)
    assert "--centre" in centre.spec.command
    assert "--centre" not in whole.spec.command
    assert comparison.differing(found)["squares"] == [5, 1]
    assert "5 squares of each image" in words.plan(found[0].spec)
    assert "squares" not in words.plan(found[1].spec)
    # A plan is replayed as it was, unless the centre alone is asked for.
    unplanned: dict[str, Any] = {"steps": None, "batch": None, "precision": None, "threads": None}
    for like, more, twin in ((whole, {}, whole), (centre, {}, centre), (whole, {"centre": True}, centre)):
        replay = make_run(made, like=like.id, **unplanned, **more)
        work_run(replay)
        assert curve(replay) == curve(twin)


def test_what_is_no_image_is_trained_on_as_it_is(monkeypatch: pytest.MonkeyPatch) -> None:
    """Seeds of Exemplar lie where they were chosen; and square images have one square."""
    monkeypatch.setattr("sslviz.train.draws.HELDOUT", 16)
    wide = make_wide([(48, 72)] * 8)
    run = make_run(wide, task="exemplar", size=48, options={"seeds": 8}, steps=1)
    assert work_run(run).state == "done", run.status().message
    square = make_run(make_set(), steps=1)
    work_run(square)
    for one in (run, square):
        assert (runs.open_run(one.workspace, one.id).spec.plan or {})["squares"] == 1


def test_squares_along_are_passed_over_where_rows_are_no_images() -> None:
    task = make_task("exemplar", {"seeds": 6})
    centre = torch.from_numpy(np.stack([noise(48, 48, seed) for seed in range(8)])).permute(0, 3, 1, 2)
    plan = Plan(steps=1, batch=4, lr=1e-3, weight_decay=0.0)
    plain = Training(task, centre.contiguous(), plan)
    given = Training(task, centre.contiguous(), plan, along=centre.repeat_interleave(3, 0))
    for one, other in zip(plain._draw(), given._draw(), strict=True):
        assert one is other is None or torch.equal(one, other)


def test_a_run_from_before_goes_on_with_the_centre(monkeypatch: pytest.MonkeyPatch) -> None:
    """Its plan does not say how many squares, and there was one."""
    monkeypatch.setattr("sslviz.train.draws.HELDOUT", 16)
    made = make_wide([(32, 48)] * 12)
    centre = make_run(made, centre=True)
    work_run(centre)
    plan = dict(runs.open_run(centre.workspace, centre.id).spec.plan or {})
    assert plan.pop("squares") == 1
    old = make_run(made).set_spec(plan=plan)
    work_run(old)
    assert curve(old) == curve(centre)
