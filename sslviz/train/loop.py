"""The loop itself."""

from __future__ import annotations

import contextlib
import functools
import math
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from sslviz.allocating import keep_freed_memory
from sslviz.errors import UserError
from sslviz.model import AssemblyHead, Directions, Head, Network, build
from sslviz.plan import Plan
from sslviz.tasks.base import Batch, Task
from sslviz.train.clock import Clock
from sslviz.train.draws import Images, bind, divide, held_out, rows_of_step, seed_for
from sslviz.train.learning import Learner

AHEAD = {"cuda": 64, "cpu": 4}
"""Most steps that are drawn at once: drawing 16 of exemplar's took longer than an H200 took for them."""
DRAWN = {"cuda": 2**26, "cpu": 2**22}
"""Most numbers of what is drawn at once: 256 MB, and 16 on a processor, whose caches hold no more."""
CACHED = 256
"""Views that a processor evaluates at once: with more, their maps leave its caches."""
ASSEMBLED = 2**16
"""Most arrangements that an evaluation tries at once: 64 MB of them."""
SLOWER = 1.1
"""A run that would take this much longer than its budget plans again."""


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
    evaluation_seconds: float = 0.0
    """Of `seconds`, those spent on evaluations, of whatever kind."""
    knn_accuracy: float | None = None
    """Share of labelled images whose label their neighbours tell, by the features of the best block; see
    `Training.look`."""
    knn_block: str | None = None
    """The name of that block."""


