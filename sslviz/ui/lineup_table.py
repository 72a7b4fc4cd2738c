"""The four tasks and what stands beside them, as a table with intervals, and what it comes to."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from html import escape

from sslviz.lineup import Contender, Lineup, Score
from sslviz.ui import looks, pictures, words

NAMES = {
    "supervised": "Trained on labels",
    "untrained": "Untrained",
    "pixels": "Raw pixels",
    "colours": "Colours alone",
}
PROBES = {"knn": "20 nearest neighbours", "linear": "Linear probe"}


def name(one: Contender) -> str:
    """What a contender is called."""
    if one.kind != "task":
        return NAMES[one.kind]
    look = looks.TASKS.get(one.task)
    return look.title if look else pictures.name_of(one.task)


def table(found: Lineup, titles: Mapping[str, str]) -> str:
    """As HTML; `titles` are those of the runs by id, plain text."""
    labelled = found.chance is not None
    probes = PROBES if labelled else {"agreement": "Neighbours kept"}
    scores = [getattr(one, probe) for one in found.contenders for probe in PROBES]
    most = max((score.high for score in scores if score), default=1.0)
    head = "".join(
        f'<th scope="col">{one}</th>' for one in ("Network", "Its own task", *probes.values(), "Trained")
    )
    best = {probe: _best(found, probe) for probe in probes}
    rows = []
    for one in found.contenders:
        cells = [_own(one)]
        for probe in probes:
            bold = one is best[probe]
            if labelled:
                cells.append(_score(getattr(one, probe), most, bold))
            else:
                told = words.percent(one.agreement)
                cells.append(f"<b>{told}</b>" if bold else told)
        cells.append(_trained(one))
        dot = one.task if one.kind == "task" else "plainly"
        title = f' title="{escape(titles.get(one.run, ""))}"' if one.kind == "task" else ""
        where = f"<small>{escape(one.block)}</small>" if one.block and not labelled else ""
        called = f'<span class="sv-dot"></span>{escape(name(one))}{where}'
        told = "".join(f'<td class="sv-{dot}">{cell}</td>' for cell in cells)
        rows.append(f'<tr><th scope="row" class="sv-{dot}"{title}>{called}</th>{told}</tr>')
    if found.chance is not None:
        told = f"<td>{words.percent(found.chance)}</td>"
        rows.append(f'<tr><th scope="row">Chance</th><td></td>{told * len(probes)}<td></td></tr>')
    return (
        f'<div class="sv-beside sv-lineup"><table><thead><tr>{head}</tr></thead>'
        f"<tbody>{''.join(rows)}</tbody></table></div>"
    )


def _best(found: Lineup, probe: str) -> Contender | None:
    """The task that comes first."""
    known = [one for one in found.contenders if one.kind == "task" and getattr(one, probe) is not None]

    def worth(one: Contender) -> float:
        score = getattr(one, probe)
        return float(score.accuracy if isinstance(score, Score) else score)

    return max(known, key=worth, default=None)


def _own(one: Contender) -> str:
    if one.pretext is None:
        return ""
    return f"{words.percent(one.pretext)}<small>chance {words.percent(one.chance)}</small>"


def _trained(one: Contender) -> str:
    if not one.steps:
        return ""
    plural = "" if one.steps == 1 else "s"
    return (
        f"{one.steps:,} step{plural}<small>{words.duration(one.seconds) if one.seconds else '&nbsp;'}</small>"
    )


def _score(score: Score | None, most: float, bold: bool) -> str:
    """A figure, its interval as a picture, and the block."""
    if score is None:
        return "–"
    told = words.percent(score.accuracy)
    beside = f"{100 * score.low:.0f} to {100 * score.high:.0f}"
    beside += f" · {escape(score.block)}" if score.block else ""
    stroke = ""
    said = f"95% interval {score.low:.1%} to {score.high:.1%}"
    if score.lead is not None:
        untrained = score.accuracy - score.lead.difference
        stroke = f'<u style="left:{untrained / most:.1%}"></u>'
        said += f"; the same network untrained {untrained:.1%}"
    width = max(0.0, score.high - score.low) / most
    return (
        f'{f"<b>{told}</b>" if bold else told}<small class="sv-aside">{beside}</small>'
        f'<span class="sv-span" role="img" aria-label="{said}" title="{said}">'
        f'<i style="left:{score.low / most:.1%};width:{width:.1%}"></i>{stroke}'
        f'<b style="left:{score.accuracy / most:.1%}"></b></span>'
    )


def verdict(found: Lineup) -> list[str]:
    """What the table comes to, in sentences that claim no more than it can bear: Markdown."""
    tasks = [one for one in found.contenders if one.kind == "task"]
    first = _best(found, "linear" if found.chance is not None else "agreement")
    if first is None or len(tasks) < 2:
        return []
    if found.chance is None:
        return [
            "Without labels: an image that is mirrored, cropped and lit differently keeps most of its ten "
            f"nearest by **{name(first)}**, {words.percent(first.agreement)}. That says how steady features "
            "are, not what they are good for."
        ]
    assert first.linear is not None
    said = [f"By the linear probe **{name(first)}** comes first, with {words.percent(first.linear.accuracy)}"]
    behind = {name(one): one.linear.behind for one in tasks if one.linear and one.linear.behind}
    equal = [called for called, told in behind.items() if not told.told_apart]
    said[0] += f"; {_and(equal)} cannot be told apart from it." if equal else ", ahead of each of the others."
    said.append(_over_untrained(tasks))
    supervised = next((one for one in found.contenders if one.kind == "supervised"), None)
    if supervised is not None and supervised.linear is not None:
        said.append(
            f"The same network trained on the labels reaches {words.percent(supervised.linear.accuracy)}."
        )
    return said


def _over_untrained(tasks: Sequence[Contender]) -> str:
    """Which of them have learned something that a linear probe can use."""
    leads = {name(one): one.linear.lead for one in tasks if one.linear and one.linear.lead}
    worse = [called for called, lead in leads.items() if lead.high < 0]
    equal = [called for called, lead in leads.items() if lead.low <= 0 <= lead.high]
    if not worse and not equal:
        return "Each is better than the same network untrained."
    said = []
    if worse:
        said.append(f"{_and(worse)} {'is' if len(worse) == 1 else 'are'} behind the same network untrained")
    if equal:
        said.append(
            f"{_and(equal)} cannot be told apart from {'it' if worse else 'the same network untrained'}"
        )
    return f"**{'; '.join(said)}.**"


def _and(names: list[str]) -> str:
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"
