"""Classification on a page, in every state it can be found in, through AppTest."""

from __future__ import annotations

import re

import numpy as np
import pytest
from small_runs import make_run, make_set, pictures, recorded
from streamlit.testing.v1 import AppTest

from sslviz import imagesets, probes, runs, settings, worker
from sslviz.imagesets import NewImage
from sslviz.jobs import Job
from sslviz.probes import Judged, stored
from sslviz.runs import Run

PAGE = """
import streamlit as st
from sslviz import imagesets, runs
from sslviz.ui import downstream_classes, frame
run = runs.open_run(frame.workspace(), st.session_state["run"])
images = imagesets.open_set(frame.workspace(), st.session_state["set"])
with frame.guard():
    downstream_classes.show(run, images)
"""


@pytest.fixture(autouse=True)
def started(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """No process starts; the modules that were to run are returned."""
    return recorded(monkeypatch)


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch) -> Run:
    monkeypatch.setattr("sslviz.train.draws.HELDOUT", 16)
    monkeypatch.setattr("sslviz.train.planning.GLANCE", 16)
    made = make_run(make_set(), steps=2)
    worker.work_run(made)
    return runs.open_run(made.workspace, made.id)


def opened(run: Run, name: str = "pics") -> AppTest:
    app = AppTest.from_string(PAGE, default_timeout=120)
    app.session_state["run"], app.session_state["set"] = run.id, name
    app.run()
    assert not app.exception
    return app


def words(app: AppTest) -> str:
    elements = [*app.markdown, *app.caption, *app.subheader, *app.error, *app.get("html")]
    return "\n".join(str(getattr(element, "value", element)) for element in elements)


def the_job() -> Job:
    (folder,) = (settings.load().home / "jobs").iterdir()
    return Job(folder)


def test_what_is_missing_is_measured_and_then_there(run: Run, started: list[str]) -> None:
    app = opened(run)
    assert started == ["sslviz.worker"]
    assert not app.metric
    worker.work_job(the_job())
    assert the_job().status().state == "done", the_job().status()
    app.run()
    assert not app.exception
    labels = [metric.label for metric in app.metric]
    assert labels == [
        "Trained",
        "Untrained",
        "Raw pixels",
        "Colours only",
        "Chance",
    ]
    assert app.metric[-1].value == "50.0%"
    said = words(app)
    assert "20 nearest neighbours" in said
    assert "Name the probe with the number" in said
    assert "Convolutional block" not in said  # not trained yet
    assert started == ["sslviz.worker"]


def test_the_probes_that_take_training_come_when_they_are_wanted(run: Run, started: list[str]) -> None:
    division = probes.divide(imagesets.open_set(settings.workspace(), "pics"))
    probes.measure(run, division, ["knn", "linear", "few"])
    app = opened(run)
    assert started == []
    next(button for button in app.button if button.label == "Train these probes").click().run()
    assert started == ["sslviz.worker"]
    truth = division.asked.labels
    for probe in (*probes.HEADS, "whole"):
        sources = ("fine_tuned", "supervised") if probe == "whole" else ("run", "untrained")
        judged = Judged(
            truth, {source: {"block1": truth} for source in sources}, dict.fromkeys(sources, "block1")
        )
        stored.save(stored.path_of(run, division, probe), judged)
    app.run()
    assert not app.exception
    assert re.search(r"Convolutional block</th><td>100.0%<small>\d+% to 100% · block1<", words(app))
    assert app.metric[-1].label == "Trained on labels"


def test_a_set_without_labels_says_so(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("streamlit.page_link", lambda *_, **__: None)  # there is one page here
    plain = imagesets.create(settings.workspace(), "plain")
    plain.add(NewImage(f"{n}.png", pixels=pixels) for n, pixels in enumerate(pictures(4)))
    app = opened(run, "plain")
    assert "no two labels to tell apart" in words(app)
    assert "Click to label" in words(app)


def test_a_lead_is_called_one_only_where_the_interval_says_so(run: Run) -> None:
    from sslviz.ui import downstream_classes

    truth = np.zeros(400, np.int64)
    right, half = np.zeros(400, np.int64), np.arange(400) % 2
    judged = Judged(truth, {"run": {"b": right}, "untrained": {"b": half}, "pixels": {"b": right}})
    assert "leads the untrained network by 50.0 points" in downstream_classes._lead(judged, "untrained")
    assert "cannot be told apart" in downstream_classes._lead(judged, "pixels")
    swapped = Judged(truth, {"run": {"b": half}, "untrained": {"b": right}, "pixels": {"b": half}})
    assert "behind the untrained network" in downstream_classes._lead(swapped, "untrained")
