"""Curves as numbers: smoothing, thinning, reading as they grow, one run after another."""

from __future__ import annotations

import base64
import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sslviz import curves, runs, settings
from sslviz.runs import Run, Spec, Status
from sslviz.ui.curves import build


def made(points: int = 0, **spec: Any) -> Run:
    run = runs.create(settings.workspace(), Spec(**{"task": "rotation", "images": "some"} | spec))
    for step in range(1, points + 1):
        run.append_metric(point(step))
    return run


def point(step: int, **changes: Any) -> dict[str, Any]:
    return {
        "step": step,
        "seconds": step / 2,
        "loss": 1 / step,
        "accuracy": 0.5,
        "heldout_accuracy": None,
    } | changes


@given(st.lists(st.none() | st.floats(-10, 10), max_size=40), st.sampled_from([0.0, 0.3, 0.9, 0.99]))
def test_smoothing_is_that_of_pandas(values: list[float | None], weight: float) -> None:
    """Which weighs by age with `adjust`: the same as dividing by the sum of the weights."""
    series = pd.Series([np.nan if v is None else v for v in values], dtype=float)
    mean = series.ewm(alpha=1 - weight, adjust=True, ignore_na=True).mean()
    found = curves.smooth(values, weight)
    assert [value is None for value in found] == [value is None for value in values]
    known = [place for place, value in enumerate(values) if value is not None]
    np.testing.assert_allclose([found[i] for i in known], mean.to_numpy()[known], atol=1e-9)  # type: ignore[arg-type]


@given(st.integers(0, 5000), st.integers(1, 500))
def test_few_points_are_kept_evenly_with_the_first_and_the_newest(count: int, most: int) -> None:
    places = curves.kept(count, most)
    assert len(places) <= most + 1
    assert places == sorted(set(places))
    if count:
        assert (places[0], places[-1]) == (0, count - 1)
        assert len(set(np.diff(places[:-1]))) <= 1
        assert len(places) >= min(count, most / 2)
    # A point that was drawn stays as the curve grows, until every second one goes.
    later = curves.kept(count + 1, most)
    assert set(places[:-1]) <= set(later) or set(later[:-1]) <= set(places)


def test_only_what_is_new_is_read(monkeypatch: pytest.MonkeyPatch) -> None:
    run = made(3)
    assert curves.read(run) == run.metrics()
    parsed: list[bytes] = []
    ordinary = curves._point
    monkeypatch.setattr(curves, "_point", lambda line: parsed.append(line) or ordinary(line))
    run.append_metric(point(4))
    with (run.folder / "metrics.jsonl").open("ab") as file:
        file.write(b'{"step": 5, "lo')  # half a line
    assert [p["step"] for p in curves.read(run)] == [1, 2, 3, 4]
    assert len([line for line in parsed if line]) == 1
    with (run.folder / "metrics.jsonl").open("ab") as file:
        file.write(b'ss": 1}\nnot json\n[]\n{"step": null}\n')
    assert [p["step"] for p in curves.read(run)] == [1, 2, 3, 4, 5]
    run.keep_metrics(2)  # a resumed run writes its points anew
    assert [p["step"] for p in curves.read(run)] == [1, 2]
    assert curves.read(made()) == []


def test_points_of_two_histories_are_never_mixed() -> None:
    """A file that was written anew, twice, may have the number on the disk that the first had."""
    run = made(10)
    path = run.folder / "metrics.jsonl"
    assert len(curves.read(run)) == 10
    lines = [json.dumps(point(step, loss=7.0)) + "\n" for step in range(1, 14)]
    inode = path.stat().st_ino
    with path.open("r+b") as file:
        file.write("".join(lines).encode())
    assert path.stat().st_ino == inode
    assert [p["loss"] for p in curves.read(run)] == [7.0] * 13


def test_what_a_parent_did_later_takes_no_time_from_its_child() -> None:
    parent = made(90)
    child = made(4, start=parent.id, since=50)
    points, begins = curves.joined(child, [parent])
    assert [p["step"] for p in points] == [*range(1, 55)]
    assert [p["seconds"] for p in points[-5:]] == [25.0, 25.5, 26.0, 26.5, 27.0]
    assert begins == [{"step": 50, "seconds": 25.0}]


