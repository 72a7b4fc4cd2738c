"""Localisation: a box around what stands out on a map, by features alone, against the object's own box."""

from __future__ import annotations

from functools import partial
from html import escape
from typing import Any

import numpy as np
import streamlit as st

from sslviz import dense
from sslviz.dense import Localisation, boxes, localisation
from sslviz.dense.boxes import CENTRE, Boxes
from sslviz.dense.localisation import RULES
from sslviz.errors import UserError
from sslviz.figures import PALETTE
from sslviz.images import encode_jpeg, square
from sslviz.imagesets import ImageSet
from sslviz.runs import Run
from sslviz.ui import charts, downstream_dense, frame, pictures, remember, waiting, words
from sslviz.ui.downstream_dense import DRAWN, lead, span

NAMES = {
    "run": "Trained",
    "untrained": "Untrained",
    "colour": "Colours alone",
    "centre": "Centre box",
    "whole": "Whole image",
}
COLORS = {"run": PALETTE[0], "untrained": PALETTE[1]}
STYLES = {"run": "solid", "untrained": "dashed"}
SAID = {
    "energy": "Energy: the sum of the squares of all activations at a place.",
    "component": "First component: the direction in which the features of the set differ most, turned so "
    "that the borders of the images, where background is more often, are low.",
    "contrast": "Unlike the border: how far the features at a place are from those of the most similar place "
    "along the image’s border, since background mostly touches it.",
    "taught": "Self-taught: in some images a linear layer on the features of a block and of all before it "
    "learns where the largest part is that is unlike the border, and then again from its own answers "
    "(Siméoni et al. 2023). What is alike in many images, such as fences and windows, can be told from "
    "objects so, where features tell it. Answers are multiplied by a root of how unlike the border a place "
    "is, for their outline.",
}
SHOWN = 24
PAGE = 12
"""Images on a page."""


def show(run: Run, images: ImageSet) -> None:
    """Figures on top, by rule and block, and boxes on images."""
    downstream_dense.style()
    try:
        boxes.rows(images)
    except UserError as lacking:
        downstream_dense.missing(images, lacking)
        return
    state = localisation.state(run, images)
    stamp = f"{run.id} {localisation.key(run, images)} {state}"
    found = _found(run, images, stamp)
    if found is None:
        wanted = downstream_dense.arguments(run, images, boxes.digest(images))
        said = f"Looking for objects with {words.name(run)}"
        waiting.until("locate", wanted, said, partial(localisation.state, run, images))
        return
    numbers = _numbers(found, stamp)
    _figures(numbers)
    rule = frame.choice("rule", "What stands out", RULES, "taught")
    left, right = st.columns([3, 2], gap="large")
    with left:
        _by_block(found, rule)
    with right:
        st.subheader("How", anchor=False)
        st.markdown(_how(rule))
    _gallery(images, found, rule, stamp)


@remember.resource(max_entries=4)
def _found(_run: Run, _images: ImageSet, stamp: str) -> Localisation | None:  # noqa: ARG001
    return dense.find_boxes(_run, _images)


@remember.data(max_entries=16)
def _numbers(_found: Localisation, stamp: str) -> dict[str, Any]:  # noqa: ARG001
    return _found.numbers()


def _figures(numbers: dict[str, Any]) -> None:
    shares = {**numbers["corloc"], **numbers["corloc"]["best"]}
    cells = [
        (name, f"{shares[source]:.1%}", span(numbers["intervals"][source])) for source, name in NAMES.items()
    ]
    pictures.figures(cells)
    rule, block = numbers["chosen"]["run"]
    said = [
        "**CorLoc**: the share of images in which half of what the drawn box and the object’s box cover is "
        "covered by both (Deselaers et al. 2010). In small, 95% intervals.",
        f"No label was used: a box is drawn around the largest part of a map that stands out. Of the trained "
        f"network by “{RULES[rule].lower()}” on {pictures.literal(block)}, which was right most often on "
        f"{numbers['chosen_by']:,} other images than the {numbers['images']:,} that these figures are of.",
        lead("the untrained network", *numbers["lead"]["untrained"]),
        lead("colours alone", *numbers["lead"]["colour"]),
    ]
    if numbers["lead"]["untrained"][1] <= 0:
        said.append(
            "Where objects differ from all around them by colour and edges, random filters find them as "
            "well; what the objects are is another question: see “Segmentation”."
        )
    with st.container(width=820):
        st.caption(" ".join(said))


