"""Trees and flowers."""

# Outlines are tables of numbers and are set by hand.
# fmt: off

from __future__ import annotations

import math
from random import Random

from sslviz.scenes.colours import Palette, darker, lighter, mix
from sslviz.scenes.shapes import Part, Parts, blob, box, leaf, limb, oval, poly, scallop


def _crown(rng: Random, x: float, y: float, rx: float, ry: float, c: Palette) -> Parts:
    """A leafy crown: clumps that overlap, lighter and darker ones in it, sometimes fruit."""
    first, parts = rng.uniform(0, 2 * math.pi), []
    count = rng.randrange(5, 8)
    for k in range(count):
        a = first + k * 2 * math.pi / count
        r = rng.uniform(0.42, 0.58)
        at = (x + 0.52 * rx * math.cos(a), y + 0.52 * ry * math.sin(a))
        parts.append(Part(scallop(*at, r * rx, r * ry, rng.randrange(7, 10), 0.16, a), c.main, 0.9))
    parts.append(Part(scallop(x, y, rx * 0.76, ry * 0.76, 12, 0.14, first), c.main, 0.6, 0))
    for _ in range(rng.randrange(3, 6)):
        a, d = rng.uniform(0, 2 * math.pi), rng.uniform(0.1, 0.6)
        tone = lighter(c.main, 0.14) if rng.random() < 0.6 else darker(c.main, 0.12)
        clump = scallop(x + rx * d * math.cos(a), y + ry * d * math.sin(a), rx * 0.28, ry * 0.24, 6, 0.2, a)
        parts.append(Part(clump, tone, 0.8, 0))
    if rng.random() < 0.35:
        for _ in range(rng.randrange(4, 9)):
            a, d = rng.uniform(0, 2 * math.pi), rng.uniform(0.1, 0.75)
            fruit = oval(x + rx * d * math.cos(a), y + ry * d * math.sin(a), 0.045, count=12)
            parts.append(Part(fruit, c.third, 0.7, 0.5))
    return parts


def _broadleaf(rng: Random, c: Palette) -> Parts:
    """A round, leafy crown on branches."""
    bark = c.second
    lean, rx, ry = rng.uniform(-0.12, 0.12), rng.uniform(0.45, 0.62), rng.uniform(0.4, 0.52)
    parts = [
        Part(limb((0, 0), (lean * 0.3, 0.3), (lean, 0.75), start=0.24, end=0.13), bark, 1, 1, "grain"),
        Part(limb((lean * 0.5, 0.4), (lean + 0.18, 0.7), start=0.08, end=0.05), bark, 0.8),
        Part(limb((lean * 0.5, 0.45), (lean - 0.2, 0.72), start=0.07, end=0.05), bark, 0.8),
    ]
    return parts + _crown(rng, lean, 0.98, rx, ry, c)


def _conifer(rng: Random, c: Palette) -> Parts:
    """Tiers of needles."""
    bark = c.second
    tiers, w = rng.randrange(3, 6), rng.uniform(0.4, 0.55)
    parts = [Part(box(-0.07, 0, 0.07, 0.3), bark, 1, 1, "grain")]
    for k in range(tiers):
        low, wide = 0.2 + k * 0.95 / tiers, w * (1 - 0.75 * k / tiers)
        high = low + 1.55 / tiers
        hem = [(wide * (1 - 2 * j / 6), low + (0.05 if j % 2 else -0.02)) for j in range(7)]
        parts.append(Part(poly(*hem, (0, high)), mix(c.main, lighter(c.main), k / tiers), 0.9))
    return parts


def _palm(rng: Random, c: Palette) -> Parts:
    """Fronds on a bent, ringed trunk."""
    bark = c.second
    bend, h = rng.uniform(-0.3, 0.3), rng.uniform(0.95, 1.15)
    parts = [Part(limb((0, 0), (bend * 0.2, h * 0.5), (bend, h), start=0.16, end=0.08), bark, 1, 1, "bars")]
    count, first = rng.randrange(7, 9), rng.uniform(-10, 10)
    for k in range(count):
        turn = first + 200 * (k / (count - 1)) - 10
        a = math.radians(turn)
        dx, dy = math.cos(a), math.sin(a) * 0.75 + 0.18
        tone = lighter(c.main, 0.12) if k % 2 else c.main
        frond = blob((bend, h), (bend + dx * 0.32, h + dy * 0.38 + 0.09),
                     (bend + dx * 0.62, h + dy * 0.3 - 0.14), (bend + dx * 0.34, h + dy * 0.34 - 0.05))
        parts.append(Part(frond, tone, 0.8))
    parts += [Part(oval(bend + d, h - 0.04, 0.06), c.third, 0.9, 0.8) for d in (-0.06, 0.07)]
    return parts


def _poplar(rng: Random, c: Palette) -> Parts:
    """Tall and narrow."""
    bark = c.second
    w, h = rng.uniform(0.24, 0.34), rng.uniform(0.55, 0.7)
    crown = scallop(0, 0.3 + h, w, h, rng.randrange(13, 17), 0.16, rng.random() * 3)
    parts = [Part(box(-0.06, 0, 0.06, 0.45), bark, 1, 1, "grain"), Part(crown, c.main, 1, 1)]
    for _ in range(8):
        y = rng.uniform(-0.75, 0.7)
        x = rng.uniform(-0.75, 0.75) * w * (1 - y * y)
        tone = rng.choice((lighter(c.main, 0.18), darker(c.main, 0.16)))
        parts.append(Part(scallop(x, 0.3 + h + y * h, 0.09, 0.07, 4, 0.2, y), tone, 0.5, 0))
    return parts


