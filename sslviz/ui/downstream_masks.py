"""Segmentation: which class is at each pixel, told by a linear classifier on frozen dense features."""

from __future__ import annotations

from functools import partial
from html import escape
from typing import TYPE_CHECKING, Any

import numpy as np
import streamlit as st
from numpy.typing import NDArray

from sslviz import dense, figures
from sslviz.dense import Segmentation, masks, segmentation
from sslviz.errors import UserError
from sslviz.figures import PALETTE
from sslviz.images import encode_jpeg, square
from sslviz.imagesets import ImageSet
from sslviz.runs import Run
from sslviz.ui import charts, downstream_dense, pictures, remember, waiting, words
from sslviz.ui.downstream_dense import DRAWN, lead, span

if TYPE_CHECKING:
    from plotly.graph_objects import Figure

NAMES = {
    "run": "Trained",
    "untrained": "Untrained",
    "supervised": "Trained on masks",
    "colour": "Colour and place",
    "background": "All background",
}
COLORS = {"run": PALETTE[0], "untrained": PALETTE[1], "supervised": PALETTE[2]}
PICTURED = ("run", "untrained", "supervised")
PAGE = 6
"""Images on a page."""
SHADE, DIMMED = 0.78, 0.45
"""How much of a class's colour covers the image, and how bright the image is elsewhere, in grey: some classes
are grey themselves."""


def show(run: Run, images: ImageSet) -> None:
    """Figures on top, by block and by class, and the answers as pictures."""
    downstream_dense.style()
    try:
        asked = masks.question(images)
    except UserError as lacking:
        downstream_dense.missing(images, lacking)
        return
    state = segmentation.state(run, images)
    stamp = f"{run.id} {segmentation.key(run, images)} {state}"
    found = _found(run, images, stamp)
    if found is None:
        wanted = downstream_dense.arguments(run, images, masks.digest(images))
        said = f"Segmenting with {words.name(run)}"
        waiting.until("segment", wanted, said, partial(segmentation.state, run, images))
        return
    numbers = _numbers(found, stamp)
    _figures(found, numbers)
    left, right = st.columns(2, gap="large")
    with left:
        _by_block(numbers)
    with right:
        _by_class(found, numbers)
    _gallery(images, asked, found, stamp)


@remember.resource(max_entries=4)
def _found(_run: Run, _images: ImageSet, stamp: str) -> Segmentation | None:  # noqa: ARG001
    return dense.find_masks(_run, _images)


@remember.data(max_entries=16)
def _numbers(_found: Segmentation, stamp: str) -> dict[str, Any]:  # noqa: ARG001
    return _found.numbers()


def _figures(found: Segmentation, numbers: dict[str, Any]) -> None:
    miou, intervals = numbers["miou"], numbers["interval"]
    cells = [
        (name, f"{miou[source]:.1%}", span(intervals[source]) if source in intervals else "")
        for source, name in NAMES.items()
        if source in miou
    ]
    pictures.figures(cells)
    kinds = len(found.classes) - 1
    what = f"{kinds} labels and the background" if kinds > 1 else "the object and the background"
    said = [
        f"**Mean intersection over union (mIoU)** of {what}: by class, of the pixels that it has in the mask "
        "or in the answer, the share that it has in both; then the mean of the classes. In small, 95% "
        "intervals.",
        f"A linear classifier of single places, on the frozen features of all blocks, has learned from the "
        f"masks of {found.known:,} images and is asked about {found.asked:,} others.",
        lead("the untrained network", *numbers["lead"]["untrained"]),
    ]
    if "supervised" in numbers["lead"]:
        setting = found.setting
        said.append(
            f"“{NAMES['supervised']}” is the same kind of network, trained from scratch on the same masks, "
            f"at {setting['side']} pixels and for {setting['steps']} steps."
        )
    else:
        said.append("Training this network on the masks would take too long here, and was left out.")
    with st.container(width=820):
        st.caption(" ".join(said))


def _by_block(numbers: dict[str, Any]) -> None:
    st.subheader("By block", anchor=False)
    lines = []
    for source in ("run", "untrained"):
        shares = {**numbers["by_block"][source], "all": numbers["miou"][source]}
        dash = "solid" if source == "run" else "dash"
        lines.append(charts.Line(NAMES[source], list(shares), list(shares.values()), COLORS[source], dash))
    levels = {
        NAMES[source].lower(): numbers["miou"][source]
        for source in ("supervised", "colour", "background")
        if source in numbers["miou"]
    }
    charts.shares(lines, levels, key="masks_blocks", x="block", y="mIoU")
    st.caption("Each block alone, and all of them together, to which the figures above belong.")


