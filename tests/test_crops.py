"""Pieces of images: where they are cut, whose they are, and that they stand in for a set."""

from __future__ import annotations

import numpy as np
import pytest

from sslviz import images, imagesets, settings, sprites
from sslviz.imagesets import Crops, ImageSet, NewImage


def ramps(count: int = 3, height: int = 90, width: int = 150) -> ImageSet:
    """Red rises from left to right, green from top to bottom, blue says which image."""
    made = imagesets.create(settings.workspace(), "ramps")
    across = np.linspace(0, 255, width)[None, :].repeat(height, 0)
    down = np.linspace(0, 255, height)[:, None].repeat(width, 1)
    made.add(
        NewImage(
            f"folder {row}/same.jpg",
            pixels=np.stack([across, down, np.full_like(down, 40 * row)], 2).astype(np.uint8),
            label="a",
        )
        for row in range(count)
    )
    return made


def test_pieces_lie_in_a_grid_over_the_centre_square() -> None:
    whole = ramps()
    pieces = Crops(whole)
    assert pieces.grid == 5
    assert len(pieces) == 3 * 25
    height, width = 90, 150
    side = round(90 / 3)
    for row in (0, 4, 12, 24, 30, 74):
        place = row % 25
        left = 30 + (90 - side) * (place % 5) / 4
        top = (90 - side) * (place // 5) / 4
        found = pieces.pixels(row).astype(float).mean((0, 1))
        centre = np.array([left + side / 2, top + side / 2])
        assert found[:2] == pytest.approx(255 * centre / [width, height], abs=4)
        assert found[2] == pytest.approx(40 * pieces.of(row), abs=4)
        assert pieces.pixels(row).shape == (side, side, 3)
        assert images.decode_jpeg(pieces.jpeg(row)).shape == (side, side, 3)
    squares = pieces.squares(16)
    assert squares.shape == (75, 3, 16, 16)
    for row in (0, 31, 74):
        assert (squares[row] == images.square(pieces.pixels(row), 16).transpose(2, 0, 1)).all()


def test_each_piece_is_labelled_with_its_image() -> None:
    pieces = Crops(ramps())
    assert len(set(pieces.labels)) == 3, "the same name in three folders"
    assert len(set(pieces.ids)) == len(pieces)
    assert pieces.labels[0] == pieces.labels[24] != pieces.labels[25]
    assert pieces.names[7] == "folder 0/same.jpg, row 2, column 3"
    assert pieces.fingerprint != pieces.whole.fingerprint
    assert pieces.mask(0) is None


def test_many_images_have_fewer_pieces_each(monkeypatch: pytest.MonkeyPatch) -> None:
    whole = ramps(3)
    for most, grid in ((75, 5), (74, 4), (40, 3), (1, 3)):
        monkeypatch.setattr(imagesets.crops, "MOST", most)
        assert Crops(whole).grid == grid


def test_they_have_sheets_of_thumbnails_and_cannot_be_changed() -> None:
    pieces = Crops(ramps())
    (sheet,) = sprites.sheets(pieces)
    pixels = images.decode_jpeg(sheet.jpeg).astype(float)
    tile = sheet.tile
    for row in (0, 40, 74):
        top, left = row // sprites.COLUMNS * tile, row % sprites.COLUMNS * tile
        shown = pixels[top : top + tile, left : left + tile].mean((0, 1))
        assert shown == pytest.approx(pieces.pixels(row).astype(float).mean((0, 1)), abs=5)
    with pytest.raises(AssertionError, match="pieces"):
        pieces.remove(pieces.ids[:1])
    with pytest.raises(AssertionError, match="pieces"):
        pieces.delete()
    assert len(imagesets.open_set(settings.workspace(), "ramps")) == 3
