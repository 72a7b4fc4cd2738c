"""The whole way on the start page: with nothing, with images, with a network, with its features known."""

from __future__ import annotations

import base64
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from streamlit.testing.v1 import AppTest

from sslviz import embeddings, imagesets, jobs, runs, settings
from sslviz.imagesets import ImageSet, NewImage
from sslviz.ui import start_pipeline, start_view
from sslviz.ui.words import percent

ROOT = Path(__file__).resolve().parents[1]


@pytest.fixture(autouse=True)
def nothing_starts(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, dict[str, Any]]]:
    """What jobs were asked for; none starts."""
    asked: list[tuple[str, dict[str, Any]]] = []
    monkeypatch.setattr(jobs.processes, "detach", lambda *_, **__: None)
    start = jobs.start

    def noted(kind: str, arguments: dict[str, Any], **options: Any) -> Any:
        asked.append((kind, dict(arguments)))
        return start(kind, arguments, **options)

    monkeypatch.setattr(jobs, "start", noted)
    return asked


def a_set(name: str, count: int, labels: int = 2, builtin: bool = False) -> ImageSet:
    made = imagesets.create(settings.workspace(), name, builtin=builtin)
    generator = np.random.default_rng(len(name))
    made.add(
        NewImage(
            f"{i}.png",
            pixels=generator.integers(0, 128, (64, 64, 3), np.uint8) + np.uint8(i % 2 * 100),
            label=str(i % labels) if labels else None,
        )
        for i in range(count)
    )
    return made


def html(app: AppTest) -> str:
    return "\n".join(str(element.proto.body) for element in app.get("html"))


def opened(**query: str) -> AppTest:
    app = AppTest.from_file(str(ROOT / "app.py"), default_timeout=60)
    for key, value in query.items():
        app.query_params[key] = value
    app.run()
    assert not app.exception
    return app


def drawings(text: str) -> list[str]:
    return [
        base64.b64decode(one).decode() for one in re.findall(r"data:image/svg\+xml;base64,([^\"]+)", text)
    ]


def test_without_images_it_says_what_to_bring() -> None:
    text = html(opened())
    assert "No images yet" in text
    assert "The map" not in text
    assert {link.label for link in opened().page_link} >= {"Your images", "Train", "The map"}


def test_the_images_are_counted_and_the_network_is_named() -> None:
    a_set("some", 12)
    text = html(opened(images="some", task="location"))
    assert "12 images of <b>some</b>" in text
    assert "labels only judge" in text
    assert "Where does the second patch belong?" in text
    bundled = next(run for run in runs.listing(settings.workspace()) if run.spec.task == "location")
    assert percent(bundled.status().heldout_accuracy) in text
    assert "by chance 12.5%" in text
    assert "It comes with sslviz" in text
    assert "are not known yet" in text


def test_without_labels_none_are_spoken_of() -> None:
    a_set("some", 12, labels=0)
    assert "labels only judge" not in html(opened(images="some"))


def test_what_is_known_of_the_features_is_drawn_beside_untrained_and_pixels() -> None:
    images = a_set("some", 40)
    run = start_pipeline.network("rotation", images)
    assert run is not None
    embeddings.compute(settings.workspace(), run.id, "some", projection=None)
    text = html(opened(images="some"))
    encoder, map_ = drawings(text)
    assert map_.count("<circle") == 40
    assert encoder.count("<rect") == len(embeddings.blocks(run, images)) + 8
    for source in embeddings.SOURCES:
        best = max(embeddings.accuracies(run, images, source).values())
        assert f"<span>{start_pipeline.SOURCES[source]}</span>" in text
        assert f"<span>{percent(best)}</span>" in text


def test_features_are_asked_for_after_the_pictures_and_only_of_few_images(
    nothing_starts: list[tuple[str, dict[str, Any]]], monkeypatch: pytest.MonkeyPatch
) -> None:
    a_set("scenes", 4, builtin=True)
    a_set("some", 12)
    app = opened(images="some")
    assert nothing_starts == []
    app.run()
    assert [kind for kind, _ in nothing_starts] == ["posters"]
    job = jobs.known(*nothing_starts[0])
    assert job is not None
    app.session_state["posters"] = {imagesets.open_set(settings.workspace(), "some").fingerprint: job.id}
    app.run()
    assert nothing_starts[-1][0] == "embed"
    assert nothing_starts[-1][1]["set"] == "some"
    count = len(nothing_starts)
    monkeypatch.setattr(start_pipeline, "MOST", 11)
    app.run()
    assert len(nothing_starts) == count


def test_where_many_share_the_machine_nothing_is_looked_at_unasked(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(start_pipeline, "unknown", lambda: ("a run", "a set"))
    monkeypatch.setattr(start_view.embedding_work, "known", lambda *_: None)
    assert start_view._unlooked() == ("a run", "a set")
    monkeypatch.setenv("SSLVIZ_SERVER", "1")
    assert start_view._unlooked() is None


def test_a_hostile_name_is_shown_as_it_is() -> None:
    a_set("<img src=x onerror=alert(1)>", 3)
    text = html(opened())
    assert "<img src=x" not in text