def test_a_run_comes_after_those_whose_weights_it_started_from() -> None:
    first = made(10)
    second = made(4, start=first.id, since=10)
    third = made(2, start=second.id, since=13)  # from a checkpoint before the second's end
    assert [run.id for run in curves.lineage(third)] == [first.id, second.id]
    assert [run.id for run in curves.children(first, [first, second, third])] == [second.id]
    points, begins = curves.joined(third, curves.lineage(third))
    assert [p["step"] for p in points] == [*range(1, 14), 14, 15]
    assert [at["step"] for at in begins] == [10, 13]
    seconds = [p["seconds"] for p in points]
    assert seconds == sorted(seconds)
    assert seconds[-1] == 10 / 2 + 3 / 2 + 2 / 2  # of the second's four steps the third knows three
    assert curves.joined(third) == (curves.read(third), [])
    first.delete()
    assert [run.id for run in curves.lineage(third)] == [second.id]


def test_runs_that_name_each_other_end(tmp_path: Path) -> None:
    first = made(1)
    second = made(1, start=first.id)
    first = first.set_spec(start=second.id)
    assert [run.id for run in curves.lineage(second)] == [first.id]


def unpacked(text: str) -> list[float]:
    return [float(v) for v in np.frombuffer(base64.b64decode(text), "<f4")]


def test_the_figure_holds_the_points_and_gaps_where_training_could_not_be_measured() -> None:
    run = made()
    for step in range(1, 7):
        held = {"heldout_accuracy": 0.4, "knn_accuracy": 0.3} if step in (2, 6) else {}
        run.append_metric(point(step, accuracy=None if step == 4 else step / 10, **held))
    status = Status(state="done", chance=0.25, knn_untrained=0.2, step=6, steps=6)
    chart = build([run], [status])
    assert chart is not None
    message = chart.message
    assert [panel["percent"] for panel in message["panels"]] == [True, True, False]
    by_kind = {(curve["panel"], curve["kind"]): curve for curve in message["curves"]}
    np.testing.assert_allclose(
        unpacked(by_kind[0, "training"]["y"]), [0.1, 0.2, 0.3, np.nan, 0.5, 0.6], rtol=1e-6
    )
    for panel, kind in ((0, "held out"), (1, "features")):
        assert unpacked(message["axes"][by_kind[panel, kind]["x"]]) == [2, 6]
    assert {(level["panel"], level["text"]) for level in message["levels"]} == {
        (0, "chance 25%"),
        (1, "untrained 20%"),
    }
    assert "held-out" in message["label"]
    smoothed = build([run], [status], weight=0.5)
    assert smoothed is not None
    assert {curve.kind for curve in smoothed.curves if curve.raw is not None} == {"training"}
    assert smoothed.revision == chart.revision
    assert build([made()], [Status()]) is None


def test_an_update_stays_small_however_long_the_run() -> None:
    run = made()
    lines = [f'{{"step": {n}, "seconds": {n}, "loss": 1.5, "accuracy": 0.5}}\n' for n in range(20_000)]
    (run.folder / "metrics.jsonl").write_text("".join(lines))
    chart = build([run], [Status(state="running", step=20_000, steps=40_000)], weight=0.5)
    assert chart is not None
    assert sum(len(curve["y"]) + len(curve["raw"]) for curve in chart.message["curves"]) < 12_000
    assert len(chart.message["axes"]) == 1
    assert chart.end > 40_000
    assert build([run], [Status(state="done")], across="seconds").unit == "minutes"  # type: ignore[union-attr]


def test_runs_laid_over_each_other_have_a_colour_each() -> None:
    found = [made(3, seed=seed) for seed in (1, 2)]
    chart = build(found, [Status(chance=0.25)] * 2)
    assert chart is not None
    assert len({run.color for run in chart.runs}) == 2
    assert {curve.color for curve in chart.curves} == {run.color for run in chart.runs}
    assert [run.name for run in chart.runs] == ["Rotation on some · seed 1", "Rotation on some · seed 2"]
    assert len(chart.levels) == 1
