"""Many scenes on all cores: child processes that write finished scenes to their standard output.

Plain children rather than a process pool: a pool under "spawn" imports the parent's main module again, which
in a Streamlit server or a notebook is not one to be imported. A child ends when nobody reads from it.
"""

from __future__ import annotations

import io
import os
import struct
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import BinaryIO, cast

import numpy as np

import sslviz
from sslviz.scenes.backdrops import SETTINGS
from sslviz.scenes.compose import Scene, scene
from sslviz.scenes.painting import SIDE

Report = Callable[[int, int], None]

_HEAD = struct.Struct("<BB4d")
_PIXELS = SIDE * SIDE * 3
_BYTES = _HEAD.size + _PIXELS + SIDE * SIDE // 8
WORTH_CHILDREN = 64
"""Below this many scenes a child would cost more time to start than it saves."""
REPORT_EVERY = 20


def render(
    count: int = 2000, seed: int = 0, report: Report | None = None, processes: int | None = None
) -> Iterator[Scene]:
    """Scenes 0 to `count` - 1 of `seed`, in order.

    `processes` children, by default one a core; with 1 the scenes are rendered here. `report` gets
    (done, `count`) now and then and at the end. A child that dies costs time, not scenes.
    """
    if processes is None:
        processes = min(os.cpu_count() or 1, 16) if count >= WORTH_CHILDREN else 1
    with ExitStack() as stack:
        workers = min(processes, count) if processes > 1 and sys.executable else 0
        spans = [(start, count, workers) for start in range(workers)]
        children = [stack.enter_context(_child(*span, seed)) for span in spans]
        for index in range(count):
            data = children[index % len(children)].read(_BYTES) if children else b""
            yield _unpacked(data) if len(data) == _BYTES else scene(index, seed)
            if report and ((index + 1) % REPORT_EVERY == 0 or index + 1 == count):
                report(index + 1, count)


@contextmanager
def _child(start: int, stop: int, step: int, seed: int) -> Iterator[BinaryIO]:
    """Standard output of a process that renders every `step`-th scene; empty where none can be started."""
    try:
        child = _spawn(start, stop, step, seed)
    except OSError:
        yield io.BytesIO()
        return
    try:
        assert child.stdout is not None
        yield cast(BinaryIO, child.stdout)
    finally:
        child.kill()
        child.communicate()


def _spawn(start: int, stop: int, step: int, seed: int) -> subprocess.Popen[bytes]:
    root = str(Path(sslviz.__file__).parents[1])
    paths = os.pathsep.join(path for path in (os.environ.get("PYTHONPATH"), root) if path)
    return subprocess.Popen(
        [sys.executable, "-P", "-m", "sslviz.scenes", *map(str, (start, stop, step, seed))],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        env={**os.environ, "PYTHONPATH": paths, "OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"},
    )


def serve(out: BinaryIO, start: int, stop: int, step: int, seed: int) -> None:
    """What a child does: write scenes start, start + step, … below stop to `out`."""
    for index in range(start, stop, step):
        out.write(_packed(scene(index, seed)))
    out.flush()


def _packed(one: Scene) -> bytes:
    head = _HEAD.pack(one.label, SETTINGS.index(one.setting), *one.box)
    return head + one.pixels.tobytes() + np.packbits(one.mask).tobytes()


def _unpacked(data: bytes) -> Scene:
    label, setting, *box = _HEAD.unpack_from(data)
    pixels = np.frombuffer(data, np.uint8, _PIXELS, _HEAD.size).reshape(SIDE, SIDE, 3).copy()
    mask = np.unpackbits(np.frombuffer(data, np.uint8, offset=_HEAD.size + _PIXELS)).reshape(SIDE, SIDE)
    return Scene(pixels, label, (box[0], box[1], box[2], box[3]), mask, SETTINGS[setting])
