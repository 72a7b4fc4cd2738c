"""Every page, in every state it can be found in, through AppTest."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from filelock import FileLock
from streamlit.testing.v1 import AppTest

from sslviz import imagesets, jobs, runs, settings
from sslviz.errors import UserError
from sslviz.imagesets import ImageSet, NewImage
from sslviz.runs import Run, Spec, Status

ROOT = Path(__file__).resolve().parents[1]
TASK_PAGES = ["rotation", "exemplar", "jigsaw", "location"]
PAGES = ["start", "images", *TASK_PAGES, "train", "runs", "embeddings"]
HOSTILE = "![x](http://evil.example/p.png) :red[r] <img src=x onerror=alert(1)> $x$.png"


@pytest.fixture(autouse=True)
def nothing_starts(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Pages ask for processes; here none starts, and the names of their modules are returned."""
    asked: list[str] = []
    monkeypatch.setattr(jobs.processes, "detach", lambda module, *rest, **options: asked.append(module))
    return asked


def a_set(name: str, count: int, label: str | None = "some") -> ImageSet:
    made = imagesets.create(settings.workspace(), name)
    made.add(
        NewImage(
            f"{name} {i}.png",
            pixels=np.random.default_rng(i).integers(0, 256, (96, 96, 3), np.uint8),
            label=label,
        )
        for i in range(count)
    )
    return made


def a_run(state: str = "done", **changes: Any) -> Run:
    run = runs.create(settings.workspace(), Spec(task="rotation", images="some", minutes=1.0, **changes))
    for step in range(0, 100, 10):
        run.append_metric(
            {"step": step, "loss": 1.4 - step / 200, "accuracy": 0.25 + step / 400, "heldout_accuracy": None}
        )
    run.append_metric(
        {"step": 100, "loss": 0.9, "accuracy": 0.5, "heldout_accuracy": 0.4, "heldout_loss": 1.1}
    )
    run.set_status(
        state=state, step=100, steps=200, heldout_accuracy=0.4, chance=0.25, classes=4, seconds=30.0,
        views_per_second=1234.5, message="The loss became NaN." if state == "failed" else "",
    )  # fmt: skip
    return run


def opened(page: str, **query: str) -> AppTest:
    app = AppTest.from_file(str(ROOT / "app.py"), default_timeout=60)
    app.run()
    if page != "start":
        app.switch_page(f"pages/{page}.py").run()
    for key, value in query.items():  # after the switch, which drops the address's query
        app.query_params[key] = value
    return app.run() if query else app


def words(app: AppTest) -> str:
    """All that can be read on the page."""
    shown = [
        *app.markdown,
        *app.caption,
        *app.title,
        *app.subheader,
        *app.error,
        *app.warning,
        *app.success,
        *app.html,
    ]
    return "\n".join(str(element.value) for element in shown)


@pytest.mark.parametrize("page", PAGES)
def test_a_page_opens_where_there_is_nothing_yet(page: str) -> None:
    app = opened(page)
    assert not app.exception
    assert not app.error
    assert app.title


@pytest.mark.parametrize("page", PAGES)
def test_a_page_opens_with_one_image(page: str) -> None:
    a_set("one", 1)
    app = opened(page)
    assert not app.exception
    assert "Traceback" not in words(app)


@pytest.mark.parametrize("page", PAGES)
def test_a_page_opens_with_a_set_and_runs(page: str) -> None:
    a_set("some", 6)
    for state in ("done", "failed", "cancelled"):
        a_run(state)
    app = opened(page)
    assert not app.exception
    assert not app.error


@pytest.mark.parametrize("page", PAGES)
def test_an_address_that_names_nothing_is_a_sentence(page: str) -> None:
    a_set("some", 3)
    app = opened(page, run="../../etc", images="no such set")
    assert not app.exception
    if page in ("train", "runs"):
        assert "There is no run" in words(app)


