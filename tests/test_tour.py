"""The tour, its exercises, the glossary, the text of the tasks: written as pages read them, and walked."""

from __future__ import annotations

import re
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
from streamlit.testing.v1 import AppTest

from sslviz import imagesets, jobs, settings
from sslviz.imagesets import NewImage
from sslviz.papers import PAPERS
from sslviz.shortcuts import GUARDS
from sslviz.ui import downstream_view, embedding_view, looks, prose, task_page, task_text, tour, tour_view

ROOT = Path(__file__).resolve().parents[1]
SOURCE = re.compile(r"(19|20)\d\d|model zoo")
"""What a source has: a year, or the name of a table of results."""


@pytest.fixture(autouse=True)
def nothing_starts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(jobs.processes, "detach", lambda *_, **__: None)


def opened(page: str = "", **query: str) -> AppTest:
    app = AppTest.from_file(str(ROOT / "app.py"), default_timeout=60).run()
    if page:
        app.switch_page(f"pages/{page}.py").run()
    for key, value in query.items():
        app.query_params[key] = value
    return app.run() if query else app


def some_images() -> None:
    made = imagesets.create(settings.workspace(), "some")
    generator = np.random.default_rng(0)
    made.add(NewImage(f"{i}.png", pixels=generator.integers(0, 256, (96, 96, 3), np.uint8)) for i in range(6))


def test_the_tour_takes_ten_minutes_and_stops_at_pages_that_exist() -> None:
    halves = {"½": Fraction(1, 2)}
    minutes = sum(
        sum((halves.get(sign) or Fraction(int(sign)) for sign in stop.time.split()[0]), Fraction(0))
        for stop in tour.stops()
    )
    assert 9 <= minutes <= 12
    assert all((ROOT / "pages" / f"{stop.page}.py").exists() for stop in tour.stops())
    assert [stop.number for stop in tour.stops()] == list(range(1, len(tour.stops()) + 1))


def test_the_addresses_of_the_tour_mean_something() -> None:
    known = {
        "start": {"task": set(looks.TASKS)},
        "train": {"task": set(looks.TASKS)},
        **{name: {"view": set(task_page.VIEWS)} for name in looks.TASKS},
        "shortcuts": {"of": {"location"}, "guard": set(GUARDS), "strength": {"10"}},
        "embeddings": {"view": set(embedding_view.VIEWS)},
        "downstream": {"view": set(downstream_view.PARTS)},
        "papers": {"paper": set(PAPERS)},
    }
    for stop in tour.stops():
        for key, value in stop.query.items():
            assert value in known[stop.page][key], stop


def test_what_an_exercise_asks_one_to_press_is_there() -> None:
    """Words in italics are names on the page: each stands in the code of the pages, or is an option."""
    code = "\n".join(path.read_text() for path in [*(ROOT / "sslviz").rglob("*.py"), *ROOT.glob("**/*.py")])
    options = {"Gap", "Jitter"}
    for stop in tour.stops():
        for name in re.findall(r"(?<!\*)\*([^*]+)\*(?!\*)", stop.text.replace("\n", " ")):
            assert name in options or name in code, (stop.title, name)


def test_a_stop_says_how_it_is_to_be_written(monkeypatch: pytest.MonkeyPatch) -> None:
    tour.stops.cache_clear()
    monkeypatch.setattr(prose, "sections", lambda _: {"1 · No place": "Text.\n\n**Exercise.** Why?"})
    with pytest.raises(ValueError, match="No place wants a place"):
        tour.stops()
    monkeypatch.undo()
    tour.stops.cache_clear()
    assert len(tour.stops()) == 10


def test_one_walks_from_the_first_stop_to_the_last_and_out() -> None:
    some_images()
    for stop in tour.stops()[:3]:
        app = opened("" if stop.page == "start" else stop.page, **stop.link)
        assert not app.exception
        shown = [text.value for text in app.markdown]
        assert any(stop.title in text and stop.text in text for text in shown)
        assert any(stop.exercise in text for text in shown)
        following = tour.stops()[stop.number]
        assert f"Next: {following.title}" in [link.label for link in app.page_link]
    app.button(key="tour_leave").click().run()
    assert "tour" not in app.query_params
    assert not any("Exercise" in text.value for text in app.markdown)


def test_who_strays_from_the_tour_finds_the_way_back() -> None:
    some_images()
    app = opened("rotation", tour="2")
    app.switch_page("pages/jigsaw.py").run()
    assert not app.exception
    assert app.query_params["tour"] in ("2", ["2"])
    (back,) = [link for link in app.page_link if link.label.startswith("To the stop")]
    assert tour.stops()[1].title in back.label


@pytest.mark.parametrize("asked", ["0", "99", "x", "", "<b>"])
def test_a_stop_that_there_is_not_is_no_tour(asked: str) -> None:
    app = opened("tour", tour=asked)
    assert not app.exception
    assert not any("stop" in text.value.lower() and "of 10" in text.value for text in app.markdown)


def test_the_page_has_all_exercises_questions_and_words() -> None:
    app = opened("tour")
    assert not app.exception
    text = "\n".join(element.value for element in app.markdown)
    for stop in tour.stops():
        assert stop.exercise in text
        assert stop.answer in text
    questions = opened("tour", part="questions")
    labels = [expander.label for expander in questions.expander]
    assert labels == list(prose.sections("questions"))
    words = opened("tour", part="glossary")
    assert all(term in words.markdown[-1].value for term in tour_view.entries())
    words.text_input(key="glossary_sought").set_value("hamming").run()
    assert "Hamming distance" in words.markdown[-1].value
    assert "UMAP" not in words.markdown[-1].value
    words.text_input(key="glossary_sought").set_value("no such word").run()
    assert any("No entry" in element.value for element in words.markdown)


def test_the_glossary_is_in_the_order_of_the_alphabet_and_says_nothing_twice() -> None:
    terms = list(tour_view.entries())
    assert len(terms) > 30
    assert [term.lower() for term in terms] == sorted(term.lower() for term in terms)
    assert len(terms) == len(set(terms)) == len(re.findall(r"^\*\*", prose.read("glossary"), re.MULTILINE))


@pytest.mark.parametrize("task", list(looks.TASKS))
def test_the_text_of_a_task_has_four_short_parts_and_its_sources(task: str) -> None:
    parts = prose.sections(f"tasks/{task}")
    assert list(parts) == [task_text.SEES, task_text.KNOWS, task_text.WRONG, task_text.FOUND]
    for heading, text in parts.items():
        sentences = re.findall(r"[.?!](?=\s|$)", re.sub(r"\*[^*]+\*|et al\.", "", text))
        assert 1 <= len(sentences) <= 4, (heading, len(sentences))
    assert SOURCE.search(parts[task_text.SEES])
    for paragraph in [parts[task_text.FOUND]]:
        assert re.search(r"\d", paragraph)
        assert SOURCE.search(re.findall(r"\*([^*]+)\*", paragraph)[-1])


@pytest.mark.parametrize("task", list(looks.TASKS))
def test_a_task_shows_what_can_go_wrong_and_what_was_found(task: str) -> None:
    some_images()
    app = opened(task)
    assert not app.exception
    headings = [heading.value for heading in app.subheader]
    assert headings == [task_text.SEES, task_text.KNOWS, task_text.WRONG, task_text.FOUND]
    labels = [link.label for link in app.page_link]
    assert "Repeat it in minutes" in labels
    assert ("Switch the guard off and see" in labels) == (task in task_text.SHOWN)
