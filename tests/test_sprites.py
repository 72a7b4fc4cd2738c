"""Sheets of thumbnails: every tile where it belongs, made once, made again when cut short."""

from __future__ import annotations

import numpy as np
import pytest

from sslviz import images, imagesets, settings, sprites
from sslviz.imagesets import ImageSet, NewImage


def grey_set(count: int) -> ImageSet:
    """Image i is plain grey of value 5 i, so that its tile can be recognised."""
    made = imagesets.create(settings.workspace(), "greys")
    made.add(
        NewImage(pixels=np.full((40, 60, 3), 5 * row, np.uint8), name=f"{row}", label=None, source="")
        for row in range(count)
    )
    return made


def test_tiles_lie_row_by_row(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sprites, "EACH", 32)
    found = sprites.sheets(grey_set(40))
    assert [(sheet.place, sheet.rows) for sheet in found] == [(0, 1), (1, 1)]
    for sheet in found:
        pixels = images.decode_jpeg(sheet.jpeg).astype(int)
        assert pixels.shape == (sheet.rows * sheet.tile, sprites.COLUMNS * sheet.tile, 3)
        for column in range(32 if sheet.place == 0 else 8):
            tile = pixels[: sheet.tile, column * sheet.tile : (column + 1) * sheet.tile]
            assert abs(tile[8:-8, 8:-8].mean() - 5 * (32 * sheet.place + column)) < 3
    assert found[0].name != found[1].name


def test_a_sheet_is_made_once_and_again_when_cut_short(monkeypatch: pytest.MonkeyPatch) -> None:
    made = grey_set(10)
    (first,) = sprites.sheets(made)
    with monkeypatch.context() as patched:
        patched.setattr(images, "square", lambda *_: pytest.fail("made again"))
        assert sprites.sheets(made) == [first]
    (path,) = (settings.load().home / "cache" / "sprites").glob("*.bin")
    path.write_bytes(path.read_bytes()[:-100])
    assert sprites.sheets(made) == [first]
    made.remove(made.ids[:1])
    assert sprites.sheets(made)[0].set != first.set
