"""Lamps and mugs."""

# Outlines are tables of numbers and are set by hand.
# fmt: off

from __future__ import annotations

import math
from random import Random

from sslviz.scenes.colours import Palette, darker, lighter, mix
from sslviz.scenes.shapes import CLOTH, Part, Parts, blob, box, limb, oval, poly


def _shade(x: float, y: float, w: float, h: float, top: float, c: Palette, cloth: str) -> Parts:
    """A lampshade whose lower rim is at y."""
    colour = mix(c.main, (255, 240, 190), 0.45) if c.lit else c.main
    trim = darker(colour, 0.2)
    return [
        Part(oval(x, y + 0.01, w * 0.5, 0.05), (255, 248, 214) if c.lit else darker(c.main, 0.4), 0.3),
        Part(poly((x - w / 2, y), (x - top / 2, y + h), (x + top / 2, y + h), (x + w / 2, y)), colour, 1.1, 1,
             cloth),
        Part(limb((x - w / 2, y), (x, y - 0.035), (x + w / 2, y), start=0.04), trim, 0.4, 0.4),
    ]


def _table_lamp(rng: Random, c: Palette) -> Parts:
    """A shade on a turned or round foot."""
    cloth = rng.choice(CLOTH)
    h, w = rng.uniform(0.5, 0.62), rng.uniform(0.34, 0.44)
    pot = [
        blob((-0.1, 0.05), (-w / 2, h * 0.4), (-0.08, h * 0.86), (0.08, h * 0.86), (w / 2, h * 0.4),
             (0.1, 0.05)),
        blob((-w / 2, 0.06), (-0.08, h * 0.45), (-0.07, h * 0.9), (0.07, h * 0.9), (0.08, h * 0.45),
             (w / 2, 0.06)),
        oval(0, h * 0.45, w * 0.5, h * 0.4),
    ][rng.randrange(3)]
    return [
        Part(box(-0.035, h * 0.7, 0.035, h + 0.2), c.deep, 0.8),
        Part(box(-w * 0.42, 0, w * 0.42, 0.07, 0.03), c.deep, 0.8),
        Part(pot, c.second, 1.1, 1, rng.choice(CLOTH)),
        *_shade(0, h + 0.02, rng.uniform(0.75, 0.95), rng.uniform(0.42, 0.55), rng.uniform(0.32, 0.5), c,
                cloth),
    ]


def _floor_lamp(rng: Random, c: Palette) -> Parts:
    """A shade on a long pole."""
    cloth = rng.choice(CLOTH)
    h = rng.uniform(1.25, 1.6)
    return [
        Part(limb((0, 0.05), (0, h + 0.1), start=0.065), c.second, 0.9),
        Part(blob((-0.3, 0), (-0.2, 0.09), (0.2, 0.09), (0.3, 0)), c.second, 0.9),
        *_shade(0, h, rng.uniform(0.62, 0.76), rng.uniform(0.36, 0.44), rng.uniform(0.3, 0.44), c, cloth),
    ]


def _desk_lamp(rng: Random, c: Palette) -> Parts:
    """A hood on an arm with a joint."""
    knee = (rng.uniform(-0.34, -0.24), rng.uniform(0.55, 0.66))
    top = (rng.uniform(0.1, 0.22), rng.uniform(1.0, 1.1))
    x, y = top
    a = math.radians(rng.uniform(-55, -25))
    dx, dy = math.cos(a), math.sin(a)
    px, py = -dy, dx
    hood = poly((x - dx * 0.1 + px * 0.1, y - dy * 0.1 + py * 0.1),
                (x + dx * 0.34 + px * 0.3, y + dy * 0.34 + py * 0.3),
                (x + dx * 0.34 - px * 0.3, y + dy * 0.34 - py * 0.3),
                (x - dx * 0.1 - px * 0.1, y - dy * 0.1 - py * 0.1))
    bulb = oval(x + dx * 0.36, y + dy * 0.36, 0.13)
    return [
        Part(blob((-0.34, 0), (-0.28, 0.1), (0.28, 0.1), (0.34, 0)), c.second),
        Part(limb((0, 0.08), knee, start=0.065), c.second, 0.9),
        Part(limb(knee, top, start=0.065), c.second, 0.9),
        Part(oval(*knee, 0.065), c.deep, 0.9),
        Part(bulb, (255, 244, 200) if c.lit else c.pale, 0.6),
        Part(hood, c.main, 1.2),
        Part(oval(x - dx * 0.12, y - dy * 0.12, 0.09), c.main, 0.9),
    ]


def _hanging_lamp(rng: Random, c: Palette) -> Parts:
    """A dome under the ceiling."""
    cloth = rng.choice(CLOTH)
    h = rng.uniform(0.4, 0.8)
    w = rng.uniform(0.95, 1.15)
    dome = blob((-w / 2, 0.12), (-w * 0.38, 0.4), (-0.1, 0.58), (0.1, 0.58), (w * 0.38, 0.4), (w / 2, 0.12),
                (0, 0.09), steps=5)
    return [
        Part(box(-0.022, 0.5, 0.022, 0.6 + h), c.deep, 0.4, 0.6),
        Part(blob((-0.16, 0.6 + h), (-0.1, 0.5 + h), (0.1, 0.5 + h), (0.16, 0.6 + h)), c.second, 0.9),
        Part(oval(0, 0.1, 0.15), (255, 246, 206) if c.lit else c.pale, 0.7),
        Part(dome, mix(c.main, (255, 240, 190), 0.25) if c.lit else c.main, 1.2, 1, cloth),
        Part(box(-0.1, 0.55, 0.1, 0.66, 0.03), c.second, 0.9),
    ]


