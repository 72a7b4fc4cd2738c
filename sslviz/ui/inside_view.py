"""Inside the network: first filters, strongest patches, attention maps, dense features as colours."""

from __future__ import annotations

from html import escape
from pathlib import Path

import streamlit as st

from sslviz import inside
from sslviz.imagesets import ImageSet
from sslviz.inside import SOURCES, Look, Patches, Source
from sslviz.runs import Run
from sslviz.ui import frame, inside_pictures, inside_work, pictures, remember

__all__ = ["show"]

NAMES: dict[Source, str] = {"run": "Trained", "untrained": "The same network, untrained"}
CHANNELS = 8
"""Channels on a page."""
UNASKED = 2
"""Images whose attention is shown where none was chosen."""


def show(run: Run, images: ImageSet, row: int | None) -> None:
    """Draw all of it, or how far it is; `row` is the image that was chosen, if one was.

    Raises `UserError` where the run has no weights.
    """
    row = row if row is not None and 0 <= row < len(images) else None
    st.html(Path(__file__).with_name("inside.css"))
    st.markdown(
        "What the network makes of your images, step by step: from its first filters to its last block, "
        "always beside **the same network before training**. What both show is owed to the architecture; "
        "what only the trained one shows, it has learned."
    )
    if row is not None:
        inside_work.look_at(run, images, row)
    inside_work.follow(run, images, row)
    state = inside.state(run, images, row)
    stamp = f"{inside.key(run, images)} {state}"
    if all(state) and not _whole(run, images, row, stamp) and inside.discard_damaged(run, images, row):
        st.rerun()
    _filters(run, images, stamp)
    _patches(run, images, stamp)
    _attention(run, images, row, stamp)
    _dense(run, images, row, stamp)


@remember.data(max_entries=32)
def _whole(_run: Run, _images: ImageSet, row: int | None, stamp: str) -> bool:  # noqa: ARG001
    """Whether all that is there can be read."""
    looks = [_looks(_run, _images, one) for one in inside.wanted(_images, row)]
    others = [read(_run, _images, source) for source in SOURCES for read in (inside.filters, inside.patches)]
    return all(one is not None for one in (*looks, *others))


def _heading(title: str, words: str) -> None:
    st.subheader(title, anchor=False)
    with st.container(width=760):
        st.markdown(words)


def _later() -> None:
    st.caption("It appears here as soon as it is computed.")


def _filters(run: Run, images: ImageSet, stamp: str) -> None:
    _heading(
        "First filters",
        "Each square is a kernel of the first convolution: the little pattern that it answers to most. "
        "**Look for** edges at several angles, stripes and blobs of colour. Untrained kernels are noise.",
    )
    html = _filters_html(run, images, stamp)
    if html is None:
        _later()
        return
    pictures.show(html)
    st.caption(
        "Mid-grey is a weight of nought. One factor scales all kernels of a network, so that its largest "
        "weights are drawn in full (1 in 200 is cut off) and a kernel that learned little looks flat. Both "
        "networks are sorted by one rule: grey kernels first, by direction, then coloured ones, by hue."
    )


@remember.data(max_entries=32)
def _filters_html(_run: Run, _images: ImageSet, stamp: str) -> str | None:  # noqa: ARG001
    parts = []
    for source in SOURCES:
        drawn = inside.filters(_run, _images, source)
        if drawn is None:
            return None
        note = f"{len(drawn)} kernels of {drawn.shape[1]} × {drawn.shape[2]} pixels"
        parts.append((NAMES[source], note, inside_pictures.kernels(drawn, _called(source))))
    return inside_pictures.pair(parts)


def _called(source: Source) -> str:
    return "trained" if source == "run" else "untrained"


