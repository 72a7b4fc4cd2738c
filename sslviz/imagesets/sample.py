"""Some images of a set in the place of all: what is measured where all would take too long."""

from __future__ import annotations

import contextlib
import hashlib
import json
from typing import TYPE_CHECKING

import numpy as np

from sslviz.imagesets.opened import ImageSet

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from numpy.typing import NDArray

    from sslviz.imagesets.index import Entry


class Sample(ImageSet):
    """A set of some rows of another, in their order, which cannot be changed."""

    def __init__(self, whole: ImageSet, rows: NDArray[np.int64]) -> None:
        self.whole, self.rows = whole, rows
        self._some = tuple(whole.entries[row] for row in rows.tolist())
        super().__init__(whole.workspace, whole.folder)

    @property
    def entries(self) -> tuple[Entry, ...]:
        return self._some

    def squares(self, side: int, report: Callable[[int, int], None] | None = None) -> NDArray[np.uint8]:
        """Every image's centre square, uint8 (N, 3, S, S), in memory."""
        found: NDArray[np.uint8] = self.whole.squares(side, report)[self.rows]
        return found

    @contextlib.contextmanager
    def _changing(self, timeout: float | None = None) -> Iterator[None]:  # noqa: ARG002
        raise AssertionError("a sample is changed by changing the set that it is drawn from")
        yield


def draw_evenly(labels: NDArray[np.int64], count: int, seed: int = 0) -> NDArray[np.int64]:
    """At most `count` rows, ascending, with of each label, int64 (N,), its share to within one."""
    total = len(labels)
    if total <= count:
        return np.arange(total, dtype=np.int64)
    order = np.lexsort((np.random.default_rng(seed).random(total), labels))
    places = (2 * np.arange(count) + 1) * total // (2 * count)
    return np.sort(order[places]).astype(np.int64)


def labels_digest(images: ImageSet) -> str:
    """16 hexadecimal digits of the labels in order, which the fingerprint of a set does not know."""
    return hashlib.sha256(json.dumps(images.labels).encode()).hexdigest()[:16]
