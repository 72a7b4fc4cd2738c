"""The four tasks side by side: which runs, what is found of them, the command, and the page."""

from __future__ import annotations

import json
import os
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from small_runs import ROOT, make_set, recorded
from streamlit.testing.v1 import AppTest

from sslviz import (
    cli,
    features,
    figures,
    imagesets,
    lineup,
    neighbors,
    networks,
    probes,
    runs,
    settings,
    similarity,
    worker,
)
from sslviz.imagesets import ImageSet
from sslviz.intervals import Comparison
from sslviz.jobs import Job
from sslviz.lineup import Contender, Lineup, Score, asking, computing, supervised
from sslviz.probes import featured
from sslviz.runs import Run
from sslviz.ui import lineup_alike, lineup_table
from sslviz.worker import work_run

SAME: dict[str, Any] = {
    "steps": 2,
    "size": 48,
    "device": "cpu",
    "threads": 1,
    "batch": 4,
    "precision": "fp32",
}


@pytest.fixture(autouse=True)
def few(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sslviz.train.draws.HELDOUT", 16)
    monkeypatch.setattr("sslviz.train.planning.GLANCE", 16)
    monkeypatch.setattr("sslviz.lineup.supervised.EPOCHS", 1)
    monkeypatch.setattr(os, "fsync", lambda _: None)


@pytest.fixture(autouse=True)
def started(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """No process starts; the modules that were to run are returned."""
    return recorded(monkeypatch)


@pytest.fixture
def images() -> ImageSet:
    return make_set(count=24, side=48)


def trained(images: ImageSet, tasks: tuple[str, ...] = ("rotation", "location"), **changes: Any) -> list[Run]:
    found = []
    for spec in asking.specs(images, **{**SAME, **changes}):
        if spec.task in tasks:
            run = runs.create(settings.workspace(), spec)
            assert work_run(run).state == "done", run.status()
            found.append(runs.open_run(run.workspace, run.id))
    return found


def compute(found: list[Run], **options: Any) -> Lineup:
    return computing.compute(settings.workspace(), [run.id for run in found], "pics", **options)


# Which runs


def test_runs_that_were_asked_for_the_same_are_taken(images: ImageSet) -> None:
    (run,) = trained(images, ("rotation",))
    workspace = settings.workspace()
    spec = asking.specs(images, **SAME)[0]
    assert [one.task for one in asking.specs(images, **SAME)] == list(asking.TASKS)
    assert asking.made(workspace, spec) == run
    assert asking.made(workspace, replace(spec, device="auto", title="mine")) == run
    for other in (
        {"seed": 1}, {"steps": 3}, {"steps": None, "minutes": 1.0}, {"task": "location"},
        {"options": {"smallest_crop": 0.5}}, {"fingerprint": "0" * 16},
    ):  # fmt: skip
        assert asking.made(workspace, replace(spec, **other)) is None, other
    run.set_status(state="cancelled")
    assert asking.made(workspace, spec) is None


def test_a_minute_is_what_no_budget_means(images: ImageSet) -> None:
    none, minute = (asking.specs(images, minutes=given)[0] for given in (None, 1.0))
    assert asking._asked(none) == asking._asked(minute)


def listed(images: ImageSet, *asked: tuple[str, int]) -> list[Run]:
    """Runs, newest first, of tasks and seeds."""
    made = []
    for task, seed in reversed(asked):
        (spec,) = [one for one in asking.specs(images, seed=seed, **SAME) if one.task == task]
        made.append(runs.create(settings.workspace(), spec))
    return made[::-1]


def test_those_that_were_asked_for_alike_are_compared_first(images: ImageSet) -> None:
    newest, *alike, _ = found = listed(
        images, ("rotation", 7), ("jigsaw", 0), ("rotation", 0), ("location", 0), ("jigsaw", 3)
    )
    assert asking.comparable(found, images) == [alike[1], alike[0], alike[2]]
    assert asking.comparable([newest, found[-1]], images) == [newest, found[-1]]  # no two alike: the newest
    assert asking.comparable(found, make_set("others", 8, 48, seed=1)) == []
    images.remove(images.ids[:1])
    assert len(asking.comparable(found, imagesets.open_set(settings.workspace(), "pics"))) == 3


def test_what_is_unlike_is_said(images: ImageSet) -> None:
    one, other = listed(images, ("rotation", 1), ("jigsaw", 2))
    assert asking.unlike([one, other]) == {"Seed": ["1", "2"]}
    bundled = [run for run in runs.listing(settings.workspace()) if run.bundled]
    assert list(asking.unlike(bundled)) == ["Length"]
    assert len(bundled) == 4


# What is found


def test_figures_are_those_of_the_probes_and_of_the_features(images: ImageSet) -> None:
    found = trained(images)
    told: list[tuple[int, int, str]] = []
    result = compute(found, report=lambda *said: told.append(said))
    kinds = ["task", "task", "supervised", "untrained", "pixels", "colours"]
    assert [one.kind for one in result.contenders] == kinds
    division = probes.divide(images)
    assert (result.known, result.asked, result.chance) == (len(division.known), len(division.asked), 0.5)
    features = []
    for run, one in zip(found, result.contenders, strict=False):
        judged = probes.find(run, division, "knn")
        assert judged is not None
        assert one.knn is not None
        assert one.run == run.id
        assert one.knn.accuracy == judged.accuracy("run")
        assert [one.knn.low, one.knn.high] == judged.interval("run")
        assert one.block == one.knn.block == judged.chosen["run"]
        assert one.knn.lead == judged.lead("run", "untrained")
        assert one.pretext == run.status().heldout_accuracy
        block = featured.of(run, division, "run")[one.block]
        places = {row: place for place, row in enumerate([*division.known.rows, *division.asked.rows])}
        both = np.concatenate([block.known, block.asked])
        features.append(both[[places[row] for row in result.rows.tolist()]])
    assert result.rows.tolist() == list(range(24))
    assert result.cka[0][1] == pytest.approx(similarity.cka(*features))
    near = [neighbors.search(one, one, 10, exclude_self=True)[0] for one in features]
    assert (result.near[0] == near[0]).all()
    assert result.shared[0][1] == pytest.approx(float(similarity.shared(*near).mean()))
    assert result.by_chance == pytest.approx(10 / 23)
    behind = [one.knn.behind for one in result.contenders[:2] if one.knn]
    assert behind.count(None) == 1  # that of the best
    assert [done for done, _, _ in told] == sorted(done for done, _, _ in told)
    assert told[-1][2].startswith("the same network learns from the labels")


def test_what_was_found_is_found_again(images: ImageSet, monkeypatch: pytest.MonkeyPatch) -> None:
    found = trained(images)
    assert lineup.find(found, images) is None
    first = compute(found, with_labels=False)
    assert not first.whole
    again = lineup.find(found, images)
    assert again is not None
    assert again.plain() == first.plain()
    assert (again.near == first.near).all()
    monkeypatch.setattr(computing, "_with_labels", None)  # nothing is computed twice
    assert compute(found, with_labels=False).plain() == first.plain()
    monkeypatch.undo()
    images.relabel(images.ids[:2], "b")
    assert lineup.find(found, images) is None  # other labels, other figures


def test_without_labels_neighbours_that_stay_choose_the_block(images: ImageSet) -> None:
    images.relabel(images.ids, None)
    result = compute(trained(images))
    assert [one.kind for one in result.contenders] == ["task", "task", "untrained", "pixels", "colours"]
    assert result.whole
    assert result.chance is None
    assert all(one.knn is None and one.linear is None for one in result.contenders)
    shares = [one.agreement for one in result.contenders[:4]]
    assert all(share is not None and 0 <= share <= 1 for share in shares)
    assert json.loads(json.dumps(result.plain(), allow_nan=False)) == result.plain()
    assert "Without labels" in lineup_table.verdict(result)[0]
    assert "Neighbours kept" in lineup_table.table(result, {})


@pytest.mark.parametrize("count", [1, 3])
def test_few_images_are_compared_as_far_as_that_goes(images: ImageSet, count: int) -> None:
    found = trained(images)
    few = make_set("few", count, 48, seed=2)
    few.relabel(few.ids, None)
    result = computing.compute(settings.workspace(), [run.id for run in found], few.name)
    assert result.chance is None
    assert result.near.shape == (5, count, count - 1)
    assert {value for line in result.cka for value in line} == {None}
    assert json.dumps(result.plain(), allow_nan=False)
    assert lineup_table.table(result, {})


def test_of_many_images_some_of_each_label_are_compared(
    images: ImageSet, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sslviz.lineup.judging.MOST", 10)
    result = compute(trained(images, ("rotation", "location")), with_labels=False)
    assert result.near.shape == (5, 10, 9)
    labels = [images.labels[row] for row in result.rows]
    assert labels.count("a") == labels.count("b") == 5


# In words and colours


def compared(difference: float, low: float, high: float) -> Comparison:
    return Comparison(100, difference, low, high, 0.5)


def contender(task: str, accuracy: float, behind: Comparison | None, lead: Comparison) -> Contender:
    score = Score(accuracy, accuracy - 0.05, accuracy + 0.05, "block3", lead, behind)
    return Contender("task", task, task, "block3", 10, 1.0, 0.5, 0.25, score, score)


def lined_up(*contenders: Contender, chance: float | None = 0.1) -> Lineup:
    count = len(contenders)
    near = np.zeros((count, 4, 3), np.int64)
    table = [[0.5] * count for _ in range(count)]
    return Lineup(list(contenders), table, table, np.arange(4), near, 8, 2, chance)


def test_the_verdict_claims_no_more_than_the_intervals_bear() -> None:
    first = contender("rotation", 0.6, None, compared(0.2, 0.1, 0.3))
    near = contender("jigsaw", 0.59, compared(-0.01, -0.04, 0.02), compared(0.2, 0.1, 0.3))
    far = contender("location", 0.3, compared(-0.3, -0.4, -0.2), compared(0.01, -0.03, 0.05))
    said = " ".join(lineup_table.verdict(lined_up(first, near, far)))
    assert "**Rotation** comes first, with 60%; Jigsaw cannot be told apart from it." in said
    assert "Relative location cannot be told apart from the same network untrained" in said
    worse = replace(
        far, task="exemplar", linear=replace(far.linear or first.linear, lead=compared(-1, -1, -0.1))
    )
    said = " ".join(lineup_table.verdict(lined_up(first, far, worse)))
    assert (
        "Exemplar is behind the same network untrained; Relative location cannot be told apart from it"
        in said
    )
    said = " ".join(lineup_table.verdict(lined_up(first, replace(near, linear=far.linear))))
    assert "ahead of each of the others" in said
    assert lineup_table.verdict(lined_up(first)) == []


def test_names_in_the_table_are_data() -> None:
    one = replace(contender("rotation", 0.6, None, compared(0.2, 0.1, 0.3)), run="x", block="<i>block</i>")
    html = lineup_table.table(lined_up(one, one), {"x": '<img src="x">"'})
    assert "<img" not in html
    assert "<i>block" not in html
    assert "&lt;img" in html


def test_colours_run_from_little_to_much_and_words_can_be_read_on_them() -> None:
    assert lineup_alike.shade(0) == figures.RAMP[0]
    assert lineup_alike.shade(1) == lineup_alike.shade(2) == figures.RAMP[-1]

    def luminance(color: str) -> float:
        """WCAG 2's, in [0, 1]."""
        values = [int(color[n : n + 2], 16) / 255 for n in (1, 3, 5)]
        linear = [v / 12.92 if v <= 0.03928 else ((v + 0.055) / 1.055) ** 2.4 for v in values]
        return float(np.dot(linear, [0.2126, 0.7152, 0.0722]))

    shades = [lineup_alike.shade(share) for share in np.linspace(0, 1, 50)]
    light = [luminance(color) for color in shades]
    assert light == sorted(light)
    for color, ground in zip(shades, light, strict=True):
        ink = 1.0 if lineup_alike.ink(color) == "#fff" else luminance("#111111")
        assert (max(ink, ground) + 0.05) / (min(ink, ground) + 0.05) > 4, color


# The command


def run_cli(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, str, str]:
    code = cli.run(arguments)
    out, err = capsys.readouterr()
    return code, out, err


def test_the_command_trains_what_is_missing(images: ImageSet, capsys: pytest.CaptureFixture[str]) -> None:
    asked = ["compare", "--images", "pics", "--steps", "2", "--size", "48", "--device", "cpu"]
    there = [runs.create(settings.workspace(), spec) for spec in asking.specs(images, steps=2, size=48)[:1]]
    assert work_run(there[0]).state == "done"
    code, out, err = run_cli(capsys, *asked, "--no-supervised", "--json")
    assert code == 0, err
    found = json.loads(out.strip().splitlines()[-1])
    assert found["reused"] == [there[0].id]
    assert list(found["runs"]) == list(asking.TASKS)
    assert len({*found["runs"].values()}) == 4
    assert [one["kind"] for one in found["networks"]] == ["task"] * 4 + ["untrained", "pixels", "colours"]
    assert len(found["cka"]) == len(found["neighbors"]) == 7
    assert there[0].id in err
    code, out, err = run_cli(capsys, *asked, "--no-supervised")
    assert code == 0, err
    assert "Neighbours in common" in out
    assert len([run for run in runs.listing(settings.workspace()) if not run.bundled]) == 4


def test_the_sides_are_those_that_the_tasks_ask_for() -> None:
    from sslviz.tasks import TASKS

    assert {name: TASKS[name].minimum_side for name in asking.TASKS} == asking.LEAST


def test_tasks_that_the_images_are_too_small_for_are_left_out(capsys: pytest.CaptureFixture[str]) -> None:
    """And where there are no two left, it is said before anything is trained."""
    make_set("small", 24, side=32)
    asked = ["compare", "--images", "small", "--steps", "2", "--device", "cpu", "--no-supervised"]
    code, out, err = run_cli(capsys, *asked, "--json")
    assert code == 0, err
    found = json.loads(out.strip().splitlines()[-1])
    assert (list(found["runs"]), found["left_out"]) == (["rotation", "exemplar"], ["jigsaw", "location"])
    assert "jigsaw needs 48 pixels on the short side, and the smallest image has 32" in err
    before = len(runs.listing(settings.workspace()))
    code, _, err = run_cli(capsys, *asked, "--size", "20")
    assert code == 2
    assert "exemplar needs 24 pixels on the short side, and the size is 20" in err
    for nought in (["--minutes", "0"], ["--minutes", "-1"]):
        assert run_cli(capsys, "compare", "--images", "small", *nought)[0] == 2
    assert len(runs.listing(settings.workspace())) == before
    app = opened(images="small")
    assert "Train two (2 × 1 min)" in [one.label for one in app.button]
    assert "Left out: location needs 48 pixels" in words(app)


def test_mistakes_are_one_sentence(images: ImageSet, capsys: pytest.CaptureFixture[str]) -> None:
    for more in (["--minutes", "1", "--steps", "2"], ["--model", "vgg"], ["--images", "nowhere"]):
        code, _, err = run_cli(capsys, "compare", "--images", "pics", *more)
        assert code == 2
        assert len(err.strip().splitlines()) == 1


# The page


def opened(**query: str) -> AppTest:
    app = AppTest.from_file(str(ROOT / "app.py"), default_timeout=120).run()
    app.switch_page("pages/downstream.py")
    app.query_params.update({"images": "pics", "view": "tasks", **query})
    app.run()
    assert not app.exception
    return app


def words(app: AppTest) -> str:
    elements = [
        *app.markdown,
        *app.caption,
        *app.error,
        *app.subheader,
        *app.get("html"),
        *app.get("page_link"),
    ]
    return "\n".join(str(getattr(element, "value", None) or element) for element in elements)


def the_jobs(kind: str) -> list[Job]:
    found = [Job(folder) for folder in (settings.load().home / "jobs").iterdir()]
    return [job for job in found if job.request()[0] == kind]


def test_one_button_queues_four_runs_and_they_are_followed(images: ImageSet) -> None:
    app = opened()
    assert "It takes runs of two tasks or more" in words(app)
    next(one for one in app.button if one.label == "Train all four (4 × 1 min)").click().run()
    assert not app.exception
    mine = [run for run in runs.listing(settings.workspace()) if not run.bundled]
    assert sorted(run.spec.task for run in mine) == sorted(asking.TASKS)
    assert {run.spec.minutes for run in mine} == {1.0}
    assert len(list((settings.load().home / "queue").iterdir())) == 4
    assert sorted(app.query_params["tasks"].split("~")) == sorted(run.id for run in mine)
    said = words(app)
    assert said.count("waiting") >= 4
    assert "You may leave this page" in said


def test_a_run_that_failed_is_said_and_left_out(images: ImageSet) -> None:
    found = trained(images)
    failed = listed(images, ("jigsaw", 0))[0]
    failed.set_status(state="failed", message="It burned.")
    app = opened(run=found[0].id, tasks="~".join(one.id for one in [*found, failed]))
    said = words(app)
    assert "left out" in said
    assert "Jigsaw on pics: failed" in said
    (job,) = the_jobs("compare")
    assert job.request()[1]["runs"] == [one.id for one in found]


def test_the_page_has_the_table_made_and_shows_it(images: ImageSet) -> None:
    found = trained(images)
    app = opened(run=found[0].id)
    (job,) = the_jobs("compare")
    worker.work_job(job)
    assert job.status().state == "done", job.status()
    app.run()
    assert not app.exception
    said = words(app)
    assert "What the features are worth" in said
    assert "Trained on labels" in said
    assert "Neighbours in common" in said
    assert "comes first" in said
    assert {one.label for one in app.selectbox} >= {"Rotation", "Exemplar", "Jigsaw", "Relative location"}
    image = app.query_params.get("image")
    next(one for one in app.button if one.label == "Another image").click().run()
    assert not app.exception
    assert app.query_params["image"] != image


def test_a_run_can_be_left_out_and_another_put_in(images: ImageSet) -> None:
    found = trained(images)
    app = opened(run=found[0].id)
    picker = next(one for one in app.selectbox if one.label == "Rotation")
    picker.select("–").run()
    assert not app.exception
    assert app.query_params["tasks"] == found[1].id
    assert "It takes runs of two tasks or more" in words(app)


def test_a_network_that_is_taught_labels_tells_those_of_others(monkeypatch: pytest.MonkeyPatch) -> None:
    """By a faint texture under colours that mean nothing; and from the same seed it becomes the same network,
    while nobody else's draws are touched."""
    import torch

    monkeypatch.setattr("sslviz.lineup.supervised.EPOCHS", 60)
    (run,) = trained(make_set(count=24, side=32), ("rotation",), size=32)
    run.set_status(step=30)
    draw = np.random.default_rng(0)
    labels = draw.integers(0, 2, 128)
    coarse = draw.integers(40, 180, (128, 3, 4, 4)).repeat(8, 2).repeat(8, 3).astype(float)
    down, across = np.mgrid[:32, :32]
    coarse += 10 * labels[:, None, None, None] * np.where((down + across) // 2 % 2, 1, -1)
    squares, task = coarse.clip(0, 255).astype(np.uint8), networks.task_of(run)
    before = torch.get_rng_state()
    one, again = (supervised.teach(run, squares[:96], labels[:96], 2) for _ in range(2))
    assert bool((torch.get_rng_state() == before).all())
    assert one.steps == 30
    weights = [taught.network.state_dict() for taught in (one, again)]
    assert all(bool((weights[1][name] == value).all()) for name, value in weights[0].items())

    def right(network: Any) -> float:
        rows = features.extract(network, task, squares, blocks=["block5"])["block5"]
        near = neighbors.search(rows[96:], rows[:96], 10)
        return float((neighbors.vote(*near, labels[:96], 2) == labels[96:]).mean())

    assert right(one.network) > max(0.9, right(networks.untrained(run)))
