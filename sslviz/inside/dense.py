"""The dense features of an image as pictures: where they are strong, and what they tell apart."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

FULL = 0.99
"""Quantile of the energies of a map that is drawn in full: of a fine map the single strongest place says
little, and all the rest would be dark beside it."""
LOW, HIGH = 2.0, 98.0
"""Percentiles of a component that are drawn as none and all of a colour."""
PLACES = 1024
"""Places of an image, at most, that the principal components are fitted to."""


def energy(maps: Tensor, power: int) -> NDArray[np.uint8]:
    """The attention map of one image, float (K, h, w) → uint8 (h, w), from 0 to 255.

    The sum over the channels of |activation| to the power p at each place (Gidaris et al. 2018, figure 3),
    scaled so that the weakest is 0 and the strongest hundredth is full. A map on which nothing varies is 0.
    """
    strength = maps.abs().double()
    strength = strength / strength.amax().clamp_min(1e-30)  # high powers of large activations overflow
    summed = (strength**power).sum(0)
    low, most = float(summed.min()), float(summed.max())
    if most - low <= 1e-6 * most:
        return np.zeros(tuple(summed.shape), np.uint8)
    full = float(torch.quantile(summed.flatten(), FULL))
    high = full if full - low > 1e-3 * (most - low) else most  # all but a few places are nought
    scaled: NDArray[np.uint8] = (
        (((summed - low) / (high - low)).clamp_max(1) * 255).round().to(torch.uint8).numpy()
    )
    return scaled


def some_places(maps: Tensor) -> NDArray[np.float32]:
    """float (K, h, w) → float32 (P, K): features at P ≤ 1,024 places, evenly spread."""
    features = maps.flatten(1).T
    count = min(PLACES, len(features))
    return features[torch.arange(count) * len(features) // count].contiguous().numpy()


def fit(features: Sequence[NDArray[np.float32]]) -> dict[str, NDArray[np.float64]]:
    """The axes of the colours from the features, float (P, K) each, of several images.

    `mean` (K,), `axes` (3, K), `low` and `high` (3,). An axis points to where its largest entry is positive;
    one along which nothing varies is 0.
    """
    rows = np.concatenate(features).astype(np.float64)
    mean = rows.mean(0)
    rows -= mean
    variance, vectors = np.linalg.eigh(rows.T @ rows / len(rows))
    kept = min(3, len(variance))
    axes = np.zeros((3, len(mean)))
    axes[:kept] = vectors[:, ::-1].T[:kept]
    spread = variance[::-1][:kept]
    axes[:kept][spread <= 1e-9 * max(float(spread[0]), 1e-30)] = 0
    largest = np.abs(axes).argmax(1)
    axes *= np.where(axes[np.arange(3), largest] < 0, -1.0, 1.0)[:, None]
    low, high = np.percentile(rows @ axes.T, (LOW, HIGH), axis=0)
    return {"mean": mean, "axes": axes, "low": low, "high": high}


def colours(maps: Tensor, fitted: dict[str, NDArray[np.float64]]) -> NDArray[np.uint8]:
    """float (K, h, w) → uint8 (h, w, 3): three principal components as red, green and blue, mid-grey where a
    component does not vary."""
    height, width = maps.shape[1:]
    found = (maps.flatten(1).T.double().numpy() - fitted["mean"]) @ fitted["axes"].T
    reach = fitted["high"] - fitted["low"]
    flat = reach <= 1e-12
    share = np.where(flat, 0.5, (found - fitted["low"]) / np.where(flat, 1.0, reach))
    drawn: NDArray[np.uint8] = np.rint(share.clip(0, 1) * 255).astype(np.uint8)
    return drawn.reshape(height, width, 3)
