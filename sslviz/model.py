"""Networks: fully convolutional encoders with named blocks, and the head that answers.

Letters in shapes: E examples, V views of an example, h × w size of a view, K channels of the encoder's last
block, C classes.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping

import torch
from torch import Tensor, nn
from torch.nn import functional

from sslviz.errors import UserError
from sslviz.layers import Convolution, Dropout, gradient_laid_out

LARGE_VIEW = 48
"""Side in pixels from which `small` halves the view once more, so that any view costs about the same."""
LARGE_TILE = 24
"""The same where an example has several views, each a piece of a picture: at equal cost, tiles of 32 pixels
halved at once told more than tiles of 24 that were not."""
MANY_CLASSES = 1000
"""Classes beyond which a head of one view compares directions: with 500 it made no difference, with 2,000 ten
points."""
SMALLEST = 1e-12
"""Length that is divided by, at least."""
LARGE_RESNET_VIEW = 96
"""Side from which `resnet18` has torchvision's own stem; below, a 3 × 3 one that keeps the resolution."""


class Encoder(nn.Module):
    """Blocks one after another; each is a child module of its own name, and any of them can be read.

    Works on any input size from one pixel up. `stem` are children that run before the first block and are
    not read.
    """

    def __init__(
        self,
        blocks: Mapping[str, nn.Module],
        channels: int,
        stem: Mapping[str, nn.Module] | None = None,
        grid: int = 2,
    ) -> None:
        """`grid`: a task with one view is answered from the means over grid × grid parts of the last map."""
        super().__init__()
        self.channels = channels
        self.grid = grid
        self._stem = tuple(stem or {})
        self._blocks = tuple(blocks)
        for name, module in {**(stem or {}), **blocks}.items():
            self.add_module(name, module)

    @property
    def blocks(self) -> dict[str, nn.Module]:
        """The blocks by name, in the order they run."""
        return {name: self.get_submodule(name) for name in self._blocks}

    def maps(self, x: Tensor) -> dict[str, Tensor]:
        """float (B, 3, h, w) → by block its output, float (B, its channels, its h, its w)."""
        for name in self._stem:
            x = self.get_submodule(name)(x)
        found = {}
        for name in self._blocks:
            x = self.get_submodule(name)(x)
            found[name] = x
        return found

    def forward(self, x: Tensor) -> Tensor:
        """float (B, 3, h, w) → the last block's map, float (B, K, its h, its w)."""
        return self.maps(x)[self._blocks[-1]]


class Network(nn.Module):
    """One encoder for every view, and a head that sees the views of an example side by side."""

    def __init__(self, encoder: Encoder, views: int, classes: int, places: int = 0) -> None:
        super().__init__()
        self.encoder = encoder
        self.views = views
        self.head: Head | AssemblyHead | JointHead
        if views == 1:
            self.head = Head(encoder.channels, classes, encoder.grid)
        elif places:
            self.head = AssemblyHead(encoder.channels, views, classes, places)
        else:
            self.head = JointHead(encoder.channels, views, classes)

    def embed(self, views: Tensor) -> Tensor:
        """float (E, V, 3, h, w) → float (E, V, K, n, n): each view on its own, its map pooled to n × n."""
        count, several = views.shape[:2]
        # An example is V views in memory, but the encoder must see them as one batch, laid out as
        # its weights are.
        first = next(parameter for parameter in self.encoder.parameters() if parameter.ndim == 4)
        last = first.is_contiguous(memory_format=torch.channels_last)
        layout = torch.channels_last if last else torch.contiguous_format
        x = views.flatten(0, 1).contiguous(memory_format=layout)
        pooled = gradient_laid_out(pool(self.encoder(x), self.head.grid))
        return pooled.view(count, several, *pooled.shape[1:])

    def forward(self, views: Tensor, order: Tensor | None = None) -> Tensor:
        """float (E, V, 3, h, w) → logits, float (E, C).

        Or float (B, U, 3, h, w) with `order`, int64 (B, R, V), → float (B · R, C): each view is encoded once
        and shown in several examples; see `sslviz.tasks.base.Shared`.
        """
        embedded = self.embed(views)
        if order is not None:
            row = torch.arange(len(order), device=order.device)[:, None, None]
            embedded = embedded[row, order].flatten(0, 1)
        logits: Tensor = self.head(embedded)
        return logits


