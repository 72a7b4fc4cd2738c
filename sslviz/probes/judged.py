"""What one probe finds: answers about what was asked, by source and block, and the figures made of them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sslviz.intervals import Comparison, compare, wilson

Answers = NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class Judged:
    """The answers of one probe to Q questions."""

    truth: Answers
    """(Q,) the labels."""
    answers: Mapping[str, Mapping[str, Answers]]
    """By source and block, (Q,) what the probe says; a source without blocks has one of its own name."""
    chosen: Mapping[str, str] = field(default_factory=dict)
    """By source, the block that was chosen on what is known alone."""

    def accuracy(self, source: str, block: str | None = None) -> float:
        """Share of right answers, of the chosen block by default."""
        return float(np.mean(self._right(source, block)))

    def by_block(self, source: str) -> dict[str, float]:
        """The same by block."""
        return {block: self.accuracy(source, block) for block in self.answers[source]}

    def interval(self, source: str, block: str | None = None) -> list[float]:
        """Wilson's 95% interval of the accuracy."""
        return wilson(self.accuracy(source, block), len(self.truth))

    def lead(self, source: str, other: str) -> Comparison:
        """What `source` leads `other` by on the same questions, at the chosen blocks: the interval of the
        difference is narrower than those of the two figures let one think."""
        return compare(self._right(source), self._right(other))

    def plain(self) -> dict[str, Any]:
        """As JSON has it: by source the accuracies by block, or one number; "best" are the chosen blocks."""
        told: dict[str, Any] = {
            source: self.accuracy(source) if set(blocks) == {source} else self.by_block(source)
            for source, blocks in self.answers.items()
        }
        several = [source for source, blocks in self.answers.items() if set(blocks) != {source}]
        return told | {"best": {source: self.accuracy(source) for source in several}}

    def _right(self, source: str, block: str | None = None) -> NDArray[np.bool_]:
        blocks = self.answers[source]
        answers = blocks[block or self.chosen.get(source) or next(iter(blocks))]
        right: NDArray[np.bool_] = answers == self.truth
        return right
