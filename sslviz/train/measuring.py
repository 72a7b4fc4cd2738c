"""How fast a machine trains, and with what it is fastest: a measurement of a few seconds, kept for later."""

from __future__ import annotations

import contextlib
import math
import os
import platform
import statistics
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass, fields, replace
from typing import Any

import numpy as np
import torch

from sslviz import neighbors
from sslviz.features import glimpse
from sslviz.plan import Plan
from sslviz.tasks.base import Task
from sslviz.train.draws import HELDOUT, Images, asked_of_each, seed_for
from sslviz.train.learning import release_memory
from sslviz.train.loop import AHEAD, DRAWN, Training
from sslviz.train.replaying import BEFORE_CAPTURE

TRIAL_SECONDS = 0.3
"""Of steps, to compare two ways; three steps at least, or on a GPU two draws of several."""
MEASURE_SECONDS = 1.0
"""Of steps, in the way that was chosen."""
TRIAL_STEPS = 10
"""Steps that are taken to try other ways, where each takes long."""
PATIENCE, TRYING = 5.0, 0.15
"""Seconds that those may take, or so large a share of the run where that is longer."""
LARGER_BATCHES = 16
"""By what factor a batch may grow to fill a GPU."""
SURE = 1.1
"""How much faster another way must be than the usual one: other work on the machine blurs what is less."""
WORTH = 1.4
"""What twice the batch must bring in speed: with less it only means fewer steps."""
EXAMPLES = 64
"""Examples and images that evaluations are timed on."""
SEARCHED = 500
"""Images that a search for neighbours is timed on. Each takes longer the more they are; a look has 100 to
1,000."""

Calibration = dict[str, Any]
"""Measurements by what they are of; fit for JSON."""


@dataclass(frozen=True)
class Speed:
    """What was measured. Times in seconds."""

    precision: str
    channels_last: bool
    threads: int
    batch: int
    step: float
    """Of one step."""
    evaluate: float
    """Of evaluating one example."""
    prepare: float
    """Of making all held-out examples."""
    looking: float
    """Of the features of one whole image and of its neighbours by each block."""


def measured(
    task: Task,
    images: Images,
    plan: Plan,
    given: Sequence[str],
    model: str,
    device: str,
    calibration: Calibration,
    seconds: float = math.inf,
) -> Speed:
    """The speed of this machine on a run, in the fastest way it can be trained: precision, memory format,
    threads and, on a GPU that a step does not fill, batch, save those that `given` names, which stay as in
    `plan`. Looked up in `calibration` where it was measured before, and added to it where not. On a machine
    so slow that trying would take a good part of the run's `seconds`, not all is tried, and nothing kept."""
    count, side = len(images), images.shape[-1]
    settled = {name: getattr(plan, name) for name in ("batch", "threads", *given)}
    drawing = AHEAD, DRAWN  # by how much a draw is divided decides what a batch costs
    # A GPU's batch is a share of the images, at most.
    size = 0 if device == "cpu" else count.bit_length()
    what = [
        platform.node(), device, task, task.answers(count), size, model, side, settled, torch.__version__,
        drawing, plan.optimizer,
    ]  # fmt: skip
    key = " | ".join(map(str, what))
    try:
        return Speed(**{field.name: calibration[key][field.name] for field in fields(Speed)})
    except (KeyError, TypeError):
        pass
    training = Training(task, images, replace(plan, steps=10**9), model=model, device=device)
    usual = _trial(training, training.plan)
    if TRIAL_STEPS * usual > max(PATIENCE, TRYING * seconds):
        return _speed(training)
    training.plan = _fastest(training, given, usual)
    calibration[key] = asdict(found := _speed(training))
    return found


def _fastest(training: Training, given: Sequence[str], usual: float) -> Plan:
    """The plan with everything that is not `given` as is fastest, one thing after another; `usual` are the
    seconds of a step as it is."""
    best, quickest = training.plan, usual
    for name, others in _choices(training):
        if name in given:
            continue
        for other in others(best):
            changed = replace(best, **{name: other})
            seconds = _trial_that_fits(training, changed)
            if seconds is None:
                break
            gain = quickest / seconds
            if name == "batch":
                gain *= changed.batch / best.batch / WORTH
            if gain <= (1.0 if name == "batch" else SURE):
                break
            best, quickest = changed, seconds
    _adopt(training, best)
    return best


