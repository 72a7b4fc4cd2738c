"""Work outside the server: the queue of training runs, and short jobs beside it.

    queue.py        who is next, and when; runs are asked for here
    short.py        reading images, rendering scenes, a map
    processes.py    how both are started, and the locks by which processes know of each other

The supervisor (`sslviz.supervisor`) starts what is queued. No torch is imported: the server calls this.
"""

from sslviz.jobs.processes import (
    BEGIN_SECONDS,
    detach,
    device_lock,
    keep_supervisor,
    known_devices,
    lock_file,
    lower_priority,
    note_devices,
    serve,
    server_lives,
    start_supervisor,
    supervisor_lock,
    warm_lock,
)
from sslviz.jobs.queue import (
    BEGUN,
    Turn,
    ask,
    begin_turn,
    end_turn,
    expected_wait,
    place,
    run_of,
    slots_of,
    submit,
    take_turn,
    tickets,
    turn,
    turns,
)
from sslviz.jobs.short import (
    START_SECONDS,
    Job,
    JobState,
    JobStatus,
    begin,
    find,
    known,
    offers,
    ready_lock,
    start,
)

__all__ = [
    "BEGIN_SECONDS",
    "BEGUN",
    "START_SECONDS",
    "Job",
    "JobState",
    "JobStatus",
    "Turn",
    "ask",
    "begin",
    "begin_turn",
    "detach",
    "device_lock",
    "end_turn",
    "expected_wait",
    "find",
    "keep_supervisor",
    "known",
    "known_devices",
    "lock_file",
    "lower_priority",
    "note_devices",
    "offers",
    "place",
    "ready_lock",
    "run_of",
    "serve",
    "server_lives",
    "slots_of",
    "start",
    "start_supervisor",
    "submit",
    "supervisor_lock",
    "take_turn",
    "tickets",
    "turn",
    "turns",
    "warm_lock",
]
