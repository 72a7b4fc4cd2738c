"""The queue of training runs.

A queued run is a ticket in `home/queue`, named by time and run id and holding the run's folder. The
supervisor (`sslviz.supervisor`) claims it by renaming it into `home/running`, which only one process can do,
and the worker takes it by renaming it once more: whoever dies in between, a ticket is worked on once.

Turns go round the workspaces that have runs waiting, so that fifty runs of one class do not make another
wait for fifty; within a workspace it is first come, first served. The order is start-time fair queueing
(Goyal, Vin and Cheng 1996) with every run counted as one: a workspace's next run is due at one more than its
last one was, or now, where that is later.
"""

from __future__ import annotations

import contextlib
import heapq
import time
from bisect import bisect_right, insort
from collections import deque
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

from filelock import FileLock

from sslviz import quotas, runs, settings
from sslviz.errors import UserError
from sslviz.files import as_json, read_json, replacing, write_json, writing
from sslviz.jobs import processes
from sslviz.jobs.processes import lock_file
from sslviz.runs import Run, Spec, Status, is_held, new_id

DOUBLE_CLICK_SECONDS = 3.0
"""The same run asked for again within this time is the same click, in whatever tab it is heard."""
ALIKE = 100
"""Runs that are looked through, newest first, for a click heard twice or for a speed."""
ANY = "any"
"""Stands for every device, while it is not known which there are."""
BEGUN = "begun-"
"""What a worker puts before the name of a ticket that it takes."""
FOUND_OUT = frozenset(
    ("images_id", "fingerprint", "count", "labels", "since", "plan", "replans", "side", "view", "classes",
     "created", "limit", "schema")
)  # fmt: skip
"""What a run's spec learns after it was asked for."""


# Asking


def ask(workspace: Path, spec: Spec) -> Run:
    """Make a run and queue it. The same asked for twice within three seconds is one run, whichever tab or
    server hears the second click.

    Raises `UserError` for a spec whose values make no sense, a home that cannot be written to, and more than
    a workspace may ask for.
    """
    lock = lock_file("ask")
    with writing(lock.parent), FileLock(lock, timeout=30):
        known = _just_asked(workspace, spec)
        if known is None:
            quotas.check_minutes(workspace, spec.minutes)
            _check_waiting(workspace)
        run = known or runs.create(workspace, spec)
        if run.status().state == "done":  # known, and so short that it is over
            return run
        try:
            submit(run)
        except BaseException:
            if known is None:  # one that waits for nothing would be half of what was asked
                run.delete()
            raise
    return run


def _check_waiting(workspace: Path) -> None:
    if quotas.limits_of(workspace).most_queued:
        whose = str(workspace.resolve())
        quotas.check_waiting(workspace, sum(_workspace(ticket) == whose for ticket in _unordered()))


def _just_asked(workspace: Path, spec: Spec) -> Run | None:
    wanted = _asked(spec)
    for run in runs.newest(workspace, ALIKE):
        if abs(time.time() - run.spec.created) < DOUBLE_CLICK_SECONDS and _asked(run.spec) == wanted:
            return run if run.status().state in ("queued", "running", "done") else None
    return None


def _asked(spec: Spec) -> dict[str, Any]:
    return {name: value for name, value in asdict(spec).items() if name not in FOUND_OUT}


def submit(run: Run) -> None:
    """Queue a run, new or to be resumed, and see to it that a supervisor lives. Twice is once.

    Raises `UserError` for a home that cannot be written to, a run that was deleted, and where as many of the
    workspace wait as may.
    """
    run.refuse_read_only("be resumed")
    run.refuse_deleted()
    queue = settings.load().home / "queue"
    with writing(queue):
        queue.mkdir(parents=True, exist_ok=True)
        with FileLock(lock_file("submit"), timeout=30):
            if run.status().finished_state:
                _drop_tickets(run, queue)  # one that was cancelled while it waited
            if not any(queue.glob(f"*-{run.id}")) and _settled(run):
                _check_waiting(run.workspace)
                _enqueue(run, queue)
    # For a run that waits already, too: its supervisor may have died.
    processes.start_supervisor()


def _enqueue(run: Run, queue: Path) -> None:
    _drop_tickets(run, queue.with_name("running"))  # of an earlier turn, not yet cleared away
    run.cancel_flag.unlink(missing_ok=True)
    last = max((path.name for path in _unordered()), default="")
    ticket = queue / f"{new_id(last[:12])}-{run.id}"
    with replacing(ticket) as file:  # what a full disk refuses, it refuses before the run says that it waits
        file.write(as_json({"folder": str(run.folder.resolve())}))
        run.set_status(state="queued", message="Waiting for its turn.", hint="", finished=None, pid=None)


