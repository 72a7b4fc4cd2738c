"""The rounds of a game: samples of images that the network does not know, and what it says to each."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Generator, Tensor
from torch.nn import functional

from sslviz import examinee, networks
from sslviz.errors import UserError
from sslviz.examinee import Kind
from sslviz.images import square
from sslviz.imagesets import ImageSet
from sslviz.model import Network
from sslviz.quiz import CANDIDATES, ROUNDS, Round, Said
from sslviz.runs import Run
from sslviz.runs.identity import has_head
from sslviz.tasks.base import Batch, Problem, Task
from sslviz.tasks.exemplar import Exemplar, ExemplarProblem
from sslviz.train.draws import seed_for

COMPANY = 24
"""Images from which patches are drawn where the network has no classes of its own."""
NAMED = 12
"""Choices up to which each has a name."""


@dataclass(frozen=True, eq=False)
class Game:
    """Rounds, and where their images come from."""

    rounds: list[Round]
    kind: Kind | None
    """What the network knows of the images, see `examinee.Unseen`; None where one plays alone."""


def draw(images: ImageSet, task: Task, number: int, run: Run | None = None, count: int = ROUNDS) -> Game:
    """The game of this number: `count` rounds on images that the network of `run` has not been trained on.

    With a run, `task` is that run's. Raises `UserError` where the images do not suffice for the task, and for
    a run that cannot be asked.
    """
    draws = seed_for(number, f"quiz {task.name}")
    if run is None:
        rows: NDArray[np.int64] = np.arange(len(images), dtype=np.int64)
        kind: Kind | None = None
    else:
        found = examinee.unseen(run, images)
        rows, kind = found.rows, found.kind
    if isinstance(task, Exemplar):
        return Game(_patches(images, task, rows, run, draws, count), kind)
    chosen = _some(rows, count, draws)
    side = task.side(images.short_side) if run is None else networks.side_for(run, images)
    seed = 0 if run is None else run.spec.seed
    problem = task.bind(_squares(images, chosen, side), seed_for(seed, "bind"))
    batch = problem.make(torch.arange(count), draws)
    if len(batch) > count:  # of the four turns of an image one is shown
        each = len(batch) // count
        shown = torch.arange(count) * each + torch.randint(each, (count,), generator=draws)
        batch = Batch(**{name: value[shown] for name, value in vars(batch).items()})
    said = [None] * count if run is None else _said(run, task, problem, batch)
    return Game([_round(task, problem, batch, at, chosen, said[at]) for at in range(count)], kind)


def _some(rows: NDArray[np.int64], count: int, draws: Generator) -> list[int]:
    """`count` of the rows in a random order; again and again the same where there are too few."""
    order = rows[torch.randperm(len(rows), generator=draws).numpy()]
    return [int(order[place % len(order)]) for place in range(count)]


def _squares(images: ImageSet, rows: list[int], side: int) -> Tensor:
    """uint8 (B, 3, S, S), as `ImageSet.squares` has them, without making all of them."""
    return torch.from_numpy(np.stack([square(images.pixels(row), side).transpose(2, 0, 1) for row in rows]))


def _said(run: Run, task: Task, problem: Problem, batch: Batch) -> list[Said | None]:
    network = examinee.network_of(run)
    if not examinee.fit(network, problem):
        raise UserError(
            "This network answers with other permutations than its options say.", "Choose another."
        )
    shares = examinee.ask(network, task, batch.views).softmax(1)
    return [_likeliest(row, int(answer)) for row, answer in zip(shares, batch.answer, strict=True)]


def _likeliest(shares: Tensor, answer: int, *, by_likeness: bool = False) -> Said:
    best = int(shares.argmax())
    return Said(best, float(shares[best]), float(shares[answer]), by_likeness)


def _round(task: Task, problem: Problem, batch: Batch, at: int, rows: list[int], said: Said | None) -> Round:
    answer = int(batch.answer[at])
    orders = getattr(problem, "permutations", None)
    few = problem.classes <= NAMED
    return Round(
        task=task.name,
        views=[_pixels(view) for view in batch.views[at]],
        answer=answer,
        choices=problem.classes,
        row=rows[int(batch.source[at])],
        sentence=problem.say(answer),
        boxes=[(b[0], b[1], b[2], b[3]) for b in batch.boxes[at].tolist()],
        mirror=bool(batch.mirror[at]),
        words=tuple(problem.say(one) for one in range(problem.classes)) if few else (),
        orders=None if orders is None else orders.numpy(),
        said=said,
    )


def _pixels(view: Tensor) -> NDArray[np.uint8]:
    return view.permute(1, 2, 0).contiguous().numpy()


# Exemplar: a copy, and several patches of which one is its own


def plain(problem: ExemplarProblem) -> ExemplarProblem:
    """The same seeds, whose copies are the patches as they lie in their images."""
    still = replace(problem.task, translation=0.0, scale=1.0, rotation=0.0)
    return replace(problem, task=replace(still, contrast=1.0, power=1.0, multiply=1.0, add=0.0, hue=0.0))


def _patches(
    images: ImageSet, task: Exemplar, rows: NDArray[np.int64], run: Run | None, draws: Generator, count: int
) -> list[Round]:
    network = None
    by_class = run is not None and examinee.knows_classes(run, images) and has_head(run)
    if run is not None:
        network = examinee.network_of(run) if by_class else networks.trained(run).eval()
    if by_class:
        assert run is not None
        problem, chosen = examinee.bound(run, images), list(range(len(images)))
    else:
        chosen = _some(rows, min(COMPANY, len(rows)), draws)
        side = task.side(images.short_side) if run is None else networks.side_for(run, images)
        excerpt = task.excerpt(len(chosen), len(images))
        problem = excerpt.bind(_squares(images, chosen, side), draws)
    assert isinstance(problem, ExemplarProblem)
    made = []
    for _ in range(count):
        among = _apart(problem, draws)
        place = int(torch.randint(len(among), (1,), generator=draws))
        copy = problem.make(torch.tensor([among[place]]), draws)
        shown = plain(problem).make(torch.tensor(among), draws)
        said = (
            None if network is None else _choice(network, task, copy, shown, among, place, by_class=by_class)
        )
        one = _round(task, problem, copy, 0, chosen, said)
        patches = tuple(_pixels(view[0]) for view in shown.views)
        made.append(replace(one, answer=place, choices=len(among), words=(), candidates=patches))
    return made


def _apart(problem: ExemplarProblem, draws: Generator) -> list[int]:
    """Some seeds, from as many images as can be."""
    order = torch.randperm(len(problem), generator=draws).tolist()
    first: dict[int, int] = {}
    for one in order:
        first.setdefault(int(problem.seeds.row[one]), one)
        if len(first) == CANDIDATES:
            break
    chosen = list(first.values())
    return (chosen + [one for one in order if one not in chosen])[:CANDIDATES]


def _choice(
    network: Network, task: Task, copy: Batch, shown: Batch, among: list[int], place: int, *, by_class: bool
) -> Said:
    """Which of the candidates the network takes the copy to be of: the likeliest of their classes, or the one
    that is most like the copy by its features."""
    if by_class:
        return _likeliest(examinee.ask(network, task, copy.views)[0, among].softmax(0), place)
    with torch.inference_mode():
        views = task.normalize(torch.cat([copy.views, shown.views]))
        features = functional.normalize(network.embed(views).flatten(1))
    return _likeliest(features[1:] @ features[0], place, by_likeness=True)
