"""The loop: one encoder, one loss, one accuracy, whatever the task. It yields metrics and knows no paths, no
processes and no pages.

Randomness is derived from the seed by purpose: what a step draws depends on the seed and its number alone,
so a run that is resumed takes the course it would have taken.
"""

from __future__ import annotations

import contextlib
import hashlib
import math
import os
import platform
import time
import warnings
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Generator, Tensor, nn
from torch.nn import functional

from sslviz.errors import UserError
from sslviz.model import AssemblyHead, build
from sslviz.plan import Plan, steps_within
from sslviz.recipes import DEFAULT, RECIPES
from sslviz.tasks.base import Batch, Problem, Task

HELDOUT = 2000
"""Examples that held-out accuracy is measured on, at least."""
GLANCE = 500
"""Examples of an evaluation during the run."""
EVALUATIONS = 6
"""Evaluations in a run, the last on all held-out examples."""
LOG_SECONDS = 0.4
"""Between metrics, as planned: often enough for a live curve, too seldom to wait for the device."""
CALIBRATION_SECONDS = 1.5
SLOWER = 1.1
"""A run that would take this much longer than its budget plans again."""

Images = Tensor | NDArray[np.uint8]


@dataclass(frozen=True)
class Metrics:
    """How a run stands after `step` steps. Loss and accuracy are means since the metrics before."""

    step: int
    seconds: float
    """Of the loop, evaluations included, over all sittings of a resumed run."""
    loss: float
    accuracy: float
    heldout_accuracy: float | None
    heldout_loss: float | None
    views_per_second: float
    """Examples × views the encoder was trained on a second, evaluations not counted."""
    learning_rate: float
    note: str = ""
    """A sentence where something out of the ordinary happened."""


def seed_for(seed: int, purpose: str, number: int = 0) -> Generator:
    """A CPU generator for one purpose of a run, and one step or epoch of it."""
    digest = hashlib.blake2b(f"{seed}/{purpose}/{number}".encode(), digest_size=8).digest()
    return Generator().manual_seed(int.from_bytes(digest, "big") >> 1)


