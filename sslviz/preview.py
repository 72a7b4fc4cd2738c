"""One example of a task on one image, as the pages show it: made by the `make` that training calls."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np
import torch
from numpy.typing import NDArray

from sslviz import images
from sslviz.errors import UserError
from sslviz.tasks.base import Batch, Problem, Task
from sslviz.tasks.copies import Changes
from sslviz.tasks.exemplar import Exemplar, ExemplarProblem
from sslviz.tasks.jigsaw import JigsawProblem

if TYPE_CHECKING:
    from sslviz.imagesets import ImageSet

COMPANY = 24
"""Images a preview of exemplar is bound with, whose classes are drawn from several images; the other tasks
look at one by itself."""


@dataclass(frozen=True)
class Example:
    """What the network is shown, and what it should say."""

    source: NDArray[np.uint8]
    """(S, S, 3): the square the views were cut from, not mirrored."""
    views: list[NDArray[np.uint8]]
    """V arrays (h, w, 3), before `Task.normalize`."""
    boxes: list[tuple[float, float, float, float]]
    """x0 y0 x1 y1 of each view in the source, mirrored first if `mirror`; in [0, 1]."""
    mirror: bool
    answer: int
    classes: int
    sentence: str
    """The answer in words."""
    row: int
    """Row of the image in its set."""
    permutation: list[int] | None
    """Jigsaw: slot i of the views shows this tile."""


@dataclass(frozen=True, eq=False)
class Bound:
    """A task bound to an image, and exemplar to a few more: what stays when another example is asked for."""

    problem: Problem
    classes: int
    """Of the task on the whole set."""
    square: NDArray[np.uint8]
    """(S, S, 3): the image."""
    row: int
    """Of the image in its set."""
    rows: list[int]
    """Rows of the problem that lie on the image; several for exemplar, where each is a seed patch."""

    def examples(self, seed: int) -> list[Example]:
        """All that the task makes of the image in one go: four turns for rotation, one or more patches for
        exemplar, one puzzle, one pair."""
        return self._made(torch.tensor(self.rows), torch.Generator().manual_seed(seed))

    def copies(self, seed: int, count: int) -> list[Example]:
        """`count` draws of one row: for exemplar, copies of the seed patch that `seed` chooses."""
        generator = torch.Generator().manual_seed(seed)
        chosen = self.rows[int(torch.randint(len(self.rows), (1,), generator=generator))]
        return self._made(torch.full((count,), chosen), generator)

    def drawn(self, row: int, seed: int, count: int) -> list[Example]:
        """`count` draws of the row `row` of the problem."""
        return self._made(torch.full((count,), row), torch.Generator().manual_seed(seed))

    def changed(self, row: int, changes: Changes) -> list[Example]:
        """Exemplar: copies of the seed patch in `row`, one of `rows`, that differ from it by `changes`."""
        assert isinstance(self.problem, ExemplarProblem)
        batch = self.problem.copy(torch.full((len(changes),), row), changes)
        return [self._pick(batch, at) for at in range(len(batch))]

    def puzzle(self, permutation: Sequence[int], seed: int) -> Example:
        """Jigsaw: the image's puzzle in this order of tiles. Those of one `seed` share crop, colours, and
        what is drawn for each slot."""
        assert isinstance(self.problem, JigsawProblem)
        alone = replace(self.problem, permutations=torch.tensor([list(permutation)]))
        return replace(self, problem=alone).examples(seed)[0]

    def _made(self, index: torch.Tensor, generator: torch.Generator) -> list[Example]:
        batch = self.problem.make(index, generator)
        return [self._pick(batch, at) for at in range(len(batch))]

    def _pick(self, batch: Batch, at: int) -> Example:
        answer = int(batch.answer[at])
        permutations = getattr(self.problem, "permutations", None)
        return Example(
            source=self.square,
            views=[view.permute(1, 2, 0).contiguous().cpu().numpy() for view in batch.views[at]],
            boxes=[(b[0], b[1], b[2], b[3]) for b in batch.boxes[at].tolist()],
            mirror=bool(batch.mirror[at]),
            answer=answer,
            classes=self.classes,
            sentence=self.problem.say(answer),
            row=self.row,
            permutation=None if permutations is None else [int(tile) for tile in permutations[answer]],
        )


def example(task: Task, images_: ImageSet | NDArray[np.uint8], row: int, seed: int) -> Example:
    """One example on the image in `row` of a set, or of squares uint8 (N, 3, S, S).

    Raises `UserError` where the image does not suffice for the task.
    """
    made = bind(task, images_, row).examples(seed)
    generator = torch.Generator().manual_seed(seed)
    return made[int(torch.randint(len(made), (1,), generator=generator))]


def bind(task: Task, images_: ImageSet | NDArray[np.uint8], row: int) -> Bound:
    """Bind a task to the image in `row`, and where it draws from several to the few after it.

    Raises `UserError` as `example` does.
    """
    count = len(images_)
    if not 0 <= row < count:
        raise UserError(f"There is no image {row} in a set of {count}.")
    company = min(COMPANY, count) if isinstance(task, Exemplar) else 1
    squares = torch.from_numpy(_squares(task, images_, [(row + i) % count for i in range(company)]))
    generator = torch.Generator().manual_seed(0)
    problem = task.excerpt(company, count).bind(squares, generator)
    if isinstance(problem, ExemplarProblem):  # hundreds of rows, of which it is known where they lie
        rows = (problem.seeds.row == 0).nonzero().flatten().tolist()
    else:  # each row makes as many examples as any other, one behind the other
        everything = problem.make(torch.arange(len(problem)), generator)
        mine = (everything.source == 0).nonzero().flatten().tolist()
        rows = sorted({at * len(problem) // len(everything) for at in mine})
    if not rows:
        raise UserError("This image has no detail that the task could use.", "Choose another one.")
    classes = problem.classes if company == count else task.answers(count) or problem.classes
    return Bound(problem, classes, squares[0].permute(1, 2, 0).contiguous().numpy(), row, rows)


def _squares(task: Task, images_: ImageSet | NDArray[np.uint8], rows: list[int]) -> NDArray[np.uint8]:
    if isinstance(images_, np.ndarray):
        return np.ascontiguousarray(images_[rows])
    side = task.side(images_.short_side)
    return np.stack([images.square(images_.pixels(row), side).transpose(2, 0, 1) for row in rows])
