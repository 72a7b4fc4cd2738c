"""An encoder written out as a Python file of its own, which needs torch and nothing else."""

from __future__ import annotations

import inspect
import string
from typing import Any

import torch
from torch import Tensor, nn

from sslviz.features import BATCH_PIXELS, GRID
from sslviz.model import Encoder
from sslviz.tasks import Task
from sslviz.tasks.colour import standardize

BATCH = 512
"""Most images of a batch, as in `sslviz.features`."""
FLOOR = inspect.signature(standardize).parameters["floor"].default

PLAIN = '''        """uint8 (N, 3, h, w) → what the network reads, float32: 127.5 becomes 0, 64 levels 1."""
        return (images.float() - 127.5) / 64'''
STANDARD = '''        """uint8 (N, 3, h, w) → the float32 the network reads: each image with mean 0 in each
        channel and spread 1 over all of them, as each view was in training."""
        pixels = images.float()
        pixels = pixels - pixels.mean((-2, -1), keepdim=True)
        spread = pixels.square().mean((-3, -2, -1), keepdim=True).sqrt()
        return pixels / spread.clamp(min=$floor)  # a flat image stays flat'''

TEMPLATE = string.Template('''\
"""The encoder of run $run of sslviz: the network `$model`, trained on the task `$task`.

    encoder = load("encoder.safetensors")
    encoder.adapt(images)                 # uint8 (N, 3, $side, $side)
    features = encoder.features(images)   # by block float32, rows of length 1
"""

import itertools
import json
import math
import struct
from pathlib import Path

import torch
from torch import nn
from torch.nn import functional
$imports
SIDE = $side
"""Side of the squares that the run trained on, in pixels."""
BLOCKS = $blocks
"""In the order they run; any of them can be read."""


class Encoder(nn.Module):
    """float (N, 3, h, w), normalised → float (N, $channels, its h, its w), the map of the last block."""

    def __init__(self):
        super().__init__()
$layers

    def maps(self, x):
        """By block its map, float (N, its channels, its h, its w)."""
        found = {}
        for name, module in self.named_children():
            x = module(x)
            if name in BLOCKS:
                found[name] = x
        return found

    def forward(self, x):
        return self.maps(x)[BLOCKS[-1]]

    def normalize(self, images):
$normalize

    def features(self, images):
        """By block float32 (N, its channels * $grid * $grid): its map averaged to $grid x $grid, scaled."""
        found = {name: [] for name in BLOCKS}
        self.eval()
        with torch.no_grad():
            for part in self._parts(images):
                for name, maps in self.maps(self.normalize(part)).items():
                    pooled = functional.adaptive_avg_pool2d(maps, $grid).flatten(1)
                    found[name].append(functional.normalize(pooled).cpu())
        return {name: torch.cat(parts) for name, parts in found.items()}

    def adapt(self, images):
        """Take the statistics of BatchNorm from these images: means over batches, in a fixed random order."""
        norms = [module for module in self.modules() if isinstance(module, nn.BatchNorm2d)]
        before = [norm.momentum for norm in norms]
        self.eval()
        for norm in norms:
            norm.reset_running_stats()
            norm.momentum = None  # a plain mean over all batches
            norm.train()
        order = torch.randperm(len(images), generator=torch.Generator().manual_seed(0))
        with torch.no_grad():
            for part in self._parts(images, order):
                if part.numel() > 3:  # one pixel has no spread
                    self(self.normalize(part))
        for norm, momentum in zip(norms, before):
            norm.momentum = momentum
        return self.eval()

    def _parts(self, images, order=None):
        """The images in batches as equal as can be, where the weights are."""
        device = next(self.parameters()).device
        size = max(1, min($batch, $pixels // (images.shape[-1] * images.shape[-2])))
        count = -(-len(images) // size)
        bounds = [len(images) * i // count for i in range(count + 1)]
        for begin, end in itertools.pairwise(bounds):
            part = images[begin:end] if order is None else images[order[begin:end]]
            yield part.to(device).contiguous(memory_format=torch.channels_last)


def load(path):
    """The encoder with the weights of a safetensors file: eight bytes that say how long a JSON header is, the
    header, the numbers."""
    data = bytearray(Path(path).read_bytes())
    (length,) = struct.unpack_from("<Q", data)
    kinds = {"F32": torch.float32, "I64": torch.int64}
    weights = {}
    for name, entry in json.loads(data[8 : 8 + length]).items():
        if name != "__metadata__":
            shape, begin = entry["shape"], 8 + length + entry["data_offsets"][0]
            flat = torch.frombuffer(data, dtype=kinds[entry["dtype"]], count=math.prod(shape), offset=begin)
            weights[name] = flat.reshape(shape)
    encoder = Encoder()
    encoder.load_state_dict(weights)
    return encoder.eval()
''')

