"""Choosing the seed patches of exemplar: places of high gradient energy, at several scales, not overlapping.

An energy table has a row for each image and a column for each window of a fixed list, so that all images
are looked at in a few tensor operations.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Generator, Tensor
from torch.nn import functional

FLAT = 0.25
"""Mean squared gradient, in grey levels squared per pixel squared, under which a window is too flat to be
told from others: half a level a pixel."""


@dataclass(frozen=True)
class Seeds:
    """Square windows in images, in whole pixels; each tensor is int64 (C,)."""

    row: Tensor
    top: Tensor
    left: Tensor
    side: Tensor

    def __len__(self) -> int:
        return len(self.row)


def choose_seeds(images: Tensor, count: int, sides: list[int], generator: Generator) -> Seeds:
    """At most `count` seeds in uint8 `images` (N, 3, S, S), as many as there is room for.

    An image is drawn with probability proportional to its mean gradient energy, none twice before each
    has one; then a window of one of the `sides` pixels, with probability proportional to its energy, that
    overlaps no other seed.
    """
    windows = _windows(images.shape[-1], sides)
    looked_at, left = _look(images, windows, 4 * count, generator)
    overlap = _overlap(windows)
    rows, picks = [], []
    missing = count
    while missing > 0:
        chance = left.sum(1)
        open_rows = int((chance > 0).sum())
        if open_rows == 0:
            break
        rows.append(torch.multinomial(chance, min(missing, open_rows), generator=generator))
        picks.append(torch.multinomial(left[rows[-1]], 1, generator=generator)[:, 0])
        left[rows[-1]] *= ~overlap[picks[-1]]
        missing -= len(rows[-1])
    row = torch.cat(rows) if rows else torch.zeros(0, dtype=torch.int64)
    pick = torch.cat(picks) if picks else torch.zeros(0, dtype=torch.int64)
    order = (looked_at[row] * len(windows) + pick).argsort()  # seeds of an image stand together
    top, left_edge, side = windows[pick[order]].unbind(1)
    return Seeds(looked_at[row[order]], top, left_edge, side)


def gradient_energy(images: Tensor) -> Tensor:
    """float32 (n, S − 1, S − 1) of uint8 (n, 3, S, S): at each pixel the squared differences to the next one
    to the right and the next one below, summed over the channels, in grey levels squared."""
    pixels = images.to(torch.float32)
    corner = pixels[..., :-1, :-1]
    across = (pixels[..., :-1, 1:] - corner).square_()
    return across.add_((pixels[..., 1:, :-1] - corner).square_()).sum(1)


def _look(images: Tensor, windows: Tensor, enough: int, generator: Generator) -> tuple[Tensor, Tensor]:
    """Rows of images that are not all flat, int64 (n,), in random order, and their energies, float32 (n, W).
    Where there are many more images than seeds, `enough` of them will do."""
    rows, energies, found = [], [], 0
    order = torch.randperm(len(images), generator=generator)
    for start in range(0, len(order), 256):
        chunk = order[start : start + 256]
        energy = _energies(images[chunk.to(images.device)], windows)
        usable = energy.any(1)
        rows.append(chunk[usable])
        energies.append(energy[usable])
        found += len(rows[-1])
        if found >= enough:
            break
    return torch.cat(rows), torch.cat(energies)


def _windows(full: int, sides: list[int]) -> Tensor:
    """int64 (W, 3): top, left and side of windows on a grid of a quarter of their side. A tenth of the side
    stays free at the border, so that most moved, grown and turned copies lie in the image."""
    found = []
    for side in sides:
        margin = min(max(1, side // 10), (full - side) // 2)
        places = torch.arange(margin, full - side - margin + 1, max(1, side // 4))
        found.append(torch.cartesian_prod(places, places, torch.tensor([side])))
    return torch.cat(found)


def _energies(images: Tensor, windows: Tensor) -> Tensor:
    """float32 (n, W): mean squared gradient magnitude of each window, mean of the channels; 0 where it is
    flat. Divided by the number of windows of that side, so that each side is as likely as another."""
    energy = gradient_energy(images)
    # A summed-area table gives the sum over any window from its four corners.
    sums = functional.pad(energy, (1, 0, 1, 0)).to(torch.float64).cumsum(-1).cumsum(-2).cpu()
    top, left, side = windows.unbind(1)
    bottom, right = top + side - 1, left + side - 1
    total = sums[:, bottom, right] - sums[:, top, right] - sums[:, bottom, left] + sums[:, top, left]
    mean = total / (3 * (side - 1).square())
    alike = (side[:, None] == side).sum(1)
    return torch.where(mean >= FLAT, mean / alike, 0.0).to(torch.float32)


def _overlap(windows: Tensor) -> Tensor:
    """bool (W, W): which pairs of windows share a pixel."""
    top, left, side = windows.unbind(1)
    return _cross(top, side) & _cross(left, side)


def _cross(start: Tensor, side: Tensor) -> Tensor:
    end = start + side
    return (start[:, None] < end) & (start < end[:, None])
