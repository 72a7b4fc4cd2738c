"""What `sslviz bench` measures, on a few pictures and for moments: that it measures what it says."""

from __future__ import annotations

import copy
import json
import multiprocessing
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from small_runs import make_set, wait_for
from torch import nn

from sslviz import bench, cli, layers, neighbors, settings
from sslviz.bench import (
    browsing,
    chromium,
    customary,
    intake,
    looking,
    probing,
    repainting,
    training,
)
from sslviz.cli.bench import TIMED, _copied, told
from sslviz.model import build
from sslviz.plan import Plan
from sslviz.tasks import TASKS, make_task
from sslviz.train import Training

PLAN = Plan(steps=4, batch=2, lr=1e-3, weight_decay=0.0, precision="fp32", threads=1)


@pytest.fixture(autouse=True)
def few(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sslviz.train.draws.HELDOUT", 16)
    monkeypatch.setattr("sslviz.train.measuring.TRIAL_SECONDS", 0.0)
    monkeypatch.setattr("sslviz.train.measuring.MEASURE_SECONDS", 0.0)


def map_of(side: int) -> Image.Image:
    """A picture whose pixels say where they are: red is the column, green the line."""
    at = np.arange(side, dtype=np.uint8)
    pixels = np.zeros((side, side, 3), np.uint8)
    pixels[..., 0], pixels[..., 1] = at, at[:, None]
    return Image.fromarray(pixels)


@pytest.mark.parametrize(
    "names", [("location",), pytest.param(tuple(TASKS), marks=pytest.mark.slow)], ids=["one", "all"]
)
def test_every_task_is_timed_in_four_ways(names: tuple[str, ...], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(training, "TASKS", names)
    images = make_set(count=70, side=48)
    found = training.measure(images, settings.workspace(), "cpu", 0.2, {})
    assert set(found) == set(names)
    for one in found.values():
        assert min(one[name] for name in ("bare", "sslviz", "customary", "customary_bf16")) > 0
        assert one["over_bare"] == pytest.approx(one["sslviz"] / one["bare"])
        assert one["over_customary"] == pytest.approx(one["sslviz"] / one["customary"])
        assert one["over_customary_bf16"] == pytest.approx(one["sslviz"] / one["customary_bf16"])
        assert one["measuring"] > 0
    assert not list((settings.workspace() / "runs").glob("[0-9a-z]*")), "a run was left behind"
    text = told({"train": found})
    for name, one in found.items():
        assert any(line.startswith(name) and f"{one['over_bare']:.2f}" in line for line in text.splitlines())


def test_a_size_is_that_of_the_pictures_and_tasks_that_need_more_are_left_out(
    capsys: pytest.CaptureFixture[str],
) -> None:
    make_set(count=70, side=48)
    asked = ["bench", "--images", "pics", "--only", "train", "--device", "cpu", "--seconds", "0.5"]
    assert cli.run([*asked, "--size", "17", "--json"]) == 0
    out, err = capsys.readouterr()
    found = json.loads(out.splitlines()[-1])["train"]
    assert {name: (one["side"], one["view"]) for name, one in found.items()} == {"rotation": (17, 17)}
    for name in ("exemplar", "jigsaw", "location"):
        assert f"{name} was left out: it needs images of {make_task(name).minimum_side} pixels" in err
    assert cli.run([*asked, "--size", "12"]) == 2
    assert "A size of 12 pixels is too small for rotation." in capsys.readouterr().err


def test_the_bare_step_is_the_step_of_the_run(monkeypatch: pytest.MonkeyPatch) -> None:
    """On the same batch and from the same weights it makes the same new weights, to the last bit."""
    images = torch.randint(0, 256, (12, 3, 32, 32), generator=torch.Generator().manual_seed(0)).byte()
    run = Training(make_task("rotation"), images, PLAN)
    bare = training.BareStep(run)
    clock = iter([0.0, 0.0, 1.0, 1.0, 2.0])
    monkeypatch.setattr(training, "time", SimpleNamespace(perf_counter=lambda: next(clock)))
    bare.take(0.5)
    assert bare.views == 8  # one step, of two rows, four turns each
    assert bare.speed == pytest.approx(8 / 1.0)
    run.train_step()
    ours, theirs = run.network.state_dict(), bare.learner.network.state_dict()
    assert all(torch.equal(ours[name], theirs[name]) for name in ours)


@pytest.mark.parametrize(("views", "size"), [(1, 64), (1, 32), (9, 32)])
def test_the_customary_network_is_the_same_in_torchs_own_layers(views: int, size: int) -> None:
    ours = build("small", views, 8, size, seed=0, places=9 if views > 1 else 0)
    plain = copy.deepcopy(ours)
    customary.written_plainly(plain)
    kinds = {type(module) for module in plain.modules()}
    assert not kinds & {layers.Convolution, layers.Dropout}
    assert {type(module) for module in ours.modules()} & {layers.Convolution, layers.Dropout}
    assert nn.Conv2d in kinds
    order = [type(layer) for layer in plain.encoder.blocks["block2"][0]]
    assert order == [nn.Conv2d, nn.BatchNorm2d, nn.ReLU, nn.MaxPool2d]
    x = torch.randn(4, views, 3, size, size, generator=torch.Generator().manual_seed(0))
    ours.eval()
    plain.eval()
    assert torch.allclose(ours(x), plain(x), rtol=1e-4, atol=1e-5)
    # And it is trained: the optimiser has all of its weights.
    assert [name for name, _ in plain.named_parameters()] == [name for name, _ in ours.named_parameters()]


def test_customary_workers_stand_still_between_turns_and_are_gone_in_the_end() -> None:
    images = make_set(count=24, side=32)
    run = Training(make_task("rotation"), images.squares(32), PLAN)
    with training._files(images) as folder, customary.Customary(folder, run, 32, fast=False) as other:
        workers = multiprocessing.active_children()
        assert len(workers) == customary.WORKERS
        for turn in (1, 2):
            other.take(0.05)
            assert other.seconds >= turn * 0.05
            assert other.views % (4 * PLAN.batch) == 0
            assert other.speed == other.views / other.seconds
            wait_for(lambda: all(_is_stopped(worker.pid) for worker in workers))
    assert multiprocessing.active_children() == []


def _is_stopped(process: int | None) -> bool:
    if not Path("/proc").exists():
        pytest.skip("only Linux says in a file whether a process stands still")
    return Path(f"/proc/{process}/stat").read_text().rpartition(") ")[2].startswith("T")


def test_customary_rotations_are_turns_of_one_crop() -> None:
    views, answer = customary.Rotations(make_task("rotation"), 32)(map_of(64))
    assert views.shape == (4, 1, 3, 32, 32)
    for turns, view in zip(answer.tolist(), views[:, 0], strict=True):
        assert torch.equal(view.rot90(-turns, (1, 2)), views[0, 0])


def test_a_customary_puzzle_shows_its_answer() -> None:
    task: Any = make_task("jigsaw", {"colour_guard": 0.0})
    permutations = torch.stack([torch.arange(9), torch.arange(9).flip(0)])
    puzzle = customary.Puzzle(task, 96, permutations)
    seen = []
    puzzle_cut = customary._cut
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(customary, "_cut", lambda square, *at: (seen.append(at), puzzle_cut(square, *at))[1])
        views, answer = puzzle(map_of(96))
    assert views.shape == (1, 9, 3, puzzle.tile, puzzle.tile)
    cells = [top // puzzle.cell * 3 + left // puzzle.cell for top, left, _ in seen]
    assert cells == permutations[answer[0]].tolist()


@pytest.mark.parametrize("seed", range(8))
def test_a_customary_pair_lies_as_its_answer_says(seed: int) -> None:
    task: Any = make_task("location", {"colour_guard": 0.0})
    pair = customary.Pair(task, 96)
    torch.manual_seed(seed)
    seen: list[tuple[int, ...]] = []
    cut = customary._cut
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(customary, "_cut", lambda square, *at: (seen.append(at), cut(square, *at))[1])
        views, answer = pair(map_of(96))
    assert views.shape == (1, 2, 3, pair.patch, pair.patch)
    step = pair.patch + pair.gap
    down, right = ((b - a) / step for a, b in zip(*(one[:2] for one in seen), strict=True))
    words = [(-1, -1), (-1, 0), (-1, 1), (0, -1), (0, 1), (1, -1), (1, 0), (1, 1)]
    assert (round(down), round(right)) == words[int(answer)]


def test_what_is_looked_at_has_figures_beside_bounds() -> None:
    features = looking.cloud(60)
    found = {
        "knn": looking._knn(features),
        "pca": looking._pca(features),
        "trustworthiness": looking._trustworthiness(features),
    }
    assert all(one["seconds"] > 0 and one["bound"] > 0 and one["bound_is"] for one in found.values())
    assert found["trustworthiness"]["cpu_seconds"] >= 0
    text = told(found)
    assert all(name in text for name in found)
    assert "60 images" in text
    indices, _ = neighbors.search(features, features, 5, exclude_self=True)
    same = (indices % 10 == np.arange(60)[:, None] % 10).mean()
    assert same > 0.25, "the cloud is to have groups, as features do"


def test_probes_have_figures_beside_bounds(monkeypatch: pytest.MonkeyPatch) -> None:
    sizes = {"IMAGES": 600, "WIDTH": 30, "WIDTHS": (8, 9), "KNOWN": 90, "ASKED": 50, "STEPS": 3}
    for name, value in sizes.items():
        monkeypatch.setattr(probing, name, value)
    rows, labels = probing.grouped(600, 30)
    assert (rows >= 0).all()
    assert np.bincount(labels).tolist() == [60] * 10
    found = probing.measure()
    assert found["linear"]["bound_above"] > 0.001, "stopped before it is done"
    assert "stopped after 3 steps" in told(found)
    assert found["few"]["seconds"] < found["few"]["bound"] == 60
    monkeypatch.setattr(probing, "STEPS", 3000)
    assert abs(probing._linear()["bound_above"]) < 1e-3
    json.dumps(found)


def test_neighbours_are_told_beside_those_of_faiss(monkeypatch: pytest.MonkeyPatch) -> None:
    class Flat:
        def __init__(self, width: int) -> None:
            assert width == looking.WIDTH

        def add(self, rows: np.ndarray) -> None:
            self.rows = rows

        def search(self, rows: np.ndarray, near: int) -> None:
            assert near == 4
            assert np.allclose((rows * self.rows).sum(axis=1), 1, atol=1e-5)

    faiss = SimpleNamespace(IndexFlatIP=Flat)
    monkeypatch.setattr(looking, "importlib", SimpleNamespace(import_module=lambda name: faiss))
    one = looking._knn(looking.cloud(60), 3, 1)
    assert one["over_faiss"] == pytest.approx(one["seconds"] / one["faiss"])
    assert f"{one['over_faiss']:.2f} of it" in told({"knn_many": one})


@pytest.mark.slow
def test_everything_that_is_looked_at_is_measured(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, count in {"FEW": 50, "MANY": 60, "CROWD": 70}.items():
        monkeypatch.setattr(looking, name, count)
    for name, value in {"IMAGES": 300, "WIDTH": 8, "WIDTHS": (8, 9), "KNOWN": 40, "ASKED": 30}.items():
        monkeypatch.setattr(probing, name, value)
    monkeypatch.setattr(looking, "cloud", lambda count=60, of=looking.cloud: of(count))
    found = looking.measure()
    assert {"knn", "pca", "umap", "umap_many", "tsne", "trustworthiness", "knn_many", "linear", "few"} == set(
        found
    )
    for one in found.values():
        assert one["times"] == pytest.approx(one["seconds"] / one["bound"])
    assert [found[name]["images"] for name in ("tsne", "umap_many", "knn_many")] == [50, 60, 70]
    json.dumps(found)


def test_the_least_time_counts(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = iter([0.0, 3.0, 10.0, 11.0, 20.0, 22.0])
    monkeypatch.setattr(looking, "time", SimpleNamespace(perf_counter=lambda: next(clock)))
    assert looking.least(lambda: None) == 1.0


def test_pictures_are_taken_in_and_nothing_is_left(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(intake, "TRIES", 1)
    images = make_set(count=12)
    found = intake.measure_ingest(images, settings.workspace())
    assert found["over_bare"] == pytest.approx(found["pictures_per_second"] / found["bound"])
    assert [path.name for path in (settings.workspace() / "sets").iterdir() if path.is_dir()] == [
        images.folder.name
    ]


def test_the_copy_that_is_measured_on_is_the_set(tmp_path: Path) -> None:
    images = make_set(count=9)
    copy = _copied(images, tmp_path)
    assert copy.ids == images.ids
    assert copy.labels == images.labels
    assert copy.jpeg(3) == images.jpeg(3)


@pytest.mark.slow
@pytest.mark.browser
@pytest.mark.usefixtures("chromium")
def test_pages_are_drawn_again_in_a_browser(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(chromium, "quiet", lambda: None)
    found = repainting.measure(make_set(count=12, side=96))
    assert set(found) == set(repainting.CHANGES) <= set(TIMED)
    for name, one in found.items():
        assert 0 < one["seconds"] <= one["most"] < 30
        assert one["bound"] == repainting.PROMISED
        assert name in told(found)


@pytest.mark.slow
@pytest.mark.browser
@pytest.mark.usefixtures("chromium")
def test_the_page_is_timed_in_a_browser(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(browsing, "IMAGES", 50)
    monkeypatch.setattr(browsing, "LASSOED", 60)
    monkeypatch.setattr(chromium, "quiet", lambda: None)
    found = browsing.measure(settings.workspace())
    assert set(found) == set(browsing.PROMISED)
    for name, one in found.items():
        assert 0 < one["seconds"] < 60
        assert one["bound"] == browsing.PROMISED[name]
        assert name in told(found)


def test_without_a_browser_there_is_nothing_to_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(chromium.shutil, "which", lambda name: None)
    assert browsing.measure(settings.workspace()) == {}
    assert repainting.measure(make_set(count=2)) == {}


@pytest.mark.parametrize("parts", ["repaint", "map,repaint"])
def test_parts_that_take_a_browser_are_said_to_be_left_out(
    parts: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(chromium, "is_there", lambda: False)
    figures = {"pictures_per_second": 2.0, "bound": 4.0, "over_bare": 0.5}
    monkeypatch.setattr(intake, "measure_ingest", lambda *_: figures)
    make_set(count=2)
    assert cli.run(["bench", "--images", "pics", "--only", parts, "--json"]) == 2
    out, error = capsys.readouterr()
    assert not out
    assert "Chromium and playwright" in error.splitlines()[-1]
    assert cli.run(["bench", "--images", "pics", "--only", f"ingest,{parts}", "--json"]) == 0
    out, error = capsys.readouterr()
    assert json.loads(out)["left_out"] == parts.split(",")
    assert f"{parts.replace(',', ' and ')} w" in error.splitlines()[-1]
    assert "left out" in error.splitlines()[-1]


def test_the_slowest_of_what_is_drawn_again_has_a_key_of_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    times = {
        "repaint_image": {"seconds": 0.2, "bound": 0.3},
        "repaint_jigsaw": {"seconds": 0.25, "bound": 0.3},
        "repaint_transform": {"seconds": 0.1, "bound": 0.3},
    }
    monkeypatch.setattr(chromium, "is_there", lambda: True)
    monkeypatch.setattr(repainting, "measure", lambda images: dict(times))
    found = bench.measure(make_set(count=2), settings.workspace(), parts=("repaint",))
    assert {name: found[name] for name in times} == times
    assert found["repaint"] == {"slowest": "repaint_jigsaw", "seconds": 0.25, "bound": 0.3}
    assert found["left_out"] == []
