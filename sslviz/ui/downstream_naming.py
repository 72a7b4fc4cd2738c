"""Click to label: a few images are named by hand, and a probe on frozen features names the rest."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, cast

import numpy as np
import streamlit as st
from numpy.typing import NDArray

from sslviz import embeddings, naming
from sslviz.embeddings import Embedding, Source
from sslviz.errors import UserError
from sslviz.imagesets import ImageSet
from sslviz.naming import Names, Proposals, Truth
from sslviz.runs import Run
from sslviz.ui import (
    embedding_scene,
    embedding_work,
    frame,
    naming_board,
    naming_export,
    naming_spaces,
    naming_worth,
    pictures,
)
from sslviz.ui.naming_board import Act, Board, Strip, Tile

BATCH = 12
"""Images to be named at a time: what a glance takes in, and divides by the columns of every width."""
STRIP = 16
"""Images shown of those that a name is proposed for."""
NAMED = 36
"""Named images shown, the latest."""
SURE = 0.8

Ints = NDArray[np.int64]


@dataclass(frozen=True)
class Naming:
    """What is looked at in this run of the page."""

    run: Run
    images: ImageSet
    embedding: Embedding
    names: Names
    proposals: Proposals | None
    """None as long as there are no two names."""
    truth: Truth | None
    """What the set's labels say, where they are to be seen."""


def show(run: Run, images: ImageSet) -> None:
    """The whole part."""
    if len(images) < 2:
        frame.nothing("This set has one image.", "Naming it by itself is no work.", "images", "Add images")
        return
    _show(run, images)
    embedding_scene.sheets(images)


@st.fragment
def _show(run: Run, images: ImageSet) -> None:
    with frame.guard():
        if not embedding_work.ready(run, images, "You can begin to name them"):
            return
        st.markdown(
            "Name a few images. A linear probe on frozen features proposes names for all others, and asks "
            "next about those it is least certain of."
        )
        embedding = _choose(run, images)
        if embedding is None:
            embedding_work.wait([run], images)
            return
        names = naming.read(images)
        proposals = naming_spaces.proposals(embedding, images, names)
        now = Naming(run, images, embedding, names, proposals, naming_worth.seen(images, names))
        _warn(now)
        _board(now)
        naming_worth.show(run, images, embedding, names)
        naming_export.offer(images, names, now.proposals)


def _choose(run: Run, images: ImageSet) -> Embedding | None:
    """Whose features, and of which block, as the address has it."""
    with st.container(horizontal=True, vertical_alignment="bottom", gap="medium"):
        source = cast(Source, frame.choice("source", "Features of", embedding_scene.SOURCES, "run"))
        known = embeddings.blocks(run, images, source)
        if not known:
            return None
        asked = st.query_params.get("block")
        block = asked if asked in known else naming_spaces.blind_block(known)
        if len(known) > 1:
            st.session_state["naming_block"] = block

            def chosen() -> None:
                st.query_params["block"] = st.session_state["naming_block"]

            st.selectbox("Block", known, key="naming_block", on_change=chosen, width=150)
    return naming_spaces.embedding(run, images, source, block)


def _warn(now: Naming) -> None:
    """What is out of the ordinary."""
    problem = st.session_state.pop("naming_problem", None)
    if problem is not None:
        frame.problem(problem)
    if now.names.damaged:
        frame.problem(
            UserError(
                "The names given before cannot be read.",
                "Their file, naming.json in the set's folder, is put aside when you name the next image.",
            )
        )
    if now.names.lost:
        many = now.names.lost
        st.caption(
            f"{many:,} image{' that was' if many == 1 else 's that were'} named "
            f"{'is' if many == 1 else 'are'} no longer in the set; the names are kept in case they come back."
        )


def _board(now: Naming) -> None:
    batch = _batch(now)
    given = now.names.given
    counts = now.names.counts()
    place = {name: number for number, name in enumerate(counts)}
    strips = [_strip(now, number, counts[name]) for name, number in place.items()] if now.proposals else []
    row_of = naming_spaces.rows_by_id(now.images)
    named = [_tile(now, row_of[image]) for image in [*given][::-1][:NAMED]]
    drawn = [tile.id for tiles in (batch, named, *(strip.tiles for strip in strips)) for tile in tiles]
    left = len(now.images) - len(given) - sum(tile.id not in given for tile in batch)
    title, note = _words(now, batch)
    naming_board.naming_board(
        Board(
            sprites=now.images.fingerprint,
            names=list(counts),
            counts=list(counts.values()),
            given={image: place[given[image]] for image in drawn if image in given},
            batch=batch,
            title=title,
            note=note,
            said=_said(now),
            strips=strips,
            named=named,
            left=left,
            undoable=now.names.undoable,
        ),
        key=f"naming_{now.images.id}",
        on_act=lambda act: _heed(now.images, act),
    )
    naming_board.large(now.images, [tile.row for tile in batch])


