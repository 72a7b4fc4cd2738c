"""Sheets of thumbnails: what lies under the pointer on the map, sent to the browser once.

A set's images, in order, as squares on JPEG sheets of up to 1,024, cached by the set's fingerprint. A tile
shows the centre square of its image, which is also what a network reads.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from sslviz import images, kept
from sslviz.imagesets import ImageSet

COLUMNS = 32
EACH = COLUMNS * COLUMNS
"""Tiles of a sheet."""
SMALL_SET = 1024
"""Sets up to this size get large tiles; of larger ones 64 pixels keep a sheet near a megabyte."""


@dataclass(frozen=True)
class Sheet:
    """One sheet, and where it belongs."""

    set: str
    """Fingerprint of the image set."""
    place: int
    """Its tiles are those of rows `place * EACH` on."""
    tile: int
    """Side of a tile in pixels."""
    rows: int
    """Rows of tiles."""
    jpeg: bytes

    @property
    def name(self) -> str:
        """A short name, unlike that of any other sheet."""
        return f"{hashlib.sha256(self.set.encode()).hexdigest()[:16]}_{self.place}"

    @property
    def head(self) -> dict[str, Any]:
        """What the browser needs to know beside the picture."""
        return {
            "set": self.set,
            "sheet": self.place,
            "tile": self.tile,
            "rows": self.rows,
            "columns": COLUMNS,
            "each": EACH,
        }


def sheets(imageset: ImageSet, report: Callable[[int, int], None] | None = None) -> list[Sheet]:
    """All sheets of a set, from the cache where they are; `report` is told (tiles done, tiles)."""
    count = len(imageset)
    return [
        _sheet(imageset, place, report and (lambda done: report(done, count)))
        for place in range(-(-count // EACH))
    ]


def _sheet(imageset: ImageSet, place: int, report: Callable[[int], None] | None) -> Sheet:
    tile = 96 if len(imageset) <= SMALL_SET else 64
    rows = range(place * EACH, min(len(imageset), (place + 1) * EACH))
    tall = -(-len(rows) // COLUMNS)
    key = hashlib.sha256(f"1 {tile} {place} {imageset.fingerprint}".encode()).hexdigest()[:32]
    path = kept.entry("sprites", f"{key}.bin")
    known = kept.read(path)
    jpeg = b"" if known is None else known[1]["jpeg"].tobytes()
    if not jpeg:
        sheet = np.full((tall * tile, COLUMNS * tile, 3), 128, np.uint8)
        for number, row in enumerate(rows):
            top, left = number // COLUMNS * tile, number % COLUMNS * tile
            square = images.square(images.decode_jpeg(imageset.thumbnail(row)), tile)
            sheet[top : top + tile, left : left + tile] = square
            if report and number % 64 == 0:
                report(row)
        jpeg = images.encode_jpeg(sheet, quality=82)
        kept.write(path, {"jpeg": np.frombuffer(jpeg, np.uint8)})
    return Sheet(imageset.fingerprint, place, tile, tall, jpeg)
