"""The loop: it learns what can be learned and nothing else, repeats itself, resumes, and keeps its budget."""

from __future__ import annotations

import json
import math
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from types import SimpleNamespace
from typing import Any, ClassVar

import numpy as np
import pytest
import torch
from torch import Generator, Tensor

from sslviz.allocating import keep_freed_memory
from sslviz.errors import UserError
from sslviz.features import glimpse
from sslviz.model import Directions
from sslviz.recipes import RECIPES
from sslviz.tasks import TASKS, Batch, Problem, Task, make_task
from sslviz.tasks.base import Shared
from sslviz.train import Metrics, Plan, Training, clock, draws, loop, make_plan, measuring, planning, seed_for
from sslviz.train.draws import rows_of_step

SIDES = {"rotation": 16, "exemplar": 48, "jigsaw": 48, "location": 48}
STEPS = {"rotation": 20, "exemplar": 25, "jigsaw": 20, "location": 40}
QUICK: dict[str, dict[str, Any]] = {
    "rotation": {"smallest_crop": 1.0},
    "exemplar": {"seeds": 32, "contrast": 1.0, "power": 1.0, "multiply": 1.0, "add": 0.0, "hue": 0.0},
    "jigsaw": {"permutations": 4, "tile": 1.0, "crop": 1.0, "colour_guard": 0.0, "tile_norm": False},
    "location": {"patch": 0.3, "gap": 0.0, "jitter": 0.0, "colour_guard": 0.0, "patch_norm": False},
}
"""Options with which a task is easy enough to be overfitted in seconds."""


