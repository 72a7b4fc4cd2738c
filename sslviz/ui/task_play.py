"""Play it yourself: a few rounds of a task on the current images, against a network and the clock."""

from __future__ import annotations

import sys
from html import escape
from pathlib import Path
from typing import TYPE_CHECKING, Any

import streamlit as st

from sslviz import quiz
from sslviz.imagesets import ImageSet
from sslviz.quiz import ROUNDS, Answer, Round
from sslviz.runs import Run
from sslviz.ui import frame, options, pictures, play_words, remember, task_run, waiting
from sslviz.ui.play_board import Board, play_board

if TYPE_CHECKING:
    from sslviz.quiz.drawing import Game

ALONE = "Nobody: I play alone"
MOST = 10_000
"""Games that there are, by their number in the address."""


def show(name: str, images: ImageSet, _row: int) -> None:
    """A game of the task `name`; it chooses its images itself."""
    st.html(Path(__file__).with_name("answers.css"))
    usable = task_run.able(name, quiz.WITHOUT_HEAD)
    with st.container(width=460):
        run = task_run.choose("You play against", usable, images, ALONE)
    if not usable:
        st.caption("No network plays yet. A minute is enough to train one that does.")
        task_run.link(name)
    _table(name, images, run)


def _number() -> int:
    try:
        asked = int(st.query_params.get("game", "1"))
    except ValueError:
        return 1
    return asked if 1 <= asked <= MOST else 1


def _state(name: str, images: ImageSet, run: Run | None) -> dict[str, Any]:
    """How far the game is: `begun`, the `answers` so far with their seconds, and whether the last one is
    being looked at (`shown`). Another set, network or number is another game."""
    changed = sorted(options.chosen(name).items()) if run is None else []
    step = 0 if run is None else run.status().step
    key = f"{name} {images.fingerprint} {run.id if run else ''} {step} {changed} {_number()}"
    state: dict[str, Any] = st.session_state.setdefault("play", {})
    if state.get("key") != key:
        state.clear()
        state.update(key=key, begun=False, answers=[], shown=False)
    return state


@st.fragment
def _table(name: str, images: ImageSet, run: Run | None) -> None:
    state = _state(name, images, run)
    if not state["begun"]:
        _invite(name, run, state)
        return
    if run is not None and not _ready(images, run):
        return
    with frame.guard():
        _play(name, images, run, state)


def _invite(name: str, run: Run | None, state: dict[str, Any]) -> None:
    def begin() -> None:
        state["begun"] = True

    with st.container(border=True, width=720):
        st.markdown(play_words.rules(name, alone=run is None))
        st.button("Start", type="primary", icon=":material/play_arrow:", on_click=begin, shortcut="S")
    st.caption(
        f"This is game {_number()}: whoever opens this address on this set plays the same five rounds."
    )


def _ready(images: ImageSet, run: Run) -> bool:
    """Whether the network's own patches are known; where not, they are looked for, with words on how far."""
    if run.spec.task != "exemplar":
        return True
    with st.spinner("Loading PyTorch…" if "torch" not in sys.modules else ""):
        from sslviz import examinee
    if not examinee.knows_classes(run, images) or examinee.quickly_bound(run, images):
        return True
    waiting.until(
        "exam",
        task_run.arguments(run, images),
        "Looking for the patches that the network knows",
        lambda: examinee.quickly_bound(run, images),
    )
    return False


def _play(name: str, images: ImageSet, run: Run | None, state: dict[str, Any]) -> None:
    with st.spinner("Loading PyTorch…" if "torch" not in sys.modules else "Drawing…"):
        game = _game(
            name,
            tuple(sorted(options.chosen(name).items())) if run is None else (),
            run.id if run else "",
            run.status().step if run else 0,
            images.fingerprint,
            _number(),
            _images=images,
            _run=run,
        )
    answers: list[tuple[Answer, float]] = state["answers"]
    if len(answers) == ROUNDS and not state["shown"]:
        _summary(game, images, state)
        return
    left, right = st.columns([1.7, 1], gap="large")
    with left:
        if state["shown"]:
            _reveal(game, state)
        else:
            _board(name, game, state)
    with right:
        pictures.show(play_words.table(game.rounds, answers), name)
        if state["shown"]:
            _whole(game.rounds[len(answers) - 1], images)
        if game.kind is not None:
            st.caption(task_run.KNOWS[game.kind])