def _by_block(found: Localisation, rule: str) -> None:
    st.subheader("By block", anchor=False)
    lines = []
    for source, color in COLORS.items():
        blocks = list(found.found[source][rule])
        spans = [found.interval(source, rule, block) for block in blocks]
        lines.append(
            charts.Line(
                NAMES[source],
                blocks,
                [found.corloc(source, rule, block) for block in blocks],
                color,
                "solid" if source == "run" else "dash",
                [low for low, _ in spans],
                [high for _, high in spans],
            )
        )
    levels = {NAMES[source].lower(): found.corloc(source) for source in ("colour", "centre", "whole")}
    charts.shares(lines, levels, key="boxes_blocks", x="block", y="CorLoc")


def _how(rule: str) -> str:
    return (
        f"{SAID[rule]}\n\n"
        "What is above the value that splits the map into two groups that differ most (Otsu 1979) stands "
        "out; the box is drawn around its largest connected part.\n\n"
        f"The centre box is {CENTRE:.0%} of the side wide and high, in the middle of every image. “Colours "
        "alone” is what is unlike the border in red, green and blue, with no network. Bars are 95% "
        "intervals."
    )


@st.fragment
def _gallery(images: ImageSet, found: Localisation, rule: str, stamp: str) -> None:
    st.subheader("Boxes", anchor=False)
    chosen = {source: found.chosen(source, rule)[1] for source in COLORS}
    marks = [("border:2px solid #fff;outline:1px solid rgb(0 0 0/55%)", "The object")]
    marks += [
        (f"border:2px {STYLES[source]} {COLORS[source]}", f"{NAMES[source]}, {block}")
        for source, block in chosen.items()
    ]
    pictures.show(downstream_dense.legend(marks))
    count = min(SHOWN, len(found.reported))
    pages = -(-count // PAGE)
    place = st.container()
    page = st.pagination(pages, key="boxes_page") if pages > 1 else 1
    with place:
        pictures.show(_pictures(images, found, rule, count, (page - 1) * PAGE, stamp))
    st.caption(
        "Under each image the overlap of either box with the object’s (intersection over union), with a tick "
        f"from one half on. {count} of the images that the figures are of, evenly spread; of each network "
        "the block that was right most often on the others."
    )


@remember.data(max_entries=32)
def _pictures(
    _images: ImageSet,
    _found: Localisation,
    rule: str,
    count: int,
    begin: int,
    stamp: str,  # noqa: ARG001
) -> str:
    reported = _found.reported
    drawn = {source: _found.boxes(source, *_found.chosen(source, rule)) for source in COLORS}
    cells = []
    for number in range(begin, min(begin + PAGE, count)):
        place = int(reported[number * len(reported) // count])
        entry = _images.entries[int(_found.rows[place])]
        name = escape(pictures.name_of(entry.name, 120))
        photo = pictures.uri(encode_jpeg(square(_images.pixels(int(_found.rows[place])), DRAWN), 85))
        marks = _box(_found.true[place], "solid", "#fff")
        notes = []
        for source, own in drawn.items():
            marks += _box(own[place], STYLES[source], COLORS[source])
            share = float(boxes.overlap(own[place], _found.true[place]))
            tick = " ✓" if share >= boxes.ENOUGH else ""
            notes.append(f"<span>{NAMES[source].lower()} {share:.2f}{tick}</span>")
        cells.append(
            f'<figure title="{name}"><div><img src="{photo}" alt="{name}">{marks}</div>'
            f"<figcaption>{''.join(notes)}</figcaption></figure>"
        )
    return f'<div class="sv-found">{"".join(cells)}</div>'


def _box(box: Boxes, style: str, color: str) -> str:
    x0, y0, x1, y1 = np.clip(box, 0, 1).tolist()
    where = f"left:{x0:.2%};top:{y0:.2%};width:{x1 - x0:.2%};height:{y1 - y0:.2%}"
    return f'<i style="{where};border-style:{style};border-color:{color}"></i>'
