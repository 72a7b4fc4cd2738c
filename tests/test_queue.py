"""The queue: each run once whoever asks, fair between workspaces, one a GPU, and places that come true."""

from __future__ import annotations

import os
import time
from collections import Counter
from collections.abc import Iterator
from itertools import combinations, pairwise
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import settings as effort
from hypothesis import strategies as st
from small_runs import end_all, make_set, python, wait_for

from sslviz import jobs, runs, settings
from sslviz.jobs import processes
from sslviz.jobs.queue import seconds_left
from sslviz.runs import Run, Spec
from sslviz.supervisor import Supervisor

# Python imports this at the start of every process that the supervisor starts. It is for workers alone.
SHIM = """
import os, sys
if "sslviz.worker" in sys.orig_argv:
    from sslviz.train import draws, planning
    from sslviz.worker import training
    draws.HELDOUT = planning.GLANCE = 16
    attempt = training._attempt
    def counted(run, *rest):
        with open(os.environ["SHIM_LOG"], "a") as log:
            log.write(run.id + "\\n")
        return attempt(run, *rest)
    training._attempt = counted
"""
SERVER = """
import sys, time
from sslviz import jobs, settings
from sslviz.runs import Spec
lock = jobs.serve()
for seed in range(int(sys.argv[1]), int(sys.argv[2])):
    few = dict(size=16, steps=1, batch=4, device="cpu", threads=1, precision="fp32")
    spec = Spec("rotation", "pics", seed=seed, **few)
    run = jobs.ask(settings.workspace(), spec)
    assert jobs.ask(settings.workspace(), spec).id == run.id
    jobs.submit(run)
time.sleep(1000)
"""


@pytest.fixture
def attempts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """The file to which each worker adds the run that it begins."""
    (tmp_path / "sitecustomize.py").write_text(SHIM)
    log = tmp_path / "attempts.txt"
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    monkeypatch.setenv("SHIM_LOG", str(log))
    monkeypatch.setenv("SSLVIZ_LINGER_SECONDS", "0.5")
    monkeypatch.setenv("SSLVIZ_READY_FOR_JOBS", "0")
    yield log
    end_all()
    for run in mine():
        run.cancel()
    wait_for(lambda: not runs.is_held(jobs.supervisor_lock()))


def mine() -> list[Run]:
    return [run for run in runs.listing(settings.workspace()) if not run.bundled]


def ended() -> int:
    return sum(run.status().state == "done" for run in mine())