@pytest.mark.parametrize("page", PAGES)
def test_a_damaged_home_is_a_sentence(page: str) -> None:
    good, bad = a_set("good", 3), a_set("bad", 3)
    (bad.folder / "index.json").write_text('{"version": 1, "entries": nul')
    for name in ("images.pack", "thumbs.pack"):
        (good.folder / name).write_bytes(b"")
    run = a_run()
    (run.folder / "spec.json").write_bytes(b"\0\1")
    (a_run().folder / "status.json").write_text("[]")
    (a_run().folder / "metrics.jsonl").write_text('{"step": NaN}\nnot json\n[]\n')
    app = opened(page)
    assert not app.exception


def test_names_are_shown_and_never_read_as_markup() -> None:
    made = a_set("plain", 2, label=HOSTILE[:60])
    made.add([NewImage(HOSTILE, pixels=np.full((64, 64, 3), 9, np.uint8), label=None)])
    made.rename("![s](x) :red[set]")
    run = a_run()
    run.describe(title=HOSTILE, note=HOSTILE)
    for page in ("images", "rotation", "train", "runs"):
        app = opened(page, run=run.id)
        assert not app.exception
        html = "".join(element.value for element in app.html)
        assert "<img src=x" not in html
        read = "".join(element.value for element in (*app.markdown, *app.caption, *app.title, *app.subheader))
        assert not re.search(r"(?<!\\)(!\[|:red\[|<img|\$x)", read)


