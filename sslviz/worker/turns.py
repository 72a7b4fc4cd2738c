"""Short jobs take turns: a few of all at a time, and where many share a machine one of a workspace.

Jobs that read images have turns of their own, for nothing can be looked at before, and whoever has just
handed over photographs waits for them. A job that waits is a small process that has imported next to nothing.
Workspaces wait for each other, and not for how much each has asked for, so that thirty pages opened in one
tab hold nobody else up.
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import Iterator
from pathlib import Path

from sslviz import jobs, journal, settings
from sslviz.worker.locks import first_free

TRAINING = ("reproduce", "shortcut")
"""Jobs that train wait for the device among the runs, and would otherwise hold up everything for minutes."""
READING = ("ingest", "scenes", "download")
LOOK_SECONDS, MOST_SECONDS = 0.1, 1.0
"""Between two looks, at first, and after a while: twenty that wait must not take what a page needs."""


def note(job: jobs.Job, state: str, seconds: float) -> None:
    """A line in the log on a job that has ended, where many use the server."""
    with contextlib.suppress(OSError, ValueError, KeyError):
        if settings.load().server:
            kind, arguments = job.request()
            owner = Path(str(arguments["workspace"])).name
            level: journal.Level = "warning" if state == "failed" else "info"
            journal.note("job ended", level, owner, kind=kind, state=state, seconds=round(seconds, 1))


@contextlib.contextmanager
def turn(job: jobs.Job, stopped: type[Exception]) -> Iterator[None]:
    """Wait for a turn and have it; `stopped` is raised where somebody asks the job to stop meanwhile.

    Where nothing is limited it is everybody's turn.
    """
    most, shared = settings.load().most_jobs, bool(settings.load().server)
    if not most:
        yield
        return
    try:
        kind, arguments = job.request()
        owner = Path(str(arguments["workspace"])).name
    except (OSError, ValueError, KeyError):
        kind, owner = "", "nobody"

    looks = 0

    def waiting() -> None:
        nonlocal looks
        if job.cancel_flag.exists():
            raise stopped
        if not looks:  # a write for each look of each who waits would keep the disk busy
            job.set_status(message="Waiting for its turn.")
        looks += 1
        time.sleep(min(MOST_SECONDS, looks * LOOK_SECONDS))

    group = "training" if kind in TRAINING else "reading" if kind in READING else "looking"
    names = [f"turn-{group}-{number}" for number in range(most)]
    with contextlib.ExitStack() as held:
        if shared:
            own = f"turn-of-{owner}-{group}"
            held.enter_context(first_free({own: jobs.lock_file(own)}, LOOK_SECONDS, waiting))
        if group != "training":
            places = {name: jobs.lock_file(name) for name in names}
            held.enter_context(first_free(places, LOOK_SECONDS, waiting))
            if looks:
                job.set_status(message="")
        yield
