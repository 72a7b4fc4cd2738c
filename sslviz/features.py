"""Features of whole images, by block."""

from __future__ import annotations

import copy
import itertools
from collections.abc import Callable, Iterator, Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional

from sslviz.allocating import keep_freed_memory
from sslviz.model import Encoder, Network, pool
from sslviz.tasks.base import Task

GRID = 2
"""A block's map is averaged to 2 × 2."""
PIXEL_SIDE = 32
BATCH_PIXELS = 2_000_000
"""Pixels of a batch: few enough for a small memory, enough for speed."""

Images = Tensor | NDArray[np.uint8]


def extract(
    network: Network,
    task: Task,
    images: Images,
    *,
    memory: Images | None = None,
    blocks: Sequence[str] | None = None,
    device: str = "cpu",
    report: Callable[[int, int], None] | None = None,
) -> dict[str, NDArray[np.float32]]:
    """Features of `images`, uint8 (N, 3, S, S): by block float32 (N, 4K), each row of length 1.

    The image is one view; a block's map is averaged to 2 × 2 and flattened. BatchNorm statistics are those
    of `memory` (by default of `images`), re-estimated on a copy of the network: whole images are not what
    it was trained on, and an untrained network has no statistics at all. `blocks` chooses among
    `network.encoder.blocks`; by default all. `report` is called with images done and to do.
    """
    known = images if memory is None else memory
    total = len(known) + len(images)
    encoder = estimated(
        network, task, known, device=device, report=report and (lambda n, _: report(n, total))
    )
    return through(
        encoder,
        task,
        images,
        blocks=blocks,
        device=device,
        report=report and (lambda n, _: report(len(known) + n, total)),
    )


def through(
    encoder: Encoder,
    task: Task,
    images: Images,
    *,
    blocks: Sequence[str] | None = None,
    device: str = "cpu",
    report: Callable[[int, int], None] | None = None,
) -> dict[str, NDArray[np.float32]]:
    """The same by an encoder as it is, in evaluation mode and on `device`: new images beside known ones."""
    wanted = list(encoder.blocks) if blocks is None else list(blocks)
    found: dict[str, list[Tensor]] = {name: [] for name in wanted}
    done = 0
    with torch.inference_mode():
        for x in _batches(task, images, device):
            for name, maps in encoder.maps(x).items():
                if name in found:
                    found[name].append(functional.normalize(pool(maps, GRID).flatten(1)).cpu())
            done += len(x)
            if report:
                report(done, len(images))
    return {name: torch.cat(parts).numpy() for name, parts in found.items()}


def disturbed(images: Images, seed: int = 0) -> NDArray[np.uint8]:
    """The images as another photograph of the same would have them: uint8 (N, 3, S, S) of the same shape.

    Mirrored, cropped to 0.8 of the side at a place of its own each, brightness and contrast changed by up to
    a fifth.
    """
    draws = torch.Generator().manual_seed(seed)
    count, side = len(images), images.shape[-1]
    cut = max(1, round(0.8 * side))
    corners = torch.randint(side - cut + 1, (count, 2), generator=draws).tolist()
    light = 1 + 0.2 * (2 * torch.rand(count, 2, generator=draws) - 1)
    changed = np.empty((count, 3, side, side), np.uint8)
    for row, (top, left) in enumerate(corners):
        part = torch.as_tensor(np.array(images[row])).float()[:, top : top + cut, left : left + cut].flip(-1)
        whole = functional.interpolate(
            part[None], (side, side), mode="bilinear", antialias=True, align_corners=False
        )[0]
        middle = whole.mean()
        whole = (whole - middle) * light[row, 0] + middle * light[row, 1]
        changed[row] = whole.round_().clamp_(0, 255).to(torch.uint8).numpy()
    return changed


