"""Published experiments, scaled down: the protocol is the published one, and the whole way is gone."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from sklearn.dummy import DummyClassifier
from torch import nn

from sslviz import archives, cli, imagesets, ingest, networks, papers, runs, settings
from sslviz.classifiers import published
from sslviz.errors import UserError
from sslviz.imagesets import ImageSet, NewImage
from sslviz.papers import PAPERS, Data, Scale, Value, blocks, divide, labelled, records, rotnet
from sslviz.plan import Plan
from sslviz.train import Training

ROTNET = PAPERS["rotnet-cifar10"]
TINY = Scale(
    "a test", model="nin", epochs=2, most=12, batch=6, side=32, probe_epochs=2, probe_images=20, test_images=6
)
ONE = Value(0.0, "the network")


@pytest.fixture(autouse=True)
def few(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sslviz.train.draws.HELDOUT", 8)
    monkeypatch.setattr(rotnet.RotNet, "scales", {"paper": ROTNET.scales["paper"], "minutes": TINY})


def coloured(name: str, count: int, seed: int, folder: str = "") -> ImageSet:
    """Images of two labels that anybody can see."""
    images = imagesets.create(settings.workspace(), name)
    draw = np.random.default_rng(seed)
    colours = {"red": (200, 40, 40), "blue": (40, 40, 200)}
    images.add(
        NewImage(
            f"{folder}{n}.png",
            pixels=np.clip(draw.normal(colours[label], 20, (32, 32, 3)), 0, 255).astype(np.uint8),
            label=label,
        )
        for n, label in enumerate(list(colours) * (count // 2))
    )
    return images


def spec(scale: Scale, **changes: Any) -> runs.Spec:
    return ROTNET.spec(divide(coloured("known", 24, 0), coloured("asked", 8, 1)), scale, ONE, **changes)


def test_the_plan_is_the_published_one() -> None:
    """From the authors' configuration: 200 epochs, the rate at epochs 0, 60, 120 and 160, SGD."""
    made = spec(ROTNET.scales["paper"])
    plan = Plan(**(made.plan or {}))
    assert (made.model, made.task, made.size) == ("nin", "rotation", 32)
    assert made.title == "RotNet on known + asked"
    assert made.options == {"smallest_crop": 1.0, "padding": 4}
    assert (plan.optimizer, plan.momentum, plan.weight_decay, plan.batch) == ("sgd", 0.9, 5e-4, 128)
    assert (plan.label_smoothing, plan.warmup, plan.held_out_from) == (0.0, 0.0, 24)
    assert plan.steps == round(200 * 24 / 128)
    fine = replace(plan, steps=20_000)
    rates = [fine.learning_rate(100 * epoch) for epoch in (0, 59, 60, 119, 120, 159, 160, 199)]
    assert rates == pytest.approx([0.1, 0.1, 0.02, 0.02, 0.004, 0.004, 8e-4, 8e-4])
    probe = blocks.probe_plan(ROTNET.scales["paper"], 50_000)
    assert probe.steps == round(100 * 50_000 / 128)
    rates = [probe.learning_rate(391 * epoch) for epoch in (0, 19, 20, 39, 40, 44, 45, 99)]
    assert rates == pytest.approx([0.1, 0.1, 0.02, 0.02, 0.004, 0.004, 8e-4, 8e-4])


