"""What is said of a game: its rules, a round's answers side by side, and the score."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from html import escape

from sslviz import quiz
from sslviz.quiz import ROUNDS, Answer, Round, Score
from sslviz.ui import answer_pictures as drawn
from sslviz.ui.answer_pictures import verdict

Answers = Sequence[tuple[Answer, float]]

TODO = {
    "rotation": "Turn the picture upright.",
    "jigsaw": "Put the nine tiles in order.",
    "location": "Put the second patch where it belongs.",
    "exemplar": "Find the patch that the copy was made of.",
}
RULES = {
    "rotation": "Each picture was turned by 0°, 90°, 180° or 270°. Turn it upright. Whoever guesses is right "
    "one time in four.",
    "jigsaw": "Nine tiles of a picture were shuffled. Put them in order. You may lay them in any of 362,880 "
    "ways; the network only has to tell which of the shuffles that it knows it was, and guessing would be "
    "right far more often. A round counts when all nine tiles lie right, for both of you.",
    "location": "Two patches of a picture: the second lies beside, above or below the first, or at a corner. "
    "Put it there. Whoever guesses is right one time in eight.",
    "exemplar": "A patch was moved, turned and recoloured. Find it among {candidates}; the others are "
    "patches of other places. The network has the same choice. Whoever guesses is right one time in "
    "{candidates}.",
}
AGAINST = (
    "The network gets exactly the same pixels, and you will see what it says after each round. Your answers "
    "are timed."
)


def rules(task: str, *, alone: bool) -> str:
    """What is played, in a paragraph of Markdown."""
    said = RULES[task].format(candidates=quiz.CANDIDATES)
    return f"**Five rounds.** {said} {'Your answers are timed.' if alone else AGAINST}"


def marks(round_: Round) -> list[str]:
    """What to write on each view in the image: the number of the tile, or of the patch."""
    if round_.orders is not None:
        return [str(tile + 1) for tile in round_.orders[round_.answer].tolist()]
    return ["1", "2"] if round_.task == "location" else [""] * len(round_.views)


def gap(round_: Round) -> float:
    """Location: the space between neighbouring patches, in sides of a patch, from where they lie."""
    if round_.task != "location":
        return 0.0
    (x0, y0, x1, _), (u0, v0, _, _) = round_.boxes
    return round(min(1.0, max(0.08, max(abs(u0 - x0), abs(v0 - y0)) / (x1 - x0) - 1)), 2)


def percent(share: float) -> str:
    """A probability in whole per cent, that never says certain where it is not."""
    return ">99%" if 0.995 <= share < 1 else "<1%" if 0 < share < 0.005 else f"{share:.0%}"


def outcome_of(round_: Round, answer: Answer, seconds: float, number: int) -> str:
    """The outcome of a round in a line of Markdown."""
    you = quiz.is_right(round_, answer)
    said = "You are right" if you else "You are wrong"
    if round_.said is not None:
        network = quiz.is_right(round_, round_.said.answer)
        if you == network:
            said = "You are both right" if you else "You are both wrong"
        else:
            said += ", the network is right" if network else ", the network is wrong"
    return f"**Round {number + 1} of {ROUNDS}: {said}.** You took {seconds:.1f} s."


def beside(round_: Round, answer: Answer) -> str:
    """Your answer, the network's and the right one, as pictures."""
    cells = [_cell(round_, "You", answer, called(round_, answer))]
    if round_.said is not None:
        cells.append(_cell(round_, "The network", round_.said.answer, _sure(round_)))
    right = drawn.of(round_, round_.answer, "The correct answer")
    told = "" if round_.orders is not None else f"<br>{escape(called(round_, round_.answer))}"
    cells.append(f"<figure>{right}<figcaption><b>Correct</b>{told}</figcaption></figure>")
    return f'<div class="an-beside">{"".join(cells)}</div>'


def _sure(round_: Round) -> str:
    """What the network answered, and how sure it was."""
    said = round_.said
    assert said is not None
    words = called(round_, said.answer)
    if said.by_likeness:
        return f"{words}, likeness {said.share:.2f}"
    words += f", {percent(said.share)} sure"
    if quiz.is_right(round_, said.answer):
        return words
    return f"{words}; the correct one it gave {percent(said.right_share)}"


def called(round_: Round, answer: Answer) -> str:
    """An answer in words; of a puzzle how many tiles lie right."""
    if round_.orders is not None:
        return f"{quiz.in_place(round_, answer)} of 9 tiles in place"
    assert isinstance(answer, int)
    if round_.task == "exemplar":
        return f"patch {answer + 1}"
    return f"“It was {round_.words[answer]}”" if round_.task == "rotation" else round_.words[answer]


