"""Where many share a machine, short jobs take turns: one of a workspace, and a few of all, at a time.

Jobs that read images have turns of their own, for nothing can be looked at before, and whoever has just
handed over photographs waits for them. A job that waits is a small process that has imported next to nothing.
Workspaces wait for each other, and not for how much each has asked for, so that thirty pages opened in one
tab hold nobody else up.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path

from sslviz import jobs, journal, settings
from sslviz.worker.locks import first_free

TRAINING = ("reproduce", "shortcut")
"""Jobs that train wait for the device among the runs, and would otherwise hold up everything for minutes."""
READING = ("ingest", "scenes", "download")
LOOK_SECONDS = 0.1


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
    most = settings.load().most_jobs
    if not most:
        yield
        return
    try:
        kind, arguments = job.request()
        owner = Path(str(arguments["workspace"])).name
    except (OSError, ValueError, KeyError):
        kind, owner = "", "nobody"

    told = False

    def waiting() -> None:
        nonlocal told
        if job.cancel_flag.exists():
            raise stopped
        if not told:  # a write for each look of each who waits would keep the disk busy
            job.set_status(message="Waiting for its turn.")
            told = True

    group = "training" if kind in TRAINING else "reading" if kind in READING else "looking"
    own = f"turn-of-{owner}-{group}"
    with first_free({own: jobs.lock_file(own)}, LOOK_SECONDS, waiting):
        if group == "training":
            yield
            return
        names = [f"turn-{group}-{number}" for number in range(most)]
        places = {name: jobs.lock_file(name) for name in names}
        with first_free(places, LOOK_SECONDS, waiting):
            job.set_status(message="")
            yield
