"""Grey of more than eight bits, made fit for a screen."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from sslviz.errors import UserError

_MIDDLE = 128
_MOST_NANS = 0.01
_AT_ONCE = 1_000_000
"""Values computed with at a time: sixteen million of them in double precision would be several hundred MB."""


def eight_bits(values: NDArray[Any]) -> NDArray[np.uint8]:
    """Grey of more than 8 bits, (H, W), → uint8.

    What is already 8-bit stays; what fills 16 bits is divided by 256, as every viewer does; the rest (12-bit
    sensors, 32-bit counts, floats of any range) is stretched from the 0.1st to the 99.9th percentile. Values
    that are not numbers count as the least there is; raises `UserError` where they are more than a hundredth.
    """
    least, most = _range(values)
    if values.dtype.kind != "f":
        if least >= 0 and most < 256:
            return np.asarray(values, np.uint8)
        if least >= 0 and 1 << 14 <= most < 1 << 16:
            return np.asarray(values >> 8, np.uint8)
    step = max(1, int((values.size / _AT_ONCE) ** 0.5))
    low, high = np.percentile(_finite(values[::step, ::step], least, most), (0.1, 99.9))
    if not high > low:
        return np.full(values.shape, _MIDDLE, np.uint8)
    found = np.empty(values.shape, np.uint8)
    for rows in _rows(values):
        unit = np.clip((_finite(values[rows], least, most) - low) / (high - low), 0, 1)
        found[rows] = unit * 255 + 0.5
    return found


def _range(values: NDArray[Any]) -> tuple[float, float]:
    """Least and greatest of the values that are finite."""
    if values.dtype.kind != "f":
        return float(values.min()), float(values.max())
    nans, least, most = 0, np.inf, -np.inf
    for rows in _rows(values):
        part = values[rows]
        nans += int(np.isnan(part).sum())
        finite = part[np.isfinite(part)]
        if finite.size:
            least, most = min(least, float(finite.min())), max(most, float(finite.max()))
    if nans > _MOST_NANS * values.size or least > most:
        raise UserError("has values that are not numbers")
    return least, most


def _finite(values: NDArray[Any], least: float, most: float) -> NDArray[np.float64]:
    return np.clip(np.nan_to_num(values.astype(np.float64), nan=least), least, most)


def _rows(values: NDArray[Any]) -> list[slice]:
    count = max(1, _AT_ONCE // max(1, values.shape[1]))
    return [slice(at, at + count) for at in range(0, values.shape[0], count)]
