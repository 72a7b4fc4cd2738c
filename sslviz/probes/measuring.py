"""The probes that take features: neighbours, linear classifiers, and both with few labels."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sslviz import neighbors
from sslviz.probes import featured
from sslviz.probes.divided import Division
from sslviz.probes.featured import SOURCES, Featured
from sslviz.probes.judged import Answers, Judged
from sslviz.runs import Run
from sslviz.threads import side_by_side

Report = Callable[[int, int, str], None]
"""Called with things done, things to do, and what is being done."""

HELD_OUT = 10_000
"""Known images that choose the block of the linear probe, at most."""
SAID = {
    "run": "the run",
    "untrained": "the untrained network",
    "pixels": "raw pixels",
    "colours": "colour histograms",
}


def sources(run: Run, division: Division, device: str, report: Report) -> dict[str, dict[str, Featured]]:
    """Features of all sources, by source and block."""
    found = {}
    for source in SOURCES:

        def tell(done: int, total: int, source: str = source) -> None:
            report(done, total, f"features of {SAID[source]}")

        found[source] = featured.of(run, division, source, device=device, report=tell)
    return found


def knn(found: Mapping[str, Mapping[str, Featured]], division: Division, report: Report) -> Judged:
    """The 20 nearest of what is known vote, weighed by exp(similarity / 0.1). The block is chosen by
    leave-one-out on what is known."""
    labels, classes = division.known.labels, len(division.names)
    answers: dict[str, dict[str, Answers]] = {}
    chosen = {}
    for source, blocks in found.items():
        answers[source], alone = {}, {}
        for number, (block, one) in enumerate(blocks.items()):
            report(number, len(blocks), f"neighbours by {SAID[source]}")
            near = neighbors.search(one.asked, one.known, min(neighbors.VOTERS, len(one.known)))
            answers[source][block] = neighbors.vote(*near, labels, classes)
            alone[block] = _leave_one_out(one.known, labels, classes) if len(blocks) > 1 else 0.0
        chosen[source] = max(alone, key=lambda block: alone[block])
    return Judged(division.asked.labels, answers, chosen)


def _leave_one_out(known: NDArray[np.float32], labels: Answers, classes: int) -> float:
    near = neighbors.search(known, known, min(neighbors.VOTERS, max(1, len(known) - 1)), exclude_self=True)
    return float(np.mean(neighbors.vote(*near, labels, classes) == labels))


def linear(found: Mapping[str, Mapping[str, Featured]], division: Division, report: Report) -> Judged:
    """A linear classifier of each block. The block is chosen on a fifth of what is known, by a classifier of
    the other four."""
    from sslviz import linear as regression

    labels, classes = division.known.labels, len(division.names)
    asked = [(source, block) for source, blocks in found.items() for block in blocks]

    def judge(about: tuple[str, str]) -> tuple[Answers, float]:
        source, block = about
        one = found[source][block]
        probe = regression.chosen(one.known, labels, classes)
        alone = len(found[source]) == 1
        share = 0.0 if alone else _held_out(one.known, labels, classes, probe.penalty)
        return probe.predict(one.asked), share

    answers: dict[str, dict[str, Answers]] = {source: {} for source in found}
    shares: dict[str, dict[str, float]] = {source: {} for source in found}
    for number, ((source, block), (told, share)) in enumerate(
        zip(asked, side_by_side(judge, asked), strict=True)
    ):
        report(number, len(asked), f"linear classifiers on {SAID[source]}")
        answers[source][block], shares[source][block] = told, share
    chosen = {source: max(by_block, key=by_block.__getitem__) for source, by_block in shares.items()}
    return Judged(division.asked.labels, answers, chosen)


def _held_out(known: NDArray[np.float32], labels: Answers, classes: int, penalty: float) -> float:
    """Share that is told of one in five, at most 2,000, by a classifier of four in five."""
    from sslviz import linear as regression

    order = np.random.default_rng(0).permutation(len(known))[:HELD_OUT]
    cut = len(order) // 5
    judged, learned = order[:cut], order[cut:]
    if len(np.unique(labels[learned])) < 2 or not cut:
        return 0.0
    probe = regression.fit(known[learned], labels[learned], classes, penalty=penalty)
    return float(np.mean(probe.predict(known[judged]) == labels[judged]))


def few(
    found: Mapping[str, Mapping[str, Featured]], blocks: Mapping[str, str], division: Division, report: Report
) -> dict[str, Any]:
    """Accuracy with few labels, by source, at `blocks`: see `sslviz.few.curve`."""
    from sslviz import few as shortage

    told: dict[str, Any] = {}
    for source, block in blocks.items():

        def tell(done: int, total: int, source: str = source) -> None:
            report(done, total, f"few labels, {SAID[source]}")

        one = found[source][block]
        points = shortage.curve(
            one.known,
            division.known.labels,
            one.asked,
            division.asked.labels,
            len(division.names),
            report=tell,
        )
        told[source] = [
            {
                "count": "all" if point.count is None else point.count,
                "images": point.images,
                "draws": len(point.linear.draws),
                "linear": {"mean": point.linear.mean, "deviation": point.linear.deviation},
                "knn": {"mean": point.neighbors.mean, "deviation": point.neighbors.deviation},
            }
            for point in points
        ]
    return told
