"""Houses."""

# Outlines are tables of numbers and are set by hand.
# fmt: off

from __future__ import annotations

from random import Random

from sslviz.scenes.colours import Colour, Palette, darker
from sslviz.scenes.shapes import Part, Parts, box, oval, poly


def _window(x: float, y: float, w: float, h: float, c: Palette, frame: Colour) -> Parts:
    """A window with a cross, its middle at (x, y)."""
    bar = min(w, h) * 0.09
    return [
        Part(box(x - w / 2 - 0.03, y - h / 2 - 0.03, x + w / 2 + 0.03, y + h / 2 + 0.03), frame, 0.6),
        Part(box(x - w / 2, y - h / 2, x + w / 2, y + h / 2), c.glass, 0.5, 0),
        Part(box(x - bar, y - h / 2, x + bar, y + h / 2), frame, 0, 0),
        Part(box(x - w / 2, y - bar, x + w / 2, y + bar), frame, 0, 0),
        Part(box(x - w / 2 - 0.05, y - h / 2 - 0.06, x + w / 2 + 0.05, y - h / 2 - 0.02), frame, 0.5, 0.6),
    ]


def _door(x: float, w: float, h: float, c: Palette) -> Parts:
    return [
        Part(box(x - w / 2 - 0.03, 0, x + w / 2 + 0.03, h + 0.03, 0.05), c.pale, 0.5),
        Part(box(x - w / 2, 0, x + w / 2, h, 0.05), c.third, 0.8),
        Part(oval(x + w * 0.3, h * 0.48, 0.025), c.pale, 0.4, 0.5),
    ]


def _cottage(rng: Random, c: Palette) -> Parts:
    """Its gable to the front."""
    wall = rng.choice(("", "grain", "bars", ""))
    w, h, r = rng.uniform(0.85, 1.15), rng.uniform(0.5, 0.75), rng.uniform(0.4, 0.65)
    x = rng.choice((-1, 1)) * w * 0.26
    parts = [
        Part(box(x - 0.08, h, x + 0.08, h + r * 0.95), c.third, 0.8, 1, "tiles"),
        Part(box(x - 0.11, h + r * 0.95, x + 0.11, h + r * 0.95 + 0.07), c.pale, 0.6),
        Part(poly((-w / 2, 0), (w / 2, 0), (w / 2, h), (0, h + r), (-w / 2, h)), c.main, 0.8, 1, wall),
    ]
    e = w / 2 + 0.12
    drop = h - 0.1
    parts.append(Part(poly((-e, drop), (0, h + r - 0.02), (e, drop), (e, drop + 0.13), (0, h + r + 0.13),
                           (-e, drop + 0.13)), c.second, 0.9))
    parts.append(Part(oval(0, h + r * 0.3, 0.1), c.pale, 0.5))
    parts.append(Part(oval(0, h + r * 0.3, 0.07), c.glass, 0.4, 0))
    side = rng.choice((-1, 1))
    return parts + _door(side * w * 0.24, 0.2, 0.36, c) + _window(-side * w * 0.22, 0.3, 0.22, 0.2, c, c.pale)


def _long_house(rng: Random, c: Palette) -> Parts:
    """Its long side to the front."""
    roof = rng.choice(("tiles", "tiles", "bars", "grain", ""))
    wall = rng.choice(("", "grain", "bars", ""))
    w, h, r = rng.uniform(1.3, 1.7), rng.uniform(0.42, 0.58), rng.uniform(0.36, 0.5)
    x = rng.uniform(-0.3, 0.3) * w
    parts = [
        Part(box(x - 0.08, h, x + 0.08, h + r + 0.16), c.third, 0.8, 1, "tiles"),
        Part(box(x - 0.11, h + r + 0.14, x + 0.11, h + r + 0.2), c.pale, 0.6),
        Part(box(-w / 2, 0, w / 2, h), c.main, 0.8, 1, wall),
        Part(poly((-w / 2 - 0.1, h - 0.04), (w / 2 + 0.1, h - 0.04), (w / 2 - 0.16, h + r),
                  (-w / 2 + 0.16, h + r)), c.second, 0.9, 1, roof),
    ]
    slot = rng.randrange(3)
    for k, at in enumerate((-w * 0.32, 0.0, w * 0.32)):
        parts += _door(at, 0.2, h * 0.76, c) if k == slot else _window(at, h * 0.52, 0.22, 0.2, c, c.pale)
    return parts


