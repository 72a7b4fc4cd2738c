"""Whether features get better while the pretext task is learned: neighbours vote on labelled images."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from sslviz import neighbors
from sslviz.features import glimpse, pixels
from sslviz.imagesets import ImageSet
from sslviz.model import Network
from sslviz.tasks import Task


class Looker:
    """Labelled images of a set, the same at every look, and what to compare with."""

    def __init__(
        self, images: ImageSet, squares: NDArray[np.uint8], count: int, seed: int, device: str
    ) -> None:
        """`squares` is uint8 (N, 3, S, S); at most `count` of those with a label are looked at, drawn by
        `seed`. Without two labels there is nothing to `find`."""
        names = sorted(images.label_counts())
        place = {name: number for number, name in enumerate(names)}
        given = np.array([place.get(entry.label or "", -1) for entry in images.entries], np.int64)
        rows = np.flatnonzero(given >= 0)
        drawn = np.random.default_rng(seed).permutation(len(rows))[:count]
        self.rows = np.sort(rows[drawn])
        self.labels = given[self.rows]
        self.names = names
        self.device = device
        self.squares = squares

    @property
    def able(self) -> bool:
        """Whether there are labels that can be told apart."""
        return len(self.names) > 1 and len(self.rows) > 2

    def find(self, network: Network, task: Task) -> tuple[str, float]:
        """(block, share of the images whose label their nearest others tell), of the best block."""
        features = glimpse(network, task, self.squares[self.rows], device=self.device)
        shares = {block: self._share(found) for block, found in features.items()}
        return max(shares.items(), key=lambda pair: pair[1])

    def find_without(self, untrained: Network, task: Task) -> dict[str, Any]:
        """What there is without training, by its names in `Status`."""
        return {
            "knn_untrained": self.find(untrained, task)[1],
            "knn_pixels": self._share(pixels(self.squares[self.rows])),
            "knn_chance": float(np.bincount(self.labels).max() / len(self.labels)),
        }

    def _share(self, features: NDArray[np.float32]) -> float:
        found = neighbors.search(features, features, neighbors.VOTERS, exclude_self=True)
        share = neighbors.leave_one_out(*found, self.labels, len(self.names))
        return 0.0 if share is None else share
