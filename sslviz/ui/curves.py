"""Accuracy, features and loss of one run or of several, as a live figure with its few controls."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import streamlit as st

from sslviz import comparison, curves, figures, runs
from sslviz.curves import Point
from sslviz.runs import Run, Status
from sslviz.ui import looks, words
from sslviz.ui.run_curves import Chart, Curve, Level, Line, Values, run_curves

HELD_OUT = "#0f9299"
"""Of the held-out curve of a single run, on either background."""
FEATURES = "#6b8e23"
"""Likewise of what the features are worth."""
OVERLAID = 7
"""Most runs that are laid over one."""
MOST = 1 + OVERLAID
ACROSS = {"step": "Steps", "seconds": "Time"}

ACCURACY, LOSS, FEATURE = "Pretext accuracy", "Loss", "Features: neighbours of the same label"
FIELDS = (
    (ACCURACY, "training", "accuracy"),
    (ACCURACY, "held out", "heldout_accuracy"),
    (FEATURE, "features", "knn_accuracy"),
    (LOSS, "training", "loss"),
    (LOSS, "held out", "heldout_loss"),
)
"""Panel, kind of curve, field of a point. Training is measured at every point, the others now and then."""


def draw(found: Sequence[Run], key: str, offered: dict[str, str] | None = None) -> None:
    """The curves of `found`, the first of which is what the page is about, and the controls under them.

    `offered` are runs to lay over it, by id with their names.
    """
    if all(run.status().finished_state and not curves.joined(run)[0] for run in found):
        return  # there is nothing, and nothing will come
    shown = st.container()
    with st.container(horizontal=True, vertical_alignment="bottom", gap="medium", key=f"controls_{key}"):
        across = st.segmented_control(
            "Against",
            list(ACROSS),
            format_func=ACROSS.__getitem__,
            default=None if "curves_across" in st.session_state else "step",
            required=True,
            key="curves_across",
            persist_state="session",
        )
        weight = st.slider(
            "Smoothing",
            0.0,
            0.95,
            0.5,
            0.05,
            key="curves_smoothing",
            persist_state="session",
            width=190,
            help="How much what came before weighs at each point of a curve of training. What was measured "
            "on held-out images is shown as it is.",
        )
        before: list[Run] = []
        if len(found) == 1 and (before := curves.lineage(found[0])):
            words_ = "The curves of the runs whose weights it started from come first."
            if not st.toggle(
                "From the beginning", True, key="curves_before", persist_state="session", help=words_
            ):
                before = []
        if offered:
            found = [*found, *_overlaid(found[0], offered)]
    statuses = [run.status() for run in found]
    chart = build(found, statuses, across or "step", weight, before, key)
    with shown:
        if chart is not None:
            run_curves(chart, key=f"curves_{key}")
        elif not all(status.finished_state for status in statuses):
            st.caption("The curve appears with the first measurement, a moment into the training.")


def _overlaid(run: Run, offered: dict[str, str]) -> list[Run]:
    """What is laid over `run`; it is in the address, under `with`."""
    key = f"with_{run.id}"
    if key not in st.session_state:
        st.session_state[key] = [i for i in st.query_params.get("with", "").split(",") if i in offered][
            :OVERLAID
        ]

    def address() -> None:
        if st.session_state[key]:
            st.query_params["with"] = ",".join(st.session_state[key])
        else:
            st.query_params.pop("with", None)

    chosen = st.multiselect(
        "Lay over it",
        list(offered),
        format_func=lambda id_: offered.get(id_, id_),
        key=key,
        on_change=address,
        placeholder="other runs",
        max_selections=OVERLAID,
        select_all=False,
        width="stretch",
    )
    return runs.opened(run.workspace, chosen)


def offer(run: Run, listed: Sequence[Run]) -> dict[str, str]:
    """Runs that can be laid over `run`, by id with their names: those of its task first, the newest first."""
    others = [other for other in listed if other.id != run.id and not other.damage and not other.bundled]
    others.sort(key=lambda other: other.spec.task != run.spec.task)
    others = others[:100]
    return dict(zip([other.id for other in others], names([run, *others])[1:], strict=True))


def names(found: Sequence[Run]) -> list[str]:
    """What runs are called where several stand together."""
    return comparison.apart(found, [words.name(run) for run in found])


ROOM = 0.12
"""Of a panel's height, that words on a line take."""
WIDE = 52
"""Letters that a line has room for on a phone."""