class Norm(nn.BatchNorm1d):
    """BatchNorm of vectors that lets a batch of one pass: its own statistics would be no statistics."""

    def forward(self, x: Tensor) -> Tensor:
        """float (B, K) → float (B, K)."""
        if self.training and len(x) == 1:
            return functional.batch_norm(
                x, self.running_mean, self.running_var, self.weight, self.bias, eps=self.eps
            )
        return super().forward(x)


class Directions(nn.Module):
    """A linear layer that looks at directions alone: each class is one, and its logit is the cosine of the
    features with it, times a learned scale.

    Among thousands of classes each is seen too seldom for a layer that begins at random; a direction can
    begin as the features of one example (weight imprinting: Qi, Brown and Lowe, CVPR 2018).
    """

    def __init__(self, inputs: int, classes: int, scale: float = 16.0) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.randn(classes, inputs))
        self.log_scale = nn.Parameter(torch.tensor(math.log(scale)))

    def forward(self, x: Tensor) -> Tensor:
        """float (E, D) → logits, float (E, C)."""
        # Products by lengths, and not with weights divided by theirs: there are thousands of times as many.
        lengths = torch.linalg.vector_norm(self.weight, dim=1).clamp(min=SMALLEST)
        products = functional.linear(functional.normalize(x), self.weight)
        logits: Tensor = products * (self.log_scale.exp() / lengths)
        return logits

    @torch.no_grad()
    def imprint(self, answer: Tensor, x: Tensor) -> None:
        """Let the classes `answer`, int64 (E,), begin as the features `x`, float (E, D)."""
        self.weight[answer] = functional.normalize(x)


class Head(nn.Module):
    """For tasks with one view: one linear layer over a coarse grid of the map, since where things are in a
    picture tells which way up it is. With a grid of 1 it is the plain classifier over the map's mean. Many
    classes are `Directions`."""

    def __init__(self, channels: int, classes: int, grid: int) -> None:
        super().__init__()
        self.grid = grid
        # Thousands of classes are told apart sooner.
        self.norm = Norm(channels * grid**2) if grid > 1 else nn.Identity()
        kind = Directions if classes > MANY_CLASSES else nn.Linear
        self.classify = kind(channels * grid**2, classes)

    def forward(self, embedded: Tensor) -> Tensor:
        """float (E, 1, K, n, n) → logits, float (E, C)."""
        logits: Tensor = self.classify(self.describe(embedded))
        return logits

    def describe(self, embedded: Tensor) -> Tensor:
        """float (E, 1, K, n, n) → what the classes are told by, float (E, K · n²)."""
        described: Tensor = self.norm(embedded.flatten(1))
        return described


class Describe(nn.Sequential):
    """float (E, V, K, n, n) → float (E, V, D): one layer shared by the views, as the CFN's fc6."""

    def __init__(self, channels: int, grid: int, width: int) -> None:
        super().__init__(
            nn.Linear(channels * grid**2, width, bias=False), nn.BatchNorm1d(width), nn.ReLU(inplace=True)
        )

    def forward(self, embedded: Tensor) -> Tensor:
        described: Tensor = embedded.flatten(0, 1).flatten(1)
        for layer in self:
            described = layer(described)
        return described.view(*embedded.shape[:2], -1)


class AssemblyHead(nn.Module):
    """For tasks whose answers say where each view belongs on a board, such as the cells of a picture.

    Every answer is tried: the views' descriptions are put where it says they belong, each through the weights
    of its place, summed, and the assembled picture is scored by layers that all answers share. A head with
    weights for each answer learns the same, far more slowly: each weight then sees one answer's examples.
    """

    grid = 2
    arrangements: Tensor
    """int64 (C, V): by answer, the place of each view; see `sslviz.tasks.base.Problem`."""

    def __init__(
        self, channels: int, views: int, classes: int, places: int, width: int = 128, hidden: int = 256
    ) -> None:
        super().__init__()
        self.places, self.hidden = places, hidden
        self.register_buffer("arrangements", torch.zeros(classes, views, dtype=torch.int64))
        self.describe = Describe(channels, self.grid, width)
        self.place = nn.Linear(width, places * hidden, bias=False)
        self.norm = nn.BatchNorm1d(hidden)
        self.score = nn.Sequential(
            nn.ReLU(inplace=True),
            Dropout(0.1),
            nn.Linear(hidden, 64),
            nn.ReLU(inplace=True),
            nn.Linear(64, 1),
        )

    def forward(self, embedded: Tensor) -> Tensor:
        """float (E, V, K, n, n) → logits, float (E, C)."""
        placed = self.place(self.describe(embedded)).view(len(embedded), -1, self.hidden)  # (E, V · P, H)
        chosen = functional.one_hot(self.arrangements, self.places).flatten(1).to(placed.dtype)  # (C, V · P)
        assembled = self.norm((chosen @ placed).flatten(0, 1))
        logits: Tensor = self.score(assembled).view(len(embedded), -1)
        return logits


