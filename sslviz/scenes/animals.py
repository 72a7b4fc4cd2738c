"""Cats and birds, facing right where they do not look at us."""

# Outlines are tables of numbers and are set by hand.
# fmt: off

from __future__ import annotations

import math
from random import Random

import numpy as np

from sslviz.scenes.colours import NIGHT, Palette, darker, lighter, luminance, mix
from sslviz.scenes.shapes import Part, Parts, Points, blob, leaf, limb, oval, poly, turned


def _cat_head(x: float, y: float, r: float, c: Palette, rng: Random) -> Parts:
    """A cat's face seen from the front."""
    inner = mix(c.main, (236, 140, 140), 0.55)
    parts: Parts = []
    for side in (-1, 1):
        ear = poly((x + side * r * 0.95, y + r * 0.25), (x + side * r * 0.88, y + r * 1.32),
                   (x + side * r * 0.18, y + r * 0.78))
        parts.append(Part(ear, c.main, 0.8))
        lobe = poly((x + side * r * 0.8, y + r * 0.5), (x + side * r * 0.78, y + r * 1.05),
                    (x + side * r * 0.38, y + r * 0.74))
        parts.append(Part(lobe, inner, 0, 0))
    parts.append(Part(blob((x - r * 1.08, y - r * 0.15), (x - r * 0.7, y + r * 0.72), (x, y + r * 0.82),
                           (x + r * 0.7, y + r * 0.72), (x + r * 1.08, y - r * 0.15),
                           (x + r * 0.6, y - r * 0.76), (x - r * 0.6, y - r * 0.76)), c.main, 1))
    iris = c.third if abs(luminance(c.third) - luminance(c.main)) > 50 else (250, 236, 140)
    for side in (-1, 1):
        eye = oval(x + side * r * 0.42, y + r * 0.1, r * 0.2, r * 0.23, count=14)
        parts.append(Part(eye, iris, 0.2, 0.5))
        parts.append(Part(oval(x + side * r * 0.42, y + r * 0.1, r * 0.09, r * 0.2, count=12), NIGHT, 0, 0))
    parts.append(Part(oval(x, y - r * 0.36, r * 0.36, r * 0.22), lighter(c.main, 0.45), 0.5, 0))
    parts.append(Part(poly((x - r * 0.13, y - r * 0.16), (x + r * 0.13, y - r * 0.16), (x, y - r * 0.32)),
                      (226, 118, 122), 0, 0))
    whisker = lighter(c.main, 0.75) if luminance(c.main) < 130 else darker(c.main, 0.65)
    for side in (-1, 1):
        for dy in (-0.04, -0.2):
            hair = limb((x + side * r * 0.3, y - r * 0.34), (x + side * r * 1.3, y + r * (dy * 2.4)),
                        start=0.016, steps=2)
            parts.append(Part(hair, whisker, 0, 0, "", False))
    if rng.random() < 0.5:
        mark = darker(c.main, 0.35)
        parts += [Part(limb((x + dx * r, y + r * 0.74), (x + dx * r * 0.8, y + r * 0.44), start=0.05,
                            end=0.02), mark, 0, 0) for dx in (-0.25, 0, 0.25)]
    return parts


def _cat_facing_us(rng: Random, c: Palette) -> Parts:
    """Sits and looks at us."""
    coat = rng.choice(("", "bars", "hatch", "grain", "stripes"))
    bib = lighter(c.main, 0.45) if rng.random() < 0.5 else c.main
    tail = limb((0.25, 0.1), (0.6, 0.12), (0.66, 0.42), (0.5, rng.uniform(0.5, 0.75)), start=0.15, end=0.09)
    return [
        Part(tail, c.main, 0.9, 1, coat),
        Part(blob((-0.4, 0.06), (-0.42, 0.4), (-0.2, 0.85), (0.2, 0.85), (0.42, 0.4), (0.4, 0.06), (0, 0)),
             c.main, 1, 1, coat),
        Part(blob((-0.16, 0.78), (0.16, 0.78), (0.14, 0.4), (0, 0.3), (-0.14, 0.4)), bib, 0.5, 0),
        *[Part(limb((s * 0.13, 0.5), (s * 0.14, 0.1), start=0.17), c.main, 0.7) for s in (-1, 1)],
        *[Part(oval(s * 0.15, 0.06, 0.13, 0.085), bib, 0.7) for s in (-1, 1)],
        *_cat_head(rng.uniform(-0.06, 0.06), 1.02, rng.uniform(0.33, 0.38), c, rng),
    ]