def _umbrella_tree(rng: Random, c: Palette) -> Parts:
    """Flat clouds of leaves on a forked trunk."""
    bark = c.second
    lean = rng.uniform(-0.15, 0.15)
    parts = [
        Part(limb((0, 0), (lean, 0.4), (lean - 0.25, 0.8), start=0.15, end=0.07), bark, 1, 1, "grain"),
        Part(limb((lean * 0.8, 0.3), (lean + 0.12, 0.55), (lean + 0.32, 0.78), start=0.11, end=0.06), bark,
             0.9),
    ]
    for x, y, r in ((lean - 0.32, 0.85, 0.36), (lean + 0.36, 0.82, 0.34), (lean, 1.0, 0.42)):
        parts.append(Part(scallop(x, y, r, r * 0.45, 8, 0.16, rng.random()), c.main, 1.0))
        parts.append(Part(scallop(x - 0.03, y + 0.05, r * 0.6, r * 0.2, 6, 0.2), lighter(c.main, 0.15), 0.5,
                          0))
    return parts


def tree(rng: Random, c: Palette) -> Parts:
    """Broadleaf, conifer, palm, poplar or an umbrella of a tree."""
    return rng.choice((_broadleaf, _conifer, _palm, _poplar, _umbrella_tree))(rng, c)


def _bloom(rng: Random, kind: int, x: float, y: float, r: float, c: Palette) -> Parts:
    """The head of a flower about (x, y)."""
    if kind == 1:  # tulip
        return [
            Part(blob((x - r, y + r * 0.9), (x - r * 0.8, y - r * 0.5), (x, y - r * 0.9),
                      (x + r * 0.8, y - r * 0.5), (x + r, y + r * 0.9), (x, y + r * 0.2), steps=5),
                      darker(c.main, 0.14)),
            Part(leaf(x - r * 0.42, y - r * 0.8, r * 1.9, r * 0.95, 100), c.main),
            Part(leaf(x + r * 0.42, y - r * 0.8, r * 1.9, r * 0.95, 80), c.main),
            Part(leaf(x, y - r * 0.95, r * 1.85, r * 1.0, 90), lighter(c.main, 0.16)),
        ]
    if kind == 2:  # rose: rings of petals, paler towards the middle
        turn = rng.random() * 3
        rings = [Part(scallop(x, y, r * (1 - k * 0.25), r * (1 - k * 0.25), 7 - k, 0.22, turn + k * 0.8),
                      lighter(c.main, 0.13 * k), 0.9, 0.8) for k in range(3)]
        return [*rings, Part(oval(x, y, r * 0.16, count=14), c.third, 0.8, 0.6)]
    count = (rng.randrange(6, 9), 0, 0, 5, rng.randrange(11, 15))[kind]
    wide = (0.34, 0, 0, 0.52, 0.2)[kind]
    first = rng.uniform(0, 360)
    parts = []
    for ring in range(2 if kind == 4 else 1):
        for k in range(count):
            turn = first + (k + ring / 2) * 360 / count
            a = math.radians(turn)
            d = r * (0.68 - 0.14 * ring)
            petal = oval(x + d * math.cos(a), y + d * math.sin(a), r * 0.46, r * wide, turn, 16)
            parts.append(Part(petal, lighter(c.main, 0.18) if ring else c.main, 0.9, 0.8))
    parts.append(Part(oval(x, y, r * (0.46 if kind == 4 else 0.34)), c.third, 1, 0.8,
                      "dots" if kind == 4 else ""))
    return parts


def flower(rng: Random, c: Palette) -> Parts:
    """A daisy, tulip, rose, wild rose or sunflower, one to three on a plant."""
    kind = rng.randrange(5)
    heads = rng.choice((1, 1, 1, 2, 3))
    spots = {1: [(rng.uniform(-0.15, 0.15), 1.15)], 2: [(-0.32, 0.9), (0.28, 1.2)],
             3: [(-0.42, 0.92), (0.42, 0.85), (0.02, 1.28)]}[heads]
    r = rng.uniform(0.36, 0.46) if heads == 1 else rng.uniform(0.25, 0.3)
    parts: Parts = []
    for x, y in spots:
        foot = (0, 0) if heads == 1 else (x * 0.25, 0)
        parts.append(Part(limb(foot, (x * 0.45 - 0.05, y * 0.5), (x, y), start=0.075, end=0.055), c.second,
                          0.8))
    for side in (-1, 1):
        if rng.random() < 0.85:
            turn = 90 - side * rng.uniform(35, 62)
            blade = leaf(0, rng.uniform(0.05, 0.32), rng.uniform(0.45, 0.62), rng.uniform(0.18, 0.24), turn)
            parts.append(Part(blade, c.second, 0.9))
    for x, y in spots:
        parts += _bloom(rng, kind, x, y, r, c)
    return parts
