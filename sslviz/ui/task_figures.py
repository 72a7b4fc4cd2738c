"""What is particular to the picture of each task."""

from __future__ import annotations

from collections.abc import Mapping
from html import escape
from typing import TYPE_CHECKING, Any

import streamlit as st

from sslviz import imagesets
from sslviz.ui import looks, pictures

if TYPE_CHECKING:
    from sslviz.imagesets import ImageSet
    from sslviz.preview import Example

ARROWS = "↖↑↗←→↙↓↘"
"""Toward the second patch seen from the first, in the order of the classes."""


def draw(task: str, examples: list[Example], images: ImageSet, changed: Mapping[str, Any]) -> None:
    """Source at the left; views and answer at the right. `changed`: the options that are not the defaults."""
    first = examples[0]
    left, right = st.columns([1, 1.6], gap="large")
    with left:
        st.markdown("**The image**, and where the views come from")
        marks = [str(i + 1) if len(first.views) > 1 else "" for i in range(len(first.views))]
        if first.permutation is not None:
            marks = [str(tile + 1) for tile in first.permutation]
        entry = images.entries[first.row]
        alt = "The image with the place of each view"
        picture, size = pictures.uri(images.jpeg(first.row)), (entry.width, entry.height)
        drawn = pictures.source(picture, size, first.boxes, first.mirror, marks, alt)
        side = first.source.shape[0]
        note = f"Shown is its centre square, resampled to {side} × {side} pixels"
        longer = max(size) / min(size) >= imagesets.LONGER
        note += "; training takes such squares from all along it." if longer and task != "exemplar" else "."
        note += " Mirrored first, as half of the examples are." if first.mirror else ""
        pictures.show(f'{drawn}<p class="sv-note">{note}</p>', task)
    with right:
        {"rotation": _rotation, "exemplar": _exemplar, "jigsaw": _jigsaw, "location": _location}[task](
            examples
        )
        if changed.get("flip_after"):
            st.caption(
                "With *flip after*, half of these were mirrored once they were turned. Which ones, nothing "
                "tells: a mirrored left turn looks like a right turn."
            )


def answer(task: str, words: str, extra: str = "") -> None:
    """Question and answer; `extra` is HTML beside them."""
    question = escape(looks.TASKS[task].question)
    said = f'<div class="sv-question">{question}</div><strong>{escape(words)}</strong>'
    pictures.show(f'<div class="sv-answer">{said}</div>{extra}', task)


def capital(text: str) -> str:
    """`text` with a capital first letter, the rest as it is."""
    return text[:1].upper() + text[1:]


def pixels(example: Example) -> None:
    """How large a view is."""
    height, width = example.views[0].shape[:2]
    st.caption(f"{width} × {height} pixels each, drawn large")


def _rotation(examples: list[Example]) -> None:
    st.markdown("**What the network gets**: four copies of one crop")
    captions = [f"{90 * e.answer}° · {e.sentence}" for e in examples]
    pictures.show(pictures.views([e.views[0] for e in examples], captions), "rotation")
    pixels(examples[0])
    answer("rotation", "0°, 90°, 180° and 270°, one for each copy")


def _exemplar(examples: list[Example]) -> None:
    st.markdown("**What the network gets**: copies of one patch, each distorted anew")
    pictures.show(pictures.views([e.views[0] for e in examples], ["" for _ in examples], 112), "exemplar")
    pixels(examples[0])
    answer("exemplar", f"All {examples[0].sentence}, one of {examples[0].classes:,} seeds")


def _jigsaw(examples: list[Example]) -> None:
    example = examples[0]
    permutation = example.permutation
    assert permutation is not None
    solved = [example.views[permutation.index(place)] for place in range(9)]
    left, right = st.columns(2, gap="medium")
    with left:
        st.markdown("**What the network gets**")
        pictures.show(pictures.nine(example.views, [p + 1 for p in permutation], "Shuffled"), "jigsaw")
    with right:
        st.markdown("**Put back in order**")
        pictures.show(pictures.nine(solved, list(range(1, 10)), "In order"), "jigsaw")
    pixels(example)
    answer("jigsaw", f"{capital(example.sentence)}, one of {example.classes} orders")


def _location(examples: list[Example]) -> None:
    example = examples[0]
    st.markdown("**What the network gets**: two patches")
    pair, compass = st.columns([1.8, 1], gap="medium", vertical_alignment="center")
    with pair:
        pictures.show(pictures.views(example.views, ["1, the first", "2, the second"], 130), "location")
    with compass:
        pictures.show(compass_of(example.answer, example.sentence), "location")
    pixels(example)
    answer("location", f"{capital(example.sentence)}, one of {example.classes} places")


def compass_of(answer_: int, words: str) -> str:
    """Eight places round the first patch, the answer's one lit."""
    cells = []
    for place in range(9):
        k = place if place < 4 else place - 1
        lit = " sv-hit" if k == answer_ and place != 4 else ""
        cells.append(
            '<span class="sv-mid">1</span>' if place == 4 else f'<span class="{lit}">{ARROWS[k]}</span>'
        )
    return f'<div class="sv-compass" role="img" aria-label="{escape(words)}">{"".join(cells)}</div>'
