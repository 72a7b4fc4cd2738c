"""What a minute of two processor cores is best spent on: how a head, and a whole network, learn from
labels."""

from __future__ import annotations

from dataclasses import replace

import torch
from torch import Tensor, nn

from sslviz.classifiers.maps import place_of
from sslviz.classifiers.shifting import as_views
from sslviz.model import Encoder
from sslviz.plan import Plan
from sslviz.tasks.base import Task

EPOCHS = 20
"""Times that each image is shown, where that is less than the most there may be."""
FEWEST = 100
"""Steps at least: of ten images too."""
WHOLE = "whole"
"""The name of the plan of a whole network."""
PLANS = {
    "linear_map": Plan(40_000, 128, 1e-2, 1e-2, optimizer="sgd", warmup=0.0),
    # Decayed fast: of 1,600 scenes it then told two points more than with a decay of 2.
    "three_layers": Plan(40_000, 128, 3e-3, 5.0, warmup=0.0),
    # After 20,000 images of CIFAR-10, 0.64; with SGD, at the best of six rates, 0.58.
    "conv_block": Plan(40_000, 64, 0.1, 1e-3, optimizer="muon", momentum=0.85),
    WHOLE: Plan(30_000, 64, 0.1, 1e-3, optimizer="muon", momentum=0.85),
}
"""By name, measured on 10,000 images of CIFAR-10 and 1,600 scenes; `steps` stands for images shown, at
most."""
LEARNED = 0.3
"""The rate of a network that has learned before, as a share of that of one that has not."""
WORK = 6e11
"""Multiplications forward that a whole network is trained with, before it is shown fewer images."""
LEAST = 6_000
"""Images that it is shown all the same, if there are so many epochs."""


def plan_for(what: str, images: int, *, most: int | None = None) -> Plan:
    """How a head, or "whole", learns from so many images: twenty epochs, no fewer than 100 steps, and no more
    than some tens of thousands of images in all, or `most`."""
    plan = PLANS[what]
    shown = min(plan.steps if most is None else most, EPOCHS * images)
    # Two at least, or BatchNorm would have no statistics; a single image is then there twice.
    batch = min(plan.batch, max(2, images))
    return replace(plan, batch=batch, steps=max(FEWEST, round(shown / batch)))


def whole_plan(encoder: Encoder, task: Task, images: Tensor, *, learned: bool) -> Plan:
    """How the whole of a network learns from labels. A heavy one is shown fewer images, but not too few; one
    that has `learned` before is changed by less."""
    most = min(PLANS[WHOLE].steps, max(LEAST, int(WORK / work(encoder, task, images))))
    plan = plan_for(WHOLE, len(images), most=most)
    return replace(plan, lr=plan.lr * LEARNED) if learned else plan


def work(encoder: Encoder, task: Task, images: Tensor) -> int:
    """Multiplications on one image's way through the convolutions of an encoder."""
    found = 0

    def count(layer: nn.Module, _: object, output: Tensor) -> None:
        nonlocal found
        assert isinstance(layer, nn.Conv2d)
        found += layer.weight[0].numel() * output[0].numel()

    hooks = [
        layer.register_forward_hook(count) for layer in encoder.modules() if isinstance(layer, nn.Conv2d)
    ]
    training = encoder.training
    with torch.inference_mode():
        encoder.eval()(as_views(task, images[:1].to(place_of(encoder))))
    encoder.train(training)
    for hook in hooks:
        hook.remove()
    return max(1, found)
