"""Threads: work that is shared is done once, in order, and torch has as many afterwards as before."""

from __future__ import annotations

import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from types import SimpleNamespace

import pytest
import torch

from sslviz.threads import at_most, one_each, side_by_side

pytestmark = pytest.mark.usefixtures("three_threads")


def test_each_part_is_worked_on_once_and_found_in_order() -> None:
    everyone = threading.Barrier(3, timeout=20)  # so the three are at work at once

    def work(part: int) -> tuple[int, int]:
        everyone.wait()
        return part * part, torch.get_num_threads()

    assert list(side_by_side(work, range(6))) == [(n * n, 1) for n in range(6)]
    assert torch.get_num_threads() == 3


def test_as_many_at_a_time_as_are_given() -> None:
    names = set(side_by_side(lambda _: threading.get_ident(), range(20), threads=1))
    assert len(names) == 1


def test_what_goes_wrong_in_a_part_is_raised_and_threads_are_as_before() -> None:
    def work(part: int) -> int:
        if part == 2:
            raise ValueError("two")
        return part

    with pytest.raises(ValueError, match="two"):
        list(side_by_side(work, range(5)))
    assert torch.get_num_threads() == 3


def test_at_most_never_gives_more() -> None:
    with at_most(2):
        assert torch.get_num_threads() == 2
        with at_most(8):
            assert torch.get_num_threads() == 2
        assert torch.get_num_threads() == 2
    assert torch.get_num_threads() == 3


def test_one_each_holds_in_threads_to_come() -> None:
    one_each()
    with ThreadPoolExecutor(1) as pool:
        assert pool.submit(torch.get_num_threads).result() == 1


def test_one_each_does_not_wait_for_whoever_imports_torch(monkeypatch: pytest.MonkeyPatch) -> None:
    half = SimpleNamespace(__spec__=SimpleNamespace(_initializing=True))  # without anything to call
    monkeypatch.setitem(sys.modules, "torch", half)  # type: ignore[arg-type]
    one_each()