def _batch(now: Naming) -> list[Tile]:
    """The images to be named: those that were shown before, until others are asked for."""
    kept: dict[str, Any] = st.session_state.setdefault(f"naming_batch_{now.images.id}", {"passed": []})
    row_of = naming_spaces.rows_by_id(now.images)
    about = (now.images.fingerprint, now.embedding.key)
    if kept.get("about") != about or "ids" not in kept:
        passed = np.array([row_of[image] for image in kept["passed"] if image in row_of], np.int64)
        chosen = _ask(now, passed)
        kept |= {"about": about, "ids": [now.images.entries[row].id for row in chosen.tolist()]}
        kept["least"] = now.proposals is not None
    return [_tile(now, row_of[image]) for image in kept["ids"] if image in row_of]


def _ask(now: Naming, passed: Ints) -> Ints:
    """Rows of the next images to be named."""
    if now.proposals is not None:
        return naming.least_certain(now.proposals, now.embedding.indices, BATCH, besides=passed)
    row_of = naming_spaces.rows_by_id(now.images)
    named = np.array([row_of[image] for image in now.names.given], np.int64)
    besides = np.union1d(named, passed)
    if len(besides) >= len(now.images):  # all were passed over: from the beginning
        besides = named
    return naming.spread(naming_spaces.space(now.embedding), BATCH, besides=besides)


def _heed(images: ImageSet, act: Act) -> None:
    """Do what was done on the board."""
    try:
        if act.kind == "name":
            naming.give(images, act.ids, act.name)
        elif act.kind == "forget":
            naming.forget(images, act.ids)
        elif act.kind == "undo":
            naming.undo(images)
        else:
            kept = st.session_state.get(f"naming_batch_{images.id}", {})
            kept["passed"] = [*kept.get("passed", []), *kept.pop("ids", [])][-500:]
    except UserError as error:
        st.session_state["naming_problem"] = error


def _tile(now: Naming, row: int) -> Tile:
    entry = now.images.entries[row]
    found = now.proposals
    return Tile(
        entry.id,
        row,
        pictures.name_of(entry.name),
        None if found is None else int(found.best[row]),
        None if found is None else round(float(found.certainty[row]), 3),
    )


def _strip(now: Naming, name: int, given: int) -> Strip:
    assert now.proposals is not None
    count = int((now.proposals.open & (now.proposals.best == name)).sum())
    rows = naming.surest(now.proposals, name, STRIP)
    tiles = [replace(_tile(now, row), right=_right(now, row)) for row in rows.tolist()]
    return Strip(name, f"{given:,} named, {count:,} proposed", tiles)


def _right(now: Naming, row: int) -> bool | None:
    """Whether a proposal is what the label of its image stands for; None where that is not to be seen."""
    if now.truth is None or now.proposals is None or now.truth.answers[row] < 0:
        return None
    meant = now.truth.stands.get(now.proposals.names[now.proposals.best[row]])
    return None if meant is None else bool(meant == now.truth.answers[row])


def _words(now: Naming, batch: list[Tile]) -> tuple[str, str]:
    """Above the images to be named."""
    if not batch:
        return "", ""
    kept = st.session_state[f"naming_batch_{now.images.id}"]
    if kept.get("least"):
        return "Least certain", "what these are would tell the probe most"
    if now.names.given and now.proposals is None:
        return "Is there something else?", "the probe needs a second name to tell apart from the first"
    return "To begin with", "a few images as different from each other as the set has them"


def _said(now: Naming) -> str:
    """How far it has come, in a sentence or two."""
    named, rest = len(now.names.given), len(now.images) - len(now.names.given)
    if not named:
        return ""
    if not rest:
        return f"All {named:,} images are named."
    if now.proposals is None:
        return f"{named:,} named. With a second name, names are proposed for the other {rest:,}."
    sure = int((now.proposals.certainty[now.proposals.open] >= SURE).sum())
    said = f"{named:,} named, {rest:,} proposed: {sure or 'none'} of these at least {SURE:.0%} certain."
    if now.proposals.alone is not None and named >= 2 * len(now.proposals.names):
        said += f" From the others alone, {now.proposals.alone:.0%} of the named would have got their name."
    return said
