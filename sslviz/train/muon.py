"""Muon: a step in which every direction of a weight matrix counts alike (Jordan et al., 2024).

The gradient of a convolution is nearly of low rank: a few directions hold most of its length, and plain
descent learns those and little else. Made orthogonal first, it learns all of them at once: heads of three
convolutions told as much after a third of the images that SGD was shown.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import torch
from torch import Tensor, nn

ITERATIONS = 4
LINEAR, CUBIC, QUINTIC = 3.4445, -4.7750, 2.0315
"""Coefficients, as published, of the polynomial that takes singular values from (0, 1] to about 1."""
SMALLEST = 1e-8
"""Added to lengths that are divided by: the first gradient below a layer of noughts is nought."""


class Muon(torch.optim.Optimizer):
    """Convolutions are turned by an angle; all other parameters go down the gradient.

    The convolutions here are followed by BatchNorm, which makes their length mean nothing; so it is kept, and
    the learning rate is the angle of a step in radians. What is no convolution learns at `others` times the
    rate, with the same momentum and with the decay.
    """

    def __init__(
        self,
        parameters: Iterable[nn.Parameter],
        lr: float | Tensor,
        *,
        momentum: float = 0.85,
        weight_decay: float = 0.0,
        others: float = 0.3,
    ) -> None:
        super().__init__(parameters, {"lr": lr, "weight_decay": weight_decay})
        self.momentum, self.others = momentum, others

    @torch.no_grad()
    def step(self, closure: Any = None) -> None:  # type: ignore[override]
        """One step; `closure` is there for the interface and not called."""
        assert closure is None
        for group in self.param_groups:
            for weight in group["params"]:
                if weight.grad is None:
                    continue
                state = self.state[weight]
                if "momentum" not in state:
                    state["momentum"] = torch.zeros_like(weight)
                moment = state["momentum"].mul_(self.momentum).add_(weight.grad)
                ahead = weight.grad + self.momentum * moment  # Nesterov's
                if weight.ndim == 4:
                    turn(weight, orthogonal(ahead.flatten(1)).view_as(weight), group["lr"])
                else:
                    ahead = ahead + group["weight_decay"] * weight
                    weight.sub_(ahead * (group["lr"] * self.others))


def turn(weight: Tensor, direction: Tensor, angle: float | Tensor) -> None:
    """Move `weight` against `direction` by about `angle` radians; its length stays what it was."""
    length = weight.norm()
    weight.sub_(direction * (angle * length / (direction.norm() + SMALLEST)))
    weight.mul_(length / (weight.norm() + SMALLEST))


def orthogonal(matrix: Tensor) -> Tensor:
    """float (R, C) → its directions with singular values of about 1 each, by Newton and Schulz's
    iteration."""
    wide = matrix if matrix.shape[0] <= matrix.shape[1] else matrix.T
    x: Tensor = wide / (wide.norm() + SMALLEST)
    for _ in range(ITERATIONS):
        square = x @ x.T
        x = LINEAR * x + (CUBIC * square + QUINTIC * square @ square) @ x
    return x if matrix.shape[0] <= matrix.shape[1] else x.T
