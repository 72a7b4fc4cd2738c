"""Pretext against downstream: points against computations by hand, and the page in every state."""

from __future__ import annotations

import os
import subprocess
import sys
from typing import Any

import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import PredefinedSplit, cross_val_predict
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from small_runs import ROOT, make_run, make_set, recorded
from streamlit.testing.v1 import AppTest

from sslviz import features, linear, networks, pretext, runs, settings, worker
from sslviz.errors import UserError
from sslviz.imagesets import ImageSet
from sslviz.jobs import Job
from sslviz.pretext import Point
from sslviz.runs import Run
from sslviz.runs.states import states
from sslviz.ui import scatter_chart
from sslviz.worker import snapshots, work_run


@pytest.fixture(autouse=True)
def few(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sslviz.train.draws.HELDOUT", 16)
    monkeypatch.setattr("sslviz.train.planning.GLANCE", 16)
    monkeypatch.setattr(snapshots, "SECONDS", 1e9)
    monkeypatch.setattr(os, "fsync", lambda _: None)


@pytest.fixture(autouse=True)
def started(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """No process starts; the modules that were to run are returned."""
    return recorded(monkeypatch)


@pytest.fixture
def images() -> ImageSet:
    return make_set()


def trained(images: ImageSet, **changes: Any) -> Run:
    run = make_run(images, **{"steps": 12, **changes})
    work_run(run)
    return runs.open_run(run.workspace, run.id)


def compute(run: Run, images: ImageSet) -> list[Point]:
    pretext.compute(settings.workspace(), [run.id], images.name)
    found = pretext.points(run, pretext.sample(images))
    assert found is not None
    return found


def point(pretext_: float, worth: float, last: bool = False, chance: float = 0.25) -> Point:
    return Point("r", "rotation", 1, last, pretext_, "held out", chance, {"a": worth, "b": 0.0})


def test_a_point_is_what_neighbours_tell_by_the_features_of_its_state(images: ImageSet) -> None:
    run = trained(images)
    found = compute(run, images)
    by_line = pretext.points(run, pretext.sample(images), "linear")
    assert by_line is not None
    course = states(run)
    assert len(course) > 4
    assert [one.step for one in found] == [step for step, _ in course]
    assert [one.last for one in found] == [False] * (len(course) - 1) + [True]
    for place in (0, 3, -1):
        network = networks.at(run, course[place][1])
        for block, rows in features.extract(
            network, networks.task_of(run), networks.squares_for(run, images)
        ).items():
            alike = rows @ rows.T
            np.fill_diagonal(alike, -np.inf)
            right = 0
            for row, label in enumerate(images.labels):
                votes = {"a": 0.0, "b": 0.0}
                for other in np.argsort(-alike[row])[:20]:
                    votes[images.labels[other] or ""] += float(np.exp(alike[row, other] / 0.1))
                right += max(votes, key=lambda name: votes[name]) == label
            # One near tie may fall either way.
            assert found[place].worth[block] == pytest.approx(right / len(images), abs=1.5 / len(images))
            answers = np.array([label == "b" for label in images.labels], np.int64)
            learned = LogisticRegression(C=1 / linear.PENALTY, max_iter=2_000)
            parts = np.random.default_rng(0).permutation(len(images)) % 5
            others = PredefinedSplit(parts)
            told = cross_val_predict(make_pipeline(StandardScaler(), learned), rows, answers, cv=others)
            share = np.mean(told == answers)
            assert by_line[place].worth[block] == pytest.approx(share, abs=1.5 / len(images))


def test_what_is_there_is_not_computed_again(images: ImageSet) -> None:
    run = trained(images)
    some = pretext.sample(images)
    assert pretext.points(run, some) is None
    told: list[tuple[int, int, str]] = []
    pretext.compute(settings.workspace(), [run.id], "pics", lambda *said: told.append(said))
    count = len(states(run))
    assert told[0] == (0, count, "rotation on pics, step 0")
    assert told[-1] == (count, count, "")
    told.clear()
    pretext.compute(settings.workspace(), [run.id], "pics", lambda *said: told.append(said))
    assert told == [(0, 0, "")]
    images.relabel(images.ids[:3], "a")
    assert pretext.points(run, pretext.sample(images)) is None  # other labels, other worth


def with_curve(images: ImageSet, *points: dict[str, Any]) -> Run:
    run = make_run(images)
    run.set_status(chance=0.25)
    for one in points:
        run.append_metric(one)
    return run


def test_accuracy_is_interpolated_where_it_was_not_measured(images: ImageSet) -> None:
    run = with_curve(
        images,
        *({"step": step, "accuracy": 0.2 + step / 100, "heldout_accuracy": None} for step in range(1, 20)),
        {"step": 20, "accuracy": 0.9, "heldout_accuracy": 0.4},
        {"step": 40, "accuracy": 0.9, "heldout_accuracy": 0.6},
    )
    assert pretext.pretext_at(run, 0) == (0.25, "chance")
    assert pretext.pretext_at(run, 20) == (0.4, "held out")
    told = pretext.pretext_at(run, 25)
    assert told is not None
    assert told[0] == pytest.approx(0.45)
    assert pretext.pretext_at(run, 99) == (0.6, "held out")
    early = pretext.pretext_at(run, 12)  # of training, over 9 to 15
    assert early is not None
    assert early == (pytest.approx(0.32), "training")
    first = pretext.pretext_at(run, 1)  # the three nearest
    assert first is not None
    assert first[0] == pytest.approx(0.22)


def test_without_curves_there_is_no_accuracy(images: ImageSet) -> None:
    assert pretext.pretext_at(with_curve(images), 5) is None
    continued = make_run(images, start="mwxao4yet2ni")
    assert pretext.pretext_at(continued, 0) is None  # what it began with is not chance


def test_scaled_accuracy_is_nought_for_guessing_and_one_for_knowing() -> None:
    assert point(0.25, 0).scaled == 0
    assert point(1.0, 0).scaled == 1
    assert point(0.5, 0).on(False) == 0.5
    assert point(0.5, 0).on(True) == pytest.approx(1 / 3)


def test_correlations_are_those_of_ranks() -> None:
    rising = [point(0.3, 0.1), point(0.4, 0.2), point(0.5, 0.9, last=True)]
    found = pretext.within(rising, "a", 1000)
    assert found is not None
    assert (found.value, found.points, found.few) == (pytest.approx(1), 3, True)
    assert pretext.within(rising, "b", 1000) is None  # it never moves
    assert pretext.within(rising[:2], "a", 1000) is None
    assert not found.still
    few = pretext.within([point(0.3, 0.10), point(0.4, 0.12), point(0.5, 0.15)], "a", 100)
    many = pretext.within([point(0.3, 0.10), point(0.4, 0.12), point(0.5, 0.15)], "a", 10_000)
    assert few is not None
    assert many is not None
    assert (few.still, many.still) == (True, False)  # five points of a hundred images are chance
    ends = [[point(p, w, last=True)] for p, w in ((0.3, 0.9), (0.4, 0.7), (0.5, 0.8), (0.9, 0.1))]
    across = pretext.across(ends)
    ranks = 1 - 6 * (3**2 + 0 + 0 + 3**2) / (4 * (16 - 1))  # Spearman's own formula, without ties
    assert across is not None
    assert across.value == pytest.approx(ranks)
    # Accuracies of tasks with other chances are put on one axis first.
    others = [[point(0.3, 0.1, True)], [point(0.2, 0.2, True, 0.01)], [point(0.9, 0.3, True)]]
    assert pretext.across(others) == pretext.Correlation(pytest.approx(1), 3)  # type: ignore[arg-type]


def test_a_sample_has_labels_of_each_its_share(monkeypatch: pytest.MonkeyPatch) -> None:
    images = make_set(count=40)
    images.relabel(images.ids[:8], None)
    whole = pretext.sample(images)
    assert len(whole) == 32
    assert None not in whole.labels
    monkeypatch.setattr(pretext, "MOST", 10)
    some = pretext.sample(images)
    assert some.labels.count("a") == some.labels.count("b") == 5
    assert (some.squares(16) == images.squares(16)[[images.ids.index(one) for one in some.ids]]).all()
    assert some.thumbnail(3) == images.thumbnail(images.ids.index(some.ids[3]))
    with pytest.raises(AssertionError):
        some.relabel(some.ids, "c")


def test_without_labels_there_is_nothing_to_measure(images: ImageSet) -> None:
    images.relabel(images.ids, None)
    with pytest.raises(UserError, match="no two labels"):
        pretext.sample(images)
    run = make_run(images)
    with pytest.raises(UserError, match="no two labels"):
        pretext.compute(settings.workspace(), [run.id], "pics")


def test_reading_needs_no_torch(images: ImageSet) -> None:
    run = trained(images)
    compute(run, images)
    program = (
        "import sys; from sslviz import imagesets, pretext, runs, settings; w = settings.workspace();"
        f"run = runs.open_run(w, {run.id!r}); images = imagesets.open_set(w, 'pics');"
        "found = pretext.points(run, pretext.sample(images));"
        "print(len(found), pretext.within(found, 'block1', 24) is not None, 'torch' in sys.modules)"
    )
    told = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert told.stdout.split() == [str(len(states(run))), "True", "False"]


# The page

PAGE = """
import streamlit as st
from sslviz import imagesets, runs
from sslviz.ui import downstream_scatter, frame
run = runs.open_run(frame.workspace(), st.session_state["run"])
images = imagesets.open_set(frame.workspace(), "pics")
with frame.guard():
    downstream_scatter.show(run, images)
"""


def opened(run: Run) -> AppTest:
    app = AppTest.from_string(PAGE, default_timeout=120)
    app.session_state["run"] = run.id
    app.run()
    assert not app.exception
    return app


def words(app: AppTest) -> str:
    return "\n".join(str(one.value) for one in (*app.markdown, *app.caption, *app.error, *app.subheader))


def test_the_page_asks_for_what_is_missing_and_shows_it(images: ImageSet, started: list[str]) -> None:
    run = trained(images, title="<b>mine</b>")
    app = opened(run)
    assert started == ["sslviz.worker"]
    assert not app.get("plotly_chart")
    (job,) = [Job(folder) for folder in (settings.load().home / "jobs").iterdir()]
    worker.work_job(job)
    assert job.status().state == "done", job.status()
    app.run()
    assert not app.exception
    assert len(app.get("plotly_chart")) == 1
    said = words(app)
    assert "Along a run" in said
    assert "Across runs** it takes three or more; here is one" in said
    assert "Kolesnikov" in said
    assert "Second-hand" in said
    assert "all 24 labelled images" in said
    assert "<b>mine" not in said
    assert started == ["sslviz.worker"]


def test_without_labels_the_page_says_what_to_do(images: ImageSet) -> None:
    run = trained(images)
    images.relabel(images.ids, None)
    app = AppTest.from_file(str(ROOT / "app.py"), default_timeout=120)
    app.switch_page("pages/downstream.py")
    app.query_params.update({"images": "pics", "run": run.id, "view": "scatter"})
    app.run()
    assert not app.exception
    assert "no two labels" in words(app)
    assert not app.multiselect


def test_names_are_data_in_the_chart() -> None:
    said = scatter_chart._hover(point(0.5, 0.25, last=True), "a", "<img src=x> %{x}", "neighbours")
    assert "<img" not in said
    assert "&lt;img" in said
    assert "its end" in said
