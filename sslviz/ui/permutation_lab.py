"""The permutation lab: how far apart the answers of a jigsaw are, by the way in which they were chosen."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import streamlit as st

from sslviz.errors import UserError
from sslviz.figures import PALETTE
from sslviz.imagesets import ImageSet
from sslviz.ui import charts, frame, options, pictures, remember, task_look, words

if TYPE_CHECKING:
    from plotly.graph_objects import Figure

    from sslviz.tasks.spread import Spread

KINDS = {
    "algebraic": "Algebraic",
    "greedy_min": "Greedy, smallest",
    "greedy_mean": "Greedy, mean",
    "random": "Random",
}
HOW = {
    "greedy_min": "Each permutation added is the one that is farthest from its nearest in the set, of all "
    "362,880 there are. Good, but a group is better where there is one.",
    "greedy_mean": "Each permutation added is the one that is farthest from the set on average. So the paper "
    "does it (Noroozi and Favaro, ECCV 2016, algorithm 1). The mean comes as "
    "close to its bound as can be, and yet some puzzles of the set differ by two swapped tiles alone.",
    "random": "Any, without looking. Their mean distance is about 8 all the same: the mean tells little.",
}
"""What is to be said of each way; of the algebraic one it depends on the size."""
SIZES = (
    2, 3, 4, 6, 9, 10, 16, 24, 32, 48, 64, 72, 73, 100, 150, 200, 300, 400, 504, 505, 701, 1000, 1512, 1513,
    2000,
)  # fmt: skip
"""Those at which something changes among them."""


@st.fragment
def show(name: str, images: ImageSet, row: int) -> None:
    """Draw it, with the closest two puzzles of the set on the image in `row`."""
    st.markdown(
        "The network is asked which of N known permutations shuffled the tiles. Two permutations that "
        "differ in few slots are nearly the same puzzle, and to tell them apart is hard for no good reason. "
        "**Look for** the smallest distance: the number of slots in which the closest two of the set differ."
    )
    _lab(name, images, row)


@st.fragment
def _lab(name: str, images: ImageSet, row: int) -> None:
    """All that changes with the set: the images to choose among are not sent again."""
    with frame.guard():
        _parts(name, images, row)


def _parts(name: str, images: ImageSet, row: int) -> None:
    asked = options.chosen(name)
    first = str(asked.get("permutation_set", "algebraic"))
    with st.container(horizontal=True, vertical_alignment="bottom", gap="medium"):
        kind = frame.choice("set", "How they are chosen", KINDS, first)
        count = _size(int(asked.get("permutations", 64)))
    with task_look.loading():
        spread, closest = _measured(kind, count)
    _figures(spread, count)
    frame.let_draw()
    chart, said = st.columns([1.6, 1], gap="large")
    with chart:
        st.markdown("**How many slots two puzzles of the set differ in**")
        st.plotly_chart(
            _histogram(spread), key="distances", theme="streamlit", config={"displayModeBar": False}
        )
    with said:
        _say(kind, count)
        _take(name, kind, count)
    _closest(name, images, row, count, spread, closest)


def _size(asked: int) -> int:
    sizes = sorted({*SIZES, asked})
    if st.session_state.get("lab_size") not in sizes:
        st.session_state["lab_size"] = asked
    size = st.select_slider("Number of permutations N", sizes, key="lab_size", width=260)
    return int(size)


@remember.data(max_entries=128)
def _measured(kind: str, count: int) -> tuple[Spread, list[list[int]]]:
    """How far apart the permutations are, and the closest two."""
    from sslviz.tasks import spread
    from sslviz.tasks.orders import known_set

    permutations = known_set(count, kind)
    found = spread.measure(permutations)
    return found, permutations[list(found.closest)].tolist()


def _figures(spread: Spread, count: int) -> None:
    from sslviz.tasks.spread import most_least, most_mean

    least, mean = most_least(count), most_mean(count)
    near = spread.pairs[spread.least]
    total = sum(spread.pairs)
    cells = [
        ("Smallest distance", f"{spread.least} of 9", f"no set of {count:,} can have more than {least}"),
        ("Pairs as close as that", f"{near:,}", f"of {total:,}" if total > 1 else "the only one"),
        ("Mean distance", f"{spread.mean:.3f}", f"at most {mean:.3f}, whatever the set"),
        ("Chance", words.percent(1 / count), f"one of {count:,} answers"),
    ]
    pictures.figures(cells, "jigsaw")


def _histogram(spread: Spread) -> Figure:
    """Shares of the pairs at each distance, beside those of permutations drawn at random."""
    from plotly.graph_objects import Bar, Figure

    from sslviz.tasks.spread import by_chance

    total = sum(spread.pairs)
    slots = list(range(2, 10))
    bars = Bar(
        x=slots,
        y=[spread.pairs[d] / total for d in slots],
        name="this set",
        marker={"color": PALETTE[0]},
        customdata=[spread.pairs[d] for d in slots],
        text=[_label(spread.pairs[d], total) for d in slots],
        textposition="outside",
        constraintext="none",
        textangle=0,
        textfont={"size": 11},
        cliponaxis=False,
        hovertemplate="%{customdata:,} pairs differ in %{x} slots<extra></extra>",
    )
    random = Bar(
        x=slots,
        y=[by_chance()[d] for d in slots],
        name="any two permutations",
        marker={"color": charts.GREY, "opacity": 0.45},
        hovertemplate="%{y:.2%} of all pairs there are<extra></extra>",
    )
    figure = Figure([bars, random])
    figure.update_layout(
        height=300,
        margin={"l": 8, "r": 8, "t": 24, "b": 8},
        bargap=0.25,
        bargroupgap=0.05,
        legend={"orientation": "h", "y": -0.24, "x": 0},
        xaxis={"title": "slots that differ", "dtick": 1, "range": [1.5, 9.5]},
        yaxis={"title": "share of the pairs", "tickformat": ".0%", "rangemode": "tozero"},
    )
    return figure


def _label(pairs: int, total: int) -> str:
    """Above a bar: a share that is too small to be seen is still there."""
    return "" if pairs == 0 else words.percent(pairs / total) if pairs / total >= 0.001 else f"{pairs:,}"


def _say(kind: str, count: int) -> None:
    st.markdown(f"**{KINDS[kind]}.** {_built(count) if kind == 'algebraic' else HOW[kind]}")
    reason = (
        "Why the mean cannot exceed 8N/(N − 1): a slot has nine tiles to show and N permutations to show "
        "them in, so N(N − 9)/18 pairs or more agree there, whatever the set. "
        if count > 9
        else ""
    )
    drawn = "" if kind == "algebraic" else "The set is that of seed 0; a run draws its own. "
    st.caption(f"{reason}{drawn}The grey bars are what two permutations drawn at random would do.")


def _built(count: int) -> str:
    if count <= 9:
        return (
            "Nine shifts in which no tile is ever in the same slot twice, a Latin square: all differ in all "
            "nine slots, and a tenth that did cannot be had."
        )
    if count <= 72:
        return (
            "Members of the affine group over the field with nine elements, x → ax + b. Two of them agree "
            "in one slot at most, so all differ in at least 8. There are 72, and no set with distance 8 is "
            "larger."
        )
    if count <= 504:
        return (
            "Members of PGL(2, 8), x → (ax + b)/(cx + d) on the nine points of a projective line. Two of "
            "them agree in two slots at most. There are 504, and no set with distance 7 is larger."
        )
    if count <= 1512:
        return (
            "Members of PΓL(2, 8), the 504 before with two more maps, x → x² and x → x⁴: 1,512 in all. Two "
            "of them agree in three slots at most."
        )
    return "The 1,512 of PΓL(2, 8), and beyond them whatever a greedy search finds farthest from its nearest."


def _take(name: str, kind: str, count: int) -> None:
    """Make this set the task's own, on this page and where it is trained."""
    chosen = options.chosen(name)
    same = (chosen.get("permutation_set", "algebraic"), chosen.get("permutations", 64)) == (kind, count)

    def take() -> None:
        others = {k: v for k, v in chosen.items() if k not in ("permutation_set", "permutations")}
        options.reset(name)
        wanted: dict[str, Any] = {"permutation_set": kind, "permutations": count}
        usual = {"permutation_set": "algebraic", "permutations": 64}
        st.session_state[f"options_{name}"] = others | {k: v for k, v in wanted.items() if v != usual[k]}

    with st.container(horizontal=True, vertical_alignment="center"):
        st.button(
            "The task has this set" if same else "Give the task this set",
            icon=":material/check:",
            on_click=take,
            disabled=same,
            help="For the other view of this page, and where the task is trained.",
        )
        st.page_link(
            "pages/train.py",
            label="Train on this task",
            icon=":material/model_training:",
            query_params={"task": name},
        )