def submit_from_two_servers(count: int, attempts: Path) -> None:
    make_set()
    for first in (0, count // 2):
        python(SERVER, str(first), str(first + count // 2))
    done = 0
    while done < count:  # each run takes seconds, and how many depends on what else the machine does
        wait_for(lambda so_far=done: ended() > so_far)  # type: ignore[misc]
        done = ended()
    found = mine()
    assert sorted(run.spec.seed for run in found) == list(range(count))
    assert Counter(attempts.read_text().split()) == Counter({run.id: 1 for run in found})
    for run in found:
        assert [point["step"] for point in run.metrics()] == [1]
    assert jobs.tickets() == []
    wait_for(lambda: not list((settings.load().home / "running").iterdir()))


@pytest.mark.slow
def test_fifty_submissions_of_two_servers_are_fifty_runs_each_once(attempts: Path) -> None:
    submit_from_two_servers(50, attempts)


# Without processes: who is next


@pytest.fixture
def nobody(monkeypatch: pytest.MonkeyPatch) -> None:
    """No supervisor is started, and nothing waits for the disk."""
    monkeypatch.setattr(processes, "start_supervisor", lambda: None)
    monkeypatch.setattr(os, "fsync", lambda _: None)
    (settings.load().home / "running").mkdir()


def clear() -> None:
    """An empty queue that remembers no turns: hypothesis tries many examples on one home."""
    home = settings.load().home
    for folder in ("queue", "running"):
        for ticket in (home / folder).glob("*"):
            ticket.unlink()
    (home / "cache" / "turns.json").unlink(missing_ok=True)


def ask(workspace: int, **wanted: Any) -> Run:
    run = runs.create(settings.workspace(f"w{workspace}"), Spec("rotation", "x", **wanted))
    jobs.submit(run)
    return run


def workspace_of(ticket: Path) -> str:
    run = jobs.run_of(ticket)
    assert run is not None
    return run.workspace.name


@pytest.mark.usefixtures("nobody")
@effort(max_examples=30, deadline=None)
@given(st.lists(st.one_of(st.integers(0, 3), st.none()), min_size=1, max_size=25))
def test_turns_are_those_of_a_plain_count(events: list[int | None]) -> None:
    """A number is a run asked for in that workspace, None is a turn taken. Each run's turn is reckoned once,
    when it is asked for: one after the workspace's last, or the turn now. Smaller turns go first."""
    clear()
    now, last, waiting = 0, Counter[str](), list[tuple[int, str, str]]()
    for event in events:
        if event is not None:
            run = ask(event)
            name = run.workspace.name
            tag = max(now, last[name])
            last[name] = tag + 1
            waiting.append((tag, run.id, name))
        elif waiting:
            expected = min(waiting)
            waiting.remove(expected)
            ticket = jobs.tickets()[0]
            assert ticket.name.endswith(expected[1])
            claimed = ticket.rename(ticket.parent.with_name("running") / ticket.name)
            jobs.take_turn(claimed)
            jobs.end_turn(claimed)
            now = expected[0]
    assert [ticket.name.split("-")[1] for ticket in jobs.tickets()] == [id_ for _, id_, _ in sorted(waiting)]


@pytest.mark.usefixtures("nobody")
@effort(max_examples=20, deadline=None)
@given(st.lists(st.integers(0, 3), min_size=1, max_size=30))
def test_while_two_workspaces_wait_neither_gets_two_turns_more(asked: list[int]) -> None:
    clear()
    made = [ask(workspace) for workspace in asked]
    order = [workspace_of(ticket) for ticket in jobs.tickets()]
    assert Counter(order) == Counter(f"w{one}" for one in asked)
    for one, other in combinations(sorted(set(order)), 2):
        had = Counter[str]()
        for name in order:
            had[name] += 1
            if had[one] < order.count(one) and had[other] < order.count(other):
                assert abs(had[one] - had[other]) <= 1
    for run in made:  # first come, first served within each
        assert jobs.place(run) == [ticket.name.split("-")[1] for ticket in jobs.tickets()].index(run.id)
    for name in set(order):
        ids = [t.name.split("-")[1] for t in jobs.tickets() if workspace_of(t) == name]
        assert all(before < after for before, after in pairwise(ids))


@pytest.mark.usefixtures("nobody")
def test_who_comes_to_a_long_queue_of_others_is_next_but_one() -> None:
    for _ in range(30):
        ask(0)
    ticket = jobs.tickets()[0]
    jobs.take_turn(ticket.rename(ticket.parent.with_name("running") / ticket.name))
    newcomer = ask(1)
    assert jobs.place(newcomer) is not None
    assert (jobs.place(newcomer) or 0) <= 1


class Machine:
    """A supervisor whose runs are made up: each takes its minutes on a device, by a clock that jumps."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, devices: tuple[str, ...]) -> None:
        self.devices, self.now = devices, 0.0
        self.begun: dict[str, float] = {}
        self.device: dict[str, str] = {}
        self.most = 0
        monkeypatch.setattr(Supervisor, "begin", lambda _, run, ticket: self.begin(run))
        jobs.note_devices(devices)
        self.supervisor = Supervisor()

    def begin(self, run: Run) -> Any:
        at_work = [working for working in self.supervisor.working if working.alive()]
        taken = [self.device[working.run.id] for working in at_work]
        wanted = jobs.slots_of(run.spec.device, self.devices)
        free = sorted(wanted - set(taken))
        assert free, "two runs on one device"
        self.device[run.id] = free[0]
        self.begun[run.id] = self.now
        run.set_status(state="running", device=free[0])
        self.most = max(self.most, 1 + len(taken))
        ends = self.now + 60 * (run.spec.minutes or 0)

        def poll() -> int | None:
            return 0 if self.now >= ends else None

        return SimpleNamespace(poll=poll, pid=None, returncode=0, ends=ends)

    def work(self) -> None:
        """Until nothing waits."""
        self.supervisor.claim()
        while self.supervisor.working:
            self.now = min(working.process.ends for working in self.supervisor.working)  # type: ignore[union-attr]
            for working in list(self.supervisor.working):
                if not working.alive():
                    working.run.set_status(state="done")
            self.supervisor.reap()
            self.supervisor.claim()


WANTED = st.lists(
    st.tuples(
        st.integers(0, 2), st.integers(1, 5), st.sampled_from(["auto", "cuda", "cuda:0", "cuda:1", "cpu"])
    ),
    min_size=1,
    max_size=8,
)


@pytest.mark.usefixtures("nobody")
@effort(max_examples=40, deadline=None)
@given(WANTED, st.sampled_from([("cpu",), ("cuda:0",), ("cuda:0", "cuda:1")]))
def test_places_and_waits_come_true(wanted: list[tuple[int, int, str]], devices: tuple[str, ...]) -> None:
    """What is said of each run that takes any device, while all wait, is what a supervisor then does. Runs
    for one device alone may start before their turn, which moves others: there it is an estimate."""
    clear()
    with pytest.MonkeyPatch.context() as patch:
        machine = Machine(patch, devices)
        made = [ask(where, minutes=minutes, device="auto") for where, minutes, _ in wanted]
        said = {run.id: jobs.expected_wait(run) for run in made}
        machine.work()
    assert machine.begun == said
    assert set(machine.begun) == {run.id for run in made}


@pytest.mark.usefixtures("nobody")
def test_two_gpus_are_both_used_and_each_by_one_run(monkeypatch: pytest.MonkeyPatch) -> None:
    machine = Machine(monkeypatch, ("cuda:0", "cuda:1"))
    made = [ask(0, minutes=1) for _ in range(5)]
    machine.work()
    assert [machine.begun[run.id] for run in made] == [0, 0, 60, 60, 120]
    assert machine.most == 2
    assert Counter(machine.device.values()) == {"cuda:0": 3, "cuda:1": 2}


@pytest.mark.usefixtures("nobody")
def test_how_long_is_not_known_of_steps_without_a_speed() -> None:
    first, second = ask(0, steps=100), ask(0, steps=100)
    assert (seconds_left(first), jobs.expected_wait(first), jobs.expected_wait(second)) == (None, 0.0, None)
    faster = runs.create(first.workspace, Spec("rotation", "x", steps=10))
    faster.set_status(state="done", step=10, steps=10, seconds=5.0)
    assert jobs.expected_wait(second) == 50.0


@pytest.mark.usefixtures("nobody")
def test_a_limit_ends_a_wait_whatever_was_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    first, second = ask(0, steps=10_000_000), ask(0, steps=100)
    first.set_spec(limit=2.0)
    first = runs.open_run(first.workspace, first.id)
    assert seconds_left(first) == 120.0
    assert jobs.expected_wait(second) == 120.0
    first.set_status(state="running", started=time.time() - 30, step=100, steps=10_000_000, seconds=5.0)
    assert seconds_left(first) == pytest.approx(90.0, abs=1)
    of_minutes = runs.create(first.workspace, Spec("rotation", "x", minutes=1.0)).set_spec(limit=2.0)
    assert seconds_left(of_minutes) == 60.0


@pytest.mark.usefixtures("nobody")
def test_a_second_click_on_what_is_done_already_finds_it() -> None:
    workspace, spec = settings.workspace("w0"), Spec("rotation", "x", steps=1)
    first = jobs.ask(workspace, spec)
    first.set_status(state="done", step=1, steps=1)
    again = jobs.ask(workspace, spec)
    assert (again.id, again.read_status().state) == (first.id, "done")
