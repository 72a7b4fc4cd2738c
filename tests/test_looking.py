"""Looks at the features of labelled images along a run."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from small_runs import make_run, make_set

from sslviz import features, imagesets, runs, settings
from sslviz.imagesets import ImageSet, NewImage
from sslviz.model import build
from sslviz.tasks import make_task
from sslviz.worker import work_run
from sslviz.worker.looking import Looker

TASK = make_task("rotation")


@pytest.fixture(autouse=True)
def few(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sslviz.train.draws.HELDOUT", 16)


def coloured(count: int, unlabelled: int = 0, name: str = "coloured") -> ImageSet:
    """Noise that is red or green, and labelled so, save the first few."""
    draw = np.random.default_rng(0)
    images = imagesets.create(settings.workspace(), name)
    pixels = draw.integers(0, 120, (count, 32, 32, 3), np.uint8)
    pixels[0::2, ..., 0] += 120
    pixels[1::2, ..., 1] += 120
    images.add(
        NewImage(f"{n}.png", pixels=one, label=("red", "green")[n % 2] if n >= unlabelled else None)
        for n, one in enumerate(pixels)
    )
    return images


def test_colours_are_told_apart_by_their_neighbours() -> None:
    images = coloured(60)
    looker = Looker(images, images.squares(16), 50, seed=0, device="cpu")
    network = build("small", 1, 4, 16, 0)
    block, share = looker.find(network, TASK)
    assert block in network.encoder.blocks
    assert share > 0.95
    told = looker.find_without(network, TASK)
    assert told["knn_untrained"] == share
    assert told["knn_pixels"] > 0.9
    assert 0.5 <= told["knn_chance"] < 0.7


def test_the_share_is_that_of_an_independent_count() -> None:
    """Random labels and raw pixels, against a plain loop over all pairs of images."""
    images = make_set(count=40)
    squares = images.squares(16)
    looker = Looker(images, squares, 40, seed=0, device="cpu")
    rows = torch.nn.functional.interpolate(
        torch.from_numpy(np.array(squares)).float(), (32, 32), mode="bilinear"
    )
    flat = rows.flatten(1).numpy()
    flat -= flat.mean(1, keepdims=True)
    flat /= np.linalg.norm(flat, axis=1, keepdims=True)
    labels = np.array([entry.label == "b" for entry in images.entries])
    right = 0
    for one in range(40):
        similarity = flat @ flat[one]
        similarity[one] = -np.inf
        nearest = np.argsort(-similarity)[:20]
        votes = np.exp(similarity[nearest] / 0.1)
        right += bool(votes[labels[nearest]].sum() > votes[~labels[nearest]].sum()) == bool(labels[one])
    found = looker.find_without(build("small", 1, 4, 16, 0), TASK)["knn_pixels"]
    assert found == pytest.approx(right / 40)


def test_only_labelled_images_are_looked_at_and_the_same_each_time() -> None:
    images = coloured(60, unlabelled=20)
    squares = images.squares(16)
    first, again = (Looker(images, squares, 30, seed=3, device="cpu") for _ in range(2))
    assert len(first.rows) == 30
    assert first.rows.min() >= 20
    assert np.array_equal(first.rows, again.rows)
    other = Looker(images, squares, 30, seed=4, device="cpu")
    assert not np.array_equal(first.rows, other.rows)


def test_one_batch_at_a_glance_is_what_two_passes_give() -> None:
    images = torch.randint(0, 256, (20, 3, 24, 24), generator=torch.Generator().manual_seed(0)).byte()
    network = build("small", 1, 4, 24, 0)
    before = {name: value.clone() for name, value in network.state_dict().items()}
    glance = features.glimpse(network, TASK, images)
    whole = features.extract(network, TASK, images)
    assert list(glance) == list(whole)
    for block, found in glance.items():
        np.testing.assert_allclose(
            found, whole[block], atol=2e-3
        )  # the variance of one batch is a hair larger
    assert all(torch.equal(value, before[name]) for name, value in network.state_dict().items())


def test_a_run_on_labelled_images_tells_of_its_features() -> None:
    run = make_run(coloured(40), steps=6)
    status = work_run(run)
    looked = [point for point in run.metrics() if point["knn_accuracy"] is not None]
    assert [point["step"] for point in looked] == [1, 2, 3, 4, 5, 6]  # six evaluations, six looks
    assert all(point["knn_block"].startswith("block") for point in looked)
    assert status.knn_accuracy == looked[-1]["knn_accuracy"]
    assert status.knn_untrained is not None
    assert status.knn_untrained > 0.9
    assert status.knn_pixels is not None
    assert status.knn_chance == pytest.approx(0.5)
    assert 0 < status.evaluation_seconds < status.seconds
    assert status.memory_bytes is not None
    assert 50e6 < status.memory_bytes < 64e9


def test_looking_changes_nothing_of_what_is_learned() -> None:
    with_labels, without = make_run(coloured(40)), make_run(coloured(40, unlabelled=40, name="bare"))
    for run in (with_labels, without):
        work_run(run)
    assert all(point["knn_accuracy"] is None for point in without.metrics())
    assert runs.open_run(settings.workspace(), without.id).status().knn_untrained is None
    losses = [[point["loss"] for point in run.metrics()] for run in (with_labels, without)]
    assert losses[0] == losses[1]


def test_without_two_labels_there_is_nothing_to_find() -> None:
    images = imagesets.create(settings.workspace(), "plain")
    images.add(NewImage(f"{n}.png", pixels=np.full((32, 32, 3), n, np.uint8), label="one") for n in range(5))
    assert not Looker(images, images.squares(16), 30, seed=0, device="cpu").able
