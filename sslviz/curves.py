"""The curves of a run as numbers: read as they grow, smoothed, thinned, joined to those of earlier runs.

No streamlit and no torch: the page draws what comes from here.
"""

from __future__ import annotations

import json
import math
import os
import threading
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import Any

from sslviz import runs
from sslviz.errors import UserError
from sslviz.runs import Run

POINTS = 400
"""About so many points of a curve are drawn; a screen shows no more."""
ANCESTORS = 20
"""Runs before a run that are looked for."""

Point = dict[str, Any]
Values = Sequence[float | None]


@dataclass
class _Tail:
    """A file of points that was read up to somewhere, and is read on from there."""

    path: Path
    inode: int = -1
    offset: int = 0
    last: bytes = b""
    """The line before `offset`."""
    points: list[Point] = field(default_factory=list)
    turn: threading.Lock = field(default_factory=threading.Lock)
    """Every browser tab has a thread of its own."""

    def read(self) -> list[Point]:
        with self.turn:
            return self._read()

    def _read(self) -> list[Point]:
        try:
            with self.path.open("rb") as file:
                stat = os.fstat(file.fileno())
                # Another file under the name: a resumed run has written its points anew. A name given anew
                # often has the number that the file before the last had.
                file.seek(max(0, self.offset - len(self.last)))
                same = stat.st_ino == self.inode and file.read(len(self.last)) == self.last
                if not same or stat.st_size < self.offset:
                    self.inode, self.offset, self.last, self.points = stat.st_ino, 0, b"", []
                file.seek(self.offset)
                text = file.read()
        except OSError:
            return []
        whole = text[: text.rfind(b"\n") + 1]
        fresh = [point for line in whole.split(b"\n") if (point := _point(line)) is not None]
        if whole:
            self.last = whole[whole.rfind(b"\n", 0, -1) + 1 :]
        # A new list, for somebody may be going through the old one.
        self.points, self.offset = self.points + fresh, self.offset + len(whole)
        return self.points


def _point(line: bytes) -> Point | None:
    try:
        point = json.loads(line)
    except (ValueError, RecursionError):
        return None
    return point if isinstance(point, dict) and isinstance(point.get("step"), int) else None


@lru_cache(maxsize=64)
def _tail(path: Path) -> _Tail:
    return _Tail(path)


def read(run: Run) -> list[Point]:
    """The points of a run's curves in order, as `Run.metrics`, of which only what is new is read."""
    return _tail(run.folder / "metrics.jsonl").read()


def number(value: object) -> float | None:
    """`value` where it is a number that can be drawn."""
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        return None
    return float(value)


def smooth(values: Values, weight: float) -> list[float | None]:
    """Exponential moving average with `weight` in [0, 1) for what came before; None stays None.

    Divided by the sum of the weights so far, so that it does not begin at nought (Kingma and Ba, "Adam",
    section 3).
    """
    mean, seen = 0.0, 0.0
    smoothed: list[float | None] = []
    for value in values:
        if value is None:
            smoothed.append(None)
            continue
        mean = weight * mean + (1.0 - weight) * value
        seen = weight * seen + (1.0 - weight)
        smoothed.append(mean / seen)
    return smoothed


def kept(count: int, most: int = POINTS) -> list[int]:
    """Which of `count` points to draw, ascending: at most `most` and the newest.

    Every second, fourth, eighth … one, so that a point once drawn is drawn until the next halving and the
    curve does not shimmer as it grows.
    """
    stride = 1
    while count > most * stride:
        stride *= 2
    places = list(range(0, count, stride))
    if places and places[-1] != count - 1:
        places.append(count - 1)
    return places


def lineage(run: Run) -> list[Run]:
    """The runs whose weights `run` started from, oldest first, as far as they are still there."""
    found: list[Run] = []
    seen = {run.id}
    while run.spec.start and run.spec.start not in seen and len(found) < ANCESTORS:
        try:
            run = runs.open_run(run.workspace, run.spec.start)
        except UserError:
            break
        seen.add(run.id)
        found.append(run)
    return found[::-1]


def children(run: Run, among: Sequence[Run]) -> list[Run]:
    """The runs that started from the weights of `run`."""
    return [other for other in among if other.spec.start == run.id]


def joined(run: Run, before: Sequence[Run] = ()) -> tuple[list[Point], list[Point]]:
    """Points of `run` after those of the runs `before` it, on one axis of steps and one of seconds; and the
    places, step and seconds, where one began after another."""
    if not before:
        return read(run), []
    points: list[Point] = []
    begins: list[Point] = []
    for part in (*before, run):
        offset = part.spec.since
        # What a run did after the step that the next one started from is no part of this story.
        points = [point for point in points if point["step"] <= offset]
        began = next((s for point in reversed(points) if (s := point["seconds"]) is not None), 0.0)
        if points:
            begins.append({"step": offset, "seconds": began})
        for point in read(part):
            at = number(point.get("seconds"))
            seconds = None if at is None else began + at
            points.append({**point, "step": point["step"] + offset, "seconds": seconds})
    return points, begins
