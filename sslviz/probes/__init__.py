"""How much the features of a run are worth for telling labels, beside what stands for nothing learned.

Probes, from what asks most of the features to what asks least: neighbours, a linear classifier, classifiers
trained on the maps, the whole network trained on. Beside the run stand the same network before training, raw
pixels, the colours alone, the same network trained on the labels, and chance. Which block is looked at is
chosen on what is known, and its accuracy then read on what is asked, so the choice costs no honesty.

Findings are kept in the cache, so a page reads what a job found; reading imports numpy alone.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import asdict
from pathlib import Path
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
    "HEADS", "PARTS", "Division", "Judged",
    "default_memory", "divide", "evaluate", "few_labels", "find", "measure", "memory_for", "missing",
    "smallest_difference", "state", "wilson",
]  # fmt: skip

PARTS = ("knn", "linear", "few", "maps")
"""What `measure` measures: three from features, in seconds; the last by training, in some minutes."""
HEADS = ("linear_map", "three_layers", "conv_block")
"""Probes that are trained on maps."""


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
    there["maps"] = "maps" not in parts or find(run, division, "whole") is not None
    return [part for part in parts if not there[part]]


def find(run: Run, division: Division, probe: str) -> Judged | None:
    """What a probe found, "knn", "linear", one of `HEADS` or "whole"; None where it was not measured."""
    found = stored.load(stored.path_of(run, division, probe))
    return None if found is None else found[0]


def few_labels(run: Run, division: Division) -> dict[str, list[dict[str, Any]]] | None:
    """By source the accuracies over labels a class, see `measuring.few`; None where not measured."""
    found = kept.read(stored.path_of(run, division, "few"))
    return None if found is None else found[0]["curves"]


def state(run: Run, division: Division) -> tuple[int, ...]:
    """Changes whenever something was measured; quick to ask for."""
    return tuple(kept.written(stored.path_of(run, division, part)) for part in (*PARTS[:3], "whole"))


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
    from sslviz.probes import measuring, trained

    tell = report or (lambda *_: None)
    places = {part: stored.path_of(run, division, part) for part in ("knn", "linear", "few", "whole")}
    simple = {"knn": measuring.knn, "linear": measuring.linear}
    # The block that the linear classifier chooses is the one for few labels, and for a convolutional block.
    wanted = [part for part in simple if part in parts or (part == "linear" and {"few", "maps"} & set(parts))]
    missing = [part for part in wanted if stored.load(places[part]) is None]
    few = "few" in parts and few_labels(run, division) is None
    if missing or few:
        sources = measuring.sources(run, division, device, tell)
        for part in missing:
            stored.save(places[part], simple[part](sources, division, tell))
        if few:
            curves = measuring.few(sources, _chosen(places["linear"]), division, tell)
            kept.write(places["few"], {}, curves=curves)
    if "maps" in parts and stored.load(places["whole"]) is None:
        found = trained.judge(run, division, _chosen(places["linear"]), device=device, report=tell)
        for probe, judged in found.items():
            stored.save(stored.path_of(run, division, probe), judged)
    kept.prune(stored.AREA, stored.KEPT_BYTES)


def _chosen(path: Path) -> Mapping[str, str]:
    """By source the block that a probe chose."""
    found = stored.load(path)
    assert found is not None
    return found[0].chosen


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
        "chance": division.chance,
    }
    intervals: dict[str, Any] = {}
    leads: dict[str, Any] = {}
    probes = [part for part in ("knn", "linear") if part in parts] + [*HEADS, "whole"] * ("maps" in parts)
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
