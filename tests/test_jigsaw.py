"""Jigsaw against puzzles cut and put together again in NumPy."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from pictures import generator, maps, photos

from sslviz.errors import UserError
from sslviz.tasks.base import Batch
from sslviz.tasks.jigsaw import Jigsaw, JigsawProblem


def bound(images: torch.Tensor, **options: float) -> JigsawProblem:
    problem = Jigsaw(**options).bind(images, generator())  # type: ignore[arg-type]
    assert isinstance(problem, JigsawProblem)
    return problem


def source_of(images: torch.Tensor, batch: Batch, example: int) -> np.ndarray:
    """The source of an example, mirrored if it was: (S, S, 3)."""
    pixels = images[batch.source[example]].permute(1, 2, 0).numpy()
    return pixels[:, ::-1] if batch.mirror[example] else pixels


def corners(batch: Batch, side: int) -> np.ndarray:
    """int (E, 9, 4) x0 y0 x1 y1 in pixels, which must be whole."""
    exact = batch.boxes.numpy() * side
    assert np.abs(exact - exact.round()).max() < 1e-3
    return exact.round().astype(int)


def numbered_row_by_row(boxes: np.ndarray) -> list[int]:
    """The tile in each slot, told from where the boxes (9, 4) are alone: the three highest are the first
    line, and in each line they stand from left to right."""
    lines = np.argsort(boxes[:, 1], kind="stable").reshape(3, 3)
    number = {}
    for line, slots in enumerate(lines):
        for column, slot in enumerate(sorted(slots, key=lambda one: boxes[one, 0])):
            number[int(slot)] = 3 * line + column
    return [number[slot] for slot in range(9)]


def test_geometry_of_the_paper() -> None:
    """A crop of 255 of 256 pixels has cells of 85 and tiles of 64."""
    assert Jigsaw(crop=255 / 256).geometry(256) == (85, 64)
    assert Jigsaw(crop=0.875).geometry(112) == (32, 24)


@pytest.mark.parametrize("side", [96, 101, 112])
def test_slot_shows_the_tile_that_the_permutation_says(side: int) -> None:
    images = photos(10, side)
    problem = bound(images, colour_guard=0.0)
    batch = problem.make(torch.arange(10), generator())
    boxes = corners(batch, side)
    for example, answer in enumerate(batch.answer.tolist()):
        source = source_of(images, batch, example)
        shown = numbered_row_by_row(boxes[example])
        assert shown == problem.permutations[answer].tolist()
        for slot, (x0, y0, x1, y1) in enumerate(boxes[example]):
            view = batch.views[example, slot].permute(1, 2, 0).numpy()
            assert np.array_equal(view, source[y0:y1, x0:x1])


def test_tiles_put_back_are_the_picture() -> None:
    """Without gaps the nine tiles, put where they belong, are the crop again, pixel by pixel."""
    images = photos(6, 96)
    problem = bound(images, tile=1.0, crop=1.0, colour_guard=0.0)
    batch = problem.make(torch.arange(6), generator())
    for example, answer in enumerate(batch.answer.tolist()):
        inverse = np.argsort(problem.permutations[answer].numpy())
        tiles = batch.views[example].permute(0, 2, 3, 1).numpy()[inverse]
        whole = tiles.reshape(3, 3, 32, 32, 3).transpose(0, 2, 1, 3, 4).reshape(96, 96, 3)
        assert np.array_equal(whole, source_of(images, batch, example))


def test_tiles_stay_in_their_cells_and_move_in_them() -> None:
    problem = bound(photos(4, 96), crop=1.0, colour_guard=0.0, mirror=False)
    batch = problem.make(torch.arange(4).repeat(100), generator())
    boxes = corners(batch, 96)
    shown = problem.permutations[batch.answer].numpy()
    x = boxes[..., 0] - shown % 3 * 32
    y = boxes[..., 1] - shown // 3 * 32
    for place in (x, y):
        assert place.min() == 0
        assert place.max() == 32 - 24
        assert np.bincount(place.ravel()).min() > 300  # of 3,600 in nine places
    still = bound(photos(4, 96), crop=1.0, colour_guard=0.0, jitter=False).make(torch.arange(4), generator())
    assert set((corners(still, 96)[..., :2] % 32).ravel().tolist()) == {4}


def test_crops_are_anywhere() -> None:
    problem = bound(photos(2, 112), tile=1.0, crop=0.875)
    boxes = corners(problem.make(torch.arange(2).repeat(200), generator()), 112)
    for axis in (0, 1):
        corner = boxes[..., axis].min(1)
        assert (corner.min(), corner.max()) == (0, 112 - 96)


def test_colour_guards() -> None:
    """A third of the puzzles plain, 0.3 grey, the others with red and blue shifted by a pixel at most."""
    images = maps(2, 112)
    problem = bound(images, mirror=False)
    batch = problem.make(torch.arange(2).repeat(600), generator())
    boxes = corners(batch, 112)
    views = batch.views.numpy().astype(int)
    grey = (views == views[:, :, :1]).all((1, 2, 3, 4))
    assert grey.mean() == pytest.approx(0.3, abs=0.04)
    coloured = ~grey
    # Red counts columns: its first column in a tile says by how much red was shifted across.
    red = views[coloured][:, :, 0, 0, 0] - boxes[coloured][:, :, 0]
    assert set(red.ravel().tolist()) == {-1, 0, 1}
    plain = (red == 0).all(1)
    assert plain.mean() * coloured.mean() == pytest.approx(1 / 3, abs=0.05)
    # Green, the line, stays where the box is.
    assert np.array_equal(views[coloured][:, :, 1, 0, 0], boxes[coloured][:, :, 1])
    # Each tile of a puzzle has its own shift.
    assert (red[~plain].std(1) > 0).all()


def test_shifted_channels_are_cut_from_beside_the_box() -> None:
    images = photos(3, 112)
    problem = bound(images, colour_guard=1.0, grey=0.0)
    batch = problem.make(torch.arange(3), generator())
    boxes = corners(batch, 112)
    for example in range(3):
        source = source_of(images, batch, example)
        for slot, (x0, y0, x1, y1) in enumerate(boxes[example]):
            view = batch.views[example, slot].numpy()
            assert np.array_equal(view[1], source[y0:y1, x0:x1, 1])
            for channel in (0, 2):
                places = [
                    (x, y)
                    for x in range(max(0, x0 - 1), x0 + 2)
                    for y in range(max(0, y0 - 1), y0 + 2)
                    if np.array_equal(view[channel], source[y : y + y1 - y0, x : x + x1 - x0, channel])
                ]
                assert len(places) == 1


def test_each_tile_is_normalized_alone() -> None:
    images = photos(3, 112)
    task = Jigsaw()
    batch = bound(images).make(torch.arange(3), generator())
    read = task.normalize(batch.views).numpy()
    assert np.abs(read.mean((3, 4))).max() < 1e-4
    tiles = batch.views.numpy().astype(np.float64)
    tiles -= tiles.mean((3, 4), keepdims=True)
    spread = np.sqrt((tiles**2).mean((2, 3, 4), keepdims=True))
    assert np.allclose(read, tiles / np.maximum(spread, 4), atol=1e-3)
    flat = task.normalize(torch.full((1, 9, 3, 24, 24), 7, dtype=torch.uint8))
    assert (flat == 0).all()
    # A brighter tile, or one with half the contrast, is the same tile; switched off, it is another.
    dark = batch.views // 4 * 2
    strong = torch.randint(2, (1, 9, 3, 24, 24), generator=generator()).to(torch.uint8) * 100
    for one, other in ((dark, dark + 60), (strong, strong // 2)):
        assert np.allclose(task.normalize(one), task.normalize(other), atol=1e-3)
        assert not np.allclose(*(Jigsaw(tile_norm=False).normalize(each) for each in (one, other)))


def test_words() -> None:
    problem = bound(photos(1, 64))
    assert problem.say(0) == "tiles 1 2 3 4 5 6 7 8 9"
    assert problem.classes == 64
    assert (
        len(Jigsaw(permutations=300).bind(photos(1, 64), generator()).make(torch.tensor([0]), generator()))
        == 1
    )


def test_tiles_too_small() -> None:
    with pytest.raises(UserError, match="Tiles would be"):
        bound(photos(1, 48), crop=0.5)


@pytest.mark.parametrize(("side", "most"), [(48, 1), (112, 1), (136, 1), (272, 2)])
def test_channels_are_shifted_by_the_published_share(side: int, most: int) -> None:
    problem = Jigsaw(colour_guard=1.0, grey=0.0).bind(photos(2, side), generator())
    assert isinstance(problem, JigsawProblem)
    shifts = problem._channel_shifts(torch.ones(40, dtype=torch.bool), generator())
    assert shifts.abs().max() == most
    assert not shifts[..., 1].any()
