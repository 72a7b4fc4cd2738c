"""Small neutral things around the object: clouds, stars, bushes, stones, frames, books, cushions.

None of them looks like a class. Outlines are in pixels, y down, so they are painted as they are.
"""

from __future__ import annotations

import math
from random import Random

import numpy as np

from sslviz.scenes.colours import ANY, LIGHT, Colour, darker, lighter, mix, unlike
from sslviz.scenes.painting import SIDE
from sslviz.scenes.shapes import Part, Parts, Points, blob, box, leaf, oval, poly, scallop, turned


def _star(x: float, y: float, r: float) -> Points:
    a = np.arange(10) * (math.pi / 5)
    reach = np.where(np.arange(10) % 2, r * 0.45, r)
    return np.stack([x + reach * np.sin(a), y - reach * np.cos(a)], axis=1)


def sky_things(rng: Random, horizon: float, sky: Colour, dim: bool) -> Parts:
    """Clouds, and at night stars, sometimes a sun or a moon."""
    parts: Parts = []
    if rng.random() < (0.45 if dim else 0.25):
        x, y, r = rng.uniform(8, 120), rng.uniform(6, max(horizon - 8, 12)), rng.uniform(5, 11)
        disc = rng.choice(((255, 244, 205), (250, 214, 140), (244, 150, 110), (238, 240, 244)))
        parts += [Part(oval(x, y, r * 1.6), mix(sky, disc, 0.25), 0, 0), Part(oval(x, y, r), disc, 0.4, 0)]
        if dim and rng.random() < 0.5:
            parts.append(Part(oval(x + r * 0.5, y - r * 0.2, r * 0.85), mix(sky, disc, 0.12), 0, 0))
    if dim:
        for _ in range(rng.randrange(6, 22)):
            spot = oval(rng.uniform(0, SIDE), rng.uniform(0, horizon), rng.uniform(0.4, 1.0), count=8)
            parts.append(Part(spot, (250, 244, 220), 0, 0))
        for _ in range(rng.randrange(3)):
            parts.append(
                Part(
                    _star(rng.uniform(4, 124), rng.uniform(3, horizon), rng.uniform(2, 3.4)),
                    (252, 236, 170),
                    0,
                    0,
                )
            )
    tone = (lighter if rng.random() < 0.65 else darker)(sky, rng.uniform(0.2, 0.6))
    for _ in range(rng.randrange(4)):
        x, y, w = rng.uniform(0, SIDE), rng.uniform(2, max(horizon - 4, 6)), rng.uniform(9, 22)
        bumps, phase = rng.randrange(5, 8), rng.random() * 3
        parts.append(Part(scallop(x, y, w, w * rng.uniform(0.28, 0.45), bumps, 0.25, phase), tone, 0.6, 0))
    return parts


def _bush(rng: Random, x: float, y: float, w: float, colour: Colour) -> Parts:
    shape = scallop(x, y, w, w * rng.uniform(0.5, 0.8), rng.randrange(6, 10), 0.2, rng.random() * 3)
    return [Part(shape, colour, 0.9, 0.6, rng.choice(("", "grain")))]


def _stone(rng: Random, x: float, y: float, w: float, colour: Colour) -> Parts:
    h = w * rng.uniform(0.5, 0.75)
    shape = blob(
        (x - w, y + h * 0.4),
        (x - w * 0.6, y - h * 0.6),
        (x + w * 0.2, y - h),
        (x + w * 0.9, y - h * 0.3),
        (x + w, y + h * 0.5),
    )
    return [Part(shape, colour, 0.9, 0.6, "grain")]


def _tuft(rng: Random, x: float, y: float, size: float, colour: Colour) -> Parts:
    return [
        Part(leaf(x, y, size, size * 0.28, -90 + d + rng.uniform(-8, 8)), colour, 0, 0) for d in (-28, 0, 26)
    ]


