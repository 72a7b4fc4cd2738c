"""What dense features are worth, against counting by hand, scikit-learn and images whose answer is known."""

from __future__ import annotations

import json
import subprocess
import sys
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from safetensors.torch import save
from scipy import ndimage
from sklearn.linear_model import LogisticRegression, Ridge
from torch import Tensor

from sslviz import dense, imagesets, jobs, kept, runs, settings, worker
from sslviz.cli import run as command
from sslviz.dense import (
    boxes,
    computing,
    localisation,
    locating,
    masks,
    places,
    probing,
    segmentation,
    segmenting,
    standouts,
    supervised,
    teaching,
)
from sslviz.errors import UserError
from sslviz.imagesets import ImageSet, NewImage
from sslviz.imagesets.index import Entry
from sslviz.model import build
from sslviz.runs import Run
from sslviz.tasks import make_task

SIDE = 32
COLOURS = {"red": (220, 40, 40), "blue": (40, 60, 220)}


@pytest.fixture(autouse=True)
def short(monkeypatch: pytest.MonkeyPatch) -> None:
    """A few steps of training: more would say the same."""
    monkeypatch.setattr(supervised, "STEPS", 3)
    monkeypatch.setattr(supervised, "BATCH", 4)


def painted(number: int, label: str) -> tuple[NDArray[np.uint8], NDArray[np.uint8], Any]:
    """A square of one colour somewhere on a grey ground: pixels, mask and box."""
    draw = np.random.default_rng(number)
    pixels = draw.integers(110, 140, (SIDE, SIDE, 3)).astype(np.uint8)
    mask = np.zeros((SIDE, SIDE), np.uint8)
    size = int(draw.integers(12, 19))
    top, left = (int(one) for one in draw.integers(4, SIDE - size - 4, 2))
    mask[top : top + size, left : left + size] = 1
    pixels[mask == 1] = COLOURS[label]
    return pixels, mask, tuple(one / SIDE for one in (left, top, left + size, top + size))


def make_set(count: int = 16, name: str = "pics", masked: Any = None, boxed: bool = True) -> ImageSet:
    """`masked` says of a number whether its image has a mask."""
    made = imagesets.create(settings.workspace(), name)
    for number in range(count):
        label = list(COLOURS)[number % 2]
        pixels, mask, box = painted(number, label)
        has = masked is None or masked(number)
        new = NewImage(
            f"<b>{number}</b>.png",
            pixels,
            label=label,
            mask=mask if has else None,
            box=box if boxed else None,
        )
        made.add([new])
    return made


def make_run(**weights: Tensor) -> Run:
    state = build("small", 1, 4, SIDE, seed=9).state_dict() | weights
    spec = runs.Spec(task="rotation", images="pics", size=SIDE, side=SIDE, view=SIDE, classes=4)
    run = runs.create(settings.workspace(), spec)
    run.save_checkpoint(1, {"model.safetensors": save(state)})
    run.set_status(state="done", step=1)
    return run


# Masks


def test_overlaps_are_those_counted_by_hand() -> None:
    draw = np.random.default_rng(0)
    true = draw.choice([0, 1, 3, 255], (5, 12, 12), p=[0.5, 0.3, 0.1, 0.1]).astype(np.uint8)
    answer = draw.integers(0, 4, (5, 12, 12)).astype(np.uint8)
    counts = masks.count(true, answer, 4)
    known = true != 255
    expected = []
    for one in range(4):
        in_truth, in_answer = (true == one) & known, (answer == one) & known
        if in_truth.any():
            expected.append((in_truth & in_answer).sum() / (in_truth | in_answer).sum())
    assert len(expected) == 3  # the third class is nowhere
    assert np.isnan(masks.overlaps(counts.sum(0))[2])
    assert masks.mean_overlap(counts.sum(0)) == pytest.approx(np.mean(expected))
    assert masks.right(counts.sum(0)) == pytest.approx((true == answer)[known].mean())
    both = (true > 0) & known & (answer > 0)
    either = ((true > 0) | (answer > 0)) & known
    assert masks.objects(counts.sum(0)) == pytest.approx(both.sum() / either.sum())
    assert counts.sum((1, 2)).tolist() == known.sum((1, 2)).tolist()


