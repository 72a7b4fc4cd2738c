"""Pretext and downstream: whether a network that does its own task better has better features."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import streamlit as st

from sslviz import comparison, imagesets, pretext, runs
from sslviz.errors import UserError
from sslviz.imagesets import ImageSet
from sslviz.intervals import wilson
from sslviz.pretext import Correlation, Point
from sslviz.runs import Run
from sslviz.ui import embedding_run, frame, pictures, scatter_chart, waiting, words

MOST = 8
"""Runs at once: more lines cannot be told apart."""
AXES = {"scaled": "From chance to perfect", "raw": "As it is"}
PROBES = {"knn": "20 neighbours", "linear": "Linear classifier"}
BY = {"knn": "neighbours", "linear": "a linear classifier"}
BLOCKS = {"best": "The best of each run", "all": "All"}
FOUND = (
    "**Kolesnikov, Zhai and Beyer** (CVPR 2019) trained the four tasks with several architectures on "
    "ImageNet: across architectures, accuracy in the pretext task does not predict accuracy downstream; "
    "within one it does, roughly. :gray[Second-hand: from notes on the paper.]",
    "**Gidaris**, the author of RotNet, holds against it that longer pretext training does generally help "
    "downstream. The reader whom he answers points to a figure in which it stays flat after 40 epochs while "
    "rotations are still told better. "
    ":gray[Second-hand: issue 17 of github.com/gidariss/FeatureLearningRotNet.]",
)


def show(run: Run, images: ImageSet) -> None:
    """The scatter of one's own runs, what they say, and what was found before."""
    with st.container(width=760):
        st.markdown(
            "Does a network that does its own task better have better features? Each point is a network as "
            "it was at a step of a run: to the right, how well it did its **pretext task** then; upwards, "
            "how often its features told the label of an image, by the **20 nearest neighbours** or a "
            "**linear classifier**. Lines follow a run."
        )
    try:
        some = pretext.sample(images)
    except UserError as missing:
        frame.nothing(missing.message, missing.hint, "images", "Images")
        return
    chosen = _choose(run, images)
    with st.container(horizontal=True, gap="medium"):
        probe = frame.choice("worth", "Labels told by", PROBES, "knn")
        scaled = frame.choice("axis", "Pretext accuracy", AXES, "scaled") == "scaled"
        every = frame.choice("blocks", "Blocks", BLOCKS, "best") == "all"
    courses = {one.id: course for one in chosen if (course := pretext.points(one, some, probe))}
    _follow([one for one in chosen if one.id not in courses], images, some)
    shown = [one for one in chosen if one.id in courses]
    if not shown:
        return
    names = comparison.apart(shown, [words.name(one) for one in shown])
    called = {one.id: pictures.name_of(name, 60) for one, name in zip(shown, names, strict=True)}
    guess = max(some.label_counts().values()) / len(some)
    scatter_chart.draw(
        courses, called, guess=guess, scaled=scaled, every=every, by=BY[probe], key="pretext_scatter"
    )
    _say(images, some, list(courses.values()), probe)
    left, right = st.columns([3, 2], gap="large")
    with left:
        _correlations(courses, called, len(some))
    with right:
        st.subheader("What was found before", anchor=False)
        for words_ in FOUND:
            st.markdown(words_)


def _choose(run: Run, images: ImageSet) -> list[Run]:
    """The runs of the scatter: those in the address, else the one of the page and those on this set."""
    usable = embedding_run.with_weights(runs.listing(frame.workspace()))
    asked = st.query_params.get("scatter")
    ids = _first(run, images, usable) if asked is None else asked.split("~")
    st.session_state["scatter_runs"] = [id_ for id_ in ids if id_ in usable][:MOST]

    def changed() -> None:
        st.query_params["scatter"] = "~".join(st.session_state["scatter_runs"])

    picked = st.multiselect(
        "Runs",
        list(usable),
        key="scatter_runs",
        on_change=changed,
        max_selections=MOST,
        format_func=lambda id_: f"{pictures.name_of(words.name(usable[id_]), 40)} · {id_[-4:]}",
        placeholder="Choose runs",
    )
    if not picked:
        st.caption("Choose a run or more.")
    return [usable[id_] for id_ in picked]


def _first(run: Run, images: ImageSet, usable: dict[str, Run]) -> list[str]:
    """What is shown where nothing was chosen: the page's run, then the newest that learned on this set."""
    on_set = [
        one.id
        for one in usable.values()
        if one.spec.images_id == images.id or one.spec.fingerprint == images.fingerprint
    ]
    return list(dict.fromkeys([run.id, *on_set]))