def _town_house(rng: Random, c: Palette) -> Parts:
    """Narrow, two or three floors."""
    roof = rng.choice(("tiles", "tiles", "bars", "grain", ""))
    wall = rng.choice(("", "grain", "bars", ""))
    w, h, r = rng.uniform(0.62, 0.8), rng.uniform(0.95, 1.25), rng.uniform(0.22, 0.34)
    floors = 3 if h > 1.08 else 2
    top = [
        poly((-w / 2 - 0.05, h), (w / 2 + 0.05, h), (w / 2 - 0.1, h + r), (-w / 2 + 0.1, h + r)),
        poly((-w / 2 - 0.05, h), (w / 2 + 0.05, h), (0, h + r + 0.15)),
        poly((-w / 2, h), (w / 2, h), (w / 2, h + 0.12), (w / 4, h + 0.12), (w / 4, h + 0.24),
             (w / 8, h + 0.24), (w / 8, h + 0.36), (-w / 8, h + 0.36), (-w / 8, h + 0.24), (-w / 4, h + 0.24),
             (-w / 4, h + 0.12), (-w / 2, h + 0.12)),
    ][rng.randrange(3)]
    parts = [
        Part(box(-w / 2, 0, w / 2, h), c.main, 0.8, 1, wall),
        Part(top, c.second, 0.9, 1, roof),
        Part(box(-w / 2 - 0.06, h - 0.04, w / 2 + 0.06, h + 0.03), c.pale, 0.6),
    ]
    step = h / (floors + 0.15)
    for floor in range(1, floors):
        for side in (-1, 1):
            parts += _window(side * w * 0.24, step * (floor + 0.45), 0.15, 0.2, c, c.pale)
    side = rng.choice((-1, 1))
    return parts + _door(side * w * 0.22, 0.19, 0.32, c) + _window(-side * w * 0.22, 0.24, 0.18, 0.18, c,
                                                                   c.pale)


def _from_the_corner(rng: Random, c: Palette) -> Parts:
    """Gable and side at once."""
    roof = rng.choice(("tiles", "tiles", "bars", "grain", ""))
    wall = rng.choice(("", "grain", "bars", ""))
    a, b, h, r, rise = rng.uniform(0.6, 0.75), rng.uniform(0.65, 0.95), rng.uniform(0.5, 0.65), 0.48, 0.1
    shade = darker(c.main, 0.22)
    return [
        Part(poly((a, 0), (a + b, rise), (a + b, h + rise), (a, h)), shade, 0.7, 1, wall),
        Part(poly((0, 0), (a, 0), (a, h), (a / 2, h + r), (0, h)), c.main, 0.8, 1, wall),
        Part(box(a + b * 0.6, h + 0.35, a + b * 0.6 + 0.14, h + r + 0.3), c.third, 0.8, 1, "tiles"),
        Part(poly((a / 2 - 0.03, h + r + 0.08), (a / 2 + b, h + r + rise + 0.06),
                  (a + b + 0.09, h + rise - 0.06), (a + 0.07, h - 0.1)), c.second, 0.9, 1, roof),
        Part(poly((a / 2 - 0.03, h + r + 0.1), (a / 2, h + r - 0.05), (0, h - 0.1), (-0.09, h - 0.07)),
             darker(c.second, 0.2), 0.6),
        *_door(a * 0.5, 0.19, 0.34, c),
        *_window(a + b * 0.5, h * 0.55 + rise * 0.5, 0.24, 0.2, c, c.pale),
        Part(oval(a / 2, h + 0.1, 0.075), c.pale, 0.5),
        Part(oval(a / 2, h + 0.1, 0.05), c.glass, 0.4, 0),
    ]


def house(rng: Random, c: Palette) -> Parts:
    """A cottage, a long house, a town house, or a house seen from its corner."""
    return rng.choice((_cottage, _long_house, _town_house, _from_the_corner))(rng, c)
