"""The options of a task: dataclass fields with a docstring under each, from which forms and the command
line are built, and against which values are checked."""

from __future__ import annotations

import ast
import contextlib
import functools
import inspect
import itertools
import math
import textwrap
from collections.abc import Mapping
from dataclasses import MISSING, dataclass, field, fields
from typing import Any, TypeVar, cast, get_type_hints

from sslviz.errors import UserError

Value = bool | int | float | str
T = TypeVar("T", bool, int, float, str)
ATTEMPTS = 20
"""At reading the source of a task, which another thread may spoil."""


@dataclass(frozen=True)
class Option:
    """One option of a task, as a form or `--option name=value` needs it."""

    name: str
    type: type[bool] | type[int] | type[float] | type[str]
    default: Value
    doc: str
    """What it does, with its unit; one or two sentences."""
    paper: str
    """The published value and where it stands; empty where the paper has no such thing."""
    choices: tuple[str, ...] = ()
    """The words allowed; empty for numbers and switches."""
    low: float | None = None
    """Smallest value allowed."""
    high: float | None = None
    """Largest value allowed."""


def option(
    default: T, *, low: float | None = None, high: float | None = None, choices: tuple[str, ...] = ()
) -> T:
    """A field of a task with the values it allows, ends included; its docstring stands under it."""
    # The annotation is that of the value, as with `dataclasses.field` itself.
    typed: Any = field(default=default, metadata={"low": low, "high": high, "choices": choices})
    return typed  # type: ignore[no-any-return]


@functools.cache
def describe(task: type[Any]) -> list[Option]:
    """The options of a task class in the order of its fields; docstrings split at "Paper:"."""
    types = get_type_hints(task)
    docs = _field_docstrings(task)
    found = []
    for one in fields(task):
        assert one.default is not MISSING, f"option {one.name} has no default"
        doc, _, paper = docs[one.name].partition("Paper:")
        found.append(
            Option(one.name, types[one.name], one.default, doc.strip(), paper.strip(), **one.metadata)
        )
    return found


def check_options(task: Any) -> None:
    """Raise `UserError` for an option of the wrong kind or out of its range; whole numbers given for a
    fraction become floats, so that equal options make equal tasks."""
    for one in describe(type(task)):  # type: ignore[arg-type]
        value = getattr(task, one.name)
        if one.type is float and isinstance(value, int) and not isinstance(value, bool):
            value = float(value)
            object.__setattr__(task, one.name, value)
        if type(value) is not one.type:
            raise UserError(f"The option {one.name} of {task.name} is {value!r}.", _expected(one))
        if one.choices and value not in one.choices:
            raise UserError(f"The option {one.name} of {task.name} cannot be {value!r}.", _expected(one))
        if isinstance(value, int | float):
            below = one.low is not None and value < one.low
            above = one.high is not None and value > one.high
            if below or above or not math.isfinite(value):
                raise UserError(f"The option {one.name} of {task.name} cannot be {value}.", _expected(one))


def read_options(task: type, options: Mapping[str, Value]) -> dict[str, Value]:
    """Options by name with their values read from text where they are text: "64", "0.5", "off", "project".

    Raises `UserError` for a name the task does not have, listing those it has, and for text that is not
    a value of that option.
    """
    known = {one.name: one for one in describe(task)}
    read: dict[str, Value] = {}
    for name, value in options.items():
        if name not in known:
            title = task.name  # type: ignore[attr-defined]
            raise UserError(f"{title} has no option {name!r}.", f"Its options are {', '.join(known)}.")
        read[name] = _parse(known[name], value) if isinstance(value, str) else value
    return read


def _parse(one: Option, text: str) -> Value:
    words = {"on": True, "yes": True, "true": True, "1": True}
    words |= {"off": False, "no": False, "false": False, "0": False}
    try:
        if one.type is bool:
            return words[text.strip().lower()]
        return one.type(text.strip())
    except (KeyError, ValueError):
        raise UserError(f"The option {one.name} cannot be {text!r}.", _expected(one)) from None


def _expected(one: Option) -> str:
    """A sentence that says what is allowed."""
    if one.choices:
        return f"It is one of {', '.join(one.choices)}."
    if one.type is bool:
        return "It is on or off."
    kind = "a whole number" if one.type is int else "a number"
    if one.low is None or one.high is None:
        return f"It is {kind}."
    return f"It is {kind} from {one.low:g} to {one.high:g}."


def _tree(task: type) -> ast.Module:
    # Python 3.11 keeps one count of depth for all threads, and raises this where two build a tree at once;
    # `inspect` builds one too.
    for _ in range(ATTEMPTS):
        with contextlib.suppress(SystemError):
            return ast.parse(textwrap.dedent(inspect.getsource(task)))
    return ast.parse(textwrap.dedent(inspect.getsource(task)))


def _field_docstrings(task: type) -> dict[str, str]:
    """The string that stands under each field; Python itself keeps no such thing."""
    tree = _tree(task)
    body = cast(ast.ClassDef, tree.body[0]).body
    docs = {}
    for statement, after in itertools.pairwise(body):
        if (
            isinstance(statement, ast.AnnAssign)
            and isinstance(statement.target, ast.Name)
            and isinstance(after, ast.Expr)
            and isinstance(after.value, ast.Constant)
            and isinstance(after.value.value, str)
        ):
            docs[statement.target.id] = " ".join(after.value.value.split())
    return docs