def _by_class(found: Segmentation, numbers: dict[str, Any]) -> None:
    st.subheader("By class", anchor=False)
    figure = _classes(found, numbers)
    st.plotly_chart(figure, key="masks_classes", theme="streamlit", config={"displayModeBar": False})
    taken = numbers["object"]
    parts = [f"{NAMES[source].lower()} {taken[source]:.0%}" for source in PICTURED if source in taken]
    right = [f"{NAMES[source].lower()} {share:.0%}" for source, share in numbers["pixels_right"].items()]
    together = f"All labels taken as one object: {', '.join(parts)}. " if len(found.classes) > 2 else ""
    st.caption(
        f"Intersection over union of each class. {together}Pixels whose class is right, which says little "
        f"where most are background: {', '.join(right)}."
    )


def _classes(found: Segmentation, numbers: dict[str, Any]) -> Figure:
    from plotly.graph_objects import Figure, Scatter

    figure = Figure()
    # Plotly reads some HTML wherever it writes.
    names = [escape(pictures.name_of(name, 24), quote=False) for name in found.classes]
    for source, symbol in zip(PICTURED, figures.SYMBOLS, strict=True):
        if source in numbers["by_class"]:
            figure.add_trace(
                Scatter(
                    x=numbers["by_class"][source],
                    y=list(range(len(names))),
                    name=NAMES[source],
                    mode="markers",
                    marker={"color": COLORS[source], "symbol": symbol, "size": 9},
                    customdata=names,
                    hovertemplate="%{customdata}: %{x:.1%}<extra>%{fullData.name}</extra>",
                )
            )
    figure.update_layout(
        height=360,
        margin={"l": 8, "r": 8, "t": 8, "b": 8},
        legend={"orientation": "h", "y": -0.2, "x": 0},
        hovermode="closest",
        xaxis={"title": "IoU", "tickformat": ".0%", "rangemode": "tozero"},
        # Places and not names: two of them may look alike once they are cut short.
        yaxis={"tickvals": list(range(len(names))), "ticktext": names, "autorange": "reversed"},
    )
    return figure


@st.fragment
def _gallery(images: ImageSet, asked: masks.Question, found: Segmentation, stamp: str) -> None:
    st.subheader("Answers", anchor=False)
    groups = figures.groups(found.classes[1:])
    marks = [(f"background:{group.color}", pictures.name_of(group.name, 40)) for group in groups]
    pictures.show(downstream_dense.legend(marks))
    pages = -(-len(found.shown) // PAGE)
    place = st.container()
    page = st.pagination(pages, key="masks_page") if pages > 1 else 1
    with place:
        pictures.show(_pictures(images, asked, found, (page - 1) * PAGE, stamp))
    st.caption(f"{len(found.shown)} of the images that were asked about, evenly spread over the set.")


@remember.data(max_entries=32)
def _pictures(
    _images: ImageSet,
    _asked: masks.Question,
    _found: Segmentation,
    begin: int,
    stamp: str,  # noqa: ARG001
) -> str:
    sources = [source for source in PICTURED if source in _found.sources]
    shown = _found.shown[begin : begin + PAGE]
    lines = []
    for place, (row, truth) in enumerate(zip(shown, masks.truth(_images, shown, _asked), strict=True), begin):
        photo = square(_images.pixels(row), DRAWN)
        name = pictures.name_of(_images.entries[row].name, 120)
        cells = [_picture(photo, f"The image {name}"), _picture(_shaded(photo, truth), f"The mask of {name}")]
        cells += [
            _picture(_shaded(photo, _found.sources[source].pictures[place]), f"{NAMES[source]}, on {name}")
            for source in sources
        ]
        lines.append((name, cells))
    return downstream_dense.rows(["Image", "Mask", *(NAMES[source] for source in sources)], lines)


def _picture(pixels: NDArray[np.uint8], alt: str) -> str:
    return f'<img src="{pictures.uri(encode_jpeg(pixels, 85))}" alt="{escape(alt)}">'


def _shaded(photo: NDArray[np.uint8], answer: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """uint8 (D, D, 3) and (S, S): the image in grey, under the colour of the class at each pixel; dark where
    nobody knows it."""
    fine = masks.square(answer, len(photo))
    grey = photo.astype(np.float64) @ (0.299, 0.587, 0.114)
    drawn = np.repeat(DIMMED * grey[..., None], 3, 2)
    for number in range(1, int(fine.max(initial=0)) + 1):
        color = "#000000" if number == masks.IGNORED else PALETTE[(number - 1) % len(PALETTE)]
        where = fine == number
        drawn[where] = (1 - SHADE) * grey[where, None] + SHADE * np.array(_rgb(color))
    return np.rint(drawn).astype(np.uint8)


def _rgb(color: str) -> tuple[int, int, int]:
    return int(color[1:3], 16), int(color[3:5], 16), int(color[5:7], 16)
