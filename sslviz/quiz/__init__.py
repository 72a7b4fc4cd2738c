"""A pretext task as a game: a few rounds of it, to be played against a network on the same samples.

    drawing.py   the rounds of a game, made by the task's own `make`, and what a network says to each

A game has a number, and the same number is the same game. Here is what is asked of a round; no torch, so
that a page may look at an answer at once.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

ROUNDS = 5
CANDIDATES = 6
"""Patches to choose from, of which one is the copy's."""
CELLS = 9
"""Of a puzzle."""

WITHOUT_HEAD = ("exemplar",)
"""Tasks that a network can play without the layers that answer, by its features."""

Answer = int | tuple[int, ...]
"""The choice that was made; of a jigsaw for each cell, row by row, the slot whose tile was put there."""
Pixels = NDArray[np.uint8]


@dataclass(frozen=True)
class Said:
    """What a network said to a round."""

    answer: int
    """One of the round's choices, the likeliest to it."""
    share: float
    """The probability it gives that choice, among those of the round, in [0, 1]; or how alike the two patches
    are to it, in [-1, 1]."""
    right_share: float
    """The same of the right choice."""
    by_likeness: bool = False
    """It has no classes that are of use here, and chose the patch whose features are nearest."""


@dataclass(frozen=True, eq=False)
class Round:
    """One sample, as the player and the network get it."""

    task: str
    views: list[Pixels]
    """V arrays (h, w, 3), before `Task.normalize`."""
    answer: int
    """The right choice: turns, a place, a permutation, or which of the candidates."""
    choices: int
    """Choices that the network has."""
    row: int
    """Of the image in its set."""
    sentence: str
    """The right answer in words."""
    boxes: list[tuple[float, float, float, float]]
    """x0 y0 x1 y1 of each view in the image's square, mirrored first if `mirror`; in [0, 1]."""
    mirror: bool
    words: tuple[str, ...] = ()
    """What each choice is called, where there are few."""
    candidates: tuple[Pixels, ...] = ()
    """Exemplar: patches to choose from, as they lie in their images."""
    orders: NDArray[np.int64] | None = None
    """Jigsaw: (P, 9), the permutations that the network knows; slot i shows tile `orders[answer, i]`."""
    said: Said | None = None
    """What the network said; None where one plays alone."""

    def arranged(self, choice: int) -> tuple[int, ...]:
        """Jigsaw: for each cell, row by row, the slot whose tile a permutation puts there."""
        assert self.orders is not None
        return tuple(np.argsort(self.orders[choice]).tolist())


def is_right(round_: Round, answer: Answer) -> bool:
    """Whether an answer, the player's or the network's, is the right one."""
    if round_.orders is None:
        return answer == round_.answer
    return in_place(round_, answer) == CELLS


def in_place(round_: Round, answer: Answer) -> int:
    """Jigsaw: cells that show what they should, of nine. Tiles that are pixel for pixel the same, such as
    two of a clear sky, may change places."""
    arranged = round_.arranged(answer) if isinstance(answer, int) else answer
    kinds = _kinds(round_)
    return int((kinds[list(arranged)] == kinds[list(round_.arranged(round_.answer))]).sum())


def chance(round_: Round, *, network: bool) -> float:
    """Probability that whoever guesses is right: the player, or the network.

    Of a jigsaw the player may lay nine tiles in any order, and the network knows P orders alone.
    """
    if round_.orders is None:
        return 1.0 / round_.choices
    if network:
        return sum(is_right(round_, choice) for choice in range(len(round_.orders))) / len(round_.orders)
    alike = np.bincount(_kinds(round_))
    return math.prod(math.factorial(count) for count in alike.tolist()) / math.factorial(CELLS)


def _kinds(round_: Round) -> NDArray[np.int64]:
    """(9,) for each slot the first that shows the same pixels."""
    views = round_.views
    return np.array(
        [next(i for i in range(len(views)) if np.array_equal(views[i], view)) for view in views], np.int64
    )


@dataclass(frozen=True)
class Score:
    """How a game stands after some rounds."""

    played: int
    you: int
    """Rounds that the player got right."""
    network: int | None
    """Rounds that the network got right; None where one plays alone."""
    chance_you: float
    """Rounds that guessing gets right on average."""
    chance_network: float
    seconds: float
    """That the player took over all."""
    both_failed: tuple[int, ...] = ()
    """Numbers of the rounds that neither got right; those that the player did not, where one plays alone."""


def score(rounds: Sequence[Round], answers: Sequence[tuple[Answer, float]]) -> Score:
    """The score after the first `len(answers)` rounds; each answer comes with the seconds that it took."""
    played = list(zip(rounds, answers, strict=False))
    yours = [is_right(one, answer) for one, (answer, _) in played]
    said = [one.said for one, _ in played]
    alone = not rounds or rounds[0].said is None
    theirs = [
        one is not None and is_right(round_, one.answer)
        for (round_, _), one in zip(played, said, strict=True)
    ]
    return Score(
        len(played),
        sum(yours),
        None if alone else sum(theirs),
        sum(chance(one, network=False) for one, _ in played),
        sum(chance(one, network=True) for one, _ in played),
        sum(seconds for _, (_, seconds) in played),
        tuple(n for n, pair in enumerate(zip(yours, theirs, strict=True)) if not any(pair)),
    )
