"""What holds for every pretext task."""

from __future__ import annotations

import dataclasses
from typing import Any

import pytest
import torch
from pictures import generator, maps, photos
from scipy import stats
from torch import Tensor

from sslviz.errors import UserError
from sslviz.tasks import TASKS, Batch, Problem, describe, make_task

PLAIN: dict[str, dict[str, Any]] = {
    "rotation": {},
    "exemplar": {"contrast": 1.0, "power": 1.0, "multiply": 1.0, "add": 0.0, "hue": 0.0},
    "jigsaw": {"colour_guard": 0.0},
    "location": {"colour": "none"},
}
"""Options that leave the colours as they are."""


@pytest.fixture(params=sorted(TASKS))
def name(request: pytest.FixtureRequest) -> str:
    return str(request.param)


def bound(name: str, images: Tensor, **options: Any) -> Problem:
    return TASKS[name](**options).bind(images, generator())


def same(first: Batch, second: Batch) -> bool:
    fields = [field.name for field in dataclasses.fields(Batch)]
    return all(torch.equal(getattr(first, field), getattr(second, field)) for field in fields)


def test_names(name: str) -> None:
    task = TASKS[name]
    assert task.name == name
    assert task.title
    assert "20" in task.paper
    assert sorted(TASKS) == ["exemplar", "jigsaw", "location", "rotation"]


def test_shapes_and_kinds(name: str) -> None:
    problem = bound(name, photos(6, 96))
    batch = problem.make(torch.tensor([4, 0, 4]), generator())
    examples = len(batch)
    assert examples == (12 if name == "rotation" else 3)
    views = TASKS[name].views
    assert batch.views.dtype == torch.uint8
    assert batch.views.shape[:3] == (examples, views, 3)
    assert batch.views.shape[3] == batch.views.shape[4]
    assert batch.views.is_contiguous()
    assert (batch.answer.dtype, batch.answer.shape) == (torch.int64, (examples,))
    assert (batch.source.dtype, batch.source.shape) == (torch.int64, (examples,))
    assert (batch.boxes.dtype, batch.boxes.shape) == (torch.float32, (examples, views, 4))
    assert (batch.mirror.dtype, batch.mirror.shape) == (torch.bool, (examples,))
    assert (batch.answer >= 0).all()
    assert (batch.answer < problem.classes).all()
    assert (batch.boxes >= 0).all()
    assert (batch.boxes <= 1).all()
    assert (batch.boxes[..., 2:] > batch.boxes[..., :2]).all()
    if name != "exemplar":
        assert batch.source.unique().tolist() == [0, 4]


def test_same_seed_same_batch(name: str) -> None:
    images = photos(8, 96)
    index = torch.arange(8)
    batches = [bound(name, images).make(index, generator(seed)) for seed in (3, 3, 4)]
    assert same(batches[0], batches[1])
    assert not same(batches[0], batches[2])
    assert not torch.equal(batches[0].boxes, batches[2].boxes)


def test_consecutive_batches_differ(name: str) -> None:
    problem = bound(name, photos(8, 96))
    source = generator()
    assert not same(problem.make(torch.arange(8), source), problem.make(torch.arange(8), source))


def test_bound_again_with_the_same_seed_is_the_same(name: str) -> None:
    images = photos(8, 96)
    options: dict[str, Any] = {"permutation_set": "random"} if name == "jigsaw" else {}
    first, again = (TASKS[name](**options).bind(images, generator(5)) for _ in range(2))
    assert first.classes == again.classes
    assert same(first.make(torch.arange(8), generator()), again.make(torch.arange(8), generator()))


def test_global_generator_and_images_are_left_alone(name: str) -> None:
    images = photos(8, 96)
    before = torch.get_rng_state(), images.clone()
    problem = bound(name, images)
    problem.make(torch.arange(8), generator())
    problem.split(generator())
    assert torch.equal(torch.get_rng_state(), before[0])
    assert torch.equal(images, before[1])