class Training:
    """A run in memory. `run` yields metrics; between two of them `state` and `evaluate` may be called."""

    def __init__(
        self,
        task: Task,
        images: Images,
        plan: Plan,
        *,
        model: str = "small",
        seed: int = 0,
        device: str = "cpu",
        start: Mapping[str, Tensor] | None = None,
    ) -> None:
        """`images` is uint8 (N, 3, S, S). `start` is another network's weights; those whose name and shape
        fit are taken, so a head for other classes starts afresh. Raises `UserError` where the images do not
        suffice for the task."""
        self.task = task
        self.plan = plan
        self.seed = seed
        self.device = torch.device(device)
        self.problem = bind(task, images, seed, self.device)
        self.train_rows, self.heldout_rows = self.problem.split(seed_for(seed, "split"))
        first = self.problem.make(self.train_rows[:1], seed_for(seed, "shape"))
        self.network = build(
            model, task.views, self.problem.classes, first.views.shape[-1], seed, task.places
        )
        if start is not None:
            own = self.network.state_dict()
            fitting = {k: v for k, v in start.items() if k in own and own[k].shape == v.shape}
            self.network.load_state_dict(own | fitting)
        if isinstance(self.network.head, AssemblyHead):
            self.network.head.arrangements.copy_(self.problem.arrangements)
        layout = torch.channels_last if plan.channels_last else torch.contiguous_format
        self.network.to(self.device, memory_format=layout)  # type: ignore[call-overload]
        self.optimizer = _optimizer(self.network, plan, self.device)
        self.step = 0
        self.seconds = 0.0
        self._orders: dict[int, Tensor] = {}
        self._heldout: Batch | None = None
        self._reset_sums()
        self._forward = torch.compile(self.network) if plan.compile else self.network

    @property
    def chance(self) -> float:
        """Accuracy of guessing."""
        return 1.0 / self.problem.classes

    def run(self) -> Iterator[Metrics]:
        """Train from where the run stands to the end of its plan.

        Yields after the first step, every `log_every` steps and at the end. Under a budget of seconds the
        plan changes when the machine is slower than expected; `plan` is then the new one. Raises `UserError`
        when the loss is no longer a number.
        """
        if self.device.type == "cpu":
            torch.set_num_threads(self.plan.threads)
        clock = _Clock(self.seconds, self.step)
        while self.step < self.plan.steps:
            rate = self.plan.learning_rate(self.step)
            self.train_step()
            last = self.step == self.plan.steps
            look = last or self.step % self.plan.evaluate_every == 0
            if not (look or self.step == 1 or self.step % self.plan.log_every == 0):
                continue
            metrics = self._metrics(clock, rate)
            if look:
                began = time.perf_counter()
                loss, accuracy = self.evaluate(HELDOUT if last else GLANCE)
                clock.evaluating(time.perf_counter() - began)
                metrics = replace(metrics, heldout_loss=loss, heldout_accuracy=accuracy)
            elif note := self._replan(clock):
                metrics = replace(metrics, note=note)
            self.seconds = clock.seconds()
            yield replace(metrics, seconds=self.seconds)

    def train_step(self) -> None:
        """One step; its figures stay on the device until they are asked for."""
        plan = self.plan
        generator = seed_for(self.seed, "draws", self.step)
        for group in self.optimizer.param_groups:
            group["lr"] = plan.learning_rate(self.step)
        self.network.train()
        with self._own_randomness(), self._autocast():
            logits, answer, views = self._answer(generator)
            loss = functional.cross_entropy(logits.float(), answer, label_smoothing=plan.label_smoothing)
        loss.backward()  # type: ignore[no-untyped-call]
        self.optimizer.step()
        self.optimizer.zero_grad(set_to_none=True)
        self._loss += loss.detach()
        self._right += (logits.detach().argmax(1) == answer).sum()
        self._answers += len(answer)
        self._views += views
        self._batches += 1
        self.step += 1

    def evaluate(self, examples: int | None = None) -> tuple[float, float]:
        """(loss, accuracy) on held-out examples with fixed draws, the network in evaluation mode.

        All of them, at least 2,000, or the first `examples`.
        """
        heldout = self._held_out()
        count = len(heldout) if examples is None or examples >= HELDOUT else min(examples, len(heldout))
        size = max(1, 2048 // self.task.views)
        loss = torch.zeros((), device=self.device)
        right = torch.zeros((), dtype=torch.int64, device=self.device)
        self.network.eval()
        with torch.inference_mode(), self._autocast():
            for begin in range(0, count, size):
                end = min(begin + size, count)
                logits = self._forward(self.task.normalize(heldout.views[begin:end])).float()
                answer = heldout.answer[begin:end]
                loss += functional.cross_entropy(logits, answer, reduction="sum")
                right += (logits.argmax(1) == answer).sum()
        self.network.train()
        return loss.item() / count, right.item() / count

    def state(self) -> dict[str, Tensor]:
        """All that a resume needs, as tensors by name: weights, the optimiser's moments, where the run is."""
        found = {f"network.{k}": v.detach().clone() for k, v in self.network.state_dict().items()}
        for index, moments in self.optimizer.state_dict()["state"].items():
            found |= {f"optimizer.{index}.{name}": value.detach().clone() for name, value in moments.items()}
        sums = [self.step, self.seconds, self._answers, self._views, self._batches]
        found["progress"] = torch.tensor(sums, dtype=torch.float64)
        found["loss"], found["right"] = self._loss.clone(), self._right.clone()
        found["replans"] = torch.tensor(self.plan.replans, dtype=torch.int64).reshape(-1, 2)
        return found

    def load_state(self, state: Mapping[str, Tensor]) -> None:
        """Go on from what `state` gave. Raises `UserError` for another network's."""
        network = {k.removeprefix("network."): v for k, v in state.items() if k.startswith("network.")}
        try:
            self.network.load_state_dict(network)
        except RuntimeError:
            raise UserError(
                "The saved state is of another network.", "Start a new run with these settings."
            ) from None
        moments: dict[int, dict[str, Tensor]] = {}
        parameters = [p for group in self.optimizer.param_groups for p in group["params"]]
        for key, value in state.items():
            if key.startswith("optimizer."):
                _, index, name = key.split(".")
                moments.setdefault(int(index), {})[name] = _like(value, parameters[int(index)])
        groups = self.optimizer.state_dict()["param_groups"]
        self.optimizer.load_state_dict({"state": moments, "param_groups": groups})
        step, self.seconds, answers, views, batches = state["progress"].tolist()
        self.step, self._answers, self._views, self._batches = (
            int(step),
            int(answers),
            int(views),
            int(batches),
        )
        self._loss, self._right = state["loss"].to(self.device), state["right"].to(self.device)
        replans = [(int(at), int(steps)) for at, steps in state["replans"].tolist()]
        if replans:
            self.plan = replace(self.plan, steps=replans[-1][1], replans=replans)

    def _answer(self, generator: Generator) -> tuple[Tensor, Tensor, int]:
        """Logits, answers, and how many views the encoder saw for them."""
        rows = self._rows(self.step)
        if self.plan.reuse > 1:
            shared = self.problem.make_shared(rows, self.plan.reuse, generator)
            if shared is not None:
                views = self.task.normalize(shared.views)
                logits = self._forward(views, shared.order)
                return logits, shared.answer.flatten(), views.shape[0] * views.shape[1]
        batch = self.problem.make(rows, generator)
        views = self.task.normalize(batch.views)
        return self._forward(views), batch.answer, views.shape[0] * views.shape[1]

    def _rows(self, step: int) -> Tensor:
        """Rows of a step: all training rows in an order drawn for each epoch, one epoch after the other."""
        count, batch = len(self.train_rows), self.plan.batch
        first, last = step * batch // count, ((step + 1) * batch - 1) // count
        self._orders = {
            epoch: self._orders[epoch] if epoch in self._orders else self._order(epoch)
            for epoch in range(first, last + 1)
        }
        rows = torch.cat([self._orders[epoch] for epoch in range(first, last + 1)])
        begin = step * batch - first * count
        return self.train_rows[rows[begin : begin + batch]]

    def _order(self, epoch: int) -> Tensor:
        return torch.randperm(len(self.train_rows), generator=seed_for(self.seed, "order", epoch))

    def _held_out(self) -> Batch:
        """Examples made once, from a generator that training never uses, in an order without runs."""
        if self._heldout is None:
            generator = seed_for(self.seed, "heldout")
            made: list[Batch] = []
            while sum(map(len, made)) < HELDOUT:
                order = torch.randperm(len(self.heldout_rows), generator=generator)[:HELDOUT]
                made += [
                    self.problem.make(self.heldout_rows[part], generator) for part in torch.split(order, 250)
                ]
            names = Batch.__dataclass_fields__
            self._heldout = Batch(**{name: torch.cat([getattr(b, name) for b in made]) for name in names})
        return self._heldout

    def _metrics(self, clock: _Clock, rate: float) -> Metrics:
        loss = self._loss.item() / max(1, self._batches)
        if not math.isfinite(loss):
            raise UserError(
                f"The loss became {'NaN' if math.isnan(loss) else 'infinite'} at step {self.step:,}; "
                "lower the learning rate.",
                f"It was {self.plan.lr:g} at its highest.",
            )
        accuracy = self._right.item() / max(1, self._answers)
        speed = clock.speed(self._views)
        self._reset_sums()
        return Metrics(self.step, 0.0, loss, accuracy, None, None, speed, rate)

    def _reset_sums(self) -> None:
        self._loss = torch.zeros((), device=self.device)
        self._right = torch.zeros((), dtype=torch.int64, device=self.device)
        self._answers = self._views = self._batches = 0

    def _replan(self, clock: _Clock) -> str:
        """Fit the rest of the run into its budget; a sentence when that changed the plan."""
        plan = self.plan
        if plan.seconds is None or self.step == plan.steps:
            return ""
        each = clock.step_seconds(self.step)
        if each is None:
            return ""
        left = plan.seconds - clock.seconds() - clock.to_evaluate(plan, self.step)
        fits = self.step + max(1, int(left / each))
        ratio = (plan.steps - self.step) * each / max(left, 1e-9)
        overrun = (plan.steps - self.step) * each - left
        early = self.plan.progress(self.step) < 0.5
        if (ratio > SLOWER and overrun > 0.02 * plan.seconds) or (early and ratio < 1.0 / SLOWER):
            self.plan = plan.replanned(self.step, fits)
            word = "slower" if fits < plan.steps else "faster"
            return f"The machine is {word} than expected: {fits:,} steps instead of {plan.steps:,}."
        return ""

    @contextlib.contextmanager
    def _own_randomness(self) -> Iterator[None]:
        """Dropout draws from torch's global generators: seed them for the step, then put them back."""
        devices = [self.device.index or 0] if self.device.type == "cuda" else []
        with torch.random.fork_rng(devices=devices):
            number = seed_for(self.seed, "dropout", self.step).initial_seed()
            torch.default_generator.manual_seed(number)
            if devices:
                torch.cuda.default_generators[devices[0]].manual_seed(number)
            yield

    def _autocast(self) -> contextlib.AbstractContextManager[Any]:
        if self.plan.precision == "fp32":
            return contextlib.nullcontext()
        return torch.autocast(self.device.type, dtype=torch.bfloat16)


class _Clock:
    """Seconds of the loop, those of evaluations apart; what a step costs lately."""

    def __init__(self, before: float, step: int) -> None:
        self.before, self.began = before, time.perf_counter()
        self.mark, self.marked_step, self.lately = self.began, step, 0.0
        self.evaluated, self.evaluations = 0.0, 0
        self.logged = self.began

    def seconds(self) -> float:
        return self.before + time.perf_counter() - self.began

    def speed(self, views: int) -> float:
        """Views a second since this was asked before."""
        now = time.perf_counter()
        speed = views / max(now - self.logged, 1e-9)
        self.logged = now
        return speed

    def evaluating(self, seconds: float) -> None:
        self.evaluated += seconds
        self.evaluations += 1
        self.mark += seconds
        self.logged += seconds

    def step_seconds(self, step: int, least: float = 3.0) -> float | None:
        """Seconds of a step over the last few seconds; None while too little is known."""
        now = time.perf_counter()
        if now - self.mark < least:
            return None
        each = (now - self.mark) / max(1, step - self.marked_step)
        self.mark, self.marked_step = now, step
        return each

    def to_evaluate(self, plan: Plan, step: int) -> float:
        """Seconds that the evaluations ahead will take."""
        if not self.evaluations:
            return 0.03 * (plan.seconds or 0.0)
        glance = self.evaluated / self.evaluations
        ahead = (plan.steps - 1) // plan.evaluate_every - step // plan.evaluate_every
        return glance * (ahead + HELDOUT / GLANCE)


def bind(task: Task, images: Images, seed: int, device: torch.device) -> Problem:
    """The task bound to images for a run with this seed: the same draws wherever it is asked.

    Images take up to a quarter of what memory a GPU has free; more stay on the host.
    """
    if isinstance(images, Tensor):
        tensor = images
    else:
        with warnings.catch_warnings():  # nobody writes to it, so a read-only array will do
            warnings.filterwarnings("ignore", message="The given NumPy array is not writable")
            tensor = torch.from_numpy(np.asarray(images))
    if device.type == "cuda" and tensor.nbytes <= torch.cuda.mem_get_info(device)[0] // 4:
        tensor = tensor.to(device)
    return task.bind(tensor, seed_for(seed, "bind"), device)


def make_plan(
    task: Task,
    images: Images,
    *,
    model: str = "small",
    device: str = "cpu",
    minutes: float | None = None,
    steps: int | None = None,
    like: Plan | None = None,
    lr: float | None = None,
    batch: int | None = None,
    precision: str | None = None,
    threads: int | None = None,
    calibration: dict[str, Any] | None = None,
) -> Plan:
    """What a run will do: for so many minutes (default one), for so many steps, or like another run.

    With minutes the speed of this machine is measured first, which takes a few seconds; `calibration` keeps
    the measurement for the next run on the same machine. Raises `UserError` for values that make no sense.
    """
    for name, value in (("minutes", minutes), ("steps", steps), ("lr", lr), ("batch", batch)):
        if value is not None and not value > 0:
            raise UserError(f"The {name} of a run cannot be {value}.", "Give a number above nought.")
    if precision not in (None, "fp32", "bf16"):
        raise UserError(f"There is no precision {precision!r}.", "Choose fp32 or bf16.")
    changes = {"lr": lr, "batch": batch, "precision": precision, "threads": threads}
    given = {name: value for name, value in changes.items() if value is not None}
    if like is not None:
        return replace(like, seconds=None, **given)  # type: ignore[arg-type]
    began = time.perf_counter()
    recipe = RECIPES.get(task.name, DEFAULT)
    plan = Plan(
        steps=steps or 1,
        batch=recipe.batch,
        lr=recipe.lr,
        weight_decay=recipe.weight_decay,
        threads=_threads(),
        label_smoothing=recipe.label_smoothing,
        warmup=recipe.warmup,
        reuse=recipe.reuse,
    )
    plan = replace(plan, **given)  # type: ignore[arg-type]
    if steps is not None:
        precision = precision or ("bf16" if _has_bf16(torch.device(device)) else "fp32")
        every = max(1, math.ceil(steps / EVALUATIONS))
        return replace(plan, precision=precision, log_every=max(1, steps // 150), evaluate_every=every)
    budget = 60.0 * (1.0 if minutes is None else minutes)
    speed = _measure(task, images, plan, model, device, precision, {} if calibration is None else calibration)
    left = max(0.0, budget - (time.perf_counter() - began))
    evaluation = speed["evaluate"] * (HELDOUT + (EVALUATIONS - 1) * GLANCE) + speed["prepare"]
    count = steps_within(left, speed["step"], evaluation)
    return replace(
        plan,
        steps=count,
        precision=speed["precision"],
        log_every=max(1, round(LOG_SECONDS / speed["step"])),
        evaluate_every=max(1, math.ceil(count / EVALUATIONS)),
        seconds=left,
    )


def _measure(
    task: Task,
    images: Images,
    plan: Plan,
    model: str,
    device: str,
    precision: str | None,
    calibration: dict[str, Any],
) -> dict[str, Any]:
    """Seconds of a step, of evaluating an example and of preparing all held-out ones; the best precision."""
    side = images.shape[-1]
    what = [
        platform.node(),
        device,
        plan.threads,
        task,
        model,
        side,
        plan.batch,
        precision,
        torch.__version__,
    ]
    key = " | ".join(map(str, what))
    if key in calibration:
        found: dict[str, Any] = calibration[key]
        return found
    tries = ["fp32", "bf16"] if _has_bf16(torch.device(device)) else ["fp32"]
    results = []
    for one in [precision] if precision else tries:
        training = Training(
            task, images, replace(plan, precision=one, steps=10**9), model=model, device=device
        )
        results.append({"precision": one} | _time(training))
    calibration[key] = min(results, key=lambda result: result["step"])
    return calibration[key]  # type: ignore[no-any-return]


def _time(training: Training) -> dict[str, float]:
    if training.device.type == "cpu":
        torch.set_num_threads(training.plan.threads)
    for _ in range(2):  # the first steps choose kernels and fill caches
        training.train_step()
    _wait(training.device)
    began = time.perf_counter()
    taken: list[float] = []
    while time.perf_counter() - began < CALIBRATION_SECONDS and len(taken) < 200:
        before = time.perf_counter()
        training.train_step()
        _wait(training.device)
        taken.append(time.perf_counter() - before)
    before = time.perf_counter()
    training.problem.make(training.heldout_rows[:64], seed_for(0, "time"))
    prepare = HELDOUT * (time.perf_counter() - before) / min(64, len(training.heldout_rows))
    # A step without its backward pass is about a third.
    each = sorted(taken)[len(taken) // 2]
    examples = training._answers / training._batches / training.plan.reuse
    return {"step": each, "evaluate": each / examples / 2, "prepare": prepare}


def _like(value: Tensor, parameter: Tensor) -> Tensor:
    """A copy of an optimiser's moment that lies in memory as its parameter does; a fused optimiser goes over
    both by address, and files know no channels_last."""
    if value.shape != parameter.shape:
        return value.clone()
    return torch.empty_like(parameter, dtype=value.dtype).copy_(value)


def _wait(device: torch.device) -> None:
    if device.type == "cuda":
        torch.cuda.synchronize(device)


def _threads() -> int:
    """As many as torch took itself, which heeds OMP_NUM_THREADS, but none for a core we may not use."""
    if hasattr(os, "sched_getaffinity"):
        return max(1, min(torch.get_num_threads(), len(os.sched_getaffinity(0))))
    return torch.get_num_threads()


def _has_bf16(device: torch.device) -> bool:
    """Whether the processor multiplies bfloat16 itself; elsewhere it is emulated and slow."""
    if device.type == "cuda":
        return bool(torch.cuda.is_bf16_supported(including_emulation=False))
    if device.type == "cpu":
        try:
            return bool(torch.cpu._is_avx512_bf16_supported() or torch.cpu._is_amx_tile_supported())
        except AttributeError:  # private, so it may go
            return False
    return False


def _optimizer(network: nn.Module, plan: Plan, device: torch.device) -> torch.optim.Optimizer:
    """AdamW; biases and BatchNorm are not decayed."""
    decayed = [p for p in network.parameters() if p.ndim > 1]
    others = [p for p in network.parameters() if p.ndim <= 1]
    groups = [{"params": decayed, "weight_decay": plan.weight_decay}, {"params": others, "weight_decay": 0.0}]
    return torch.optim.AdamW(groups, lr=plan.lr, fused=device.type in ("cpu", "cuda"))