def _closest(
    name: str, images: ImageSet, row: int, count: int, spread: Spread, permutations: list[list[int]]
) -> None:
    """The two puzzles that are nearest to each other, as the task makes them of the image."""
    chosen = {k: v for k, v in options.chosen(name).items() if k not in ("permutation_set", "permutations")}
    try:
        bound = task_look.bound(
            name, tuple(sorted(chosen.items())), str(images.folder), images.fingerprint, row, _images=images
        )
        pair = [bound.puzzle(order, int(st.session_state.get("lab_seed", 0))) for order in permutations]
    except UserError as error:
        frame.problem(error)
        return
    differ = [slot for slot in range(9) if permutations[0][slot] != permutations[1][slot]]
    st.markdown(
        f"**The closest two puzzles of the set**, number {spread.closest[0] + 1:,} and "
        f"{spread.closest[1] + 1:,} of {count:,}, made of your image by the task itself"
    )
    with st.container(horizontal=True, gap="medium", vertical_alignment="center"):
        for place, example in zip(spread.closest, pair, strict=True):
            with st.container(width=300):
                order = example.permutation or []
                title = f"Puzzle {place + 1}"
                pictures.show(pictures.nine(example.views, [t + 1 for t in order], title, differ), "jigsaw")
                st.caption(f"{title}: tiles {' '.join(str(tile + 1) for tile in order)}")
    same = 9 - len(differ)
    st.caption(
        f"Framed: the {len(differ)} slots that differ. "
        + ("No slot shows the same tile in both." if same == 0 else "")
        + ("The other one shows the same tile in both." if same == 1 else "")
        + (f"The other {same} show the same tiles in both, and are of no help." if same > 1 else "")
        + " Where in its cell a tile is cut is drawn for each slot anew."
    )
