"""Streamlit's caches, which are one for all who use a server, with a part for each workspace.

What a page has made of somebody's images may hold their names and labels, however little of that is in the
arguments: two people with the same photographs must not be shown each other's. What was made of shared sets
and runs alone is the same for everybody, and kept once.
"""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Iterator
from inspect import Parameter
from pathlib import Path
from typing import Any, TypeVar, cast

import streamlit as st

from sslviz import settings
from sslviz.imagesets import ImageSet
from sslviz.runs import Run
from sslviz.ui import visitor

Function = TypeVar("Function", bound=Callable[..., Any])

EVERYBODY = ""


def data(max_entries: int) -> Callable[[Function], Function]:
    """`st.cache_data`, by workspace: each caller gets a copy of their own."""
    return _remembering(st.cache_data, max_entries)


def resource(max_entries: int) -> Callable[[Function], Function]:
    """`st.cache_resource`, by workspace: all callers get the same, which is only read."""
    return _remembering(st.cache_resource, max_entries)


def forget() -> None:
    """Empty all of them: somebody has deleted what is theirs, and memory is no exception."""
    st.cache_data.clear()
    st.cache_resource.clear()


def _remembering(kind: Any, max_entries: int) -> Callable[[Function], Function]:
    def decorate(function: Function) -> Function:
        @functools.wraps(function)
        def own(whose: str, *args: Any, **kwargs: Any) -> Any:  # noqa: ARG001 - a part of the key
            return function(*args, **kwargs)

        # Streamlit reads from the names of parameters which of them are no part of the key.
        signature = inspect.signature(function)
        first = Parameter("whose", Parameter.POSITIONAL_ONLY)
        own.__signature__ = signature.replace(  # type: ignore[attr-defined]
            parameters=[first, *signature.parameters.values()]
        )
        cached = kind(show_spinner=False, max_entries=max_entries)(own)

        @functools.wraps(function)
        def call(*args: Any, **kwargs: Any) -> Any:
            return cached(whose_are(*args, *kwargs.values()), *args, **kwargs)

        return cast("Function", call)

    return decorate


def whose_are(*arguments: Any) -> str:
    """Name of the workspace that something made of these belongs to; `EVERYBODY` where they are sets and runs
    that everybody sees."""
    if not settings.load().server:
        return settings.workspace().name
    places = [place for argument in arguments for place in _places(argument)]
    if places and all(settings.load().home / "workspaces" not in place.parents for place in places):
        return EVERYBODY
    return visitor.workspace().name


def _places(argument: Any) -> Iterator[Path]:
    """The folders of sets and runs in an argument, or one level within it."""
    if isinstance(argument, ImageSet | Run):
        yield argument.folder
    elif isinstance(argument, list | tuple):
        for one in argument:
            yield from _places(one)
    elif hasattr(argument, "images") and hasattr(argument, "run"):  # the scene of a map
        yield from _places(argument.images)
        yield from _places(argument.run)
