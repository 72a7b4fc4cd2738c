"""Four tasks: one network for each, trained alike on the same images, and what their features are worth."""

from __future__ import annotations

import shlex
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import streamlit as st

from sslviz import lineup, origins, quotas, runs
from sslviz.imagesets import ImageSet
from sslviz.lineup import Lineup, asking
from sslviz.runs import Run
from sslviz.ui import (
    embedding_run,
    frame,
    lineup_alike,
    lineup_table,
    looks,
    pictures,
    remember,
    run_view,
    train_form,
    visitor,
    waiting,
    words,
)

NONE = "–"
COUNTED = ("none", "one", "two", "three", "all four")


def show(run: Run, images: ImageSet) -> None:  # noqa: ARG001 - the page is about all four
    """The four runs, or how to get them; the table, how alike they see, and the neighbours of an image."""
    st.html(Path(__file__).with_name("lineup.css"))
    with st.container(width=760):
        st.markdown(
            "The same network, on the same images, for the same time: once for each of the four tasks. Whose "
            "features are worth most for telling labels, and do the four see the same?"
        )
    usable = embedding_run.with_weights(runs.listing(frame.workspace()))
    asked = runs.opened(
        frame.workspace(), [one for one in st.query_params.get("tasks", "").split("~") if one]
    )
    chosen = asked or asking.comparable(usable.values(), images)
    live = any(_live(one) for one in asked)
    _train(images, expanded=len(chosen) < 2, busy=live)
    if live:
        st.fragment(_states, run_every=visitor.every(2.0))([one.id for one in asked])
        return
    unusable = [one for one in asked if one.id not in usable]
    if unusable:
        st.caption("Without weights, and so left out:")
        _links(unusable)
    chosen = _choose(chosen, usable, images)
    if len(chosen) < 2:
        st.caption("It takes runs of two tasks or more: train all four, or choose above.")
        return
    _fairness(chosen, images)
    found = _found(chosen, images)
    if found is None:
        _follow(chosen, images, found)
    else:
        _draw(found, chosen, images)


def _train(images: ImageSet, *, expanded: bool, busy: bool) -> None:
    """One button that trains all four, which rests while they train."""
    limits = quotas.limits_of(frame.workspace())
    with st.expander("Train all four", icon=":material/model_training:", expanded=expanded):
        with st.container(horizontal=True, vertical_alignment="bottom"):
            minutes = st.number_input(
                "Minutes each",
                0.1,
                limits.most_minutes or 240.0,
                limits.run_minutes,
                0.5,
                format="%g",
                key="lineup_minutes",
                width=150,
            )
            seed = st.number_input("Seed", 0, 2**31 - 1, 0, 1, key="lineup_seed", width=120)
            specs = asking.specs(images, minutes=float(minutes), seed=int(seed))
            pressed = st.button(
                f"Train {COUNTED[len(specs)]} ({len(specs)} × {minutes:g} min)",
                type="primary",
                icon=":material/play_arrow:",
                disabled=busy or len(specs) < 2,
            )
        for why in asking.left_out(images).values():
            st.caption(f"Left out: {why}.")
        there = [made for spec in specs if (made := asking.made(frame.workspace(), spec))]
        if there:
            tasks = ", ".join(looks.TASKS[one.spec.task].title.lower() for one in there)
            st.caption(f"Runs like this are there already and are taken: {tasks}.")
        command = [
            "sslviz",
            "compare",
            "--images",
            images.name,
            "--minutes",
            f"{minutes:g}",
            "--seed",
            str(seed),
        ]
        st.code(shlex.join(command), language=None, wrap_lines=True)
        st.caption("The same in a terminal.")
        if pressed:
            taken = {one.spec.task: one for one in there}
            begun = [taken.get(spec.task) or train_form.begin(spec) for spec in specs]
            st.query_params["tasks"] = "~".join(one.id for one in begun)
            st.rerun()


def _live(run: Run) -> bool:
    return run.status().state in run_view.LIVE


def _states(ids: Sequence[str]) -> None:
    """How the runs stand; the body of a fragment."""
    found = runs.opened(frame.workspace(), ids)
    _links(found)
    if not any(_live(one) for one in found):
        st.rerun()
    st.caption("The comparison begins when all are done. You may leave this page and come back.")


def _links(found: Sequence[Run]) -> None:
    """A link to each run, with how it stands."""
    with st.container(horizontal=True):
        for one in found:
            status = one.status()
            share = f" {status.step / status.steps:.0%}" if status.state == "running" and status.steps else ""
            state = {"queued": "waiting", "running": "training"}.get(status.state, status.state)
            st.page_link(
                "pages/train.py",
                label=f"{words.title(one)}: {state}{share}",
                icon=run_view.ICONS[status.state],
                query_params={"run": one.id},
            )