@st.fragment
def _patches(run: Run, images: ImageSet, stamp: str) -> None:
    _heading(
        "What excites a channel",
        "A row is one channel of a block, with the patches of your images that excite it most, each from "
        "another image. A patch is all that the channel sees at that place, its receptive field. "
        "**Look for** rows with something in common: an edge, a colour, a texture, a part.",
    )
    found = {source: _read_patches(run, images, source, stamp) for source in SOURCES}
    trained, untrained = found["run"], found["untrained"]
    if trained is None or untrained is None:
        _later()
        return
    scanned, side, blocks = trained
    names = list(blocks)
    block = frame.choice(
        "patches", "Block, from the first to the last", {n: n for n in names}, names[min(1, len(names) - 1)]
    )
    count = len(blocks[block].channels)
    pages = -(-count // CHANNELS)
    place = st.container()
    page = st.pagination(pages, key=f"inside_page_{block}") if pages > 1 else 1
    html = _patches_html(run, images, block, page, stamp)
    with place:
        pictures.show(html)
    told = f"{scanned:,} of the {len(images):,} images, evenly spread"
    if scanned == len(images):
        told = f"all {scanned:,} images" if scanned > 1 else "the one image there is"
    st.caption(
        f"Searched: {told}, as the network reads them, {side} × {side} pixels. The {count} channels of "
        "this block are in order of how much their strongest activation differs from image to image. At the "
        "border of an image patches are cut off; a ring marks the middle where a patch is most of an image. "
        "Rest on a patch for the name of its image."
    )


@remember.resource(max_entries=8)
def _read_patches(
    _run: Run,
    _images: ImageSet,
    source: Source,
    stamp: str,  # noqa: ARG001
) -> tuple[int, int, dict[str, Patches]] | None:
    return inside.patches(_run, _images, source)


@remember.data(max_entries=64)
def _patches_html(_run: Run, _images: ImageSet, block: str, page: int, stamp: str) -> str:
    parts = []
    for source in SOURCES:
        found = _read_patches(_run, _images, source, stamp)
        assert found is not None
        _, side, blocks = found
        count = len(blocks[block].channels)
        places = range((page - 1) * CHANNELS, min(count, page * CHANNELS))
        squares = _images.squares(side)
        rows = inside_pictures.channels(blocks[block], places, squares, _images.names)
        parts.append((NAMES[source], "", rows))
    return inside_pictures.pair(parts)


def _looks(run: Run, images: ImageSet, row: int) -> dict[Source, Look] | None:
    found: dict[Source, Look] = {}
    for source in SOURCES:
        look = inside.look(run, images, source, row)
        if look is None:
            return None
        found[source] = look
    return found


def _attention(run: Run, images: ImageSet, row: int | None, stamp: str) -> None:
    _heading(
        "Attention maps",
        "Where the features of each block are strong, as the RotNet paper draws it (Gidaris et al. 2018, "
        "figure 3): at each place the sum over the channels of the activations to the power *p*. "
        "**Look for** what stands out in later blocks: things and the parts that tell about them, or only "
        "whatever is bright and sharp.",
    )
    chosen = inside.wanted(images, row)[: UNASKED if row is None else 1]
    html = [one for row in chosen if (one := _attention_html(run, images, row, stamp))]
    if not html:
        _later()
        return
    pictures.show("".join(part for part, _ in html))
    other = "" if row is not None else " Choose an image on the map to see its own."
    words = (
        "Each map is scaled on its own, its strongest hundredth in full: the colours say where, not how "
        "much. "
        f"{_finer(run, html[0][1])}{other}"
    )
    pictures.show(f'<p class="sv-note">{inside_pictures.scale()} &ensp; {escape(words)}</p>')


def _finer(run: Run, side: int) -> str:
    usual = run.spec.side or run.spec.size or side
    times = ""
    if side > usual:
        factor = "twice" if side == 2 * usual else f"{side / usual:.2g} times"
        times = f", {factor} the side that it has in training, so that the maps are finer"
    return f"The networks read the image at {side} × {side} pixels{times}."


@remember.data(max_entries=64)
def _attention_html(_run: Run, _images: ImageSet, row: int, stamp: str) -> tuple[str, int] | None:  # noqa: ARG001
    found = _looks(_run, _images, row)
    if found is None:
        return None
    pixels, name = _images.pixels(row), _images.names[row]
    photo = inside_pictures.photo(pixels, name)
    blocks = list(found["run"].energy)
    header = ["the image", *(f"{block} · p = {inside.power(place)}" for place, block in enumerate(blocks))]
    rows = [
        (NAMES[source], [photo, *inside_pictures.heat(look, pixels, _called(source))])
        for source, look in found.items()
    ]
    return inside_pictures.table(header, rows, len(header)), found["run"].side


@st.fragment
def _dense(run: Run, images: ImageSet, row: int | None, stamp: str) -> None:
    _heading(
        "Dense features as colours",
        "The three directions in which a block's features differ most, over all these images at once, as "
        "red, green and blue: places of one colour are alike to the network, also across images. "
        "**Look for** one colour for sky, for grass, for fur, and edges where the things have theirs.",
    )
    looks = {one: found for one in inside.wanted(images, row) if (found := _looks(run, images, one))}
    if not looks:
        _later()
        return
    blocks = list(next(iter(looks.values()))["run"].colours)
    first = blocks[min(2, len(blocks) - 1)]
    block = frame.choice("colours", "Block, from the first to the last", {n: n for n in blocks}, first)
    pictures.show(_dense_html(run, images, tuple(looks), block, stamp))
    side = next(iter(looks.values()))["run"].side
    st.caption(
        "Colours mean nothing in themselves, and those of the two networks cannot be compared: each has "
        f"principal components of its own. {_finer(run, side)}"
    )


@remember.data(max_entries=64)
def _dense_html(_run: Run, _images: ImageSet, rows: tuple[int, ...], block: str, stamp: str) -> str:  # noqa: ARG001
    photos = [inside_pictures.photo(_images.pixels(row), _images.names[row]) for row in rows]
    lines: list[tuple[str, list[str]]] = [("", photos)]
    for source in SOURCES:
        found = [inside.look(_run, _images, source, row) for row in rows]
        alt = f"Features of {block} of the {_called(source)} network as colours"
        cells = [inside_pictures.colours(look, block, alt) for look in found if look is not None]
        lines.append((NAMES[source], cells))
    return inside_pictures.table([], lines, len(rows))