def test_answers_are_uniform(name: str) -> None:
    problem = bound(name, photos(16, 48))
    source = generator()
    rows = torch.arange(len(problem)).repeat(-(-1600 // len(problem)))
    counts = torch.bincount(problem.make(rows, source).answer, minlength=problem.classes)
    assert stats.chisquare(counts.numpy()).pvalue > 1e-4


def test_answer_tells_nothing_of_the_source(name: str) -> None:
    """Of each image every answer is as likely, so that knowing the image is of no use."""
    if name == "exemplar":
        pytest.skip("an exemplar's answer is where it is from")
    problem = bound(name, photos(2, 48))
    batch = problem.make(torch.arange(2).repeat(1500), generator())
    table = torch.zeros(2, problem.classes)
    table.index_put_((batch.source, batch.answer), torch.ones(len(batch)), accumulate=True)
    if name != "rotation":  # which has exactly as many of each
        assert stats.chi2_contingency(table.numpy()).pvalue > 1e-4


def test_boxes_are_where_the_pixels_are_from(name: str) -> None:
    """Views of images whose pixels say where they are: the middle of a view is the middle of its box."""
    side = 112
    problem = bound(name, maps(20, side), **PLAIN[name])
    batch = problem.make(torch.arange(len(problem)), generator())
    at = batch.views.to(torch.float32)
    assert (at[:, :, 2] == batch.source[:, None, None, None]).all()
    x, y = at[:, :, 0].mean((2, 3)), at[:, :, 1].mean((2, 3))
    x = torch.where(batch.mirror[:, None], side - 1 - x, x)
    middle = (batch.boxes[..., :2] + batch.boxes[..., 2:]) / 2 * side - 0.5
    assert (x - middle[..., 0]).abs().max() < 0.51
    assert (y - middle[..., 1]).abs().max() < 0.51


def test_views_stay_inside_their_boxes(name: str) -> None:
    side = 112
    problem = bound(name, maps(20, side), **PLAIN[name])
    batch = problem.make(torch.arange(len(problem)), generator(1))
    at = batch.views.to(torch.float32)
    x = torch.where(batch.mirror[:, None, None, None], side - 1 - at[:, :, 0], at[:, :, 0])
    low = batch.boxes[..., :2, None] * side - 1
    high = batch.boxes[..., 2:, None] * side
    for axis, place in enumerate((x, at[:, :, 1])):
        assert (place.flatten(2) >= low[..., axis, :]).all()
        assert (place.flatten(2) <= high[..., axis, :]).all()


@pytest.mark.parametrize("side", [48, 49, 63, 97, 131])
def test_odd_sizes_and_a_batch_of_one(name: str, side: int) -> None:
    problem = bound(name, photos(3, side))
    batch = problem.make(torch.tensor([1]), generator())
    assert len(batch) == (4 if name == "rotation" else 1)
    assert torch.isfinite(TASKS[name]().normalize(batch.views)).all()


def test_a_single_image(name: str) -> None:
    problem = bound(name, photos(1, 64))
    train, held_out = problem.split(generator())
    assert len(train) > 0
    assert len(held_out) > 0
    problem.make(train, generator())


def test_split_holds_out_a_fifth(name: str) -> None:
    problem = bound(name, photos(50, 48))
    train, held_out = problem.split(generator())
    if name == "exemplar":
        assert torch.equal(train, torch.arange(len(problem)))
        assert torch.equal(held_out, train)
        return
    assert (len(train), len(held_out)) == (40, 10)
    assert torch.equal(torch.cat([train, held_out]).sort().values, torch.arange(50))
    assert torch.equal(train, train.sort().values)
    assert not torch.equal(held_out, problem.split(generator(1))[1])


def test_too_small(name: str) -> None:
    task = TASKS[name]()
    side = task.minimum_side - 1
    with pytest.raises(UserError, match=rf"4 images are too small.*{side} pixels.*none of 4 remain"):
        task.bind(photos(4, side), generator())
    with pytest.raises(UserError, match=r"2 images are too small.*smallest is 3 pixels.*5 of 7 remain"):
        task.check_sides([3, *[200] * 5, 7])
    task.check_sides([task.minimum_side])
    task.bind(photos(4, task.minimum_side), generator()).make(torch.arange(4), generator())


def test_default_side_suits(name: str) -> None:
    task = TASKS[name]()
    for short_side in (1, 32, 48, 64, 96, 128, 321, 4000):
        side = task.side(short_side)
        assert task.minimum_side <= side <= 144
        assert side <= max(short_side, task.minimum_side)
        bound(name, photos(2, side))


@pytest.mark.parametrize("shape", [(2, 3, 64, 60), (2, 1, 64, 64), (3, 64, 64), (0, 3, 64, 64)])
def test_other_shapes_are_refused(name: str, shape: tuple[int, ...]) -> None:
    with pytest.raises(UserError):
        TASKS[name]().bind(torch.zeros(shape, dtype=torch.uint8), generator())


def test_other_kinds_of_pixels_are_refused(name: str) -> None:
    with pytest.raises(UserError, match="uint8"):
        TASKS[name]().bind(torch.zeros(2, 3, 64, 64), generator())


def test_constant_images_tell_nothing(name: str) -> None:
    """All views are the same whatever the answer, so no network is better than chance; exemplar says so."""
    images = torch.full((6, 3, 64, 64), 90, dtype=torch.uint8)
    if name == "exemplar":
        with pytest.raises(UserError, match="flat"):
            bound(name, images)
        return
    batch = bound(name, images).make(torch.arange(6), generator())
    assert (batch.views.to(torch.int16) - 90).abs().max() <= 2  # what colour dropping adds as noise
    read = TASKS[name]().normalize(batch.views)
    assert torch.isfinite(read).all()


def test_normalize(name: str) -> None:
    task = TASKS[name]()
    whole = photos(5, 64)
    read = task.normalize(whole[:, None])
    assert read.dtype == torch.float32
    assert read.shape == (5, 1, 3, 64, 64)
    assert read.mean().abs() < 1.5
    assert 0.3 < read.std() < 2
    # A view is read alone: what else is in the batch makes no difference.
    assert torch.equal(task.normalize(whole[2:3, None]), read[2:3])


def test_every_answer_has_words(name: str) -> None:
    problem = bound(name, photos(8, 64))
    said = [problem.say(answer) for answer in range(problem.classes)]
    assert len(set(said)) == problem.classes


def test_tensors_not_contiguous(name: str) -> None:
    images = photos(8, 64)
    strided = images.to(memory_format=torch.channels_last)[::2]
    packed = images[::2].contiguous()
    index = torch.tensor([3, 1])
    assert same(bound(name, strided).make(index, generator()), bound(name, packed).make(index, generator()))


@pytest.mark.skipif(not torch.cuda.is_available(), reason="there is no GPU")
def test_a_gpu_makes_the_same_batches(name: str) -> None:
    images = photos(8, 96)
    here = bound(name, images, **PLAIN[name]).make(torch.arange(8), generator())
    cuda = torch.device("cuda")
    for where in (images, images.to(cuda)):
        problem = TASKS[name](**PLAIN[name]).bind(where, generator(), device=cuda)
        there = problem.make(torch.arange(8), generator())
        assert there.views.device.type == there.answer.device.type == "cuda"
        for field in ("answer", "source", "boxes", "mirror"):
            assert torch.equal(getattr(here, field), getattr(there, field).cpu())
        assert (here.views.int() - there.views.cpu().int()).abs().max() <= 1


def test_options_are_described(name: str) -> None:
    options = describe(TASKS[name])
    assert [one.name for one in options] == [field.name for field in dataclasses.fields(TASKS[name])]  # type: ignore[arg-type]
    for one in options:
        assert len(one.doc) > 20, one
        assert one.doc.endswith((".", "?")), one
        assert one.paper.endswith("."), one
        assert type(one.default) is one.type, one
        if one.type is str:
            assert one.default in one.choices
        if one.type in (int, float):
            assert one.low is not None
            assert one.high is not None
            assert one.low <= one.default <= one.high


def test_options_from_text(name: str) -> None:
    task = TASKS[name]()
    text = {one.name: str(getattr(task, one.name)) for one in describe(TASKS[name])}
    assert make_task(name, text) == task == make_task(name)
    assert hash(make_task(name, text)) == hash(task)


def test_options_out_of_range(name: str) -> None:
    for one in describe(TASKS[name]):
        wrong: list[Any] = ["neither", None, [1]]
        if one.high is not None and one.low is not None:
            wrong += [one.high + 1, one.low - 1, float("nan"), float("inf"), True]
        for value in wrong:
            with pytest.raises(UserError, match=one.name):
                make_task(name, {one.name: value})


def test_unknown_names() -> None:
    with pytest.raises(UserError, match=r"no task 'sudoku'.*rotation, exemplar, jigsaw, location"):
        make_task("sudoku")
    with pytest.raises(UserError, match=r"rotation has no option 'gap'.*smallest_crop"):
        make_task("rotation", {"gap": 1})


def test_switches_from_text() -> None:
    for text, value in {"on": True, "Yes": True, "1": True, "off": False, "false": False, "0": False}.items():
        assert make_task("jigsaw", {"jitter": text}).jitter is value  # type: ignore[attr-defined]
    assert make_task("jigsaw", {"crop": 1}) == make_task("jigsaw", {"crop": "1.0"})


def test_options_are_read_though_another_thread_is_in_the_way(monkeypatch: pytest.MonkeyPatch) -> None:
    """As Python 3.11 raises where two threads build a tree at once."""
    import ast

    real, calls = ast.parse, []

    def spoilt(source: str, *rest: Any, **more: Any) -> Any:
        calls.append(source)
        if len(calls) < 3:
            raise SystemError("AST constructor recursion depth mismatch")
        return real(source, *rest, **more)

    expected = describe(TASKS["rotation"])
    describe.cache_clear()
    with monkeypatch.context() as patched:
        patched.setattr(ast, "parse", spoilt)
        found = describe(TASKS["rotation"])
    assert found == expected
    assert len(calls) > 2
