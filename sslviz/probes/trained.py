"""Probes that are trained by gradient descent: on the maps of a frozen encoder, or the whole network."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from sslviz import networks
from sslviz.probes import featured
from sslviz.probes.divided import Division
from sslviz.probes.judged import Answers, Judged
from sslviz.probes.measuring import Report
from sslviz.runs import Run

KNOWN = 10_000
"""Most images that are learned from: more would take minutes for little."""
HELD = 10
"""One in so many of what is known chooses the block, and is not learned from."""
WHOLE = ("fine_tuned", "supervised")
"""Of these the whole network is trained, and there are no blocks."""


def judge(
    run: Run, division: Division, favourites: Mapping[str, str], *, device: str, report: Report
) -> dict[str, Judged]:
    """The probes on maps, by name, and "whole": the network trained on the labels, from the run's weights and
    from those that the run began with. `favourites` are the blocks, of "run" and "untrained", that get a
    convolutional block."""
    from sslviz import classifiers

    learned, held = _held_out(division.known.labels)
    known, asked = (featured.squares(run, part) for part in (division.known, division.asked))
    found = classifiers.judge(
        networks.trained(run),
        networks.untrained(run),
        networks.task_of(run),
        known[learned],
        division.known.labels[learned],
        np.concatenate([asked, known[held]]),
        len(division.names),
        favourites=favourites,
        seed=run.spec.seed,
        device=device,
        report=report,
    )
    return _sorted(found, division, division.known.labels[held], favourites)


def _sorted(
    found: Mapping[str, Answers], division: Division, held: Answers, favourites: Mapping[str, str]
) -> dict[str, Judged]:
    """By probe, from answers by "probe/source/block" or "probe": those about what was asked come first."""
    count = len(division.asked)
    answers: dict[str, dict[str, dict[str, Answers]]] = {}
    right: dict[str, dict[str, dict[str, float]]] = {}
    for name, said in found.items():
        probe, source, block = name.split("/") if "/" in name else ("whole", name, name)
        answers.setdefault(probe, {}).setdefault(source, {})[block] = said[:count]
        share = float(np.mean(said[count:] == held)) if len(held) else 0.0
        right.setdefault(probe, {}).setdefault(source, {})[block] = share
    return {
        probe: Judged(
            division.asked.labels,
            sources,
            {source: _best(right[probe][source], favourites.get(source, "")) for source in sources},
        )
        for probe, sources in answers.items()
    }


def _best(shares: Mapping[str, float], favourite: str) -> str:
    """The block that was right most often; the favourite, where as often, as with nothing held out."""
    return max(shares, key=lambda block: (shares[block], block == favourite))


def _held_out(labels: Answers, seed: int = 0) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """(rows to learn from, rows to choose the block by): of each label one in ten, and never its last."""
    draw = np.random.default_rng(seed)
    learned, held = [], []
    for label in np.unique(labels):
        rows = draw.permutation(np.flatnonzero(labels == label))
        cut = len(rows) // HELD
        held.append(rows[:cut])
        learned.append(rows[cut:])
    order = draw.permutation(np.concatenate(learned))[:KNOWN]
    return np.sort(order), np.sort(np.concatenate(held))
