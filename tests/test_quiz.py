"""Games: answers against the image's pixels, what the network says against its logits, odds by counting."""

from __future__ import annotations

import itertools
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from answering import OPTIONS, SIDE, trained, training_rows
from small_runs import make_set

from sslviz import examinee, imagesets, networks, quiz, settings
from sslviz.errors import UserError
from sslviz.images import square
from sslviz.imagesets import ImageSet, NewImage
from sslviz.options import make_task
from sslviz.quiz import Round, Said, drawing
from sslviz.runs.identity import has_head
from sslviz.tasks.location import WORDS
from sslviz.ui.play_board import Board, read

TASKS = ["rotation", "jigsaw", "location", "exemplar"]


@pytest.fixture
def images() -> ImageSet:
    return make_set(count=20, side=SIDE)


def task_of(name: str, **more: Any) -> Any:
    return make_task(name, OPTIONS[name] | more)


def pixels_of(images: ImageSet, round_: Round) -> np.ndarray[Any, Any]:
    return square(images.pixels(round_.row), SIDE)


def cut(image: np.ndarray[Any, Any], box: tuple[float, float, float, float]) -> np.ndarray[Any, Any]:
    x0, y0, x1, y1 = (round(SIDE * value) for value in box)
    return image[y0:y1, x0:x1]


@pytest.mark.parametrize("name", TASKS)
def test_a_number_is_a_game(images: ImageSet, name: str) -> None:
    first, again, other = (drawing.draw(images, task_of(name), number).rounds for number in (3, 3, 4))
    assert len(first) == quiz.ROUNDS
    assert [one.answer for one in first] == [one.answer for one in again]
    for one, same in zip(first, again, strict=True):
        assert all(np.array_equal(a, b) for a, b in zip(one.views, same.views, strict=True))
    assert not all(np.array_equal(a.views[0], b.views[0]) for a, b in zip(first, other, strict=True))
    assert all(one.said is None for one in first)
    rows = [one.row for one in first]
    assert len(set(rows)) == len(rows) or name == "exemplar"
    assert len({one.answer for n in range(8) for one in drawing.draw(images, task_of(name), n).rounds}) > 3


def test_a_turned_view_turned_back_is_the_image(images: ImageSet) -> None:
    for one in drawing.draw(images, task_of("rotation"), 1).rounds:
        assert np.array_equal(np.rot90(one.views[0], -one.answer), pixels_of(images, one))


def test_the_tiles_in_order_are_the_image(images: ImageSet) -> None:
    for one in drawing.draw(images, task_of("jigsaw"), 1).rounds:
        whole = pixels_of(images, one)
        for cell, slot in enumerate(one.arranged(one.answer)):
            x0, y0, x1, y1 = one.boxes[slot]
            assert np.array_equal(one.views[slot], cut(whole, one.boxes[slot]))
            assert (int(3 * (y0 + y1) / 2), int(3 * (x0 + x1) / 2)) == divmod(cell, 3)
        assert quiz.is_right(one, one.answer)
        assert quiz.is_right(one, one.arranged(one.answer))


def test_the_second_patch_lies_where_the_answer_says(images: ImageSet) -> None:
    names = {(-1, -1): "above left", (0, -1): "above", (1, -1): "above right", (-1, 0): "left",
             (1, 0): "right", (-1, 1): "below left", (0, 1): "below", (1, 1): "below right"}  # fmt: skip
    for one in drawing.draw(images, task_of("location"), 1, count=20).rounds:
        first, second = (np.array(box) for box in one.boxes)
        step = tuple(np.sign(np.where(np.abs(second - first) < 0.1, 0, second - first)).astype(int)[:2])
        assert names[step] == WORDS[one.answer] == one.sentence == one.words[one.answer]
        for view, box in zip(one.views, one.boxes, strict=True):
            assert np.array_equal(view, cut(pixels_of(images, one), box))


def test_only_the_own_patch_is_the_copy_where_nothing_is_changed(images: ImageSet) -> None:
    still = {"translation": 0.0, "scale": 1.0, "rotation": 0.0, "contrast": 1.0, "power": 1.0}
    task = task_of("exemplar", **still, multiply=1.0, add=0.0, hue=0.0)
    for one in drawing.draw(images, task, 1).rounds:
        assert len(one.candidates) == one.choices == quiz.CANDIDATES
        same = [np.array_equal(one.views[0], patch) for patch in one.candidates]
        assert same == [place == one.answer for place in range(quiz.CANDIDATES)]