def test_a_smaller_batch_takes_a_lower_rate_and_seconds_scale_the_course(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    plan = Plan(**(spec(TINY).plan or {}))
    assert (plan.steps, plan.batch, plan.lr) == (2, 6, pytest.approx(0.1 * 6 / 128))
    asked: dict[str, Any] = {}

    def measured(*_: object, **given: Any) -> Plan:
        asked.update(given)
        return Plan(500, given["batch"], 1.0, 1.0, seconds=60.0)

    monkeypatch.setattr("sslviz.train.make_plan", measured)
    images = imagesets.open_set(settings.workspace(), "known + asked")
    made = ROTNET.spec(Data(images, 24, ["blue", "red"]), ROTNET.scales["paper"], ONE, seconds=60)
    plan = Plan(**(made.plan or {}))
    assert (asked["minutes"], asked["steps"]) == (1.0, None)
    assert (plan.steps, plan.seconds, plan.optimizer) == (500, 60.0, "sgd")
    assert [plan.learning_rate(step) for step in (149, 150, 300, 400)] == pytest.approx(
        [0.1, 0.02, 4e-3, 8e-4]
    )


def test_what_is_tested_on_is_never_trained_on() -> None:
    data = divide(coloured("known", 24, 0), coloured("asked", 8, 1))
    made = ROTNET.spec(data, TINY, ONE)
    training = Training(
        rotnet.RotNet().made_task,
        data.images.squares(32),
        Plan(**(made.plan or {})),
        model="nin",  # type: ignore[attr-defined]
    )
    asked = set(imagesets.open_set(settings.workspace(), "asked").ids)
    assert {data.images.ids[row] for row in training.heldout_rows.tolist()} == asked
    assert not {data.images.ids[row] for row in training.train_rows.tolist()} & asked
    assert {data.images.ids[row] for row in data.rows(test=True, most=None).tolist()} == asked
    assert len(data.rows(test=False, most=5)) == 5
    assert data.rows(test=False, most=5).max() < 24
    labels = [data.names[number] for number in data.labels(np.arange(32))]
    assert labels == data.images.labels


def test_sets_are_divided_by_name_or_by_a_second_set() -> None:
    known, asked = coloured("known", 6, 0, "train/"), coloured("asked", 4, 1, "test/")
    joined = divide(known, asked)
    assert (joined.train, len(joined.images), joined.names) == (6, 10, ["blue", "red"])
    assert divide(known, asked).images.id == joined.images.id  # made once
    assert divide(joined.images).train == 6  # as CIFAR-10 comes
    with pytest.raises(UserError, match="does not say which"):
        divide(known)
    with pytest.raises(UserError, match="before those to be trained on"):
        divide(imagesets.merge(settings.workspace(), ["asked", "known"], "wrong way round"))
    with pytest.raises(UserError, match=r"All images of 'known' are in"):
        divide(joined.images, known)
    asked.relabel(asked.ids[:1], "green")
    with pytest.raises(UserError, match="No training image has the label 'green'"):
        divide(known, asked)
    asked.relabel(asked.ids[:1], None)
    with pytest.raises(UserError, match="not all labelled"):
        divide(known, asked)


@pytest.mark.parametrize("kind", ["folder", "zip", "files", "two folders"])
def test_a_folder_says_by_itself_what_is_tested_on(kind: str, tmp_path: Path) -> None:
    """Test comes before train in the alphabet, and in the zip; and the letters of a folder may be large."""
    names = [
        f"{part}/{label}/{n}.png" for part in ("Test", "train") for label in ("a", "b") for n in (1, 2, 3)
    ]
    files = []
    for number, name in enumerate(names):
        path = tmp_path / "own" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.new("RGB", (40, 40), (10 * number, 200 - 10 * number, 90)).save(path)
        files.append((f"own/{name}", path.read_bytes()))
    sources: dict[str, list[Any]] = {"folder": [tmp_path / "own"], "files": files}
    sources["two folders"] = [tmp_path / "own" / "Test", tmp_path / "own" / "train"]
    (tmp_path / "own.zip").write_bytes(archives.pack(files))
    sources["zip"] = [tmp_path / "own.zip"]
    own = imagesets.create(settings.workspace(), "own")
    assert ingest.ingest(own, sources[kind], processes=1).added == 12
    found = divide(own)
    assert (found.train, found.names) == (6, ["a", "b"])
    names = [f"{entry.source}/{entry.name}" for entry in own.entries]
    assert all("train/" in name for name in names[:6])
    assert all("Test/" in name for name in names[6:])


def test_rotation_accuracy_is_that_of_every_turn() -> None:
    """A network that says where the bright edge is, on images that are bright at the top."""

    class Edge(nn.Module):
        def forward(self, views: torch.Tensor) -> torch.Tensor:
            x = views[:, 0].mean(1)
            edges = [x[:, 0], x[:, :, 0], x[:, -1], x[:, :, -1]]  # top, left, bottom, right
            return torch.stack([edge.mean(1) for edge in edges], 1)

    images = torch.zeros(5, 3, 8, 8, dtype=torch.uint8)
    images[:, :, 0] = 200
    assert blocks.rotation_accuracy(Edge(), rotnet.RotNet().made_task, images) == 1.0  # type: ignore[arg-type]
    images[3:] = 7  # nothing to go by: always the first answer
    found = blocks.rotation_accuracy(Edge(), rotnet.RotNet().made_task, images)  # type: ignore[arg-type]
    assert found == pytest.approx((3 * 4 + 2) / 20)


def test_the_published_figures_are_those_of_the_sources() -> None:
    published = {block: figure.value for block, figure in rotnet.RotNet.published.items()}
    rerun = {block: figure.value for block, figure in rotnet.RERUNS.items()}
    assert published == {"conv1": 0.8507, "conv2": 0.8906, "conv3": 0.8621, "conv4": 0.6173}
    assert rerun == {"conv1": 0.8465, "conv2": 0.8889, "conv3": 0.8588, "conv4": 0.5404}
    figures = [
        *rotnet.RotNet.published.values(),
        *rotnet.RERUNS.values(),
        rotnet.PRETEXT,
        *rotnet.QUOTED.values(),
    ]
    assert all(
        one.source and one.certainty in ("read", "second-hand", "recalled, unchecked") for one in figures
    )


@pytest.mark.slow
def test_the_command_repeats_goes_on_and_is_listed(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    data = divide(coloured("known", 24, 0), coloured("asked", 8, 1))
    known = data.labels(data.rows(test=False, most=TINY.probe_images))
    asked = data.labels(data.rows(test=True, most=TINY.test_images))
    guessing = DummyClassifier(strategy="most_frequent").fit(known[:, None], known)
    chance = pytest.approx(guessing.score(asked[:, None], asked))
    words = ["rotnet-cifar10", "--images", "known", "--test", "asked", "--device", "cpu", "--json"]
    assert cli.run(["reproduce", *words]) == 0
    told = json.loads(capsys.readouterr().out.splitlines()[-1])
    names = ["rotation", "conv1", "conv2", "conv3", "conv4", rotnet.ON_LABELS]
    assert [row["what"] for row in told["rows"]] == names
    assert (told["rows"][-1]["published"]["value"], told["rows"][-1]["chance"]) == (0.928, chance)
    assert rotnet.ON_LABELS not in told["quoted"]  # it stands in its row
    assert all(row["interval"][0] - 1e-9 <= row["value"] <= row["interval"][1] + 1e-9 for row in told["rows"])
    assert told["rows"][2]["published"]["value"] == 0.8906
    assert (told["scale"], told["steps"], told["chance"], told["tested"]) == ("minutes", 2, chance, 6)
    assert any(remark.startswith("Scaled down") for remark in told["remarks"])
    run = runs.open_run(settings.workspace(), "latest")
    assert (run.id, run.status().state) == (told["run"], "done")
    expected = "--scale minutes --seed 0 --images known --test asked --device cpu"
    assert run.spec.command == f"sslviz reproduce rotnet-cifar10 {expected}"
    assert networks.trained(run).encoder.grid == 1
    assert json.loads((run.folder / records.RECORD).read_text()) == told

    assert cli.run(["reproduce", "rotnet-cifar10", "--run", run.id]) == 0
    shown = capsys.readouterr().out
    assert "89.1%" in shown
    assert "second-hand" in shown
    assert "for 200, classifiers trained for 2 epochs for 100" in shown
    again = json.loads((run.folder / records.RECORD).read_text())
    assert again["rows"] == told["rows"]
    assert cli.run(["reproduce", *words]) == 0  # what is done is not done twice
    assert json.loads(capsys.readouterr().out.splitlines()[-1])["run"] == run.id

    # One that was interrupted goes on where it stopped.
    real = Training.train_step

    def interrupted(self: Training) -> None:
        if self.step == 1:
            runs.open_run(settings.workspace(), "latest").cancel_flag.touch()
            self.stop.looked = 0.0  # type: ignore[attr-defined]
        real(self)

    monkeypatch.setattr(Training, "train_step", interrupted)
    monkeypatch.setattr(rotnet.RotNet, "scales", {"minutes": replace(TINY, epochs=4, most=None)})
    assert cli.run(["reproduce", *words]) == 130
    stopped = json.loads(capsys.readouterr().out.splitlines()[-1])
    assert stopped["state"] == "cancelled"
    monkeypatch.setattr(Training, "train_step", real)
    assert cli.run(["reproduce", "rotnet-cifar10", "--run", stopped["run"], "--json"]) == 0
    assert json.loads(capsys.readouterr().out.splitlines()[-1])["steps"] == 16


def test_what_classifiers_told_is_kept_by_network_and_by_labels(monkeypatch: pytest.MonkeyPatch) -> None:
    coloured("known", 24, 0)
    coloured("asked", 8, 1)
    real, fitted = published.fit, []

    def counted(*args: Any, **named: Any) -> Any:
        fitted.append(named["device"])
        if len(fitted) == 2:
            raise UserError("Interrupted.", "Try again.")
        return real(*args, **named)

    monkeypatch.setattr(published, "fit", counted)
    words = ["reproduce", "rotnet-cifar10", "--images", "known", "--test", "asked", "--device", "cpu"]
    assert cli.run(words) != 0
    assert cli.run(words) == 0
    assert len(fitted) == 3  # the trained network's were there already
    run = runs.open_run(settings.workspace(), "latest")
    assert cli.run(["reproduce", "rotnet-cifar10", "--run", run.id]) == 0
    assert len(fitted) == 3
    images = imagesets.open_set(settings.workspace(), run.spec.images)
    images.relabel(images.ids[:1], "blue")  # which was red
    assert cli.run(["reproduce", "rotnet-cifar10", "--run", run.id]) == 0
    assert len(fitted) == 5


def test_the_smaller_network_is_judged_by_linear_probes(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    few = Scale("a test", steps=2, batch=6, probe_images=20, test_images=6)
    monkeypatch.setattr(rotnet.RotNet, "scales", {"minutes": few})
    coloured("known", 24, 0)
    coloured("asked", 8, 1)
    words = "reproduce rotnet-cifar10 --images known --test asked --device cpu --json"
    assert cli.run(words.split()) == 0
    told = json.loads(capsys.readouterr().out.splitlines()[-1])
    blocks = [f"block{n}" for n in range(1, 6)]
    assert [row["what"] for row in told["rows"]] == ["rotation", *blocks, rotnet.ON_LABELS]
    assert told["quoted"][rotnet.ON_LABELS]["value"] == 0.928  # of another network, so beside the rows
    assert told["measured"] == "labels told by a linear probe"
    assert told["rows"][1]["value"] == told["rows"][1]["untrained"] == 1.0  # colours anybody can see
    assert not any(row["published"] or row["rerun"] for row in told["rows"])
    assert not told["visible"]
    assert any("linear probes for classifiers of three layers" in remark for remark in told["remarks"])


def bars(count: int, seed: int) -> tuple[torch.Tensor, torch.Tensor]:
    """Noise with a bright bar that lies (0) or stands (1), anywhere: what no shift and no mirror changes."""
    draw = np.random.default_rng(seed)
    images = draw.integers(0, 120, (count, 3, 16, 16))
    labels = draw.integers(0, 2, count)
    for image, label, place in zip(images, labels, draw.integers(2, 12, count), strict=True):
        (image if label == 0 else image.transpose(0, 2, 1))[:, place : place + 2] = 250
    return torch.from_numpy(images.astype(np.uint8)), torch.from_numpy(labels)


def lots_among(labels: torch.Tensor, seed: int) -> torch.Tensor:
    """Labels by lot, as often right as wrong of each kind: of others a network would learn which is more."""
    lots, draw = torch.zeros_like(labels), np.random.default_rng(seed)
    for label in (0, 1):
        rows = np.flatnonzero(labels.numpy() == label)
        lots[draw.permutation(rows)[: len(rows) // 2]] = 1
    return lots


@pytest.mark.parametrize("optimizer", ["muon", "sgd"])
def test_a_network_learns_the_labels_that_it_is_given(optimizer: str) -> None:
    """Bars told apart on images never shown; where the labels are drawn by lot there is nothing to learn."""
    (known, labels), (asked, answers) = bars(96, 0), bars(200, 1)
    rate = 0.02 if optimizer == "muon" else 0.05
    plan = labelled.plan_of(Plan(60, 32, rate, 5e-4, optimizer=optimizer, seconds=9.0, reuse=4), 96)
    right = labelled.told("small", known, labels, asked, answers, 2, plan, padding=1)
    assert right.shape == (200,)
    assert right.mean() > 0.9
    by_lot = [
        labelled.told("small", known, lots_among(labels, seed), asked, answers, 2, plan, padding=1).mean()
        for seed in range(3)
    ]
    assert abs(np.mean(by_lot) - 0.5) < 0.25


def test_labels_follow_their_images_through_shifts_and_mirrors() -> None:
    images, labels = bars(12, 3)
    problem = labelled.Labels(labels, 2, padding=2).bind(images, torch.Generator())
    index = torch.tensor([5, 0, 5, 11])
    batch = problem.make(index, torch.Generator().manual_seed(1))
    assert batch.answer.tolist() == labels[index].tolist()
    assert batch.views.shape == (4, 1, 3, 16, 16)
    for view, row in zip(batch.views[:, 0], index, strict=True):
        framed = torch.nn.functional.pad(images[row], (2,) * 4)
        moved = [framed[:, y : y + 16, x : x + 16] for y in range(5) for x in range(5)]
        assert any(torch.equal(view, one) or torch.equal(view, one.flip(-1)) for one in moved)


def test_the_network_on_labels_takes_the_runs_steps_and_the_classifiers_images(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    real, asked = labelled.told, {}

    def spied(model: str, known: torch.Tensor, labels: torch.Tensor, *rest: Any, **named: Any) -> Any:
        asked.update(model=model, known=len(known), labels=labels.tolist(), plan=rest[3])
        return real(model, known, labels, *rest, **named)

    monkeypatch.setattr(labelled, "told", spied)
    coloured("known", 24, 0)
    coloured("asked", 8, 1)
    words = ["reproduce", "rotnet-cifar10", "--images", "known", "--test", "asked", "--device", "cpu"]
    assert cli.run(words) == 0
    run = runs.open_run(settings.workspace(), "latest")
    plan: Plan = asked["plan"]
    assert (asked["model"], asked["known"], sorted(set(asked["labels"]))) == ("nin", 20, [0, 1])
    assert (plan.steps, plan.batch, plan.held_out_from) == (run.status().step, 6, 20)
    assert (plan.lr, plan.milestones) == ((run.spec.plan or {})["lr"], rotnet.FALLS)


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        ("jigsaw-imagenet", "no experiment 'jigsaw-imagenet'"),
        ("rotnet-cifar10 --scale paper", "CIFAR-10 has not been downloaded yet"),
        ("rotnet-cifar10 --scale huge", "no scale 'huge'"),
        ("rotnet-cifar10 --seconds 0", "0 seconds"),
        ("rotnet-cifar10 --seconds nan", "nan seconds"),
        ("rotnet-cifar10 --test known", "--images"),
        ("rotnet-cifar10 --images known", "--test"),
        ("rotnet-cifar10 --run latest", "no repetition"),
    ],
)
def test_mistakes_are_sentences(words: str, sentence: str, capsys: pytest.CaptureFixture[str]) -> None:
    images = coloured("known", 4, 0)
    bare = coloured("bare", 4, 1)
    bare.relabel(bare.ids[:1], None)
    runs.create(settings.workspace(), runs.Spec(task="rotation", images=images.name))
    assert cli.run(["reproduce", *words.split()]) == 2
    said = capsys.readouterr().err.strip().splitlines()
    assert sentence in said[-1]
    assert len(said) == 1


def test_papers_are_found_by_their_own_name() -> None:
    for name, paper in papers.PAPERS.items():
        assert paper.name == name
        assert paper.citation
        assert paper.title


def test_every_paper_is_in_the_prose() -> None:
    text = (Path(papers.__file__).parents[1] / "docs" / "papers.md").read_text(encoding="utf-8")
    assert all(f"sslviz reproduce {name}" in text for name in PAPERS)
    for figure in (*rotnet.RotNet.published.values(), *rotnet.RERUNS.values(), rotnet.PRETEXT):
        assert f"{100 * figure.value:.2f}" in text
    for paper in PAPERS.values():
        assert (Path(papers.__file__).parents[1] / "docs" / "papers" / f"{paper.name}.md").exists()
