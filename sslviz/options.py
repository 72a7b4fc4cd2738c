"""A task's options as people write them: `--option permutations=64`."""

from __future__ import annotations

from collections.abc import Iterable

from sslviz.errors import UserError
from sslviz.tasks import Task, Value, describe, make_task

__all__ = ["make_task", "options_of", "parse_options"]


def options_of(task: Task) -> dict[str, Value]:
    """The options of a task that differ from its defaults."""
    values = {one.name: (getattr(task, one.name), one.default) for one in describe(type(task))}
    return {name: value for name, (value, default) in values.items() if value != default}


def parse_options(pairs: Iterable[str]) -> dict[str, Value]:
    """["permutations=64", …] → {"permutations": "64", …}."""
    options: dict[str, Value] = {}
    for pair in pairs:
        name, equals, value = pair.partition("=")
        if not equals or not name.strip():
            raise UserError(f"--option {pair!r} is not of the form name=value.", "Say --option gap=0.")
        options[name.strip().replace("-", "_")] = value.strip()
    return options
