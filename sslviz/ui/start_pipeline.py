"""The whole way as one picture, on the current images: images, a question, an encoder, what it is worth.

Everything it shows is read, nothing computed: it is part of the start page, which must be painted at once.
"""

from __future__ import annotations

import base64
from collections.abc import Mapping
from dataclasses import dataclass
from html import escape
from pathlib import Path

import numpy as np
import streamlit as st

from sslviz import embeddings, figures, imagesets, runs
from sslviz.errors import UserError
from sslviz.imagesets import ImageSet
from sslviz.runs import Run
from sslviz.ui import embedding_run, frame, looks, pictures, remember, words
from sslviz.ui.words import percent

FIRST = "rotation"
MOST = 2500
"""Images whose features are computed without being asked for; more would take more than seconds."""
POINTS = 700
"""Images drawn on the small map."""
MOSAIC = 9
SIDE = 220
"""Of a drawing, in its own units."""
SOURCES = {"run": "trained", "untrained": "untrained", "pixels": "raw pixels"}


@dataclass(frozen=True)
class Worth:
    """What is known of the features: a number for each source, and what the number is."""

    shares: Mapping[str, float]
    measure: str


def show(posters: Path) -> None:
    """Draw it, with a choice of the task; `posters` has the pictures of the tasks, `<task>.webp`."""
    st.html(Path(__file__).with_name("start_pipeline.css"))
    titles = {name: f"{look.icon} {look.title}" for name, look in looks.TASKS.items()}
    task = frame.choice("task", "Task", titles, FIRST, shown=False)
    images = current()
    run = network(task, images)
    stages = (
        ("Images", _images(images)),
        ("A question", _question(task, posters)),
        ("An encoder", _encoder(task, run, images)),
        ("What it is worth", _worth(run, images)),
    )
    cells = [
        f'<div class="sv-stage"><b><span>{number}</span>{title}</b>{body}</div>'
        for number, (title, body) in enumerate(stages, 1)
    ]
    pictures.show(f'<div class="sv-way">{"<i aria-hidden=true>→</i>".join(cells)}</div>', task)
    _links(task, run)


def current() -> ImageSet | None:
    """The current set, where it has images and can be opened."""
    name = frame.current()
    if name is None:
        return None
    try:
        images = imagesets.open_set(frame.workspace(), name)
    except UserError:
        return None
    return images if len(images) else None


def unknown() -> tuple[Run, ImageSet] | None:
    """The network of the chosen task and the current set, where its features are not known yet."""
    images = current()
    task = st.query_params.get("task", FIRST)
    run = network(task if task in looks.TASKS else FIRST, images)
    if images is None or run is None or not 2 <= len(images) <= MOST or embeddings.blocks(run, images):
        return None
    return run, images


def network(task: str, images: ImageSet | None) -> Run | None:
    """The run that is shown: of those of the task with weights the newest that was trained on these images,
    else the newest."""
    found = [run for run in runs.listing(frame.workspace()) if run.spec.task == task]
    usable = list(embedding_run.with_weights(found).values())
    own = [run for run in usable if images is not None and run.spec.fingerprint == images.fingerprint]
    return next(iter(own or usable), None)


def _images(images: ImageSet | None) -> str:
    if images is None:
        return '<div class="sv-scene">No images yet</div><p>A folder of photographs is enough.</p>'
    rows = np.linspace(0, len(images) - 1, min(MOSAIC, len(images))).astype(int)
    cells = "".join(f'<img src="{pictures.uri(images.thumbnail(int(row)))}" alt="">' for row in rows)
    count = f"{len(images):,} image{'s' if len(images) > 1 else ''}"
    return (
        '<div class="sv-scene"><div class="sv-mosaic" role="img" aria-label="Some of the images">'
        f"{cells}</div></div><p>{count} of <b>{escape(pictures.name_of(images.name, 40))}</b>. Nobody has to "
        f"say what they show{': labels only judge, at the end' if any(images.labels) else ''}.</p>"
    )


def _question(task: str, posters: Path) -> str:
    look = looks.TASKS[task]
    path = next((p for p in (posters / f"{task}.webp", looks.PICTURES / f"{task}.webp") if p.exists()), None)
    drawn = ""
    if path is not None:
        encoded = base64.b64encode(path.read_bytes()).decode()
        drawn = f'<img class="sv-half" src="data:image/webp;base64,{encoded}" alt="Views made from an image">'
    return (
        f'<div class="sv-scene">{drawn}</div><p><b>{escape(look.question)}</b> Whoever made the views knows '
        "the answer, so every image is a question that marks itself.</p>"
    )


def _encoder(task: str, run: Run | None, images: ImageSet | None) -> str:
    blocks = embeddings.blocks(run, images) if run is not None and images is not None else []
    drawing = _layers(len(blocks) or 4, looks.TASKS[task].color)
    if run is None:
        return f'<div class="sv-scene">{drawing}</div><p>A small network, trained in a minute.</p>'
    status = run.status()
    name = escape(pictures.name_of(words.name(run), 60))
    told = f"<p>To answer, layers learn what to look for. This network: <b>{name}</b>"
    if status.heldout_accuracy is not None and status.chance is not None:
        told += (
            f", {percent(status.heldout_accuracy)} of new questions right, by chance {percent(status.chance)}"
        )
    told += ".</p>"
    if run.bundled and not run.shared:
        told += '<p class="sv-note">It comes with sslviz; train one on your own images in a minute.</p>'
    return f'<div class="sv-scene">{drawing}</div>{told}'


