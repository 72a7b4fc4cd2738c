"""What a run's figures say goes wrong, from a third of it on, and what to try.

Pure: from what was asked, how the run stands and its points. Where there is nothing to say, it is silent.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from sslviz.intervals import percent
from sslviz.recipes import DEFAULT, RECIPES
from sslviz.runs import Spec, Status

HELDOUT = 2000
"""Examples of the evaluation at the end of a run, at least."""
GLANCE = 500
"""Examples of one during the run, where the plan does not say."""
LOOKED = 400
"""Labelled images whose neighbours are looked at, where the plan does not say."""
CONFIDENCE = 0.025
"""Chance that a network that only guesses is taken for one that has learned something."""
EARLY = 1 / 3
"""Share of a run before which nothing is said."""
APART = 0.1
"""Training and held-out accuracy this far apart, and noise besides, are worth a word."""

Kind = Literal["short", "chance", "by heart", "features"]


@dataclass(frozen=True)
class Advice:
    """One thing that was seen."""

    kind: Kind
    text: str
    """Whole sentences for people: what is seen, and what to try."""


FEW = 20
"""Steps of a run within minutes, below which its figures mean nothing yet."""
LONGER = {
    "rotation": "Train for longer, or use images in which one can tell up from down",
    "exemplar": "Train for longer, or ask for fewer seeds",
    "jigsaw": "Train for longer, or ask for fewer permutations",
    "location": "Train for longer, or use larger images or patches, which show more",
}
VARIETY = {
    "rotation": ("More images help most; a smaller smallest crop shows each in more ways", ("mirror",)),
    "exemplar": ("More images or stronger distortions of the copies help", ()),
    "jigsaw": ("More images help most, or a shorter run", ("mirror", "jitter", "colour_guard")),
    "location": ("More images help most, or a shorter run", ("mirror", "jitter", "colour_guard")),
}
"""What makes more of few images, and options that do so, which may have been switched off."""
GUARDS: dict[str, dict[str, Any]] = {
    "jigsaw": {"tile": 1.0, "jitter": False, "colour_guard": 0.0, "channel_shift": 0.0, "tile_norm": False},
    "location": {"gap": 0.0, "jitter": 0.0, "colour": "none", "colour_guard": 0.0, "patch_norm": False},
}
"""Guards against shortcuts, with the value that switches each off."""


ASKED = ("the images that it trains on", "others", "held-out images")
ASKED_OF = {"exemplar": ("the copies that it trains on", "new copies of the same patches", "new copies")}
"""What it is trained on, and asked about: exemplar knows all patches, and is asked about new copies."""


def advise(spec: Spec, status: Status, points: Sequence[Mapping[str, Any]]) -> Advice | None:
    """The most important thing to say about a run, or None."""
    heldout, chance = status.heldout_accuracy, status.chance
    if heldout is None or chance is None or not status.steps or status.step < EARLY * status.steps:
        return None
    plan = spec.plan or {}
    if status.steps < FEW and plan.get("seconds") is not None:
        steps = f"{status.steps:,} step{'' if status.steps == 1 else 's'}"
        return Advice("short", f"Only {steps} fit into so short a run on this machine. Train for longer.")
    shown, others, asked = ASKED_OF.get(spec.task, ASKED)
    count = HELDOUT if status.state == "done" else int(plan.get("glance") or GLANCE)
    trained = training_accuracy(status, points)
    known = None if trained is None or not _far_above(trained, heldout, chance, count) else percent(trained)
    if not above_chance(heldout, chance, count):
        seen = (
            f"its answers on {asked}, {percent(heldout)} right, are within noise of guessing, "
            f"{percent(chance)}"
        )
        if known:
            return Advice("chance", f"It has {known} of its training right by heart, but {seen}. "
                          f"{_more_variety(spec)}.")  # fmt: skip
        when = (
            "In the end" if status.state == "done" else f"After {status.step / status.steps:.0%} of the run"
        )
        return Advice("chance", f"{when} {seen}. {_get_going(spec, plan)}.")
    if known:
        return Advice(
            "by heart",
            f"It answers {known} of the questions right on {shown} and {percent(heldout)} "
            f"on {others}: it learns them by heart. {_more_variety(spec)}.",
        )
    return _features(spec, status, heldout, chance, int(plan.get("look") or LOOKED))


def above_chance(accuracy: float, chance: float, count: int) -> bool:
    """Whether somebody who only guesses would hardly be right so often: exact binomial test, one-sided."""
    right = round(accuracy * count)
    if right <= chance * count:
        return False
    below = math.fsum(math.exp(_log_binomial(k, count, chance)) for k in range(right))
    return 1.0 - below < CONFIDENCE


def _log_binomial(right: int, count: int, chance: float) -> float:
    """Logarithm of the probability of exactly so many right."""
    if chance >= 1.0:
        return 0.0 if right == count else -math.inf
    ways = math.lgamma(count + 1) - math.lgamma(right + 1) - math.lgamma(count - right + 1)
    return ways + right * math.log(chance) + (count - right) * math.log1p(-chance)


def training_accuracy(status: Status, points: Sequence[Mapping[str, Any]]) -> float | None:
    """Mean of the newest five points; one alone is of few examples."""
    newest = [point["accuracy"] for point in points[-5:] if isinstance(point.get("accuracy"), int | float)]
    return sum(newest) / len(newest) if newest else status.train_accuracy


def _far_above(trained: float, heldout: float, chance: float, count: int) -> bool:
    noise = 3.0 * math.sqrt(max(heldout * (1.0 - heldout), 1.0 / count) / count)
    gap = trained - heldout
    return gap > max(APART, noise) and heldout - chance < 0.6 * (trained - chance)


def _features(spec: Spec, status: Status, heldout: float, chance: float, count: int) -> Advice | None:
    """Where the pretext task goes well and the features do not."""
    knn, untrained = status.knn_accuracy, status.knn_untrained
    if knn is None or untrained is None or (heldout - chance) < 0.5 * (1.0 - chance):
        return None
    # Both were asked about the same images, so their difference has less noise than either.
    noise = math.sqrt(max(untrained * (1.0 - untrained), 1.0 / count) / count)
    if knn > untrained + noise:
        return None
    off = [name for name, value in GUARDS.get(spec.task, {}).items() if spec.options.get(name) == value]
    if off:
        remedy = f"It may have found a shortcut: switch {_listed(off)} on again"
    elif spec.task in GUARDS:
        remedy = (
            "It may have found a shortcut: check the options that guard against them, or try another task"
        )
    else:
        remedy = "What the task needs may not be what the labels are about: try another task, or more images"
    return Advice(
        "features",
        f"It answers {heldout:.0%} of the held-out questions right, but its features tell labels no better "
        f"than before the training ({percent(knn)}, untrained {percent(untrained)}). {remedy}.",
    )


def _get_going(spec: Spec, plan: Mapping[str, Any]) -> str:
    """What to try where nothing has been learned yet."""
    recipe = RECIPES.get(spec.task, DEFAULT)
    # Plans give a larger batch a higher rate, see `sslviz.train.planning`.
    batch = plan.get("batch") or recipe.batch
    rate, usual = plan.get("lr", spec.lr), recipe.rate(spec.count or 0)
    usual *= math.sqrt(max(1.0, batch / recipe.batch))
    # The rates of another optimiser, which was the recipe's once, are other numbers.
    alike = plan.get("optimizer", recipe.optimizer) == recipe.optimizer
    if alike and isinstance(rate, int | float) and rate > 2.0 * usual:
        return f"Lower the learning rate, {rate:g}, towards the usual {usual:.3g}"
    if alike and isinstance(rate, int | float) and rate < usual / 20.0:
        return f"Raise the learning rate, {rate:g}, towards the usual {usual:.3g}"
    return LONGER.get(spec.task, "Train for longer, or on more images")


def _more_variety(spec: Spec) -> str:
    """What to try where few images are learned by heart."""
    words, wanted = VARIETY.get(spec.task, ("More images help most, or a shorter run", ()))
    off = [name for name in wanted if not spec.options.get(name, True)]
    return f"{words}; so does switching {_listed(off)} on again" if off else words


def _listed(names: Sequence[str]) -> str:
    words = [name.replace("_", " ") for name in names]
    return words[0] if len(words) == 1 else f"{', '.join(words[:-1])} and {words[-1]}"
