"""The device a run trains on, and what can make it wait or stop."""

from __future__ import annotations

import contextlib
import signal
import threading
import time
from collections.abc import Callable, Iterator

import torch

from sslviz import jobs
from sslviz.errors import UserError
from sslviz.runs import Run, Status
from sslviz.worker.locks import first_free

Report = Callable[[Status], None]
WAIT_SECONDS = 0.2


class Cancelled(Exception):  # noqa: N818 - no error
    """Somebody asked the run to stop."""


def resolve_device(name: str) -> str:
    """The device that "auto" or a person's word stands for: "cpu", "cuda:0", "mps".

    Raises `UserError` for one that is not there.
    """
    mps = torch.backends.mps.is_available()
    if name == "auto":
        return usable_devices()[0]
    if name == "cpu" or (name == "mps" and mps):
        return name
    kind, _, number = name.partition(":")
    if kind == "cuda" and (not number or number.isdigit()):
        index = int(number or 0)
        if torch.cuda.is_available() and index < torch.cuda.device_count():
            return f"cuda:{index}"
        raise UserError(f"There is no GPU {name!r} that torch can use here.", "Use --device cpu.")
    if name == "mps":
        raise UserError("There is no Apple GPU that torch can use here.", "Use --device cpu.")
    raise UserError(f"There is no device {name!r}.", "Choose auto, cpu, cuda or mps.")


def usable_devices() -> tuple[str, ...]:
    """What "auto" may stand for here: every GPU, or else the one other device there is."""
    if torch.cuda.is_available():
        return tuple(f"cuda:{index}" for index in range(torch.cuda.device_count()))
    return ("mps",) if torch.backends.mps.is_available() else ("cpu",)


class Stop:
    """Whether the run was asked to stop: by its flag file, or by SIGTERM or Ctrl-C to this process."""

    def __init__(self, run: Run) -> None:
        self.flag = run.cancel_flag
        self.limit = run.spec.limit if run.spec.minutes is None else None
        self.until: float | None = None
        self.signalled = False
        self.looked = 0.0

    def __call__(self) -> bool:
        now = time.monotonic()
        if not self.signalled and now - self.looked > WAIT_SECONDS:
            self.looked = now
            if self.flag.exists():  # a signal may have come meanwhile, which must not be forgotten
                self.signalled = True
        return self.signalled or self.overdue()

    def begin(self) -> None:
        """From the first of these on the minutes count that a run of a number of steps may take; one of so
        many minutes was asked for them."""
        if self.limit is not None and self.until is None:
            self.until = time.monotonic() + 60 * self.limit

    def overdue(self) -> bool:
        """Whether those minutes are over."""
        return self.until is not None and time.monotonic() > self.until

    @contextlib.contextmanager
    def listening(self) -> Iterator[None]:
        """Take the signals for as long as the run lasts; a second Ctrl-C ends the process at once."""
        if threading.current_thread() is not threading.main_thread():
            yield
            return

        def heed(number: int, frame: object) -> None:  # noqa: ARG001
            if self.signalled and number == signal.SIGINT:
                raise KeyboardInterrupt
            self.signalled = True

        before = {number: signal.signal(number, heed) for number in (signal.SIGINT, signal.SIGTERM)}
        try:
            yield
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)


@contextlib.contextmanager
def hold_device(name: str, run: Run, stop: Stop, tell: Report) -> Iterator[str]:
    """Hold the device that `name` stands for, or the first of several that is free, and yield it: one run a
    device at a time, whoever started it. Raises `UserError` for one that is not there."""
    usable = usable_devices()
    jobs.note_devices(usable)
    devices = usable if name == "auto" else (resolve_device(name),)
    asked = time.monotonic()
    told = False

    def waiting() -> None:
        nonlocal told
        if stop():
            raise Cancelled
        if not told and time.monotonic() - asked > 0.5:
            which = f"the {devices[0]} device" if len(devices) == 1 else "one of the devices"
            tell(run.set_status(message=f"Waiting for another run to leave {which}."))
            told = True

    places = {device: jobs.device_lock(device) for device in devices}
    with first_free(places, WAIT_SECONDS, waiting) as device:
        yield device
