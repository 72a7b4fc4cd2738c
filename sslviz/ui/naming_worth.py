"""How many names good features save: the same names by three kinds of features, against the set's labels."""

from __future__ import annotations

from html import escape
from typing import Any

import streamlit as st

from sslviz import embeddings, naming
from sslviz.embeddings import Embedding, Source
from sslviz.imagesets import ImageSet
from sslviz.naming import Names
from sslviz.naming.worth import Truth, Worth
from sslviz.runs import Run
from sslviz.ui import embedding_work, naming_spaces, pictures, remember
from sslviz.ui.embedding_scene import SOURCES

BOTH = (
    "Solid: your names in your order, as if given to each kind of features; which images you were shown was "
    "chosen by one kind, which favours it a little. Dotted: somebody who names random images by the set's "
    "labels, the mean of five."
)
RANDOM = (
    "Somebody who names random images by the set's labels, the mean of five. Your own line begins with your "
    "second name."
)
COLORS: dict[str, str] = {"run": "#1f9a9f", "untrained": "#e76300", "pixels": "#94a4a2"}


def seen(images: ImageSet, names: Names) -> Truth | None:
    """What the labels say of the names, where the switch is on; None where it is off or they say nothing."""
    return _truth(images, names) if st.session_state.get("naming_truth") else None


def show(run: Run, images: ImageSet, embedding: Embedding, names: Names) -> None:
    """A switch, where the set has labels, and under it what they say of the proposals."""
    if len({label for label in images.labels if label is not None}) < 2:
        return
    st.divider()
    on = st.toggle(
        "Compare with the set's labels",
        key="naming_truth",
        persist_state="session",
        help="The set has labels, which the probe never sees. They tell how many of its proposals are right, "
        "and how many more images would have to be named with poorer features.",
    )
    if on:
        _compare(run, images, embedding, names)


def _compare(run: Run, images: ImageSet, embedding: Embedding, names: Names) -> None:
    given = _given(images, names)
    against = _truth(images, names)
    if against is None:
        st.caption("The labels of this set are all the same.")
        return
    own: dict[str, Worth] = {}
    random: dict[str, Worth] = {}
    digest = hash(against.answers.tobytes())
    with st.spinner("Naming random images by their labels, to compare…", show_time=False):
        for source in SOURCES:
            found = _beside(run, images, embedding, source)  # type: ignore[arg-type]
            if found is None:
                embedding_work.wait([run], images)
                continue
            random[source] = _simulated(found, against, found.key, digest)
            if len(against.stands) > 1:
                own[source] = _replayed(found, against, found.key, digest, tuple(given.items()))
    if random and any(worth.counts for worth in (*random.values(), *own.values())):
        _say(own, against, len(given), len(images.label_counts()))
        st.plotly_chart(
            _chart(own, random), theme="streamlit", config={"displayModeBar": False}, key="naming_curve"
        )
        st.caption(BOTH if own else RANDOM)
    else:
        st.caption("There are too few labelled images to compare with.")


def _given(images: ImageSet, names: Names) -> dict[int, str]:
    """Names by row, in the order in which they were given."""
    row_of = naming_spaces.rows_by_id(images)
    return {row_of[image]: name for image, name in names.given.items()}


def _truth(images: ImageSet, names: Names) -> Truth | None:
    return naming.truth(images.labels, _given(images, names))


def _beside(run: Run, images: ImageSet, embedding: Embedding, source: Source) -> Embedding | None:
    """The same block of another source."""
    if source == embedding.source:
        return embedding
    known = embeddings.blocks(run, images, source)
    if not known:
        return None
    block = embedding.block if embedding.block in known else naming_spaces.blind_block(known)
    return naming_spaces.embedding(run, images, source, block)


def _say(own: dict[str, Worth], against: Truth, named: int, labels: int) -> None:
    """Figures: the share of the images not named whose proposal is right."""
    if not own:
        return
    shares = {source: float(worth.accuracy[-1]) for source, worth in own.items() if worth.counts}
    cells = "".join(
        f"<div><dt>{escape(SOURCES[source])}</dt><dd>{share:.0%}</dd><dd>of the proposals right</dd></div>"
        for source, share in shares.items()
    )
    pictures.show(f'<dl class="sv-figures">{cells}</dl>')
    shown = ", ".join(pictures.literal(label, 30) for label in against.labels[:12])
    part = f" Only images with these of its {labels} labels are counted: {shown}."
    st.caption(
        f"After {named:,} names, on images that you have not named. A name stands for the label that most of "
        f"its images have.{part if len(against.labels) < labels else ''}"
    )


def _chart(own: dict[str, Worth], random: dict[str, Worth]) -> Any:
    import plotly.graph_objects as go

    figure = go.Figure()
    for source, title in SOURCES.items():
        color = COLORS[source]
        if source in random and random[source].counts:
            figure.add_scatter(
                x=random[source].counts,
                y=random[source].accuracy,
                mode="lines",
                name=title,
                showlegend=not own,
                line={"color": color, "dash": "dot", "width": 1.5},
                hovertemplate="%{y:.0%} after %{x} random names<extra></extra>",
            )
        if source in own and own[source].counts:
            figure.add_scatter(
                x=own[source].counts,
                y=own[source].accuracy,
                mode="lines+markers",
                name=title,
                line={"color": color, "width": 3},
                marker={"size": 7},
                hovertemplate="%{y:.0%} after %{x} of your names<extra></extra>",
            )
    figure.update_layout(
        height=330,
        margin={"l": 10, "r": 10, "t": 10, "b": 10},
        xaxis={"title": "Images named", "type": "log", "tickvals": list(naming.worth.STEPS)},
        yaxis={"title": "Right on the rest", "tickformat": ".0%", "rangemode": "tozero"},
        legend={"orientation": "h", "yanchor": "bottom", "y": 1.02, "x": 0},
    )
    return figure


@remember.data(max_entries=32)
def _simulated(_found: Embedding, _against: Truth, key: str, digest: int) -> Worth:  # noqa: ARG001
    return naming.simulated(naming_spaces.space(_found), _against)


@remember.data(max_entries=32)
def _replayed(
    _found: Embedding,
    _against: Truth,
    key: str,  # noqa: ARG001
    digest: int,  # noqa: ARG001
    given: tuple[tuple[int, str], ...],
) -> Worth:
    return naming.replayed(naming_spaces.space(_found), dict(given), _against)
