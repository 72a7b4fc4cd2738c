"""Outlines as point arrays, float64 (N, 2), and the parts that objects are drawn from.

An object lives in its own plane: x to the right, y up, 0 at its feet, about 1 high. `painting` places it.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from sslviz.scenes.colours import Colour

Points = NDArray[np.float64]
Pair = tuple[float, float]


@dataclass(frozen=True)
class Part:
    """One filled outline; parts are painted in order, later ones over earlier ones."""

    outline: Points
    colour: Colour
    relief: float = 1.0
    """How rounded it looks: 0 is flat, 1 a soft pillow."""
    line: float = 1.0
    """Width of its outline beside the scene's own width; 0 is none."""
    pattern: str = ""
    """A texture of `painting.PATTERNS`, or nothing."""
    solid: bool = True
    """Belongs to the object; steam and glow do not."""


Parts = list[Part]
CLOTH = ("", "", "stripes", "bars", "dots", "checks", "hatch", "grain")
"""Patterns that any object's surface may have."""


@lru_cache(maxsize=64)
def _circle(count: int) -> Points:
    angle = np.arange(count) * (2 * math.pi / count)
    return np.stack([np.cos(angle), np.sin(angle)], axis=1)


@lru_cache(maxsize=16)
def _spline(steps: int) -> tuple[Points, ...]:
    """Catmull–Rom weights of the four neighbouring points, each (steps, 1)."""
    t = (np.arange(steps) / steps)[:, None]
    t2, t3 = t * t, t * t * t
    return (
        0.5 * (-t3 + 2 * t2 - t),
        0.5 * (3 * t3 - 5 * t2 + 2),
        0.5 * (-3 * t3 + 4 * t2 + t),
        0.5 * (t3 - t2),
    )


def turned(points: Points, degrees: float, x: float = 0.0, y: float = 0.0) -> Points:
    """`points` turned counter-clockwise (y up) about (x, y)."""
    c, s = math.cos(math.radians(degrees)), math.sin(math.radians(degrees))
    middle = np.array([x, y])
    around: Points = (points - middle) @ np.array([[c, s], [-s, c]])
    around += middle
    return around


def oval(
    x: float, y: float, rx: float, ry: float | None = None, turn: float = 0.0, count: int = 28
) -> Points:
    """An ellipse about (x, y), turned by `turn` degrees."""
    points: Points = _circle(count) * np.array([rx, rx if ry is None else ry])
    if turn:
        points = turned(points, turn)
    points += np.array([x, y])
    return points


def poly(*pairs: Pair) -> Points:
    """Straight edges between the given corners."""
    return np.array(pairs, dtype=np.float64)


def box(x0: float, y0: float, x1: float, y1: float, radius: float = 0.0) -> Points:
    """An upright rectangle, its corners rounded by `radius`."""
    if radius <= 0:
        return poly((x0, y0), (x1, y0), (x1, y1), (x0, y1))
    r = min(radius, abs(x1 - x0) / 2, abs(y1 - y0) / 2)
    arc = _circle(20)
    corners = [
        arc[0:6] * r + (x1 - r, y1 - r),
        arc[5:11] * r + (x0 + r, y1 - r),
        arc[10:16] * r + (x0 + r, y0 + r),
        np.concatenate([arc[15:], arc[:1]]) * r + (x1 - r, y0 + r),
    ]
    return np.concatenate(corners)


def blob(*pairs: Pair, steps: int = 6) -> Points:
    """A smooth closed outline through the given points."""
    p = np.array(pairs, dtype=np.float64)
    a, b, c, d = _spline(steps)
    before, after, beyond = np.roll(p, 1, 0), np.roll(p, -1, 0), np.roll(p, -2, 0)
    spans = a * before[:, None] + b * p[:, None] + c * after[:, None] + d * beyond[:, None]
    return spans.reshape(-1, 2)


def curve(*pairs: Pair, steps: int = 6) -> Points:
    """A smooth open line through the given points."""
    p = np.array([pairs[0], *pairs, pairs[-1]], dtype=np.float64)
    a, b, c, d = _spline(steps)
    spans = a * p[:-3, None] + b * p[1:-2, None] + c * p[2:-1, None] + d * p[3:, None]
    return np.concatenate([spans.reshape(-1, 2), p[-1:]])


def limb(*pairs: Pair, start: float, end: float | None = None, steps: int = 6) -> Points:
    """A rounded stroke along a smooth line, `start` wide where it begins and `end` wide where it ends."""
    line = curve(*pairs, steps=steps)
    along = np.gradient(line, axis=0)
    along /= np.maximum(np.hypot(along[:, 0], along[:, 1]), 1e-9)[:, None]
    across = np.stack([-along[:, 1], along[:, 0]], axis=1)
    half = np.linspace(start, start if end is None else end, len(line))[:, None] / 2
    bulge = np.array([-0.75, 0.0, 0.75])[:, None]
    reach = np.array([0.66, 1.0, 0.66])[:, None]
    tip = line[-1] - bulge * across[-1] * half[-1] + reach * along[-1] * half[-1]
    tail = line[0] + bulge * across[0] * half[0] - reach * along[0] * half[0]
    return np.concatenate([line + across * half, tip, (line - across * half)[::-1], tail])


def scallop(x: float, y: float, rx: float, ry: float, bumps: int, depth: float, phase: float = 0.0) -> Points:
    """A cloud-like outline: an ellipse with `bumps` round bulges of relative `depth`."""
    angle = np.arange(bumps * 7) * (2 * math.pi / (bumps * 7))
    radius = 1 - depth + depth * np.abs(np.sin(bumps * angle / 2 + phase))
    return np.stack([x + rx * radius * np.cos(angle), y + ry * radius * np.sin(angle)], axis=1)


def leaf(x: float, y: float, length: float, width: float, turn: float) -> Points:
    """A pointed leaf that starts at (x, y) and points `turn` degrees from the right, counter-clockwise."""
    t = np.linspace(0, 1, 9)
    half = np.sin(math.pi * t**0.8) * width / 2
    upper = np.stack([t * length, half], axis=1)
    lower = np.stack([t * length, -half], axis=1)[-2:0:-1]
    edge = turned(np.concatenate([upper, lower]), turn)
    edge += np.array([x, y])
    return edge
