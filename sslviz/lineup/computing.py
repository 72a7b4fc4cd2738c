"""The work: every contender is judged, and how alike they are; in a process of its own."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sslviz import imagesets, lineup, neighbors, probes, runs, similarity, sprites
from sslviz.errors import UserError
from sslviz.imagesets import ImageSet, Sample
from sslviz.lineup import KINDS, NEAR, Lineup, judging
from sslviz.lineup.judging import Entry
from sslviz.probes import Division
from sslviz.runs import Run

Report = Callable[[int, int, str], None]


class Parts:
    """Progress over parts of the work that are reported as one."""

    def __init__(self, report: Report | None, count: int) -> None:
        self.report, self.count, self.begun = report, count, 0

    def next(self, message: str) -> Report:
        """Begin a part; returns what is told (done, total, what) within it, as often from the start as the
        part has parts of its own: each takes a third of what is left, and nothing ever goes back."""
        place = self.begun
        self.begun += 1
        since = reached = 0.0

        def tell(done: int, total: int, said: str = "") -> None:
            nonlocal since, reached
            share = min(1.0, done / max(1, total))
            if since + (1 - since) * share / 3 < reached:
                since = reached
            reached = since + (1 - since) * share / 3
            if self.report:
                at = round(100 * (place + reached))
                self.report(at, 100 * self.count, f"{message}: {said}" if said else message)

        tell(0, 1)
        return tell


def compute(
    workspace: Path,
    run_ids: Sequence[str],
    set_name: str,
    *,
    device: str = "cpu",
    with_labels: bool = True,
    report: Report | None = None,
) -> Lineup:
    """Compute what is not computed yet: first everything but the network that is trained on the labels, which
    is kept at once; then that network, where there are labels and it is wanted (`with_labels`).

    `report` is called with (done, total, what is being done). Raises `UserError` for a run without weights
    and for an empty set.
    """
    found = [runs.open_run(workspace, id_) for id_ in run_ids]
    images = imagesets.open_set(workspace, set_name)
    if len(images) == 0:
        raise UserError(f"The set {set_name!r} is empty.", "Add images to it.")
    known = lineup.find(found, images)
    if known is not None and (known.whole or not with_labels):
        return known
    parts = Parts(report, len(found) + 2)
    try:
        division = probes.divide(images)
    except UserError:  # no two labels: agreement under disturbance takes their place
        told = _without_labels(found, images, parts)
    else:
        told = _with_labels(found, images, division, device, parts, last=with_labels)
    _keep(found, images, told)
    return told


def _with_labels(
    found: Sequence[Run], images: ImageSet, division: Division, device: str, parts: Parts, *, last: bool
) -> Lineup:
    rows, places = judging.rows_of(division)
    entries: list[Entry] = []
    for run in found:
        said = parts.next(run.title)
        entries += judging.by_labels(run, division, places, device, said, alone=run is not found[0])
    about: dict[str, Any] = {"known": len(division.known), "asked": len(division.asked)}
    about["chance"] = division.chance
    entries = judging.ranked(entries, found, division)
    told = _compared(entries, rows, parts.next("how alike they are"), whole=False, **about)
    if not last:
        return told
    _keep(found, images, told)
    said = parts.next("the same network learns from the labels")
    entries.append(judging.from_labels(found[0], division, places, device, said))
    return _compared(entries, rows, said, whole=True, **about)


def _without_labels(found: Sequence[Run], images: ImageSet, parts: Parts) -> Lineup:
    some = judging.sample(images)
    entries: list[Entry] = []
    for run in found:
        entries += judging.by_agreement(run, some, parts.next(run.title), alone=run is not found[0])
    return _compared(entries, some.rows, parts.next("how alike they are"), whole=True)


def _keep(found: Sequence[Run], images: ImageSet, told: Lineup) -> None:
    sprites.sheets(Sample(images, told.rows))  # for the page, which is not to wait for them
    lineup.store(found, images, told)


def _compared(entries: Sequence[Entry], rows: NDArray[np.int64], report: Report, **about: Any) -> Lineup:
    """Everything that is asked of two contenders."""
    entries = sorted(entries, key=lambda entry: KINDS.index(entry.contender.kind))
    near = []
    for done, entry in enumerate(entries):
        report(done, len(entries), "neighbours")
        near.append(neighbors.search(entry.features, entry.features, NEAR, exclude_self=True)[0])
    report(0, 1, "CKA")
    return Lineup(
        [entry.contender for entry in entries],
        similarity.matrix([entry.features for entry in entries]),
        [[float(similarity.shared(one, other).mean()) for other in near] for one in near],
        rows,
        np.stack(near),
        **about,
    )