LAYERS: dict[type[nn.Module], tuple[str, ...]] = {
    nn.Conv2d: ("in_channels", "out_channels", "kernel_size", "stride", "padding", "dilation", "groups"),
    nn.BatchNorm2d: ("num_features", "eps", "momentum"),
    nn.ReLU: ("inplace",),
    nn.MaxPool2d: ("kernel_size", "stride", "padding", "dilation", "ceil_mode"),
    nn.AvgPool2d: ("kernel_size", "stride", "padding", "ceil_mode", "count_include_pad"),
    nn.Identity: (),
}
"""The layers that encoders are made of, and what each is built from."""


def source(encoder: Encoder, task: Task, model: str, side: int, run: str) -> str:
    """The file. `model`, `task` and `run` are names of ours: what people typed never becomes code.

    It is written from the modules of `encoder`, so what it builds is that network under the same names; only
    resnet18 is left to torchvision.
    """
    lines = _resnet18(encoder) if model == "resnet18" else _layers(encoder)
    return TEMPLATE.substitute(
        run=run,
        model=model,
        task=task.name,
        side=side,
        grid=GRID,
        batch=BATCH,
        pixels=BATCH_PIXELS,
        channels=encoder.channels,
        imports="from torchvision.models import resnet18\n" if model == "resnet18" else "",
        blocks=repr(tuple(encoder.blocks)).replace("'", '"'),
        layers="\n".join(f"        {line}" for line in lines),
        normalize=_normalize(task),
    )


def _layers(encoder: Encoder) -> list[str]:
    lines: list[str] = []
    for name, module in encoder.named_children():
        first, *rest = _written(module)
        lines += [f"self.{name} = {first}", *rest]
    return lines


def _resnet18(encoder: Encoder) -> list[str]:
    names = [name for name, _ in encoder.named_children()]
    lines = ["whole = resnet18(weights=None)"]
    for name in ("conv1", "maxpool"):  # all that views under 96 pixels change
        lines += [f"whole.{name} = {line}" for line in _written(encoder.get_submodule(name))]
    return [
        *lines,
        f"for name in {names}:".replace("'", '"'),
        "    self.add_module(name, getattr(whole, name))",
    ]


def _written(module: nn.Module) -> list[str]:
    """The expression that builds a module, in lines."""
    if isinstance(module, nn.Sequential):
        lines = ["nn.Sequential("]
        for child in module:
            *begin, last = _written(child)
            lines += [f"    {line}" for line in (*begin, f"{last},")]
        return [*lines, ")"]
    kind = nn.Conv2d if isinstance(module, nn.Conv2d) else type(module)  # ours compute the same
    assert kind in LAYERS, f"say in LAYERS how {kind.__name__} is built"
    parameters = inspect.signature(kind.__init__).parameters
    words = []
    for name in LAYERS[kind]:
        value, default = _single(getattr(module, name)), parameters[name].default
        if default is inspect.Parameter.empty:
            words.append(repr(value))
        elif value != default:
            words.append(f"{name}={value!r}")
    if isinstance(module, nn.Conv2d) and module.bias is None:
        words.append("bias=False")
    return [f"nn.{kind.__name__}({', '.join(words)})"]


def _single(value: Any) -> Any:
    """(3, 3) → 3: a square is said by its side."""
    return value[0] if isinstance(value, tuple) and len(set(value)) == 1 else value


def _normalize(task: Task) -> str:
    """The body of `normalize`: which of the two ways there are is asked of the task."""
    pixels = torch.arange(48, dtype=torch.uint8).reshape(1, 3, 4, 4)
    found = task.normalize(pixels[:, None])[:, 0]
    if torch.equal(found, standardize(pixels)):
        return string.Template(STANDARD).substitute(floor=FLOOR)
    plain: Tensor = (pixels.float() - 127.5) / 64
    assert torch.equal(found, plain), f"write down how {task.name} normalises"
    return PLAIN
