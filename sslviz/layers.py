"""Layers of torch that take less time on a processor where maps are small, and compute the same."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

DENSE = 2
"""Side in pixels up to which every output of a 3 × 3 convolution sees every input."""
LEVELS = 256
"""Of a byte, which decides for one number whether it is dropped."""


class Convolution(nn.Conv2d):
    """A 3 × 3 convolution that keeps the resolution. On a processor it is one matrix product where the map is
    at most 2 × 2 pixels, for torch's own goes over nine taps of which at most four meet such a map: forward
    and backward of 144 maps of 2 × 2 took 1.0 ms for 2.0 (bfloat16, 128 channels)."""

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__(inputs, outputs, 3, padding=1, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        """float (B, its inputs, h, w) → float (B, its outputs, h, w)."""
        height, width = x.shape[-2:]
        if x.device.type != "cpu" or max(height, width) > DENSE:
            return super().forward(x)
        weight = self.weight
        if torch.is_autocast_enabled("cpu"):  # cast once, and not again in each of its places
            weight = weight.to(torch.get_autocast_dtype("cpu"))
        matrix = _Seen.apply(weight, height, width)
        flat = functional.linear(x.permute(0, 2, 3, 1).flatten(1), matrix)
        return flat.view(len(x), height, width, -1).permute(0, 3, 1, 2)


class _Seen(torch.autograd.Function):
    """(O, I, 3, 3) → (h · w · O, h · w · I): what each output pixel sees of each input pixel, pixel by pixel.
    By hand, since the gradients of slices are added up here in one place."""

    @staticmethod
    def forward(ctx: Any, weight: Tensor, height: int, width: int) -> Tensor:
        ctx.side = height, width
        return torch.stack([*_slices(weight.permute(0, 2, 3, 1), height, width)]).flatten(0, 1).flatten(1)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, None, None]:
        (gradient,), (height, width) = gradients, ctx.side
        pixels = height * width
        outputs, inputs = (size // pixels for size in gradient.shape)
        found = gradient.new_zeros(outputs, 3, 3, inputs)
        parts = gradient.view(pixels, outputs, height, width, inputs)
        for taps, part in zip(_slices(found, height, width), parts, strict=True):
            taps += part
        return found.permute(0, 3, 1, 2), None, None


def _slices(taps: Tensor, height: int, width: int) -> Iterator[Tensor]:
    """(O, 3, 3, I) → for each output pixel the taps that lie on the map, (O, h, w, I)."""
    for down in range(height):
        for right in range(width):
            yield taps[:, 1 - down : 1 - down + height, 1 - right : 1 - right + width]


class Dropout(nn.Dropout):
    """Dropout whose share is a number of 256ths: on a processor it draws a byte for each number, where torch
    draws a double, one after the other (1.8 ms of a jigsaw step of 28)."""

    def forward(self, x: Tensor) -> Tensor:
        """float, any shape → the same with a share of noughts, while training."""
        if not self.training or x.device.type != "cpu":
            return super().forward(x)
        dropped = round(self.p * LEVELS)
        words = torch.empty(-(-x.numel() // 8), dtype=torch.int64).random_(-(2**63), None)
        bytes_ = words.view(torch.int8)[: x.numel()].view_as(x)
        # Sums and bounds, for comparisons with what is random are mispredicted: 0 up to the last that is
        # dropped, and 1 from the next on.
        kept = bytes_.to(x.dtype).add_(LEVELS // 2 + 1 - dropped).clamp_(0, 1)
        return x * kept.mul_(LEVELS / (LEVELS - dropped))


def gradient_laid_out(x: Tensor) -> Tensor:
    """`x`, whose gradient will have its channels last as `x` has: a processor takes six times as long to go
    back through pooling where what comes and what it goes to lie in different ways."""
    if x.requires_grad and x.device.type == "cpu" and x.is_contiguous(memory_format=torch.channels_last):
        x.register_hook(lambda gradient: gradient.contiguous(memory_format=torch.channels_last))  # type: ignore[no-untyped-call]
    return x