def _cat_sideways(rng: Random, c: Palette) -> Parts:
    """Sits, seen from its side."""
    coat = rng.choice(("", "bars", "hatch", "grain", "stripes"))
    bib = lighter(c.main, 0.45) if rng.random() < 0.5 else c.main
    sway = rng.uniform(-0.15, 0.2)
    tail = limb((-0.45, 0.12), (-0.8, 0.1), (-0.92, 0.4 + sway), (-0.78, 0.62 + sway), start=0.15, end=0.09)
    return [
        Part(tail, c.main, 0.9, 1, coat),
        Part(blob((-0.58, 0.05), (-0.58, 0.4), (-0.3, 0.7), (0.02, 0.95), (0.3, 0.85), (0.32, 0.4),
                  (0.3, 0.02)), c.main, 1, 1, coat),
        Part(blob((-0.5, 0.06), (-0.46, 0.36), (-0.2, 0.46), (-0.02, 0.26), (-0.06, 0.04)), c.main, 0.9, 0.7,
             coat),
        Part(limb((0.16, 0.55), (0.2, 0.1), start=0.17), c.main, 0.8),
        Part(oval(0.26, 0.06, 0.14, 0.08), bib, 0.7),
        Part(oval(0.0, 0.06, 0.16, 0.08), bib, 0.7),
        *_cat_head(0.24, 1.06, rng.uniform(0.3, 0.34), c, rng),
    ]


def _cat_walking(rng: Random, c: Palette) -> Parts:
    """On four legs, its tail up."""
    coat = rng.choice(("", "bars", "hatch", "grain", "stripes"))
    bib = lighter(c.main, 0.45) if rng.random() < 0.5 else c.main
    step = rng.uniform(0.03, 0.16)
    lift = rng.uniform(0.85, 1.15)
    tail = limb((-0.66, 0.62), (-0.95, 0.75), (-0.98, lift), (-0.8, lift + 0.18), start=0.13, end=0.08)
    far = darker(c.main, 0.25)
    return [
        Part(tail, c.main, 0.9, 1, coat),
        *[Part(limb((x, 0.45), (x + d, 0.06), start=0.15, end=0.12), far, 0.7) for x,
          d in ((-0.45, step), (0.5, -step))],
        Part(blob((-0.74, 0.5), (-0.64, 0.72), (-0.2, 0.74), (0.35, 0.76), (0.64, 0.64), (0.58, 0.36),
                  (0, 0.32), (-0.6, 0.3)), c.main, 1, 1, coat),
        *[Part(limb((x, 0.48), (x - d, 0.06), start=0.17, end=0.13), c.main, 0.8) for x,
          d in ((-0.58, step), (0.42, -step))],
        *[Part(oval(x, 0.05, 0.11, 0.065), bib, 0.6) for x in (-0.56 - step, 0.46 + step)],
        *_cat_head(0.7, 0.86, rng.uniform(0.27, 0.31), c, rng),
    ]


def _cat_curled(rng: Random, c: Palette) -> Parts:
    """Lies on its paws."""
    coat = rng.choice(("", "bars", "hatch", "grain", "stripes"))
    bib = lighter(c.main, 0.45) if rng.random() < 0.5 else c.main
    return [
        Part(blob((-0.82, 0.12), (-0.72, 0.46), (-0.3, 0.66), (0.3, 0.58), (0.66, 0.3), (0.6, 0.04),
                  (-0.6, 0.0)), c.main, 1, 1, coat),
        Part(blob((-0.74, 0.06), (-0.66, 0.34), (-0.36, 0.42), (-0.14, 0.24), (-0.2, 0.03)), c.main, 0.9, 0.7,
             coat),
        Part(limb((-0.72, 0.1), (-0.4, 0.02), (0.05, 0.07), start=0.14, end=0.1), c.main, 0.9, 1, coat),
        Part(oval(0.72, 0.07, 0.18, 0.08), bib, 0.7),
        Part(oval(0.36, 0.06, 0.18, 0.08), bib, 0.7),
        *_cat_head(0.52, rng.uniform(0.46, 0.54), rng.uniform(0.29, 0.33), c, rng),
    ]


def cat(rng: Random, c: Palette) -> Parts:
    """A cat that sits facing us, sits sideways, walks, or lies curled."""
    return rng.choice((_cat_facing_us, _cat_sideways, _cat_walking, _cat_curled))(rng, c)


