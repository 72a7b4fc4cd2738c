"""One sample, and how likely the network takes each answer to be."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from html import escape
from typing import TYPE_CHECKING

import numpy as np
import streamlit as st

from sslviz.imagesets import ImageSet
from sslviz.ui import answer_pictures, pictures, task_figures
from sslviz.ui.play_words import percent

if TYPE_CHECKING:
    from sslviz.exam.sampling import Opinion

TURNS = ("upright", "turned left", "upside down", "turned right")


def draw(task: str, opinions: Sequence[Opinion], images: ImageSet) -> None:
    """The sample and the bars; `opinions` are about examples of one image."""
    {"rotation": _rotation, "jigsaw": _jigsaw, "location": _location, "exemplar": _exemplar}[task](
        opinions, images
    )


def bars(items: Sequence[tuple[str, float, bool]], label: str) -> str:
    """(name, probability, whether it is the right answer) each, as HTML; names are HTML."""
    lines = "".join(
        f'<div class="ns-bar{" ns-true" if right else ""}"><span>{name}</span>'
        f'<i><b style="width:{share:.1%}"></b></i><em>{percent(share)}</em></div>'
        for name, share, right in items
    )
    return f'<div class="ns-bars" role="img" aria-label="{escape(label)}">{lines}</div>'


def said(opinion: Opinion, names: Mapping[int, str]) -> str:
    """The answer in words, for who cannot see the bars."""
    best, share = opinion.best[0]
    right = "correct" if best == opinion.example.answer else "wrong"
    return f"The network says {names[best]} with {percent(share)}, which is {right}"


def verdict(opinion: Opinion) -> str:
    """Whether the likeliest answer is correct, as HTML."""
    return answer_pictures.verdict(opinion.best[0][0] == opinion.example.answer)


def _rotation(opinions: Sequence[Opinion], images: ImageSet) -> None:  # noqa: ARG001
    cells = []
    for one in opinions:
        shares = dict(one.best)
        items = [(TURNS[k], shares[k], k == one.example.answer) for k in range(4)]
        picture = answer_pictures.one(one.example.views[0], one.example.sentence)
        head = f"<figcaption>{escape(TURNS[one.example.answer])} {verdict(one)}</figcaption>"
        cells.append(f"<figure>{picture}{head}{bars(items, said(one, dict(enumerate(TURNS))))}</figure>")
    pictures.show(f'<div class="sv-views sv-four">{"".join(cells)}</div>', "rotation")
    st.caption(
        "The same crop four times; under each, how likely the network takes each turn to be. The coloured "
        "bar is the correct answer. Where its answers do not turn with the picture, it has not found what is "
        "up."
    )


def _jigsaw(opinions: Sequence[Opinion], images: ImageSet) -> None:  # noqa: ARG001
    opinion = opinions[0]
    example, orders = opinion.example, opinion.orders
    assert example.permutation is not None
    assert orders is not None

    def laid(choice: int) -> list[pictures.Pixels]:
        return [example.views[slot] for slot in np.argsort(orders[choice])]

    best = opinion.best[0][0]
    boards = [
        ("What it gets", example.views, ""),
        ("As it lays the tiles", laid(best), verdict(opinion)),
        ("In order", laid(example.answer), ""),
    ]
    cells = "".join(
        f"<figure>{answer_pictures.nine(tiles, title)}<figcaption><b>{title}</b> {mark}</figcaption></figure>"
        for title, tiles, mark in boards
    )
    names = [task_figures.capital(opinion.words[one]) for one, _ in opinion.best]
    items = [
        (escape(name), share, one == example.answer)
        for name, (one, share) in zip(names, opinion.best, strict=True)
    ]
    label = f"Likeliest is {names[0]} with {percent(opinion.best[0][1])}"
    pictures.show(f'<div class="an-beside">{cells}</div>{bars(items, label)}', "jigsaw")
    st.caption(
        f"The likeliest of its {example.classes:,} orders, and the correct one, which is coloured: the "
        "number of the tile in each slot, row by row."
    )


def _location(opinions: Sequence[Opinion], images: ImageSet) -> None:
    opinion = opinions[0]
    example = opinion.example
    entry = images.entries[example.row]
    photo = pictures.source(
        pictures.uri(images.jpeg(example.row)),
        (entry.width, entry.height),
        example.boxes,
        example.mirror,
        ["1", "2"],
        "The image with the place of both patches",
    )
    pair = pictures.views(example.views, ["1, the first", "2, the second"], 110)
    shares = dict(opinion.best)
    most = max(shares.values())
    cells = []
    for place in range(9):
        k = place if place < 4 else place - 1
        if place == 4:
            cells.append('<span class="sv-mid">1</span>')
            continue
        right = " ns-true" if k == example.answer else ""
        cells.append(
            f'<span class="ns-heat{right}" style="--share:{shares[k] / most:.3f}">'
            f"{task_figures.ARROWS[k]}<small>{percent(shares[k])}</small></span>"
        )
    label = escape(said(opinion, opinion.words))
    grid = f'<div class="ns-board" role="img" aria-label="{label}">{"".join(cells)}</div>'
    left, middle, right_ = st.columns([1.2, 1, 1.1], gap="large")
    with left:
        pictures.show(photo, "location")
    with middle:
        st.markdown("**What it gets**")
        pictures.show(pair, "location")
    with right_:
        st.markdown("**Where it takes the second to be**")
        pictures.show(f"{grid}<p>{verdict(opinion)}</p>", "location")
    st.caption(
        "The fuller the cell, the likelier; the framed one is correct."
        + (" The image is mirrored, as half of the examples are." if example.mirror else "")
    )


def _exemplar(opinions: Sequence[Opinion], images: ImageSet) -> None:  # noqa: ARG001
    opinion = opinions[0]
    example = opinion.example
    copy = answer_pictures.one(example.views[0], "The copy")
    cells = [f"<figure>{copy}<figcaption><b>The copy</b> {verdict(opinion)}</figcaption></figure>"]
    for one, share in opinion.best:
        patch = answer_pictures.one(opinion.patches[one], f"Patch {one + 1}")
        right = one == example.answer
        mark = '<span class="an-verdict an-right">its own</span>' if right else ""
        bar = bars([("", share, right)], f"{percent(share)}")
        cells.append(f"<figure>{patch}{bar}<figcaption>patch {one + 1:,} {mark}</figcaption></figure>")
    pictures.show(f'<div class="ns-patches">{"".join(cells)}</div>', "exemplar")
    st.caption(
        f"A new copy of one patch of this image, and the likeliest of its {example.classes:,} patches as "
        "they lie in their images; the coloured bar is the patch that the copy was made of."
    )
