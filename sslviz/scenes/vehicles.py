"""Cars, facing right, and boats."""

# Outlines are tables of numbers and are set by hand.
# fmt: off

from __future__ import annotations

import math
from random import Random

from sslviz.scenes.colours import Palette, darker, lighter
from sslviz.scenes.shapes import CLOTH, Part, Parts, blob, box, leaf, limb, oval, poly, scallop


def _wheel(x: float, r: float, c: Palette) -> Parts:
    tyre = darker(c.deep, 0.25)
    return [
        Part(oval(x, r, r), tyre, 0.7),
        Part(oval(x, r, r * 0.58), c.pale, 0.9, 0.6),
        Part(oval(x, r, r * 0.2, count=12), tyre, 0.5, 0),
    ]


def _saloon(rng: Random, c: Palette, pattern: str) -> Parts:
    """A roof over a long body, perhaps with luggage."""
    roof = rng.uniform(0.82, 0.92)
    parts = [
        Part(blob((-0.66, 0.5), (-0.42, roof - 0.03), (0, roof + 0.02), (0.28, roof - 0.05), (0.6, 0.5)),
             c.main),
        Part(poly((-0.5, 0.53), (-0.36, roof - 0.1), (-0.06, roof - 0.08), (-0.06, 0.53)), c.glass, 0.5, 0.6),
        Part(poly((0.02, 0.53), (0.02, roof - 0.08), (0.24, roof - 0.12), (0.46, 0.53)), c.glass, 0.5, 0.6),
        Part(blob((-1, 0.24), (-1.0, 0.5), (-0.6, 0.56), (0.5, 0.56), (0.96, 0.46), (1.02, 0.24), (0.8, 0.15),
                  (-0.8, 0.15)), c.main, 1, 1, pattern),
    ]
    if rng.random() < 0.3:
        parts.append(Part(box(-0.35, roof - 0.02, 0.2, roof + 0.14, 0.05), c.third, 1, 1, rng.choice(CLOTH)))
    return parts


def _beetle(_: Random, c: Palette, pattern: str) -> Parts:
    """One round back."""
    return [
        Part(blob((-0.98, 0.2), (-0.8, 0.55), (-0.35, 0.88), (0.15, 0.88), (0.48, 0.56), (0.85, 0.46),
                  (0.98, 0.2), (0, 0.16)), c.main, 1, 1, pattern),
        Part(blob((-0.5, 0.54), (-0.38, 0.74), (-0.12, 0.8), (-0.1, 0.54)), c.glass, 0.5, 0.6),
        Part(blob((0.0, 0.54), (0.0, 0.8), (0.2, 0.76), (0.38, 0.54)), c.glass, 0.5, 0.6),
    ]


def _van(rng: Random, c: Palette, pattern: str) -> Parts:
    """Tall, with three windows and a stripe."""
    h = rng.uniform(0.95, 1.1)
    return [
        Part(blob((-0.98, 0.18), (-0.99, h - 0.08), (-0.85, h), (0.4, h), (0.62, h - 0.08), (0.86, 0.56),
                  (0.99, 0.46), (1.0, 0.18), (0, 0.15), steps=4), c.main, 1, 1, pattern),
        Part(box(-1.0, 0.36, 0.98, 0.45), c.second, 0.4, 0.5),
        *[Part(box(x, 0.58, x + 0.36, h - 0.14, 0.05), c.glass, 0.5, 0.6) for x in (-0.84, -0.38)],
        Part(poly((0.08, 0.58), (0.08, h - 0.14), (0.46, h - 0.14), (0.68, 0.58)), c.glass, 0.5, 0.6),
    ]


