"""The server's log: one JSON object a line in `home/logs/server.jsonl`, for whoever runs it.

What is noted is a time, a level, an event in plain words, the beginning of a workspace's name, and numbers
or names of sslviz's own. Neither the name of a file nor anything else that a visitor wrote can get in: a
text that is not of the plain kind is refused. Nothing that goes wrong with the log stops what is noted.
"""

from __future__ import annotations

import contextlib
import itertools
import json
import re
import time
import traceback
from pathlib import Path
from typing import Literal

from filelock import FileLock, Timeout

from sslviz import settings
from sslviz.errors import UserError
from sslviz.files import append

Level = Literal["info", "warning", "error"]

PLAIN = re.compile(r"[A-Za-z0-9_.:-]{0,60}")
"""What a text may be: an identifier, a version, a place in the code."""
SHORT = 8
"""Digits of a workspace's name: enough to tell people apart by, and no key to anything."""
KEPT = 4
"""Older logs that are kept, each as large as a log may get."""


def path() -> Path:
    return settings.load().home / "logs" / "server.jsonl"


def note(event: str, level: Level = "info", workspace: str = "", **more: float | str | bool | None) -> None:
    """Add a line. `event` is one of sslviz's own sentences; `workspace` a workspace's name. Never raises for
    what lies in the way of the log."""
    for name, value in more.items():
        assert not isinstance(value, str) or PLAIN.fullmatch(value), f"{name} is not plain: {value!r}"
    line = {"time": _now(), "level": level, "event": event}
    if workspace:
        line["workspace"] = workspace[:SHORT]
    with contextlib.suppress(OSError, UserError, Timeout):
        log = path()
        log.parent.mkdir(parents=True, exist_ok=True)
        _rotate(log)
        append(log, (json.dumps(line | more) + "\n").encode())


def trouble(error: BaseException, workspace: str = "") -> None:
    """Note an error that nobody expected: of what kind it is and where in the code it came up. What it says
    may hold names, and is left out."""
    frames = [frame for frame in traceback.extract_tb(error.__traceback__) if "sslviz" in frame.filename]
    place = f"{Path(frames[-1].filename).name}:{frames[-1].lineno}" if frames else ""
    note("a page failed", "error", workspace, kind=type(error).__name__[:60], place=_plain(place))


def _plain(text: str) -> str:
    return text if PLAIN.fullmatch(text) else ""


def _now() -> str:
    moment = time.time()
    return time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(moment)) + f".{int(moment * 1000) % 1000:03d}Z"


def _rotate(log: Path) -> None:
    """Make room: `server.jsonl` becomes `server.1.jsonl`, that one `server.2.jsonl`, and so on."""
    most = settings.load().max_log_bytes
    if _size(log) < most:
        return
    with FileLock(log.with_suffix(".lock"), timeout=1):
        if _size(log) < most:  # another process was first
            return
        older = [log, *(log.with_name(f"server.{number}.jsonl") for number in range(1, KEPT + 1))]
        for before, after in reversed(list(itertools.pairwise(older))):
            with contextlib.suppress(FileNotFoundError):
                before.replace(after)


def _size(log: Path) -> int:
    """Bytes; none where the file is not there, as between two logs."""
    try:
        return log.stat().st_size
    except FileNotFoundError:
        return 0
