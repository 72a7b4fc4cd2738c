"""What is said of a short job that failed."""

from __future__ import annotations

import sys
import traceback
from typing import Any

from sslviz import files
from sslviz.errors import UserError
from sslviz.jobs import Job
from sslviz.visible import visible


def told(error: Exception, job: Job) -> dict[str, Any]:
    """The status of a job that was ended by `error`: a sentence, and for what nobody foresaw a traceback in
    the log."""
    if isinstance(error, MemoryError):
        error = UserError("There was not enough memory.", "Use fewer images.")
    elif isinstance(error, OSError) and files.is_full(error):
        error = files.full_disk(job.folder, 0)
    if isinstance(error, UserError):
        return {"state": "failed", "error": error.message, "hint": error.hint}
    sys.stderr.write(visible("".join(traceback.format_exception(error)), keep="\n"))
    said = str(error).strip().split("\n")[0][:200]
    return {
        "state": "failed",
        "error": f"It stopped with an error: {type(error).__name__}{': ' if said else ''}{said}",
        "hint": f"{job.folder / 'log.txt'} has the details.",
    }