def _lantern(rng: Random, c: Palette) -> Parts:
    """Glass walls and a flame, with a handle or on a post."""
    w, h = rng.uniform(0.46, 0.58), rng.uniform(0.6, 0.75)
    y = rng.choice((0.0, 0.0, 0.85))  # on its own feet, or on a post
    parts = [Part(box(-0.05, 0, 0.05, y + 0.05), c.second, 0.9), Part(box(-0.16, 0, 0.16, 0.1, 0.03),
                                                                      c.second)] if y else [
        Part(limb((-w * 0.35, h + 0.2), (-w * 0.3, h + 0.48), (w * 0.3, h + 0.48), (w * 0.35, h + 0.2),
                  start=0.04), c.second, 0.7)]
    shine = (255, 232, 150) if c.lit else lighter(c.glass, 0.4)
    parts += [
        Part(poly((-w * 0.36, y + 0.08), (-w / 2, y + h), (w / 2, y + h), (w * 0.36, y + 0.08)), shine, 0.9),
        Part(blob((0, y + 0.2), (0.09, y + 0.32), (0, y + 0.54), (-0.09, y + 0.32)),
             (255, 250, 224) if c.lit else c.third, 0.5, 0.6),
        Part(limb((-w * 0.15, y + 0.1), (-w * 0.2, y + h), start=0.035), c.main, 0.3, 0.4),
        Part(limb((w * 0.15, y + 0.1), (w * 0.2, y + h), start=0.035), c.main, 0.3, 0.4),
        Part(box(-w * 0.46, y, w * 0.46, y + 0.1, 0.03), c.main),
        Part(poly((-w * 0.62, y + h), (w * 0.62, y + h), (w * 0.2, y + h + 0.24), (-w * 0.2, y + h + 0.24)),
             c.main),
        Part(oval(0, y + h + 0.27, 0.07), c.main, 0.8),
    ]
    return parts


def lamp(rng: Random, c: Palette) -> Parts:
    """A table lamp, floor lamp, desk lamp, hanging lamp or lantern."""
    return rng.choice((_table_lamp, _floor_lamp, _desk_lamp, _hanging_lamp, _lantern))(rng, c)


def mug(rng: Random, c: Palette) -> Parts:
    """A straight mug, a tapered one, a round cup or a tall one, seen a little from above."""
    kind = rng.randrange(4)
    w, h = ((0.78, 0.82), (0.86, 0.78), (1.0, 0.66), (0.68, 1.08))[kind]
    w, h = w * rng.uniform(0.92, 1.08), h * rng.uniform(0.92, 1.08)
    foot, d = (w * 0.96, w * 0.66, w * 0.5, w * 0.8)[kind], rng.uniform(0.1, 0.16)
    a, b = w / 2, foot / 2
    belly = {2: a * 1.0, 1: (a + b) * 0.52}.get(kind, (a + b) / 2)
    side = [(-a, h), (-belly, h * 0.45), (-b, d * 0.55), (0, -d * 0.25), (b, d * 0.55), (belly, h * 0.45),
            (a, h)]
    body = blob(*side, (a * 0.5, h - d * 0.6), (-a * 0.5, h - d * 0.6))
    parts: Parts = []
    if rng.random() < 0.3 or kind == 2:
        parts += [
            Part(oval(0, 0.03, a * 1.5, d * 0.95), c.pale, 0.8),
            Part(oval(0, 0.05, a * 0.95, d * 0.5), darker(c.pale, 0.12), 0.3, 0.5),
        ]
    top, low = h * rng.uniform(0.78, 0.86), h * rng.uniform(0.22, 0.34)
    inset = {1: 0.07, 2: 0.1}.get(kind, 0.02)
    ear = [(a - 0.06, top), (a + 0.24, top + 0.02), (a + 0.3, (top + low) / 2), (a + 0.18, low),
           (a - inset - 0.08, low)]
    parts.append(Part(limb(*ear, start=0.115), c.main, 0.9))
    parts.append(Part(body, c.main, 1.2, 1, rng.choice(CLOTH)))
    mark = rng.randrange(5)
    if mark == 0:
        parts.append(Part(limb((-belly * 0.88, h * 0.46), (0, h * 0.44 - d * 0.6), (belly * 0.88, h * 0.46),
                               start=0.13), c.second, 0.4, 0.4))
    elif mark == 1:
        y = h * 0.42
        parts.append(Part(blob((0, y - 0.17), (0.17, y + 0.05), (0.1, y + 0.16), (0, y + 0.09),
                               (-0.1, y + 0.16), (-0.17, y + 0.05)), c.second, 0.6, 0.5))
    elif mark == 2:
        parts += [Part(oval(x * belly, h * y, 0.06, count=14), c.second, 0.6, 0.4) for x,
                  y in ((-0.6, 0.55), (-0.2, 0.3), (0.15, 0.58), (0.55, 0.34))]
    tea = rng.choice(((92, 56, 34), (156, 94, 44), (226, 198, 164), (120, 136, 64), (150, 52, 46)))
    parts += [
        Part(oval(0, h, a, d), lighter(c.main, 0.25), 0.6),
        Part(oval(0, h - 0.01, a * 0.86, d * 0.78), darker(c.main, 0.45), 0.3, 0.5),
        Part(oval(0, h - d * 0.22, a * 0.74, d * 0.52), tea, 0.5, 0),
    ]
    if rng.random() < 0.45:
        for x in (-0.14, 0.12):
            puff = limb((x, h + 0.1), (x + 0.07, h + 0.24), (x - 0.04, h + 0.38), (x + 0.04, h + 0.52),
                        start=0.05, end=0.02)
            parts.append(Part(puff, (244, 240, 236), 0.3, 0, "", False))
    return parts