def _pick_up(rng: Random, c: Palette, pattern: str) -> Parts:
    """A cab and a load."""
    load = [Part(box(-0.98 + k * 0.3, 0.5, -0.7 + k * 0.3, 0.72 + 0.1 * rng.random(), 0.04),
                 (c.third, c.pale, c.second)[k], 1, 1, rng.choice(CLOTH)) for k in range(3)]
    return [*load,
        Part(blob((-0.05, 0.5), (0.0, 0.9), (0.12, 0.95), (0.36, 0.93), (0.58, 0.56), (0.3, 0.45)), c.main),
        Part(poly((0.08, 0.56), (0.1, 0.84), (0.32, 0.84), (0.46, 0.56)), c.glass, 0.5, 0.6),
        Part(box(-1.02, 0.2, 0.1, 0.56, 0.05), c.main, 1, 1, pattern),
        Part(blob((-0.1, 0.18), (-0.1, 0.56), (0.5, 0.58), (0.92, 0.5), (1.0, 0.3), (0.95, 0.18)), c.main),
    ]


def car(rng: Random, c: Palette) -> Parts:
    """A saloon, a beetle, a van or a pick-up with a load, seen from its side."""
    r, pattern = rng.uniform(0.17, 0.21), rng.choice(("", "", "", "", "bars", "checks"))
    parts = rng.choice((_saloon, _beetle, _van, _pick_up))(rng, c, pattern)
    parts += [
        Part(limb((-0.02, 0.24), (-0.02, 0.52), start=0.018), darker(c.main, 0.3), 0, 0),
        Part(box(-0.22, 0.44, -0.1, 0.475, 0.01), c.pale, 0.3, 0),
        Part(oval(0.94, 0.37, 0.055, 0.07), (255, 240, 190) if c.lit else c.pale, 0.6, 0.7),
        Part(box(-1.02, 0.33, -0.94, 0.45, 0.02), c.third, 0.6, 0.7),
        Part(box(-1.05, 0.17, 1.06, 0.24, 0.03), c.pale if rng.random() < 0.5 else c.second, 0.7, 0.8),
    ]
    for x in (-0.58, 0.58):
        parts += [Part(oval(x, r + 0.02, r + 0.05), darker(c.main, 0.45), 0, 0), *_wheel(x, r, c)]
    return parts


def _hull(rng: Random, c: Palette, depth: float) -> Parts:
    hull = blob((-0.95, depth), (-0.72, 0.06), (-0.3, 0), (0.5, 0), (0.82, 0.1), (1.05, depth + 0.1),
                (0.4, depth - 0.03), (-0.4, depth - 0.04))
    stripe = limb((-0.82, depth * 0.62), (0, depth * 0.55), (0.88, depth * 0.68), start=0.06)
    return [Part(hull, c.main, 1, 1, rng.choice(("", "bars", "grain"))), Part(stripe, c.second, 0.3, 0.4)]


def _sailing_boat(rng: Random, c: Palette) -> Parts:
    """A mast with one or two sails."""
    depth = rng.uniform(0.3, 0.42)
    body = _hull(rng, c, depth)
    h, m = rng.uniform(1.45, 1.85), rng.uniform(-0.12, 0.1)
    cloth = rng.choice(CLOTH)
    parts = [
        Part(limb((m, depth - 0.1), (m, h), start=0.06), c.deep, 0.8),
        Part(blob((m + 0.05, depth + 0.12), (m + 0.05, depth + 0.4), (m + 0.06, h - 0.06),
                  (m + 0.4, h * 0.62), (m + 0.72, depth + 0.14), (m + 0.4, depth + 0.1), steps=4), c.second,
                  1, 1, cloth),
        Part(poly((m, h), (m - 0.26, h + 0.06), (m, h + 0.14)), c.third, 0.6),
    ]
    if rng.random() < 0.7:
        jib = poly((m - 0.06, depth + 0.14), (m - 0.06, h * 0.86), (m - 0.66, depth + 0.14))
        parts.append(Part(jib, c.third if rng.random() < 0.6 else c.pale, 1))
    return parts + body