def _drop_tickets(run: Run, folder: Path) -> None:
    for ticket in folder.glob(f"*-{run.id}"):
        ticket.unlink(missing_ok=True)


def _settled(run: Run) -> bool:
    """Whether nobody works on the run or is about to; one that has just ended is given time to let go."""
    until = time.monotonic() + 2
    while is_held(run.lock):
        if not run.read_status().finished_state or time.monotonic() > until:
            return False
        time.sleep(0.05)
    claimed = any((settings.load().home / "running").glob(f"*-{run.id}"))
    return not (claimed and run.status().state == "queued")


# Whose turn it is


def tickets() -> list[Path]:
    """Tickets of the runs that wait, in the order of their turns."""
    now, due = _turns_taken()
    return [ticket for ticket, _ in _in_turn(_unordered(), now, due)]


def take_turn(ticket: Path) -> None:
    """Remember that the run of `ticket` had its turn, so that its workspace's next one waits for the
    others'. For the supervisor, which is alone."""
    now, due = _turns_taken()
    workspace = _workspace(ticket)
    start = max(now, due.get(workspace, 0))
    due[workspace] = start + 1
    kept = {name: turn for name, turn in due.items() if turn > start}  # of the others nothing is left to say
    with contextlib.suppress(OSError, UserError):
        write_json(_turns_file(), {"now": start, "due": kept})


def _in_turn(waiting: Iterable[Path], now: int, due: dict[str, int]) -> list[tuple[Path, str]]:
    """(ticket, workspace) in the order of their turns; see the top of this file."""
    lines: dict[str, deque[Path]] = {}
    for ticket in sorted(waiting):
        lines.setdefault(_workspace(ticket), deque()).append(ticket)
    heap = [(max(now, due.get(name, 0)), line[0].name, name) for name, line in lines.items()]
    heapq.heapify(heap)
    order = []
    while heap:
        turn, _, name = heapq.heappop(heap)
        order.append((lines[name].popleft(), name))
        if lines[name]:
            heapq.heappush(heap, (turn + 1, lines[name][0].name, name))
    return order


def _unordered() -> list[Path]:
    try:
        return [p for p in (settings.load().home / "queue").glob("*-*") if not p.name.startswith(".")]
    except OSError:  # a home that cannot be looked into
        return []


def _workspace(ticket: Path) -> str:
    """The workspace of a ticket's run, by its path; empty where the ticket cannot be read."""
    try:
        return str(Path(_folder(str(ticket.parent.parent), ticket.name)).parent.parent)
    except (OSError, ValueError, TypeError, KeyError):
        return ""


@lru_cache(maxsize=20_000)
def _folder(home: str, name: str) -> str:
    """The folder that a ticket holds: written once and never changed, but moved."""
    for path in (f"queue/{name}", f"running/{name}", f"running/{BEGUN}{name}"):
        with contextlib.suppress(FileNotFoundError):
            return str(read_json(Path(home) / path)["folder"])
    raise FileNotFoundError(name)


def _turns_file() -> Path:
    return settings.load().home / "cache" / "turns.json"


def _turns_taken() -> tuple[int, dict[str, int]]:
    """(the turn of the run that started last, the turn that is each workspace's next)."""
    try:
        value = read_json(_turns_file())
        return int(value["now"]), {str(name): int(turn) for name, turn in value["due"].items()}
    except (OSError, ValueError, TypeError, KeyError, AttributeError):
        return 0, {}


def begin_turn(ticket: Path) -> bool:
    """Take a claimed ticket, for the worker that holds its run's lock; false where another has it, or where
    it went back into the queue."""
    try:
        ticket.rename(ticket.with_name(BEGUN + ticket.name))
    except OSError:
        return False
    return True


def end_turn(ticket: Path) -> None:
    """Do away with a claimed ticket, taken or not."""
    ticket.unlink(missing_ok=True)
    ticket.with_name(BEGUN + ticket.name).unlink(missing_ok=True)


def run_of(ticket: Path) -> Run | None:
    """The run of a ticket, or None where the run is gone or cannot be read."""
    try:
        folder = Path(_folder(str(ticket.parent.parent), ticket.name.removeprefix(BEGUN)))
    except (OSError, ValueError, TypeError, KeyError):
        return None
    run = runs.read_run(folder)
    return None if run.damage else run


# When its turn comes


@dataclass(frozen=True)
class Turn:
    """When a waiting run will start."""

    place: int
    """Waiting runs that start before it, on a device it could have."""
    seconds: float
    """Until then, or at least until then."""
    known: bool
    """Whether no run ahead takes nobody knows how long."""


