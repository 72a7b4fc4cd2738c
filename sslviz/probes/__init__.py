"""How much the features of a run are worth for telling labels, beside what stands for nothing learned.

Two probes: neighbours, which ask most of the features, and a linear classifier. Beside the run stand the same
network before training, raw pixels, the colours alone, and chance. Which block is looked at is chosen on what
is known, and its accuracy then read on what is asked, so the choice costs no honesty.

Findings are kept in the cache, so a page reads what a job found; reading imports numpy alone.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from sslviz import kept
from sslviz.errors import UserError
from sslviz.intervals import smallest_difference, wilson
from sslviz.origins import images_of
from sslviz.probes import stored
from sslviz.probes.divided import Division, default_memory, divide
from sslviz.probes.judged import Judged

if TYPE_CHECKING:
    from sslviz.imagesets import ImageSet
    from sslviz.probes.measuring import Report
    from sslviz.runs import Run

__all__ = [
    "PARTS", "Division", "Judged",
    "default_memory", "divide", "evaluate", "few_labels", "find", "measure", "memory_for", "missing",
    "smallest_difference", "state", "wilson",
]  # fmt: skip

PARTS = ("knn", "linear", "few")
"""What `measure` measures: both probes, and both with few labels."""


def memory_for(run: Run, queries: ImageSet) -> ImageSet | None:
    """What is known unless somebody says otherwise: the run's own images where they do, else None."""
    try:
        own = images_of(run)
    except UserError:  # deleted since: a split serves as well
        own = None
    return default_memory(queries, own)


def missing(run: Run, division: Division, parts: Collection[str] = PARTS) -> list[str]:
    """Those of `parts` that were not measured yet."""
    there = {part: find(run, division, part) is not None for part in ("knn", "linear") if part in parts}
    there["few"] = "few" not in parts or few_labels(run, division) is not None
    return [part for part in parts if not there[part]]


def find(run: Run, division: Division, probe: str) -> Judged | None:
    """What a probe, "knn" or "linear", found; None where it was not measured."""
    found = stored.load(stored.path_of(run, division, probe))
    return None if found is None else found[0]


def few_labels(run: Run, division: Division) -> dict[str, list[dict[str, Any]]] | None:
    """By source the accuracies over labels a class, see `measuring.few`; None where not measured."""
    found = kept.read(stored.path_of(run, division, "few"))
    return None if found is None else found[0]["curves"]


def state(run: Run, division: Division) -> tuple[int, ...]:
    """Changes whenever something was measured; quick to ask for."""
    return tuple(kept.written(stored.path_of(run, division, part)) for part in PARTS)


def measure(
    run: Run,
    division: Division,
    parts: Collection[str] = PARTS,
    *,
    device: str = "cpu",
    report: Report | None = None,
) -> None:
    """Measure what of `parts` has not been measured yet, and keep it. Imports torch.

    `report` is called with (done, total, what is being done). Raises `UserError` for a run without weights.
    """
    from sslviz.probes import measuring

    tell = report or (lambda *_: None)
    places = {part: stored.path_of(run, division, part) for part in PARTS}
    simple = {"knn": measuring.knn, "linear": measuring.linear}
    # The few labels are those of the block that all the labels chose.
    wanted = [part for part in simple if part in parts or (part == "linear" and "few" in parts)]
    missing = [part for part in wanted if stored.load(places[part]) is None]
    few = "few" in parts and few_labels(run, division) is None
    if missing or few:
        sources = measuring.sources(run, division, device, tell)
        for part in missing:
            stored.save(places[part], simple[part](sources, division, tell))
        if few:
            chosen = stored.load(places["linear"])
            assert chosen is not None
            kept.write(places["few"], {}, curves=measuring.few(sources, chosen[0].chosen, division, tell))
    kept.prune(stored.AREA, stored.KEPT_BYTES)


def evaluate(
    run: Run,
    queries: ImageSet,
    memory: ImageSet | None = None,
    *,
    parts: Collection[str] = PARTS,
    device: str = "cpu",
    report: Report | None = None,
) -> dict[str, Any]:
    """All of `parts` for a run on `queries`, with `memory` as what is known: see `divide`.

    Returns plain numbers, as `sslviz evaluate --json` prints them: by probe, source and block the accuracies,
    the best being that of the block chosen on what is known; Wilson's intervals; and what the run leads the
    others by, see `intervals.compare`. Raises `UserError` where labels are missing.
    """
    division = divide(queries, memory)
    measure(run, division, parts, device=device, report=report)
    told: dict[str, Any] = {
        "labels": division.names,
        "memory": len(division.known),
        "queries": len(division.asked),
        "chance": 1.0 / len(division.names),
    }
    intervals: dict[str, Any] = {}
    leads: dict[str, Any] = {}
    probes = [part for part in ("knn", "linear") if part in parts]
    for probe in probes:
        judged = find(run, division, probe)
        assert judged is not None, probe
        told[probe] = judged.plain()
        intervals[probe] = {source: judged.interval(source) for source in judged.answers}
        if "run" in judged.answers:
            others = [source for source in judged.answers if source != "run"]
            leads[probe] = {other: asdict(judged.lead("run", other)) for other in others}
    if "few" in parts:
        told["few"] = few_labels(run, division)
    first: dict[str, list[float]] = intervals.get("knn") or next(iter(intervals.values()), {})
    return told | {"intervals": {**first, "probes": intervals}, "leads": leads}
