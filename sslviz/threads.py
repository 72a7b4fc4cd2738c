"""How many threads a computation has. Of steps that take less than a millisecond, threads within one wait for
each other, and on a busy machine for many times as long as they work: there, one thread each is quickest."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import TypeVar

Part = TypeVar("Part")
Found = TypeVar("Found")


@contextmanager
def at_most(count: int) -> Iterator[None]:
    """Torch has no more than this many threads within one step, for as long as this lasts."""
    import torch

    before = torch.get_num_threads()
    torch.set_num_threads(min(count, before))
    try:
        yield
    finally:
        torch.set_num_threads(before)


def one_each() -> None:
    """From here on torch has one thread within a step, if it is there at all: for a server, whose steps are
    small, and beside which a browser draws and jobs compute. With two cores and two threads a picture that
    takes 5 ms took 25."""
    torch = sys.modules.get("torch")
    # While another thread imports it, to ask for it would be to wait for seconds.
    if torch is None or getattr(torch.__spec__, "_initializing", False):
        return
    if torch.get_num_threads() > 1:
        torch.set_num_threads(1)


def side_by_side(
    work: Callable[[Part], Found], parts: Iterable[Part], threads: int | None = None
) -> Iterator[Found]:
    """What `work` makes of each part, in their order: each part in a thread of its own, as many at a time as
    torch has, or as are given, and one thread within each of its steps."""
    import torch

    threads = threads or torch.get_num_threads()
    with at_most(1), ThreadPoolExecutor(threads) as pool:
        yield from pool.map(work, parts)
