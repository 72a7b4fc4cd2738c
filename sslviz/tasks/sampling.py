"""Cutting batches of windows out of a batch of images, without a loop over images.

All functions are pure: random numbers come from the `Generator` that is handed in, on the CPU.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Generator, Tensor
from torch.nn import functional

SAMPLED_AT_ONCE = 400_000
"""Values of images that a processor samples at a time: eight squares of 128 pixels, which its cache holds."""


def draw(generator: Generator, *shape: int, low: float = 0.0, high: float = 1.0) -> Tensor:
    """float32 of `shape`, uniform in [low, high)."""
    return torch.rand(shape, generator=generator).mul_(high - low).add_(low)


def draw_up_to(limit: Tensor, generator: Generator) -> Tensor:
    """Whole numbers uniform in 0..limit, ends included; `limit` int64 of any shape, each ≥ 0."""
    # float64: in float32 a value just under 1 times `limit + 1` can round up to `limit + 1`.
    chance = torch.rand(limit.shape, generator=generator, dtype=torch.float64)
    return chance.mul_(limit + 1).long()


def coin(chance: float, generator: Generator, *shape: int) -> Tensor:
    """bool of `shape`, each true with probability `chance`."""
    return torch.rand(shape, generator=generator) < chance


def noise(generator: Generator, device: torch.device) -> Generator:
    """A generator on `device` for noise per pixel, seeded by one draw of the CPU generator, so that big
    tensors of noise are made where they are used."""
    seed = int(torch.randint(2**62, (), generator=generator))
    return torch.Generator(device).manual_seed(seed)


def send(tensor: Tensor, device: torch.device) -> Tensor:
    """`tensor` on `device`. A CUDA device is not waited for, as it would be were the memory not pinned."""
    if device.type == "cuda" and tensor.device.type == "cpu":
        return tensor.pin_memory().to(device, non_blocking=True)
    return tensor.to(device)


def boxes_of(left: Tensor, top: Tensor, side: Tensor | int, full: int) -> Tensor:
    """float32 (..., 4): x0 y0 x1 y1 in [0, 1] of square windows given in pixels of images of side `full`."""
    return torch.stack([left, top, left + side, top + side], -1).to(torch.float32) / full


def mirrored_left(left: Tensor, side: Tensor | int, full: int, mirror: Tensor) -> Tensor:
    """Left edges in the stored image of windows whose left edges are given in the mirrored one."""
    return torch.where(mirror, full - left - side, left)


def cut(images: Tensor, row: Tensor, top: Tensor, left: Tensor, side: int) -> Tensor:
    """Windows at whole pixels: uint8 (N, 3, S, S), contiguous, → (L, 3, side, side), copied bit by bit.

    `row` is int64 (L,); `top` and `left` are int64 (L,), or (L, 3) to cut each colour channel elsewhere.
    Runs where the images are.
    """
    where = images.device
    if top.ndim == 1:
        top, left = top[:, None], left[:, None]
    # Line by line, each a run of pixels, which is what a processor copies fastest.
    channels, height, width = images.shape[1:]
    plane = row[:, None] * channels + torch.arange(channels)
    first = send((plane * height + top) * width + left, where)  # (L, 3): the pixel that each window begins at
    lines = first[:, :, None] + torch.arange(side, device=where) * width
    runs = images.view(-1).unfold(0, side, 1)  # a view: no pixel is copied yet
    return runs.index_select(0, lines.flatten()).view(len(row), channels, side, side)


def change(views: Tensor, which: Tensor, how: Callable[[Tensor], Tensor]) -> Tensor:
    """`views` (L, ...) with `how` applied to the rows that `which`, bool (L,) on the CPU, names; in place."""
    if which.any():
        # Rows are counted on the CPU: a mask on a GPU would make the host wait for it.
        rows = send(which.nonzero()[:, 0], views.device)
        views[rows] = how(views.index_select(0, rows))
    return views


def mirror_where(views: Tensor, mirror: Tensor) -> Tensor:
    """`views` (L, ..., h, w) mirrored left to right where `mirror`, bool (L,), says so; in place."""
    return change(views, mirror, lambda some: some.flip(-1))


def resample(images: Tensor, top: Tensor, left: Tensor, side: Tensor, size: int, mirror: Tensor) -> Tensor:
    """Square windows resampled to `size` × `size`: uint8 (L, 3, S, S) → uint8 (L, 3, size, size).

    Window i is pixels [left, left + side) × [top, top + side) of image i, int64 (L,) each; it is mirrored
    after the cut where `mirror` says so. The filter is a triangle, widened when shrinking (antialiased),
    that never reaches beyond the window: what Pillow's `crop` and `resize(BILINEAR)` give, to a level.
    """
    top, left, side, mirror = (send(each, images.device) for each in (top, left, side, mirror))
    vertical = _triangle(top, side, size, images.shape[-1])
    horizontal = _triangle(left, side, size, images.shape[-1])
    horizontal = torch.where(mirror[:, None, None], horizontal.flip(1), horizontal)
    # Two matrix products an image: separable, so cheaper than sampling each pixel, on any device. Along the
    # lines first, since all lines of an image are one matrix, whatever the channel.
    lines = images.to(torch.float32).flatten(1, 2) @ horizontal.transpose(1, 2)
    return as_pixels(vertical[:, None] @ lines.view(*images.shape[:3], size))


def _triangle(start: Tensor, side: Tensor, size: int, full: int) -> Tensor:
    """float32 (L, size, full): the weight of each source pixel in each pixel of the result."""
    scale = side.to(torch.float32) / size
    centre = start[:, None] + (torch.arange(size, device=start.device) + 0.5) * scale[:, None]
    pixel = torch.arange(full, device=start.device)
    inside = (pixel >= start[:, None]) & (pixel < (start + side)[:, None])
    distance = (pixel + 0.5 - centre[:, :, None]).abs_().div_(scale.clamp(min=1.0)[:, None, None])
    weight = distance.neg_().add_(1.0).clamp_(min=0.0).mul_(inside[:, None])
    return weight.div_(weight.sum(-1, keepdim=True))


def sample_turned(
    images: Tensor, centre_x: Tensor, centre_y: Tensor, side: Tensor, angle: Tensor, size: int
) -> Tensor:
    """Turned square patches: uint8 (L, 3, S, S) → float32 (L, 3, size, size) in [0, 255].

    Patch i has its centre at (centre_x, centre_y) and `side` in pixels, float32 (L,), and is turned by
    `angle` radians, clockwise as seen. Each pixel is the mean of four bilinear samples, the farther apart the
    more is shrunk, against aliasing; where nothing is shrunk they are one, and nothing is blurred. Patches
    that stay half a pixel inside the image read no pixel that is not there.
    """
    full, where = images.shape[-1], images.device
    # In the units of `grid_sample`, in which the image is [-1, 1]², each of a patch's four samplings of
    # size × size points is such a square, turned, made smaller and moved.
    cos, sin = angle.cos() * side / full, angle.sin() * side / full
    along, down = torch.stack([cos, sin], 1), torch.stack([-sin, cos], 1)  # (L, 2), x and y
    centre = torch.stack([centre_x, centre_y], 1).mul_(2.0 / full).sub_(1.0)
    apart = (0.5 * (1 - size / side)).clamp_(0.0, 0.25)[:, None] * (2.0 / size)
    left_up, right_up = centre - (along + down) * apart, centre + (along - down) * apart
    place = send(torch.stack([left_up, right_up, 2 * centre - right_up, 2 * centre - left_up], 2), where)
    along, down = send(along, where), send(down, where)
    middle = (torch.arange(size, device=where) * 2.0 + 1.0) / size - 1.0
    columns = (place[..., None] + along[:, :, None, None] * middle)[..., None, :]  # (L, 2, 4, 1, size)
    lines = (down[:, :, None, None] * middle[:, None])[:, :, None]  # (L, 2, 1, size, 1)
    at_once = max(1, SAMPLED_AT_ONCE // images[0].numel()) if where.type == "cpu" else len(images)
    parts = zip(*(torch.split(each, at_once) for each in (images, columns, lines)), strict=True)
    patches = [_sampled(*part) for part in parts]
    return patches[0] if len(patches) == 1 else torch.cat(patches)


def _sampled(images: Tensor, columns: Tensor, lines: Tensor) -> Tensor:
    """The means of four samples of uint8 (L, 3, S, S) at `columns` plus `lines`, x and y in [-1, 1]."""
    full, size = images.shape[-1], lines.shape[3]
    grid = columns + lines  # (L, 2, 4, size, size)
    grid.clamp_(1 / full - 1, 1 - 1 / full)  # what padding with the border does, which not all GPUs know
    grid = grid.flatten(2, 3).permute(0, 2, 3, 1)
    sampled = functional.grid_sample(images.to(torch.float32), grid, mode="bilinear", align_corners=False)
    return sampled.view(*sampled.shape[:2], 4, size, size).mean(2)


def as_pixels(values: Tensor) -> Tensor:
    """float in about [0, 255] → uint8, rounded and clipped."""
    # By way of int16, for which a processor has instructions: a quarter of the time.
    return values.round().clamp_(0, 255).to(torch.int16).to(torch.uint8)
