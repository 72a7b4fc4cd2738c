"""How alike the networks of a lineup are: coloured tables, and the neighbours of one image by each."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from html import escape

import streamlit as st

from sslviz import figures, intervals
from sslviz.imagesets import ImageSet, Sample
from sslviz.lineup import Lineup
from sslviz.ui import embedding_scene, lineup_table, pictures
from sslviz.ui.embedding_map import Item, Row, sheets, thumbnail_rows

SHORT = {"Relative location": "Location", "Trained on labels": "Labels", "Colours alone": "Colours"}


def matrices(found: Lineup) -> None:
    """CKA and neighbours in common, side by side."""
    names = [SHORT.get(name, name) for name in map(lineup_table.name, found.contenders)]
    left, right = st.columns(2, gap="large")
    with left:
        st.markdown("**Features: CKA**")
        pictures.show(_matrix(found.cka, names, 1.0))
        st.caption(
            "1: the same but for turning, mirroring and scaling the space of features; 0: nothing in common. "
            f"Debiased, so that few images do not make networks look alike. On {len(found.rows):,} images."
        )
    with right:
        st.markdown("**Neighbours in common**")
        shown = [[None if row == column else share for column, share in enumerate(line)]
                 for row, line in enumerate(found.shared)]  # fmt: skip
        most = max([share for line in shown for share in line if share is not None], default=1.0)
        pictures.show(_matrix(shown, names, max(0.05, most), percent=True))
        st.caption(
            "Mean share, in percent, of an image's ten nearest that are the same by both; by chance "
            f"{intervals.percent(found.by_chance)}."
        )


def _matrix(
    table: Sequence[Sequence[float | None]], names: Sequence[str], most: float, percent: bool = False
) -> str:
    head = "".join(f'<th scope="col"><span>{escape(name)}</span></th>' for name in names)
    rows = []
    for row, (name, line) in enumerate(zip(names, table, strict=True)):
        cells = "".join(
            '<td class="sv-same">·</td>'
            if row == column or value is None
            else _cell(value, value / most, percent)
            for column, value in enumerate(line)
        )
        rows.append(f'<tr><th scope="row">{escape(name)}</th>{cells}</tr>')
    body = f"<thead><tr><td></td>{head}</tr></thead><tbody>{''.join(rows)}</tbody>"
    return f'<div class="sv-alike"><table>{body}</table></div>{_ramp(most, percent)}'


def _cell(value: float, share: float, percent: bool) -> str:
    color = shade(share)
    told = f"{100 * value:.0f}" if percent else f"{value:.2f}".removeprefix("0")
    told = "1" if told == "1.00" else told
    return f'<td style="background:{color};color:{ink(color)}">{told}</td>'


def _ramp(most: float, percent: bool) -> str:
    colors = f"background:linear-gradient(90deg,{', '.join(figures.RAMP)})"
    high = f"{most:.0%}" if percent else f"{most:g}"
    return f'<p class="sv-note">0<span class="sv-ramp" style="{colors}"></span>{high}</p>'


def shade(share: float) -> str:
    """The colour of a share in [0, 1] on the ramp from little to much, between its steps too: #rrggbb."""
    at = min(1.0, max(0.0, share)) * (len(figures.RAMP) - 1)
    low = min(int(at), len(figures.RAMP) - 2)
    begin, end = (_channels(color) for color in itertools.islice(figures.RAMP, low, low + 2))
    mixed = (round(a + (b - a) * (at - low)) for a, b in zip(begin, end, strict=True))
    return "#" + "".join(f"{value:02x}" for value in mixed)


def ink(color: str) -> str:
    """Black or white, whichever can be read better on a colour (WCAG 2's contrast)."""
    linear = [one / 12.92 if one <= 0.03928 else ((one + 0.055) / 1.055) ** 2.4
              for one in (value / 255 for value in _channels(color))]  # fmt: skip
    light = sum(weight * one for weight, one in zip((0.2126, 0.7152, 0.0722), linear, strict=True))
    return "#fff" if 1.05 / (light + 0.05) > (light + 0.05) / 0.0556 else "#111"


def _channels(color: str) -> tuple[int, int, int]:
    return int(color[1:3], 16), int(color[3:5], 16), int(color[5:7], 16)


def neighbours(found: Lineup, images: ImageSet) -> None:
    """One image, and its nearest others by each contender; a click on one asks about it."""
    some = Sample(images, found.rows)
    ids = some.ids
    asked = st.query_params.get("image")
    query = ids.index(asked) if asked in ids else len(ids) // 2

    def turn(place: int) -> None:
        st.query_params["image"] = ids[place]

    entry = some.entries[query]
    with st.container(horizontal=True, vertical_alignment="center", gap="medium"):
        called = pictures.short(entry.name) + (f" · {pictures.name_of(entry.label)}" if entry.label else "")
        shown = pictures.figure(pictures.uri(some.thumbnail(query)), pictures.name_of(entry.name), called)
        st.html(f'<div class="sv sv-asked">{shown}</div>', width="content")
        step = max(1, round(0.618 * len(ids)))
        st.button(
            "Another image",
            icon=":material/shuffle:",
            key="lineup_other",
            on_click=turn,
            args=((query + step) % len(ids),),
        )
    rows = _rows(found, some, query)
    thumbnail_rows(rows, key="lineup_near", sprites=some.fingerprint, strip=True, width=74, on_click=turn)
    sheets(embedding_scene.all_sheets(some))


def _rows(found: Lineup, some: Sample, query: int) -> list[Row]:
    """A row of neighbours for each contender, with how many it shares with the first."""
    label = some.entries[query].label

    def item(place: int) -> Item:
        entry = some.entries[place]
        same = None if label is None or entry.label is None else entry.label == label
        return Item(place, pictures.name_of(entry.name), pictures.name_of(entry.label or ""), "", same)

    first = {int(place) for place in found.near[0, query]}
    rows = []
    for number, one in enumerate(found.contenders):
        near = [int(place) for place in found.near[number, query]]
        shared = (
            f"{len(first & set(near))} of {len(near)} as {lineup_table.name(found.contenders[0]).lower()}"
        )
        note = " · ".join(said for said in (one.block, shared if number else "") if said)
        rows.append(Row([item(place) for place in near], lineup_table.name(one), note))
    return rows
