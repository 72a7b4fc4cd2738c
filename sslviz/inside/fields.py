"""Receptive fields, exactly: which pixels an activation can depend on, borders and all.

Every layer of an encoder is square and separable in this respect, so a span of columns says all: the rows
are the same.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from torch import nn

from sslviz.model import Encoder

Spans = NDArray[np.int64]


def spans(encoder: Encoder, side: int) -> dict[str, Spans]:
    """By block, int64 (n, 2): the first and the last of `side` pixels that each of the n columns of its map
    depends on, both included.

    Padding is no pixel, so fields are smaller at the border; and where a window hangs over the end of a map,
    as those of `ceil_mode` do, it holds what there is.
    """
    at = np.arange(side, dtype=np.int64)
    current = np.stack([at, at], 1)
    found = {}
    for name, module in encoder.named_children():  # the stem, then the blocks, as they run
        current = _through(module, current)
        if name in encoder.blocks:
            found[name] = current
    return found


def _through(module: nn.Module, before: Spans) -> Spans:
    from torchvision.models.resnet import BasicBlock

    match module:
        case nn.Conv2d() | nn.MaxPool2d() | nn.AvgPool2d():
            return _window(module, before)
        case nn.Sequential():
            for child in module:
                before = _through(child, before)
            return before
        case BasicBlock():
            main = _through(module.conv2, _through(module.conv1, before))
            beside = before if module.downsample is None else _through(module.downsample, before)
            first, last = np.minimum(main, beside)[:, 0], np.maximum(main, beside)[:, 1]
            return np.stack([first, last], 1)
        case nn.BatchNorm2d() | nn.ReLU() | nn.Identity():
            return before
    raise AssertionError(f"what {type(module).__name__} does to receptive fields is not known")


def _window(module: nn.Conv2d | nn.MaxPool2d | nn.AvgPool2d, before: Spans) -> Spans:
    kernel, stride, padding = (_one(getattr(module, n)) for n in ("kernel_size", "stride", "padding"))
    dilation = _one(getattr(module, "dilation", 1))
    length = len(before)
    room = length + 2 * padding - dilation * (kernel - 1) - 1
    count = room // stride + 1
    if getattr(module, "ceil_mode", False):
        count = -(-room // stride) + 1
        if (count - 1) * stride >= length + padding:  # a window must begin on the map or left of it
            count -= 1
    start = np.arange(count)[:, None] * stride - padding
    taps = start + dilation * np.arange(kernel)
    inside = (taps >= 0) & (taps < length)
    first = np.where(inside, taps, length).min(1)
    last = np.where(inside, taps, -1).max(1)
    return np.stack([before[first, 0], before[last, 1]], 1)


def _one(value: int | tuple[int, int] | str) -> int:
    """A size that is the same both ways."""
    across, down = value if isinstance(value, tuple) else (value, value)
    assert isinstance(across, int)
    assert across == down
    return across