class JointHead(nn.Module):
    """For other tasks with several views: their descriptions side by side, a hidden layer and, beside it, a
    linear path, which says what each view tells on its own and is learned first."""

    grid = 2

    def __init__(self, channels: int, views: int, classes: int, width: int = 128, hidden: int = 512) -> None:
        super().__init__()
        self.describe = Describe(channels, self.grid, width)
        self.each = nn.Linear(views * width, classes)
        self.compare = nn.Sequential(
            nn.Linear(views * width, hidden, bias=False),
            Norm(hidden),
            nn.ReLU(inplace=True),
            Dropout(0.5),
            nn.Linear(hidden, classes),
        )

    def forward(self, embedded: Tensor) -> Tensor:
        """float (E, V, K, n, n) → logits, float (E, C)."""
        described = self.describe(embedded).flatten(1)
        logits: Tensor = self.each(described) + self.compare(described)
        return logits


def pool(maps: Tensor, grid: int) -> Tensor:
    """float (B, K, h, w) → float (B, K, grid, grid): means over a grid; smaller maps are stretched."""
    height, width = maps.shape[-2:]
    if height % grid == 0 and width % grid == 0:
        return functional.adaptive_avg_pool2d(maps, grid)
    # The same as matrix products: Apple's GPUs know adaptive pooling of maps that divide evenly alone.
    down, along = _means(height, grid, maps), _means(width, grid, maps)
    return down @ maps @ along.T


