"""The curves of invariance on a page, in every state they can be found in, through AppTest."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest
from small_runs import recorded
from streamlit.testing.v1 import AppTest
from test_inside import make_run, make_set
from test_invariance import few

from sslviz import invariance, networks, settings, worker
from sslviz.jobs import Job
from sslviz.ui import invariance_view, invariance_words, looks

__all__ = ["few"]
PAGE = """
import streamlit as st
from sslviz import imagesets, runs
from sslviz.ui import frame, invariance_view
run = runs.open_run(frame.workspace(), st.session_state["run"])
images = imagesets.open_set(frame.workspace(), "pics")
with frame.guard():
    invariance_view.show(run, images)
"""


@pytest.fixture(autouse=True)
def started(monkeypatch: pytest.MonkeyPatch, few: None) -> list[str]:
    """No process starts; the modules that were to run are returned. The bundled runs are left out."""
    monkeypatch.setattr("sslviz.runs._bundled", list)
    monkeypatch.setattr(invariance_view, "KINDS", invariance.KINDS)
    return recorded(monkeypatch)


def opened(run: str, **query: str) -> AppTest:
    app = AppTest.from_string(PAGE, default_timeout=120)
    app.session_state["run"] = run
    for key, value in query.items():
        app.query_params[key] = value
    app.run()
    assert not app.exception
    return app


def words(app: AppTest) -> str:
    elements = [*app.markdown, *app.caption, *app.error]
    return "\n".join(str(element.value) for element in elements)


def traces(app: AppTest) -> dict[str, Any]:
    """The named lines of the chart, by name."""
    (chart,) = app.get("plotly_chart")
    figure = json.loads(chart.proto.spec)
    return {one["name"]: one for one in figure["data"] if "name" in one}


def computed(*ids: str) -> None:
    invariance.compute(settings.workspace(), list(ids), "pics")


def test_what_is_missing_is_asked_for_and_then_there(started: list[str]) -> None:
    make_set(3)
    run = make_run()
    app = opened(run.id)
    assert "as soon as they are computed" in words(app)
    assert started == ["sslviz.worker"]
    (job,) = (Job(folder) for folder in (settings.load().home / "jobs").iterdir())
    assert job.request()[1]["runs"] == [run.id]
    worker.work_job(job)
    app.run()
    assert not app.exception
    assert started == ["sslviz.worker"]
    assert set(traces(app)) == {"Rotation", "Rotation, untrained", "Raw pixels"}
    said = words(app)
    assert "Rotation must not be invariant" in said
    assert "In this figure, at 90°" in said
    assert "3 images" in said


def test_a_failed_computation_can_be_tried_again(started: list[str]) -> None:
    make_set(3)
    app = opened(make_run().id)
    (job,) = (Job(folder) for folder in (settings.load().home / "jobs").iterdir())
    job.set_status(state="failed", error="The disk is full.", hint="Make room.")
    app.run()
    assert "The disk is full" in words(app)
    next(button for button in app.button if button.label == "Try again").click().run()
    assert started == ["sslviz.worker"] * 2


def test_lines_are_the_kept_curves_and_the_caption_says_their_numbers() -> None:
    images, run = make_set(3), make_run()
    computed(run.id)
    subject = invariance.subjects([run])[0]
    found = invariance.curve(subject, images, "angle", "block3", 1)
    assert found is not None
    app = opened(run.id, at="block3", places="1", measure="cosine")
    line = traces(app)["Rotation"]
    assert np.allclose(numbers(line["y"]), found.mean(), atol=1e-6)
    assert f"Rotation {found.mean()[1]:.2f}".replace(".", "\\.") in words(app)
    app = opened(run.id, at="block3", places="1")
    assert np.allclose(numbers(traces(app)["Rotation"]["y"]), found.scaled().mean(), atol=1e-6)


def numbers(values: Any) -> list[float]:
    """As plotly writes them: a list, or base64 of their bytes."""
    if isinstance(values, dict):
        import base64

        return np.frombuffer(base64.b64decode(values["bdata"]), values["dtype"]).tolist()
    return list(values)


def test_blocks_of_one_network() -> None:
    make_set(3)
    run = make_run()
    computed(run.id)
    app = opened(run.id, compare="blocks", change="hue")
    assert list(traces(app)) == ["block1", "block2", "block3", "block4", "block5", "Raw pixels"]
    assert "The network: Rotation" in words(app).replace("\\", "")
    assert next(iter(traces(opened(run.id, compare="blocks", of="untrained-rotation")))) == "block1"


def test_one_image_and_a_run_that_diverged() -> None:
    make_set(1)
    good = make_run()
    computed(good.id)
    assert "Means over" not in words(opened(good.id))
    first, value = next(iter(networks.trained(good).state_dict().items()))
    bad = make_run(**{first: value * float("nan")})
    computed(bad.id)
    app = opened(bad.id)
    assert "not finite numbers" in words(app).replace("\\", "")
    assert set(traces(app)) == {"Rotation, untrained", "Raw pixels"}


def test_a_run_without_weights_is_a_sentence() -> None:
    from sslviz import runs

    make_set(2)
    fresh = runs.create(settings.workspace(), runs.Spec(task="rotation", images="pics"))
    assert "weights" in words(opened(fresh.id))


@pytest.mark.parametrize("kind", list(invariance_words.TITLES))
def test_words_claim_what_the_options_of_a_run_ask_for(kind: str) -> None:
    from sslviz import runs

    name, usual, off, _ = invariance_words.OPTIONS[kind]
    on, without = (
        runs.create(settings.workspace(), runs.Spec(task="exemplar", images="pics", options=options))
        for options in ({}, {name: off})
    )
    assert "trained to be invariant** to" in invariance_words.look_for(kind, [on])
    assert f"*{name}* switched off" in invariance_words.look_for(kind, [without])
    assert usual == getattr(__import__("sslviz.tasks", fromlist=["make_task"]).make_task("exemplar"), name)
    assert set(invariance_words.TITLES) == set(invariance_words.OTHERS)
    assert set(looks.TASKS) >= invariance_words._concerned(kind)
