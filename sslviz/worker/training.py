"""One training run, from its folder to its folder: images, task, plan, loop, metrics and checkpoints."""

from __future__ import annotations

import contextlib
import os
import threading
import time
import traceback
from collections.abc import Callable, Iterator
from dataclasses import asdict
from typing import Any

import torch
from filelock import FileLock, Timeout
from safetensors.torch import save

from sslviz import journal, origins, settings
from sslviz.errors import UserError
from sslviz.files import writing
from sslviz.model import Network
from sslviz.options import make_task
from sslviz.plan import Plan
from sslviz.runs import Run, Status, checkpoints, open_run
from sslviz.train import Metrics, Training
from sslviz.train.learning import release_memory
from sslviz.visible import visible
from sslviz.worker.beginning import plan_for, plan_of, saved_state, start_weights
from sslviz.worker.looking import Looker
from sslviz.worker.memory import memory_bytes
from sslviz.worker.snapshots import Snapshots
from sslviz.worker.waiting import Cancelled, Report, Stop, hold_device

CHECKPOINT_SECONDS = 10.0
STATUS_SECONDS = 1.0


def warm_up() -> None:
    """Take a step on noise: torch imports and chooses things at its first one that take seconds."""
    noise = torch.randint(0, 256, (4, 3, 32, 32), generator=torch.Generator().manual_seed(0))
    plan = Plan(steps=1, batch=2, lr=1e-3, weight_decay=0.0)
    Training(make_task("rotation", {}), noise.to(torch.uint8), plan).train_step()


def work_run(run: Run, report: Report | None = None, claim: Callable[[], bool] = lambda: True) -> Status:
    """Train `run` until it is done, cancelled or has failed; returns how it ended. It never raises for what
    goes wrong with the run itself, only `UserError` where another process is at work on it.

    A run with a checkpoint goes on from there. `report` is called at every change of the status. `claim` is
    asked once the run is this process's, and may refuse it: the run is then left as it is.
    """
    lock = FileLock(run.lock, thread_local=False)
    try:
        # Whoever asks whether the run lives holds its lock for an instant.
        with writing(run.folder):
            lock.acquire(timeout=5)
    except Timeout:
        raise UserError(f"Run {run.id} is already at work.", "Wait for it, or cancel it.") from None
    if not claim():
        lock.release()
        return run.status()
    tell = report or (lambda _: None)
    stop = Stop(run)
    try:
        with stop.listening():
            tell(run.set_status(state="queued", message="Starting.", hint="", pid=os.getpid(), finished=None))
            status = _attempt(run, stop, tell)
        tell(status)
        if settings.load().server:
            seconds = round(status.seconds, 1)
            told = {"state": str(status.state), "task": run.spec.task}
            journal.note("run ended", "info", run.workspace.name, seconds=seconds, **told)
        return status
    except UserError as error:  # the disk had no room for how it stands, and may have some again
        return run.set_status(
            state="failed", message=error.message, hint=error.hint, finished=time.time(), pid=None
        )
    finally:
        run.cancel_flag.unlink(missing_ok=True)
        lock.release()


def _attempt(run: Run, stop: Stop, tell: Report) -> Status:
    """Train, and say how it ended."""
    ended: dict[str, Any]
    try:
        with hold_device(run.spec.device, run, stop, tell) as device:
            ended = _train_with_half(run, device, stop, tell)
    except Cancelled:
        step = run.read_status().step
        message = f"Cancelled at step {step}." if step else "Cancelled."
        if stop.overdue():
            minutes = "one minute" if stop.limit == 1 else f"{stop.limit:g} minutes"
            message = f"Stopped at step {step:,} after {minutes}, which is the most that a run may take here."
        ended = {"state": "cancelled", "message": message}
    except UserError as error:
        ended = {"state": "failed", "message": error.message, "hint": error.hint}
    except KeyboardInterrupt:
        ended = {"state": "cancelled", "message": "Interrupted."}
    except MemoryError:
        ended = {
            "state": "failed",
            "message": "There was not enough memory.",
            "hint": "Use fewer or smaller images.",
        }
    except Exception as error:
        _log(run, traceback.format_exc())
        said = str(error).strip().split("\n")[0][:200]
        ended = {
            "state": "failed",
            "message": f"Training stopped with an error: {type(error).__name__}{': ' if said else ''}{said}",
            "hint": f"{run.log} has the details.",
        }
    return run.set_status(finished=time.time(), pid=None, **ended)


def _log(run: Run, text: str) -> None:
    with contextlib.suppress(OSError), run.log.open("a", encoding="utf-8") as file:
        file.write(visible(text, keep="\n"))