def _choose(chosen: Sequence[Run], usable: Mapping[str, Run], images: ImageSet) -> list[Run]:
    """A picker a task; the address has what was picked."""
    now = {one.spec.task: one.id for one in chosen if one.id in usable}
    cells = st.grid(4, min_column_width=200)

    def changed() -> None:
        picked = [st.session_state[f"lineup_{task}"] for task in asking.TASKS]
        st.query_params["tasks"] = "~".join(id_ for id_ in picked if id_ != NONE)

    for task in asking.TASKS:
        mine = [one for one in usable.values() if one.spec.task == task]
        mine.sort(key=lambda one: not asking.is_on(one, images))
        key = f"lineup_{task}"
        st.session_state[key] = now.get(task, NONE)
        cells.selectbox(
            looks.TASKS[task].title,
            [NONE, *(one.id for one in mine)],
            key=key,
            on_change=changed,
            format_func=lambda id_: NONE if id_ == NONE else _called(usable[id_], images),
        )
    return [usable[now[task]] for task in asking.TASKS if task in now]


def _called(run: Run, images: ImageSet) -> str:
    """A run of a task that is known, in few words."""
    on = origins.name_of(run)
    elsewhere = "" if asking.is_on(run, images) else f"on {pictures.name_of(on, 20)} · "
    given = run.title_on(on)
    named = "" if given == words.ordinary(run, on) else f"{pictures.name_of(given, 24)} · "
    which = "bundled" if run.bundled and not run.shared else run.id[-4:]
    steps = run.status().step
    return f"{elsewhere}{named}{steps:,} step{'' if steps == 1 else 's'} · {which}"


def _fairness(chosen: Sequence[Run], images: ImageSet) -> None:
    """What is not the same for all, said before anybody reads the table."""
    said = [
        f"{name.lower()} ({', '.join(dict.fromkeys(values))})"
        for name, values in asking.unlike(chosen).items()
    ]
    if said:
        st.caption(f"Not the same for all: {pictures.literal('; '.join(said), 300)}.")
    strangers = [one for one in chosen if not asking.is_on(one, images)]
    if strangers:
        st.caption("Trained on other images: " + ", ".join(words.title(one) for one in strangers) + ".")


def _found(chosen: Sequence[Run], images: ImageSet) -> Lineup | None:
    return _read(chosen, images, str(lineup.path_of(chosen, images)), lineup.state(chosen, images))


@remember.resource(max_entries=8)
def _read(_chosen: Sequence[Run], _images: ImageSet, path: str, written: int) -> Lineup | None:  # noqa: ARG001
    return lineup.find(_chosen, _images)


def _follow(chosen: Sequence[Run], images: ImageSet, found: Lineup | None) -> None:
    """Have what is missing computed."""
    arguments: dict[str, Any] = {
        "workspace": str(frame.workspace()),
        "set": images.name,
        "runs": [one.id for one in chosen],
        # Images, labels or weights that have changed are another job.
        "found": str(lineup.path_of(chosen, images)),
    }
    said = "Comparing" if found is None else "Meanwhile"
    waiting.until("compare", arguments, said, lambda: lineup.state(chosen, images))


def _draw(found: Lineup, chosen: Sequence[Run], images: ImageSet) -> None:
    st.subheader("What the features are worth", anchor=False)
    st.markdown(" ".join(lineup_table.verdict(found)))
    pictures.show(lineup_table.table(found, {one.id: words.name(one) for one in chosen}))
    st.caption(_explained(found, images))
    if not found.whole:
        _follow(chosen, images, found)
    st.subheader("Do they see the same?", anchor=False)
    lineup_alike.matrices(found)
    st.subheader("The neighbours of one image", anchor=False)
    lineup_alike.neighbours(found, images)
    st.page_link(
        "pages/embeddings.py",
        label="These networks on the map",
        icon=":material/scatter_plot:",
        query_params={
            "images": images.name,
            "run": chosen[0].id,
            "with": ",".join(one.id for one in chosen[1:]),
        },
    )


def _explained(found: Lineup, images: ImageSet) -> str:
    if found.chance is None:
        return (
            f"{len(found.rows):,} images of {pictures.literal(images.name)}. Each network is read at the "
            "block where an image keeps most of its neighbours; with labels, probes would say what the "
            "features are worth."
        )
    return (
        f"Probes know {found.known:,} images and are asked about {found.asked:,} others; a network is read "
        "at the block that does best on what is known. The bar is the 95% interval, the stroke the same "
        "network untrained: each task reads images in its own way, so that each has its own. “Untrained” is "
        "that of the first."
    )
