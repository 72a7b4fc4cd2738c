"""The guided tour: a box above the page at which it has stopped, with what to see and an exercise.

The stops are the sections of `docs/teaching.md`. The one that is shown lives in the address, as `tour=3`, and
in the session, since a page that is chosen in the sidebar begins with an address of its own.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from urllib.parse import parse_qsl

import streamlit as st

from sslviz.ui import pictures, prose

PLACE = re.compile(r"\*(?P<time>[\d½]+ minutes?), at `(?P<page>\w*)(?:\?(?P<query>[^`]*))?`\.\*")
"""The first line of a stop: how long it takes, and where."""
PARTS = re.compile(r"^\*\*(Exercise|Answer)\.\*\* ", re.MULTILINE)


@dataclass(frozen=True)
class Stop:
    """One stop of the tour."""

    number: int
    title: str
    time: str
    """As in "1 minute"."""
    page: str
    """Name of a file in `pages`, without its ending."""
    text: str
    exercise: str
    answer: str
    query: Mapping[str, str] = field(default_factory=dict)
    """What the page's address says."""

    @property
    def link(self) -> dict[str, str]:
        """The query of its address, in which the tour is on."""
        return {**self.query, "tour": str(self.number)}


@lru_cache(maxsize=1)
def stops() -> tuple[Stop, ...]:
    """The stops in their order. Raises `ValueError` where `teaching.md` is not written as one."""
    found = []
    for number, (heading, section) in enumerate(prose.sections("teaching").items(), 1):
        place = PLACE.match(section)
        parts = PARTS.split(section)
        if place is None or parts[1::2] != ["Exercise", "Answer"]:
            raise ValueError(f"teaching.md: {heading} wants a place, an exercise and an answer")
        found.append(
            Stop(
                number=number,
                title=heading.partition("·")[2].strip(),
                time=place["time"],
                page=place["page"] or "start",
                text=parts[0][place.end() :].strip(),
                exercise=parts[2].strip(),
                answer=parts[4].strip(),
                query=dict(parse_qsl(place["query"] or "")),
            )
        )
    return tuple(found)


def show(page: str) -> None:
    """Draw the box above the page called `page`, if this session is on the tour."""
    stop = _current()
    if stop is None:
        return
    st.html(Path(__file__).with_name("tour.css"))
    with st.container(border=True, key="tour"):
        count = len(stops())
        dots = "".join(f'<i class="{_dot(at, stop.number)}"></i>' for at in range(1, count + 1))
        said = f"Tour, stop {stop.number} of {count} · {stop.time}"
        pictures.show(f'<div class="sv-tour"><span>{said}</span><span aria-hidden="true">{dots}</span></div>')
        if page == stop.page:
            _stop(stop)
        _ways(stop, page)


def _dot(at: int, number: int) -> str:
    return "sv-here" if at == number else "sv-past" if at < number else ""


def _current() -> Stop | None:
    """The stop that the address names, else the one that this session is at."""
    asked = st.query_params.get("tour", st.session_state.get("tour"))
    known = {str(stop.number): stop for stop in stops()}
    stop = known.get(str(asked))
    if stop is None:
        st.session_state.pop("tour", None)
        return None
    st.session_state["tour"] = st.query_params["tour"] = str(stop.number)
    return stop


def _stop(stop: Stop) -> None:
    text, exercise = st.columns([1, 1], gap="large")
    with text:
        st.markdown(f"**{stop.title}**  \n{stop.text}")
    with exercise:
        st.markdown(f"**Exercise**  \n{stop.exercise}")
        with st.expander("Answer", key=f"tour_answer_{stop.number}"):
            st.markdown(stop.answer)


def _ways(stop: Stop, page: str) -> None:
    """Back, next, and out of it; from another page than the stop's, the way to the stop."""

    def leave() -> None:
        st.session_state.pop("tour", None)
        st.query_params.pop("tour", None)

    around = {one.number: one for one in stops()}
    with st.container(horizontal=True, vertical_alignment="center", gap="small"):
        if page != stop.page:
            link(stop, f"To the stop: {stop.title}", ":material/arrow_back:")
        else:
            if stop.number - 1 in around:
                link(around[stop.number - 1], "Back", ":material/arrow_back:")
            if stop.number + 1 in around:
                following = around[stop.number + 1]
                link(following, f"Next: {following.title}", ":material/arrow_forward:")
        over = "Finish" if page == stop.page and stop.number == len(around) else "Leave the tour"
        st.button(over, type="tertiary", icon=":material/close:", on_click=leave, key="tour_leave")


def link(stop: Stop, label: str, icon: str) -> None:
    """The way to a stop, on the tour."""
    st.page_link(f"pages/{stop.page}.py", label=label, icon=icon, query_params=stop.link)
