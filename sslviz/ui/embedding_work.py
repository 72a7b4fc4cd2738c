"""Embeddings that are not computed yet: the job is started, followed, and started again where it failed."""

from __future__ import annotations

from typing import Any

import streamlit as st

from sslviz import embeddings, jobs
from sslviz.embeddings import Embedding
from sslviz.errors import UserError
from sslviz.imagesets import ImageSet
from sslviz.jobs import Job
from sslviz.runs import Run
from sslviz.ui import frame, pictures, work


def ready(run: Run, images: ImageSet) -> bool:
    """Whether there is something to draw; if not, it is being computed, and words are drawn in its place."""
    if embeddings.blocks(run, images):
        return True
    st.markdown(
        f"**Looking at {len(images):,} images through the network.** The map appears as soon as its features "
        "are there; this happens once for a run and a set."
    )
    wait(run, images)
    return False


def wait(run: Run, images: ImageSet) -> None:
    """Follow the computation of all sources, which is started where it is not under way."""
    _follow(_arguments(run, images), "Computing", _state(run, images))


def follow_umap(run: Run, images: ImageSet, embedding: Embedding) -> None:
    """Have UMAP computed, with a word on what is shown meanwhile."""
    if len(images) < 10:
        st.caption("With fewer than ten images UMAP shows what PCA shows.")
        return
    arguments = _arguments(run, images)
    whole = jobs.start("embed", arguments)
    over = whole.status().state in work.OVER
    if over:  # the first computation ends with UMAP of the block that is shown first
        arguments |= {"source": embedding.source, "block": embedding.block}
    _follow(arguments, "This is PCA; UMAP takes its place when it is ready", _state(run, images, embedding))


def _arguments(run: Run, images: ImageSet) -> dict[str, Any]:
    # The fingerprint is there so that a set that has changed is another job.
    return {
        "workspace": str(frame.workspace()),
        "run": run.id,
        "set": images.name,
        "fingerprint": images.fingerprint,
        "step": run.status().step,
    }


def _state(run: Run, images: ImageSet, embedding: Embedding | None = None) -> tuple[object, ...]:
    """What is there now; the page is drawn again when it changes."""
    umap = False
    if embedding is not None:
        found = embeddings.load(frame.workspace(), run.id, images.name, embedding.source, embedding.block)
        umap = found is not None and found.umap is not None
    return (*(bool(embeddings.blocks(run, images, source)) for source in embeddings.SOURCES), umap)


def _follow(arguments: dict[str, Any], words: str, before: tuple[object, ...]) -> None:
    job = jobs.start("embed", arguments)
    status = job.status()
    if status.state in ("failed", "cancelled"):
        frame.problem(UserError(status.error or "The computation stopped.", status.hint))
        if st.button("Try again", icon=":material/refresh:", key=f"again_{job.id}"):
            jobs.start("embed", arguments, again=True)
            st.rerun()
        return
    if status.state == "done":  # and yet something is missing: the cache was cleared
        job = jobs.start("embed", arguments, again=True)
    _poll(job, words, arguments, before)


@st.fragment(run_every=1.0)
def _poll(job: Job, words: str, arguments: dict[str, Any], before: tuple[object, ...]) -> None:
    status = job.status()
    if status.state in work.OVER:
        st.rerun()
    from sslviz import imagesets, runs

    run = runs.open_run(frame.workspace(), arguments["run"])
    images = imagesets.open_set(frame.workspace(), arguments["set"])
    now = tuple(bool(embeddings.blocks(run, images, source)) for source in embeddings.SOURCES)
    if now != before[: len(now)]:
        st.rerun()
    share = status.done / status.total if status.total else 0.0
    said = f"{words}: {status.message}" if status.message else f"{words}…"
    st.progress(min(1.0, share), text=pictures.literal(said, 200))
