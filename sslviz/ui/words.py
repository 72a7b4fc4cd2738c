"""Runs and their figures in words."""

from __future__ import annotations

from typing import Any

from sslviz import advice, comparison, intervals, jobs, origins
from sslviz.runs import Run, Spec, Status
from sslviz.ui import looks, pictures


def percent(value: float | None) -> str:
    """A fraction as people read it; a dash where there is none."""
    return "–" if value is None else intervals.percent(value)


def duration(seconds: float) -> str:
    """Seconds as people say them."""
    whole = max(0, round(seconds))
    if whole < 90:
        return f"{whole} s"
    return (
        f"{whole // 60} min {whole % 60:02d} s"
        if whole < 5400
        else f"{whole // 3600} h {whole // 60 % 60:02d} min"
    )


def about(seconds: float) -> str:
    """A guess of a duration, no more exact than it is."""
    if seconds < 50:
        return f"about {max(5, 5 * round(seconds / 5))} s"
    minutes = max(1, round(seconds / 60))
    return f"about {minutes} min" if minutes < 90 else f"about {round(minutes / 60)} h"


def memory(count: int) -> str:
    """Bytes as people say them."""
    return f"{count / 1e6:,.0f} MB" if count < 1e9 else f"{count / 1e9:.1f} GB"


def name(run: Run, given: str | None = None, images: str | None = None) -> str:
    """The name a person gave it, else task and images, the task called as everywhere. `given` and `images`:
    its title and what its images are called now, where that was looked up already."""
    images = origins.name_of(run) if images is None else images
    look, given = looks.TASKS.get(run.spec.task), run.title_on(images) if given is None else given
    return f"{look.title} on {images}" if look and given == ordinary(run, images) else given


def ordinary(run: Run, images: str) -> str:
    """The title of a run that nobody gave one and whose images are called so."""
    return f"{run.spec.task} on {images}"


def title(run: Run) -> str:
    """Its name, fit for a heading."""
    return pictures.literal(name(run))


def setting(name: str, value: Any) -> str:
    """A setting of a run, by its name in `comparison.differing`."""
    if name == "task" and value in looks.TASKS:
        return looks.TASKS[value].title
    return pictures.name_of(comparison.said(value), 40)


def sentence(run: Run, status: Status) -> str:
    """How the run stands, in one sentence of Markdown."""
    if status.state == "queued":
        return waiting(run)
    if status.state == "running":
        silence = run.silence(status)
        if silence is not None:
            return f"It has not responded for {duration(silence)}. Wait a little, or stop it."
        said = (status.message and pictures.literal(status.message, 300)) or "Training."
        return said if status.remark in ("", status.message) else f"{said} {_remark(status)}"
    if status.state == "done":
        return f"{verdict(status)} {_remark(status)}".rstrip()
    words = {"failed": "It failed", "cancelled": "Stopped", "lost": "It stopped unexpectedly"}
    start = words.get(status.state, "It cannot be read")
    message = status.message.rstrip(".")
    if status.state == "cancelled" or not message or message.lower().startswith(start.lower()):
        hint = pictures.literal(status.hint, 300)
        return f"{start} at step {status.step:,}. {hint} {_remark(status)}".rstrip()
    return f"{start}: {pictures.literal(message, 400)}. {pictures.literal(status.hint, 300)}"


def _remark(status: Status) -> str:
    """What was out of the ordinary, which is said for as long as the run is there."""
    return pictures.literal(status.remark, 300)


def waiting(run: Run) -> str:
    """Its place in the queue, and how long that takes as far as one can tell."""
    turn = jobs.turn(run)
    if turn is None:
        return "It is about to begin."
    queue = f"{turn.place} run{'s' if turn.place > 1 else ''} before it" if turn.place else "next in line"
    when = f", {about(turn.seconds)}" if turn.known else ""
    if not turn.known and turn.seconds > 0:
        when = f", {about(turn.seconds).replace('about', 'at least')}"
    return f"Waiting for its turn: {queue}{when}."


def verdict(status: Status) -> str:
    """What a finished run reached, against chance."""
    if status.heldout_accuracy is None or status.chance is None:
        return "Done."
    times = status.heldout_accuracy / status.chance
    than = (
        f", {times:,.{1 if times < 10 else 0}f} times as often as guessing ({percent(status.chance)})"
        if advice.above_chance(status.heldout_accuracy, status.chance, advice.HELDOUT)
        else f", within noise of guessing ({percent(status.chance)})"
    )
    return f"It answers **{percent(status.heldout_accuracy)}** of the held-out questions right{than}."


def plan(spec: Spec) -> str:
    """How it trains, in a sentence; empty before the plan is fixed."""
    fixed = spec.plan or {}
    parts, chosen = [], []
    if fixed.get("batch"):
        parts.append(f"batches of {fixed['batch']:,}")
        chosen += [] if spec.batch else ["batch"]
    if fixed.get("precision"):
        parts.append(f"in {fixed['precision']}")
        chosen += [] if spec.precision else ["precision"]
    if "channels_last" in fixed:
        parts.append(f"channels {'last' if fixed['channels_last'] else 'first'} in memory")
        chosen.append("memory format")
    if fixed.get("threads"):
        parts.append(f"{fixed['threads']} thread{'s' if fixed['threads'] > 1 else ''}")
        chosen += [] if spec.threads else ["threads"]
    if fixed.get("squares", 1) > 1:
        parts.append(f"{fixed['squares']} squares of each image")
    if not parts:
        return ""
    joined = ", ".join(parts).replace(", in ", " in ")
    # With a number of steps given nothing is measured: the machine's abilities are looked up.
    how = "measured on" if fixed.get("seconds") is not None else "chosen for"
    asked = f" ({', '.join(chosen)} {how} this machine)" if chosen else ""
    return f"{joined[0].upper()}{joined[1:]}{asked}."


def measuring(status: Status) -> str:
    """The share of its time that went into looking at it; empty where that is not known."""
    spent = status.evaluation_seconds
    if not spent or not status.seconds:
        return ""
    return f"Measuring took {percent(round(spent / status.seconds, 3))} of the time."


def whence(run: Run) -> str:
    """Where a run comes from that is only read."""
    return "shared with everybody" if run.shared else "comes with sslviz"
