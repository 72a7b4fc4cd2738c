"""The inside of a network on a page, in every state it can be found in, through AppTest."""

from __future__ import annotations

import pytest
from small_runs import recorded
from streamlit.testing.v1 import AppTest
from test_inside import compute, few, make_run, make_set

from sslviz import inside, settings, worker
from sslviz.inside import places
from sslviz.jobs import Job
from sslviz.ui import inside_work

PAGE = """
import streamlit as st
from sslviz import imagesets, runs
from sslviz.ui import frame, inside_view
run = runs.open_run(frame.workspace(), st.session_state["run"])
images = imagesets.open_set(frame.workspace(), "pics")
with frame.guard():
    inside_view.show(run, images, st.session_state.get("row"))
"""
__all__ = ["few"]
SECTIONS = ["First filters", "What excites a channel", "Attention maps", "Dense features as colours"]


@pytest.fixture(autouse=True)
def started(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """No process starts; the modules that were to run are returned."""
    return recorded(monkeypatch)


def opened(run: str, row: int | None = None) -> AppTest:
    app = AppTest.from_string(PAGE, default_timeout=120)
    app.session_state["run"] = run
    app.session_state["row"] = row
    app.run()
    assert not app.exception
    return app


def words(app: AppTest) -> str:
    elements = [*app.markdown, *app.caption, *app.subheader, *app.error, *app.get("html")]
    return "\n".join(str(getattr(element, "value", element)) for element in elements)


def the_jobs() -> list[Job]:
    return [Job(folder) for folder in (settings.load().home / "jobs").iterdir()]


def test_what_is_missing_is_asked_for_and_then_there(started: list[str]) -> None:
    make_set(8)
    app = opened(make_run().id)
    assert [one.value for one in app.subheader] == SECTIONS
    assert words(app).count("as soon as it is computed") == 4
    assert started == ["sslviz.worker"]
    (job,) = the_jobs()
    worker.work_job(job)
    assert job.status().state == "done", job.status()
    app.run()
    assert not app.exception
    said = words(app)
    assert "as soon as" not in said
    assert "32 kernels of 5 × 5 pixels" in said
    assert "all 8 images" in said
    assert "block5 · p = 4" in said
    assert "64 × 64 pixels, twice the side" in said
    assert "&lt;b&gt;2&lt;/b&gt;.png" in said  # a file's name is data
    assert "<b>2</b>" not in said
    assert started == ["sslviz.worker"]


def test_a_failed_computation_can_be_tried_again(started: list[str]) -> None:
    make_set(4)
    app = opened(make_run().id)
    (job,) = the_jobs()
    job.set_status(state="failed", error="The disk is full.", hint="Make room.")
    app.run()
    assert "The disk is full" in words(app)
    next(button for button in app.button if button.label == "Try again").click().run()
    assert started == ["sslviz.worker"] * 2


def test_a_chosen_image_comes_first(started: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    images, run = make_set(12), make_run()
    compute(run)
    row = next(row for row in range(12) if row not in inside.sample(images))
    monkeypatch.setattr(inside_work, "QUICK", ())
    assert "Attention maps" in words(opened(run.id, row))
    assert started == ["sslviz.worker"]  # in a process of its own
    (job,) = the_jobs()
    assert job.request()[1]["image"] == images.ids[row]
    assert inside.look(run, images, "run", row) is None
    monkeypatch.setattr(inside_work, "QUICK", ("small",))
    app = opened(run.id, row)  # torch is there: at once
    assert inside.look(run, images, "run", row) is not None
    assert f"&lt;b&gt;{row}&lt;/b&gt;.png" in words(app)
    assert "Choose an image" not in words(app)
    assert started == ["sslviz.worker"]
    assert "Choose an image" in words(opened(run.id, 12))  # one that is gone is as none


def test_what_is_damaged_is_computed_again(started: list[str]) -> None:
    images, run = make_set(4), make_run()
    compute(run)
    path = places.folder(run, images, "untrained") / "patches.bin"
    path.write_bytes(path.read_bytes()[:-2])
    opened(run.id)
    assert started == ["sslviz.worker"]
    assert not path.exists()
    assert inside.filters(run, images, "run") is not None


def test_one_image_and_a_run_without_weights() -> None:
    from sslviz import runs

    make_set(1)
    run = make_run()
    compute(run)
    assert "all 1 images" not in words(opened(run.id, 0))
    fresh = runs.create(settings.workspace(), runs.Spec(task="rotation", images="pics"))
    assert "weights" in words(opened(fresh.id))