def _beak(x: float, y: float, size: float, c: Palette) -> Parts:
    return [
        Part(poly((x, y + size * 0.45), (x + size * 1.4, y - size * 0.05), (x, y - size * 0.4)), c.third, 0.7,
             0.8),
    ]


def _eye(x: float, y: float, r: float) -> Parts:
    return [Part(oval(x, y, r, count=14), (250, 246, 236), 0, 0.5), Part(oval(x + r * 0.15, y, r * 0.55,
                                                                              count=12), NIGHT, 0, 0)]


def _feather(points: Points, c: Palette, rng: Random) -> Parts:
    return [Part(points, c.second, 1, 1, rng.choice(("", "bars", "hatch", "grain", "dots")))]


def _wing(x: float, y: float, length: float, degrees: float) -> Points:
    """A spread wing from its shoulder at (x, y): a smooth leading edge, feather tips behind."""
    edge = blob((0.12, 0.0), (0.1, 0.35), (0.05, 0.8), (-0.12, 1.08), (-0.16, 0.9), (-0.27, 0.86),
                (-0.25, 0.68), (-0.38, 0.62), (-0.34, 0.45), (-0.46, 0.36), (-0.4, 0.2), (-0.42, 0.02),
                (-0.15, -0.1), steps=4)
    wing = turned(edge * length, degrees - 90)
    wing += np.array([x, y])
    return wing


def _songbird(rng: Random, c: Palette) -> Parts:
    """Perched on a twig."""
    belly = c.pale if rng.random() < 0.6 else lighter(c.main, 0.35)
    twig = limb((-0.75, 0.02), (0, 0.09), (0.8, 0.03), start=0.1, end=0.06)
    return [
        Part(blob((-0.45, 0.5), (-1.05, 0.3 + rng.uniform(-0.1, 0.2)), (-1.1, 0.44), (-0.4, 0.72)), c.second),
        *[Part(limb((x, 0.32), (x + 0.04, 0.1), start=0.04), c.third, 0.4, 0.6) for x in (-0.06, 0.14)],
        Part(twig, mix(c.deep, (120, 84, 52), 0.5), 0.9, 1, "grain"),
        Part(leaf(-0.55, 0.06, 0.26, 0.13, 120), c.third, 0.7),
        Part(blob((-0.6, 0.5), (-0.3, 0.24), (0.15, 0.24), (0.46, 0.52), (0.5, 0.85), (0.3, 1.04),
                  (0.06, 0.96), (-0.12, 0.78)), c.main),
        Part(blob((0.0, 0.28), (0.32, 0.44), (0.42, 0.66), (0.16, 0.62), (-0.08, 0.38)), belly, 0.6, 0),
        *_beak(0.48, 0.84, 0.16, c),
        *_feather(blob((-0.7, 0.42), (-0.3, 0.36), (0.06, 0.5), (0.02, 0.74), (-0.26, 0.74)), c, rng),
        *_eye(0.3, 0.86, 0.07),
    ]


def _in_flight(rng: Random, c: Palette) -> Parts:
    """Both wings up."""
    belly = c.pale if rng.random() < 0.6 else lighter(c.main, 0.35)
    up, spread = rng.uniform(0.75, 1.0), rng.uniform(0.1, 0.35)
    return [
        Part(_wing(0.2, 0.56, up * 0.95, 78 - 40 * spread), darker(c.second, 0.25), 0.9),
        Part(blob((-0.5, 0.46), (-1.05, 0.6), (-0.98, 0.42), (-1.08, 0.26), (-0.5, 0.3)), c.second),
        Part(blob((-0.68, 0.42), (-0.2, 0.16), (0.35, 0.22), (0.62, 0.42), (0.72, 0.62), (0.5, 0.76),
                  (0.24, 0.66), (-0.2, 0.56)), c.main),
        Part(blob((-0.3, 0.24), (0.2, 0.2), (0.5, 0.4), (0.1, 0.38)), belly, 0.5, 0),
        *_beak(0.7, 0.6, 0.15, c),
        *_eye(0.54, 0.63, 0.06),
        *_feather(_wing(0.1, 0.5, up * 1.2, 112 + 40 * spread), c, rng),
    ]


