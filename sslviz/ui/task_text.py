"""What is to be known of a task, beside pictures that show it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import streamlit as st

from sslviz.imagesets import ImageSet
from sslviz.papers import PAPERS
from sslviz.shortcuts import GUARDS
from sslviz.ui import frame, guard_pictures, options, papers_figures, pictures, prose, seed_pictures

if TYPE_CHECKING:
    from sslviz.preview import Bound

SEES, KNOWS, WRONG, FOUND = (
    "What the network sees",
    "What it has to know",
    "What can go wrong",
    "What the paper found",
)
"""The headings of every `docs/tasks/<task>.md`."""

SHOWN = {"rotation": "rotation-flip", "jigsaw": "jigsaw-gap", "location": "location-gap"}
"""The guard whose picture stands beside what can go wrong; exemplar, which has none, shows its seeds."""

PLAIN = {"displayModeBar": False}


def asks(name: str) -> None:
    """What the task `name` asks of a network; it stands under the picture of one example."""
    text = prose.sections(f"tasks/{name}")
    for column, heading in zip(st.columns(2, gap="large"), (SEES, KNOWS), strict=True):
        with column:
            _part(heading, text)


def known(name: str, images: ImageSet, row: int, found: Bound | None) -> None:
    """What can go wrong, on the image in `row`, and what the paper found; `found` is the task bound to it."""
    text = prose.sections(f"tasks/{name}")
    wrong, paper = st.columns(2, gap="large")
    with wrong:
        _part(WRONG, text)
        with frame.guard():
            _wrong(name, images, row, found)
    with paper:
        _part(FOUND, text)
        _published(name)


def _part(heading: str, text: dict[str, str]) -> None:
    st.subheader(heading, anchor=False)
    st.markdown(text[heading])


def _wrong(name: str, images: ImageSet, row: int, found: Bound | None) -> None:
    if name in SHOWN:
        guard = GUARDS[SHOWN[name]]
        guard_pictures.show(guard, images, row)
        st.page_link(
            "pages/shortcuts.py",
            label="Switch the guard off and see",
            icon=":material/alt_route:",
            query_params={"of": name, "guard": guard.name},
        )
        return
    if found is not None:
        stamp = f"{images.fingerprint} {row} {sorted(options.chosen(name).items())}"
        _, gradients = seed_pictures.drawn(found, images, 0, stamp)
        with st.container(width=280):
            pictures.show(gradients, name)
        st.caption("Strong gradients of this image, and the seeds that were drawn from them.")
    st.page_link(
        f"pages/{name}.py",
        label="Try each change in the lab",
        icon=":material/tune:",
        query_params={"view": "transforms"},
    )


def _published(name: str) -> None:
    """The published figures as a chart, where there are some, and the way to repeat them."""
    paper = next(one for one in PAPERS.values() if one.task == name)
    chart = papers_figures.published(paper, [])
    if chart is not None:
        st.plotly_chart(chart, theme="streamlit", config=PLAIN, key="found")
        st.caption(papers_figures.sources(paper))
    st.page_link(
        "pages/papers.py",
        label="Repeat it in minutes",
        icon=":material/menu_book:",
        query_params={"paper": paper.name},
    )
