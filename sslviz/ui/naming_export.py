"""The names to take away: as a table, and as the labels of the set."""

from __future__ import annotations

import shlex

import streamlit as st

from sslviz import naming
from sslviz.imagesets import ImageSet
from sslviz.naming import Names, Proposals
from sslviz.tables import as_csv
from sslviz.ui import frame, pictures

FILE = "sslviz-names.csv"


def offer(images: ImageSet, names: Names, proposals: Proposals | None) -> None:
    """The two ways out, where there is anything to take."""
    if not names.given:
        return
    st.subheader("Take the labels away", anchor=False)
    st.download_button(
        "Table of all images (CSV)",
        lambda: as_csv(naming.table(images, names, proposals)).encode(),
        FILE,
        "text/csv",
        icon=":material/download:",
        key="naming_csv",
        on_click="ignore",
        help="A row an image: id, file, label, certainty, and whether you named it or the label is proposed.",
    )
    if images.builtin:
        st.caption(f"{pictures.literal(images.name)} comes with sslviz and keeps the labels that it has.")
        return
    least = _least(names, proposals)
    found = naming.labels(images, names, proposals, least)
    with st.container(horizontal=True, vertical_alignment="center", gap="medium"):
        if st.button(
            f"Make these the labels of {len(found):,} image{'' if len(found) == 1 else 's'}",
            icon=":material/label:",
            key="naming_apply",
        ):
            _confirm(images, names, found, least)
    st.caption("The same on the command line, from the table:")
    extra = [] if least is None else ["--least", f"{least:g}"]
    st.code(shlex.join(["sslviz", "images", "label", images.name, FILE, *extra]), language="bash")


def _least(names: Names, proposals: Proposals | None) -> float | None:
    """How certain a proposal has to be to become a label; None for those named by hand only."""
    if proposals is None or not proposals.open.any():
        return None
    kind = st.segmented_control(
        "Labels for",
        ["named", "sure", "all"],
        default="named",
        required=True,
        key="naming_kind",
        format_func=lambda one: {
            "named": f"Named ({len(names.given):,})",
            "sure": "and certain ones",
            "all": "and all others",
        }[one],
    )
    if kind == "named":
        return None
    if kind == "all":
        return 0.0
    share = st.slider("At least so certain", 50, 99, 80, 1, "%d %%", key="naming_least", width=360)
    return float(share) / 100


@st.dialog("Make these the labels?")
def _confirm(images: ImageSet, names: Names, found: dict[str, str], least: float | None) -> None:
    before = {entry.id: entry.label for entry in images.entries}
    others = sum(before[image] not in (None, label) for image, label in found.items())
    proposed = len(found) - len(names.given)
    said = f"{len(names.given):,} that you named"
    if least is not None:
        certain = f" at least {least:.0%} certain" if least else ""
        said += f", and {proposed:,} proposals{certain}"
    st.markdown(f"{len(found):,} images of **{pictures.literal(images.name)}** get a label: {said}.")
    if others:
        st.markdown(f"{others:,} of them have another label now, which is replaced.")
    if st.button(f"Label {len(found):,} images", type="primary", icon=":material/label:", key="naming_do"):
        with frame.guard():
            images.set_labels(dict(found))
            st.toast(f"{len(found):,} images labelled", icon=":material/check:")
            st.rerun()
