"""Segmentation and localisation on the downstream page, in every state they can be found in."""

from __future__ import annotations

from typing import Any

import pytest
from streamlit.testing.v1 import AppTest
from test_dense import make_run, make_set, short

from sslviz import dense, imagesets, jobs, kept, runs, settings, worker
from sslviz.dense import computing, places
from sslviz.jobs import Job

__all__ = ["short"]
PAGE = """
import streamlit as st
from sslviz import imagesets, runs
from sslviz.ui import downstream_boxes, downstream_masks, frame
run = runs.open_run(frame.workspace(), st.session_state["run"])
images = imagesets.open_set(frame.workspace(), st.session_state["set"])
st.session_state["image_names"] = [one.name for one in imagesets.names(frame.workspace())]
with frame.guard():
    {"masks": downstream_masks, "boxes": downstream_boxes}[st.session_state["view"]].show(run, images)
st.session_state["turned"] = st.session_state.get("next_images", st.session_state.get("turned"))
"""


@pytest.fixture(autouse=True)
def started(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """No process starts; the modules that were to run are returned."""
    asked: list[str] = []
    monkeypatch.setattr(jobs.processes, "detach", lambda module, *rest, **options: asked.append(module))
    return asked


def opened(run: str, view: str, name: str = "pics") -> AppTest:
    app = AppTest.from_string(PAGE, default_timeout=120)
    for key, value in (("run", run), ("view", view), ("set", name)):
        app.session_state[key] = value
    app.run()
    assert not app.exception
    return app


def words(app: AppTest) -> str:
    elements = [*app.markdown, *app.caption, *app.subheader, *app.error, *app.get("html")]
    return "\n".join(str(getattr(element, "value", element)) for element in elements)


@pytest.mark.parametrize(
    ("view", "sections"),
    [("masks", ["By block", "By class", "Answers"]), ("boxes", ["By block", "How", "Boxes"])],
)
def test_what_is_missing_is_asked_for_and_then_there(
    view: str, sections: list[str], started: list[str]
) -> None:
    make_set(12)
    app = opened(make_run().id, view)
    assert not app.subheader
    assert started == ["sslviz.worker"]
    (job,) = (Job(folder) for folder in (settings.load().home / "jobs").iterdir())
    worker.work_job(job)
    assert job.status().state == "done", job.status()
    app.run()
    assert not app.exception
    assert [one.value for one in app.subheader] == sections
    said = words(app)
    assert "Untrained" in said
    assert "&lt;b&gt;" in said  # a file's name is data
    assert "<b>1" not in said
    assert "untrained network" in said
    assert started == ["sslviz.worker"]


def test_the_rule_that_is_asked_for_is_shown() -> None:
    images, run = make_set(8), make_run()
    dense.locate(run, images)
    app = AppTest.from_string(PAGE, default_timeout=120)
    for key, value in (("run", run.id), ("view", "boxes"), ("set", "pics")):
        app.session_state[key] = value
    app.query_params["rule"] = "energy"
    app.run()
    assert not app.exception
    assert "sum of the squares" in words(app)


def test_a_network_too_large_to_train_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(computing, "TRAINING_WORK", 1.0)
    images, run = make_set(8), make_run()
    dense.segment(run, images)
    said = words(opened(run.id, "masks"))
    assert "too long here" in said
    assert "Trained on masks" not in said


@pytest.mark.parametrize(("view", "what"), [("masks", "no masks"), ("boxes", "no boxes")])
def test_a_set_that_knows_nothing_shows_the_way_to_one_that_does(
    view: str, what: str, started: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    make_set(4, masked=lambda _: False, boxed=False)
    run = make_run()
    app = opened(run.id, view)
    assert what in words(app)
    assert [button.label for button in app.button] == ["Draw the built-in scenes"]
    with monkeypatch.context() as patch:
        patch.setattr("sslviz.imagesets.index.RESERVED", ())
        imagesets.create(settings.workspace(), "scenes")
    app = opened(run.id, view)
    assert not started
    app.button[0].click().run()
    assert app.session_state["turned"] == "scenes"


def test_what_is_damaged_is_computed_again(started: list[str]) -> None:
    images, run = make_set(6), make_run()
    dense.locate(run, images)
    (path,) = kept.area_of(places.AREA).rglob("colour.bin")
    path.write_bytes(path.read_bytes()[:-1])
    opened(run.id, "boxes")
    assert started == ["sslviz.worker"]


def test_a_run_without_weights_is_a_sentence() -> None:
    make_set(4)
    fresh: Any = runs.create(settings.workspace(), runs.Spec(task="rotation", images="pics"))
    assert "weights" in words(opened(fresh.id, "masks"))
    assert "weights" in words(opened(fresh.id, "boxes"))
