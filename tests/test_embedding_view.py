"""The embeddings page in every state it can be found in, through AppTest; features are made up."""

from __future__ import annotations

import csv
import io
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from small_runs import recorded
from streamlit.testing.v1 import AppTest
from test_embeddings import Features, features, make_run, make_set

from sslviz import embeddings, imagesets, jobs, project, runs, settings
from sslviz.embeddings import chosen, columns
from sslviz.runs import Run
from sslviz.ui import embedding_export, embedding_neighbors, embedding_scene

ROOT = Path(__file__).resolve().parents[1]
__all__ = ["features"]


@pytest.fixture(autouse=True)
def started(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """No process starts; the names of those asked for are returned."""
    asked = recorded(monkeypatch)
    monkeypatch.setattr(project, "umap", lambda features, *_, dims, report: project.pca(features, dims) ** 3)
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
    run = make_run()
    assert "one image" in words(opened(images="photos"))
    assert "sslviz.worker" not in started
    # Of pieces of it there are enough.
    computed(run, crops=True)
    app = opened(images="photos", crops="1")
    assert "Look around" in words(app)
    app = opened(
        images="photos", crops="1", image=f"{imagesets.open_set(settings.workspace(), 'photos').ids[0]}.3"
    )
    assert "row 1, column 4" in words(app)


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
    computed(run, projection=None)
    app.run()
    assert not app.exception
    assert "block2 is shown first" in words(app)
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
    assert "block2 is shown first" in words(app)


def test_without_labels_it_says_why_this_block(features: Features) -> None:
    images = make_set()
    run = make_run()
    computed(run)
    images.relabel(images.ids, None)
    app = opened(run=run.id)
    assert "mirrored, cropped and lit differently" in words(app)
    assert not app.metric
    assert "label" not in app.selectbox(key="map_colour").options


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


def test_the_address_is_the_state(features: Features) -> None:
    images, run = make_set(), make_run()
    features.answers = np.tile(np.float32([1, 0.5, 2.0]), (len(images), 1))
    computed(run)
    name = chosen.keep(images, [4, 9, 20])
    app = opened(
        run=run.id, projection="pca", dims="3", colour="answer", block="block3", chosen=name, zoom="1,2,0.5"
    )
    assert app.session_state["choice_dims"] == "3"
    assert app.selectbox(key="map_colour").value == "answer"
    assert "3 chosen images" in words(app)
    for colour in columns.available(run, images):
        app.query_params["colour"] = colour
        app.run()
        assert not app.exception
        assert app.selectbox(key="map_colour").value == colour
    app.selectbox(key="map_colour").select("brightness").run()
    assert app.query_params["colour"] == "brightness"
    # What the address cannot mean is as if it were not there.
    app = opened(run=run.id, colour="<b>", dims="7", chosen="../x", zoom="a,b", thumbs="-4", view="nothing")
    assert app.selectbox(key="map_colour").value == "label"
    assert "chosen image" not in words(app)


def test_a_projection_that_is_missing_is_asked_for(features: Features, started: list[str]) -> None:
    make_set()
    run = make_run()
    computed(run)
    app = opened(run=run.id, projection="tsne")
    assert started.count("sslviz.worker") >= 1
    assert "PCA draws" in words(app)
    asked = [jobs.Job(path).request()[1] for path in (settings.load().home / "jobs").iterdir()]
    assert {"umap", "tsne"} >= {one["projection"] for one in asked}


def test_two_to_four_panes(features: Features) -> None:
    images, run = make_set(), make_run()
    other = make_run(b"other weights")
    computed(run)
    app = opened(run=run.id, view="beside", projection="pca", image=images.ids[3])
    said = words(app)
    assert said.count("Precision at 10") == 3
    assert said.count("are those of the first map") == 2
    assert "Their neighbours changed most" in said
    app.query_params["count"] = "4"
    app.query_params["panes"] = f"run.block1~untrained.block1~pixels~{other.id}"
    app.run()
    assert not app.exception
    assert words(app).count("Precision at 10") == 3, "the other run is being computed"
    computed(other)
    app.run()
    assert words(app).count("Precision at 10") == 4
    app.selectbox(key="pane_what_1").select("pixels").run()
    assert app.query_params["panes"] == f"run.block1~pixels~pixels~{other.id}"
    assert not app.exception
    app.query_params["panes"] = "nothing.x~~run.block99"
    app.query_params["count"] = "2"
    app.run()
    assert not app.exception
    assert words(app).count("Precision at 10") == 2


def test_neighbours_by_other_runs(features: Features, started: list[str]) -> None:
    images, run = make_set(), make_run()
    other = make_run(b"other weights")
    computed(run)
    app = opened(run=run.id, image=images.ids[3], **{"with": other.id})
    assert started.count("sslviz.worker") == 1, "it is computed"
    computed(other)
    app.run()
    assert not app.exception
    lines = list(embedding_neighbors._lines(embedding_scene.scene(run, images), [other]))
    assert [source for _, _, source in lines] == ["run", "run", "untrained", "pixels"]
    next(button for button in app.button if button.label == "One of each task").click().run()
    assert not app.exception
    assert len(app.query_params["with"].split(",")) == 3


def test_rows_that_agree_say_so() -> None:
    first = frozenset(range(10))
    said = embedding_neighbors._agreement(frozenset(range(2, 12)), [("The trained network", first)])
    assert "agrees with the trained network: 8 of 10" in said
    said = embedding_neighbors._agreement(frozenset(range(7, 17)), [("The trained network", first)])
    assert "3 of 10 as the trained network" in said
    assert embedding_neighbors._agreement(first, []) == ""


def test_the_table_to_take_away(features: Features) -> None:
    images, run = make_set(), make_run()
    images.relabel(images.ids[:1], "=cmd()")
    computed(run)
    images = imagesets.open_set(settings.workspace(), "photos")
    scene = embedding_scene.scene(run, images)
    embedding = scene.embedding("run")
    assert embedding is not None
    column = columns.column("cluster", run, images, embedding)
    data = embedding_export.table(scene, embedding, "pca", 2, column).decode()
    rows = list(csv.DictReader(io.StringIO(data)))
    assert list(rows[0]) == ["id", "file", "label", "x", "y", "cluster", "chosen"]
    assert len(rows) == len(images)
    points = embedding.layout("pca")
    assert points is not None
    assert [float(row["x"]) for row in rows] == pytest.approx(points[:, 0].tolist(), abs=1e-4)
    assert rows[0]["label"] == "'=cmd()"
    assert rows[5]["id"] == images.ids[5]
    page = embedding_export.page(scene, embedding, "pca", 2, column)
    assert page.startswith(b"<!doctype html>")
