"""Invariance: how alike the features of an image and of a changed copy are, network by network."""

from __future__ import annotations

from typing import Any

import streamlit as st

from sslviz import figures, invariance, runs
from sslviz.errors import UserError
from sslviz.imagesets import ImageSet
from sslviz.invariance import KINDS, PIXELS, Curve, Subject
from sslviz.runs import Run
from sslviz.ui import (
    charts,
    embedding_run,
    frame,
    invariance_chart,
    invariance_words,
    looks,
    pictures,
    waiting,
    words,
)
from sslviz.ui.invariance_chart import Line

COMPARE = {"networks": "Networks, at one block", "blocks": "Blocks, of one network"}
MEASURES = {"scaled": "Against other images", "cosine": "Cosine"}
PLACES = {"2": "2 × 2 places", "1": "One place"}
STEPS = 9
"""Examples of what was done to the images."""


def show(run: Run, images: ImageSet) -> None:
    """Draw the curves of `run`, of the newest run of each other task, of the untrained network and of pixels,
    or how far they are. Raises `UserError` where a run has no weights."""
    st.markdown(
        "An image and a changed copy of it: are they the same to the network? The **similarity of their "
        "features** says so, 1 where they are. The same changed images go through every network."
    )
    found = [run, *_others(run)]
    subjects = invariance.subjects(found)
    _wait(found, subjects, images)
    with st.container(horizontal=True, vertical_alignment="bottom", gap="medium"):
        kind = frame.choice("change", "The image is changed in", invariance_words.TITLES, "angle")
        compare = frame.choice("compare", "Compare", COMPARE, "networks")
    _examples(images, kind)
    lines, said = (_networks if compare == "networks" else _blocks)(subjects, images, kind)
    scaled = _chart(kind, lines)
    st.markdown(f"**Look for** this: {invariance_words.look_for(kind, found)}")
    _say(kind, lines, scaled, said)
    _faults(subjects, images, kind)


def _others(run: Run) -> list[Run]:
    """One run of each other task, by default the newest that has weights."""
    usable = embedding_run.with_weights(runs.listing(frame.workspace()))
    chosen: list[Run] = []
    by_task: dict[str, list[str]] = {task: [] for task in looks.TASKS if task != run.spec.task}
    for id_, one in usable.items():
        if one.spec.task in by_task:
            by_task[one.spec.task].append(id_)
    for task, ids in by_task.items():
        if ids:
            asked = st.query_params.get(f"with_{task}", ids[0])
            chosen.append(usable[asked if asked in ids else ids[0]])
    several = {task: ids for task, ids in by_task.items() if len(ids) > 1}
    if several:
        with st.popover("Beside which runs", icon=":material/tune:", type="tertiary"):
            for task, ids in several.items():
                _choose(task, ids, usable)
    return chosen


def _choose(task: str, ids: list[str], usable: dict[str, Run]) -> None:
    name = f"with_{task}"
    key = f"invariance_{name}"
    asked = st.query_params.get(name, ids[0])
    st.session_state[key] = asked if asked in ids else ids[0]

    def chosen() -> None:
        st.query_params[name] = st.session_state[key]

    st.selectbox(
        looks.TASKS[task].title,
        ids,
        key=key,
        on_change=chosen,
        format_func=lambda id_: f"{pictures.name_of(words.name(usable[id_]))} · {id_}",
    )


def _wait(found: list[Run], subjects: list[Subject], images: ImageSet) -> None:
    """Have what is missing computed; what is there is drawn meanwhile."""
    state = invariance.state(subjects, images)
    if all(state):
        return
    arguments: dict[str, Any] = {
        "workspace": str(frame.workspace()),
        "runs": [one.id for one in found],
        "set": images.name,
        "fingerprint": images.fingerprint,
        "steps": [one.status().step for one in found],
    }
    waiting.until("invariance", arguments, "Changing images", lambda: invariance.state(subjects, images))


def _examples(images: ImageSet, kind: str) -> None:
    """What was done, on one image."""
    drawn = invariance.examples(images, kind)
    if drawn is None:
        return
    strengths = KINDS[kind].strengths
    places = sorted({round(at * (len(strengths) - 1) / (STEPS - 1)) for at in range(STEPS)})
    cells = "".join(
        pictures.figure(
            pictures.pixels_uri(drawn[place]),
            f"An image, {invariance_words.TITLES[kind].lower()} {said}",
            "unchanged" if place == KINDS[kind].place else said,
        )
        for place in places
        for said in [invariance_words.strength(kind, strengths[place])]
    )
    pictures.show(f'<div class="sv-views sv-strengths">{cells}</div>')


def _called(subject: Subject) -> str:
    if subject.run is None:
        return "Raw pixels"
    look = looks.TASKS.get(subject.run.spec.task)
    title = look.title if look else subject.run.spec.task
    return title if subject.network == "run" else f"{title}, untrained"


