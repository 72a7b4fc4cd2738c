"""What each contender is worth, and its features: by probes where there are labels, else by agreement."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sslviz import embeddings, features, imagesets, networks, probes
from sslviz.embeddings import Source, computing, stored
from sslviz.imagesets import ImageSet, Sample
from sslviz.intervals import Comparison, compare
from sslviz.lineup import Contender, Kind, Score, supervised
from sslviz.probes import Division, Judged, featured, measuring
from sslviz.probes.featured import Featured
from sslviz.runs import Run

Floats = NDArray[np.float32]
Ints = NDArray[np.int64]
Report = Callable[[int, int, str], None]

MOST = 5000
"""Images that features are compared on: CKA of eight networks is then a matter of seconds."""
UNLABELLED = 2000
"""The same where there are no labels, and features are not known from the probes already."""
PLAIN = ("pixels", "colours")


@dataclass(frozen=True, eq=False)
class Entry:
    """A contender and its features, (n, D)."""

    contender: Contender
    features: Floats


def rows_of(division: Division) -> tuple[Ints, Ints]:
    """Rows of the set, ascending, that features are compared on; and where they are among what is known and
    then asked."""
    both = np.concatenate([division.known.rows, division.asked.rows])
    labels = np.concatenate([division.known.labels, division.asked.labels])
    order = np.argsort(both)
    places: Ints = order[imagesets.draw_evenly(labels[order], MOST)]
    return both[places], places


def by_labels(
    run: Run, division: Division, places: Ints, device: str, report: Report, *, alone: bool
) -> Iterator[Entry]:
    """What probes say of a run and, unless it is `alone`, of what stands beside it."""
    probes.measure(run, division, ("knn", "linear"), device=device, report=report)
    judged = {probe: _found(run, division, probe) for probe in ("knn", "linear")}
    for source in ("run",) if alone else ("run", "untrained", *PLAIN):
        blocks = featured.of(run, division, source, device=device)
        block = judged["knn"].chosen[source]
        rows = np.concatenate([blocks[block].known, blocks[block].asked])[places]
        scores = {probe: _score(told, source) for probe, told in judged.items()}
        yield Entry(_contender(run, source, block, **scores), rows)


def ranked(entries: Sequence[Entry], found: Sequence[Run], division: Division) -> list[Entry]:
    """The entries, with how far each task is behind the best of them, question by question."""
    behind: dict[str, dict[str, Comparison]] = {run.id: {} for run in found}
    for probe in ("knn", "linear"):
        right = {run.id: _right(_found(run, division, probe)) for run in found}
        best = max(right, key=lambda id_: float(right[id_].mean()))
        for id_ in set(right) - {best}:
            behind[id_][probe] = compare(right[id_], right[best])
    return [
        replace(one, contender=_placed(one.contender, behind[one.contender.run]))
        if one.contender.kind == "task"
        else one
        for one in entries
    ]


def _placed(one: Contender, behind: Mapping[str, Comparison]) -> Contender:
    assert one.knn is not None
    assert one.linear is not None
    return replace(
        one,
        knn=replace(one.knn, behind=behind.get("knn")),
        linear=replace(one.linear, behind=behind.get("linear")),
    )


def _right(judged: Judged) -> NDArray[np.bool_]:
    """Which questions a run answers rightly, at its chosen block."""
    right: NDArray[np.bool_] = judged.answers["run"][judged.chosen["run"]] == judged.truth
    return right


def _found(run: Run, division: Division, probe: str) -> Judged:
    judged = probes.find(run, division, probe)
    assert judged is not None, probe
    return judged


def _score(judged: Judged, source: str) -> Score:
    low, high = judged.interval(source)
    block = judged.chosen.get(source, "") if source not in PLAIN else ""
    beside = source == "run" and "untrained" in judged.answers
    lead = judged.lead(source, "untrained") if beside else None
    return Score(judged.accuracy(source), low, high, block, lead)


def _contender(run: Run, source: str, block: str, **more: Any) -> Contender:
    if source in PLAIN:
        return Contender(source, **more)  # type: ignore[arg-type]
    if source == "run":
        status = run.status()
        more |= {"steps": status.step, "seconds": status.seconds}
        more |= {"pretext": status.heldout_accuracy, "chance": status.chance}
    kind: Kind = "task" if source == "run" else source  # type: ignore[assignment]
    return Contender(kind, run.id, run.spec.task, block, **more)


def from_labels(run: Run, division: Division, places: Ints, device: str, report: Report) -> Entry:
    """The network of a run, trained on the labels of what is known, and what the same probes say of it."""
    known, asked = (featured.squares(run, part) for part in (division.known, division.asked))
    taught = supervised.teach(
        run,
        known,
        division.known.labels,
        len(division.names),
        device=device,
        report=lambda done, total: report(done, total, ""),
    )
    both, task = np.concatenate([known, asked]), networks.task_of(run)
    looked = features.extract(taught.network, task, both, memory=known, device=device)
    count = len(known)
    blocks = {name: Featured(rows[:count], rows[count:]) for name, rows in looked.items()}
    judged = {
        probe: measure({"run": blocks}, division, report)
        for probe, measure in (("knn", measuring.knn), ("linear", measuring.linear))
    }
    block = judged["knn"].chosen["run"]
    scores = {probe: _score(told, "run") for probe, told in judged.items()}
    contender = _contender(run, "supervised", block, steps=taught.steps, seconds=taught.seconds, **scores)
    return Entry(contender, looked[block][places])


def by_agreement(run: Run, some: ImageSet, report: Report, *, alone: bool) -> Iterator[Entry]:
    """The same without labels: the block is that in which an image keeps most of its neighbours when it is
    disturbed."""
    sources: tuple[Source, ...] = ("run",) if alone else ("run", "untrained", "pixels")
    for source in sources:
        if not stored.are_whole(run, some, source):
            looked = computing.look(run, some, source, lambda done, total: report(done, total, ""))
            computing.store(run, some, source, looked)
        one = embeddings.find(run, some, source)
        assert one is not None, source
        kept = embeddings.agreements(run, some, source).get(one.block)
        yield Entry(_contender(run, source, one.block, agreement=kept), np.array(one.features))
    if not alone:
        colours = features.colours(some.squares(features.PIXEL_SIDE))
        yield Entry(_contender(run, "colours", ""), colours)


def sample(images: ImageSet) -> Sample:
    """The images that features are compared on where there are no labels."""
    return Sample(images, imagesets.draw_evenly(np.zeros(len(images), np.int64), UNLABELLED))
