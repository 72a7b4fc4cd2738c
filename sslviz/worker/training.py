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

from sslviz import journal, origins, settings
from sslviz.errors import UserError
from sslviz.files import writing
from sslviz.imagesets import squares_along
from sslviz.model import Network
from sslviz.options import make_task
from sslviz.plan import Plan
from sslviz.runs import Run, Status, open_run
from sslviz.train import Training
from sslviz.train.learning import release_memory
from sslviz.visible import visible
from sslviz.worker.beginning import known_before, plan_for, saved_state, start_weights
from sslviz.worker.diary import STATUS_SECONDS, Diary, figures_kept
from sslviz.worker.looking import Looker
from sslviz.worker.waiting import Cancelled, Report, Stop, hold_device

LACKING = ("DefaultCPUAllocator", "allocate memory", "out of memory", "STATUS_ALLOC_FAILED")
"""Words of torch's and CUDA's errors where memory does not suffice."""


ALONE = "Its one image is trained on and asked about: what is called held out tells nothing."


def warm_up() -> None:
    """Take a step on noise: torch imports and chooses things at its first one that take seconds."""
    noise = torch.randint(0, 256, (4, 3, 32, 32), generator=torch.Generator().manual_seed(0))
    plan = Plan(steps=1, batch=2, lr=1e-3, weight_decay=0.0)
    Training(make_task("rotation", {}), noise.to(torch.uint8), plan).train_step()


def work_run(run: Run, report: Report | None = None, claim: Callable[[], bool] = lambda: True) -> Status:
    """Train `run` until it is done, cancelled or has failed; returns how it ended. It never raises for what
    goes wrong with the run itself, only `UserError` where another process is at work on it and where it was
    deleted.

    A run with a checkpoint goes on from there. `report` is called at every change of the status. `claim` is
    asked once the run is this process's, and may refuse it: the run is then left as it is.
    """
    run.refuse_deleted()
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
    stop, threads = Stop(run), torch.get_num_threads()
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
        torch.set_num_threads(threads)  # the next run in this process measures for itself
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
    plan, replans = run.spec.plan, run.spec.replans
    try:
        return _train(run, device, stop, tell, halve=True)
    except (RuntimeError, MemoryError) as error:
        if not _lacks_memory(error):
            raise
        run.set_spec(plan=plan, replans=replans)  # as it was: another time there may be room for it
        kept = next(run.checkpoints(), None)
        raise UserError(
            f"There was not enough memory on the {device} device, even with half the batch.",
            "Choose a smaller size, network or batch."
            if kept is None
            else f"What it learned in {kept[0]:,} steps is kept: resume it when other programs leave more.",
        ) from None


def _lacks_memory(error: Exception) -> bool:
    """torch has an error of its own for what it asks of GPUs itself, but none for the processor's memory, nor
    for what CUDA's libraries ask for."""
    ours = isinstance(error, torch.OutOfMemoryError | MemoryError)
    return ours or any(words in str(error) for words in LACKING)


def _train(run: Run, device: str, stop: Stop, tell: Report, *, halve: bool = False) -> dict[str, Any]:
    spec = run.spec
    tell(run.set_status(state="running", started=time.time(), device=device, message="Preparing the images."))
    images = origins.images_of(run)
    task = make_task(spec.task, spec.options)
    task.check_size(spec.size)
    task.check_sides([min(entry.width, entry.height) for entry in images.entries])
    squares = images.squares(spec.size or task.side(images.short_side), _preparing(run))
    saved = saved_state(run, images.fingerprint)
    if stop():
        raise Cancelled
    message, remark = "Training.", run.damage_until(saved[0] if saved else 0)
    if spec.plan is None and spec.steps is None and spec.like is None:
        tell(run.set_status(message="Measuring how fast this machine is."))
    with _alive(run):
        plan = plan_for(run, task, images, squares, device, halve=halve)
    if halve:
        half = _half(plan.batch, saved[0] if saved else 0)
        message, remark = f"Training {half}", f"It trained {half}"
    start, since = (None, spec.since) if saved else start_weights(run)
    if spec.plan is not None and spec.since not in (0, since):  # the other run has been trained on meanwhile
        remark = f"{remark} It began anew from weights with {since:,} steps behind them, not {spec.since:,}."
    along = squares_along(images, squares.shape[-1], plan.squares, _preparing(run))
    with _alive(run):
        training = Followed(
            task,
            squares,
            plan,
            model=spec.model,
            seed=spec.seed,
            device=device,
            start=start,
            since=since,
            along=along,
        )
        known = ALONE if len(images) == 1 else known_before(run, images, training.heldout_rows)
    remark = f"{remark} {known}".strip()
    training.stop = stop
    training.looker = Looker(images, squares, plan.look, spec.seed, device)
    training.untrained = training.fresh_network() if training.looker.able else None
    run.keep_metrics(saved[0] if saved else -1)
    if saved:
        training.load_state(saved[1])
    given_up = [spec.plan] if halve and saved and spec.plan else []
    run = run.set_spec(
        plan=asdict(training.plan),
        replans=[*spec.replans, *given_up],
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
            seconds=training.seconds,
            classes=training.problem.classes,
            chance=training.chance,
            message=message,
            **figures_kept(run),
            **({"remark": remark} if remark else {}),
        )
    )
    training.diary = Diary(run, training, tell)
    return _follow(training.diary)


def _half(batch: int, step: int) -> str:
    since_when = f", from step {step:,} on" if step else ""
    return f"with half the batch, {batch}{since_when}: memory did not suffice for more."


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
            diary.checkpoint()
        raise
    diary.checkpoint()
    return {"state": "done", "message": "Done.", "steps": training.plan.steps, **diary.ended()}
