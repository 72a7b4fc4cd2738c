"""Heads: what is trained on the map of a block. Unlike probes of its mean, they see where in the map things
are."""

from __future__ import annotations

import math
from collections.abc import Callable

from torch import Generator, Tensor, nn

from sslviz.model import Norm, pool

FINEST = 8
"""Cells a side of a map that a head sees, at most; RotNet's best block has as many."""
NUMBERS = 16_384
"""Numbers of a map that a head sees, at most: of scenes of 128 pixels there would be a hundred thousand."""
WIDTH = 192
"""Channels of a convolutional block, as published."""


def side_for(channels: int, side: int) -> int:
    """Cells a side to which a map of `channels` and `side` is averaged before a head sees it."""
    return max(1, min(side, FINEST, math.isqrt(NUMBERS // channels)))


def coarse(maps: Tensor) -> Tensor:
    """float (B, K, h, h) → (B, K, n, n), n as `side_for` says: means over parts of the map."""
    side = side_for(maps.shape[1], maps.shape[-1])
    return maps if side == maps.shape[-1] else pool(maps, side)


def linear_map(channels: int, side: int, classes: int) -> nn.Sequential:
    """float (B, K, n, n) → logits (B, C): one linear layer over all of the map, from noughts."""
    layer = nn.Linear(channels * side**2, classes)
    nn.init.zeros_(layer.weight)
    nn.init.zeros_(layer.bias)
    return nn.Sequential(nn.Flatten(), layer)


def three_layers(inputs: int, classes: int, generator: Generator) -> nn.Sequential:
    """float (B, ...) with `inputs` numbers a row → logits (B, C): two hidden layers of 20 C units, at most
    2,048, with BatchNorm and ReLU. Weights are drawn with a spread of √(2 / outputs), as the authors of
    RotNet did (Gidaris et al. 2018, table 1)."""
    hidden = min(20 * classes, 2048)
    head = nn.Sequential(
        nn.Flatten(),
        nn.Linear(inputs, hidden, bias=False),
        Norm(hidden),
        nn.ReLU(inplace=True),
        nn.Linear(hidden, hidden, bias=False),
        Norm(hidden),
        nn.ReLU(inplace=True),
        nn.Linear(hidden, classes),
    )
    for layer in head:
        if isinstance(layer, nn.Linear):
            nn.init.normal_(layer.weight, 0.0, math.sqrt(2.0 / layer.out_features), generator=generator)
            if layer.bias is not None:
                nn.init.zeros_(layer.bias)
    return head


def conv_block(channels: int, classes: int, generator: Generator) -> nn.Sequential:
    """float (B, K, n, n) → logits (B, C): a fresh block of RotNet's network, 3 × 3, 1 × 1 and 1 × 1, each of
    192 channels with BatchNorm and ReLU, and a linear layer on the means of its map: its authors' other
    probe."""
    layers: list[nn.Module] = []
    for inputs, kernel in ((channels, 3), (WIDTH, 1), (WIDTH, 1)):
        layer = nn.Conv2d(inputs, WIDTH, kernel, padding=kernel // 2, bias=False)
        nn.init.kaiming_normal_(layer.weight, mode="fan_out", nonlinearity="relu", generator=generator)
        layers += [layer, nn.BatchNorm2d(WIDTH), nn.ReLU(inplace=True)]
    last = nn.Linear(WIDTH, classes)
    nn.init.normal_(last.weight, 0.0, math.sqrt(1.0 / WIDTH), generator=generator)
    nn.init.zeros_(last.bias)
    return nn.Sequential(*layers, nn.AdaptiveAvgPool2d(1), nn.Flatten(), last)


HEADS: dict[str, Callable[[int, int, int, Generator], nn.Sequential]] = {
    "linear_map": lambda channels, side, classes, _: linear_map(channels, side, classes),
    "three_layers": lambda channels, side, classes, draws: three_layers(channels * side**2, classes, draws),
    "conv_block": lambda channels, _, classes, draws: conv_block(channels, classes, draws),
}
"""By name, from channels and side of a map, the number of classes and a generator to a head; the weakest
first."""
SPOKEN = {
    "linear_map": "a linear layer",
    "three_layers": "three layers",
    "conv_block": "a convolutional block",
}
"""What each is called in a sentence."""