@pytest.fixture(autouse=True)
def fewer_held_out(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Evaluate on few examples, save where their number matters."""
    if "all_held_out" not in request.fixturenames:
        monkeypatch.setattr(draws, "HELDOUT", 100)


@pytest.fixture
def all_held_out() -> int:
    return draws.HELDOUT


def pictures(count: int, side: int, seed: int = 0) -> Tensor:
    """Soft random shapes under a light from above left, so that every task has something to go by."""
    generator = torch.Generator().manual_seed(seed)
    coarse = torch.rand(count, 3, 6, 6, generator=generator) * 160
    soft = torch.nn.functional.interpolate(coarse, (side, side), mode="bilinear")
    down, right = torch.linspace(90, 0, side)[:, None], torch.linspace(0, 60, side)[None]
    return (soft + torch.stack([down + 0 * right, right + 0 * down, 0 * (down + right)])).clamp(0, 255).byte()


def plan(**changes: Any) -> Plan:
    return replace(
        Plan(steps=6, batch=4, lr=2e-3, weight_decay=0.0, log_every=2, evaluate_every=3), **changes
    )


@pytest.fixture
def timepiece(monkeypatch: pytest.MonkeyPatch) -> SimpleNamespace:
    """The time that the loop reads; it stands still unless a test lets seconds `pass_`."""
    piece = SimpleNamespace(now=100.0)

    def pass_(seconds: float) -> None:
        piece.now += seconds

    piece.pass_ = pass_
    for module in (clock, loop):
        monkeypatch.setattr(module, "time", SimpleNamespace(perf_counter=lambda: piece.now))
    return piece


def on_a_machine(
    training: Training, timepiece: SimpleNamespace, step_seconds: Callable[[int], float], evaluation: float
) -> list[Metrics]:
    """The whole run where step number n takes `step_seconds(n)` and an evaluation `evaluation` a glance.
    Nothing is learned: it is the clock that matters."""
    step, evaluate = training.train_step, training.evaluate

    def timed_step() -> None:
        timepiece.pass_(step_seconds(training.step))
        step()

    def timed_evaluate(examples: int | None = None) -> tuple[float, float]:
        share = 1.0 if examples is not None else len(training.heldout) / training.plan.glance
        timepiece.pass_(evaluation * share)
        return evaluate(examples)

    training.learner.learn = lambda *_: None  # type: ignore[method-assign]
    training.train_step = timed_step  # type: ignore[method-assign]
    training.evaluate = timed_evaluate  # type: ignore[method-assign]
    return [*training.run()]


def results(found: list[Metrics]) -> list[dict[str, Any]]:
    """Metrics without what depends on the clock."""
    clock = {"seconds": 0.0, "views_per_second": 0.0, "evaluation_seconds": 0.0}
    return [asdict(replace(metrics, **clock)) for metrics in found]


@pytest.mark.parametrize("name", TASKS)
def test_the_loop_overfits_32_images(name: str) -> None:
    task = make_task(name, QUICK[name])
    images = pictures(32, SIDES[name])
    recipe = make_plan(task, images, steps=STEPS[name], batch=32)
    training = Training(task, images, replace(recipe, log_every=10, evaluate_every=1000))
    *_, last = training.run()
    assert last.accuracy > (0.9 if name in ("rotation", "exemplar") else 0.75)
    assert last.step == STEPS[name]


@pytest.mark.parametrize("name", ["rotation", "jigsaw", "location"])
def test_constant_images_give_chance(name: str, all_held_out: int) -> None:
    task = make_task(name, {"permutations": 8} if name == "jigsaw" else {})
    images = torch.full((20, 3, SIDES[name], SIDES[name]), 90, dtype=torch.uint8)
    asked_at_the_end = replace(make_plan(task, images, steps=8, batch=8), evaluate_every=8)
    *_, last = (training := Training(task, images, asked_at_the_end)).run()
    assert last.heldout_accuracy is not None
    spread = math.sqrt(training.chance * (1 - training.chance) / all_held_out)
    assert abs(last.heldout_accuracy - training.chance) < 5 * spread


@pytest.mark.parametrize(
    ("name", "reuse"), [("rotation", 1), ("jigsaw", 1), ("location", 1), ("location", 8)]
)
def test_shuffled_answers_give_chance(
    name: str, reuse: int, all_held_out: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Trained on shuffled answers and asked about the true ones, a network can only know by a leak."""
    task = make_task(name, {"permutations": 4} if name == "jigsaw" else {})
    asked_at_the_end = plan(steps=30, batch=16, reuse=reuse, evaluate_every=30)
    training = Training(task, pictures(40, SIDES[name]), asked_at_the_end)
    assert len(training.heldout) >= all_held_out  # made before anything is shuffled
    make, make_shared = training.problem.make, training.problem.make_shared

    def shuffled(index: Tensor, generator: Generator) -> Batch:
        batch = make(index, generator)
        return replace(batch, answer=batch.answer[torch.randperm(len(batch), generator=generator)])

    def shuffled_shared(index: Tensor, times: int, generator: Generator) -> Shared | None:
        shared = make_shared(index, times, generator)
        if shared is None:
            return None
        return replace(shared, answer=torch.randint(8, shared.answer.shape, generator=generator))

    monkeypatch.setattr(training.problem, "make", shuffled)
    monkeypatch.setattr(training.problem, "make_shared", shuffled_shared)
    *_, last = training.run()
    assert last.heldout_accuracy is not None
    # The light is the same in all pictures, so what a network says of one it says of most. Over seeds the
    # accuracy spreads by 0.06 to 0.09 about chance, as if some 30 examples had been asked.
    spread = math.sqrt(training.chance * (1 - training.chance) / 30)
    assert abs(last.heldout_accuracy - training.chance) < 3 * spread


def test_an_answer_that_leaks_is_found(all_held_out: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """The counterpart of the test above: painted into the views, answers are learned in as few steps."""
    training = Training(make_task("rotation"), pictures(40, 16), plan(steps=30, batch=16, evaluate_every=30))
    make = training.problem.make

    def painted(index: Tensor, generator: Generator) -> Batch:
        batch = make(index, generator)
        views = torch.zeros_like(batch.views) + (60 * batch.answer).byte()[:, None, None, None, None]
        return replace(batch, views=views)

    monkeypatch.setattr(training.problem, "make", painted)
    *_, last = training.run()
    assert last.heldout_accuracy is not None
    assert last.heldout_accuracy > 0.9


def test_a_faster_machine_learns_longer(timepiece: SimpleNamespace) -> None:
    """Planned for 0.2 s a step, which is true of the first ten; then a step takes a fifth of that."""
    task, images = make_task("rotation"), pictures(20, 16)
    promised = plan(steps=50, batch=2, log_every=5, evaluate_every=1000, seconds=10.0)
    training = Training(task, images, promised)
    found = on_a_machine(training, timepiece, lambda step: 0.2 if step < 10 else 0.04, evaluation=0.1)
    assert found[-1].step == training.plan.steps
    assert 8.5 < found[-1].seconds < 11.0
    assert found[-1].step > 150
    assert any("faster than expected" in metrics.note for metrics in found)


@pytest.mark.parametrize("name", TASKS)
def test_equal_seeds_equal_metrics(name: str) -> None:
    task, images = make_task(name, {"seeds": 10} if name == "exemplar" else {}), pictures(12, SIDES[name])
    fixed = make_plan(task, images, steps=2, batch=4)
    one, same = ([*Training(task, images, fixed, seed=3).run()] for _ in range(2))
    other = [*Training(task, images, fixed, seed=4).run()]
    assert results(one) == results(same)
    assert results(one) != results(other)


@pytest.mark.parametrize("name", ["rotation", "jigsaw", "exemplar"])
def test_a_resumed_run_takes_the_same_course(name: str) -> None:
    """Stopped between two metrics of the whole run, taken up by another process's objects."""
    task, images = make_task(name), pictures(10, SIDES[name])
    fixed = replace(make_plan(task, images, steps=6, batch=5), log_every=2, evaluate_every=4)
    whole = [*Training(task, images, fixed, seed=1).run()]
    first = Training(task, images, fixed, seed=1)
    for metrics in first.run():
        if metrics.step == 2:
            break
    saved = {name: value.numpy().copy() for name, value in first.state().items()}
    second = Training(task, images, fixed, seed=1)
    second.load_state({name: torch.from_numpy(value) for name, value in saved.items()})
    rest = [*second.run()]
    assert results(rest) == results([metrics for metrics in whole if metrics.step > 2])
    assert rest[-1].seconds > metrics.seconds


def test_a_state_in_the_middle_of_a_log_interval_keeps_the_sums() -> None:
    task, images = make_task("rotation"), pictures(10, 16)
    fixed = plan(steps=4, log_every=4, evaluate_every=100)
    whole, part = (Training(task, images, fixed) for _ in range(2))
    *_, expected = whole.run()
    next(part.run())
    part.train_step()
    resumed = Training(task, images, fixed)
    resumed.load_state(part.state())
    assert results([*resumed.run()])[-1] == results([expected])[-1]


def test_between_metrics_time_and_speed_are_known_of_every_step(timepiece: SimpleNamespace) -> None:
    """They are read when a run is stopped there."""
    training = Training(make_task("rotation"), pictures(10, 16), plan(log_every=100, evaluate_every=100))
    step = training.train_step
    known: list[tuple[float, float | None]] = []

    def timed_step() -> None:
        known.append((training.seconds, training.views_per_second))
        timepiece.pass_(2.0)
        step()

    training.train_step = timed_step  # type: ignore[method-assign]
    found = [*training.run()]
    assert [seconds for seconds, _ in known] == pytest.approx([0.0, 2.0, 4.0, 6.0, 8.0, 10.0])
    views = 4 * 4  # rotation makes four examples of a row
    assert [speed for _, speed in known] == [None, None, *[pytest.approx(views / 2.0)] * 4]
    assert [metrics.step for metrics in found] == [1, 6]


def test_the_speed_of_a_resumed_run_is_that_of_this_sitting(timepiece: SimpleNamespace) -> None:
    task, images = make_task("rotation"), pictures(10, 16)
    fixed = plan(steps=6, log_every=6, evaluate_every=100)
    first, second = (Training(task, images, fixed) for _ in range(2))
    next(first.run())
    for _ in range(4):
        first.train_step()
    second.load_state(first.state())
    (last,) = on_a_machine(second, timepiece, lambda step: 2.0, evaluation=0.0)
    assert last.step == 6
    assert last.views_per_second == pytest.approx(4 * 4 / 2.0)


def test_an_evaluation_says_that_it_goes_on(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(draws, "HELDOUT", 600)
    training = Training(make_task("jigsaw"), pictures(10, 48), plan())
    called: list[int] = []
    training.between = lambda: called.append(1)  # type: ignore[method-assign]
    training.evaluate()
    assert len(called) > 1
    assert not training.views_seen


@pytest.mark.parametrize(("steps", "every"), [(1, 1), (150, 1), (3000, 20), (100_000, 50)])
def test_a_run_of_many_steps_has_metrics_often_enough(steps: int, every: int) -> None:
    assert make_plan(make_task("rotation"), pictures(10, 16), steps=steps).log_every == every


def test_a_state_of_another_network_is_refused() -> None:
    images = pictures(10, 16)
    state = Training(make_task("rotation"), images, plan()).state()
    other = Training(make_task("rotation"), images, plan(), model="nin")
    with pytest.raises(UserError, match="another network"):
        other.load_state(state)


def test_the_global_random_state_is_left_alone() -> None:
    task, images = make_task("jigsaw"), pictures(8, 48)  # its head has dropout
    torch.manual_seed(11)
    before = torch.get_rng_state()
    [*Training(task, images, make_plan(task, images, steps=2, batch=4)).run()]
    assert torch.equal(torch.get_rng_state(), before)


@pytest.mark.parametrize(("name", "reuse"), [*((name, 1) for name in TASKS), ("location", 8)])
def test_held_out_examples_are_many_and_never_seen(
    name: str, reuse: int, all_held_out: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    task, images = make_task(name, {"seeds": 25} if name == "exemplar" else {}), pictures(25, SIDES[name])
    training = Training(task, images, plan(steps=3, batch=10, reuse=reuse))
    seen: set[bytes] = set()
    sources: set[int] = set()
    make, make_shared = training.problem.make, training.problem.make_shared

    def watched(index: Tensor, generator: Generator) -> Batch:
        batch = make(index, generator)
        seen.update(views.numpy().tobytes() for views in batch.views)
        sources.update(batch.source.tolist())
        return batch

    def watched_shared(index: Tensor, times: int, generator: Generator) -> Any:
        shared = make_shared(index, times, generator)
        if shared is not None:
            sources.update(index.tolist())
        return shared

    heldout = training.heldout
    monkeypatch.setattr(training.problem, "make", watched)
    monkeypatch.setattr(training.problem, "make_shared", watched_shared)
    [*training.run()]
    assert sources
    assert len(heldout) >= 2000
    assert not seen & {views.numpy().tobytes() for views in heldout.views}
    if name != "exemplar":  # whose held-out examples are other copies of the same seeds
        assert not sources & set(heldout.source.tolist())
    other = Training(task, images, plan(steps=3, batch=10, lr=1e-4)).heldout
    assert torch.equal(other.views, heldout.views)


@pytest.mark.parametrize(
    ("images", "held", "of_each"), [(10_000, 2_000, 1), (5_000, 1_000, 2), (1_250, 250, 8)]
)
def test_held_out_examples_are_as_many_as_plans_reckon_with_of_as_many_images_as_can_be(
    images: int, held: int, of_each: int, all_held_out: int
) -> None:
    """Though each image makes four examples of rotation; and what is kept is what was asked."""
    pixels = pictures(images, 16)
    task = make_task("rotation", {"smallest_crop": 1.0, "mirror": False})
    heldout = Training(task, pixels, plan()).heldout
    rows, counts = heldout.source.unique(return_counts=True)
    assert (len(heldout), len(rows), set(counts.tolist())) == (all_held_out, held, {of_each})
    for view, row, turns in zip(heldout.views[:, 0], heldout.source, heldout.answer, strict=True):
        assert torch.equal(view, pixels[row].rot90(int(turns), (-2, -1)))
    shares = heldout.answer.bincount(minlength=4) / len(heldout)
    assert shares.min() > 0.2  # each turn about as often


@pytest.mark.parametrize("name", TASKS)
def test_training_on_goes_on_with_other_draws_and_the_same_held_out_images(name: str) -> None:
    task, images = make_task(name, {"seeds": 25} if name == "exemplar" else {}), pictures(25, SIDES[name])
    first = Training(task, images, plan(steps=3, batch=10), seed=5)
    *_, _ = first.run()
    second = Training(
        task, images, plan(steps=3, batch=10), seed=5, start=first.network.state_dict(), since=3
    )
    assert torch.equal(second.heldout_rows, first.heldout_rows)
    assert torch.equal(second.heldout.views, first.heldout.views)
    again = Training(task, images, plan(steps=3, batch=10), seed=5)
    drawn = []
    for training in (again, second):
        views = []
        for step in range(3):
            training.step = step
            views.append(training._draw()[0])
        drawn.append(torch.cat(views))
    assert len(drawn[0]) == len(drawn[1])
    assert not torch.equal(*drawn)
    # What the second run draws is what the first would have drawn, had it been longer.
    again.step = 3
    assert torch.equal(drawn[1][: len(drawn[1]) // 3], again._draw()[0])


@pytest.mark.parametrize("name", TASKS)
def test_a_batch_of_one_can_be_trained_on(name: str) -> None:
    task, images = make_task(name), pictures(12, SIDES[name])
    *_, last = Training(task, images, plan(steps=3, batch=1)).run()
    assert math.isfinite(last.loss)


def test_batches_are_made_in_full_precision_whatever_the_network_computes_in() -> None:
    """What people see is what the network gets; autocast would round what the batch is made with."""
    task, images = make_task("rotation"), pictures(12, 16)
    shown = [Training(task, images, plan(precision=precision)) for precision in ("fp32", "bf16")]
    inputs: list[Tensor] = []
    for training in shown:
        forward = training.learner.forward

        def watched(views: Tensor, *rest: Any, forward: Any = forward) -> Tensor:
            inputs.append(views)
            result: Tensor = forward(views, *rest)
            return result

        training.learner.forward = watched  # type: ignore[assignment]
        training.train_step()
    assert inputs[0].dtype == torch.float32
    assert torch.equal(*inputs)


@pytest.mark.parametrize("where", ["forward", "backward"])
def test_where_nothing_can_be_compiled_a_run_goes_on(where: str, monkeypatch: pytest.MonkeyPatch) -> None:
    class Broken(torch.autograd.Function):
        @staticmethod
        def forward(_: Any, logits: Tensor) -> Tensor:
            return logits.clone()

        @staticmethod
        def backward(_: Any, gradient: Tensor) -> Tensor:
            raise RuntimeError("no compiler")

    def compiled(network: Any) -> Any:
        def forward(*given: Any) -> Any:
            if where == "forward":
                raise RuntimeError("no compiler")
            return Broken.apply(network(*given))  # type: ignore[no-untyped-call]

        return forward

    monkeypatch.setattr(torch, "compile", compiled)
    task, images = make_task("rotation"), pictures(12, 16)
    plain, fallen = (Training(task, images, plan(compile=compile)) for compile in (False, True))
    assert len(list(fallen.run())) == len(list(plain.run()))
    pairs = zip(plain.network.parameters(), fallen.network.parameters(), strict=True)
    assert all(torch.equal(one, other) for one, other in pairs)


def test_a_step_that_fails_leaves_no_gradient_to_the_next(monkeypatch: pytest.MonkeyPatch) -> None:
    """As when a GPU cannot capture it, and it is taken once more without."""
    training = Training(make_task("rotation"), pictures(12, 16), plan())

    def fails() -> None:
        raise RuntimeError("operation not permitted when stream is capturing")

    with monkeypatch.context() as patch:
        patch.setattr(training.learner.optimizer, "step", fails)
        with pytest.raises(RuntimeError, match="capturing"):
            training.train_step()
    assert all(parameter.grad is None for parameter in training.network.parameters())


def test_the_loss_that_is_shown_is_not_smoothed() -> None:
    """Beside it stands the held-out loss, and both are to be compared."""
    task, images = make_task("rotation"), pictures(12, 16)
    shown = []
    for smoothing in (0.0, 0.4):
        training = Training(task, images, plan(steps=1, log_every=1, label_smoothing=smoothing))
        shown.append(next(training.run()).loss)
    assert shown[0] == pytest.approx(shown[1], rel=1e-6)


def test_evaluation_is_the_accuracy_in_evaluation_mode() -> None:
    task, images = make_task("jigsaw"), pictures(10, 48)
    training = Training(task, images, plan())
    loss, accuracy = training.evaluate()
    heldout = training.heldout
    network = training.network.eval()
    with torch.inference_mode():
        logits = torch.cat([network(task.normalize(views)) for views in heldout.views.split(300)])
    assert accuracy == pytest.approx((logits.argmax(1) == heldout.answer).double().mean().item(), abs=2e-3)
    picked = logits.double().log_softmax(1)[torch.arange(len(logits)), heldout.answer]
    assert loss == pytest.approx(-picked.mean().item(), rel=1e-3)


def test_every_row_is_trained_on_once_an_epoch() -> None:
    training = Training(make_task("rotation"), pictures(15, 16), plan(batch=5))
    rows = [rows_of_step(training.train_rows, 5, 0, step) for step in range(12)]
    count = len(training.train_rows)
    assert count == 12
    flat = torch.cat(rows)
    for epoch in range(5):
        assert sorted(flat[epoch * count : (epoch + 1) * count].tolist()) == training.train_rows.tolist()
    assert not torch.equal(flat[:count], flat[count : 2 * count])
    assert torch.equal(rows_of_step(training.train_rows, 5, 0, 1), rows[1])


@dataclass(frozen=True)
class Poison(Task):
    """Rotation whose views are no numbers."""

    name: ClassVar[str] = "poison"
    title: ClassVar[str] = "Poison"
    paper: ClassVar[str] = ""
    views: ClassVar[int] = 1
    minimum_side: ClassVar[int] = 8

    def bind(self, images: Tensor, generator: Generator, device: torch.device | None = None) -> Problem:
        return make_task("rotation").bind(images, generator, device)

    def side(self, short_side: int) -> int:
        return short_side

    def normalize(self, views: Tensor) -> Tensor:
        return views.float() * float("nan")


def test_nan_is_a_sentence_with_the_step() -> None:
    training = Training(Poison(), pictures(8, 16), plan(log_every=1))
    with pytest.raises(UserError, match=r"The loss became NaN at step 1; lower the learning rate\."):
        [*training.run()]


def test_starting_from_another_run_takes_what_fits() -> None:
    images = pictures(10, 48)
    parent = Training(make_task("jigsaw", {"permutations": 8}), images, plan(), seed=1)
    child = Training(make_task("jigsaw"), images, plan(), seed=2, start=parent.network.state_dict())
    ours, theirs = child.network.state_dict(), parent.network.state_dict()
    same = {name for name in ours if ours[name].shape == theirs[name].shape}
    assert all(torch.equal(ours[name], theirs[name]) for name in same)
    assert {name for name in ours if name not in same} == {"head.arrangements"}
    assert torch.equal(ours["head.arrangements"], child.problem.arrangements)


def test_numpy_memory_map_read_only(tmp_path: Any) -> None:
    path = tmp_path / "images.npy"
    np.save(path, pictures(10, 16).numpy())
    mapped = np.load(path, mmap_mode="r")
    one = [*Training(make_task("rotation"), mapped, plan(steps=2)).run()]
    same = [*Training(make_task("rotation"), pictures(10, 16), plan(steps=2)).run()]
    assert results(one) == results(same)


def test_metrics_come_after_the_first_step_every_interval_and_at_the_end() -> None:
    found = [
        *Training(make_task("rotation"), pictures(10, 16), plan(steps=7, log_every=3, evaluate_every=5)).run()
    ]
    assert [metrics.step for metrics in found] == [1, 3, 5, 6, 7]
    assert [metrics.heldout_accuracy is not None for metrics in found] == [False, False, True, False, True]
    assert all(metrics.views_per_second > 0 for metrics in found)
    assert [metrics.seconds for metrics in found] == sorted(metrics.seconds for metrics in found)


@pytest.mark.parametrize("slowness", [1.5, 4.0, 30.0])
def test_a_budget_is_kept_and_a_slower_machine_plans_again(
    slowness: float, timepiece: SimpleNamespace
) -> None:
    """Planned for 0.02 s a step, where each takes `slowness` times that."""
    task, images = make_task("rotation"), pictures(20, 16)
    promised = plan(steps=480, batch=2, log_every=5, evaluate_every=100, seconds=10.0)
    training = Training(task, images, promised)
    found = on_a_machine(training, timepiece, lambda _: 0.02 * slowness, evaluation=0.05)
    assert 8.5 < found[-1].seconds < 11.0
    assert found[-1].step == training.plan.steps == pytest.approx(480 / slowness, rel=0.1)
    assert training.plan.replans
    assert any("slower than expected" in metrics.note for metrics in found)
    assert found[-1].learning_rate < 0.1 * promised.lr


def test_a_machine_as_fast_as_expected_keeps_its_plan(timepiece: SimpleNamespace) -> None:
    task, images = make_task("rotation"), pictures(20, 16)
    training = Training(task, images, plan(steps=480, batch=2, log_every=5, evaluate_every=100, seconds=10.0))
    found = on_a_machine(training, timepiece, lambda step: 0.021 if step % 2 else 0.019, evaluation=0.05)
    assert found[-1].step == 480
    assert not training.plan.replans


SPEED = measuring.Speed(
    precision="fp32",
    channels_last=True,
    threads=1,
    batch=32,
    step=0.01,
    evaluate=1e-4,
    prepare=0.5,
    looking=1e-4,
)


def test_a_plan_is_measured_once_a_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    task, images = make_task("rotation"), pictures(20, 16)
    asked: list[Training] = []

    def timed(training: Training) -> measuring.Speed:
        asked.append(training)
        return SPEED

    monkeypatch.setattr(measuring, "_fastest", lambda training, *_: training.plan)
    monkeypatch.setattr(measuring, "_speed", timed)
    monkeypatch.setattr(planning, "time", SimpleNamespace(perf_counter=lambda: 0.0))
    monkeypatch.setattr(planning, "HELDOUT", 2000)
    known: dict[str, Any] = {}
    first = make_plan(task, images, minutes=0.2, calibration=known)
    assert len(known) == 1
    assert first.seconds == pytest.approx(12.0)
    # 12 s less the held-out examples being made (0.5 s), asked once in full (0.2 s) and five times in part,
    # and the looks at the features.
    evaluations = 0.5 + (2000 + 5 * first.glance) * 1e-4 + first.looks * first.look * 1e-4
    assert first.steps == int((12.0 - evaluations) / 0.01)
    assert make_plan(task, images, minutes=0.2, calibration=known) == first
    assert len(asked) == 1
    next(iter(known.values()))["step"] *= 10
    again = make_plan(task, images, minutes=0.2, calibration=known)
    assert again.steps == first.steps // 10
    assert len(asked) == 1
    known[next(iter(known))] = {"step": 1.0}  # of another version
    assert make_plan(task, images, minutes=0.2, calibration=known) == first
    assert len(asked) == 2


@pytest.mark.parametrize("evaluate", [1e-6, 1e-4, 3e-4])
@pytest.mark.parametrize("look", [1e-6, 1e-3, 5e-3])
@pytest.mark.parametrize("minutes", [1.0, 3.0])
def test_measuring_takes_a_twentieth_of_a_run_at_most(evaluate: float, look: float, minutes: float) -> None:
    """Whatever an example costs: the last evaluation on 2,000, those before, and the looks, one of which is
    at the network before training."""
    speed = replace(SPEED, evaluate=evaluate, looking=look)
    found = planning._measuring(60 * minutes, speed)
    plan = Plan(steps=600, batch=4, lr=1e-3, weight_decay=0.0, evaluate_every=100, **found)
    assert plan.evaluations == planning.EVALUATIONS
    evaluations = evaluate * (2000 + (plan.evaluations - 1) * plan.glance)
    assert evaluations + look * (plan.looks + 1) * plan.look <= 0.05 * 60 * minutes
    assert min(plan.glance, plan.look) >= planning.FEWEST


def test_the_fastest_way_is_chosen_and_what_is_given_is_left(monkeypatch: pytest.MonkeyPatch) -> None:
    """A machine on which bf16, plain memory and half the threads are faster, each by a third."""

    def seconds(_: Training, plan: Plan) -> float:
        faster = (plan.precision == "bf16") + (not plan.channels_last) + (plan.threads == 2)
        return float(0.75**faster)

    monkeypatch.setattr(measuring, "_trial", seconds)
    monkeypatch.setattr(measuring, "has_bf16", lambda _: True)
    training = Training(make_task("rotation"), pictures(40, 16), plan(threads=4))
    before = torch.get_num_threads()
    try:
        chosen = measuring._fastest(training, (), 1.0)
        assert (chosen.precision, chosen.channels_last, chosen.threads) == ("bf16", False, 2)
        assert chosen.batch == 4  # a processor is full with any batch
        training.adopt(plan(threads=4))
        kept = measuring._fastest(training, ("precision", "threads"), 1.0)
        assert (kept.precision, kept.channels_last, kept.threads) == ("fp32", False, 4)
    finally:
        torch.set_num_threads(before)


def test_a_machine_so_slow_that_trying_takes_long_is_not_tried_out(monkeypatch: pytest.MonkeyPatch) -> None:
    """Or a short run would be over before it began; and what was not tried is not kept for longer ones."""
    tried: list[Plan] = []
    monkeypatch.setattr(measuring, "_trial", lambda _, plan: tried.append(plan) or 1.0)
    monkeypatch.setattr(measuring, "_speed", lambda _: SPEED)
    monkeypatch.setattr(measuring, "has_bf16", lambda _: True)
    task, images = make_task("rotation"), pictures(10, 16)
    for seconds, trials, kept in ((30.0, 1, 0), (60.0, 1, 0), (300.0, 4, 1)):
        known: dict[str, Any] = {}
        tried.clear()
        measuring.measured(task, images, plan(threads=2), (), "small", "cpu", known, seconds)
        assert (len(tried), len(known)) == (trials, kept)


def test_a_batch_grows_until_the_device_is_full(monkeypatch: pytest.MonkeyPatch) -> None:
    """A step takes a second for up to 16 rows, and as much more as there are more."""
    monkeypatch.setattr(measuring, "_trial", lambda _, plan: max(1.0, plan.batch / 16))
    monkeypatch.setattr(
        measuring,
        "_choices",
        lambda _: iter([("batch", lambda best: [best.batch * size for size in (2, 4, 8, 16)])]),
    )
    training = Training(make_task("rotation"), pictures(40, 16), plan(batch=2))
    assert measuring._fastest(training, (), 1.0).batch == 16
    training.adopt(plan(batch=2))
    assert measuring._fastest(training, ("batch",), 1.0).batch == 2


def test_a_batch_that_does_not_fit_leaves_the_one_that_does(monkeypatch: pytest.MonkeyPatch) -> None:
    """It is no reason to take a smaller one than what was going to be used."""

    def seconds(_: Training, plan: Plan) -> float:
        if plan.batch > 8:
            raise torch.OutOfMemoryError("CUDA out of memory")
        return 1.0

    monkeypatch.setattr(measuring, "_trial", seconds)
    monkeypatch.setattr(
        measuring, "_choices", lambda _: iter([("batch", lambda best: [2 * best.batch, 4 * best.batch, 64])])
    )
    training = Training(make_task("rotation"), pictures(40, 16), plan(batch=4))
    assert measuring._fastest(training, (), 1.0).batch == training.plan.batch == 8
    assert training.plan.batch == 8


def test_what_a_gpu_does_with_many_images_is_not_taken_for_few(monkeypatch: pytest.MonkeyPatch) -> None:
    """There a batch may be so much larger."""
    monkeypatch.setattr(measuring, "Training", lambda *_, **__: SimpleNamespace(plan=None))
    monkeypatch.setattr(measuring, "_trial", lambda *_: 0.0)
    monkeypatch.setattr(measuring, "_fastest", lambda *_: None)
    monkeypatch.setattr(measuring, "_speed", lambda _: SPEED)
    task = make_task("rotation")
    for device, keys in (("cuda", 2), ("cpu", 1)):
        known: dict[str, Any] = {}
        for count in (6000, 5000, 60):
            measuring.measured(task, pictures(count, 8), plan(), (), "small", device, known)
        assert len(known) == keys


@pytest.mark.parametrize("name", TASKS)
def test_what_is_drawn_at_once_is_no_more_than_was_meant(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(loop.DRAWN, "cpu", 10**6)
    monkeypatch.setitem(loop.AHEAD, "cpu", 10**3)
    reuse = RECIPES[name].reuse
    training = Training(make_task(name), pictures(40, 96), plan(batch=2, reuse=reuse))
    training.train_step()
    drawn = sum(batch.numel() for batch in training._batches_drawn[0] if batch is not None)
    assert 1 < training.ahead < 10**3
    assert 5 * 10**5 < drawn <= 10**6


def test_making_held_out_examples_is_part_of_measuring(monkeypatch: pytest.MonkeyPatch) -> None:
    def slowly(*given: Any) -> Batch:
        time.sleep(0.5)
        return draws.held_out(*given)

    monkeypatch.setattr(loop, "held_out", slowly)
    *_, last = Training(
        make_task("rotation"), pictures(20, 16), plan(steps=4, batch=4, evaluate_every=2)
    ).run()
    assert 0.5 < last.evaluation_seconds < last.seconds


def test_a_larger_batch_has_a_higher_rate(monkeypatch: pytest.MonkeyPatch) -> None:
    task, images = make_task("rotation"), pictures(20, 16)
    monkeypatch.setattr(planning, "measured", lambda *_: replace(SPEED, batch=128))
    lr = make_plan(task, images, steps=1).lr
    assert make_plan(task, images, minutes=0.1).lr == pytest.approx(2 * lr)
    assert make_plan(task, images, minutes=0.1, lr=0.5).lr == 0.5


def test_a_look_is_reckoned_with_its_search(monkeypatch: pytest.MonkeyPatch) -> None:
    widths: list[int] = []
    monkeypatch.setattr(measuring, "_search", lambda each, _: widths.extend(each) or 5.0)
    monkeypatch.setattr(measuring, "MEASURE_SECONDS", 0.0)
    training = Training(make_task("rotation"), pictures(10, 16), plan(steps=10**6))
    assert 5.0 < measuring._speed(training).looking < 10.0
    features = glimpse(training.network, training.task, training.problem.images[:2])
    assert widths == [one.shape[1] for one in features.values()]


def test_what_is_measured_is_plausible() -> None:
    known: dict[str, Any] = {}
    before = torch.get_num_threads()
    task, images = make_task("rotation"), pictures(3, 16)
    found = measuring.measured(task, images, plan(steps=1), (), "small", "cpu", known)
    torch.set_num_threads(before)
    assert all(0 < seconds < 60 for seconds in (found.step, found.evaluate, found.prepare, found.looking))
    assert json.loads(json.dumps(list(known.values()))) == [asdict(found)]


def test_generators_differ_by_purpose_and_step() -> None:
    drawn = {
        (purpose, step): torch.randint(2**60, (1,), generator=seed_for(0, purpose, step)).item()
        for purpose in ("draws", "order", "heldout", "split")
        for step in range(20)
    }
    assert len(set(drawn.values())) == len(drawn)


@pytest.mark.parametrize(
    "wrong", [{"steps": 0}, {"minutes": -1}, {"lr": 0.0}, {"batch": -3}, {"precision": "fp8"}]
)
def test_values_that_make_no_sense_are_sentences(wrong: dict[str, Any]) -> None:
    with pytest.raises(UserError):
        make_plan(make_task("rotation"), pictures(4, 16), **{"steps": 5, **wrong})


def test_sgd_is_the_textbooks_and_resumes_exactly() -> None:
    """Against Nesterov's momentum written out (Sutskever et al. 2013, in the form that torch documents)."""
    task, images = make_task("rotation", {"smallest_crop": 1.0}), pictures(8, 16)
    slow = plan(optimizer="sgd", lr=0.05, weight_decay=0.01, schedule="steps", warmup=0.0, steps=4)
    one, other = Training(task, images, slow), Training(task, images, slow)
    weights = {name: p.detach().clone() for name, p in other.network.named_parameters()}
    speed = {name: torch.zeros_like(value) for name, value in weights.items()}
    kept: dict[str, Tensor] = {}
    for _ in range(3):
        one.train_step()
        # The gradient, from a step of a copy at rate nought that keeps no momentum.
        still = replace(slow, lr=1e-12, momentum=0.0, weight_decay=0.0, gamma=1.0)
        other.adopt(still)
        for name, p in other.network.named_parameters():
            p.data.copy_(weights[name])
        hooks = [
            p.register_post_accumulate_grad_hook(lambda p, name=name: kept.__setitem__(name, p.grad.clone()))
            for name, p in other.network.named_parameters()
        ]
        other.train_step()
        for hook in hooks:
            hook.remove()
        for name, value in weights.items():
            pull = kept[name] + 0.01 * value
            speed[name] = 0.9 * speed[name] + pull
            weights[name] = value - 0.05 * (pull + 0.9 * speed[name])
    for name, p in one.network.named_parameters():
        torch.testing.assert_close(p.detach(), weights[name], rtol=1e-3, atol=2e-5)

    whole = results([*Training(task, images, replace(slow, steps=9)).run()])
    first = Training(task, images, replace(slow, steps=9))
    metrics = first.run()
    begun = [next(metrics), next(metrics), next(metrics)]
    second = Training(task, images, replace(slow, steps=9))
    second.load_state({name: value.contiguous() for name, value in first.state().items()})
    assert results([*begun, *second.run()]) == whole


def test_a_set_that_is_divided_already_stays_so() -> None:
    task, images = make_task("rotation"), pictures(10, 16)
    training = Training(task, images, plan(held_out_from=7))
    assert training.train_rows.tolist() == [0, 1, 2, 3, 4, 5, 6]
    assert set(training.heldout.source.tolist()) == {7, 8, 9}
    for wrong in (0, 10, 11):
        with pytest.raises(UserError, match="holds out the images after the first"):
            Training(task, images, plan(held_out_from=wrong))


def test_weights_decay_less_where_images_are_many() -> None:
    task = make_task("rotation")
    few, many = (np.zeros((count, 3, 16, 16), np.uint8) for count in (4_000, 8_000))
    decay = make_plan(task, few[:10], steps=1).weight_decay
    assert make_plan(task, few, steps=1).weight_decay == decay
    assert make_plan(task, many, steps=1).weight_decay == pytest.approx(decay / 2)


def test_of_many_images_rotation_turns_its_weights_by_less_at_a_step() -> None:
    few, many = (torch.zeros(count, 3, 16, 16, dtype=torch.uint8) for count in (4_000, 4_001))
    task = make_task("rotation")
    assert make_plan(task, many, steps=1).lr == pytest.approx(0.6 * make_plan(task, few, steps=1).lr)
    assert make_plan(task, many, steps=1, lr=0.2).lr == 0.2
    other = make_task("jigsaw")
    few, many = (torch.zeros(count, 3, 48, 48, dtype=torch.uint8) for count in (4_000, 4_001))
    assert make_plan(other, many, steps=1).lr == make_plan(other, few, steps=1).lr


def test_a_processor_draws_small_views_for_several_steps_at_once() -> None:
    task = make_task("rotation")
    assert Training(task, pictures(20, 16), plan(batch=4)).ahead == 4
    assert Training(task, pictures(20, 64), plan(batch=32)).ahead == 2
    assert Training(task, pictures(20, 64), plan(batch=128)).ahead == 1


@pytest.mark.parametrize("name", TASKS)
def test_steps_drawn_ahead_are_those_of_one_long_batch(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """As on a GPU: four steps are drawn at once and taken one after the other, every row once an epoch."""
    monkeypatch.setattr(Training, "ahead", 4)
    task, images = make_task(name), pictures(20, SIDES[name])
    training = Training(task, images, plan(batch=4, steps=8))
    rows = training.train_rows
    whole = training._drawn_at(1)
    parts = []
    for step in range(4, 8):
        training.step = step
        parts.append(training._draw())
    for number, every in enumerate(whole):
        if every is not None:
            assert torch.equal(every, torch.cat([part[number] for part in parts]))  # type: ignore[misc]
    singly = [rows_of_step(rows, 4, 0, step) for step in range(4, 8)]
    assert torch.equal(rows_of_step(rows, 16, 0, 1), torch.cat(singly))


def test_a_run_that_draws_ahead_resumes_between_two_draws(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Training, "ahead", 4)
    task, images = make_task("rotation"), pictures(20, 16)
    whole = Training(task, images, plan(batch=4, steps=8))
    for metrics in whole.run():
        if metrics.step == 6:
            saved = {key: value.clone() for key, value in whole.state().items()}
    second = Training(task, images, plan(batch=4, steps=8))
    second.train_step()  # of the first four steps, which are not to be taken for the second four
    second.load_state(saved)
    *_, last = second.run()
    assert last.step == 8
    pairs = zip(whole.network.parameters(), second.network.parameters(), strict=True)
    assert all(torch.equal(one, other) for one, other in pairs)


def test_thousands_of_classes_begin_as_features_of_their_examples(monkeypatch: pytest.MonkeyPatch) -> None:
    """Untrained features tell some of the seeds, so from the first step on more is right than by chance; and
    what a run that is resumed had learned is not begun anew."""
    monkeypatch.setattr("sslviz.model.MANY_CLASSES", 20)
    task, images = make_task("exemplar", QUICK["exemplar"]), pictures(40, 48)
    course = plan(steps=6, batch=32, lr=1e-9, log_every=1, evaluate_every=6)
    training = Training(task, images, course)
    directions = training.network.head.classify
    assert isinstance(directions, Directions)
    first = next(training.run())
    assert first.accuracy > 5 / 32
    assert directions.weight.norm(dim=1).sub(1).abs().max() < 1e-3
    features = torch.randn(5, directions.weight.shape[1])
    cosines = torch.nn.functional.cosine_similarity(features[:, None], directions.weight[None], dim=-1)
    assert torch.allclose(directions(features), 16 * cosines, atol=1e-3)

    learned = replace(course, lr=5e-3)
    whole, second = Training(task, images, learned), Training(task, images, learned)
    for metrics in whole.run():
        if metrics.step == 3:
            saved = {key: value.clone() for key, value in whole.state().items()}
    second.load_state(saved)
    for _ in second.run():
        pass
    pairs = zip(whole.network.parameters(), second.network.parameters(), strict=True)
    assert all(torch.equal(one, other) for one, other in pairs)


@pytest.mark.skipif(not keep_freed_memory(), reason="this C library's memory is left to itself")
@pytest.mark.slow
def test_a_step_asks_for_no_new_memory() -> None:
    """In a process of its own, whose memory nothing else has touched: the first steps fetch all there is."""
    script = """
import resource
import torch
from sslviz.tasks import make_task
from sslviz.train import Plan, Training

images = torch.randint(0, 256, (40, 3, 128, 128), generator=torch.Generator().manual_seed(0)).byte()
plan = Plan(steps=100, batch=16, lr=1e-3, weight_decay=0.0, reuse=8)
training = Training(make_task("location", {}), images, plan)
torch.set_num_threads(1)
for _ in range(8):
    training.train_step()
before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
for _ in range(8):
    training.train_step()
print((resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before) // 8)
"""
    told = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert int(told.stdout) < 1000, "left to itself it is 6,000 to 8,000"