class Followed(Training):
    """Training that ends between two steps when it is asked to, and whose diary is kept meanwhile."""

    stop: Stop
    diary: Diary
    looker: Looker
    untrained: Network | None
    """The network before training, until it has been looked at."""

    def train_step(self) -> None:
        self.stop.begin()
        if self.stop():
            raise Cancelled
        self.diary.keep()
        super().train_step()

    def between(self) -> None:
        self.diary.say_how_it_stands()

    def look(self) -> dict[str, Any]:
        if not self.looker.able:
            return {}
        if self.untrained is not None:
            self.diary.figures |= self.looker.find_without(self.untrained, self.task)
            self.untrained = None
            self.diary.say_how_it_stands()
        block, share = self.looker.find(self.network, self.task)
        return {"knn_accuracy": share, "knn_block": block}


class Diary:
    """What a run at work writes down: how it stands once a second, what a resume needs every ten.

    By the clock and not by metrics, between which there may be a few seconds or many minutes.
    """

    def __init__(self, run: Run, training: Training, tell: Report) -> None:
        self.run, self.training, self.tell = run, training, tell
        self.wrote = self.told = time.monotonic()
        self.figures: dict[str, Any] = {}
        self.fresh = False
        self.snapshots = Snapshots(run, training)
        self.snapshots.drop_later()

    def keep(self) -> None:
        """Between two steps: write what is due. Costs two looks at the clock."""
        self.say_how_it_stands()
        if self.training.step and time.monotonic() - self.wrote > CHECKPOINT_SECONDS:
            _checkpoint(self.run, self.training)
            self.wrote = time.monotonic()
        if (failed := self.snapshots.keep()) and "remark" not in self.figures:
            self.figures["remark"] = f"{self.run.read_status().remark} {failed}".strip()

    def note(self, metrics: Metrics) -> None:
        """Add metrics to the curves, and a plan that has changed to the spec."""
        self.run.append_metric(asdict(metrics))
        self.figures |= _figures(metrics)
        self.fresh = True
        if metrics.note or self.training.plan != plan_of(self.run):
            self.run = _replanned(self.run, self.training.plan)
            self.figures |= {"steps": self.training.plan.steps}
        self.say_how_it_stands(at_once=metrics.step == 1)

    def say_how_it_stands(self, *, at_once: bool = False) -> None:
        """Write the status where it is a second old."""
        if at_once or time.monotonic() - self.told > STATUS_SECONDS:
            # Of one or two steps the speed would be a matter of chance.
            figures = self.figures if self.fresh else self.now()
            memory = memory_bytes(self.training.device)
            self.tell(self.run.set_status(**figures | {"memory_bytes": memory}))
            self.told, self.fresh = time.monotonic(), False

    def now(self) -> dict[str, Any]:
        """The figures of the last metrics, save those that are known of every step."""
        training, speed = self.training, self.training.views_per_second
        figures = self.figures | {
            "step": training.step,
            "seconds": training.seconds,
            "evaluation_seconds": training.evaluation_seconds,
        }
        return figures | ({} if speed is None else {"views_per_second": speed})


def _train_with_half(run: Run, device: str, stop: Stop, tell: Report) -> dict[str, Any]:
    """Train; where memory does not suffice, go on with half the batch from the last checkpoint, or begin anew
    where there is none yet. Nothing that was learned is lost, whatever comes of it."""
    try:
        return _train(run, device, stop, tell)
    except (RuntimeError, MemoryError) as error:
        if not _lacks_memory(error):
            raise
        _log(run, traceback.format_exc())
    release_memory()
    run = open_run(run.workspace, run.id)
    plan = run.spec.plan
    try:
        return _train(run, device, stop, tell, halve=True)
    except (RuntimeError, MemoryError) as error:
        if not _lacks_memory(error):
            raise
        run.set_spec(plan=plan)  # as it was: another time there may be room for it
        kept = next(run.checkpoints(), None)
        raise UserError(
            f"There was not enough memory on the {device} device, even with half the batch.",
            "Choose a smaller size, network or batch."
            if kept is None
            else f"What it learned in {kept[0]:,} steps is kept: resume it when other programs leave more.",
        ) from None


def _lacks_memory(error: Exception) -> bool:
    """torch has an error of its own for GPUs, but none for the processor's memory."""
    ours = isinstance(error, torch.OutOfMemoryError | MemoryError)
    return ours or "DefaultCPUAllocator" in str(error) or "allocate memory" in str(error)


