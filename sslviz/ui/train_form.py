"""What a run is asked for, as a form; everything the form can say is also a command."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import streamlit as st

from sslviz import jobs, quotas, settings
from sslviz.imagesets import ImageSet
from sslviz.runs import Run, Spec
from sslviz.ui import frame, looks, options

NUMBERS: dict[str, tuple[str, Any, Any, Any, str]] = {
    "seed": ("Seed", 0, 2**31 - 1, 1, "Decides the first weights, the split and every draw; 0 by default."),
    "size": ("Size", 16, 512, 16, "Side of the squares, in pixels, that images are resampled to."),
    "lr": ("Learning rate", 1e-6, 10.0, 1e-4, "The highest of the schedule; of Muon an angle in radians."),
    "batch": ("Batch", 2, 8192, 16, "Images, or patches, of a step."),
    "steps": ("Steps", 1, 10_000_000, 50, "A fixed number in place of the minutes: repeatable."),
    "threads": ("Threads", 1, 256, 1, "Processor threads."),
}
"""Label, smallest, largest, step and help of the advanced numbers; empty means automatic."""

FORMATS = {"automatic": None, "channels last": True, "channels first": False}
SEEN = {"all of it": False, "its centre square": True}


def choose(images: ImageSet) -> Spec:
    """The form; returns the spec of the run as it stands in it."""
    tasks = list(looks.TASKS)
    linked = st.query_params.get("task")
    if linked in looks.TASKS and linked != st.session_state.get("linked_task"):
        st.session_state["task"] = linked
    task = st.segmented_control(
        "Task",
        tasks,
        default=None if "task" in st.session_state else tasks[0],
        required=True,
        format_func=lambda name: f"{looks.TASKS[name].icon} {looks.TASKS[name].title}",
        key="task",
        persist_state="session",
    )
    task = task if task in looks.TASKS else tasks[0]
    st.query_params["task"] = st.session_state["linked_task"] = task
    options.keep(task)
    st.caption(looks.TASKS[task].sentence)
    left, right = st.columns([2, 1])
    with left:
        frame.pick("Images", "train")
    limits = quotas.limits_of(frame.workspace())
    minutes = right.number_input(
        "Minutes",
        min_value=0.1,
        max_value=limits.most_minutes or 1440.0,
        value=limits.run_minutes,
        step=0.5,
        format="%g",
        key="minutes",
        persist_state="session",
        help="A budget: the first seconds measure how many steps fit into it.",
    )
    spec = Spec(
        task=task,
        images=images.name,
        images_id=images.folder.name,
        fingerprint=images.fingerprint,
        count=len(images),
        labels=len(images.label_counts()),
        options=options.chosen(task),
        minutes=float(minutes),
    )
    if st.toggle("Advanced", key="advanced", persist_state="session"):
        with st.container(border=True):
            spec = _advanced(spec)
    return spec


def _advanced(spec: Spec) -> Spec:
    """Network, optimiser, machine, and the task's own options."""
    with st.spinner("Loading PyTorch…"):
        from sslviz.model import MODELS
    choices = {
        "model": ("Network", list(MODELS), "small learns in a minute on two processor cores."),
        "precision": ("Precision", ["automatic", "fp32", "bf16"], "Automatic measures which is faster here."),
        "channels_last": (
            "Memory format",
            list(FORMATS),
            "Whether the channels of a pixel lie side by side; automatic measures what is faster here.",
        ),
        "device": ("Device", ["auto", "cpu", "cuda", "mps"], "auto takes a GPU where there is one."),
        "centre": (
            "Seen of an image",
            list(SEEN),
            "Of an image that is not square, training sees squares from all along its longer side, or the "
            "centre square alone, which is what the other pages show.",
        ),
    }
    cells = st.grid(4, min_column_width=150)
    values: dict[str, Any] = {}
    for name, (label, options_, text) in choices.items():
        key = f"train_{name}"
        values[name] = cells.selectbox(label, options_, help=text, key=key, persist_state="session")
    for name, (label, low, high, step, text) in NUMBERS.items():
        values[name] = cells.number_input(
            label,
            min_value=low,
            max_value=high,
            value=None,
            step=step,
            format="%.5f" if isinstance(low, float) else "%d",
            placeholder="automatic",
            help=text,
            key=f"train_{name}",
            persist_state="session",
        )
    values["seed"] = values["seed"] or 0
    if values["precision"] == "automatic":
        values["precision"] = None
    values["channels_last"] = FORMATS[values["channels_last"]]
    values["centre"] = SEEN[values["centre"]]
    if values["steps"]:
        values["minutes"] = None
    st.markdown(f"**Options of {looks.TASKS[spec.task].title.lower()}**")
    return replace(spec, **values, options=options.form(spec.task, "train"))


def begin(spec: Spec) -> Run:
    """Queue a run. A second click within seconds, in this tab or another, finds the first one's run. Raises
    `UserError` for options, which an address may have brought, that the task does not have."""
    if spec.options:
        from sslviz.options import make_task

        make_task(spec.task, spec.options)
    return jobs.ask(frame.workspace(), spec)


def further(run: Run, minutes: float | None = None) -> Spec:
    """What to ask for to train `run` for longer: the same, from its weights, with a plan of its own. The same
    seed holds the same images out; see `Spec.since`. Of a published experiment the rate and the batch are its
    own optimiser's, and are left behind."""
    spec = replace(run.spec, lr=None, batch=None, origin="") if run.spec.origin else run.spec
    return replace(
        spec,
        start=run.id,
        since=0,
        minutes=settings.load().run_minutes if minutes is None else minutes,
        steps=None,
        like=None,
        plan=None,
        replans=[],
        title="",
        note="",
        created=0.0,
    )


def longer() -> str:
    """What a button says that trains a run for as long as a new one takes."""
    minutes = settings.load().run_minutes
    if minutes == 1:
        return "Train another minute"
    amount = f"{minutes:g} minutes" if minutes > 1 else f"{60 * minutes:.0f} seconds"
    return f"Train another {amount}"


def command(text: str) -> None:
    """The same as a command, with a button that copies it."""
    st.code(text, language=None, wrap_lines=True)
    st.caption("The same in a terminal.")