def test_the_right_answer_is_all_and_a_shuffled_one_is_chance() -> None:
    draw = np.random.default_rng(1)
    shares = np.array([0.7, 0.2, 0.1])
    true = draw.choice(3, (20, 64, 64), p=shares).astype(np.uint8)
    assert masks.mean_overlap(masks.count(true, true, 3).sum(0)) == 1.0
    shuffled = draw.permutation(true.ravel()).reshape(true.shape)
    # Two that have a class with probability p each, apart from each other: p² of 2 p - p².
    found = masks.mean_overlap(masks.count(true, shuffled, 3).sum(0))
    assert found == pytest.approx((shares / (2 - shares)).mean(), abs=0.005)


def test_an_interval_holds_the_value_and_shrinks_with_images() -> None:
    draw = np.random.default_rng(2)
    true = draw.integers(0, 2, (400, 8, 8)).astype(np.uint8)
    wrong = draw.random(true.shape) < draw.random((400, 1, 1)) * 0.6
    counts = masks.count(true, np.where(wrong, 1 - true, true).astype(np.uint8), 2)
    value = masks.mean_overlap(counts.sum(0))
    low, high = masks.interval(counts)
    few_low, few_high = masks.interval(counts[:25])
    assert low < value < high
    assert high - low < 0.5 * (few_high - few_low)
    low, high = masks.interval(counts, counts)
    assert -0.1 < low < 0 < high < 0.1


@pytest.mark.parametrize("images", [2, 3, 6])
def test_two_that_are_equally_good_are_seldom_told_apart_by_few_images(images: int) -> None:
    draw = np.random.default_rng(images)

    def answered(true: NDArray[np.uint8]) -> NDArray[np.int64]:
        wrong = draw.random(true.shape) < draw.uniform(0.05, 0.4, (images, 1, 1))
        return masks.count(true, np.where(wrong, 1 - true, true).astype(np.uint8), 2)

    apart = 0
    for _ in range(200):
        true = (draw.random((images, 8, 8)) < draw.uniform(0.1, 0.6, (images, 1, 1))).astype(np.uint8)
        low, high = masks.interval(answered(true), answered(true))
        apart += low > 0 or high < 0
    assert apart <= 21  # of 200 with a chance of 5% each, more than this once in a thousand


def test_of_one_image_no_lead_is_known() -> None:
    ours, theirs = np.array([[[90, 10], [5, 15]]]), np.array([[[80, 20], [5, 15]]])
    assert masks.interval(ours, theirs) == [-1.0, 1.0]
    assert masks.interval(ours) == [0.0, 1.0]


def test_a_square_of_a_mask_has_the_numbers_of_the_nearest_pixels() -> None:
    mask = np.arange(7 * 11, dtype=np.uint8).reshape(7, 11)
    found = masks.square(mask, 5)
    for row in range(5):
        for column in range(5):
            y, x = int((row + 0.5) * 7 / 5), int((column + 0.5) * 7 / 5)
            assert found[row, column] == mask[y, 2 + x]
    assert (masks.square(mask, 7) == mask[:, 2:9]).all()


def test_who_is_asked_is_a_fifth_of_every_label_and_nobody_who_is_known() -> None:
    images = make_set(40, masked=lambda number: number < 30)
    asked = masks.question(images)
    assert asked.classes == ("background", "blue", "red")
    assert not set(asked.known) & set(asked.asked)
    assert sorted([*asked.known, *asked.asked]) == list(range(30))
    labels = [images.labels[row] for row in asked.asked]
    assert sorted(labels) == ["blue"] * 3 + ["red"] * 3  # type: ignore[type-var]
    again = masks.question(images)
    assert (again.asked == asked.asked).all()
    few = masks.question(images, known=5, asked=2)
    assert (len(few.known), len(few.asked)) == (5, 2)
    true = masks.truth(images, asked.asked, asked)
    for number, row in enumerate(asked.asked):
        own = 1 if images.labels[row] == "blue" else 2
        assert set(np.unique(true[number])) == {0, own}


