"""A run as it stands: a sentence, four numbers, two curves."""

from __future__ import annotations

import streamlit as st

from sslviz import jobs, runs
from sslviz.runs import Run, Status
from sslviz.ui import curves, looks, pictures

ICONS = {
    "queued": ":material/hourglass_top:",
    "running": ":material/play_circle:",
    "done": ":material/check_circle:",
    "failed": ":material/error:",
    "cancelled": ":material/cancel:",
    "lost": ":material/link_off:",
    "unreadable": ":material/broken_image:",
}


def percent(value: float | None) -> str:
    """A fraction as people read it; a dash where there is none."""
    if value is None:
        return "–"
    if 0 < value < 0.01:
        return f"{100 * value:.2g}%"  # one in two thousand is not a tenth of a percent
    return f"{value:.1%}".replace(".0%", "%")


def duration(seconds: float) -> str:
    """Seconds as people say them."""
    whole = max(0, round(seconds))
    return f"{whole} s" if whole < 90 else f"{whole // 60} min {whole % 60:02d} s"


def sentence(run: Run, status: Status) -> str:
    """How the run stands, in one sentence of Markdown."""
    if status.state == "queued":
        before = jobs.place(run)
        queue = f"; {before} before it" if before else ", next in line"
        return f"Waiting for its turn{queue}."
    if status.state == "running":
        silence = run.silence(status)
        if silence is not None:
            return f"It has not responded for {duration(silence)}. Wait a little, or stop it."
        return (status.message and pictures.literal(status.message, 300)) or "Training."
    if status.state == "done":
        return verdict(status)
    words = {"failed": "It failed", "cancelled": "Stopped", "lost": "It stopped unexpectedly"}
    start = words.get(status.state, "It cannot be read")
    message = status.message.rstrip(".")
    if status.state == "cancelled" or not message or message.lower().startswith(start.lower()):
        return f"{start} at step {status.step}. {pictures.literal(status.hint, 300)}"
    return f"{start}: {pictures.literal(message, 400)}. {pictures.literal(status.hint, 300)}"


def verdict(status: Status) -> str:
    """What a finished run reached, against chance."""
    if status.heldout_accuracy is None or status.chance is None:
        return "Done."
    times = status.heldout_accuracy / status.chance
    than = (
        f", {times:,.{1 if times < 10 else 0}f} times as often as guessing ({percent(status.chance)})"
        if times > 1.05
        else (f", no better than guessing ({percent(status.chance)}): train for longer")
    )
    return f"It answers **{percent(status.heldout_accuracy)}** of the held-out questions right{than}."


def numbers(status: Status) -> None:
    """Accuracy, speed and time as four numbers."""
    left = ""
    if status.state == "running" and status.step and status.steps:
        left = duration(status.seconds / status.step * (status.steps - status.step))
    cells = st.grid(4, min_column_width=130)
    cells.metric(
        "Held-out accuracy", percent(status.heldout_accuracy), help="On questions it never trained on."
    )
    cells.metric(
        "Chance", percent(status.chance), help="What guessing reaches: one over the number of answers."
    )
    speed = f"{status.views_per_second:,.0f}" if status.views_per_second else "–"
    cells.metric("Views a second", speed, help="Images or patches that went through the network.")
    if status.state == "running":
        cells.metric("Time left", left or "…")
    else:
        cells.metric("Trained for", duration(status.seconds) if status.seconds else "–")


def name(run: Run) -> str:
    """The name a person gave it, else task and images, the task called as everywhere."""
    look = looks.TASKS.get(run.spec.task)
    ordinary = f"{run.spec.task} on {run.spec.images}"
    return f"{look.title} on {run.spec.images}" if look and run.title == ordinary else run.title


def title(run: Run) -> str:
    """Its name, fit for a heading."""
    return pictures.literal(name(run))


def resume(run: Run) -> None:
    """Let it go on from its last checkpoint."""
    jobs.submit(run)


def live(id_: str) -> None:
    """The run as it stands now, with a stop button while it goes on; the body of a fragment."""
    from sslviz.ui import frame

    with frame.guard():
        run = runs.open_run(frame.workspace(), id_)
        status = run.status()
        st.markdown(f"{ICONS[status.state]} {sentence(run, status)}")
        if status.state in ("queued", "running"):
            share = min(1.0, status.step / status.steps) if status.steps else 0.0
            st.progress(
                share, text=f"Step {status.step:,} of {status.steps:,}" if status.steps else "Starting…"
            )
        numbers(status)
        curves.draw(run, status)
        if status.state in ("queued", "running"):
            asked = run.cancel_flag.exists()
            if st.button("Stopping…" if asked else "Stop", icon=":material/stop_circle:", disabled=asked):
                run.cancel()
                st.rerun(scope="fragment")
            st.session_state[f"watched_{id_}"] = True
        elif st.session_state.pop(f"watched_{id_}", False):
            st.rerun()
