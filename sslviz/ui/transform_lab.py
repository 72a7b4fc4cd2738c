"""The transforms lab: where exemplar's seeds come from, and what each change makes of one, alone and with the
others; every copy is made by the task itself."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import streamlit as st

from sslviz.errors import UserError
from sslviz.imagesets import ImageSet
from sslviz.ui import (
    frame,
    inside_pictures,
    options,
    pictures,
    seed_pictures,
    task_look,
    transform_settings,
)
from sslviz.ui.transform_settings import TRANSFORMS

if TYPE_CHECKING:
    from sslviz.preview import Bound

COUNTS = (50, 100, 250, 500, 1000, 2000, 4000, 8000, 16_000, 32_000)
"""Seeds to choose from; the paper's range."""
COPIES = (1, 8, 16, 24, 48, 100)
STRIP = 4
"""Steps to either side of the unchanged copy in a strip."""


@st.fragment
def show(name: str, images: ImageSet, row: int) -> None:
    """Draw it for the image in `row`."""
    chosen = {key: value for key, value in options.chosen(name).items() if key != "seeds"}
    with task_look.loading():
        usual = _usual(images, chosen)
    key = f"lab_seeds_{images.folder.name}"
    if st.session_state.get(key) not in COUNTS:
        st.session_state[key] = usual
    count = int(st.session_state[key])
    wanted = tuple(sorted((chosen | {"seeds": count}).items()))
    try:
        bound = task_look.bound(name, wanted, str(images.folder), images.fingerprint, row, _images=images)
    except UserError as error:
        frame.problem(error)
        _how_many(usual, key)
        return
    at = _seeds(bound, images, usual, key, f"{images.fingerprint} {row} {wanted}")
    how = frame.choice("how", "The changes", {"alone": "Each alone", "together": "Together"}, "alone")
    if how == "alone":
        _alone(bound, at)
    else:
        _together(bound, at)


def _usual(images: ImageSet, chosen: dict[str, Any]) -> int:
    """Seeds that the task has on this set, if it is not asked for a number."""
    from sslviz.options import make_task

    return make_task("exemplar", chosen).answers(len(images)) or COUNTS[0]


def _how_many(usual: int, key: str) -> None:
    counts = sorted({*COUNTS, usual})
    st.select_slider(
        "N, seeds in the whole set",
        counts,
        key=key,
        format_func=lambda count: f"{count:,}",
        help=f"The number of answers. Unless it is asked for another, the task takes {usual:,} of this set.",
    )


def _seeds(bound: Bound, images: ImageSet, usual: int, key: str, stamp: str) -> int:
    """Where seeds come from, and the place among those of the image of the one that was chosen."""
    here = len(bound.rows)
    at = min(int(st.session_state.get("lab_seed_at", 0)), here - 1)
    photo, energy, said = st.columns([1, 1, 1.1], gap="medium")
    where, map_ = seed_pictures.drawn(bound, images, at, stamp)
    with photo:
        st.markdown("**The seeds on the image**")
        pictures.show(where, "exemplar")
    with energy:
        st.markdown("**Its gradients**")
        pictures.show(map_, "exemplar")
        pictures.show(f'<p class="sv-note">{inside_pictures.scale()}</p>')
    with said:
        st.markdown(
            "A seed is drawn where there is something to see: a window of one of several sizes, with "
            "a chance proportional to its mean **gradient energy**, the squared differences of "
            "neighbouring pixels. No two overlap, and flat places have none."
        )
        _how_many(usual, key)
        count = bound.classes
        st.caption(_sentence(count, len(images), here))
        if here > 1:
            st.session_state["lab_seed_at"] = at
            st.select_slider(
                "Seed", list(range(here)), key="lab_seed_at", format_func=lambda one: f"{one + 1} of {here}"
            )
    return bound.rows[at]