@pytest.mark.parametrize("name", ["rotation", "jigsaw", "location"])
def test_the_network_says_its_likeliest_answer(images: ImageSet, name: str) -> None:
    run = trained(images, name)
    task, network = networks.task_of(run), networks.trained(run).eval()
    game = drawing.draw(images, task, 2, run)
    assert game.kind == "held out"
    for one in game.rounds:
        views = torch.from_numpy(np.stack(one.views)).permute(0, 3, 1, 2)[None].contiguous()
        with torch.inference_mode():
            logits = network(task.normalize(views))[0].double()
        shares = (logits - logits.logsumexp(0)).exp()
        assert one.said is not None
        assert one.said.answer == int(logits.argmax())
        assert one.said.share == pytest.approx(float(shares.max()), abs=1e-5)
        assert one.said.right_share == pytest.approx(float(shares[one.answer]), abs=1e-5)
        assert one.choices == len(shares)


def test_the_network_chooses_among_the_same_patches(images: ImageSet) -> None:
    run = trained(images, "exemplar")
    task, network = networks.task_of(run), networks.trained(run).eval()
    problem = examinee.bound(run, images)
    shown = drawing.plain(problem).make(torch.arange(len(problem)), torch.Generator())  # type: ignore[arg-type]
    known = [view[0].permute(1, 2, 0).numpy() for view in shown.views]
    for one in drawing.draw(images, task, 2, run).rounds:
        classes = [next(k for k, p in enumerate(known) if np.array_equal(p, c)) for c in one.candidates]
        assert len(set(classes)) == quiz.CANDIDATES
        view = torch.from_numpy(one.views[0]).permute(2, 0, 1)[None, None].contiguous()
        with torch.inference_mode():
            logits = network(task.normalize(view))[0, classes]
        assert one.said is not None
        assert one.said.answer == int(logits.argmax())
        assert one.said.share == pytest.approx(float(logits.softmax(0).max()), abs=1e-5)
        assert not one.said.by_likeness


def test_without_classes_the_patch_of_the_nearest_features_is_chosen(images: ImageSet) -> None:
    run = replace(trained(images, "exemplar", head=False), bundled=True)
    assert not has_head(run)
    task, network = networks.task_of(run), networks.trained(run).eval()
    for one in drawing.draw(images, task, 2, run).rounds:
        views = np.stack([one.views[0], *one.candidates]).transpose(0, 3, 1, 2)[:, None]
        with torch.inference_mode():
            found = network.embed(task.normalize(torch.from_numpy(views.copy()))).flatten(1).double().numpy()
        cosine = found[1:] @ found[0] / np.linalg.norm(found[1:], axis=1) / np.linalg.norm(found[0])
        assert one.said is not None
        assert one.said.by_likeness
        assert one.said.answer == int(cosine.argmax())
        assert one.said.share == pytest.approx(cosine.max(), abs=1e-5)


@pytest.mark.parametrize("name", ["rotation", "jigsaw", "location"])
def test_the_images_are_such_as_the_network_has_not_trained_on(images: ImageSet, name: str) -> None:
    run = trained(images, name, seed=5)
    seen = training_rows(images, name, seed=5)
    assert len(seen) == 16
    assert set(examinee.unseen(run, images).rows.tolist()) == set(range(20)) - seen
    assert not seen & {
        one.row for n in range(4) for one in drawing.draw(images, task_of(name), n, run).rounds
    }


def test_what_lies_in_another_set_too_is_not_asked_about(images: ImageSet) -> None:
    run = trained(images, "rotation")
    seen = training_rows(images, "rotation")
    other = imagesets.create(settings.workspace(), "other")
    fresh = np.random.default_rng(9).integers(0, 256, (4, SIDE, SIDE, 3), np.uint8)
    other.add(NewImage(f"fresh {n}.png", pixels=pixels) for n, pixels in enumerate(fresh))
    other.add(NewImage(f"old {row}.png", pixels=images.pixels(row)) for row in range(len(images)))
    found = examinee.unseen(run, other)
    ids = {images.ids[row] for row in seen}
    assert found.kind == "others"
    assert found.rows.tolist() == [row for row, id_ in enumerate(other.ids) if id_ not in ids]
    images.delete()
    assert examinee.unseen(run, other).kind == "unknown"


def test_a_run_that_went_on_from_another_has_seen_its_images_too(images: ImageSet) -> None:
    first = trained(images, "rotation", seed=1)
    second = trained(images, "rotation", seed=2).set_spec(start=first.id)
    seen = training_rows(images, "rotation", seed=1) | training_rows(images, "rotation", seed=2)
    left = set(range(20)) - seen
    found = examinee.unseen(second, images)
    assert set(found.rows.tolist()) == (left or set(range(20)))
    assert found.kind == ("held out" if left else "seen")


def test_one_image_is_played_again_and_again_and_a_small_one_is_a_sentence() -> None:
    one = make_set("one", count=1, side=SIDE)
    assert [round_.row for round_ in drawing.draw(one, task_of("rotation"), 1).rounds] == [0] * 5
    assert examinee.unseen(trained(one, "rotation"), one).kind == "seen"
    run = trained(one, "jigsaw", **{"encoder.block1.0.0.weight": torch.full((32, 3, 5, 5), float("nan"))})
    with pytest.raises(UserError, match="not finite"):
        drawing.draw(one, task_of("jigsaw"), 1, run)
    with pytest.raises(UserError, match="without the layers"):
        drawing.draw(one, task_of("jigsaw"), 1, trained(one, "jigsaw", head=False))