def test_what_is_no_class_of_its_own_is_an_object() -> None:
    images = make_set(12)
    images.set_labels({id_: f"breed {row}" for row, id_ in enumerate(images.ids)})
    asked = masks.question(images)  # twelve labels of one image each
    assert asked.classes == ("background", "object")
    assert (len(asked.known), len(asked.asked)) == (11, 1)
    assert masks.truth(images, asked.known, asked).max() == 1
    images.set_labels(dict.fromkeys(images.ids, "background"))
    assert masks.truth(images, [0], masks.question(images)).max() == 1
    images.set_labels(dict.fromkeys(images.ids[1:]))
    assert masks.question(images).classes == ("background", "object")


def test_labels_and_masks_change_the_digest_and_names_do_not() -> None:
    images = make_set(4)
    before, before_boxes = masks.digest(images), boxes.digest(images)
    images.rename("others")
    assert masks.digest(images) == before
    images.relabel([images.ids[0]], "green")
    assert masks.digest(images) != before
    assert boxes.digest(images) == before_boxes
    images.remove([images.ids[0]])
    assert boxes.digest(images) != before_boxes


def test_sets_that_know_too_little_are_a_sentence() -> None:
    with pytest.raises(UserError, match="has no masks") as caught:
        masks.question(make_set(4, "bare", masked=lambda _: False, boxed=False))
    assert "scenes" in caught.value.hint
    with pytest.raises(UserError, match="has no boxes"):
        boxes.rows(imagesets.open_set(settings.workspace(), "bare"))
    with pytest.raises(UserError, match="One image"):
        masks.question(make_set(1, "one"))
    with pytest.raises(UserError, match="One image"):
        boxes.rows(imagesets.open_set(settings.workspace(), "one"))
    with pytest.raises(UserError, match="has no masks"):
        dense.segment(make_run(), imagesets.open_set(settings.workspace(), "bare"))


# Probing


def test_the_probe_is_that_of_scikit_learn() -> None:
    draw = np.random.default_rng(3)
    features = draw.normal(size=(300, 6)).astype(np.float32) * [1, 5, 0.1, 1, 1, 0] + [0, 3, 0, -2, 0, 7]
    logits = features[:, :4] @ draw.normal(size=(4, 3)) * [1, 0.6, 0.8]
    shares = np.exp(logits) / np.exp(logits).sum(1, keepdims=True)
    shares[:5] = 0  # unknown places
    found = probing.fit(torch.tensor(features, dtype=torch.float32), torch.tensor(shares).float())
    ours = torch.tensor(features).float() @ found.weight + found.bias

    weights = (shares / np.sqrt(shares.mean(0))).ravel()
    standard = features[:, :5]
    standard = (standard - standard.mean(0)) / standard.std(0)
    theirs = LogisticRegression(C=1 / (2 * probing.PENALTY), max_iter=5000, tol=1e-8)
    theirs.fit(standard.repeat(3, 0), np.tile(np.arange(3), 300), sample_weight=weights / weights.sum())
    expected = theirs.predict_log_proba(standard)
    assert np.abs(ours.log_softmax(1).numpy() - expected).max() < 0.02
    assert (found.weight[5] == 0).all()  # a constant says nothing