def place(run: Run) -> int | None:
    """Waiting runs that start before this one, or None where it does not wait."""
    found = turn(run)
    return None if found is None else found.place


def expected_wait(run: Run) -> float | None:
    """Seconds until its turn, from what is left of the runs at work and what those ahead will take.

    None where it does not wait, and where a run ahead is of a number of steps and nothing is known of
    their speed; `turn` then says what it is at least. Among runs for one device alone and runs for any it is
    an estimate: the former may start before their turn where theirs is free.
    """
    found = turn(run)
    return found.seconds if found is not None and found.known else None


def turn(run: Run) -> Turn | None:
    """Its place and when it will start, or None where it does not wait."""
    if not any(ticket.name.endswith(f"-{run.id}") for ticket in _unordered()):
        return None
    return turns().get(run.id)


def turns() -> dict[str, Turn]:
    """The turn of every run that waits, by its id: what the supervisor will do, reckoned through."""
    devices = processes.known_devices()
    free: dict[str, tuple[float, bool]] = {}  # when each device is, and whether that is known
    for ticket in (settings.load().home / "running").glob("*-*"):
        other = run_of(ticket)
        if other is not None:
            _occupy(free, _device_of(other, devices), seconds_left(other))
    found: dict[str, Turn] = {}
    starts: dict[frozenset[str], list[float]] = {}
    for ticket in tickets():
        other = run_of(ticket)
        if other is None or other.read_status().state != "queued" or other.cancel_flag.exists():
            continue
        slots = slots_of(other.spec.device, devices)
        start, known = _occupy(free, slots, seconds_left(other))
        before = sum(bisect_right(those, start) for theirs, those in starts.items() if slots & theirs)
        insort(starts.setdefault(slots, []), start)
        found[other.id] = Turn(before, start, known)
    return found


def _occupy(
    free: dict[str, tuple[float, bool]], slots: frozenset[str], seconds: float | None
) -> tuple[float, bool]:
    """Give a run the one of `slots` that is free first; returns when that is, and whether it is known."""
    slot = min(sorted(slots), key=lambda name: free.get(name, (0.0, True))[0])
    start, known = free.get(slot, (0.0, True))
    free[slot] = start + (seconds or 0.0), known and seconds is not None
    return start, known


def slots_of(device: str, devices: tuple[str, ...]) -> frozenset[str]:
    """The devices that a run may have that asked for `device`, where there are `devices`. While it is not
    known which there are, it is all one, and one run is at work at a time."""
    if not devices:
        return frozenset((ANY,))
    if device == "auto":
        return frozenset(devices)
    return frozenset(("cuda:0" if device == "cuda" else device,))


def _device_of(run: Run, devices: tuple[str, ...]) -> frozenset[str]:
    """The device that a claimed run has, or may get."""
    status = run.read_status()
    at_work = status.state == "running" and status.device and devices
    return frozenset((status.device,)) if at_work else slots_of(run.spec.device, devices)


def seconds_left(run: Run) -> float | None:
    """What a run, at work or waiting, will take: from its own speed, its budget, the run it replays, or the
    speed of the newest run like it, and no more than it may; None where none of these tells."""
    status = run.read_status()
    found = _unlimited(run, status)
    if run.spec.limit is None or run.spec.minutes is not None:  # which were held against the limit already
        return found
    at_work = time.time() - status.started if status.state == "running" and status.started else 0.0
    left = max(0.0, 60.0 * run.spec.limit - at_work)
    return left if found is None else min(found, left)


def _unlimited(run: Run, status: Status) -> float | None:
    spec = run.spec
    if status.step and status.steps and status.seconds:
        return status.seconds / status.step * max(0, status.steps - status.step)
    if spec.minutes is not None:
        return max(0.0, 60.0 * spec.minutes - status.seconds)
    if spec.like is not None:
        liked = runs.read_run(run.workspace / "runs" / spec.like)
        like = liked.read_status()
        return like.seconds / like.step * like.steps if like.step and like.seconds else None
    if spec.steps is None:
        return 60.0
    wanted = _kind(spec)
    for other in runs.newest(run.workspace, ALIKE):
        if _kind(other.spec) == wanted and other.id != run.id:
            theirs = other.read_status()
            if theirs.step and theirs.seconds:
                return theirs.seconds / theirs.step * spec.steps
    return None


def _kind(spec: Spec) -> tuple[object, ...]:
    """What the speed of a step depends on, as far as it was asked for."""
    return (spec.task, spec.model, spec.size, spec.batch, spec.precision, spec.device, spec.options)
