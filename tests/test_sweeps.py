"""Experiments of several runs: what each run is, going on after an interruption, what is concluded."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from small_runs import make_set

from sslviz import cli, runs, settings
from sslviz.errors import UserError
from sslviz.papers import PAPERS, Row, Scale, exemplar, jigsaw, location, records, rotnet, whole
from sslviz.papers.base import apart
from sslviz.train import Training

SWEEPS = ["exemplar-classes", "jigsaw-permutations", "location-gap"]
VALUES = {"exemplar-classes": (4.0, 8.0), "jigsaw-permutations": (2.0, 6.0), "location-gap": (0.0, 0.5)}
OPTION = {"exemplar-classes": "seeds", "jigsaw-permutations": "permutations", "location-gap": "gap"}


@pytest.fixture(autouse=True)
def few(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sslviz.train.draws.HELDOUT", 8)
    for name in SWEEPS:
        tiny = {"minutes": Scale("a test", values=VALUES[name], steps=2, batch=2)}
        monkeypatch.setattr(type(PAPERS[name]), "scales", tiny)


@pytest.mark.parametrize("name", SWEEPS)
def test_each_value_is_a_run_that_differs_in_one_option(name: str) -> None:
    paper, data = PAPERS[name], whole(make_set(side=48))
    scale = paper.scales["minutes"]
    specs = [paper.spec(data, scale, value, seed=3) for value in paper.values(scale)]
    asked = [spec.options.get(OPTION[name], 0.5) for spec in specs]  # the default gap is not written down
    assert asked == list(VALUES[name])
    first, second = (replace(spec, options={}, title="") for spec in specs)
    assert first == second
    assert (first.seed, first.steps, first.batch, first.model) == (3, 2, 2, "small")
    assert [spec.title for spec in specs] == [f"{paper.title}: {value.what}" for value in paper.values(scale)]
    with pytest.raises(UserError, match="same number of steps"):
        paper.spec(data, scale, paper.values(scale)[0], seconds=60)


def told(words: str, capsys: pytest.CaptureFixture[str], code: int = 0) -> dict[str, Any]:
    assert cli.run(["reproduce", *words.split(), "--json"]) == code
    found: dict[str, Any] = json.loads(capsys.readouterr().out.splitlines()[-1])
    return found


@pytest.mark.parametrize("name", SWEEPS)
def test_a_sweep_is_trained_and_judged(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    make_set(side=48)
    found = told(f"{name} --images pics --device cpu", capsys)
    assert [one["at"] for one in found["runs"]] == list(VALUES[name])
    assert [row["at"] for row in found["rows"]] == list(VALUES[name])
    assert {one["steps"] for one in found["runs"]} == {2}
    for row in found["rows"]:
        assert row["interval"][0] - 1e-9 <= row["value"] <= row["interval"][1] + 1e-9
        assert 0 < row["chance"] <= 0.5
    assert found["visible"] or found["reason"]
    assert any(remark.startswith("Scaled down") for remark in found["remarks"])
    assert (found["paper"], found["scale"], found["images"]) == (name, "minutes", "pics")
    if name == "exemplar-classes":
        assert all(0 <= row["untrained"] <= 1 and 0 <= row["pixels"] <= 1 for row in found["rows"])
    listed = runs.listing(settings.workspace())
    assert [run.id for run in listed if not run.bundled] == [one["run"] for one in found["runs"]][::-1]
    command = f"sslviz reproduce {name} --scale minutes --seed 0 --images pics --device cpu"
    assert {run.spec.command for run in listed if not run.bundled} == {command}
    (repetition,) = records.repetitions(settings.workspace())
    assert repetition.told == found
    assert list(repetition.runs) == list(VALUES[name])[::-1]
    assert cli.run(["reproduce", name, "--images", "pics", "--device", "cpu"]) == 0
    assert found["finding"] in capsys.readouterr().out
    assert len(runs.listing(settings.workspace())) == len(listed)  # what is done is not done twice


def test_an_interrupted_sweep_goes_on(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    make_set(side=48)
    words, real = "jigsaw-permutations --images pics --device cpu", Training.train_step

    def interrupted(self: Training) -> None:
        if self.step == 0 and self.problem.classes == 6:
            runs.open_run(settings.workspace(), "latest").cancel_flag.touch()
            self.stop.looked = 0.0  # type: ignore[attr-defined]
        real(self)

    monkeypatch.setattr(Training, "train_step", interrupted)
    stopped = told(words, capsys, 130)
    assert (stopped["state"], stopped["paper"]) == ("cancelled", "jigsaw-permutations")
    (half,) = records.repetitions(settings.workspace())
    assert half.told is None
    before = {at: run.id for at, run in half.runs.items()}
    assert list(before) == [6.0, 2.0]
    first = half.runs[2.0].status().finished

    monkeypatch.setattr(Training, "train_step", real)
    with pytest.raises(AssertionError):  # of another seed it would be another repetition
        assert told(f"{words} --seed 1 --scale minutes", capsys)["run"] in before.values()
    by_run = told(f"jigsaw-permutations --run {stopped['run']}", capsys)
    assert {one["at"]: one["run"] for one in by_run["runs"]} == before
    by_name = told(words, capsys)
    assert by_name == by_run
    assert runs.open_run(settings.workspace(), before[2.0]).status().finished == first
    assert cli.run(["reproduce", "location-gap", "--run", stopped["run"]]) == 2
    assert "no repetition of Relative location" in capsys.readouterr().err


def test_a_lost_run_is_made_again_and_a_changed_set_is_another_repetition(
    capsys: pytest.CaptureFixture[str],
) -> None:
    images = make_set(side=48)
    words = "location-gap --images pics --device cpu"
    found = told(words, capsys)
    runs.open_run(settings.workspace(), found["runs"][1]["run"]).delete()
    again = told(words, capsys)
    assert again["runs"][0]["run"] == found["runs"][0]["run"]
    assert again["runs"][1]["run"] != found["runs"][1]["run"]
    assert again["rows"] == found["rows"]  # the same seed
    images.rename("later")
    assert [one.images for one in records.repetitions(settings.workspace())] == ["later"]
    images.rename("pics")
    images.remove(images.ids[:1])
    assert cli.run(["reproduce", "location-gap", "--run", found["run"]]) == 2
    assert "have changed" in capsys.readouterr().err
    assert told(words, capsys)["repetition"] != found["repetition"]


def test_damaged_records_are_no_repetitions(capsys: pytest.CaptureFixture[str]) -> None:
    make_set(side=48)
    told("location-gap --images pics --device cpu", capsys)
    for run, text in zip(runs.newest(settings.workspace(), 2), ("{", '{"repetition": 3}'), strict=True):
        (run.folder / records.RECORD).write_text(text)
    assert records.repetitions(settings.workspace()) == []


# What is concluded


def rows(*shares: float, asked: int = 1000, at: tuple[float, ...] = ()) -> list[Row]:
    places = at or tuple(range(1, len(shares) + 1))
    return [
        Row(f"value {place:g}", share, asked, place, chance=0.1)
        for share, place in zip(shares, places, strict=True)
    ]


def test_shares_are_apart_as_often_as_chance_says() -> None:
    """Two fair samples of the same share are called apart one time in twenty."""
    draw = np.random.default_rng(0)
    counts = draw.binomial(400, 0.3, (4000, 2)) / 400
    called = [apart(*rows(*pair, asked=400)) for pair in counts.tolist()]
    assert 0.035 < np.mean(called) < 0.065
    assert apart(*rows(0.30, 0.36, asked=1000))
    assert not apart(*rows(0.30, 0.32, asked=1000))
    assert not apart(Row("a", None), Row("b", 0.5, 10))


@pytest.mark.parametrize(
    ("conclude", "shares", "visible", "sentence"),
    [
        (rotnet.conclude, (0.30, 0.50, 0.30), True, "rises and falls"),
        (rotnet.conclude, (0.30, 0.32, 0.20), False, "The rise of 2.0 points is within what 1,000"),
        (rotnet.conclude, (0.20, 0.32, 0.31), False, "The fall of 1.0 points is within what 1,000"),
        (rotnet.conclude, (0.20, 0.30, 0.40), False, "The last block is the best"),
        (rotnet.conclude, (0.50, 0.30, 0.20), False, "The first block is the best"),
        (exemplar.conclude, (0.30, 0.36, 0.40), True, "more classes, better features"),
        (exemplar.conclude, (0.30, 0.40, 0.30), True, "too many are worse again"),
        (exemplar.conclude, (0.30, 0.31, 0.32), False, "within what 1,000 images"),
        (exemplar.conclude, (0.40, 0.31, 0.32), False, "did not make better features"),
        (jigsaw.conclude, (0.90, 0.50, 0.30), True, "the harder the question"),
        (jigsaw.conclude, (0.31, 0.50, 0.30), False, "within what 1,000 images"),
        (jigsaw.conclude, (0.30, 0.50, 0.60), False, "were not harder"),
        (location.conclude, (0.50, 0.40), True, "10.0 points"),
        (location.conclude, (0.41, 0.40), False, "within what 1,000 images"),
        (location.conclude, (0.30, 0.40), False, "not easier to place"),
    ],
)
def test_findings(conclude: Any, shares: tuple[float, ...], visible: bool, sentence: str) -> None:
    found = conclude(rows(*shares))
    assert found.visible is visible
    assert sentence in (found.sentence if visible else found.reason)
    assert bool(found.reason) is not visible
    assert found.sentence.endswith(".")
    assert f"{shares[0]:.1%}" in found.sentence


def right_in(share: float, asked: int = 1000, seed: int = 0) -> np.ndarray[Any, np.dtype[np.bool_]]:
    return np.random.default_rng(seed).permutation(asked) < round(share * asked)


def test_what_an_untrained_network_shows_too_is_nothing_learned() -> None:
    """Accuracy rises and falls with depth in random filters as well."""
    shares = {"a": 0.20, "b": 0.30, "c": 0.22}
    blocks = [
        Row(name, share, 1000, place, 0.1, right=right_in(share, seed=place))
        for place, (name, share) in enumerate(shares.items(), start=1)
    ]
    turns = Row("rotation", 0.60, 1000, chance=0.25)
    untrained = {name: right_in(0.15, seed=9) for name in shares}
    assert rotnet.conclude([turns, *blocks], untrained).visible
    found = rotnet.conclude([replace(turns, value=0.27), *blocks], untrained)
    assert not found.visible
    assert "no better than by guessing, 27.0%" in found.reason
    alike = {name: right_in(share, seed=place + 10) for place, (name, share) in enumerate(shares.items())}
    found = rotnet.conclude([turns, *blocks], alike)
    assert not found.visible
    assert "From the same block of the untrained network 30.0% are told" in found.reason


def test_the_same_images_are_compared_pair_by_pair() -> None:
    draw = np.random.default_rng(0)
    one = draw.random(400) < 0.5
    other = one.copy()
    other[np.flatnonzero(one)[:12]] = False  # twelve that only the first tells
    pair = [Row(str(n), float(x.mean()), 400, n, right=x) for n, x in enumerate((one, other))]
    assert apart(*pair)
    assert not apart(*(replace(row, right=None) for row in pair))
    assert "right" not in pair[0].plain()


def test_images_that_are_asked_about_often_are_compared_by_their_shares() -> None:
    draw = np.random.default_rng(0)
    one = draw.binomial(20, 0.4, 100) / 20
    pair = [
        Row(str(n), float(x.mean()), 100, n, shares=x) for n, x in enumerate((one, one - 0.05 * (one > 0.4)))
    ]
    assert apart(*pair)
    assert not apart(*(replace(row, shares=None) for row in pair))
    (low, high), (wide, wider) = (row.interval or [] for row in (pair[0], replace(pair[0], shares=None)))
    assert wide < low < pair[0].value < high < wider  # type: ignore[operator]
    assert "shares" not in pair[0].plain()


def test_no_figure_is_quoted_without_its_certainty() -> None:
    for paper in PAPERS.values():
        for figure in paper.published.values():
            assert figure.certainty in ("read", "second-hand", "recalled, unchecked")
            assert figure.source
    recalled = PAPERS["jigsaw-permutations"].published
    assert [figure.at for figure in recalled.values()] == [10, 85, 95, 100, 1000]
    assert {what: figure.certainty for what, figure in recalled.items()}[
        "1,000 permutations"
    ] == "second-hand"