def _layers(count: int, color: str) -> str:
    """The layers as slabs that get smaller and deeper, and the features at their end."""
    parts = []
    for at in range(count):
        share = at / max(1, count - 1)
        height, width = 150 - 104 * share, 13 + 17 * share
        left, top = 20 + at * (132 / count), (SIDE - height) / 2
        parts.append(
            f'<rect x="{left:.1f}" y="{top:.1f}" width="{width:.1f}" height="{height:.1f}" rx="3" '
            f'fill-opacity="{0.35 + 0.5 * share:.2f}"/>'
        )
    for at, opacity in enumerate((0.95, 0.3, 0.6, 0.2, 0.8, 0.45, 0.7, 0.35)):
        parts.append(
            f'<rect x="186" y="{62 + 12 * at}" width="11" height="10" rx="2" fill-opacity="{opacity}"/>'
        )
    return _svg(
        f'<g fill="{color}">{"".join(parts)}</g>', f"A network of {count} blocks that ends in features"
    )


def _svg(drawn: str, alt: str) -> str:
    """A drawing as a picture: Streamlit takes SVG out of what it is given as HTML."""
    whole = f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {SIDE} {SIDE}">{drawn}</svg>'
    encoded = base64.b64encode(whole.encode()).decode()
    return f'<img class="sv-drawing" src="data:image/svg+xml;base64,{encoded}" alt="{escape(alt)}">'


def _worth(run: Run | None, images: ImageSet | None) -> str:
    if run is None or images is None:
        return (
            '<div class="sv-scene"></div><p>Which images lie near each other, and what that is good for.</p>'
        )
    if not embeddings.blocks(run, images):
        return (
            '<div class="sv-scene"></div><p>Its features of these images are not known yet: opening the map '
            "has them computed.</p>"
        )
    stamps = tuple(embeddings.stamp(run, images, source) for source in embeddings.SOURCES)
    drawing, worth = _known(run.id, images.fingerprint, stamps, str(hash(tuple(images.labels))), run, images)
    bars = "".join(
        f'<span>{SOURCES[source]}</span><div class="{"sv-own" if source == "run" else ""}">'
        f'<i style="width:{share:.1%}"></i></div><span>{percent(share)}</span>'
        for source, share in worth.shares.items()
    )
    return (
        f'<div class="sv-scene">{drawing}</div><p>Each dot is an image; near each other lie those with '
        f'similar features.</p><div class="sv-worth">{bars}</div>'
        f'<p class="sv-note">{escape(worth.measure)}</p>'
    )


@remember.data(max_entries=32)
def _known(
    run_id: str,  # noqa: ARG001
    fingerprint: str,  # noqa: ARG001
    stamps: tuple[str, ...],  # noqa: ARG001
    labelled: str,  # noqa: ARG001
    _run: Run,
    _images: ImageSet,
) -> tuple[str, Worth]:
    """The small map, and what the features are worth; read anew when any of it has changed."""
    return _map(_run, _images), _measured(_run, _images)


def _map(run: Run, images: ImageSet) -> str:
    found = embeddings.find(run, images)
    layout = None if found is None else next(
        (one for one in (found.layout("umap"), found.layout("pca")) if one is not None), None
    )  # fmt: skip
    if found is None or layout is None:
        return ""
    numbers, names = embeddings.label_numbers(images)
    groups = numbers if len(names) > 1 else found.clusters
    rows = np.random.default_rng(0).permutation(len(images))[:POINTS]
    radius = 3.4 if len(rows) > 150 else 5
    dots = "".join(
        f'<circle cx="{110 + 100 * x:.1f}" cy="{110 - 100 * y:.1f}" r="{radius}" '
        f'fill="{figures.PALETTE[int(group) % len(figures.PALETTE)] if group >= 0 else "#888"}"/>'
        for (x, y), group in zip(layout[rows].tolist(), groups[rows].tolist(), strict=True)
    )
    by = "label" if len(names) > 1 else "group"
    return _svg(f'<g fill-opacity="0.75">{dots}</g>', f"A map of the images, coloured by {by}")


def _measured(run: Run, images: ImageSet) -> Worth:
    for measure, scores in (
        ("labels that the 20 nearest images tell right", embeddings.accuracies),
        ("of its ten nearest, how many an image keeps when it is disturbed a little", embeddings.agreements),
    ):
        shares: dict[str, float] = {}
        for source in embeddings.SOURCES:
            by_block = scores(run, images, source)
            if by_block:
                shares[source] = max(by_block.values())
        if "run" in shares:
            return Worth(shares, f"{measure}, by the best block".capitalize())
    return Worth({}, "With more images there is something to measure.")


def _links(task: str, run: Run | None) -> None:
    """The way to each of the four, one beside the other."""
    asked = {} if run is None else {"run": run.id}
    ways: tuple[tuple[str, str, str, dict[str, str]], ...] = (
        ("images", "Your images", ":material/photo_library:", {}),
        (task, "Look at the task", looks.TASKS[task].icon, {}),
        ("train", "Train", ":material/model_training:", {"task": task}),
        ("embeddings", "The map", ":material/scatter_plot:", asked),
        ("downstream", "What it is worth", ":material/grading:", asked),
    )
    with st.container(horizontal=True, gap="small"):
        for page, label, icon, query in ways:
            st.page_link(f"pages/{page}.py", label=label, icon=icon, query_params=query)