def _owl(rng: Random, c: Palette) -> Parts:
    """Facing us."""
    belly = c.pale if rng.random() < 0.6 else lighter(c.main, 0.35)
    return [
        *[Part(poly((s * 0.44, 1.12), (s * 0.4, 1.5), (s * 0.06, 1.24)), c.main, 0.8) for s in (-1, 1)],
        Part(blob((-0.32, 0.06), (-0.5, 0.5), (-0.46, 1.0), (-0.26, 1.26), (0.26, 1.26), (0.46, 1.0),
                  (0.5, 0.5), (0.32, 0.06)), c.main),
        Part(blob((-0.26, 0.12), (-0.32, 0.5), (0, 0.72), (0.32, 0.5), (0.26, 0.12)), belly, 0.6, 0.5,
             rng.choice(("dots", "bars", "tiles", "grain"))),
        *[p for s in (-1, 1) for p in _feather(blob((s * 0.44, 0.82), (s * 0.6, 0.46), (s * 0.4, 0.14),
                                                    (s * 0.3, 0.5)), c, rng)],
        *[Part(oval(s * 0.2, 0.98, 0.21), belly, 0.6, 0.8) for s in (-1, 1)],
        *[Part(oval(s * 0.18, 0.98, 0.1, count=14), NIGHT, 0, 0) for s in (-1, 1)],
        *[Part(oval(s * 0.18 + 0.03, 1.02, 0.03, count=8), (250, 250, 245), 0, 0) for s in (-1, 1)],
        Part(poly((-0.09, 0.92), (0.09, 0.92), (0, 0.74)), c.third, 0.7, 0.8),
        *[Part(blob((s * 0.28, 0.02), (s * 0.16, 0.13), (s * 0.06, 0.02), (s * 0.16, -0.02)), c.third, 0.7,
               0.8) for s in (-1, 1)],
    ]


def _duck(rng: Random, c: Palette) -> Parts:
    """Standing, its neck up."""
    belly = c.pale if rng.random() < 0.6 else lighter(c.main, 0.35)
    neck = rng.uniform(0.85, 1.05)
    return [
        *[Part(limb((x, 0.3), (x, 0.05), (x + 0.12, 0.03), start=0.06), c.third, 0.6,
               0.7) for x in (-0.12, 0.14)],
        Part(blob((-0.95, 0.66), (-0.62, 0.3), (-0.1, 0.18), (0.36, 0.28), (0.5, 0.55), (0.2, 0.62),
                  (-0.4, 0.56)), c.main),
        Part(limb((0.28, 0.45), (0.32, 0.7), (0.4, neck), start=0.34, end=0.26), c.main, 0.8),
        Part(oval(0.44, neck, 0.23, 0.21), c.main, 0.8, 0.0),
        Part(limb((0.16, 0.68), (0.46, 0.66), start=0.07), belly, 0.4, 0.5),
        Part(blob((0.62, neck + 0.06), (0.92, neck - 0.04), (0.9, neck - 0.1), (0.62, neck - 0.1)), c.third,
             0.7, 0.8),
        *_feather(blob((-0.66, 0.54), (-0.36, 0.32), (0.06, 0.34), (0.14, 0.54), (-0.2, 0.62)), c, rng),
        *_eye(0.48, neck + 0.05, 0.055),
    ]


def _wader(rng: Random, c: Palette) -> Parts:
    """On long legs."""
    s = rng.uniform(-0.05, 0.08)
    bend = math.sin(s)
    return [
        Part(limb((-0.1, 0.75), (-0.06, 0.4), (-0.1, 0.03), (0.04, 0.03), start=0.055), c.third, 0.6, 0.7),
        Part(limb((0.1, 0.75), (0.22 + s, 0.42), (0.1, 0.03), (0.24, 0.03), start=0.055), c.third, 0.6, 0.7),
        Part(limb((0.26, 0.92), (0.56, 1.1), (0.36, 1.36), (0.5, 1.56 + bend), start=0.19, end=0.14), c.main,
             0.9),
        Part(blob((-0.74, 0.76), (-0.4, 0.66), (0.1, 0.66), (0.42, 0.88), (0.16, 1.1), (-0.34, 1.06)),
             c.main),
        Part(oval(0.54, 1.6 + bend, 0.17, 0.14), c.main, 0.8),
        Part(blob((0.66, 1.66 + bend), (0.9, 1.54 + bend), (0.9, 1.42 + bend), (0.66, 1.54 + bend)), c.third,
             0.7, 0.8),
        *_feather(blob((-0.84, 0.74), (-0.4, 0.76), (0.06, 0.8), (0.1, 0.98), (-0.3, 1.02)), c, rng),
        *_eye(0.57, 1.64 + bend, 0.045),
    ]


def bird(rng: Random, c: Palette) -> Parts:
    """A songbird on a twig, a bird in flight, an owl, a duck, or a wader on long legs."""
    return rng.choice((_songbird, _in_flight, _owl, _duck, _wader))(rng, c)