def build(
    found: Sequence[Run],
    statuses: Sequence[Status],
    across: str = "step",
    weight: float = 0.0,
    before: Sequence[Run] = (),
    key: str = "",
) -> Chart | None:
    """The figure, or None where nothing has been measured yet. `before`: the runs before a single one."""
    told = [curves.joined(run, before) for run in found]
    if not any(points for points, _ in told):
        return None
    several = len(found) > 1
    end, unit, scale = _extent(found, statuses, [points for points, _ in told], across, bool(before))
    sees = any(s.knn_untrained is not None for s in statuses) or any(
        point.get("knn_accuracy") is not None for points, _ in told for point in points
    )
    panels = [name for name in (ACCURACY, FEATURE, LOSS) if sees or name != FEATURE]
    drawn: list[Curve] = []
    colors = [group.color for group in figures.groups([run.id for run in found])]
    for place, (run, (points, _)) in enumerate(zip(found, told, strict=True)):
        look = looks.TASKS.get(run.spec.task)
        own = {"training": look.color if look else "#8a8f94", "held out": HELD_OUT, "features": FEATURES}
        for panel, kind, field in FIELDS:
            if panel in panels:
                color = colors[place] if several else own[kind]
                drawn += _curve(points, field, panels.index(panel), place, kind, color, across, scale, weight)
    called = names(found)
    begins = [curves.number(at.get(across)) or 0.0 for at in told[0][1]]
    return Chart(
        revision=f"{key} {across} {unit} {len(before)}",
        label=_label(found, statuses, called, end, unit),
        unit=unit,
        end=end,
        panels=[(name, name != LOSS) for name in panels],
        runs=[Line(run.id, name, color) for run, name, color in zip(found, called, colors, strict=True)],
        curves=drawn,
        levels=_levels(found, statuses, panels, drawn),
        begins=[x * scale for x in begins],
    )


def _extent(
    found: Sequence[Run], statuses: Sequence[Status], told: Sequence[list[Point]], across: str, joined: bool
) -> tuple[float, str, float]:
    """(where x ends, its unit, what values are multiplied by). A run at work has room for what is to come."""
    end = 1.0
    for run, status, points in zip(found, statuses, told, strict=True):
        last = max((curves.number(p.get(across)) or 0.0 for p in points), default=0.0)
        if not status.finished_state and across == "step":
            last = max(last, status.steps + (run.spec.since if joined else 0))
        elif not status.finished_state:
            whole = curves.number((run.spec.plan or {}).get("seconds")) or 0.0
            last += max(0.0, whole - status.seconds)
        end = max(end, last)
    unit, scale = (across, 1.0) if across == "step" or end <= 180 else ("minutes", 1 / 60)
    return end * scale * 1.015, unit, scale  # a little beyond, or the last dot is cut in half


def _curve(
    points: list[Point],
    field: str,
    panel: int,
    place: int,
    kind: str,
    color: str,
    across: str,
    scale: float,
    weight: float,
) -> list[Curve]:
    """One curve, thinned; nothing where there is no value of it."""
    pairs = [(curves.number(point.get(across)), curves.number(point.get(field))) for point in points]
    # What is measured now and then is joined; a measurement of training that failed leaves a gap.
    pairs = [(x, y) for x, y in pairs if x is not None and (kind == "training" or y is not None)]
    if not any(y is not None for _, y in pairs):
        return []
    shown = curves.kept(len(pairs))
    x: Values = [pairs[i][0] * scale for i in shown]  # type: ignore[operator]
    y: Values = [pairs[i][1] for i in shown]
    if kind != "training" or weight == 0.0:
        return [Curve(panel, place, kind, color, x, y)]
    smoothed = curves.smooth([value for _, value in pairs], weight)
    return [Curve(panel, place, kind, color, x, [smoothed[i] for i in shown], raw=y)]