def _sentence(count: int, total: int, here: int) -> str:
    each = f"{count / total:.2g}" if count >= total else ""
    if count < total:
        found = f"Of {total:,} images {count:,} have one; this image is shown as if it were among them."
    elif here == 1:
        found = f"About {each} an image, one on this."
    else:
        found = f"About {each} an image, {here} on this."
    return (
        f"{found} With more seeds more of them look alike, and are then answers that cannot be told apart: "
        "in the paper, on STL-10, about 8,000 were best (Dosovitskiy et al., TPAMI 2015)."
    )


def _alone(bound: Bound, row: int) -> None:
    """One transform: its sliders, the copy, and copies from one end of its range to the other."""
    titles = {name: one.title for name, one in TRANSFORMS.items()}
    name = frame.choice("transform", "Transform", titles, "translation")
    transform = TRANSFORMS[name]
    sliders, copy = st.columns([1, 1.4], gap="large")
    with sliders:
        st.markdown(transform.words)
        for part in transform.parts:
            transform_settings.slider(transform, part)
        low, _, high = (
            transform_settings.said(transform, one) for one in transform_settings.strengths(transform, 1)
        )
        paper = transform_settings.option_of(transform).paper.rstrip(".")
        st.caption(f"From {low} to {high}, the default of the task. In the paper: {paper}.")
    with copy:
        _copy(bound, row, [name])
    st.markdown(f"**{transform.title} alone**, from one end of its range to the other, all else unchanged")
    values, changes = transform_settings.across(transform, STRIP)
    examples = bound.changed(row, changes)
    captions = [transform_settings.said(transform, one) for one in values]
    captions[STRIP] = "unchanged"
    pictures.show(pictures.views([one.views[0] for one in examples], captions, 88), "exemplar")


def _together(bound: Bound, row: int) -> None:
    """All sliders at once, and copies as training draws them."""
    with st.container(horizontal=True, vertical_alignment="bottom"):
        st.button("All unchanged", icon=":material/restart_alt:", on_click=transform_settings.reset)
    sliders, copy = st.columns([1.6, 1], gap="large")
    with sliders:
        cells = st.grid(3, min_column_width=150, gap="small")
        for transform in TRANSFORMS.values():
            for part in transform.parts:
                with cells.cell():
                    transform_settings.slider(transform, part, titled=True)
    with copy:
        _copy(bound, row, list(TRANSFORMS))
    _many(bound, row)


def _copy(bound: Bound, row: int, names: list[str]) -> None:
    """The seed, and the copy that the sliders make of it."""
    import torch

    changes = transform_settings.changes(names)
    (seed,), (copy,) = bound.changed(row, transform_settings.changes([])), bound.changed(row, changes)
    drawn = pictures.views([seed.views[0], copy.views[0]], ["The seed", "The copy"], 150)
    pictures.show(drawn, "exemplar")
    if not bool(seed_pictures.problem_of(bound).inside(torch.tensor([row]), changes)):
        st.caption(
            "Cut like this, the copy would reach beyond the image. It was moved inside, and shrunk where it "
            "had to be: padding would betray what was done. In training such a copy is drawn again."
        )


def _many(bound: Bound, row: int) -> None:
    """K copies, each distorted in all ways at once."""

    def again() -> None:
        st.session_state["lab_draw"] = int(st.session_state.get("lab_draw", 0)) + 1

    st.markdown("**All of them at random**, as training draws them")
    with st.container(horizontal=True, vertical_alignment="bottom", gap="medium"):
        st.session_state.setdefault("lab_copies", 24)
        count = st.select_slider("K, copies of the seed", COPIES, key="lab_copies", width=260)
        st.button("Draw again", icon=":material/casino:", on_click=again)
    examples = bound.drawn(row, int(st.session_state.get("lab_draw", 0)), int(count))
    pictures.show(pictures.views([one.views[0] for one in examples], ["" for _ in examples], 76), "exemplar")
    st.caption(
        "All are one answer. The paper made K copies of each seed beforehand, from 1 to 300, and about 100 "
        "were enough (Dosovitskiy et al., TPAMI 2015). Here every step of training draws new ones, so that "
        "none is seen twice. The ranges are those in the options of the task."
    )