def glimpse(
    network: Network, task: Task, images: Images, *, device: str = "cpu"
) -> dict[str, NDArray[np.float32]]:
    """Features of a few images as `extract` gives them, in one pass where that takes two: each batch is
    normalised by its own statistics, which are those of all `images` where one batch holds them."""
    encoder = copy.deepcopy(network.encoder).to(device).eval()
    for module in encoder.modules():
        if isinstance(module, nn.BatchNorm2d):
            module.train()
    found: dict[str, list[Tensor]] = {name: [] for name in encoder.blocks}
    with torch.inference_mode():
        for x in _batches(task, images, device):
            for name, maps in encoder.maps(x).items():
                found[name].append(functional.normalize(pool(maps, GRID).flatten(1)).cpu())
    return {name: torch.cat(parts).numpy() for name, parts in found.items()}


def estimated(
    network: Network,
    task: Task,
    memory: Images,
    *,
    device: str = "cpu",
    report: Callable[[int, int], None] | None = None,
) -> Encoder:
    """A copy of the encoder in evaluation mode whose BatchNorm statistics are the means over the batches of
    `memory`, uint8 (M, 3, S, S)."""
    if device == "cpu":
        keep_freed_memory()
    encoder = copy.deepcopy(network.encoder).to(device).eval()
    norms = [module for module in encoder.modules() if isinstance(module, nn.BatchNorm2d)]
    for norm in norms:
        norm.reset_running_stats()
        norm.momentum = None  # a plain mean over all batches
        norm.train()
    done = 0
    with torch.no_grad():
        for x in _batches(task, memory, device, shuffled=True):
            if len(x) * x.shape[-1] * x.shape[-2] > 1:
                encoder(x)
            done += len(x)
            if report:
                report(done, len(memory))
    for norm in norms:
        norm.eval()
    return encoder


def pixels(images: Images) -> NDArray[np.float32]:
    """The plainest feature there is: uint8 (N, 3, S, S) → float32 (N, 3072), 32 × 32 pixels with the mean of
    each image removed, scaled to length 1."""
    parts = []
    for part in _parts(images, 1024):
        small = functional.interpolate(
            part.to(torch.float32),
            (PIXEL_SIDE, PIXEL_SIDE),
            mode="bilinear",
            antialias=True,
            align_corners=False,
        )
        flat = small.flatten(1)
        parts.append(functional.normalize(flat - flat.mean(1, keepdim=True)))
    return torch.cat(parts).numpy()


def colours(images: Images) -> NDArray[np.float32]:
    """What colours there are, wherever they are: uint8 (N, 3, S, S) → float32 (N, 512), the roots of the
    shares of pixels in 8 × 8 × 8 cells of the RGB cube; each row has length 1."""
    parts = []
    for part in _parts(images, 1024):
        cells = (part // 32).long()
        cell = ((cells[:, 0] * 8 + cells[:, 1]) * 8 + cells[:, 2]).flatten(1)
        counts = torch.zeros(len(part), 512).scatter_add_(1, cell, torch.ones(cell.shape))
        parts.append((counts / cell.shape[1]).sqrt_())
    return torch.cat(parts).numpy()


def _batches(task: Task, images: Images, device: str, *, shuffled: bool = False) -> Iterator[Tensor]:
    """Normalised whole images, float (B, 3, S, S); shuffled in a fixed order, since sets are sorted by label
    and the mean of batch statistics should be one over like batches."""
    side = images.shape[-1]
    size = max(1, min(512, BATCH_PIXELS // side**2))
    order = torch.randperm(len(images), generator=torch.Generator().manual_seed(0)) if shuffled else None
    for part in _parts(images, size, order):
        views = task.normalize(part.to(device)[:, None])
        yield views[:, 0].contiguous(memory_format=torch.channels_last)


def _parts(images: Images, size: int, order: Tensor | None = None) -> Iterator[Tensor]:
    """At most `size` images at a time, in parts as equal as can be: the mean of the parts' means is then that
    of the images."""
    count = -(-len(images) // size)
    bounds = [len(images) * i // max(1, count) for i in range(count + 1)]
    for begin, end in itertools.pairwise(bounds):
        if order is None:
            part = images[begin:end]
        else:
            index = order[begin:end]
            part = images[index if isinstance(images, Tensor) else index.numpy()]
        yield part if isinstance(part, Tensor) else torch.from_numpy(np.array(part))