def _levels(
    found: Sequence[Run], statuses: Sequence[Status], panels: Sequence[str], drawn: Sequence[Curve]
) -> list[Level]:
    """What a curve is to be held against: each value once, however many runs have it. Of features on other
    images than each other's there is none, for no line would be that of all."""
    wanted = [(ACCURACY, "chance", "chance", "dash", "end")]
    if FEATURE in panels and len({run.spec.fingerprint for run in found}) == 1:
        wanted += [
            (FEATURE, "knn_untrained", "untrained", "dot", "end"),
            (FEATURE, "knn_pixels", "raw pixels", "dot", "start"),
            (FEATURE, "knn_chance", "commonest label", "dash", "middle"),
        ]
    lines: list[Level] = []
    for panel, field, name, dash, at in wanted:
        values = {getattr(status, field) for status in statuses} - {None}
        known = sorted({round(value, 4) for value in values})
        lines += [Level(panels.index(panel), value, name, dash, at) for value in known]
    worded: list[Level] = []
    for place in range(len(panels)):
        own, heights = [level for level in lines if level.panel == place], _heights(drawn, place)
        top = max([*heights, *(level.value for level in own)], default=0.0)
        for group in _near(own, ROOM * top):
            worded += _worded(group, top)
    return worded


def _near(levels: Sequence[Level], room: float) -> list[list[Level]]:
    """Levels, ascending, in groups: within one the words on a line, which take `room`, lie on the next."""
    groups: list[list[Level]] = []
    for level in sorted(levels, key=lambda one: one.value):
        if groups and level.value - groups[-1][-1].value < room:
            groups[-1].append(level)
        else:
            groups.append([level])
    return groups


def _worded(group: Sequence[Level], top: float) -> list[Level]:
    """A group that shares its words, from high to low: on its highest line, or under its lowest where there
    is no room above. `top` is where the panel ends."""
    values: dict[str, list[float]] = {}
    for level in reversed(group):
        values.setdefault(level.text, []).append(level.value)
    said = [f"{name} {' and '.join(map(words.percent, sorted(them)))}" for name, them in values.items()]
    below = top - group[-1].value < 0.03 * top and group[0].value > ROOM * top
    bearer = group[0] if below else group[-1]
    joined = (" · " if len(" · ".join(said)) <= WIDE else "\n").join(said)
    place = bearer.place if len(said) == 1 else "start"
    return [
        replace(level, text=joined, place=place, below=below) if level is bearer else replace(level, text="")
        for level in group
    ]


def _heights(drawn: Sequence[Curve], panel: int) -> list[float]:
    """What the curves of a panel reach."""
    return [y for curve in drawn if curve.panel == panel for y in curve.y if y is not None]


def _label(
    found: Sequence[Run], statuses: Sequence[Status], called: Sequence[str], end: float, unit: str
) -> str:
    """What the figure shows, for those who hear it."""
    parts = []
    for run, status, name in zip(found, statuses, called, strict=True):
        figures_ = [f"held-out accuracy {words.percent(status.heldout_accuracy)}"]
        if status.chance is not None:
            figures_.append(f"chance {words.percent(status.chance)}")
        if status.knn_accuracy is not None:
            figures_.append(f"features {words.percent(status.knn_accuracy)}")
        parts.append(f"{name if len(found) > 1 else words.name(run)}: {', '.join(figures_)}")
    return f"Accuracy and loss against the {unit}, up to {end / 1.015:,.0f}. {'. '.join(parts)}."