def one_hot(images: Tensor) -> dict[str, Tensor]:
    """A network that knows: the class of a place is in the red of its pixels."""
    return {"known": torch.nn.functional.one_hot((images[:, 0] // 50).long(), 3).permute(0, 3, 1, 2).float()}


def asked_of(classes: NDArray[np.uint8], reading: Any) -> segmenting.Answered:
    """Answers about the last ten of images whose classes, (N, 16, 16), are painted in red."""
    squares = np.zeros((len(classes), 3, 16, 16), np.uint8)
    squares[:, 0] = 50 * classes
    rows = np.arange(len(classes))
    asked = masks.Question(("background", "a", "b"), rows[:-10], rows[-10:], 16)
    score = segmenting.learn(reading, squares, asked, classes[:-10], lambda *_: None)
    return segmenting.answer(score, squares, asked, classes[-10:], [0, 9], lambda *_: None)


def test_features_that_know_are_always_right_and_noise_is_not() -> None:
    draw = np.random.default_rng(4)
    classes = draw.integers(0, 3, (30, 4, 4)).repeat(4, 1).repeat(4, 2).astype(np.uint8)
    found = asked_of(classes, one_hot)
    assert masks.mean_overlap(found.counts.sum(0)) == 1.0
    assert (found.pictures == classes[[-10, -1]]).all()
    assert not found.blocks  # there is only one

    def noise(images: Tensor) -> dict[str, Tensor]:
        generator = torch.Generator().manual_seed(int(images.sum()))
        return {name: torch.randn(len(images), 4, 8, 8, generator=generator) for name in ("x", "y")}

    found = asked_of(classes, noise)
    assert masks.mean_overlap(found.counts.sum(0)) < 0.3
    assert set(found.blocks) == {"x", "y"}


def test_shares_of_places_leave_out_what_nobody_knows() -> None:
    truth = np.zeros((1, 32, 32), np.uint8)
    truth[0, :2, :2] = [[1, 1], [0, 255]]
    truth[0, :2, 2:4] = 255
    shares = segmenting.shares_of(truth, 2)
    assert shares[0, :, 0, 0].tolist() == [0.25, 0.5]
    assert shares[0, :, 0, 1].tolist() == [0, 0]
    assert shares[0, :, 5, 5].tolist() == [1, 0]


# Boxes


def test_overlap_is_that_of_pixels() -> None:
    draw = np.random.default_rng(5)
    for _ in range(50):
        corners = np.sort(draw.integers(0, 41, (2, 2, 2)), 1)  # (box, low and high, x and y)
        areas = []
        for (x0, y0), (x1, y1) in corners:
            area = np.zeros((40, 40), bool)
            area[y0:y1, x0:x1] = True
            areas.append(area)
        one, other = corners.reshape(2, 4) / 40
        union = (areas[0] | areas[1]).sum()
        assert boxes.overlap(one, other) == pytest.approx((areas[0] & areas[1]).sum() / max(1, union))


def test_boxes_of_oblong_images_are_those_of_their_square() -> None:
    def entry(width: int, height: int, box: Any) -> Entry:
        return Entry("id", "name", None, "", width, height, box, 0, 0, 0, 0, 0, 0)

    found = boxes.of_entry(entry(200, 100, (0.5, 0.2, 0.7, 0.6)))
    assert found == pytest.approx([0.5, 0.2, 0.9, 0.6])
    cut = boxes.of_entry(entry(100, 200, (0.1, 0.1, 0.5, 0.5)))
    assert cut == pytest.approx([0.1, 0, 0.5, 0.5])
    assert boxes.of_entry(entry(200, 100, (0.0, 0.2, 0.3, 0.6))) is None  # a sixth of it is to be seen
    assert boxes.of_entry(entry(100, 100, None)) is None
    assert boxes.of_entry(entry(100, 100, (0.5, 0.5, 0.5, 0.7))) is None


def test_images_to_choose_by_and_to_report_share_none() -> None:
    by, reported = boxes.parts(11)
    assert sorted([*by, *reported]) == list(range(11))
    assert abs(len(by) - len(reported)) <= 1
    by, reported = boxes.parts(2000)
    assert (len(by), len(reported)) == (400, 1600)
    assert len({*by, *reported}) == 2000


def test_the_box_is_around_the_largest_part_that_stands_out() -> None:
    fine = np.zeros((2, 64, 64), np.float32)
    fine[0, 10:30, 20:50] = 5
    fine[0, 50:55, 2:6] = 9  # stronger and smaller
    fine[1, 40:60, 1:9] = 1
    fine[1] += 100
    found = standouts.boxes(fine) * 64
    assert found.tolist() == [[20, 10, 50, 30], [1, 40, 9, 60]]
    assert standouts.boxes(np.full((1, 8, 8), 3, np.float32)).tolist() == [[0, 0, 1, 1]]


def test_a_threshold_splits_where_the_groups_differ_most() -> None:
    draw = np.random.default_rng(6)
    values = np.concatenate([draw.normal(0, 1, 900), draw.normal(6, 1, 124)]).astype(np.float32)
    found = float(standouts.threshold(values.reshape(1, 32, 32))[0])

    def between(limit: float) -> float:
        low, high = values[values <= limit], values[values > limit]
        return float(len(low) * len(high) * (low.mean() - high.mean()) ** 2)

    steps = np.linspace(values.min(), values.max(), 65)[1:-1]
    # Values are told apart by the step they are in, so the best limit is met to a step or two.
    assert between(found) >= 0.995 * max(between(step) for step in steps)


def test_the_border_says_which_way_is_the_object() -> None:
    blob = np.zeros((3, 8, 8), np.float32)
    blob[:, 2:6, 2:6] = 1
    assert standouts.sign(blob) == 1
    assert standouts.sign(-blob) == -1
    assert standouts.sign(np.ones((1, 2, 2), np.float32)) == 1  # nothing is inside


def test_what_stands_out_is_what_the_rules_say() -> None:
    torch.manual_seed(0)
    maps = torch.randn(4, 5, 6, 6)
    rows = maps.permute(0, 2, 3, 1).reshape(-1, 5).numpy()
    standard = (rows - rows.mean(0)) / rows.std(0)
    axis = np.linalg.svd(standard, full_matrices=False)[2][0]
    known = locating._fitted(
        torch.tensor(np.pad(rows, ((0, 0), (0, 1)), constant_values=1)).double().T
        @ torch.tensor(np.pad(rows, ((0, 0), (0, 1)), constant_values=1)).double()
    )
    found = locating.standing_out(maps, known)
    assert torch.allclose(found["energy"], (maps**2).sum(1))
    along = np.abs(standard @ axis).reshape(4, 6, 6)
    assert found["component"].abs().numpy() == pytest.approx(along, abs=1e-3)
    places_ = standard.reshape(4, 6, 6, 5)
    edge = standouts.border(6, 6)
    for image in range(4):
        around = places_[image][edge]
        for row, column in ((0, 0), (2, 3), (4, 1)):
            least = min(np.linalg.norm(places_[image, row, column] - one) for one in around)
            assert float(found["contrast"][image, row, column]) == pytest.approx(least, abs=2e-3)


def test_an_object_that_differs_from_the_ground_is_found() -> None:
    images = make_set(24)
    rows, true = boxes.rows(images)
    squares = images.squares(SIDE)
    encoder = build("small", 1, 4, SIDE, seed=1).encoder.eval()
    found = locating.locate(encoder, make_task("rotation"), squares, rows, lambda *_: None)
    assert boxes.right(found["contrast"]["block1"], true).mean() > 0.8
    alone = locating.by_colour(squares, rows, lambda *_: None)["contrast"]["colour"]
    assert boxes.right(alone, true).mean() == 1.0
    centre = np.tile(boxes.centre(), (len(rows), 1))
    assert boxes.right(centre, true).mean() < 0.8
    for blocks in found.values():
        for one in blocks.values():
            assert one.shape == (24, 4)
            assert (one[:, :2] < one[:, 2:]).all()


def test_a_layer_taught_by_itself_is_that_of_scikit_learn(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(teaching, "ROUNDS", 1)
    monkeypatch.setattr(teaching, "BATCH", 3)
    draw = np.random.default_rng(8)
    features = torch.tensor(draw.normal(size=(7, 5, 16, 16))).half()
    unlike = torch.tensor(draw.random((7, 16, 16))).float()
    taught = teaching.learn({"first": 2, "second": 3}, features, unlike)
    near = unlike.numpy().ravel()[:, None] / unlike.mean().item()
    target = teaching._largest(teaching._fine(unlike[:, None])).numpy().ravel()
    for block, width in enumerate((2, 5)):
        own = features[:, :width].float().permute(0, 2, 3, 1).reshape(-1, width).numpy()
        inputs = np.concatenate([own, own * near, near, np.ones_like(near)], 1)
        theirs = Ridge(alpha=teaching.PENALTY * len(inputs), fit_intercept=False).fit(inputs, target)
        looks = np.r_[:width, 5 : 5 + width, 10, 11]
        assert taught.weights[looks, block].numpy() == pytest.approx(theirs.coef_, abs=1e-3)
        assert taught.weights[:, block].count_nonzero() == len(looks)  # later blocks are not looked at


def test_what_many_images_share_is_told_from_the_objects() -> None:
    draw = np.random.default_rng(9)
    count, true = 40, []
    features = torch.tensor(draw.normal(0, 0.1, (count, 2, 16, 16))).half()
    unlike = torch.tensor(draw.random((count, 16, 16)) * 0.1).float()
    for number in range(count):
        left = int(draw.integers(2, 5))
        true.append(np.array([left, 2, left + 4, 8]) / 16)
        features[number, 0, 2:8, left : left + 4] += 1  # the object
        unlike[number, 2:8, left : left + 4] += 1
        width = 8 if number % 8 == 0 else 3  # beside it the same thing in all, larger than it in a few
        features[number, 1, 9:14, 2 : 2 + width] += 1
        unlike[number, 9:14, 2 : 2 + width] += 1
    before = standouts.boxes(teaching._fine(unlike[:, None])[:, 0].numpy())
    assert boxes.right(before, np.stack(true)).mean() == 0.875
    taught = teaching.learn({"block": 2}, features, unlike)
    maps = taught.standing_out(features, unlike)
    assert maps.shape == (count, 1, 64, 64)
    assert boxes.right(standouts.boxes(maps[:, 0].numpy()), np.stack(true)).all()


def test_wide_networks_learn_from_fewer_images() -> None:
    assert teaching.count(448, 2000) == teaching.TAUGHT
    assert teaching.count(448, 7) == 7
    assert teaching.count(4096, 2000) * 4096 * segmenting.GRID**2 <= teaching.NUMBERS
    assert teaching.count(10**9, 2000) == 1


@pytest.mark.parametrize("side", [1, 2, 16, 32, 128, 224])
def test_frames_fit_images_of_any_side(side: int) -> None:
    assert 0 <= locating.frame(side) < max(side, 1)
    encoder = build("small", 1, 4, side, seed=0).encoder.eval()
    squares = np.zeros((1, 3, side, side), np.uint8)
    found = locating.locate(encoder, make_task("rotation"), squares, np.array([0]), lambda *_: None)
    assert found["energy"]["block1"].shape == (1, 4)


# The whole


def test_segmentation_of_a_run_is_kept_and_the_same_again(monkeypatch: pytest.MonkeyPatch) -> None:
    images, run = make_set(24), make_run()
    assert dense.find_masks(run, images) is None
    told: list[int] = []
    found = dense.segment(run, images, lambda done, total, _: told.append(done))
    assert told == sorted(told)
    numbers = found.numbers()
    assert json.loads(json.dumps(numbers, allow_nan=False)) == numbers
    assert set(numbers["miou"]) == {"run", "untrained", "colour", "supervised", "background"}
    assert list(numbers["by_block"]["run"]) == ["block1", "block2", "block3", "block4", "block5"]
    assert numbers["miou"]["colour"] > 0.6  # the objects are told by their colour
    assert numbers["miou"]["background"] == pytest.approx(numbers["pixels_right"]["background"] / 3)
    assert (numbers["known"], numbers["asked"]) == (20, 4)
    for source, one in found.sources.items():
        low, high = numbers["interval"][source]
        assert low <= numbers["miou"][source] <= high
        assert one.pictures.shape == (4, SIDE, SIDE)
    with monkeypatch.context() as patch:
        patch.setattr(computing, "segment", lambda *_: pytest.fail("computed again"))
        assert dense.segment(run, images).numbers() == numbers
    for path in kept.area_of(places.AREA).rglob("*.bin"):
        path.unlink()
    assert dense.segment(run, images).numbers() == numbers


def test_another_run_computes_what_is_its_own() -> None:
    images, run = make_set(12), make_run()
    dense.segment(run, images)
    dense.locate(run, images)
    other = make_run(**{"encoder.block1.0.0.weight": torch.ones(32, 3, 5, 5)})
    assert [bool(one) for one in segmentation.state(other, images)] == [False, True, True, True]
    assert [bool(one) for one in localisation.state(other, images)] == [False, True, True]
    images.relabel([images.ids[0]], "blue")
    assert not any(segmentation.state(run, images))
    assert all(localisation.state(run, images))


def test_a_network_too_large_to_train_here_goes_without(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(computing, "TRAINING_WORK", 1.0)
    monkeypatch.setattr(computing, "WORK", 1.0)
    monkeypatch.setattr(computing, "FEWEST_KNOWN", 6)
    monkeypatch.setattr(computing, "FEWEST_ASKED", 2)
    monkeypatch.setattr(computing, "FEWEST_LOCATED", 4)
    monkeypatch.setattr(computing, "LOCATING_WORK", 0)
    images, run = make_set(24), make_run()
    found = dense.segment(run, images)
    assert set(found.sources) == {"run", "untrained", "colour"}
    assert (found.known, found.asked) == (6, 2)
    assert "supervised" not in found.numbers()["lead"]
    assert len(dense.locate(run, images).rows) == 4


def test_localisation_chooses_by_some_and_reports_the_others() -> None:
    images, run = make_set(24), make_run()
    found = dense.locate(run, images)
    numbers = found.numbers()
    assert json.loads(json.dumps(numbers, allow_nan=False)) == numbers
    assert numbers["images"] == 12
    by, reported = boxes.parts(24)
    for source in ("run", "untrained"):
        rule, block = found.chosen(source)
        shares = {
            (one, name): boxes.right(found.found[source][one][name][by], found.true[by]).mean()
            for one in localisation.RULES
            for name in found.found[source][one]
        }
        assert shares[rule, block] == max(shares.values())
        own = boxes.right(found.found[source][rule][block][reported], found.true[reported])
        assert numbers["corloc"]["best"][source] == pytest.approx(own.mean())
        assert found.chosen(source, "energy")[0] == "energy"
    low, high = numbers["intervals"]["run"]
    assert low <= numbers["corloc"]["best"]["run"] <= high
    assert numbers["corloc"]["best"]["run"] > numbers["corloc"]["whole"]
    assert dense.locate(run, images).numbers() == numbers


def test_two_images_are_enough() -> None:
    images, run = make_set(2), make_run()
    assert dense.segment(run, images).asked == 1
    assert dense.locate(run, images).numbers()["images"] == 1


@pytest.mark.parametrize("work", ["segment", "locate"])
def test_weights_that_are_no_numbers_are_a_sentence(work: str) -> None:
    images = make_set(4)
    run = make_run(**{"encoder.block1.0.0.weight": torch.full((32, 3, 5, 5), torch.nan)})
    with pytest.raises(UserError, match="not finite"):
        getattr(dense, work)(run, images)


@pytest.mark.parametrize(("kind", "find"), [("segment", dense.find_masks), ("locate", dense.find_boxes)])
def test_jobs_leave_it_in_the_cache(kind: str, find: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(jobs.processes, "detach", lambda *_, **__: None)
    images, run = make_set(8), make_run()
    job = jobs.start(kind, {"workspace": str(images.workspace), "run": run.id, "set": "pics"})
    worker.work_job(job)
    assert job.status().state == "done", job.status()
    assert find(run, images) is not None
    for path in kept.area_of(places.AREA).rglob("run.bin"):
        path.write_bytes(path.read_bytes()[:-3])
    assert find(run, images) is None  # damaged: as if it were not there
    getattr(dense, kind)(run, images)
    assert find(run, images) is not None


def test_evaluate_has_masks_and_boxes_where_the_set_has_them(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sslviz.classifiers.plans.FEWEST", 2)
    monkeypatch.setattr("sslviz.classifiers.plans.EPOCHS", 1)
    made, run = make_set(), make_run()
    make_set(name="bare", masked=lambda _: False, boxed=False)
    parts = {"pics": {"masks", "boxes"}, "bare": set()}
    for name, has in parts.items():
        assert command(["evaluate", run.id, "--images", name, "--json"]) == 0
        found = json.loads(capsys.readouterr().out)
        assert set(found) & {"knn", "linear", "few", "masks", "boxes"} == {"knn", "linear", "few", *has}
    asked = ["evaluate", run.id, "--images", "pics", "--only", "boxes,masks"]
    assert command([*asked, "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert told == json.loads(
        json.dumps(
            {"boxes": dense.locate(run, made).numbers(), "masks": dense.segment(run, made).numbers()},
            allow_nan=False,
        )
    )
    assert command(asked) == 0
    shown = capsys.readouterr().out
    for source, share in told["masks"]["miou"].items():
        assert source in shown
        assert f"{100 * share:.1f}%" in shown
    assert f"{100 * told['boxes']['corloc']['best']['run']:.1f}%" in shown
    assert command(["evaluate", run.id, "--images", "bare", "--only", "masks"]) == 2
    assert "has no masks" in capsys.readouterr().err


def test_reading_what_was_found_takes_no_torch() -> None:
    images, run = make_set(4), make_run()
    dense.segment(run, images)
    dense.locate(run, images)
    program = (
        "import sys; from sslviz import dense, imagesets, runs, settings; home = settings.workspace();"
        f"run, images = runs.open_run(home, {run.id!r}), imagesets.open_set(home, 'pics');"
        "assert dense.find_masks(run, images).numbers() and dense.find_boxes(run, images).numbers();"
        "print(*(set(sys.modules) & {'torch', 'sklearn', 'umap', 'streamlit', 'scipy'}))"
    )
    found = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert not found.stdout.split()


def test_supervised_training_learns_and_leaves_the_global_generator(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(supervised, "STEPS", 40)
    monkeypatch.setattr(supervised, "BATCH", 8)
    images = make_set(40)
    asked = masks.question(images)
    known, true = (masks.truth(images, rows, asked) for rows in (asked.known, asked.asked))
    before = torch.random.get_rng_state()
    score = supervised.learn(
        "small", make_task("rotation"), images.squares(SIDE), asked, known, 0, lambda *_: None
    )
    assert torch.equal(torch.random.get_rng_state(), before)
    found = segmenting.answer(score, images.squares(SIDE), asked, true, [0], lambda *_: None)
    assert masks.mean_overlap(found.counts.sum(0)) > 0.5


def test_largest_parts_are_those_of_scipy() -> None:
    draw = np.random.default_rng(7)
    for _ in range(10):
        above = draw.random((20, 20)) < 0.35
        numbers, count = ndimage.label(above, np.ones((3, 3)))
        sizes = [(numbers == one).sum() for one in range(1, count + 1)]
        rows, columns = np.nonzero(numbers == 1 + int(np.argmax(sizes)))
        expected = [columns.min(), rows.min(), columns.max() + 1, rows.max() + 1]
        assert (standouts.box(above) * 20).tolist() == pytest.approx(expected)