def outdoor_things(rng: Random, horizon: float, ground: Colour) -> Parts:
    """Bushes, stones, tufts, a fence, puddles on the ground, far ones first."""
    parts: Parts = []
    if rng.random() < 0.18:
        wood, y, step = rng.choice(ANY), horizon + rng.uniform(0, 8), rng.uniform(9, 15)
        h, x = step * 0.9, rng.uniform(0, 8)
        parts += [Part(box(-2, y - h * d, SIDE + 2, y - h * d + 2), wood, 0.5, 0.4) for d in (0.3, 0.7)]
        while x < SIDE:
            parts.append(Part(box(x, y - h, x + 2.6, y + 1), wood, 0.8, 0.5))
            x += step
    count = rng.choice((0, 1, 2, 3, 4, 6, 8))
    places = sorted(horizon + (SIDE - horizon) * rng.random() ** 1.4 for _ in range(count))
    leaves, rock = mix(ground, rng.choice(ANY), 0.5), mix(rng.choice(ANY), (150, 146, 142), 0.4)
    for y in places:
        near = 0.35 + 0.65 * (y - horizon) / (SIDE - horizon)
        x, kind = rng.uniform(-2, 130), rng.random()
        if kind < 0.35:
            parts += _bush(rng, x, y, rng.uniform(6, 13) * near, leaves)
        elif kind < 0.65:
            parts += _stone(rng, x, y, rng.uniform(3, 8) * near, rock)
        elif kind < 0.85:
            parts += _tuft(rng, x, y, rng.uniform(6, 11) * near, darker(leaves, 0.15))
        else:
            puddle = blob(
                (x - 11 * near, y),
                (x - 4, y - 2.4 * near),
                (x + 10 * near, y - 1),
                (x + 8 * near, y + 3 * near),
                (x - 6, y + 2 * near),
            )
            parts.append(Part(puddle, mix(ground, rng.choice(LIGHT), 0.5), 0.3, 0.4))
    return parts


def _frame(rng: Random, x: float, y: float, w: float, h: float) -> Parts:
    """A picture of nothing in particular."""
    border, sheet = rng.choice(ANY), rng.choice(LIGHT)
    parts = [
        Part(box(x - w, y - h, x + w, y + h), border, 0.8, 0.7),
        Part(box(x - w * 0.78, y - h * 0.78, x + w * 0.78, y + h * 0.78), sheet, 0, 0.4),
    ]
    colour = unlike(rng, [sheet], 80)
    if rng.random() < 0.5:
        parts.append(
            Part(
                oval(x + w * rng.uniform(-0.2, 0.2), y + h * rng.uniform(-0.2, 0.2), min(w, h) * 0.4),
                colour,
                0,
                0,
            )
        )
    else:
        parts.append(
            Part(
                box(x - w * 0.6, y - h * 0.6, x + w * rng.uniform(-0.1, 0.5), y + h * rng.uniform(0, 0.6)),
                colour,
                0,
                0,
            )
        )
    return parts


def _books(rng: Random, x: float, y: float, count: int, high: float) -> Parts:
    """A row of books that stands on row `y`."""
    parts = []
    for _ in range(count):
        w, h = rng.uniform(2.5, 5), high * rng.uniform(0.7, 1)
        lean = rng.uniform(-8, 8) if rng.random() < 0.2 else 0.0
        parts.append(
            Part(
                turned(box(x, y - h, x + w, y), lean, x, y),
                rng.choice(ANY),
                0.6,
                0.5,
                rng.choice(("", "bars")),
            )
        )
        x += w + 0.4
    return parts