def _cell(round_: Round, who: str, answer: Answer, words: str) -> str:
    picture = drawn.of(round_, answer, f"{who}: {words}")
    mark = verdict(quiz.is_right(round_, answer))
    return f"<figure>{picture}<figcaption><b>{who}</b> {mark}<br>{escape(words)}</figcaption></figure>"


def table(rounds: Sequence[Round], answers: Answers) -> str:
    """The score so far: you, the network and chance, a mark for each round."""
    found = quiz.score(rounds, answers)
    played = list(zip(rounds, answers, strict=False))
    yours = [quiz.is_right(one, answer) for one, (answer, _) in played]
    lines = [_line("You", yours, found.you, f"{found.seconds:.0f} s" if played else "")]
    if found.network is not None:
        theirs = [one.said is not None and quiz.is_right(one, one.said.answer) for one, _ in played]
        lines.append(_line("Network", theirs, found.network, ""))
    lines += _chances(rounds[0], found)
    return f'<table class="an-score"><caption hidden>The score</caption>{"".join(lines)}</table>'


def _line(who: str, right: Sequence[bool], points: int, note: str) -> str:
    said = "".join(
        f'<span class="an-{"right" if one else "wrong"}" title="{"correct" if one else "wrong"}">'
        f"{'✓' if one else '✕'}</span>"
        for one in right
    )
    open_ = "·" * (ROUNDS - len(right))
    return (
        f'<tr><th scope="row">{who}</th><td class="an-marks">{said}{open_}</td>'
        f"<td><b>{points}</b> <small>{note}</small></td></tr>"
    )


def _chances(first: Round, found: Score) -> list[str]:
    """Lines of the table for who guesses: one, or two where you and the network have other odds."""
    who = [("Chance", False)] if first.orders is None else [("Your chance", False), ("Its chance", True)]
    lines = []
    for name, network in who[: 1 if found.network is None else 2]:
        one_in = round(1 / quiz.chance(first, network=network))
        points = found.chance_network if network else found.chance_you
        lines.append(
            f'<tr><th scope="row">{name}</th><td><small>1 in {one_in:,} a round</small></td>'
            f"<td><b>{_points(points)}</b></td></tr>"
        )
    return lines


def _points(points: float) -> str:
    return "0" if points == 0 else "<0.1" if points < 0.05 else f"{points:.1f}"


def outcome(found: Score) -> str:
    """Who was better, as a heading."""
    if found.network is None:
        return f"You got {found.you} of {found.played} right"
    if found.you == found.network:
        return f"A draw: {found.you} of {found.played} each"
    if found.you > found.network:
        return f"You win, {found.you} to {found.network}"
    return f"The network wins, {found.network} to {found.you}"


def fairness(first: Round) -> str:
    """What the comparison is worth, in Markdown."""
    said = first.said
    parts = ["Five rounds tell little: with five more the score may well turn round."]
    if first.orders is not None and said is not None:
        parts.append(
            f"You could lay the tiles in 362,880 orders, and the network knows {len(first.orders):,} of "
            "them, one of which it was: it has the easier question. A round counts for either only where all "
            "nine tiles lie right."
        )
    if first.task == "exemplar" and said is not None:
        parts.append(
            "The network has no classes for these images, so it chose the patch whose features, of its last "
            "block, are most like those of the copy; likeness 1 is the same."
            if said.by_likeness
            else "The network has learned all its patches by heart and chose among the same six; you saw "
            "them for the first time."
        )
    return " ".join(parts)


def failed(rounds: Sequence[Round], answers: Answers, names: Mapping[int, str]) -> str:
    """The rounds of these numbers as they were asked and as they should be, and what was said; each with the
    name of its image."""
    cells = []
    for number, name in names.items():
        round_, (answer, _) = rounds[number], answers[number]
        pair = drawn.asked(round_, "As it was asked") + drawn.of(round_, round_.answer, "The correct answer")
        said = f"You: {called(round_, answer)}."
        if round_.said is not None:
            said += f" Network: {called(round_, round_.said.answer)}."
        said += f" Correct: {called(round_, round_.answer)}." if round_.orders is None else ""
        caption = f"Round {number + 1}, {name}. {said}"
        cells.append(f"<figure><div>{pair}</div><figcaption>{escape(caption)}</figcaption></figure>")
    return f'<div class="an-few">{"".join(cells)}</div>'