def _follow(missing: Sequence[Run], images: ImageSet, some: ImageSet) -> None:
    """Have what is missing computed, a run after the other."""
    if not missing:
        return
    arguments: dict[str, Any] = {
        "workspace": str(frame.workspace()),
        "set": images.name,
        "runs": [one.id for one in missing],
        # Images, labels or weights that have changed are another job.
        "sample": some.fingerprint,
        "labels": imagesets.labels_digest(some),
        "steps": [one.status().step for one in missing],
    }
    waiting.until(
        "scatter",
        arguments,
        "Looking at the states of runs",
        lambda: [one.id for one in missing if pretext.points(one, some) is None],
    )


def _say(images: ImageSet, some: ImageSet, courses: Sequence[Sequence[Point]], probe: str) -> None:
    """Under the chart: what was measured on what, and what the hollow points are."""
    of = f"all {len(some):,} labelled images" if len(some) < pretext.MOST else f"{len(some):,} images"
    others = (
        "its nearest others" if probe == "knn" else "a classifier that has learned from four fifths of them"
    )
    said = [
        f"Measured on {of} of {pictures.literal(images.name)}, each told by {others}. Pretext "
        "accuracy is that of held-out examples, between two measurements on the line from one to the other."
    ]
    worth = [share for course in courses for one in course for share in one.worth.values()]
    widest = max((high - low for low, high in (wilson(share, len(some)) for share in worth)), default=0.0)
    said.append(f"Upwards a point is certain to {50 * widest:.0f} points either way, at worst.")
    if any(one.source == "training" for course in courses for one in course):
        said.append("Hollow points: before the first of them, by training examples that were then still new.")
    if any(len(course) < 3 for course in courses):
        said.append("A run from before states were kept, or one that comes along, has but its two ends.")
    st.caption(" ".join(said))


def _correlations(courses: dict[str, list[Point]], called: dict[str, str], images: int) -> None:
    """One computed answer for the user's own runs, with how much it can bear."""
    st.subheader("In your runs", anchor=False)
    rows, told = [], []
    for id_, course in courses.items():
        block = pretext.best_block(course)
        found = pretext.within(course, block, images)
        told += [found] if found else []
        rows.append(f"| {pictures.literal(called[id_], 60)} | {block} | {len(course)} | {_number(found)} |")
    across = pretext.across(list(courses.values()))
    st.markdown(" ".join([_within(told), _across(across, len(courses))]))
    st.markdown("\n".join(["| Run | Block | States | ρ |", "|---|---|---:|---:|", *rows]))
    st.caption(
        "ρ is Spearman's rank correlation: 1 for the same order, -1 for the reverse. The states of a run are "
        "no independent witnesses: both figures change as training goes on. In brackets: what the features "
        "are worth moved by less than these images can tell, so that its order is chance."
    )


def _within(told: Sequence[Correlation]) -> str:
    if not told:
        return "**Along a run** nothing can be said yet: it takes three states or more of one."
    told = [one for one in told if not one.still]
    if not told:
        return (
            "**Along a run** nothing can be said: what the features are worth moves by less than these "
            "images can tell."
        )
    low, high = min(one.value for one in told), max(one.value for one in told)
    span = f"ρ = {low:+.2f}" if len(told) == 1 else f"ρ from {low:+.2f} to {high:+.2f} in {len(told)} runs"
    if low > 0.5:
        verdict = "the better it does its task, the better its features"
    elif high < 0.5:
        verdict = "doing its task better hardly makes the features better"
    else:
        verdict = "in some the features get better with the task, in others not"
    few = " Fewer than eight states say little." if any(one.few for one in told) else ""
    return f"**Along a run**, {verdict}: {span}.{few}"


def _across(found: Correlation | None, count: int) -> str:
    if found is None:
        return f"**Across runs** it takes three or more; here {'is one' if count == 1 else f'are {count}'}."
    if found.few:
        verdict = (
            f"ρ = {found.value:+.2f} over the ends of {found.points} runs, which are too few to say anything"
        )
    else:
        verdict = f"ρ = {found.value:+.2f} over the ends of {found.points} runs"
    return f"**Across runs**, {verdict}."


def _number(found: Correlation | None) -> str:
    if found is None:
        return "–"
    return f"({found.value:+.2f})" if found.still else f"{found.value:+.2f}"