def indoor_things(rng: Random, edge: float) -> Parts:
    """On the wall: frames, a window, a shelf with books, a curtain. On the floor: cushions, books."""
    parts: Parts = []
    high = max(edge - 8, 20)
    for _ in range(rng.choice((0, 1, 1, 2, 3))):
        kind, x = rng.randrange(5), rng.uniform(6, 122)
        if kind <= 1:
            parts += _frame(rng, x, rng.uniform(8, high * 0.75), rng.uniform(6, 14), rng.uniform(6, 14))
        elif kind == 2:
            w, h, y = rng.uniform(13, 20), rng.uniform(13, 22), high * rng.uniform(0.3, 0.55)
            rail, pane = rng.choice(LIGHT), rng.choice(ANY)
            parts += [
                Part(box(x - w - 2, y - h - 2, x + w + 2, y + h + 2), rail, 0.7, 0.6),
                Part(box(x - w, y - h, x + w, y + h), pane, 0, 0.4),
            ]
            if rng.random() < 0.6:
                parts.append(
                    Part(box(x - w, y + h * rng.uniform(-0.2, 0.6), x + w, y + h), rng.choice(ANY), 0, 0)
                )
            parts += [
                Part(box(x - 0.9, y - h, x + 0.9, y + h), rail, 0, 0),
                Part(box(x - w, y - 0.9, x + w, y + 0.9), rail, 0, 0),
            ]
        elif kind == 3:
            y, w = high * rng.uniform(0.4, 0.8), rng.uniform(16, 30)
            parts += _books(rng, x - w + 2, y, rng.randrange(3, 9), rng.uniform(9, 14))
            parts.append(Part(box(x - w, y, x + w, y + 2.6), darker(rng.choice(ANY), 0.2), 0.6, 0.6))
        else:
            cloth, w = rng.choice(ANY), rng.uniform(8, 14)
            left = rng.random() < 0.5
            for k in range(3):
                at = k * w * 0.5 if left else SIDE - (k + 1) * w * 0.5
                parts.append(
                    Part(
                        box(at, -3, at + w * 0.5, edge + 2), (cloth, darker(cloth, 0.12), cloth)[k], 1.0, 0.4
                    )
                )
    for _ in range(rng.choice((0, 0, 1, 1, 2))):
        x, y, w = rng.uniform(0, 128), rng.uniform(edge, min(edge + 8, 122)), rng.uniform(7, 13)
        if rng.random() < 0.5:
            cushion = blob((x - w, y - w * 0.8), (x, y - w * 0.65), (x + w, y - w * 0.8), (x + w * 0.85, y),
                           (x + w, y + w * 0.6), (x, y + w * 0.5), (x - w, y + w * 0.6),
                           (x - w * 0.85, y))  # fmt: skip
            parts.append(
                Part(
                    turned(cushion, rng.uniform(-15, 15), x, y),
                    rng.choice(ANY),
                    1.0,
                    0.6,
                    rng.choice(("dots", "stripes", "checks", "")),
                )
            )
        else:
            for k in range(rng.randrange(2, 5)):
                shift = rng.uniform(-2, 2)
                parts.append(
                    Part(
                        box(x - w + shift, y - 3.6 * (k + 1), x + w + shift, y - 3.6 * k),
                        rng.choice(ANY),
                        0.6,
                        0.6,
                    )
                )
    return parts


def scattered_things(rng: Random, ground: Colour) -> Parts:
    """Leaves, pebbles and petals on ground seen from above, turned any way."""
    parts: Parts = []
    tones = [mix(ground, rng.choice(ANY), 0.6) for _ in range(3)]
    for _ in range(rng.choice((0, 3, 6, 10, 14))):
        x, y, size, turn = rng.uniform(0, 128), rng.uniform(0, 128), rng.uniform(2, 6.5), rng.uniform(0, 360)
        if rng.random() < 0.5:
            parts.append(Part(leaf(x, y, size * 2, size, turn), rng.choice(tones), 0.5, 0.5))
        elif rng.random() < 0.6:
            parts.append(Part(oval(x, y, size * 0.8, size * 0.55, turn, 14), rng.choice(tones), 0.9, 0.5))
        else:
            parts.append(
                Part(
                    poly(
                        *[
                            (
                                x + size * 0.6 * math.cos(turn + k * 1.26),
                                y + size * 0.6 * math.sin(turn + k * 1.26),
                            )
                            for k in range(5)
                        ]
                    ),
                    rng.choice(tones),
                    0.5,
                    0.4,
                )
            )
    return parts
