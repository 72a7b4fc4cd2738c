"""Playing a task, and what its network says, on the pages, in every state they can be found in."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from answering import SIDE, trained
from small_runs import make_set, recorded
from streamlit.testing.v1 import AppTest
from test_pages import ROOT, words

from sslviz import quiz, runs, settings, worker
from sslviz.jobs import Job
from sslviz.quiz import drawing
from sslviz.runs import Run

TASKS = ["rotation", "exemplar", "jigsaw", "location"]


@pytest.fixture(autouse=True)
def started(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """No process starts; the modules that were to run are returned."""
    return recorded(monkeypatch)


@pytest.fixture(autouse=True)
def no_bundled(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(runs, "BUNDLED", settings.load().home / "none")


def opened(task: str, view: str, **query: str) -> AppTest:
    app = AppTest.from_file(str(ROOT / "app.py"), default_timeout=120)
    app.run()
    app.switch_page(f"pages/{task}.py").run()
    for key, value in {"view": view, **query}.items():
        app.query_params[key] = value
    return app.run()


def press(app: AppTest, label: str) -> AppTest:
    next(button for button in app.button if button.label == label).click().run()
    assert not app.exception
    return app


def answer(app: AppTest, given: Any) -> AppTest:
    """What the board would tell: AppTest knows no components."""
    app.session_state["play"]["answers"].append((given, 1.5))
    app.session_state["play"]["shown"] = True
    return app.run()


@pytest.mark.parametrize("task", TASKS)
def test_one_plays_alone_where_there_is_no_network(task: str) -> None:
    make_set("some", count=3, side=SIDE)
    app = opened(task, "play")
    assert not app.exception
    assert "Five rounds" in words(app)
    press(app, "Start")
    assert "Round 1 of 5" in words(app)
    assert not app.error
    answer(app, tuple(range(9)) if task == "jigsaw" else 0)
    assert "You took 1.5 s" in words(app)
    assert "Network" not in words(app)
    assert "network yet" in words(opened(task, "network"))


def played(app: AppTest, run: Run, task: str, count: int, number: int = 1) -> list[quiz.Round]:
    """Play rounds of a game, correctly the first, and as the network answers all others."""
    from sslviz import imagesets, networks

    images = imagesets.open_set(settings.workspace(), "some")
    rounds = drawing.draw(images, networks.task_of(run), number, run).rounds
    for place in range(count):
        one = rounds[place]
        assert one.said is not None
        said = one.answer if place == 0 else one.said.answer
        answer(app, one.arranged(said) if task == "jigsaw" else said)
        assert f"Round {place + 1} of 5" in words(app)
        press(app, "See how it went" if place == 4 else "Next round")
    return rounds


@pytest.mark.parametrize("task", ["jigsaw", "rotation"])
def test_five_rounds_are_scored_and_another_game_is_another(task: str) -> None:
    images = make_set("some", count=20, side=SIDE)
    run = trained(images, task)
    app = opened(task, "play", run=run.id)
    press(app, "Start")
    rounds = played(app, run, task, 5)
    network = sum(one.said is not None and one.said.answer == one.answer for one in rounds)
    first = rounds[0].said is not None and rounds[0].said.answer == rounds[0].answer
    you = network + (not first)
    said = words(app)
    assert (f"A draw: {network} of 5" if you == network else f"You win, {you} to {network}") in said
    assert "7 s" in said or "8 s" in said  # five times 1.5
    assert ("Where you both failed" in said) == (you < 5)
    press(app, "Another game")
    assert app.query_params["game"] in ("2", ["2"])
    assert "This is game 2" in words(app)
    press(app, "Start")
    assert "Round 1 of 5" in words(app)


def test_exemplar_waits_for_its_patches(started: list[str]) -> None:
    images = make_set("some", count=20, side=SIDE)
    run = trained(images, "exemplar")
    app = opened("exemplar", "play", run=run.id)
    press(app, "Start")
    assert "Round 1" not in words(app)
    assert "sslviz.worker" in started
    (job,) = [Job(folder) for folder in (settings.load().home / "jobs").iterdir()]
    worker.work_job(job)
    assert job.status().state == "done", job.status()
    app.run()
    played(app, run, "exemplar", 1)


@pytest.mark.parametrize("task", TASKS)
def test_what_the_network_says_is_asked_for_and_then_there(task: str, started: list[str]) -> None:
    images = make_set("some", count=20, side=SIDE)
    trained(images, task)
    app = opened(task, "network")
    assert not app.exception
    assert "sslviz.worker" in started
    (job,) = [Job(folder) for folder in (settings.load().home / "jobs").iterdir()]
    worker.work_job(job)
    assert job.status().state == "done", job.status()
    app.run()
    assert not app.exception
    said = words(app)
    titles = {
        "rotation": "Images without a clear up",
        "jigsaw": "How far off",
        "location": "Where the answers went",
        "exemplar": "taken for each other",
    }
    for text in (titles[task], "Chance", "questions on", "The hardest"):
        assert text in said
    if task != "exemplar":
        assert "held out of the network" in said
    if task in ("jigsaw", "location"):  # of this rotation there is but one crop
        press(app, "Another one")
        assert words(app) != said


@pytest.mark.parametrize("view", ["play", "network"])
def test_runs_that_cannot_be_asked_are_sentences(view: str) -> None:
    import torch

    images = make_set("some", count=20, side=SIDE)
    trained(images, "location", head=False)  # is not offered
    app = opened("location", view, run="nonsense")
    assert not app.exception
    assert "nonsense" in words(app) if view == "play" else "network yet" in words(app)
    broken = trained(images, "rotation", **{"head.classify.bias": torch.full((4,), np.nan)})
    app = opened("rotation", view, run=broken.id)
    if view == "play":
        press(app, "Start")
    assert not app.exception
    assert "not finite" in words(app)
    make_set("tiny", count=1, side=8)
    app = opened("rotation", view, images="tiny")
    assert not app.exception
