"""What a run draws, and from what. Every generator is derived from the seed by purpose: what a step draws
depends on the seed, its number and how many steps are drawn at once (`Training.ahead`) alone, so a run that
is resumed takes the course it would have taken."""

from __future__ import annotations

import functools
import hashlib
import warnings
from collections.abc import Callable

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Generator, Tensor

from sslviz.errors import UserError
from sslviz.tasks.base import Batch, Problem, Task
from sslviz.tasks.sampling import send

HELDOUT = 2000
"""Examples that held-out accuracy is measured on, at least."""

PART = 250
"""Rows that the held-out examples are made of at a time."""

Images = Tensor | NDArray[np.uint8]
"""uint8 (N, 3, S, S); a memory map will do."""


def seed_for(seed: int, purpose: str, number: int = 0) -> Generator:
    """A CPU generator for one purpose of a run, and one step or epoch of it."""
    digest = hashlib.blake2b(f"{seed}/{purpose}/{number}".encode(), digest_size=8).digest()
    return Generator().manual_seed(int.from_bytes(digest, "big") >> 1)


def bind(task: Task, images: Images, seed: int, device: torch.device) -> Problem:
    """The task bound to images for a run with this seed: the same draws wherever it is asked.

    Images take up to a quarter of what memory a GPU has free; more stay on the host.
    """
    tensor = tensor_of(images)
    if device.type == "cuda" and tensor.nbytes <= torch.cuda.mem_get_info(device)[0] // 4:
        tensor = tensor.to(device)
    return task.bind(tensor, seed_for(seed, "bind"), device)


def tensor_of(images: Images) -> Tensor:
    """The images as a tensor that shares their memory, uint8 (N, 3, S, S)."""
    if isinstance(images, Tensor):
        return images
    with warnings.catch_warnings():  # nobody writes to it, so a read-only array will do
        warnings.filterwarnings("ignore", message="The given NumPy array is not writable")
        return torch.from_numpy(np.asarray(images))


def divide(problem: Problem, seed: int, held_out_from: int | None) -> tuple[Tensor, Tensor]:
    """Rows that a run with this seed trains on and rows that it holds out; `held_out_from` as in its plan.

    Raises `UserError` where the plan was made for more images.
    """
    count = len(problem)
    if held_out_from is None:
        return problem.split(seed_for(seed, "split"))
    if not 0 < held_out_from < count:
        raise UserError(
            f"The plan holds out the images after the first {held_out_from:,}, and there are {count:,}.",
            "Use the images that it was made for.",
        )
    rows = torch.arange(count)
    return rows[:held_out_from], rows[held_out_from:]


def rows_of_step(rows: Tensor, batch: int, seed: int, step: int) -> Tensor:
    """int64 (batch,): the rows of a step. All `rows` in an order drawn for each epoch, epoch after epoch."""
    count = len(rows)
    first, last = step * batch // count, ((step + 1) * batch - 1) // count
    begin = step * batch - first * count
    if first == last:  # as nearly always: an epoch of many images need not be copied
        return rows[_order(count, seed, first)[begin : begin + batch]]
    orders = [_order(count, seed, epoch) for epoch in range(first, last + 1)]
    return rows[torch.cat(orders)[begin : begin + batch]]


@functools.lru_cache(maxsize=4)
def _order(count: int, seed: int, epoch: int) -> Tensor:
    return torch.randperm(count, generator=seed_for(seed, "order", epoch))


def held_out(problem: Problem, rows: Tensor, seed: int, between: Callable[[], None] = lambda: None) -> Batch:
    """At least `HELDOUT` examples of `rows`, and hardly more: plans reckon with so many. They are of as many
    images as can be, and from a generator that training never uses, the same however often they are made.
    `between` is called now and then."""
    generator = seed_for(seed, "heldout")
    most = asked_of_each(len(rows))
    made: list[Batch] = []
    while sum(map(len, made)) < HELDOUT:
        # A few images are asked about again and again, many at a time.
        rounds = range(0, PART, len(rows))
        order = torch.cat([torch.randperm(len(rows), generator=generator) for _ in rounds])[:HELDOUT]
        for part in torch.split(order, PART):
            between()
            made.append(_at_most(most, problem.make(rows[part], generator), len(part), generator))
            if sum(map(len, made)) >= HELDOUT:
                break
    names = Batch.__dataclass_fields__
    return Batch(**{name: torch.cat([getattr(batch, name) for batch in made]) for name in names})


def asked_of_each(rows: int) -> int:
    """Held-out examples that are kept of a row each time it is asked about, at most: four turns of one image
    tell less than one turn of four."""
    return max(1, -(-HELDOUT // rows))


def _at_most(most: int, batch: Batch, rows: int, generator: Generator) -> Batch:
    """A batch of so many `rows` without what is more than `most` of each, by lot."""
    each = len(batch) // rows
    if each <= most:
        return batch
    lots = torch.rand(rows, each, generator=generator).argsort(1)[:, :most].sort(1).values
    kept = (lots + each * torch.arange(rows)[:, None]).flatten()
    parts = {name: getattr(batch, name) for name in Batch.__dataclass_fields__}
    return Batch(**{name: part[send(kept, part.device)] for name, part in parts.items()})