class Training:
    """A run in memory. `run` yields metrics; between two of them, and between two steps, `state` and
    `evaluate` may be called, and `step`, `seconds` and `views_per_second` say how far it is."""

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
        since: int = 0,
        along: Images | None = None,
    ) -> None:
        """`images` is uint8 (N, 3, S, S). `start` is another network's weights; those whose name and shape
        fit are taken, so a head for other classes starts afresh. `since` is how many steps those weights have
        behind them: with the same seed the same images are held out, and the draws go on where they ended.
        `along`, uint8 (N · K, 3, S, S), are K squares of each image, one after another, which are trained on
        in its place (`imagesets.squares_along`), unless the task's rows are no images. Raises `UserError`
        where the images do not suffice for the task."""
        self.task = task
        self.seed = seed
        self.since = since
        self.device = torch.device(device)
        if self.device.type == "cpu":
            keep_freed_memory()
        self.problem = bind(task, images, seed, self.device)
        self.trained_on = self.problem
        """What steps are drawn from; what is held out is of `problem`."""
        if along is not None and task.of_images:
            self.trained_on = bind(task, along, seed, self.device)
        self._squares = len(self.trained_on) // len(self.problem)
        self.train_rows, self.heldout_rows = divide(self.problem, seed, plan.held_out_from)
        self.model = model
        first = self.problem.make(self.train_rows[:1], seed_for(seed, "shape"))
        self.view = first.views.shape[-1]
        self._numbers_a_row = first.views.numel()
        self._drawn = (-1, 0, 0)
        self._batches_drawn: list[Sequence[Tensor | None]] = []
        self.network = self.fresh_network()
        self._parts = list(self.network.modules())
        self._afresh = start is None
        self._drops = any(isinstance(module, nn.Dropout) for module in self.network.modules())
        if start is not None:
            own = self.network.state_dict()
            fitting = {k: v for k, v in start.items() if k in own and own[k].shape == v.shape}
            self.network.load_state_dict(own | fitting)
        if isinstance(self.network.head, AssemblyHead):
            self.network.head.arrangements.copy_(self.problem.arrangements)
        if plan.reuse > 1:
            shared = self.problem.make_shared(self.train_rows[:1], plan.reuse, seed_for(seed, "shape"))
            self._numbers_a_row = self._numbers_a_row if shared is None else shared.views.numel()
        self.adopt(plan)
        self.step = 0
        self.views_seen = 0
        self.seconds = 0.0
        self.evaluation_seconds = 0.0
        self._clock: Clock | None = None
        self._reset_sums()

    def adopt(self, plan: Plan) -> None:
        """Go by `plan` from here, with an optimiser that has seen nothing."""
        self.plan = plan
        layout = torch.channels_last if plan.channels_last else torch.contiguous_format
        self.network.to(self.device, memory_format=layout)  # type: ignore[call-overload]
        self.learner = Learner(self.network, plan, self.device)

    def fresh_network(self) -> Network:
        """The network with the weights that the seed gives it, before any training; on the CPU."""
        return build(
            self.model, self.task.views, self.problem.classes, self.view, self.seed, self.task.places
        )

    @property
    def chance(self) -> float:
        """Accuracy of guessing."""
        return 1.0 / self.problem.classes

    @property
    def views_per_second(self) -> float | None:
        """As in `Metrics`, since the last of them; None where there has been no step since."""
        return self._clock.speed(self._views) if self._clock is not None and self._views else None

    @functools.cached_property
    def heldout(self) -> Batch:
        """The examples that `evaluate` asks about, at least 2,000."""
        return held_out(self.problem, self.heldout_rows, self.seed, self.between)

    def run(self) -> Iterator[Metrics]:
        """Train from where the run stands to the end of its plan.

        Yields after the first step, every `log_every` steps and at the end. Under a budget of seconds the
        plan changes when the machine is slower than expected; `plan` is then the new one. Raises `UserError`
        when the loss is no longer a number.
        """
        if self.device.type == "cpu":
            torch.set_num_threads(self.plan.threads)
        clock = self._clock = Clock(self.seconds, self.step)
        if self._afresh and self.step == 0:
            self._imprint()
            clock.pause(clock.seconds() - self.seconds)
        while self.step < self.plan.steps:
            rate = self.plan.learning_rate(self.step)
            self.train_step()
            self.seconds = clock.seconds()
            last = self.step == self.plan.steps
            look = last or self.step % self.plan.evaluate_every == 0
            if not (look or self.step == 1 or self.step % self.plan.log_every == 0):
                continue
            metrics = self._metrics(clock, rate)
            if look:
                metrics = self._evaluated(metrics, clock)
            elif note := self._replan(clock):
                metrics = replace(metrics, note=note)
            self.seconds = clock.seconds()
            yield replace(metrics, seconds=self.seconds, evaluation_seconds=self.evaluation_seconds)

    @torch.no_grad()
    def _imprint(self) -> None:
        """Let each of thousands of classes begin as the first network's features of an example."""
        head = self.network.head
        if not (isinstance(head, Head) and isinstance(head.classify, Directions)):
            return
        self.network.train()
        for number, rows in enumerate(torch.split(self.train_rows, CACHED)):
            self.between()
            batch = self.problem.make(rows, seed_for(self.seed, "imprint", number))
            with self.learner.autocast():
                features = head.describe(self.network.embed(self.task.normalize(batch.views)))
            head.classify.imprint(batch.answer, features.float())

    def between(self) -> None:
        """Called between the batches of an evaluation, for those who have to say that they are at work."""

    def look(self) -> Mapping[str, Any]:
        """Called at some of the evaluations, as the plan says, for those who know the images' labels:
        figures of the features, by their names in `Metrics`."""
        return {}

    def _evaluated(self, metrics: Metrics, clock: Clock) -> Metrics:
        """`metrics` with the held-out figures, and what `look` finds."""
        last = self.step == self.plan.steps
        began = time.perf_counter()
        assert len(self.heldout)  # made on first use, and only then
        made = time.perf_counter()
        clock.pause(made - began)
        loss, accuracy = self.evaluate(None if last else self.plan.glance)
        metrics = replace(metrics, heldout_loss=loss, heldout_accuracy=accuracy)
        evaluated = time.perf_counter()
        clock.evaluating(evaluated - made)
        if self.plan.looks_at(self.step):
            metrics = replace(metrics, **self.look())
            clock.looking(time.perf_counter() - evaluated)
        self.evaluation_seconds += time.perf_counter() - began
        return metrics

    def train_step(self) -> None:
        """One step; its figures stay on the device until they are asked for."""
        views, order, answer = self._draw()
        if not all(part.training for part in self._parts):  # which is soon asked, and setting it is not
            self.network.train()
        with self._own_randomness() if self._drops else contextlib.nullcontext():
            self.learner.learn(views, order, answer, self.plan.learning_rate(self.step))
        self._answers += len(answer)
        self._views += views.shape[0] * views.shape[1]
        self.views_seen += views.shape[0] * views.shape[1]
        self._batches += 1
        self.step += 1

    def evaluate(self, examples: int | None = None) -> tuple[float, float]:
        """(loss, accuracy) on held-out examples with fixed draws, the network in evaluation mode.

        All of them, at least 2,000, or the first `examples`.
        """
        return self.ask(self.heldout, len(self.heldout) if examples is None else examples)

    def ask(self, batch: Batch, examples: int) -> tuple[float, float]:
        """(loss, accuracy) on the first `examples` of a batch, the network in evaluation mode."""
        count = min(examples, len(batch))
        size = max(1, (2048 if self.device.type == "cuda" else CACHED) // self.task.views)
        if self.task.places:  # every answer of every example is tried, in memory, side by side
            size = max(1, min(size, ASSEMBLED // self.problem.classes))
        loss = torch.zeros((), device=self.device)
        right = torch.zeros((), dtype=torch.int64, device=self.device)
        self.network.eval()
        with torch.inference_mode():
            for begin in range(0, count, size):
                self.between()
                end = min(begin + size, count)
                views = self.task.normalize(batch.views[begin:end])
                with self.learner.autocast():
                    logits = self.network(views).float()
                answer = batch.answer[begin:end]
                loss += functional.cross_entropy(logits, answer, reduction="sum")
                right += (logits.argmax(1) == answer).sum()
        self.network.train()
        return loss.item() / count, right.item() / count

    def state(self) -> dict[str, Tensor]:
        """All that a resume needs, as tensors by name: weights, the optimiser's moments, where the run is."""
        found = {f"network.{k}": v.detach().clone() for k, v in self.network.state_dict().items()}
        found |= self.learner.moments()
        sums = [
            self.step,
            self.seconds,
            self._answers,
            self._views,
            self._batches,
            self.evaluation_seconds,
        ]
        found["progress"] = torch.tensor(sums, dtype=torch.float64)
        found["loss"], found["right"] = self.learner.loss.clone(), self.learner.right.clone()
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
        self.learner.load_moments(state)
        step, self.seconds, answers, _, batches, *measuring = state["progress"].tolist()
        self.evaluation_seconds = sum(measuring)  # which earlier versions did not keep
        self.step, self._answers, self._batches = int(step), int(answers), int(batches)
        self._views = 0  # of this sitting, as the time that they are divided by is
        self.learner.loss.copy_(state["loss"])
        self.learner.right.copy_(state["right"])
        # A later re-plan, which may be written down already, was made at a step that is still to come.
        self.plan = self.plan.replans_as_of([(int(at), int(to)) for at, to in state["replans"].tolist()])

    @property
    def ahead(self) -> int:
        """Steps whose batches are drawn at once. The many small things that drawing does take a while however
        few rows they are done for: on a GPU longer than a step, on a processor up to half of the drawing."""
        kind = "cuda" if self.device.type == "cuda" else "cpu"
        return max(1, min(AHEAD[kind], DRAWN[kind] // (self.plan.batch * self._numbers_a_row)))

    def _draw(self) -> tuple[Tensor, Tensor | None, Tensor]:
        """What the network reads in this step, as its `forward` takes it, and the answers."""
        part, place = divmod(self.since + self.step, self.ahead)
        drawn = (part, self.plan.batch, self.ahead)
        if self._drawn != drawn:
            self._batches_drawn = [
                [None] * self.ahead if one is None else one.chunk(self.ahead) for one in self._drawn_at(part)
            ]
            self._drawn = drawn
        views, order, answer = (batches[place] for batches in self._batches_drawn)
        assert views is not None
        assert answer is not None
        return views, order, answer

    def _drawn_at(self, part: int) -> tuple[Tensor, Tensor | None, Tensor]:
        """The batches of `ahead` steps one after the other.

        Outside autocast, which would make other pixels than the pages show.
        """
        generator = seed_for(self.seed, "draws", part)
        rows = rows_of_step(self.train_rows, self.plan.batch * self.ahead, self.seed, part)
        if self._squares > 1:
            rows = rows * self._squares + torch.randint(self._squares, rows.shape, generator=generator)
        if self.plan.reuse > 1:
            shared = self.trained_on.make_shared(rows, self.plan.reuse, generator)
            if shared is not None:
                return self.task.normalize(shared.views), shared.order, shared.answer.flatten()
        batch = self.trained_on.make(rows, generator)
        return self.task.normalize(batch.views), None, batch.answer

    def _metrics(self, clock: Clock, rate: float) -> Metrics:
        loss = self.learner.loss.item() / max(1, self._batches)
        if not math.isfinite(loss):
            raise UserError(
                f"The loss became {'NaN' if math.isnan(loss) else 'infinite'} at step {self.step:,}; "
                "lower the learning rate.",
                f"It was {self.plan.lr:g} at its highest.",
            )
        accuracy = self.learner.right.item() / max(1, self._answers)
        speed = clock.speed(self._views)
        clock.log()
        self._reset_sums()
        return Metrics(self.step, 0.0, loss, accuracy, None, None, speed, rate)

    def _reset_sums(self) -> None:
        self.learner.reset_sums()
        self._answers = self._views = self._batches = 0

    def _replan(self, clock: Clock) -> str:
        """Fit the rest of the run into its budget; a sentence when that changed the plan."""
        plan = self.plan
        if plan.seconds is None or self.step == plan.steps:
            return ""
        each = clock.step_seconds(self.step, plan.steps, least=max(2.0, 0.06 * plan.seconds))
        if each is None:
            return ""
        left = plan.seconds - clock.seconds() - clock.to_evaluate(plan, self.step, len(self.heldout))
        fits = self.step + max(1, int(left / each))
        needed = (plan.steps - self.step) * each
        slower = needed > SLOWER * left and needed - left > 0.02 * plan.seconds
        # Not for the last seconds: what is learned then is learned at almost no learning rate.
        faster = SLOWER * needed < left and left - needed > 0.04 * plan.seconds
        if not (slower or faster) or plan.progress(self.step) > 0.95 or fits == plan.steps:
            return ""
        self.plan = plan.replanned(self.step, fits)
        word = "slower" if slower else "faster"
        return f"The machine is {word} than expected: {fits:,} steps instead of {plan.steps:,}."

    @contextlib.contextmanager
    def _own_randomness(self) -> Iterator[None]:
        """Dropout draws from torch's global generators: seed them for the step, then put them back."""
        devices = [self.device.index or 0] if self.device.type == "cuda" else []
        with torch.random.fork_rng(devices=devices):
            number = seed_for(self.seed, "dropout", self.since + self.step).initial_seed()
            torch.default_generator.manual_seed(number)
            if devices:
                torch.cuda.default_generators[devices[0]].manual_seed(number)
            if self.device.type == "mps":  # which fork_rng does not look after
                before = torch.mps.get_rng_state()
                torch.mps.manual_seed(number)
                yield
                torch.mps.set_rng_state(before)
            else:
                yield
