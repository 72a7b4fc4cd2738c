"""Classification: what simple classifiers on frozen features tell, beside what has learned nothing."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from html import escape
from typing import Any

import streamlit as st

from sslviz import probes
from sslviz.errors import UserError
from sslviz.figures import PALETTE
from sslviz.imagesets import ImageSet
from sslviz.probes import Division, Judged
from sslviz.runs import Run
from sslviz.ui import charts, embedding_run, frame, pictures, waiting, words

QUICK = ("knn", "linear", "few")
CHIPS = {
    "knn": "Neighbours",
    "linear": "Linear",
    "linear_map": "On the map",
    "three_layers": "Three layers",
    "conv_block": "Conv block",
}
"""Short, for they stand in a row."""
PROBES = {
    "knn": "20 nearest neighbours",
    "linear": "Linear, on pooled features",
    "linear_map": "Linear, on the map",
    "three_layers": "Three layers, on the map",
    "conv_block": "Convolutional block",
}
SOURCES = {
    "run": "Trained",
    "untrained": "Untrained",
    "pixels": "Raw pixels",
    "colours": "Colours only",
}
BESIDE = 4
"""Other runs that can stand beside, at most."""
WHICH = (
    "**Name the probe with the number.** For the same features of RotNet on CIFAR-10 91% is published with "
    "a convolutional block and 89% with three layers on conv2 (Gidaris et al. 2018, both quoted "
    "second-hand); linear probes on pooled features of other networks gave some 55 to 62% (recalled, "
    "unchecked)."
)


def show(run: Run, images: ImageSet) -> None:
    """Every probe beside every baseline."""
    try:
        memory = probes.memory_for(run, images)
        division = probes.divide(images, memory)
    except UserError as missing:
        frame.nothing(
            missing.message,
            f"{missing.hint} Or name some images yourself, under “Click to label”.",
            "images",
            "Images",
        )
        return
    beside = _beside(run)
    if not _measured([run, *beside], images, division, QUICK):
        return
    knn, linear = (probes.find(run, division, probe) for probe in ("knn", "linear"))
    if knn is None or linear is None:
        return
    heads = {probe: one for probe in probes.HEADS if (one := probes.find(run, division, probe))}
    judged = {"knn": knn, "linear": linear, **heads}
    whole = probes.find(run, division, "whole")
    _worth(division, linear, whole)
    left, right = st.columns(2, gap="large")
    with left:
        _by_block(division, judged, whole)
    with right:
        _few(run, beside, division)
    _table(division, judged, whole)
    if whole is None:
        _offer(run, images, division)


def _measured(wanted: Sequence[Run], images: ImageSet, division: Division, parts: Sequence[str]) -> bool:
    """Whether all of this is there; if not, it is being measured, and words stand in its place."""
    for run in wanted:
        if probes.missing(run, division, parts):
            said = f"Measuring what {words.name(run)} is worth"
            state = partial(probes.state, run, division)
            waiting.until("probe", _arguments(run, images, division, parts), said, state)
            return False
    return True


def _arguments(run: Run, images: ImageSet, division: Division, parts: Sequence[str]) -> dict[str, Any]:
    return {
        "workspace": str(frame.workspace()),
        "run": run.id,
        "set": images.name,
        "memory": division.known.images.name,
        "parts": list(parts),
        # Images, labels or weights that have changed are another job.
        "division": division.digest,
        "step": run.status().step,
    }


def _beside(run: Run) -> list[Run]:
    """Other runs, as the address has them."""
    others = embedding_run.others(run)
    if not others:
        return []
    asked = [id_ for id_ in st.query_params.get("beside", "").split("~") if id_ in others][:BESIDE]
    st.session_state["downstream_beside"] = asked

    def changed() -> None:
        st.query_params.update({"beside": "~".join(st.session_state["downstream_beside"])})
        if not st.session_state["downstream_beside"]:
            st.query_params.pop("beside", None)

    st.multiselect(
        "Beside other runs",
        list(others),
        key="downstream_beside",
        on_change=changed,
        max_selections=BESIDE,
        format_func=lambda id_: f"{pictures.name_of(words.name(others[id_]))} · {id_}",
        placeholder="Choose up to four",
    )
    return [others[id_] for id_ in asked]


def _worth(division: Division, linear: Judged, whole: Judged | None) -> None:
    """The figures of the linear probe, and how much of a difference is chance."""
    cells = st.grid(5, min_column_width=120)
    for source, title in SOURCES.items():
        low, high = linear.interval(source)
        cells.metric(title, f"{linear.accuracy(source):.1%}", help=f"95% interval {low:.1%} to {high:.1%}.")
    if whole is not None:
        cells.metric(
            "Trained on labels", f"{whole.accuracy('supervised'):.1%}", help="The same network, from scratch."
        )
    else:
        cells.metric("Chance", f"{division.chance:.1%}", help="Always saying the commonest label.")
    said = [
        f"How often a linear classifier on frozen features tells which of {len(division.names)} labels an "
        f"image has, at the best block; it knows {len(division.known):,} images and is asked about "
        f"{len(division.asked):,} others.",
        _lead(linear, "untrained"),
        _lead(linear, "pixels"),
    ]
    least = probes.smallest_difference(len(division.asked), linear.accuracy("run"))
    said.append(
        f"With {len(division.asked):,} questions, two classifiers that differ by under {100 * least:.0f} "
        "points cannot be told apart."
    )
    st.caption(" ".join(said))


def _lead(judged: Judged, other: str) -> str:
    """What the run leads by, in a sentence that does not claim more than the interval allows."""
    found = judged.lead("run", other)
    lead, low, high = found.difference, found.low, found.high
    name = {"untrained": "the untrained network", "pixels": "raw pixels"}[other]
    span = f"({100 * low:+.1f} to {100 * high:+.1f})"
    if low > 0:
        return f"It leads {name} by {100 * lead:.1f} points {span}."
    if high < 0:
        return f"**It is behind {name}** by {-100 * lead:.1f} points {span}."
    return f"**From {name} it cannot be told apart:** {100 * lead:+.1f} points {span}."


def _by_block(division: Division, found: dict[str, Judged], whole: Judged | None) -> None:
    st.subheader("By block", anchor=False)
    probe = frame.choice("probe", "Probe", {name: CHIPS[name] for name in found}, "linear", shown=False)
    judged = found[probe]
    lines = []
    for source, color, dash in (("run", PALETTE[0], "solid"), ("untrained", PALETTE[1], "dash")):
        if source not in judged.answers:
            continue
        blocks = list(judged.answers[source])
        spans = [judged.interval(source, block) for block in blocks]
        lines.append(
            charts.Line(
                SOURCES[source],
                blocks,
                [judged.accuracy(source, block) for block in blocks],
                color,
                dash,
                [low for low, _ in spans],
                [high for _, high in spans],
            )
        )
    levels = {"chance": division.chance}
    levels |= {
        SOURCES[one].lower(): judged.accuracy(one) for one in ("pixels", "colours") if one in judged.answers
    }
    if whole is not None:
        levels["labels"] = whole.accuracy("supervised")
    charts.shares(lines, levels, key="downstream_blocks", x="block")
    st.caption(
        "Bars are 95% intervals. The best block is rarely the last, which is bent to the pretext task; it "
        "is chosen on known images, so its figure is an honest one."
    )


def _few(run: Run, beside: Sequence[Run], division: Division) -> None:
    st.subheader("With few labels", anchor=False)
    which = frame.choice(
        "fewprobe", "Classifier", {"linear": "Linear", "knn": "Neighbours"}, "linear", shown=False
    )
    lines = []
    for number, (name, source, curve) in enumerate(_curves(run, beside, division)):
        points = [point for point in curve if point[which]]
        lines.append(
            charts.Line(
                name,
                [str(point["count"]) for point in points],
                [point[which]["mean"] for point in points],
                PALETTE[number % len(PALETTE)],
                "solid" if source == "run" else "dash" if source == "untrained" else "dot",
                [point[which]["mean"] - point[which]["deviation"] for point in points],
                [point[which]["mean"] + point[which]["deviation"] for point in points],
                [f"{point['draws']} draws" if point["draws"] > 1 else "one draw" for point in points],
            )
        )
    charts.shares(lines, {"chance": division.chance}, key="downstream_few", x="labelled images a class")
    st.caption(
        "Bars are one standard deviation over draws of which images are labelled; all curves use the same "
        "draws. The block is that which all the labels chose."
    )


def _curves(
    run: Run, beside: Sequence[Run], division: Division
) -> list[tuple[str, str, list[dict[str, Any]]]]:
    """(name, source, curve) of what is drawn."""
    own = probes.few_labels(run, division) or {}
    drawn = [
        (SOURCES[source], source, own[source]) for source in SOURCES if source in own and source != "colours"
    ]
    for other in beside:
        curves = probes.few_labels(other, division) or {}
        if "run" in curves:
            drawn.append((pictures.name_of(words.name(other), 40), "run", curves["run"]))
    return drawn


def _table(division: Division, found: dict[str, Judged], whole: Judged | None) -> None:
    """One row a probe, one column a source, each with its interval."""
    st.subheader("All probes", anchor=False)
    rows = [(PROBES[probe], [_cell(judged, source) for source in SOURCES]) for probe, judged in found.items()]
    if whole is not None:
        rows.append(("The whole network, from the run’s weights", [_cell(whole, "fine_tuned")]))
        rows.append(("The whole network, from scratch", ["", _cell(whole, "supervised")]))
    rows.append(("Chance", [f"{division.chance:.1%}"]))
    head = "".join(f'<th scope="col">{title}</th>' for title in ("Probe", *SOURCES.values()))
    lines = []
    for title, cells in rows:
        filled = [*cells, *[""] * (len(SOURCES) - len(cells))]
        told = "".join(f"<td>{cell}</td>" for cell in filled)
        lines.append(f'<tr><th scope="row">{title}</th>{told}</tr>')
    pictures.show(
        f'<div class="sv-beside"><table><thead><tr>{head}</tr></thead>'
        f"<tbody>{''.join(lines)}</tbody></table></div>"
    )
    st.caption(f"In small 95% intervals, then the block that was chosen on known images. {WHICH}")


def _cell(judged: Judged, source: str) -> str:
    if source not in judged.answers:
        return ""
    low, high = judged.interval(source)
    block = judged.chosen.get(source, source)
    where = f" · {escape(block)}" if block != source else ""
    return f"{judged.accuracy(source):.1%}<small>{low:.0%} to {high:.0%}{where}</small>"


def _offer(run: Run, images: ImageSet, division: Division) -> None:
    """The probes that take training, when somebody wants them."""
    asked = st.session_state.setdefault("downstream_maps", set())
    if (run.id, division.digest) in asked:
        _measured([run], images, division, ["maps"])
        return
    st.markdown(
        "Three more probes are trained on the maps of each block, and the whole network on the labels, from "
        "the run’s weights and from scratch. That takes minutes: seven on two processor cores, with 10,000 "
        "images of 32 pixels."
    )
    if st.button("Train these probes", icon=":material/play_arrow:"):
        asked.add((run.id, division.digest))
        st.rerun()