def _steamer(rng: Random, c: Palette) -> Parts:
    """A cabin, round windows, a funnel."""
    depth = rng.uniform(0.3, 0.42)
    body = _hull(rng, c, depth)
    x = rng.uniform(-0.3, 0.0)
    parts = [
        Part(poly((x + 0.1, 0.7), (x + 0.13, 1.25), (x + 0.37, 1.25), (x + 0.4, 0.7)), c.third),
        Part(poly((x + 0.12, 1.04), (x + 0.125, 1.14), (x + 0.375, 1.14), (x + 0.38, 1.04)), c.pale, 0.5,
             0.5),
        Part(box(-0.6, depth - 0.1, 0.62, depth + 0.22, 0.04), c.pale),
        Part(box(-0.42, depth + 0.2, 0.42, depth + 0.46, 0.04), c.second),
    ]
    parts += [Part(oval(-0.4 + 0.26 * k, depth + 0.09, 0.065), c.glass, 0.6, 0.8) for k in range(4)]
    parts += [Part(box(-0.32 + 0.25 * k, depth + 0.28, -0.16 + 0.25 * k, depth + 0.4), c.glass, 0.4,
                   0.6) for k in range(3)]
    if rng.random() < 0.5:
        puff = scallop(x + 0.05, 1.5, 0.25, 0.13, 6, 0.25, 1)
        parts.append(Part(puff, lighter(c.deep, 0.6), 0.8, 0, "", False))
    return parts + body


def _rowing_boat(rng: Random, c: Palette) -> Parts:
    """Open, with oars."""
    depth = rng.uniform(0.3, 0.42)
    body = _hull(rng, c, depth)
    parts = [
        Part(blob((-0.86, depth), (0.95, depth + 0.07), (0.4, depth - 0.1), (-0.4, depth - 0.1)),
             darker(c.main, 0.4)),
        Part(box(-0.4, depth - 0.05, -0.18, depth + 0.05), c.pale, 0.6),
        Part(box(0.2, depth - 0.05, 0.42, depth + 0.05), c.pale, 0.6),
        *body,
    ]
    for x, turn in ((-0.1, -38), (0.12, -128)) if rng.random() < 0.6 else ((0.0, -40),):
        a = math.radians(turn)
        dx, dy = math.cos(a), math.sin(a)
        parts.append(Part(limb((x - dx * 0.6, depth - dy * 0.62), (x + dx * 0.45, depth + dy * 0.45),
                               start=0.05), c.third, 0.8))
        parts.append(Part(leaf(x + dx * 0.34, depth + dy * 0.34, 0.36, 0.16, turn), c.third, 0.8))
    return parts


def _fishing_boat(rng: Random, c: Palette) -> Parts:
    """A wheelhouse and a mast."""
    depth = rng.uniform(0.3, 0.42)
    body = _hull(rng, c, depth)
    x = rng.uniform(0.05, 0.25)
    return [
        Part(limb((x - 0.35, depth), (x - 0.35, 1.35), start=0.05), c.deep, 0.8),
        Part(limb((x - 0.35, 1.25), (-0.85, depth + 0.1), start=0.02), c.deep, 0, 0.5),
        Part(poly((x - 0.35, 1.35), (x - 0.62, 1.26), (x - 0.35, 1.17)), c.third, 0.6),
        Part(box(x - 0.2, depth - 0.1, x + 0.36, depth + 0.5, 0.03), c.second, 1),
        Part(box(x - 0.27, depth + 0.48, x + 0.44, depth + 0.57, 0.03), c.third, 0.8),
        Part(box(x - 0.1, depth + 0.2, x + 0.1, depth + 0.4), c.glass, 0.5, 0.8),
        Part(box(x + 0.16, depth + 0.2, x + 0.29, depth + 0.4), c.glass, 0.5, 0.8),
        *body,
        Part(oval(-0.45, depth * 0.62, 0.12), c.pale, 0.9),
        Part(oval(-0.45, depth * 0.62, 0.055, count=12), darker(c.main, 0.2), 0.3, 0.6),
    ]


def boat(rng: Random, c: Palette) -> Parts:
    """A sailing boat, a steamer, a rowing boat or a fishing boat."""
    return rng.choice((_sailing_boat, _steamer, _rowing_boat, _fishing_boat))(rng, c)
