"""The pretext tasks by name. A fifth one is a file and a line here."""

from __future__ import annotations

from collections.abc import Mapping

from sslviz.errors import UserError
from sslviz.tasks.base import Batch, Problem, Task
from sslviz.tasks.exemplar import Exemplar
from sslviz.tasks.jigsaw import Jigsaw
from sslviz.tasks.location import Location
from sslviz.tasks.options import Option, Value, describe, read_options
from sslviz.tasks.rotation import Rotation

TASKS: dict[str, type[Task]] = {
    "rotation": Rotation,
    "exemplar": Exemplar,
    "jigsaw": Jigsaw,
    "location": Location,
}

__all__ = ["TASKS", "Batch", "Option", "Problem", "Task", "Value", "describe", "make_task"]


def make_task(name: str, options: Mapping[str, Value] | None = None) -> Task:
    """The task called `name` with the given options, values or their text. Raises `UserError` for an unknown
    task or option, listing those there are, and for a value that does not do."""
    if name not in TASKS:
        raise UserError(f"There is no task {name!r}.", f"The tasks are {', '.join(TASKS)}.")
    task = TASKS[name]
    return task(**read_options(task, options or {}))
