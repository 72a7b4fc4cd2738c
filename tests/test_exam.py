"""Hundreds of answers: counts by brute force, probabilities against logits, what is refused."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
import torch
from answering import SIDE, trained, training_rows
from small_runs import make_set, recorded

from sslviz import exam, networks, settings
from sslviz.errors import UserError
from sslviz.exam import Exam, computing, patterns, sampling
from sslviz.imagesets import ImageSet


@pytest.fixture(autouse=True)
def started(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    return recorded(monkeypatch)


def answers(task: str, classes: int, count: int = 60, seed: int = 0, **more: Any) -> Exam:
    """Made up: `count` answers of a network that is often right."""
    draw = np.random.default_rng(seed)
    answer = draw.integers(0, classes, count)
    logits = draw.normal(0, 1, (count, classes)) + 2 * np.eye(classes)[answer] * (
        draw.random((count, 1)) < 0.6
    )
    shares = np.exp(logits) / np.exp(logits).sum(1, keepdims=True)
    best = np.argsort(-shares, 1)[:, :5]
    fields: dict[str, Any] = {
        "task": task, "classes": classes, "kind": "held out", "words": [str(k) for k in range(classes)],
        "row": draw.integers(0, 9, count), "answer": answer, "said": shares.argmax(1),
        "loss": -np.log(shares[np.arange(count), answer]).astype(np.float32),
        "shares": shares.astype(np.float32), "best": best,
        "best_shares": np.take_along_axis(shares, best, 1).astype(np.float32),
        "orders": np.zeros((0, 9), np.int64), "patch_class": np.zeros(0, np.int64),
        "pairs": np.zeros((0, 2), np.int64), "pair_shares": np.zeros(0, np.float32),
        "patches": np.zeros((0, 1, 1, 3), np.uint8),
    }  # fmt: skip
    return Exam(**fields | more)


def test_confusion_counts_every_answer_once() -> None:
    found = answers("location", 8)
    table = patterns.confusion(found)
    for k in range(8):
        for j in range(8):
            pairs = zip(found.answer.tolist(), found.said.tolist(), strict=True)
            assert table[k, j] == sum(pair == (k, j) for pair in pairs)
    assert np.trace(table) / table.sum() == pytest.approx(found.accuracy)


def test_distances_are_slots_that_differ() -> None:
    draw = np.random.default_rng(1)
    orders = np.array([draw.permutation(9) for _ in range(12)])
    found = answers("jigsaw", 12, orders=orders)
    counts, guessed = patterns.distances(found)
    by_hand, by_guessing = [0] * 10, [0.0] * 10
    for answer, said in zip(found.answer.tolist(), found.said.tolist(), strict=True):
        by_hand[sum(a != b for a, b in zip(orders[answer], orders[said], strict=True))] += 1
        for guess in range(12):
            by_guessing[sum(a != b for a, b in zip(orders[answer], orders[guess], strict=True))] += (
                1 / 12 / 60
            )
    assert counts.tolist() == by_hand
    assert guessed.tolist() == pytest.approx(by_guessing)
    assert counts[0] == found.right.sum()


def test_images_are_ranked_by_their_mean_loss() -> None:
    found = answers("location", 8)
    ranked = patterns.ranked(found, "row")
    assert sorted(one.number for one in ranked) == sorted(set(found.row.tolist()))
    for one in ranked:
        mine = found.row == one.number
        assert (one.asked, one.right) == (mine.sum(), (found.said[mine] == found.answer[mine]).sum())
        assert one.loss == pytest.approx(found.loss[mine].mean(), rel=1e-5)
    assert [one.loss for one in ranked] == sorted(one.loss for one in ranked)


def test_what_is_said_of_four_turns_is_turned_back() -> None:
    found = answers("rotation", 4)
    tilts = patterns.tilts(found)
    for one in tilts:
        own = np.zeros(4)
        mine = np.flatnonzero(found.row == one.row)
        for example in mine:
            for said in range(4):  # a copy turned by `answer` that is taken for `said`
                own[(said - found.answer[example]) % 4] += found.shares[example, said] / len(mine)
        assert one.shares == pytest.approx(own, abs=1e-6)
        assert one.entropy == pytest.approx(-sum(p * math.log2(p) for p in own if p), abs=1e-5)
    assert [one.entropy for one in tilts] == sorted((one.entropy for one in tilts), reverse=True)


def test_a_network_that_turns_with_the_picture_is_sure_of_its_up() -> None:
    """It takes the image to be turned left, whichever way the copy lies."""
    answer = np.arange(4)
    said = (answer + 1) % 4
    shares = np.eye(4, dtype=np.float32)[said]
    found = answers("rotation", 4, 4, row=np.zeros(4, np.int64), answer=answer, said=said, shares=shares)
    (one,) = patterns.tilts(found)
    assert one.shares.tolist() == [0, 1, 0, 0]
    assert one.entropy == 0


def test_pairs_are_those_taken_for_each_other() -> None:
    found = answers("exemplar", 7, 200)
    pairs = patterns.pairs(found, 100)
    asked = [(found.answer == k).sum() for k in range(7)]
    for pair in pairs:
        one, other = pair.one, pair.other
        taken = ((found.answer == one) & (found.said == other)) | (
            (found.answer == other) & (found.said == one)
        )
        share = (
            found.shares[found.answer == one, other].sum() + found.shares[found.answer == other, one].sum()
        )
        assert pair.mistaken == taken.sum()
        assert pair.asked == asked[one] + asked[other]
        assert pair.share == pytest.approx(share / pair.asked, rel=1e-5)
    assert len({(pair.one, pair.other) for pair in pairs}) == len(pairs) == 21
    assert [pair.mistaken for pair in pairs] == sorted((pair.mistaken for pair in pairs), reverse=True)
    assert sum(pair.mistaken for pair in pairs) == (~found.right).sum()


def test_who_is_not_among_the_likeliest_is_given_something_all_the_same() -> None:
    """A network that does not know: of eight equal answers five are kept as the likeliest, and 7 is not."""
    shares = np.full((4, 8), 1 / 8, np.float32)
    best = np.tile(np.arange(5), (4, 1))
    found = answers(
        "exemplar", 8, 4, answer=np.array([0, 0, 7, 7]), said=np.zeros(4, np.int64), shares=shares, best=best,
        best_shares=shares[:, :5],
    )  # fmt: skip
    (pair,) = [one for one in patterns.pairs(found, 100) if (one.one, one.other) == (0, 7)]
    assert (pair.mistaken, pair.asked, pair.share) == (2, 4, 0.125)


def test_pairs_of_many_classes_have_the_mean_of_all_that_was_said(monkeypatch: pytest.MonkeyPatch) -> None:
    images = make_set(count=20, side=SIDE)
    run = trained(images, "exemplar")
    whole = exam.compute(settings.workspace(), run.id, images.name)
    monkeypatch.setattr(computing, "WHOLE", 7)
    monkeypatch.setattr(computing, "BEST", 2)
    found = exam.compute(settings.workspace(), run.id, images.name)
    assert found.shares.shape[1] == 0
    assert exam.read(run, images).pairs.tolist() == found.pairs.tolist()  # type: ignore[union-attr]
    pairs = patterns.pairs(found, exam.SHOWN)
    assert 0 < len(pairs) <= exam.PAIRS
    assert {(one.one, one.other) for one in pairs} == set(patterns.taken(found, exam.PAIRS))
    assert pairs == sorted(pairs, key=lambda pair: (-pair.mistaken, -pair.share))
    for pair in pairs:
        asked = {pair.one: pair.other, pair.other: pair.one}
        said = zip(whole.answer.tolist(), whole.shares, strict=True)
        given = [float(shares[asked[answer]]) for answer, shares in said if answer in asked]
        assert pair.share == pytest.approx(np.mean(given), abs=1e-5)
        assert pair.asked == len(given) == 2 * exam.QUESTIONS


@pytest.mark.parametrize("task", ["rotation", "jigsaw", "location", "exemplar"])
def test_the_answers_are_kept_and_are_of_images_that_it_does_not_know(task: str) -> None:
    images = make_set(count=20, side=SIDE)
    run = trained(images, task)
    assert exam.read(run, images) is None
    assert exam.written(run, images) == 0
    told: list[tuple[int, int]] = []
    exam.compute(settings.workspace(), run.id, images.name, report=lambda n, of, _: told.append((n, of)))
    found = exam.read(run, images)
    assert found is not None
    assert exam.written(run, images)
    assert told[-1] == (100, 100)
    assert [n for n, _ in told] == sorted(n for n, _ in told)
    if task == "exemplar":
        assert found.kind == "copies"
        assert np.bincount(found.answer).tolist() == [exam.QUESTIONS] * 8
        assert found.patch(int(found.patch_class[0])) is not None
    else:
        assert found.kind == "held out"
        assert set(found.row.tolist()) == set(range(20)) - training_rows(images, task)
        assert np.unique(found.row, return_counts=True)[1].tolist() == [exam.QUESTIONS] * 4
    assert np.array_equal(found.best[:, 0], found.said)
    assert found.shares.sum(1) == pytest.approx(np.ones(len(found.row)), abs=1e-5)
    right = found.shares[np.arange(len(found.row)), found.answer]
    assert np.exp(-found.loss) == pytest.approx(right, abs=1e-5)
    assert np.array_equal(found.shares.argmax(1), found.said)
    assert exam.path(run, images) != exam.path(trained(images, task, seed=3), images)


@pytest.mark.parametrize("task", ["rotation", "jigsaw", "location", "exemplar"])
def test_one_sample_is_told_as_the_network_says(task: str) -> None:
    images = make_set(count=20, side=SIDE)
    run = trained(images, task)
    network = networks.trained(run).eval()
    row = 3 if task != "exemplar" else int(_seed_rows(run, images)[0])
    opinions = sampling.prepare(run, images, row).opinions(7)
    assert len(opinions) == (4 if task == "rotation" else 1)
    for one in opinions:
        views = torch.from_numpy(np.stack(one.example.views)).permute(0, 3, 1, 2)[None].contiguous()
        with torch.inference_mode():
            shares = network(networks.task_of(run).normalize(views))[0].softmax(0)
        assert one.best[0][0] == int(shares.argmax())
        assert one.example.row == row
        assert one.example.answer in dict(one.best)
        for answer, share in one.best:
            assert share == pytest.approx(float(shares[answer]), abs=1e-5)
    again = sampling.prepare(run, images, row).opinions(7)
    assert [one.best for one in opinions] == [one.best for one in again]


def _seed_rows(run: Any, images: ImageSet) -> torch.Tensor:
    from sslviz import examinee

    rows: torch.Tensor = examinee.bound(run, images).seeds.row  # type: ignore[attr-defined]
    return rows


def test_a_network_that_cannot_be_asked_is_a_sentence() -> None:
    images, other = make_set(count=20, side=SIDE), make_set("other", count=6, side=SIDE, seed=5)
    workspace = settings.workspace()
    with pytest.raises(UserError, match="without the layers"):
        exam.compute(workspace, trained(images, "location", head=False).id, images.name)
    patches = trained(images, "exemplar")
    for ask in (
        lambda: exam.compute(workspace, patches.id, other.name),
        lambda: sampling.prepare(patches, other, 0),
    ):
        with pytest.raises(UserError, match="patches of the images"):
            ask()
    broken = trained(images, "rotation", **{"head.classify.bias": torch.full((4,), float("nan"))})
    with pytest.raises(UserError, match="not finite"):
        exam.compute(workspace, broken.id, images.name)
    tiny = make_set("tiny", count=3, side=8)
    assert exam.compute(workspace, trained(images, "rotation").id, tiny.name).images == 3