def _train(run: Run, device: str, stop: Stop, tell: Report, *, halve: bool = False) -> dict[str, Any]:
    spec = run.spec
    tell(run.set_status(state="running", started=time.time(), device=device, message="Preparing the images."))
    images = origins.images_of(run)
    task = make_task(spec.task, spec.options)
    task.check_sides([min(entry.width, entry.height) for entry in images.entries])
    squares = images.squares(spec.size or task.side(images.short_side), _preparing(run))
    saved = saved_state(run, images.fingerprint)
    if stop():
        raise Cancelled
    message, remark = "Training.", run.damage_until(saved[0] if saved else 0)
    if spec.plan is None and spec.steps is None and spec.like is None:
        tell(run.set_status(message="Measuring how fast this machine is."))
    with _alive(run):
        plan = plan_for(run, task, squares, device, halve=halve)
    if halve:
        since_when = f", from step {saved[0]:,} on" if saved else ""
        half = f"with half the batch, {plan.batch}{since_when}: memory did not suffice for more."
        message, remark = f"Training {half}", f"It trained {half}"
    start, since = (None, spec.since) if saved else start_weights(run)
    with _alive(run):
        training = Followed(
            task, squares, plan, model=spec.model, seed=spec.seed, device=device, start=start, since=since
        )
    training.stop = stop
    training.looker = Looker(images, squares, plan.look, spec.seed, device)
    training.untrained = training.fresh_network() if training.looker.able else None
    run.keep_metrics(saved[0] if saved else -1)
    if saved:
        training.load_state(saved[1])
    run = run.set_spec(
        plan=asdict(training.plan),
        images_id=images.folder.name,
        fingerprint=images.fingerprint,
        count=len(images),
        labels=len(images.label_counts()),
        side=squares.shape[-1],
        view=training.view,
        classes=training.problem.classes,
        since=since,
    )
    tell(
        run.set_status(
            steps=training.plan.steps,
            step=training.step,
            classes=training.problem.classes,
            chance=training.chance,
            message=message,
            **({"remark": remark} if remark else {}),
        )
    )
    training.diary = Diary(run, training, tell)
    return _follow(training.diary)


def _preparing(run: Run) -> Callable[[int, int], None]:
    """Report of how many squares are made, once a second."""
    told = time.monotonic()

    def report(done: int, total: int) -> None:
        nonlocal told
        if time.monotonic() - told > STATUS_SECONDS:
            told = time.monotonic()
            run.set_status(message=f"Preparing the images: {done:,} of {total:,}.")

    return report


@contextlib.contextmanager
def _alive(run: Run) -> Iterator[None]:
    """Say once a second that the process is at work, through what takes long and reports nothing.

    Within it nobody else may write the status.
    """
    over = threading.Event()

    def say() -> None:
        while not over.wait(STATUS_SECONDS):
            with contextlib.suppress(OSError, UserError):
                run.set_status()

    thread = threading.Thread(target=say, name="alive", daemon=True)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()


def _follow(diary: Diary) -> dict[str, Any]:
    """Run the loop and write down what it yields."""
    training = diary.training
    try:
        for metrics in training.run():
            diary.note(metrics)
    except Cancelled:
        diary.run.set_status(**diary.now())
        if training.step:
            _checkpoint(diary.run, training)
        raise
    _checkpoint(diary.run, training)
    return {"state": "done", "message": "Done.", "steps": training.plan.steps, **diary.figures}


def _figures(metrics: Metrics) -> dict[str, Any]:
    figures: dict[str, Any] = {
        "step": metrics.step,
        "seconds": metrics.seconds,
        "loss": metrics.loss,
        "train_accuracy": metrics.accuracy,
        "views_per_second": metrics.views_per_second,
        "evaluation_seconds": metrics.evaluation_seconds,
    }
    if metrics.heldout_accuracy is not None:
        figures |= {"heldout_accuracy": metrics.heldout_accuracy, "heldout_loss": metrics.heldout_loss}
    if metrics.knn_accuracy is not None:
        figures["knn_accuracy"] = metrics.knn_accuracy
    return figures


def _replanned(run: Run, plan: Plan) -> Run:
    earlier = [*run.spec.replans, run.spec.plan or {}]
    return run.set_spec(plan=asdict(plan), replans=earlier)


def _checkpoint(run: Run, training: Training) -> None:
    network = {k: v.detach().cpu().contiguous() for k, v in training.network.state_dict().items()}
    state = {k: v.detach().cpu().contiguous() for k, v in training.state().items()}
    numbers = (value for value in state.values() if value.is_floating_point())
    if not all(bool(torch.isfinite(value).all()) for value in numbers):  # the last good one stays
        raise UserError(
            f"The weights became NaN by step {training.step:,}; lower the learning rate.",
            f"It was {training.plan.lr:g} at its highest.",
        )
    run.save_checkpoint(training.step, {checkpoints.MODEL: save(network), checkpoints.RESUME: save(state)})
