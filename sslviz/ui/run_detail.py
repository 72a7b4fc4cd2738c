"""One run in full, or several side by side, with what can be done to them."""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from html import escape
from typing import Any

import streamlit as st

from sslviz import comparison, origins, runs
from sslviz.errors import UserError
from sslviz.runs import Run, Status
from sslviz.ui import curves, frame, pictures, run_view, train_form, visitor, words

NOTE = 2000
"""Characters of a note, at most."""


def detail(run: Run) -> None:
    """One run in full."""
    state = run.status().state
    with st.container(horizontal=True, vertical_alignment="center", key="run_heading"):
        st.subheader(words.title(run), anchor=False, width="content")
        if not run.bundled:
            _describe(run)
    if run.shared:
        st.caption("Shared with everybody here, and only read.")
    elif run.bundled:
        st.caption(
            "Comes with sslviz: trained on the built-in scenes, so that there is something to look at."
        )
    if run.note:
        st.caption("  \n".join(pictures.literal(line, NOTE) for line in run.note[:NOTE].splitlines()))
    if state == "unreadable":
        st.warning(words.sentence(run, run.status()), icon=":material/broken_image:")
    else:
        run_view.show(run)
    _actions(run, state)
    if state != "unreadable":
        with st.expander("What was asked"):
            train_form.command(origins.command_of(run))
            st.json({k: v for k, v in run.spec.__dict__.items() if v not in (None, "", [], {})}, expanded=1)


def _describe(run: Run) -> None:
    """Rename it and take notes, where its name stands."""
    # Another popover after each saving, which is closed.
    saved = f"saved_{run.id}"
    key = f"edit_{run.id}_{st.session_state.get(saved, 0)}"
    with (
        st.popover("", icon=":material/edit:", type="tertiary", help="Name and note", key=key),
        st.form(f"describe_{key}", border=False),
    ):
        title = st.text_input("Name", words.name(run), key=f"title_{key}", max_chars=80)
        note = st.text_area("Note", run.note, key=f"note_{key}", max_chars=NOTE)
        if st.form_submit_button("Save"):
            with frame.guard():
                images = origins.name_of(run)
                if run.title_on(images) == words.ordinary(run, images) and title == words.name(run):
                    title = ""  # what it is called anyway
                run.describe(title=title, note=note)
                st.session_state[saved] = st.session_state.get(saved, 0) + 1
                st.rerun()


def _actions(run: Run, state: str) -> None:
    has_weights = run.bundled or any(True for _ in run.checkpoints())
    with st.container(horizontal=True, vertical_alignment="center"):
        if has_weights:
            st.page_link(
                "pages/embeddings.py",
                label="See the map",
                icon=":material/scatter_plot:",
                query_params={"run": run.id}
                | ({} if run.bundled and not run.shared else {"images": origins.name_of(run)}),
            )
            st.download_button(
                "Export",
                functools.partial(_packed, run),
                f"sslviz-{run.id}.zip",
                "application/zip",
                icon=":material/download:",
                on_click="ignore",
                key=f"export_{run.id}",
                help="Weights, the encoder in plain PyTorch, curves as a table, the command to repeat it.",
            )
        if run.bundled:
            return
        if state in ("failed", "lost", "cancelled") and st.button("Resume", icon=":material/resume:"):
            with frame.guard():
                run_view.resume(run)
                st.rerun()
        if state in ("done", "cancelled") and has_weights:
            another_minute(run)
        if state not in run_view.LIVE and st.button(
            "Delete", icon=":material/delete:", key=f"delete_{run.id}"
        ):
            _confirm([run])


def another_minute(run: Run) -> None:
    """A button that trains `run` on, as a run of its own that is shown on the page of training."""
    if st.button(train_form.longer(), icon=":material/more_time:"):
        with frame.guard():
            further = train_form.begin(train_form.further(run))
            st.switch_page("pages/train.py", query_params={"run": further.id})


def _packed(run: Run) -> bytes:
    """Called when somebody clicks: it takes torch, and time."""
    from sslviz import export

    return export.pack(run)


@st.dialog("Delete?", on_dismiss="rerun")
def _confirm(chosen: Sequence[Run]) -> None:
    names = "".join(f"\n- {name}" for name in map(pictures.literal, curves.names(chosen[:12])))
    more = f"\n- and {len(chosen) - 12} more" if len(chosen) > 12 else ""
    what = "This run" if len(chosen) == 1 else f"These {len(chosen)} runs"
    st.markdown(f"{what} will be deleted, with curves and weights:\n{names}{more}")
    words_ = "Delete the run" if len(chosen) == 1 else f"Delete {len(chosen)} runs"
    if st.button(words_, type="primary", icon=":material/delete:"):
        with frame.guard():
            _delete(chosen)
            st.rerun()