def test_the_first_paint_waits_for_nothing_heavy() -> None:
    code = (
        "import sys\n"
        "from streamlit.testing.v1 import AppTest\n"
        "from sslviz import jobs\n"
        "jobs.processes.detach = lambda *a, **k: None\n"
        f"app = AppTest.from_file({str(ROOT / 'app.py')!r}, default_timeout=60).run()\n"
        "assert not app.exception, app.exception\n"
        "heavy = {'torch', 'torchvision', 'plotly.express', 'umap', 'numba', 'sklearn', 'scipy'}\n"
        "print(sorted(heavy & set(sys.modules)))\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=ROOT)
    assert done.stdout.strip().splitlines()[-1] == "[]"


def test_start_asks_for_the_scenes_after_the_first_paint_only(nothing_starts: list[str]) -> None:
    app = opened("start")
    assert "sslviz.worker" not in nothing_starts
    app.run()  # AppTest runs the whole page where a browser would tick
    assert "sslviz.worker" in nothing_starts


def test_training_starts_once_however_often_one_clicks() -> None:
    a_set("some", 6)
    app = opened("train", task="jigsaw")
    button = next(b for b in app.button if b.label == "Start training")
    button.click().run()
    first = app.query_params["run"]
    made = [run for run in runs.listing(settings.workspace()) if not run.bundled]
    assert [run.id for run in made] == ([first] if isinstance(first, str) else first)
    assert made[0].spec.task == "jigsaw"
    assert made[0].spec.minutes == 1.0
    spec = made[0].spec
    assert spec.command == "sslviz train jigsaw --images some --minutes 1 --seed 0"
    assert jobs.queue.DOUBLE_CLICK_SECONDS > 1


def test_a_run_is_found_again_by_its_address() -> None:
    a_set("some", 3)
    run = a_run("running")
    with FileLock(run.lock):
        app = opened("train", run=run.id)
        assert not app.exception
        assert any("Stop" in b.label for b in app.button)
        assert any("50%" in str(link.value) for link in app.page_link)


def test_a_queued_run_has_its_supervisor_looked_after(monkeypatch: pytest.MonkeyPatch) -> None:
    looked: list[None] = []
    monkeypatch.setattr(jobs, "keep_supervisor", lambda: looked.append(None))
    a_set("some", 3)
    opened("runs")
    assert not looked
    a_run("queued")
    opened("runs")
    assert looked


def test_a_run_that_does_not_respond_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    a_set("some", 3)
    run = a_run("running")
    monkeypatch.setattr(Run, "silence", lambda self, status: 312.0)
    with FileLock(run.lock):
        assert "not responded for 5 min 12 s" in words(opened("train", run=run.id))


@pytest.mark.parametrize(
    ("state", "sentence"),
    [("done", "40%"), ("failed", "NaN"), ("cancelled", "Stopped"), ("running", "unexpectedly")],
)
def test_a_run_says_how_it_ended(state: str, sentence: str) -> None:
    a_set("some", 3)
    run = a_run(state)
    app = opened("train", run=run.id)
    assert not app.exception
    assert sentence in words(app)


def test_an_upload_is_written_down_under_numbers_and_read_by_a_job(
    nothing_starts: list[str], home: Path
) -> None:
    app = opened("images")
    app.file_uploader[0].upload("../../evil.png", b"not an image").run()
    assert not app.exception
    assert "sslviz.worker" in nothing_starts
    (request,) = [
        json.loads(path.read_text())
        for path in (home / "jobs").glob("*/job.json")
        if json.loads(path.read_text())["kind"] == "ingest"
    ]
    staging = Path(request["arguments"]["staging"])
    assert (staging / "000000").read_bytes() == b"not an image"
    assert json.loads((staging / "names.json").read_text()) == {"names": ["../../evil.png"]}
    assert not list(home.parent.glob("evil.png"))


def test_what_is_dropped_goes_into_the_current_set_and_waits_for_a_name_that_can_be_one(
    nothing_starts: list[str], home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    a_set("one", 3)
    a_set("two", 4)
    typed = ["a/b"]
    app = opened("images", images="one")

    def target() -> Any:
        (found,) = [box for box in app.selectbox if box.label == "Into the set"]
        return found

    assert target().value == "one"
    app.query_params["images"] = "two"
    app.run()
    assert target().value == "two"
    monkeypatch.setattr("sslviz.ui.upload.st.selectbox", lambda *_, **__: typed[0])  # AppTest cannot type
    app.run()
    assert "'a/b' cannot be the name of a set" in words(app)
    app.file_uploader[0].upload("x.png", b"not an image").run()
    assert not app.exception
    assert not list((home / "jobs").glob("*/job.json"))
    typed[0] = "good"
    app.run()
    (path,) = (home / "jobs").glob("*/job.json")
    assert json.loads(path.read_text())["arguments"]["set"] == "good"


@pytest.mark.parametrize("task", TASK_PAGES)
def test_a_task_page_shows_another_one_and_says_what_the_paper_did(task: str) -> None:
    from sslviz.tasks import TASKS
    from sslviz.tasks.options import describe

    a_set("some", 6)
    app = opened(task)
    assert not app.exception
    before = words(app)
    for option in describe(TASKS[task]):
        assert option.doc in before
        assert option.paper in before
    next(b for b in app.button if b.label == "Another one").click().run()
    assert not app.exception
    assert not app.error
    assert words(app) != before


def test_an_empty_app_offers_the_scenes_where_it_is_opened(nothing_starts: list[str]) -> None:
    app = opened("rotation")
    before = nothing_starts.count("sslviz.worker")
    next(b for b in app.button if b.label == "Draw the built-in scenes").click().run()
    assert nothing_starts.count("sslviz.worker") == before + 1
    assert "being drawn" in words(app)
    assert not [b for b in app.button if b.label == "Draw the built-in scenes"]


def test_the_current_set_is_in_the_address() -> None:
    """Also where it is the one that would be chosen anyway: tomorrow that may be another."""
    a_set("older", 3)
    a_set("newer", 4)
    app = opened("images")
    assert app.query_params["images"] in ("newer", ["newer"])
    app.query_params["images"] = "older"
    app.run()
    assert app.selectbox(key="images").value == "older"
    app.selectbox(key="images").set_value("newer").run()
    assert app.query_params["images"] in ("newer", ["newer"])
    assert app.selectbox(key="images").value == "newer"
    imagesets.delete(settings.workspace(), "newer")
    app.run()
    assert not app.exception
    assert app.selectbox(key="images").value == "older"


def test_where_the_last_set_is_gone_nothing_is_current() -> None:
    """Deleted by another tab or a command, while this one shows it."""
    a_set("only", 3)
    app = opened("rotation")
    assert app.session_state["images"] == "only"
    imagesets.delete(settings.workspace(), "only")
    app.run()
    assert not app.exception
    assert not app.error
    assert "There are no images yet" in words(app)


def test_ticks_never_carry_over_to_another_image() -> None:
    from sslviz.ui import set_view

    made = a_set("some", 6)
    keys = {set_view.ticks_key(made, list(range(6)), 0), set_view.ticks_key(made, list(range(6)), 1)}
    keys.add(set_view.ticks_key(made, [0, 2, 4], 0))  # a filter that begins with the same image
    made.remove(made.ids[3:4])  # elsewhere; the first image is still the first
    keys.add(set_view.ticks_key(made, list(range(5)), 0))
    keys.add(set_view.ticks_key(made, [0, 2, 4], 0))
    assert len(keys) == 5


def test_a_run_that_is_not_there_leaves_the_form_and_a_way_to_the_others() -> None:
    a_set("some", 6)
    app = opened("train", run="0" * 12)
    assert "may have been deleted" in words(app)
    assert "`" not in words(app).split("There is no run")[1][:200]
    assert any("See all runs" in str(link.label) for link in app.page_link)
    assert any(b.label == "Start training" for b in app.button)


def test_flipping_after_turning_is_explained_where_it_is_switched_on() -> None:
    a_set("some", 6)
    app = opened("rotation")
    assert "a mirrored left turn looks like a right turn" not in words(app)
    assert "0° · upright" in words(app)
    next(t for t in app.toggle if t.label == "Flip after").set_value(True).run()
    assert not app.exception
    assert "a mirrored left turn looks like a right turn" in words(app)


def test_changed_options_outlive_a_reload_since_they_are_in_the_address() -> None:
    a_set("some", 6)
    app = opened("location", options="location~gap=0~jitter=0~colour=none")
    assert not app.exception
    assert any("Options (3 changed)" in expander.label for expander in app.expander)
    gap = next(box for box in app.number_input if box.label == "Gap")
    assert gap.value == 0.0
    gap.set_value(0.25).run()
    assert "gap=0.25" in str(app.query_params["options"])
    next(button for button in app.button if button.label == "Back to the defaults").click().run()
    assert "options" not in app.query_params
    train = opened("train", task="location", options="location~gap=0")
    assert not train.exception
    assert any("--option gap=0" in code.value for code in train.code)


@pytest.mark.parametrize(
    "asked",
    [
        "location~gap=nan",
        "location~gap=x~jitter=1e999",
        "location~nothing=1",
        "jigsaw~tile=1",
        "~~=",
        "location~gap=-5",
    ],
)
def test_options_of_an_address_that_make_no_sense_do_no_harm(asked: str) -> None:
    a_set("some", 6)
    app = opened("location", options=asked)
    assert not app.exception
    assert next(box for box in app.number_input if box.label == "Gap").value == (
        0.0 if "-5" in asked else 0.5
    )


def test_options_are_read_as_they_were_written() -> None:
    from sslviz.ui import options

    changed = {"gap": 0.25, "permutations": 100, "grey": True, "colour": "none", "aberration": 10.0}
    assert options.read(options.said("location", changed)) == changed


def test_shares_are_rounded_as_people_read_them() -> None:
    from sslviz.ui.words import percent, verdict

    shown = {0.5: "50%", 0.123: "12.3%", 0.0005: "0.05%", 0.015625: "1.6%", 0.0: "0%", 1.0: "100%"}
    assert {value: percent(value) for value in shown} == shown
    assert percent(None) == "–"
    said = verdict(runs.Status(heldout_accuracy=0.383, chance=0.0005))
    assert "766 times as often as guessing (0.05%)" in said


def test_steps_of_a_number_are_a_twentieth_of_its_range_or_so() -> None:
    from sslviz.tasks import TASKS
    from sslviz.tasks.options import describe
    from sslviz.ui import options

    for task in TASKS.values():
        for option in describe(task):
            if option.type is float:
                step = options._step(option)
                assert (option.high - option.low) / 60 < step <= (option.high - option.low) / 20 * 1.01
                assert f"{step:.12e}"[0] in "125"


def test_the_source_is_the_whole_photograph_with_the_square_in_it() -> None:
    """Boxes are fractions of the centre square; in the photograph's own coordinates they must lie right."""
    from sslviz.ui import pictures

    html = pictures.source("data:,", (300, 200), [(0.25, 0.5, 0.75, 1.0)], False, [""], "alt")
    square, box = re.findall(r"left:([\d.]+)%;top:([\d.]+)%;width:([\d.]+)%;height:([\d.]+)%", html)
    left, top, width, height = (float(number) / 100 for number in square)
    assert [left * 300, top * 200, width * 300, height * 200] == pytest.approx([50, 0, 200, 200], abs=0.01)
    assert [float(number) for number in box] == pytest.approx([25, 50, 50, 50])


def test_looks_know_every_task() -> None:
    from sslviz.tasks import TASKS
    from sslviz.ui import looks

    assert list(looks.TASKS) == list(TASKS)
    for name in TASKS:
        assert (looks.PICTURES / f"{name}.webp").exists()


def each_widget_has_a_name(app: AppTest) -> None:
    for kind in ("button", "selectbox", "toggle", "number_input", "text_input"):
        for widget in getattr(app, kind):
            assert widget.label


def test_every_widget_has_a_name() -> None:
    a_set("some", 6)
    check: Callable[[AppTest], None] = each_widget_has_a_name
    for page in ("images", "train", "runs"):
        check(opened(page))


def chart_of(app: AppTest) -> dict[str, Any]:
    """What the browser gets to draw."""
    (found,) = [
        json.loads(element.proto.json)
        for element in app.get("bidi_component")
        if element.proto.component_name.endswith("sslviz_curves")
    ]
    return dict(found)


def test_a_run_shows_its_figures_with_what_to_hold_them_against() -> None:
    a_set("some", 6)
    run = a_run(plan={"batch": 32, "precision": "bf16", "seconds": 60.0, "threads": 2, "channels_last": True})
    run.set_status(
        knn_accuracy=0.31,
        knn_untrained=0.24,
        knn_pixels=0.26,
        memory_bytes=812_000_000,
        evaluation_seconds=1.2,
    )
    app = opened("train", run=run.id)
    assert not app.exception
    text = words(app)
    for wanted in ("40%", "chance 25%", "31%", "untrained 24%", "pixels 26%", "1,234", "812 MB", "30 s"):
        assert wanted in text, wanted
    assert "Measuring took 4% of the time" in text
    assert "measured on this machine" in text
    chart = chart_of(app)
    assert [panel["name"][:8] for panel in chart["panels"]] == ["Pretext ", "Features", "Loss"]
    assert {kind["name"] for kind in chart["kinds"]} == {"training", "held out"}


def test_a_run_of_an_earlier_version_is_shown_without_what_it_does_not_know() -> None:
    a_set("some", 6)
    app = opened("train", run=a_run().id)
    assert "Measuring took" not in words(app)
    assert "Memory" not in words(app)
    assert len(chart_of(app)["panels"]) == 2


def test_another_run_is_laid_over_and_in_the_address() -> None:
    a_set("some", 6)
    one, other = a_run(), a_run(seed=3)
    app = opened("train", run=one.id)
    assert len(chart_of(app)["runs"]) == 1
    app.multiselect(key=f"with_{one.id}").set_value([other.id]).run()
    assert not app.exception
    assert [run["id"] for run in chart_of(app)["runs"]] == [one.id, other.id]
    assert app.query_params["with"] in (other.id, [other.id])
    again = opened("train", **{"run": one.id, "with": other.id})
    assert [run["id"] for run in chart_of(again)["runs"]] == [one.id, other.id]


def test_smoothing_leaves_the_raw_curve_behind() -> None:
    a_set("some", 6)
    app = opened("train", run=a_run().id)
    app.slider(key="curves_smoothing").set_value(0.0).run()
    assert all(curve["raw"] is None for curve in chart_of(app)["curves"])
    app.slider(key="curves_smoothing").set_value(0.9).run()
    assert any(curve["raw"] for curve in chart_of(app)["curves"])


def test_a_run_that_goes_on_from_another_says_so_and_shows_both() -> None:
    a_set("some", 6)
    parent = a_run()
    child = a_run(start=parent.id, since=100)
    app = opened("train", run=child.id)
    labels = [link.label for link in app.page_link]
    assert any(label.startswith("Continues") and "100 steps" in label for label in labels)
    assert chart_of(app)["begins"] == [100]
    app.toggle(key="curves_before").set_value(False).run()
    assert chart_of(app)["begins"] == []
    app = opened("train", run=parent.id)
    assert any(link.label.startswith("Continued by") for link in app.page_link)
    parent.delete()
    assert "no longer here" in words(opened("train", run=child.id))


def test_what_goes_wrong_is_said_with_what_to_try() -> None:
    a_set("some", 6)
    run = a_run()
    run.set_status(heldout_accuracy=0.25)
    app = opened("train", run=run.id)
    assert any("noise of guessing" in box.value.replace("\\", "") for box in app.info)
    run.set_status(heldout_accuracy=0.5)
    assert not opened("train", run=run.id).info


def test_a_queued_run_says_its_place_and_about_how_long(monkeypatch: pytest.MonkeyPatch) -> None:
    a_set("some", 6)
    run = a_run("queued")
    for turn, said in (
        (jobs.Turn(2, 170.0, True), "2 runs before it, about 3 min."),
        (jobs.Turn(1, 170.0, False), "1 run before it, at least 3 min."),
        (jobs.Turn(2, 0.0, False), "2 runs before it."),
    ):
        monkeypatch.setattr(jobs, "turn", lambda run, turn=turn: turn)
        assert said in words(opened("train", run=run.id))


def test_the_table_has_the_settings_that_differ_and_no_others() -> None:
    from sslviz.ui import run_table

    found = [a_run(seed=seed, lr=0.01) for seed in (1, 2)]
    table = run_table.columns(found, [run.status() for run in found])
    assert table["seed"] == [1, 2]
    assert not {"lr", "task", "batch", "note", "features"} & set(table)
    found[0].describe(title="mine", note="a try")
    table = run_table.columns(found, [run.status() for run in found])
    assert table["run"][0] == "mine"
    assert table["note"] == ["a try", ""]


def test_several_runs_in_the_address_are_compared() -> None:
    a_set("some", 6)
    found = [a_run(seed=seed) for seed in (1, 2, 3)]
    found[0].set_status(heldout_accuracy=0.6)
    found[1].describe(title=HOSTILE)
    app = opened("runs", run=f"{found[0].id},{found[1].id}")
    assert not app.exception
    assert "2 runs compared" in words(app)
    assert {run["id"] for run in chart_of(app)["runs"]} == {run.id for run in found[:2]}
    (beside,) = [html.value for html in app.html if "<table" in html.value]
    assert "<td><b>60%</b></td>" in beside
    assert "<img" not in beside
    assert "Seed" in beside
    assert any(b.label == "Delete 2 runs" for b in app.button)
    alone = opened("runs", run=found[2].id)
    assert len(chart_of(alone)["runs"]) == 1
    assert any(b.label == "Delete" for b in alone.button)
    assert "compared" not in words(alone)


def test_hundreds_of_runs_are_listed_within_a_second() -> None:
    import time

    for number in range(200):
        run = runs.create(settings.workspace(), Spec(task="rotation", images="some", seed=number))
        run.set_status(state="done", heldout_accuracy=0.5, chance=0.25)
    from sslviz.ui import run_table

    began = time.process_time()
    found = runs.listing(settings.workspace())
    run_table.columns(found, [run.status() for run in found])
    assert time.process_time() - began < 1.0


@pytest.mark.parametrize("state", ["queued", "failed"])
def test_a_run_that_has_not_begun_is_compared_too(state: str) -> None:
    a_set("some", 6)
    done, other = a_run(), runs.create(settings.workspace(), Spec(task="rotation", images="some", seed=2))
    other.set_status(state=state)
    app = opened("runs", run=f"{done.id},{other.id}")
    assert not app.exception
    (beside,) = [html.value for html in app.html if "<table" in html.value]
    assert "<td>–</td>" in beside
    assert "<b>–</b>" not in beside
    # What is at work is not deleted, and not offered.
    labels = [b.label for b in app.button]
    assert ("Delete 2 runs" in labels) == (state == "failed")
    assert any(label.startswith("Delete Rotation") for label in labels) == (state == "queued")


def test_several_are_deleted_save_those_that_cannot_be(monkeypatch: pytest.MonkeyPatch) -> None:
    from sslviz.ui import run_detail

    found = [a_run(seed=seed) for seed in (1, 2, 3)]
    address: dict[str, str] = {"run": "all"}
    monkeypatch.setattr(run_detail.st, "query_params", address)
    with FileLock(found[1].lock), pytest.raises(UserError, match="at work"):
        run_detail._delete(found)
    assert [run.folder.exists() for run in found] == [False, True, False]
    assert address == {"run": found[1].id}
    run_detail._delete(found[1:2])
    assert address == {}


def test_a_note_keeps_its_lines_and_a_name_of_spaces_is_none() -> None:
    from sslviz.ui import run_table

    a_set("some", 6)
    run = a_run()
    run.describe(title="   ", note=f"first\nsecond *line*\n{'x' * 900}")
    assert run.title == "rotation on some"
    shown = words(opened("runs", run=run.id))
    assert "\N{REPLACEMENT CHARACTER}" not in shown
    assert "first  \nsecond \\*line\\*  \n" + "x" * 900 in shown
    (noted,) = run_table.columns([run], [run.status()])["note"]
    assert noted.startswith("first second *line* x")


def test_a_run_laid_over_another_is_told_apart_from_it() -> None:
    from sslviz.ui import curves

    run, other = a_run(seed=1), a_run(seed=2)
    (name,) = curves.offer(run, [run, other]).values()
    assert name == "Rotation on some · seed 2"


def test_levels_have_room_for_their_words() -> None:
    from sslviz.ui import curves

    a_set("some", 6)
    run = runs.create(settings.workspace(), Spec(task="rotation", images="some"))
    run.append_metric({"step": 1, "seconds": 1.0, "loss": 1.0, "accuracy": 0.5, "knn_accuracy": 0.4})
    low = Status(state="done", chance=0.0005, knn_untrained=0.2, knn_pixels=0.5, step=1, steps=1)
    high = replace(low, chance=0.016)
    chart = curves.build([run, run], [low, high])
    assert chart is not None
    told = {level.text: level for level in chart.levels if level.text}
    assert set(told) == {"chance 0.05% and 1.6%", "untrained 20%", "raw pixels 50%"}
    assert len([level for level in chart.levels if level.panel == 0]) == 2  # both lines are there
    assert told["raw pixels 50%"].below  # the highest of its panel
    assert not told["untrained 20%"].below
    near = replace(low, knn_untrained=0.36, knn_pixels=0.35, knn_chance=0.36)
    chart = curves.build([run], [near])
    assert chart is not None
    in_features = [(level.value, level.text, level.below) for level in chart.levels if level.panel == 1]
    # One text for all, above the highest of them, and 0.36 is two lines.
    assert in_features[-1][1:] == ("commonest label 36% · untrained 36% · raw pixels 35%", False)
    assert [value for value, *_ in in_features] == [0.35, 0.36, 0.36]
    elsewhere = runs.create(settings.workspace(), Spec(task="rotation", images="x", fingerprint="y"))
    elsewhere.append_metric({"step": 1, "seconds": 1.0, "loss": 1.0, "accuracy": 0.5, "knn_accuracy": 0.4})
    chart = curves.build([run, elsewhere], [low, low])
    assert chart is not None
    assert [level.text for level in chart.levels] == ["chance 0.05%"]  # no features of other images


def test_options_that_an_address_made_up_start_no_run() -> None:
    a_set("some", 6)
    app = opened("train", options="rotation~padding=abc~nosuch=1")
    app = next(b for b in app.button if b.label == "Start training").click().run()
    assert not app.exception
    assert "padding" in words(app)
    assert not [run for run in runs.listing(settings.workspace()) if not run.bundled]
