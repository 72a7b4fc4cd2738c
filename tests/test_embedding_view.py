"""The embeddings page in every state it can be found in, through AppTest; features are made up."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from streamlit.testing.v1 import AppTest
from test_embeddings import Features, features, make_run, make_set

from sslviz import embeddings, imagesets, jobs, project, runs, settings
from sslviz.runs import Run

ROOT = Path(__file__).resolve().parents[1]
__all__ = ["features"]


@pytest.fixture(autouse=True)
def started(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """No process starts; the names of those asked for are returned."""
    asked: list[str] = []
    monkeypatch.setattr(jobs.processes, "detach", lambda module, *rest, **options: asked.append(module))
    monkeypatch.setattr(project, "umap", lambda features, *_: project.pca(features) ** 3)
    return asked


def computed(run: Run, **options: Any) -> None:
    embeddings.compute(settings.workspace(), run.id, "photos", **options)


def opened(**query: str) -> AppTest:
    app = AppTest.from_file(str(ROOT / "app.py"), default_timeout=60).run()
    app.switch_page("pages/embeddings.py").run()
    for key, value in query.items():
        app.query_params[key] = value
    app.run()
    assert not app.exception
    return app


def words(app: AppTest) -> str:
    elements = [*app.markdown, *app.caption, *app.subheader, *app.error, *app.html]
    return "\n".join(str(element.value) for element in elements)


def test_no_run_and_no_images(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(runs, "BUNDLED", tmp_path)
    assert "No network has been trained yet" in words(opened())
    make_run()
    assert "no images" in words(opened()).lower()


def test_one_image(features: Features, started: list[str]) -> None:
    make_set(count=1)
    make_run()
    assert "one image" in words(opened(images="photos"))
    assert "sslviz.worker" not in started


def test_a_run_that_is_not_there_or_has_no_weights(features: Features) -> None:
    make_set()
    make_run()
    assert "There is no run" in words(opened(run="0" * 12)).replace("\\", "")
    fresh = runs.create(settings.workspace(), runs.Spec(task="rotation", images="photos"))
    assert "no weights yet" in words(opened(run=fresh.id))


def test_what_is_missing_is_asked_for(features: Features, started: list[str]) -> None:
    make_set()
    run = make_run()
    app = opened(run=run.id)
    assert "Looking at 36 images" in words(app)
    assert started.count("sslviz.worker") == 1
    computed(run, umap=False)
    app.run()
    assert not app.exception
    assert app.session_state["choice_block"] == "block2"
    assert app.session_state["choice_projection"] == "umap"
    assert "Look around" in words(app)


def test_a_failed_computation_can_be_tried_again(features: Features, started: list[str]) -> None:
    make_set()
    run = make_run()
    app = opened(run=run.id)
    (job,) = (settings.load().home / "jobs").iterdir()
    jobs.Job(job).set_status(state="failed", error="The disk is full.", hint="Make room.")
    app.run()
    assert "The disk is full" in words(app)
    before = started.count("sslviz.worker")
    next(button for button in app.button if button.label == "Try again").click().run()
    assert started.count("sslviz.worker") == before + 1


def test_an_image_in_the_address_has_neighbours_by_all_three(features: Features) -> None:
    images = make_set()
    run = make_run()
    computed(run)
    app = opened(run=run.id, image=images.ids[5])
    assert "Nearest neighbours" in words(app)
    assert "5.jpg" in words(app)
    assert "of the 10 nearest have the same label" in words(app)
    labels = images.labels
    common = max(labels.count(label) for label in set(labels)) / len(labels)
    metrics = {metric.label: metric.value for metric in app.metric}
    assert list(metrics) == ["Trained", "Untrained", "Raw pixels", "Always the commonest"]
    assert metrics["Always the commonest"] == f"{common:.0%}"
    assert "36 labelled images" in words(app)
    for source in ("untrained", "pixels"):
        app.query_params["source"] = source
        app.run()
        assert not app.exception
        assert app.session_state["choice_source"] == source
    # An image, a block and a projection that are not there (any more) are as none.
    app = opened(run=run.id, image="0" * 16, block="block99", projection="4d", source="<b>")
    assert "Look around" in words(app)
    assert app.session_state["choice_block"] == "block2"


def test_without_labels_it_says_why_this_block(features: Features) -> None:
    images = make_set()
    run = make_run()
    computed(run)
    images.relabel(images.ids, None)
    app = opened(run=run.id)
    assert "without labels" in words(app)
    assert not app.metric
    assert not app.toggle


def test_a_set_that_has_changed_is_computed_anew(features: Features, started: list[str]) -> None:
    images = make_set()
    run = make_run()
    computed(run)
    app = opened(run=run.id)
    assert "sslviz.worker" not in started
    imagesets.open_set(settings.workspace(), "photos").remove(images.ids[:3])
    app.run()
    assert "Looking at 33 images" in words(app)
    assert started.count("sslviz.worker") == 1
    assert np.isfinite(features.make(3, "run", 1)).all()