def _means(length: int, grid: int, like: Tensor) -> Tensor:
    """(grid, length): each row the mean over one of `grid` equal parts, and over all pixels it touches."""
    part = torch.arange(grid, device=like.device)[:, None]
    pixel = torch.arange(length, device=like.device)
    inside = (pixel >= part * length // grid) & (pixel < -(-(part + 1) * length // grid))
    return (inside / inside.sum(1, keepdim=True)).to(like.dtype)


def build(model: str, views: int, classes: int, view_size: int, seed: int, places: int = 0) -> Network:
    """A network with its first weights drawn from `seed`; the global random state is left alone.

    `views` is V, `view_size` the side of a view in pixels, which decides how soon the encoder shrinks, and
    `places` that of the task (`Task.places`); its head's `arrangements` come from the problem or from saved
    weights. Raises `UserError` for a model there is not.
    """
    if model not in MODELS:
        raise UserError(f"There is no network {model!r}.", f"Choose {', '.join(MODELS)}.")
    with torch.random.fork_rng(devices=[]):  # modules draw from the global generator of the CPU
        torch.default_generator.manual_seed(seed)
        return Network(MODELS[model](view_size, views), views, classes, places)


def _conv(
    inputs: int, outputs: int, kernel: int = 3, stride: int = 1, pooling: nn.Module | None = None
) -> nn.Sequential:
    """Convolution, BatchNorm, ReLU; "same" padding. With `pooling`, a largest of neighbours, between the last
    two: it gives the same after ReLU, which then has a quarter to do."""
    conv = (
        Convolution(inputs, outputs)
        if (kernel, stride) == (3, 1)
        else nn.Conv2d(inputs, outputs, kernel, stride, padding=kernel // 2, bias=False)
    )
    nn.init.kaiming_normal_(conv.weight, mode="fan_out", nonlinearity="relu")
    between = () if pooling is None else (pooling,)
    return nn.Sequential(conv, nn.BatchNorm2d(outputs), *between, nn.ReLU(inplace=True))


def small(view_size: int, views: int) -> Encoder:
    """The default: five blocks that learn in a minute on two processor cores; about 0.34 M weights."""
    stride = 2 if view_size >= (LARGE_VIEW if views == 1 else LARGE_TILE) else 1
    blocks = {
        "block1": nn.Sequential(_conv(3, 32, 5, stride, nn.MaxPool2d(2, ceil_mode=True))),
        "block2": nn.Sequential(_conv(32, 64, pooling=nn.MaxPool2d(2, ceil_mode=True))),
        "block3": nn.Sequential(_conv(64, 96)),
        "block4": nn.Sequential(nn.MaxPool2d(2, ceil_mode=True), _conv(96, 128)),
        "block5": _conv(128, 128),
    }
    return Encoder(blocks, 128)


def nin(view_size: int, views: int) -> Encoder:  # noqa: ARG001
    """RotNet's Network-in-Network, four blocks (Gidaris et al. 2018, the authors' CIFAR-10 network), whose
    classifier reads the mean over the whole of the last map."""
    return Encoder(
        {
            "conv1": nn.Sequential(
                _conv(3, 192, 5), _conv(192, 160, 1), _conv(160, 96, 1), nn.MaxPool2d(3, 2, padding=1)
            ),
            "conv2": nn.Sequential(
                _conv(96, 192, 5), _conv(192, 192, 1), _conv(192, 192, 1), nn.AvgPool2d(3, 2, padding=1)
            ),
            "conv3": nn.Sequential(_conv(192, 192), _conv(192, 192, 1), _conv(192, 192, 1)),
            "conv4": nn.Sequential(_conv(192, 192), _conv(192, 192, 1), _conv(192, 192, 1)),
        },
        192,
        grid=1,
    )


def alexnet(view_size: int, views: int) -> Encoder:  # noqa: ARG001
    """The trunk of the Context-Free Network (Noroozi and Favaro 2016, figure 3): AlexNet's convolutions with
    its groups and stride 2, BatchNorm in place of LRN. Views under 96 px lose neither stride nor first pool
    to the size they do not have."""
    large = view_size >= 96
    return Encoder(
        {
            "conv1": nn.Sequential(
                _conv(3, 96, 11 if large else 5, 2 if large else 1), nn.MaxPool2d(3, 2, padding=1)
            ),
            "conv2": nn.Sequential(_grouped(96, 256, 5, 2), nn.MaxPool2d(3, 2, padding=1)),
            "conv3": _conv(256, 384),
            "conv4": _grouped(384, 384, 3, 2),
            "conv5": nn.Sequential(_grouped(384, 256, 3, 2), nn.MaxPool2d(3, 2, padding=1)),
        },
        256,
    )


def _grouped(inputs: int, outputs: int, kernel: int, groups: int) -> nn.Sequential:
    conv = nn.Conv2d(inputs, outputs, kernel, padding=kernel // 2, groups=groups, bias=False)
    nn.init.kaiming_normal_(conv.weight, mode="fan_out", nonlinearity="relu")
    return nn.Sequential(conv, nn.BatchNorm2d(outputs), nn.ReLU(inplace=True))


def resnet18(view_size: int, views: int) -> Encoder:  # noqa: ARG001
    """torchvision's ResNet-18 without its classifier, under torchvision's names, so that its weights load.

    Views under 96 px get a 3 × 3 stem without pooling, or a fifth of the network would see one pixel.
    """
    from torchvision.models import resnet18 as torchvision_resnet18

    whole = torchvision_resnet18(weights=None)
    if view_size < LARGE_RESNET_VIEW:
        whole.conv1 = nn.Conv2d(3, 64, 3, padding=1, bias=False)
        nn.init.kaiming_normal_(whole.conv1.weight, mode="fan_out", nonlinearity="relu")
        whole.maxpool = nn.Identity()
    stem = {name: getattr(whole, name) for name in ("conv1", "bn1", "relu", "maxpool")}
    return Encoder(
        {name: getattr(whole, name) for name in ("layer1", "layer2", "layer3", "layer4")}, 512, stem
    )


MODELS: dict[str, Callable[[int, int], Encoder]] = {
    "small": small,
    "nin": nin,
    "alexnet": alexnet,
    "resnet18": resnet18,
}
"""By name, from the side of a view in pixels and the views of an example to an encoder."""
