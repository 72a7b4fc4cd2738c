"""Decoding children at work: images in, what a set stores of them out, in order.

A child that dies or hangs costs the image it was at and is replaced. Children are asked for small batches, so
that the pipes do not cost more than the pictures, and a batch lasts about a quarter of a second.
"""

from __future__ import annotations

import contextlib
import os
import queue
import subprocess
import sys
import threading
import time
from collections import deque
from collections.abc import Generator, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from itertools import islice
from pathlib import Path
from typing import TypeVar

import sslviz
from sslviz import settings
from sslviz.errors import UserError
from sslviz.images import Stored
from sslviz.images.child import HELLO, ask, receive

T = TypeVar("T")
Payload = bytes | Path | UserError
"""An image, the path of one, or the reason why it is not even tried."""
Outcome = Stored | UserError

_START_SECONDS = 60.0
_BATCH_SECONDS = 0.25
_BATCH_BYTES = 8_000_000
_MOST = 64


def decode_all(
    items: Iterable[tuple[T, Payload]], processes: int | None = None
) -> Generator[tuple[T, Outcome], None, None]:
    """What to store of each image, or the reason why nothing, in the order of `items`.

    `items` is taken as it is needed: at most a few batches a process are held. `processes` is by default one
    a core. Closing the iterator ends the children.
    """
    count = processes or _cores()
    with _Pool(count) as pool, ThreadPoolExecutor(count) as threads:
        waiting: deque[tuple[list[T], Future[list[Outcome]]]] = deque()
        stream = iter(items)
        try:
            while True:
                while len(waiting) < count + 2 and (batch := _take(stream, pool.batch_size)):
                    keys, payloads = [key for key, _ in batch], [payload for _, payload in batch]
                    waiting.append((keys, threads.submit(pool.decode, payloads)))
                if not waiting:
                    return
                keys, future = waiting.popleft()
                yield from zip(keys, future.result(), strict=True)
        finally:
            for _, future in waiting:
                future.cancel()
            pool.close()  # before the threads are waited for: they wait for the children


def _take(stream: Iterator[tuple[T, Payload]], most: int) -> list[tuple[T, Payload]]:
    batch: list[tuple[T, Payload]] = []
    size = 0
    for key, payload in islice(stream, most):
        batch.append((key, payload))
        size += len(payload) if isinstance(payload, bytes) else 0
        if size >= _BATCH_BYTES:
            break
    return batch


def _cores() -> int:
    with contextlib.suppress(AttributeError):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


class _Pool:
    """Children, each lent to one thread at a time, and one clock that watches over all of them."""

    def __init__(self, count: int) -> None:
        self.batch_size = 4
        self._seconds = settings.load().decode_seconds
        self._children = [_Child(self._seconds) for _ in range(count)]
        self._idle: queue.SimpleQueue[_Child] = queue.SimpleQueue()
        for child in self._children:
            self._idle.put(child)
        self._closed = threading.Event()
        self._over = threading.Event()
        self._clock = threading.Thread(target=self._watch, daemon=True)

    def __enter__(self) -> _Pool:
        self._clock.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.close()
        self._over.set()
        self._clock.join()
        for child in self._children:
            child.end()

    def close(self) -> None:
        """End the children; whoever waits for one gets an error."""
        self._closed.set()
        for child in self._children:
            child.kill()

    def decode(self, payloads: Sequence[Payload]) -> list[Outcome]:
        """Outcomes of a batch. Runs in a thread."""
        child = self._idle.get()
        try:
            begun = time.monotonic()
            asked = [payload for payload in payloads if not isinstance(payload, UserError)]
            outcomes = iter(self._outcomes(child, asked))
            spent = max(1e-6, time.monotonic() - begun) / max(1, len(asked))
            self.batch_size = max(1, min(_MOST, 2 * self.batch_size, int(_BATCH_SECONDS / spent)))
            return [payload if isinstance(payload, UserError) else next(outcomes) for payload in payloads]
        finally:
            self._idle.put(child)

    def _outcomes(self, child: _Child, asked: list[bytes | Path]) -> list[Outcome]:
        outcomes: list[Outcome] = []
        failures = 0
        while len(outcomes) < len(asked):
            if self._closed.is_set():
                raise UserError("Reading images was stopped.")
            left = asked[len(outcomes) :]
            try:
                child.ask(left)
            except OSError:
                # It was dead before it could look at anything, so no image is to blame.
                failures += 1
                if failures > 3:
                    raise UserError(
                        "The processes that read images keep dying.", "Is memory short?"
                    ) from None
                child.end()
                continue
            try:
                for _ in left:
                    outcomes.append(child.receive())  # noqa: PERF401 what came before an error is kept
            except (EOFError, OSError):
                outcomes.append(UserError(child.last_words()))
                child.end()
        return outcomes

    def _watch(self) -> None:
        while not self._over.wait(0.1):
            now = time.monotonic()
            for child in self._children:
                child.check(now)


class _Child:
    """One decoding process, started when it is first asked and again whenever it is needed."""

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self._process: subprocess.Popen[bytes] | None = None
        self._deadline = float("inf")
        self._late = False

    def ask(self, batch: Sequence[bytes | Path]) -> None:
        """Send a batch. `OSError` where the child is dead."""
        process = self._process or self._start()
        assert process.stdin is not None
        self._deadline = time.monotonic() + self._seconds
        ask(process.stdin, batch)

    def receive(self) -> Outcome:
        """The next answer. `EOFError` where the child has died or taken too long."""
        assert self._process is not None
        assert self._process.stdout is not None
        self._deadline = time.monotonic() + self._seconds
        try:
            return receive(self._process.stdout)
        finally:
            self._deadline = float("inf")

    def check(self, now: float) -> None:
        """Kill it if its time is over."""
        if now > self._deadline:
            self._late = True
            self.kill()

    def last_words(self) -> str:
        """Why the image that it was at is skipped."""
        return "took too long to read" if self._late else "made the decoder crash"

    def kill(self) -> None:
        """End it at once; its pipes stay, so that whoever reads them sees the end."""
        if self._process is not None:
            self._process.kill()

    def end(self) -> None:
        """End it and close its pipes."""
        if self._process is None:
            return
        process, self._process = self._process, None
        process.kill()
        for pipe in (process.stdin, process.stdout):
            with contextlib.suppress(OSError, ValueError):
                if pipe is not None:
                    pipe.close()
        process.wait()
        self._late, self._deadline = False, float("inf")

    def _start(self) -> subprocess.Popen[bytes]:
        root = str(Path(sslviz.__file__).parents[1])
        paths = [path for path in (os.environ.get("PYTHONPATH"), root) if path]
        # One thread each: there is a child a core already, and a library's idle threads eat address space.
        quiet = {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1", "PYTHONPATH": os.pathsep.join(paths)}
        process = subprocess.Popen(
            # -P: a folder of pictures may hold a numpy.py, and must not become part of the path.
            [sys.executable, "-P", "-m", "sslviz.images"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            env={**os.environ, **quiet},
        )
        self._process = process
        self._deadline = time.monotonic() + _START_SECONDS
        assert process.stdout is not None
        if process.stdout.read(len(HELLO)) != HELLO:
            raise OSError("the decoding process did not start")
        return process
