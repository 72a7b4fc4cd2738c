"""The page for whoever teaches or learns: the tour with its exercises, questions, a glossary."""

from __future__ import annotations

import re

import streamlit as st

from sslviz.ui import frame, prose, tour

PARTS = {"tour": "The tour", "questions": "Questions that are asked", "glossary": "Glossary"}


def explore() -> None:
    """The page below its title: the part that the address names."""
    part = frame.choice("part", "Part of the page", PARTS, "tour", shown=False)
    with st.container(width=760):
        {"tour": _tour, "questions": _questions, "glossary": _glossary}[part]()


def _tour() -> None:
    st.markdown(prose.beginning("teaching"))
    first = tour.stops()[0]
    tour.link(first, "Start the tour", ":material/play_arrow:")
    for stop in tour.stops():
        with st.expander(f"{stop.number} · {stop.title}", key=f"stop_{stop.number}"):
            st.caption(stop.time)
            st.markdown(f"{stop.text}\n\n**Exercise.** {stop.exercise}\n\n**Answer.** {stop.answer}")
            tour.link(stop, "Begin here", ":material/arrow_forward:")


def _questions() -> None:
    for question, answer in prose.sections("questions").items():
        with st.expander(question):
            st.markdown(answer)


def entries() -> dict[str, str]:
    """The glossary: by term what it means, both Markdown, in the order of the alphabet."""
    found = re.findall(r"^\*\*(.+?)\.\*\* (.+?)(?=\n\n|\Z)", prose.read("glossary"), re.MULTILINE | re.DOTALL)
    return dict(found)


def _glossary() -> None:
    sought = (
        st.text_input("Find a word", key="glossary_sought", placeholder="For instance: probe").strip().lower()
    )
    shown = {term: said for term, said in entries().items() if sought in f"{term} {said}".lower()}
    if not shown:
        st.markdown("No entry has this word.")
    st.markdown("\n\n".join(f"**{term}.** {said}" for term, said in shown.items()))