def _delete(chosen: Sequence[Run]) -> None:
    """All that can be deleted; the others stay ticked. Raises `UserError` of the first of them."""
    kept: dict[str, UserError] = {}
    for run in chosen:
        try:
            run.delete()
        except UserError as error:
            kept[run.id] = error
    if kept:
        st.query_params["run"] = ",".join(kept)
        raise next(iter(kept.values()))
    st.query_params.pop("run", None)


def compare(chosen: list[Run]) -> None:
    """Several runs: their curves laid over each other, and what differs beside their figures."""
    st.subheader(f"{len(chosen)} runs compared", anchor=False)
    readable = [run for run in chosen if not run.damage]
    live = any(run.status().state in run_view.LIVE for run in readable)
    if readable:
        st.fragment(_overlaid, run_every=visitor.every(run_view.TICK) if live else None)(
            [run.id for run in readable]
        )
    own = [run for run in chosen if not run.bundled and run.status().state not in run_view.LIVE]
    if own and st.button(_of_them(own, chosen),
                         icon=":material/delete:", key="delete_several"):  # fmt: skip
        _confirm(own)


def _of_them(own: Sequence[Run], chosen: Sequence[Run]) -> str:
    """What a button is called that deletes `own` of the `chosen`."""
    if len(own) == 1:
        return f"Delete {pictures.literal(words.name(own[0]), 40)}"
    return f"Delete {len(own)} {'runs' if len(own) == len(chosen) else 'of them'}"


def _overlaid(ids: list[str]) -> None:
    """Curves and table; the body of a fragment."""
    with frame.guard():
        found = runs.opened(frame.workspace(), ids)
        if not found:
            return
        curves.draw(found[: curves.MOST], "compared_" + "_".join(ids[: curves.MOST]))
        if len(found) > curves.MOST:
            st.caption(f"The curves are those of the first {curves.MOST}.")
        pictures.show(side_by_side(found, [run.status() for run in found]))


FIGURES: tuple[tuple[str, Callable[[Status], Any], Callable[[Any], str], bool], ...] = (
    ("Held-out accuracy", lambda s: s.heldout_accuracy, words.percent, True),
    ("Chance", lambda s: s.chance, words.percent, False),
    ("Features", lambda s: s.knn_accuracy, words.percent, True),
    ("Features, untrained", lambda s: s.knn_untrained, words.percent, False),
    ("Features, commonest label", lambda s: s.knn_chance, words.percent, False),
    ("Training accuracy", lambda s: s.train_accuracy, words.percent, False),
    ("Steps", lambda s: s.step or None, lambda n: f"{n:,}", False),
    ("Trained for", lambda s: s.seconds or None, words.duration, False),
    ("Views a second", lambda s: s.views_per_second, lambda n: f"{n:,.0f}", False),
)
"""Name, which it is, how it is written, and whether the best of several is worth a mark."""


def side_by_side(found: Sequence[Run], statuses: Sequence[Status]) -> str:
    """A table as HTML: a column a run, first the figures, then the settings that differ."""
    names = [escape(pictures.name_of(name)) for name in curves.names(found)]
    head = "".join(f'<th scope="col">{name}</th>' for name in names)
    rows = []
    same_task = (
        len({(run.spec.task, status.chance) for run, status in zip(found, statuses, strict=True)}) == 1
    )
    same_images = len({run.spec.fingerprint for run in found}) == 1
    for name, of, write, ranked in FIGURES:
        values = [of(status) for status in statuses]
        known = [value for value in values if value is not None]
        if not known:
            continue
        # Accuracies at different tasks, and features of different images, are not a race.
        race = same_images if name == "Features" else same_task
        best = max(known) if ranked and race and len(set(known)) > 1 else None
        said = ["–" if v is None else f"<b>{write(v)}</b>" if v == best else write(v) for v in values]
        cells = "".join(f"<td>{one}</td>" for one in said)
        rows.append(f'<tr><th scope="row">{name}</th>{cells}</tr>')
    settings = [
        f'<tr><th scope="row">{escape(comparison.called(name))}</th>'
        + "".join(f"<td>{escape(words.setting(name, value))}</td>" for value in values)
        + "</tr>"
        for name, values in comparison.differing(found).items()
    ]
    return (
        '<div class="sv-beside"><table><thead><tr><th></th>'
        f"{head}</tr></thead><tbody>{''.join(rows)}</tbody><tbody>{''.join(settings)}</tbody></table></div>"
    )
