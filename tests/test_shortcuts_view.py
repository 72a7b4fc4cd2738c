"""The page of shortcuts, in every state it can be found in."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from streamlit.testing.v1 import AppTest

from sslviz import imagesets, jobs, kept, runs, settings
from sslviz.imagesets import ImageSet, NewImage
from sslviz.papers import Finding, Row, records
from sslviz.runs import Run, Spec
from sslviz.shortcuts import GUARDS, OFF, STRENGTHS, alone, pairs
from sslviz.shortcuts.worth import Mark, Measure, Worth

ROOT = Path(__file__).resolve().parents[1]
HOSTILE = "![x](http://evil.example/p.png) :red[r] <img src=x onerror=alert(1)> $x$.png"


@pytest.fixture(autouse=True)
def nothing_starts(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    asked: list[str] = []
    monkeypatch.setattr(jobs.processes, "detach", lambda module, *rest, **options: asked.append(module))
    return asked


def a_set(count: int = 3, side: int = 96) -> ImageSet:
    made = imagesets.create(settings.workspace(), "some")
    draw = np.random.default_rng(0)
    made.add(
        NewImage(HOSTILE if not n else f"{n}.png", pixels=draw.integers(0, 256, (side, side, 3), np.uint8))
        for n in range(count)
    )
    return made


def opened(**query: str) -> AppTest:
    app = AppTest.from_file(str(ROOT / "app.py"), default_timeout=120)
    app.run()
    app.switch_page("pages/shortcuts.py").run()
    for key, value in query.items():
        app.query_params[key] = value
    return app.run() if query else app


def said(app: AppTest) -> str:
    assert not app.exception
    parts = [*app.markdown, *app.caption, *app.info, *app.success, *app.warning, *app.error]
    return "\n".join(str(part.value) for part in parts) + html(app)


def html(app: AppTest) -> str:
    return "\n".join(str(part.proto.body) for part in app.get("html"))


def arguments(images: ImageSet, **more: Any) -> dict[str, Any]:
    """Of a job that the page asks for."""
    about = {"workspace": str(settings.workspace()), "set": images.name, "fingerprint": images.fingerprint}
    return {**about, **more}


def told_alone(images: ImageSet, name: str) -> None:
    """What was found of a cue, made up: it rises with the strength, and guards undo it."""
    guard = GUARDS[name]
    for strength in alone.strengths_of(guard):
        for which in (OFF, *guard.measures):
            share = min(0.9, 0.125 + 0.08 * strength) if which == OFF and guard.varies else 0.125
            shares = (np.arange(400) < share * 400).astype(np.float32)
            path = alone.path_of(guard, which, strength, images)
            kept.write(path, {"shares": shares}, classes=8, ceiling=1.0, reasons=[])


def trained(images: ImageSet, name: str, *, visible: bool = True, told: bool = True) -> list[Run]:
    """A pair of runs, made up."""
    guard = GUARDS[name]
    paper = pairs.Pair(guard, guard.measure, 10.0 if guard.varies else 0.0, 5)
    made = []
    what = {
        "repetition": f"made up {name}",
        "paper": paper.name,
        "scale": pairs.SCALE,
        "seed": 0,
        "images": images.name,
    }
    for at in (0.0, 1.0):
        run = runs.create(settings.workspace(), Spec(task=guard.task, images=images.name))
        run.append_metric({"step": 5, "loss": 1.0, "accuracy": 0.5, "heldout_accuracy": 0.5 + at / 10})
        run.set_status(state="done", step=5, steps=5, chance=0.25, heldout_accuracy=0.5 + at / 10)
        records.write(run, {**what, "at": at})
        made.append(run)
    if told:
        rows = [Row("without", 0.5, 400, 0.0, 0.25), Row("with", 0.6, 400, 1.0, 0.25)]
        marks = [Mark(value, value - 0.02, value + 0.02, "block3") for value in (0.3, 0.4, 0.2)]
        finding = Finding("It <b>shows</b>.", visible, "" if visible else "It does not show at this scale.")
        found = pairs.PairFindings(
            rows, finding, "right", 400, remarks=["One run each."], ceiling=0.75,
            worth=Worth((Measure("knn", *marks, -0.14, -0.06, 400),), 0.1),
        )  # fmt: skip
        listed = [{"run": run.id, "what": f"{n}", "at": float(n)} for n, run in enumerate(made)]
        records.write(made[0], {**what, "at": 0.0, "runs": listed, **found.plain()})
    return made


def test_without_images_it_says_where_to_get_some() -> None:
    assert "There are no images yet" in said(opened())


@pytest.mark.parametrize("name", ["rotation-flip", "rotation-bars", "jigsaw-tone", "location-gap"])
def test_a_guard_is_shown_before_anything_is_known(name: str, nothing_starts: list[str]) -> None:
    images = a_set()
    app = opened(guard=name, of=GUARDS[name].task)
    text = said(app)
    assert GUARDS[name].title in [one.value for one in app.subheader]
    assert "Without the guard" in text
    assert "http://evil.example" not in text.replace(r"\:", ":").split("alt=")[0]
    assert any("2 × " in button.label for button in app.button)
    assert f"sslviz shortcut {name} --images some" in "\n".join(code.value for code in app.code)
    if name == "rotation-flip":
        assert "75" in app.warning[0].value
        assert not app.select_slider
    else:
        asked = jobs.known("cue", arguments(images, guard=name, strength=10.0))
        assert asked is not None
        assert "sslviz.worker" in nothing_starts


def test_the_slider_raises_what_the_cue_tells() -> None:
    images = a_set()
    told_alone(images, "location-fringes")
    app = opened(guard="location-fringes", of="location", strength="0")
    assert app.select_slider[0].value == 0.0
    low = said(app)
    assert "gives nothing away" in low.replace("\\", "")
    app.select_slider[0].set_value(10.0).run()
    high = said(app)
    assert "gives 90.0% right answers" in high.replace("\\", "")
    assert "With “project” it is 12.5%" in high.replace("\\", "")
    assert len(app.get("plotly_chart")) == 1
    assert app.query_params["strength"] in ("10", ["10"])
    assert "--strength 10" in "\n".join(code.value for code in app.code)
    assert set(app.select_slider[0].options) == {f"{one:g} ‰" for one in STRENGTHS}


def test_a_pair_that_was_trained_shows_its_ceiling_and_its_worth() -> None:
    trained(a_set(), "rotation-flip")
    app = opened(guard="rotation-flip", of="rotation")
    text = said(app)
    assert r"\<b\>" in app.success[0].value
    assert "sv-ceiling" in text
    assert "left:75.00%" in text
    assert "possible at best 75%" in text
    assert "block3" in text
    assert not [one for one in app.button if one.label.startswith("Go on")]


def test_a_pair_that_does_not_show_or_is_half_done() -> None:
    images = a_set()
    trained(images, "location-gap", visible=False)
    trained(images, "location-tone", told=False)
    app = opened(guard="location-gap", of="location")
    assert "does not show at this scale" in app.info[0].value.replace("\\", "")
    app.query_params["guard"] = "location-tone"
    app.run()
    assert any(one.label.startswith("Go on") for one in app.button)
    assert not app.info


def test_the_button_asks_for_both_and_the_page_follows(nothing_starts: list[str]) -> None:
    images = a_set(count=1, side=24)
    app = opened(guard="rotation-flip", of="rotation")
    app.number_input(key="steps_rotation-flip").set_value(7).run()
    button = next(one for one in app.button if one.label == "Train both (2 × 7 steps)")
    button.click().run()
    assert not app.exception
    how = {"guard": "rotation-flip", "measure": "on", "strength": 0.0, "steps": 7, "seed": 0}
    job = jobs.known("shortcut", arguments(images, **how))
    assert job is not None
    assert any(one.label == "Stop" for one in app.button)
    job.set_status(state="failed", error="The disk is full.", hint="Free some.")
    app.run()
    assert "The disk is full" in app.error[0].value.replace("\\", "")


def test_options_of_a_task_say_what_is_possible() -> None:
    a_set()
    app = AppTest.from_file(str(ROOT / "app.py"), default_timeout=120)
    app.run()
    app.session_state["options_rotation"] = {"flip_after": True}
    app.switch_page("pages/rotation.py").run()
    assert not app.exception
    assert any("Possible at best" in one.value and "75" in one.value for one in app.warning)
