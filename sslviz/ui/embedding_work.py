"""Embeddings that are not computed yet: the job is started, followed, and started again where it failed."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import streamlit as st

from sslviz import embeddings, imagesets, jobs
from sslviz.embeddings import Source
from sslviz.imagesets import ImageSet
from sslviz.jobs import Job
from sslviz.runs import Run
from sslviz.ui import frame, waiting, work

Want = tuple[Run, Source, str | None]
"""A run, a source and a block; None for the block to look at first."""
LAYOUTS = {
    "umap": "This is PCA; UMAP takes its place when it is ready",
    "tsne": "This is PCA; t-SNE takes its place when it is ready",
}


def ready(run: Run, images: ImageSet, then: str = "The map appears") -> bool:
    """Whether there is something to draw; if not, it is being computed, and words are drawn in its place.

    `then` says what happens as soon as it is there.
    """
    if embeddings.blocks(run, images):
        return True
    st.markdown(
        f"**Looking at {len(images):,} images through the network.** {then} as soon as its features "
        "are there; this happens once for a run and a set."
    )
    wait([run], images)
    return False


def begin(run: Run, images: ImageSet, *, again: bool = False) -> Job:
    """Have everything computed that a first look at a run needs, and draw nothing; `again`: also where it
    was computed before."""
    return jobs.start("embed", _arguments([(run, "run", None)], images, "umap", 2), again=again)


def known(run: Run, images: ImageSet) -> Job | None:
    """That job, where it was begun."""
    return jobs.known("embed", _arguments([(run, "run", None)], images, "umap", 2))


def wait(wanted: Sequence[Run], images: ImageSet) -> None:
    """Follow the computation of all sources of these runs, which is started where it is not under way."""
    _follow([(run, "run", None) for run in wanted], images, "umap", 2, "Computing")


def follow_layout(wants: Sequence[Want], images: ImageSet, projection: str, dims: int) -> None:
    """Have layouts computed, with a word on what is shown meanwhile."""
    if len(images) < 10:
        st.caption(f"With fewer than ten images {projection.upper()} shows what PCA shows.")
        return
    first = wants[0][0]
    if begin(first, images).status().state not in work.OVER:
        # The first computation ends with UMAP of the block that is shown first.
        wants, projection, dims = [(first, "run", None)], "umap", 2
    _follow(wants, images, projection, dims, LAYOUTS[projection])


def wait_for_film(run: Run, images: ImageSet, block: str | None) -> None:
    """Follow the computation of the film of a block, which is started where it is not under way."""
    arguments = {
        "workspace": str(frame.workspace()),
        "run": run.id,
        "set": images.name,
        "crops": isinstance(images, imagesets.Crops),
        "block": block,
        "fingerprint": images.fingerprint,
        "step": run.status().step,
    }
    _start("film", arguments, "Computing", [(run, "run", block)], images)


def _arguments(wants: Sequence[Want], images: ImageSet, projection: str, dims: int) -> dict[str, Any]:
    return {
        "workspace": str(frame.workspace()),
        "set": images.name,
        "crops": isinstance(images, imagesets.Crops),
        "wants": [[run.id, source, block] for run, source, block in wants],
        "projection": projection,
        "dims": dims,
        # A set or a run that has changed is another job.
        "fingerprint": images.fingerprint,
        "steps": [run.status().step for run, _, _ in wants],
    }


def _state(wants: Sequence[Want], images: ImageSet) -> list[str]:
    """Changes with whatever is computed of what is wanted, and of what it is compared with."""
    return [
        embeddings.stamp(run, images, source)
        for run in {run.id: run for run, _, _ in wants}.values()
        for source in embeddings.SOURCES
    ]


def _follow(wants: Sequence[Want], images: ImageSet, projection: str, dims: int, words: str) -> None:
    _start("embed", _arguments(wants, images, projection, dims), words, wants, images)


def _start(kind: str, arguments: dict[str, Any], words: str, wants: Sequence[Want], images: ImageSet) -> None:
    waiting.until(kind, arguments, words, lambda: _state(wants, images))