def _choices(training: Training) -> Iterator[tuple[str, Callable[[Plan], list[Any]]]]:
    """What can be chosen, and what else there is to choose, the likeliest first."""
    device = training.device.type
    if has_bf16(training.device):
        yield "precision", lambda best: ["fp32" if best.precision == "bf16" else "bf16"]
    yield "channels_last", lambda best: [not best.channels_last]
    if device == "cpu":
        yield "threads", lambda best: [best.threads // 2] if best.threads > 1 else []
    else:
        rows = len(training.train_rows)
        sizes = [2**power for power in range(1, LARGER_BATCHES.bit_length())]
        yield "batch", lambda best: [best.batch * size for size in sizes if best.batch * size <= rows // 8]


def _trial(training: Training, plan: Plan) -> float:
    """Seconds of a step with this plan, at best: other work on the machine must not decide."""
    _adopt(training, plan)
    # A processor's step is the same whether its batch is drawn alone or with others, and takes long.
    together = training.ahead if training.device.type == "cuda" else 1
    return min(_steps(training, TRIAL_SECONDS, together))


def _trial_that_fits(training: Training, plan: Plan) -> float | None:
    """The same; None where a GPU has no memory for it, which is no matter where there is another plan."""
    with contextlib.suppress(torch.OutOfMemoryError):
        return _trial(training, plan)
    release_memory()
    return None


def _adopt(training: Training, plan: Plan) -> None:
    training.adopt(plan)
    if training.device.type == "cpu":
        torch.set_num_threads(plan.threads)


def _steps(training: Training, least: float, together: int) -> list[float]:
    """Seconds of a step, again and again over `least` seconds, three times or more; the means of so many
    `together`, where they are drawn at once, twice or more."""
    # The first steps choose kernels and fill caches.
    for _ in range(BEFORE_CAPTURE + training.ahead if training.device.type == "cuda" else 1):
        training.train_step()
    wait(training.device)
    began = time.perf_counter()
    taken: list[float] = []
    fewest = 3 if together == 1 else 2
    while len(taken) < fewest or (time.perf_counter() - began < least and len(taken) < 200):
        before = time.perf_counter()
        for _ in range(together):
            training.train_step()
        wait(training.device)
        taken.append((time.perf_counter() - before) / together)
    return taken


def _speed(training: Training) -> Speed:
    """What a run as `training` stands will take."""
    plan, task, device = training.plan, training.task, training.device
    step = statistics.median(_steps(training, MEASURE_SECONDS, training.ahead))
    rows = training.heldout_rows.repeat(-(-EXAMPLES // len(training.heldout_rows)))[:EXAMPLES]
    batch = training.problem.make(rows, seed_for(0, "time"))
    made = len(batch)
    kept = min(made, len(rows) * asked_of_each(len(training.heldout_rows)))
    prepare = _least(lambda: training.problem.make(rows, seed_for(0, "time")), device) * HELDOUT / kept
    evaluate = _least(lambda: training.ask(batch, made), device) / made
    network, some, where = training.network, training.problem.images[:EXAMPLES], str(device)
    seen = glimpse(network, task, some, device=where)
    features = _least(lambda: glimpse(network, task, some, device=where), device) / len(some)
    return Speed(
        plan.precision,
        plan.channels_last,
        plan.threads,
        plan.batch,
        step,
        evaluate,
        prepare,
        features + _search((found.shape[1] for found in seen.values()), device),
    )


def _search(widths: Iterable[int], device: torch.device) -> float:
    """Seconds an image that finding its nearest neighbours takes, by features as wide as these, one after
    the other. What they are does not matter."""
    random = np.random.default_rng(0)
    blocks = [random.standard_normal((SEARCHED, width), np.float32) for width in widths]

    def work() -> None:
        for features in blocks:
            neighbors.search(features, features, neighbors.VOTERS, exclude_self=True)

    return _least(work, device) / SEARCHED


def _least(work: Callable[[], object], device: torch.device, times: int = 3) -> float:
    """Seconds of `work`: the least of a few, since the first fills caches and any may be interrupted."""
    taken = []
    for _ in range(times):
        before = time.perf_counter()
        work()
        wait(device)
        taken.append(time.perf_counter() - before)
    return min(taken)


def wait(device: torch.device) -> None:
    """Until the device has done all that it was given."""
    if device.type == "cuda":
        torch.cuda.synchronize(device)
    elif device.type == "mps":
        torch.mps.synchronize()


def usable_threads() -> int:
    """As many as torch took itself, which heeds OMP_NUM_THREADS, but none for a core we may not use."""
    if hasattr(os, "sched_getaffinity"):
        return max(1, min(torch.get_num_threads(), len(os.sched_getaffinity(0))))
    return torch.get_num_threads()


def has_bf16(device: torch.device) -> bool:
    """Whether the processor multiplies bfloat16 itself; elsewhere it is emulated and slow."""
    if device.type == "cuda":
        return bool(torch.cuda.is_bf16_supported(including_emulation=False))
    if device.type == "cpu":
        try:
            return bool(torch.cpu._is_avx512_bf16_supported() or torch.cpu._is_amx_tile_supported())
        except AttributeError:  # private, so it may go
            return False
    return False