def _color(subject: Subject) -> str:
    look = looks.TASKS.get(subject.run.spec.task) if subject.run is not None else None
    return look.color if look and subject.network == "run" else charts.GREY


def _block(names: list[str]) -> str:
    """Chosen by the person, of the network of the page."""
    return frame.choice("at", "Block, from the first to the last", {n: n for n in names}, names[-1])


def _grid() -> int:
    return int(frame.choice("places", "Averaged to", PLACES, "2"))


def _networks(subjects: list[Subject], images: ImageSet, kind: str) -> tuple[list[Line], str]:
    """A line for each network, at the block that was chosen, or at the same depth where it has no such."""
    names = invariance.blocks(subjects[0], images, kind) or invariance.blocks(
        next(one for one in subjects if one.network == "untrained"), images, kind
    )
    if not names:
        return [], ""
    with st.container(horizontal=True, vertical_alignment="bottom", gap="medium"):
        block, grid = _block(names), _grid()
    depth = names.index(block) / max(1, len(names) - 1)
    lines, said = [], []
    for subject in subjects:
        own = invariance.blocks(subject, images, kind)
        if not own:
            continue
        at = block if block in own else own[round(depth * (len(own) - 1))]
        found = invariance.curve(subject, images, kind, at, grid)
        if found is None:
            continue
        dash = {"run": "solid", "untrained": "dash", PIXELS: "dot"}[subject.network]
        lines.append(Line(_called(subject), found, _color(subject), dash, subject.network == "run"))
        if at != block and subject.network != PIXELS:
            said.append(f"{_called(subject)} has no {block} and is shown at {at}.")
    return lines, " ".join(said)


def _blocks(subjects: list[Subject], images: ImageSet, kind: str) -> tuple[list[Line], str]:
    """A line for each block of one network."""
    able = [one for one in subjects if one.network != PIXELS and invariance.blocks(one, images, kind)]
    if not able:
        return [], ""
    keys = {f"{one.network}-{one.run.spec.task}": one for one in able if one.run is not None}
    with st.container(horizontal=True, vertical_alignment="bottom", gap="medium"):
        titles = {key: _called(one) for key, one in keys.items()}
        subject = keys[frame.choice("of", "Network", titles, next(iter(keys)))]
        grid = _grid()
    names = invariance.blocks(subject, images, kind)
    groups = figures.steps(names) if len(names) <= len(figures.RAMP) else figures.groups(names)
    lines = []
    for group in groups:
        found = invariance.curve(subject, images, kind, group.name, grid)
        if found is not None:
            lines.append(Line(group.name, found, group.color, banded=False))
    pixels = invariance.curve(Subject(PIXELS), images, kind, PIXELS)
    if pixels is not None:
        lines.append(Line("Raw pixels", pixels, charts.GREY, "dot", False))
    return lines, f"The network: {_called(subject)}."


def _chart(kind: str, lines: list[Line]) -> bool:
    """Draw them; says whether scaled."""
    if not lines:
        st.caption("The curves appear here as soon as they are computed.")
        return False
    scaled = frame.choice("measure", "Measure", MEASURES, "scaled") == "scaled"
    drawn = [Line(one.name, _as(one.curve, scaled), one.color, one.dash, one.banded) for one in lines]
    st.plotly_chart(
        invariance_chart.figure(kind, drawn, scaled),
        key=f"invariance_{kind}",
        theme="streamlit",
        config={"displayModeBar": False},
    )
    return scaled


def _as(curve: Curve, scaled: bool) -> Curve:
    return curve.scaled() if scaled else curve


def _say(kind: str, lines: list[Line], scaled: bool, more: str) -> None:
    """What the figure shows, in numbers at one strength, and how it is to be read."""
    if not lines:
        return
    asked = invariance_words.ASKED[kind]
    place = min(range(len(KINDS[kind].strengths)), key=lambda at: abs(KINDS[kind].strengths[at] - asked))
    told = ", ".join(f"{one.name} {_as(one.curve, scaled).mean()[place]:.2f}" for one in lines).replace(
        " -", " −"
    )
    count = len(lines[0].curve.alike)
    several = f"Means over {count} images, the bands hold the middle half of them. " if count > 1 else ""
    level = (
        "0 is as alike as two different images are to the same network, on average. "
        if scaled
        else "A dotted line is how alike two different images are to the same network, on average: a curve "
        "that lies on it has forgotten the image. "
    )
    st.caption(
        pictures.literal(
            f"In this figure, at {invariance_words.strength(kind, KINDS[kind].strengths[place])}: {told}. "
            f"{several}{level}{more} What is shown to the networks is a window in the middle of each image, "
            "so that nothing has to be padded however it is turned or moved.",
            1500,
        )
    )


def _faults(subjects: list[Subject], images: ImageSet, kind: str) -> None:
    for sentence in {invariance.fault(one, images, kind) for one in subjects} - {""}:
        frame.problem(UserError(sentence, "It is left out; train it again with a lower learning rate."))
