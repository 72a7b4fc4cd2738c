"""Heads on the maps of a frozen encoder: many are trained on one pass through it, and asked in another."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from functools import partial

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

from sslviz.classifiers.heads import HEADS, SPOKEN
from sslviz.classifiers.maps import Maps, Reader, groups, keep, parts, place_of, showings_for
from sslviz.classifiers.plans import plan_for
from sslviz.classifiers.shifting import as_views
from sslviz.model import Encoder
from sslviz.plan import Plan
from sslviz.tasks.base import Task
from sslviz.train.draws import rows_of_step, seed_for
from sslviz.train.learning import optimizer_for, set_rate

Pair = tuple[str, str]
"""Name of a head, name of a block."""
Report = Callable[[int, int, str], None]
"""(done, to do, what is being done)."""


def fit(
    encoder: Encoder,
    task: Task,
    images: Tensor,
    labels: Tensor,
    classes: int,
    pairs: Iterable[Pair],
    *,
    plans: Mapping[str, Plan] | None = None,
    seed: int = 0,
    report: Report | None = None,
) -> dict[Pair, Reader]:
    """By (head, block) a head trained on `images`, uint8 (N, 3, S, S), with `labels`, int64 (N,) below
    `classes`.

    The encoder is in evaluation mode, where it is, and learns nothing: each image passes through it a few
    times, as it is, mirrored and, where there are few, moved; the maps are kept. `plans` are those of heads
    by name, by default what `plan_for` says.
    """
    tell = report or (lambda *_: None)
    wanted = list(pairs)
    showings = showings_for(len(images))
    found: dict[Pair, Reader] = {}
    for blocks in groups(encoder, task, images, [block for _, block in wanted], showings):
        looking = partial(_said, tell, "maps of the images")
        maps = keep(encoder, task, images, blocks, showings=showings, seed=seed, report=looking)
        for head, block in wanted:
            if block in maps:
                plan = plan_for(head, len(images)) if plans is None else plans[head]
                own = seed_for(seed, f"{head} {block}").initial_seed()
                teaching = partial(_said, tell, f"{SPOKEN[head]} on {block}")
                found[head, block] = learn(head, maps[block], labels, classes, plan, own, report=teaching)
    return {pair: found[pair] for pair in wanted}


def learn(
    head: str,
    maps: Maps,
    labels: Tensor,
    classes: int,
    plan: Plan,
    seed: int,
    *,
    rows: Tensor | None = None,
    report: Callable[[int, int], None] | None = None,
) -> Reader:
    """One head trained on the maps of one block; `rows`, int64, are those of the images it may learn from."""
    place = maps.values.device
    channels, side = maps.values.shape[2:4]
    with torch.random.fork_rng(
        devices=[]
    ):  # layers draw from the global generator before they are drawn anew
        made = HEADS[head](channels, side, classes, seed_for(seed, "head"))
    made.to(place, memory_format=torch.channels_last).train()  # type: ignore[call-overload]
    optimizer = optimizer_for(made, plan, place)
    rows = torch.arange(len(maps)) if rows is None else rows
    for step in range(plan.steps):
        set_rate(optimizer, plan.learning_rate(step))
        index = rows_of_step(rows, plan.batch, seed, step)
        showings = torch.randint(len(maps.values), (len(index),), generator=seed_for(seed, "showings", step))
        loss = functional.cross_entropy(made(maps.take(showings, index)), labels[index].to(place))
        loss.backward()  # type: ignore[no-untyped-call]
        optimizer.step()
        optimizer.zero_grad(set_to_none=True)
        if report:
            report(step + 1, plan.steps)
    return Reader(made, maps).eval()


def answers(
    encoder: Encoder,
    readers: Mapping[Pair, Reader],
    task: Task,
    images: Tensor,
    *,
    report: Report | None = None,
) -> dict[Pair, NDArray[np.int64]]:
    """By (head, block) the labels told of `images`, uint8 (N, 3, S, S): int64 (N,). One pass serves all."""
    place = place_of(encoder)
    told = {pair: np.zeros(len(images), np.int64) for pair in readers}
    with torch.inference_mode():
        for rows in parts(images):
            maps = encoder.maps(as_views(task, images[rows].to(place)))
            for (head, block), reader in readers.items():
                told[head, block][rows] = reader(maps[block]).argmax(1).cpu().numpy()
            if report:
                report(rows.stop, len(images), "asking the heads")
    return told


def _said(report: Report, what: str, done: int, total: int) -> None:
    report(done, total, what)
