"""The papers page: nothing repeated yet, under way, failed, interrupted, found and not found."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from streamlit.testing.v1 import AppTest

from sslviz import imagesets, jobs, runs, settings
from sslviz.files import write_json
from sslviz.imagesets import ImageSet, NewImage
from sslviz.papers import PAPERS, Figure, Finding, Findings, Row, records, repeating
from sslviz.runs import Spec
from sslviz.ui import papers_figures
from sslviz.ui.papers_view import NAMES, next_seed

ROOT = Path(__file__).resolve().parents[1]


@pytest.fixture(autouse=True)
def nothing_starts(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    asked: list[str] = []
    monkeypatch.setattr(jobs.processes, "detach", lambda module, *rest, **options: asked.append(module))
    return asked


def scenes(name: str = "scenes") -> ImageSet:
    """What the page takes for the built-in set."""
    made = imagesets.create(settings.workspace(), name, builtin=name == "scenes")
    made.add([NewImage("a.png", pixels=np.zeros((64, 64, 3), np.uint8), label="a")])
    return made


def repeated(name: str, *, visible: bool = True, seed: int = 0, told: bool = True) -> dict[str, Any]:
    """A repetition at the smallest scale, made up: its runs are there, and what it found."""
    paper, workspace = PAPERS[name], settings.workspace()
    scale = list(paper.scales)[-1]
    values = paper.values(paper.scales[scale])
    what = {"repetition": f"made up {name} {seed}", "paper": name, "scale": scale, "seed": seed}
    listed = []
    for value in values:
        run = runs.create(workspace, Spec(task=paper.task, images="scenes"))
        run.set_status(state="done", step=9, steps=9)
        records.write(run, {**what, "images": "scenes", "at": value.at})
        listed.append({"run": run.id, "what": value.what, "at": value.at, "steps": 9, "seconds": 1.0})
    places = [value.at for value in values] if len(values) > 1 else [1.0, 2.0, 3.0]
    rows = [
        Row(
            f"value {at:g}", 0.3 + 0.1 * place, 400, at, 0.1, 0.2, 0.15,
            Figure(0.9, "a table", "recalled, unchecked", at), Figure(0.88, "a rerun", "read", at),
        )
        for place, at in enumerate(places)
    ]  # fmt: skip
    finding = Finding("It <b>shows</b>.", True) if visible else Finding("Nothing.", False, "Too few images.")
    found = Findings(
        rows,
        finding,
        "labels told by a probe",
        400,
        {"another": Figure(0.5, "notes", "second-hand")},
        ["Scaled down: a bit."],
    )
    record = {**what, "images": "scenes", "at": values[0].at, "run": listed[0]["run"], "runs": listed}
    if told:
        records.write(runs.open_run(workspace, listed[0]["run"]), {**record, **found.plain()})
    return record


def opened(**query: str) -> AppTest:
    app = AppTest.from_file(str(ROOT / "app.py"), default_timeout=60)
    app.run()
    app.switch_page("pages/papers.py").run()
    for key, value in query.items():
        app.query_params[key] = value
    return app.run() if query else app


def words(app: AppTest) -> str:
    parts = [*app.markdown, *app.caption, *app.subheader, *app.success, *app.info, *app.error, *app.html]
    return "\n".join(str(element.value) for element in parts)


@pytest.mark.parametrize("name", list(NAMES))
def test_what_was_published_is_there_before_anything_was_repeated(name: str) -> None:
    scenes()
    app = opened(paper=name)
    assert not app.exception
    shown = words(app)
    assert PAPERS[name].title in shown
    assert "**The claim:**" in shown
    assert "Nothing yet" in shown
    (button,) = [one for one in app.button if one.label.startswith("Repeat it")]
    assert button.label == f"Repeat it (about {PAPERS[name].scales['minutes'].minutes:g} minutes)"
    assert f"sslviz reproduce {name} --scale minutes --seed 0" in [one.value for one in app.code]
    assert len(app.get("plotly_chart")) == (0 if name == "location-gap" else 1)
    if name == "jigsaw-permutations":
        assert "recalled, unchecked" in shown


@pytest.mark.parametrize("name", list(NAMES))
def test_what_was_found_is_beside_it(name: str) -> None:
    scenes()
    record = repeated(name)
    app = opened(paper=name)
    assert not app.exception
    shown = words(app)
    assert "It \\<b\\>shows\\</b\\>\\." in shown
    assert "Scaled down: a bit\\." in shown or "Scaled down\\: a bit\\." in shown
    assert len(app.get("plotly_chart")) == (1 if name == "location-gap" else 2)
    assert any(one.label.startswith("Repeat it with seed 1") for one in app.button)
    links = json.dumps([str(one.proto) for one in app.get("page_link")])
    assert all(one["run"] in links for one in record["runs"])


def test_what_labels_give_is_a_line_across_both_charts() -> None:
    paper, beside = PAPERS["rotnet-cifar10"], Figure(0.93, "notes", "second-hand")
    rows = [Row(f"conv{at}", 0.2 * at, 400, at, 0.1, 0.1) for at in (1, 2, 3)]
    others = [
        Row("rotation", 0.99, 400),
        Row("the network on labels", 0.8, 400, published=beside, line="from labels"),
    ]
    plain = [row.plain() for row in (*rows, *others)]
    for chart, height in (
        (papers_figures.measured(paper, plain), 0.8),
        (papers_figures.published(paper, plain), 0.93),
    ):
        assert chart is not None
        (line,) = [trace for trace in chart.data if trace.name == "from labels"]
        assert set(line.y) == {height}
        assert chart.layout.yaxis.range[1] > height
        assert not [trace for trace in chart.data if trace.name == "rotation"]
    for row in plain:
        del row["line"]  # as repetitions of before were written
    assert "from labels" not in [trace.name for trace in papers_figures.measured(paper, plain).data]


def test_what_does_not_show_is_said_with_the_reason() -> None:
    scenes()
    repeated("exemplar-classes", visible=False)
    app = opened(paper="exemplar-classes")
    assert not app.exception
    assert not app.success
    assert "Too few images" in words(app)


def test_an_interrupted_one_is_gone_on_with_and_a_job_is_followed(nothing_starts: list[str]) -> None:
    scenes()
    repeated("jigsaw-permutations", told=False)
    app = opened(paper="jigsaw-permutations")
    assert "It was interrupted: 3 of 3 runs had begun" in words(app)
    (button,) = [one for one in app.button if one.label == "Go on with it"]
    app = button.click().run()
    assert nothing_starts.count("sslviz.worker") == 1
    assert not app.exception
    assert not [one for one in app.button if one.label == "Go on with it"]
    (stop,) = [one for one in app.button if one.label == "Stop"]
    (folder,) = (settings.load().home / "jobs").glob("*/job.json")
    kind, arguments = jobs.Job(folder.parent).request()
    assert kind == "reproduce"
    assert (arguments["paper"], arguments["scale"], arguments["seed"]) == (
        "jigsaw-permutations",
        "minutes",
        0,
    )
    app = stop.click().run()
    assert jobs.Job(folder.parent).cancel_flag.exists()
    failed = {"state": "failed", "error": "There is no room.", "hint": "Make some."}
    write_json(folder.parent / "status.json", failed)
    app = opened(paper="jigsaw-permutations")
    assert "There is no room\\." in words(app)
    assert [one for one in app.button if one.label == "Go on with it"]


def test_other_images_and_scales_are_asked_for_by_name() -> None:
    scenes()
    hostile = "mine *and* :red[yours]"
    scenes(hostile)
    repeated("location-gap")
    app = opened(paper="location-gap", scale="hour", on="current", images=hostile)
    assert not app.exception
    assert "Nothing yet" in words(app)
    (command,) = [one.value for one in app.code]
    assert command == f"sslviz reproduce location-gap --scale hour --seed 0 --images '{hostile}'"
    app = opened(paper="location-gap", scale="paper")
    assert "This takes a GPU" in words(app)
    assert not [one for one in app.button if "Repeat" in one.label]
    jobs.note_devices(("cuda:0",))
    app = opened(paper="location-gap", scale="paper")
    assert [one for one in app.button if one.label == "Repeat it"]
    assert not opened(paper="nothing", scale="nothing", on="nothing").exception


def test_a_set_that_cannot_do_is_said_before_it_is_tried() -> None:
    """One without labels or without images to test on, for the experiment that needs them, and no other."""
    scenes()
    scenes("mine")
    app = opened(paper="rotnet-cifar10", on="current", images="mine")
    assert not app.exception
    assert "does not say which images are to be tested on" in words(app)
    assert not [one for one in app.button if "Repeat" in one.label]
    app = opened(paper="location-gap", on="current", images="mine")
    assert [one for one in app.button if "Repeat" in one.label]


def test_without_any_images_the_page_is_there() -> None:
    app = opened()
    assert not app.exception
    assert [one for one in app.button if one.label.startswith("Repeat it")]


def test_the_next_seed_is_the_first_that_was_not_finished() -> None:
    def one(seed: int, told: bool) -> records.Repetition:
        return records.Repetition("k", "p", "s", seed, "i", {}, {"rows": []} if told else None)

    assert next_seed([]) == 0
    assert next_seed([one(0, True), one(1, False)]) == 1
    assert next_seed([one(1, True)]) == 0
    assert next_seed([one(1, True), one(0, True), one(5, True)]) == 2


def test_images_are_those_of_the_paper_where_they_are_there() -> None:
    scale = PAPERS["rotnet-cifar10"].scales["minutes"]
    assert repeating.images_for(settings.workspace(), scale) == "scenes"
    made = imagesets.create(settings.workspace(), "cifar10", builtin=True)
    made.add([NewImage("a.png", pixels=np.zeros((32, 32, 3), np.uint8), label="a")])
    assert repeating.images_for(settings.workspace(), scale) == "cifar10"
    whole = PAPERS["rotnet-cifar10"].scales["paper"]
    imagesets.delete(settings.workspace(), "cifar10")
    assert repeating.images_for(settings.workspace(), whole) == "cifar10"  # and then the download is named
