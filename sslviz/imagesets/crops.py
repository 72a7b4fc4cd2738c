"""Pieces of images in the place of whole ones: what a map shows where there are few images."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING

import numpy as np

from sslviz import images
from sslviz.imagesets.index import Entry
from sslviz.imagesets.opened import ImageSet

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from numpy.typing import NDArray

    from sslviz.images import Pixels

FEW = 200
"""Images under which pieces of them are worth a map."""
MOST = 2_000
"""Pieces, about: what a map is quick with."""
GRIDS = {5: 1 / 3, 4: 0.4, 3: 0.5}
"""Pieces along a side, and the share of the side that each has: neighbours overlap by about a half."""


class Crops(ImageSet):
    """A set whose images are squares cut from those of another: a grid of them over each centre square.

    Every image of the whole set has the same number of pieces; their label is the image that they are from.
    It is made anew from the set each time it is opened, and cannot be changed.
    """

    def __init__(self, whole: ImageSet) -> None:
        self.whole = whole
        count = len(whole.entries)
        self.grid = next((grid for grid in GRIDS if count * grid**2 <= MOST), min(GRIDS))
        self.share = GRIDS[self.grid]
        super().__init__(whole.workspace, whole.folder)
        self._fingerprint = f"{whole.fingerprint}-{self.grid}"
        self._open: tuple[int, Pixels] | None = None
        called = _unique([entry.name.rpartition("/")[2][:70] for entry in whole.entries])
        self._pieces = tuple(
            self._piece(entry, place, name)
            for entry, name in zip(whole.entries, called, strict=True)
            for place in range(self.grid**2)
        )

    def _piece(self, entry: Entry, place: int, label: str) -> Entry:
        down, across = divmod(place, self.grid)
        side = max(1, round(self.share * min(entry.width, entry.height)))
        return entry._replace(
            id=f"{entry.id}.{place}",
            name=f"{entry.name}, row {down + 1}, column {across + 1}",
            label=label,
            width=side,
            height=side,
            box=None,
            mask_bytes=0,
        )

    @property
    def entries(self) -> tuple[Entry, ...]:
        return self._pieces

    @property
    def fingerprint(self) -> str:
        return self._fingerprint

    def of(self, row: int) -> int:
        """Row, in the whole set, of the image that a piece is from."""
        return row // self.grid**2

    def pixels(self, row: int) -> Pixels:
        return self._cut(self._whole(self.of(row)), row)

    def jpeg(self, row: int) -> bytes:
        return images.encode_jpeg(self.pixels(row), quality=92)

    def thumbnail(self, row: int) -> bytes:
        return self.jpeg(row)

    def _whole(self, row: int) -> Pixels:
        """Pieces are asked for one after the other, and an image is decoded once for all of its own."""
        if self._open is None or self._open[0] != row:
            self._open = row, self.whole.pixels(row)
        return self._open[1]

    def _cut(self, whole: Pixels, row: int) -> Pixels:
        height, width = whole.shape[:2]
        full = min(height, width)
        side = max(1, round(self.share * full))
        down, across = divmod(row % self.grid**2, self.grid)
        step = (full - side) / (self.grid - 1)
        top = (height - full) // 2 + round(down * step)
        left = (width - full) // 2 + round(across * step)
        return np.ascontiguousarray(whole[top : top + side, left : left + side])

    def squares(self, side: int, report: Callable[[int, int], None] | None = None) -> NDArray[np.uint8]:
        """Every piece, uint8 (N, 3, S, S), in memory."""
        made = np.empty((len(self), 3, side, side), np.uint8)
        for row in range(len(self.whole.entries)):
            whole = self._whole(row)
            for piece in range(row * self.grid**2, (row + 1) * self.grid**2):
                made[piece] = images.square(self._cut(whole, piece), side).transpose(2, 0, 1)
            if report:
                report((row + 1) * self.grid**2, len(self))
        return made

    @contextlib.contextmanager
    def _changing(self, timeout: float | None = None) -> Iterator[None]:  # noqa: ARG002
        raise AssertionError("pieces are changed by changing the set that they are cut from")
        yield

    def delete(self) -> None:
        """Pieces alone cannot be deleted."""
        raise AssertionError("pieces are deleted by deleting the set that they are cut from")


def _unique(names: list[str]) -> list[str]:
    """The same names, with a number behind those that were there before."""
    seen: dict[str, int] = {}
    found = []
    for name in names:
        seen[name] = seen.get(name, 0) + 1
        found.append(name if seen[name] == 1 else f"{name} ({seen[name]})")
    return found
