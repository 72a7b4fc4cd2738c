"""Segmentation learned from the masks themselves, by the same network from scratch."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional

from sslviz.dense.masks import Question
from sslviz.dense.segmenting import ALL, Scoring, Tell, brought, shares_of, views
from sslviz.model import Encoder, build
from sslviz.plan import Plan
from sslviz.tasks import Task
from sslviz.train import seed_for
from sslviz.train.draws import rows_of_step
from sslviz.train.learning import optimizer_for, set_rate

SIDE = 64
"""Images are read at this side, or a smaller one of the run: at 128 pixels a step costs four times as much,
and in the same time less is learned."""
STEPS, BATCH = 500, 32
"""About half a minute on two cores. With 1,000 scenes the mIoU was 0.48 after 500 steps at this rate, 0.44
after 600 at 0.003 and 0.31 after 300."""
RATE, DECAY = 1e-2, 0.5


class Segmenter(nn.Module):
    """An encoder, and beside each of its blocks a layer of one place's width; their scores add up."""

    def __init__(self, encoder: Encoder, classes: int, side: int) -> None:
        super().__init__()
        self.encoder = encoder
        with torch.no_grad():
            widths = {
                name: one.shape[1] for name, one in encoder.eval().maps(torch.zeros(1, 3, side, side)).items()
            }
        self.layers = nn.ModuleDict({name: nn.Conv2d(width, classes, 1) for name, width in widths.items()})
        for layer in self.layers.values():
            for parameter in layer.parameters():
                nn.init.zeros_(parameter)

    def forward(self, views: Tensor) -> Tensor:
        """float (B, 3, S, S) → scores, float (B, C, G, G)."""
        scores = [brought(self.layers[name](one)) for name, one in self.encoder.maps(views).items()]
        return torch.stack(scores).sum(0)


def learn(
    model: str,
    task: Task,
    squares: NDArray[np.uint8],
    asked: Question,
    truth: NDArray[np.uint8],
    seed: int,
    tell: Tell,
) -> Scoring:
    """What gives scores to the classes at each place: a network of this `model` learned, end to end, from the
    known images, mirrored at random, and their masks.

    squares uint8 (all rows of the set, 3, S, S); truth as `masks.truth` gives it of the known rows. `tell`
    gets (steps done, steps in all). Classes count as for the probes, by the root of how rare they are.
    """
    classes, side = len(asked.classes), squares.shape[-1]
    shares = shares_of(truth, classes)
    weight = shares.mean((0, 2, 3)).clamp_min(1e-6).rsqrt()
    segmenter = _made(build(model, 1, 2, side, seed).encoder, classes, side)
    plan = Plan(steps=STEPS, batch=min(BATCH, len(asked.known)), lr=RATE, weight_decay=DECAY)
    optimizer = optimizer_for(segmenter, plan, torch.device("cpu"))
    places = torch.arange(len(asked.known))
    for step in range(plan.steps):
        set_rate(optimizer, plan.learning_rate(step))
        chosen = rows_of_step(places, plan.batch, seed, step)
        mirrored = torch.rand(len(chosen), generator=seed_for(seed, "mirror", step)) < 0.5
        images = torch.from_numpy(np.array(squares[asked.known[chosen.numpy()]]))
        target = shares[chosen] * weight[:, None, None]
        images[mirrored], target[mirrored] = images[mirrored].flip(-1), target[mirrored].flip(-1)
        likely = functional.log_softmax(segmenter(views(task, images)), 1)
        loss = -(target * likely).sum() / target.sum().clamp_min(1e-6)
        loss.backward()  # type: ignore[no-untyped-call]
        optimizer.step()
        optimizer.zero_grad(set_to_none=True)
        tell(step + 1, plan.steps)
    segmenter.eval()
    return lambda images: {ALL: segmenter(views(task, images))}


def _made(encoder: Encoder, classes: int, side: int) -> Segmenter:
    # Layers draw from the global generator, even those that are nought afterwards.
    with torch.random.fork_rng(devices=[]):
        return Segmenter(encoder, classes, side).train().to(memory_format=torch.channels_last)