@remember.resource(max_entries=32)
def _game(
    name: str,
    options_: tuple[tuple[str, Any], ...],
    run_id: str,  # noqa: ARG001
    step: int,  # noqa: ARG001
    fingerprint: str,  # noqa: ARG001
    number: int,
    *,
    _images: ImageSet,
    _run: Run | None,
) -> Game:
    """The rounds, and what the network says; only read."""
    from sslviz import networks
    from sslviz.options import make_task
    from sslviz.quiz import drawing

    task = make_task(name, dict(options_)) if _run is None else networks.task_of(_run)
    return drawing.draw(_images, task, number, _run)


def _board(name: str, game: Game, state: dict[str, Any]) -> None:
    answers = state["answers"]
    number = len(answers)
    round_ = game.rounds[number]

    def answered(answer: Answer, seconds: float) -> None:
        if len(answers) == number:
            answers.append((answer, seconds))
            state["shown"] = True

    st.markdown(f"**Round {number + 1} of {ROUNDS}.** {play_words.TODO[name]}")
    board = Board(
        round=f"{state['key']} {number}",
        task=name,
        views=[pictures.pixels_uri(view) for view in round_.views],
        candidates=[pictures.pixels_uri(patch) for patch in round_.candidates],
        choices=round_.choices,
        gap=play_words.gap(round_),
    )
    play_board(board, key="play_board", on_answer=answered)


def _reveal(game: Game, state: dict[str, Any]) -> None:
    answers = state["answers"]
    number = len(answers) - 1
    round_, (answer, seconds) = game.rounds[number], answers[number]
    st.markdown(play_words.outcome_of(round_, answer, seconds, number))
    pictures.show(play_words.beside(round_, answer), round_.task)

    def on() -> None:
        state["shown"] = False

    last = number + 1 == ROUNDS
    st.button(
        "See how it went" if last else "Next round",
        type="primary",
        icon=":material/arrow_forward:",
        on_click=on,
        shortcut="N",
    )


def _whole(round_: Round, images: ImageSet) -> None:
    """The image of a round, with where its pieces were cut."""
    entry = images.entries[round_.row]
    drawn = pictures.source(
        pictures.uri(images.jpeg(round_.row)),
        (entry.width, entry.height),
        round_.boxes,
        round_.mirror,
        play_words.marks(round_),
        "The image with the place of each piece",
    )
    note = f"{pictures.short(entry.name)}, and where it was cut" + (", mirrored" if round_.mirror else "")
    with st.container(width=300):
        pictures.show(f'{drawn}<p class="sv-note">{escape(note)}</p>', round_.task)


def _summary(game: Game, images: ImageSet, state: dict[str, Any]) -> None:
    answers = state["answers"]
    found = quiz.score(game.rounds, answers)
    name = game.rounds[0].task
    st.subheader(play_words.outcome(found), anchor=False)
    pictures.show(play_words.table(game.rounds, answers), name)
    with st.container(width=720):
        st.markdown(play_words.fairness(game.rounds[0]))
    if found.both_failed:
        alone = found.network is None
        st.markdown("**Where you failed**" if alone else "**Where you both failed**")
        names = {n: pictures.short(images.entries[game.rounds[n].row].name) for n in found.both_failed}
        pictures.show(play_words.failed(game.rounds, answers, names), name)
    elif found.network is not None:
        st.caption("There is no round that you both got wrong.")

    def again(number: int) -> None:
        st.query_params["game"] = str(number)
        state.clear()

    with st.container(horizontal=True):
        following = _number() % MOST + 1
        st.button(
            "Another game", type="primary", icon=":material/casino:", on_click=again, args=(following,),
            help="Other samples, drawn anew.", shortcut="N",
        )  # fmt: skip
        st.button("The same once more", icon=":material/replay:", on_click=again, args=(_number(),))