def puzzle(kinds: list[int], orders: list[list[int]], answer: int = 0, said: int = 0) -> Round:
    """A puzzle whose slots show pictures of these kinds."""
    views = [np.full((2, 2, 3), kind, np.uint8) for kind in kinds]
    boxes = [(0.0, 0.0, 1.0, 1.0)] * 9
    return Round("jigsaw", views, answer, len(orders), 0, "", boxes, mirror=False,
                 orders=np.array(orders), said=Said(said, 0.5, 0.5))  # fmt: skip


@pytest.mark.parametrize("kinds", [[0, 1, 2, 3, 4, 5, 6, 7, 8], [0, 1, 0, 3, 3, 5, 3, 7, 8]])
def test_the_chance_of_a_puzzle_is_that_of_all_ways_to_lay_it(kinds: list[int]) -> None:
    orders = [[3, 1, 4, 0, 5, 8, 2, 6, 7], [0, 1, 2, 3, 4, 5, 6, 7, 8], [4, 1, 3, 0, 5, 8, 2, 6, 7]]
    one = puzzle(kinds, orders)
    wanted = [0] * 9  # what each cell should show
    for slot, tile in enumerate(orders[0]):
        wanted[tile] = kinds[slot]
    every = np.array(list(itertools.permutations(range(9))))
    shown = np.array(kinds)[every] == np.array(wanted)
    assert quiz.chance(one, network=False) == pytest.approx(shown.all(1).mean(), rel=1e-9)
    for place in (0, 1000, 77_777, int(shown.sum(1).argmax())):
        assert quiz.in_place(one, tuple(every[place].tolist())) == shown[place].sum()
        assert quiz.is_right(one, tuple(every[place].tolist())) == shown[place].all()
    laid = [[kinds[order.index(cell)] for cell in range(9)] == wanted for order in orders]
    assert quiz.chance(one, network=True) == pytest.approx(np.mean(laid))


def test_a_score_counts_what_is_right() -> None:
    def turned(answer: int, said: int | None) -> Round:
        said_ = None if said is None else Said(said, 0.9, 0.1)
        return Round("rotation", [], answer, 4, 0, "", [], mirror=False, words=("", "", "", ""), said=said_)

    rounds = [turned(0, 0), turned(1, 2), turned(2, 2), turned(3, 0), turned(1, 1)]
    found = quiz.score(rounds, [(0, 1.0), (0, 2.5), (1, 1.5), (3, 4.0)])
    assert (found.played, found.you, found.network, found.seconds) == (4, 2, 2, 9.0)
    assert found.chance_you == found.chance_network == 1.0
    assert found.both_failed == (1,)
    alone = quiz.score([turned(0, None), turned(1, None)], [(0, 1.0), (0, 1.0)])
    assert (alone.network, alone.you, alone.both_failed) == (None, 1, (1,))
    nine = [puzzle(list(range(9)), [list(range(9)), [1, 0, *range(2, 9)]])]
    of_puzzle = quiz.score(nine, [((1, 0, 2, 3, 4, 5, 6, 7, 8), 3.0)])
    assert (of_puzzle.you, of_puzzle.network) == (0, 1)
    assert of_puzzle.chance_network == 0.5
    assert of_puzzle.chance_you == pytest.approx(1 / 362_880)


@pytest.mark.parametrize(
    "word",
    [None, 3, {}, {"round": "a"}, {"round": "b", "answer": 1, "seconds": 1.0},
     {"round": "a", "answer": 4, "seconds": 1.0}, {"round": "a", "answer": -1, "seconds": 1.0},
     {"round": "a", "answer": True, "seconds": 1.0}, {"round": "a", "answer": "1", "seconds": 1.0},
     {"round": "a", "answer": 1, "seconds": -1}, {"round": "a", "answer": 1, "seconds": float("nan")}],
)  # fmt: skip
def test_whatever_else_a_browser_says_is_no_answer(word: object) -> None:
    board = Board("a", "rotation", [], [], 4, 0.0)
    assert read(word, board) is None
    assert read({"round": "a", "answer": 1, "seconds": 2}, board) == (1, 2.0)


def test_a_puzzle_is_answered_by_an_order_of_nine() -> None:
    board = Board("a", "jigsaw", [], [], 64, 0.0)
    order = [8, 7, 6, 5, 4, 3, 2, 1, 0]
    assert read({"round": "a", "answer": order, "seconds": 2.0}, board) == (tuple(order), 2.0)
    for wrong in (order[:8], [0] * 9, [*order[:8], 9], 5, [*order[:8], None]):
        assert read({"round": "a", "answer": wrong, "seconds": 2.0}, board) is None
