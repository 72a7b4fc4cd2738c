"""The papers page: what was claimed, published figures beside measured ones, a button that repeats it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from html import escape
from typing import Any

import streamlit as st

from sslviz import imagesets, jobs
from sslviz.errors import UserError
from sslviz.jobs import Job
from sslviz.papers import PAPERS, Paper
from sslviz.papers.records import Repetition, repetitions
from sslviz.papers.repeating import command_of, images_for
from sslviz.ui import frame, looks, papers_figures, pictures, prose, visitor, work
from sslviz.ui.words import percent

NAMES = {
    "rotnet-cifar10": "RotNet",
    "exemplar-classes": "Exemplar-CNN",
    "jigsaw-permutations": "Jigsaw",
    "location-gap": "Relative location",
}
PLAIN = {"displayModeBar": False}


def explore() -> None:
    """The page below its title."""
    st.markdown(prose.read("papers/start"))
    name = frame.choice("paper", "Paper", NAMES, next(iter(NAMES)), shown=False)
    paper = PAPERS[name]
    st.subheader(paper.title, anchor=False)
    st.caption(pictures.literal(paper.citation, 300))
    st.markdown(prose.read(f"papers/{name}"))
    scales = {scale: _scale_words(scale, paper) for scale in reversed(list(paper.scales))}
    scale = frame.choice("scale", "How much of it", scales, next(iter(scales)))
    images = images_for(frame.workspace(), paper.scales[scale])
    with frame.guard():
        images = _images(images)
        why_not = _cannot(paper, scale, images)
        found = [
            one
            for one in repetitions(frame.workspace())
            if (one.paper, one.scale, one.images) == (name, scale, images)
        ]
        show_charts(paper, next((one.told for one in found if one.told), None))
        if why_not is None:
            repeat(paper, scale, images, found)
        else:
            frame.problem(why_not)


def _cannot(paper: Paper, scale: str, images: str) -> UserError | None:
    """Why an experiment cannot be repeated on a set that is there."""
    workspace = frame.workspace()
    if images == images_for(workspace, paper.scales[scale]):
        return None
    try:
        paper.gather(imagesets.open_set(workspace, images))
    except UserError as error:
        return error
    return None


def _scale_words(scale: str, paper: Paper) -> str:
    minutes = paper.scales[scale].minutes
    if minutes is None:
        return "The paper's size, on a GPU"
    return f"About {minutes:g} minutes" if minutes < 60 else "About an hour"


def _images(default: str) -> str:
    """The set that it is repeated on: the default, or the one that is current."""
    current = frame.current()
    if current is None or current == default:
        return default
    offered = {
        "default": pictures.name_of(default, 30),
        "current": f"{pictures.name_of(current, 30)}, the current set",
    }
    return current if frame.choice("on", "Images", offered, "default") == "current" else default


def show_charts(paper: Paper, told: Mapping[str, Any] | None) -> None:
    """What was published and what was measured, side by side."""
    if told is not None:
        finding(told)
    left, right = st.columns(2, gap="medium")
    with left:
        st.markdown("**Published**")
        chart = papers_figures.published(paper, told["rows"] if told else [])
        if chart is None:
            st.markdown("The paper gives no figure for this; it says why there is a gap.")
        else:
            st.plotly_chart(chart, theme="streamlit", config=PLAIN, key="published")
            st.caption(papers_figures.sources(paper))
    with right:
        st.markdown(
            "**Measured here, scaled down**" if told is None or _scaled(told) else "**Measured here**"
        )
        if told is None:
            st.markdown("Nothing yet.")
        else:
            chart = papers_figures.measured(paper, told["rows"])
            st.plotly_chart(chart, theme="streamlit", config=PLAIN, key="measured")
            st.caption(_measured_words(told))
    if told is not None:
        details(told)


def _measured_words(told: Mapping[str, Any]) -> str:
    return pictures.literal(
        f"{told['measured'].capitalize()}, of {told['tested']:,} images of {told['images']}; the strokes are "
        f"intervals of 95%. {_scaled(told)}",
        600,
    )


def _scaled(told: Mapping[str, Any]) -> str:
    """The remark that it is scaled down; empty where it is not."""
    return next((remark for remark in told["remarks"] if remark.startswith("Scaled down")), "")


def finding(told: Mapping[str, Any]) -> None:
    """The finding in a sentence."""
    sentence = pictures.literal(told["finding"], 500)
    if told["visible"]:
        st.success(sentence, icon=":material/visibility:")
    else:
        st.info(
            f"{sentence}  \n{pictures.literal('It does not show here. ' + told['reason'], 400)}",
            icon=":material/visibility_off:",
        )


def details(told: Mapping[str, Any]) -> None:
    """The figures as a table, where they are from, and in what this differs."""
    with st.expander("Figures, sources and differences"):
        pictures.show(_table(told))
        lines = [
            f"{what}: {percent(one['value'])} ({one['certainty']}: {one['source']})."
            for what, one in told["quoted"].items()
        ]
        for line in [*lines, *told["remarks"]]:
            st.markdown(f"- {pictures.literal(line, 500)}")
    with st.container(horizontal=True):
        for one in told["runs"]:
            label = f"{one['what'][0].upper()}{one['what'][1:]}" if len(told["runs"]) > 1 else "The run"
            icon = looks.TASKS[PAPERS[told["paper"]].task].icon
            st.page_link("pages/train.py", label=label, icon=icon, query_params={"run": one["run"]})


COLUMNS: dict[str, Callable[[Mapping[str, Any]], str]] = {
    "Measured": lambda row: percent(row["value"]),
    "95% interval": lambda row: " to ".join(percent(end) for end in row["interval"] or ()),
    "Chance": lambda row: percent(row["chance"]),
    "Untrained": lambda row: percent(row["untrained"]),
    "Raw pixels": lambda row: percent(row["pixels"]),
    "Published": lambda row: percent(row["published"]["value"]) if row["published"] else "–",
}


def _table(told: Mapping[str, Any]) -> str:
    cells = {name: [say(row) for row in told["rows"]] for name, say in COLUMNS.items()}
    kept = {name: column for name, column in cells.items() if any(cell not in ("–", "") for cell in column)}
    head = "".join(f"<th>{escape(name)}</th>" for name in ("", *kept))
    body = "".join(
        f"<tr><th>{escape(row['what'])}</th>"
        + "".join(f"<td>{escape(c[place])}</td>" for c in kept.values())
        + "</tr>"
        for place, row in enumerate(told["rows"])
    )
    return f'<div class="sv-beside"><table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table></div>'


def repeat(paper: Paper, scale: str, images: str, found: list[Repetition]) -> None:
    """The button that repeats it, or how far it is, and the command line that does the same."""
    seed = next_seed(found)
    default = images == images_for(frame.workspace(), paper.scales[scale])
    arguments = {"workspace": str(frame.workspace()), "paper": paper.name, "scale": scale, "seed": seed}
    arguments |= {} if default else {"images": images}
    job = jobs.known("reproduce", arguments)
    status = job.status() if job else None
    if job is not None and status is not None and status.state not in work.OVER:
        st.fragment(_follow, run_every=visitor.every(1.0))(job)
        return
    command = command_of(paper, scale, seed, images=None if default else images)
    if paper.scales[scale].minutes is None and not any(
        one.startswith("cuda") for one in jobs.known_devices()
    ):
        st.caption("This takes a GPU, and none is known here. On a machine that has one:")
        st.code(command, language="sh", wrap_lines=True)
        return
    if status is not None and status.state == "failed":
        frame.problem(UserError(status.error or "The computation stopped.", status.hint))
    unfinished = next((one for one in found if one.seed == seed), None)
    minutes = paper.scales[scale].minutes
    about = f" (about {minutes:g} minutes)" if minutes else ""
    label = f"Repeat it with seed {seed}{about}" if found else f"Repeat it{about}"
    if unfinished:
        label = "Go on with it"
        of = len(paper.values(paper.scales[scale]))
        st.caption(f"It was interrupted: {len(unfinished.runs)} of {of} runs had begun.")
    if st.button(
        label, icon=":material/replay:", type="secondary" if found and not unfinished else "primary"
    ):
        jobs.start("reproduce", arguments, again=True)
        st.rerun()
    st.code(command, language="sh", wrap_lines=True)


def next_seed(found: list[Repetition]) -> int:
    """The smallest seed with which it was not yet repeated to its end."""
    done = {one.seed for one in found if one.told is not None}
    return next(seed for seed in range(len(done) + 1) if seed not in done)


def _follow(job: Job) -> None:
    """How far the job is; the body of a fragment."""
    status = job.status()
    if status.state in work.OVER:
        st.rerun()
    share = min(1.0, status.done / status.total) if status.total else 0.0
    st.progress(share, text=pictures.literal(status.message or "Starting.", 200))
    st.caption(
        "It goes on in a process of its own: you may close this tab. Its runs are listed on the Runs page."
    )
    asked = job.cancel_flag.exists()
    if st.button("Stopping…" if asked else "Stop", icon=":material/stop_circle:", disabled=asked):
        job.cancel()
        st.rerun(scope="fragment")
