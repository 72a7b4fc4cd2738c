"""People."""

# Outlines are tables of numbers and are set by hand.
# fmt: off

from __future__ import annotations

from random import Random

from sslviz.scenes.colours import NIGHT, Colour, Palette, darker, luminance, mix
from sslviz.scenes.shapes import CLOTH, Part, Parts, blob, box, limb, oval


def _eyes(x: float, y: float, gap: float, r: float, skin: Colour) -> Parts:
    colour = NIGHT if luminance(skin) > 75 else (245, 240, 232)
    return [Part(oval(x + side * gap, y, r, r * 1.2, count=12), colour, 0, 0) for side in (-1, 1)]


def _arm(side: int, pose: str, y: float, w: float, rng: Random) -> tuple[tuple[float, float], ...]:
    """Shoulder, elbow and hand."""
    shoulder = (side * w * 0.8, y)
    if pose == "up":
        return shoulder, (side * (w + 0.16), y + 0.18), (side * (w + rng.uniform(0.08, 0.24)), y + 0.48)
    if pose == "out":
        return shoulder, (side * (w + 0.18), y - 0.06), (side * (w + 0.42), y + rng.uniform(-0.04, 0.14))
    if pose == "hip":
        return shoulder, (side * (w + 0.24), y - 0.26), (side * (w - 0.01), y - 0.44)
    return shoulder, (side * (w + 0.09), y - 0.24), (side * (w + rng.uniform(0.04, 0.14)), y - 0.5)


def _head(rng: Random, c: Palette, head: float, r: float, style: int, hair: Colour) -> Parts:
    """A face of radius `r` about (0, head), with hair or a hat."""
    skin = c.skin
    parts: Parts = []
    parts.append(Part(oval(0, head, r * 0.96, r), skin, 0.9))
    look = rng.uniform(-0.07, 0.07)
    parts += _eyes(look, head - 0.01, 0.095, 0.03, skin)
    cheek = mix(skin, (226, 92, 84), 0.35)
    parts += [Part(oval(look + side * 0.15, head - 0.09, 0.045, 0.03, count=12), cheek, 0,
                   0) for side in (-1, 1)]
    smile = limb((look - 0.07, head - 0.1), (look, head - 0.135), (look + 0.07, head - 0.1), start=0.022)
    parts.append(Part(smile, darker(skin, 0.6), 0, 0))
    cap = blob((-r * 1.02, head + 0.02), (-r * 0.85, head + r * 0.75), (0, head + r * 1.12),
               (r * 0.85, head + r * 0.75), (r * 1.02, head + 0.02), (r * 0.5, head + r * 0.5),
               (-r * 0.3, head + r * 0.55))
    if style == 5:
        parts.append(Part(blob((-r, head + 0.1), (-r * 0.8, head + r * 0.9), (0, head + r * 1.3),
                               (r * 0.8, head + r * 0.9), (r, head + 0.1), (0, head + 0.14)), c.third, 1, 1,
                               rng.choice(CLOTH)))
        parts.append(Part(oval(0, head + r * 1.36, 0.075), c.pale, 0.9))
    elif style == 4:
        parts += [Part(oval(0, head + r * 0.62, r * 1.6, r * 0.22), c.third, 0.8),
                  Part(blob((-r * 0.8, head + r * 0.62), (-r * 0.6, head + r * 1.25),
                            (r * 0.6, head + r * 1.25), (r * 0.8, head + r * 0.62)), c.third, 1)]
    else:
        parts.append(Part(cap, hair, 0.9))
        if style == 2:
            parts.append(Part(oval(0, head + r * 1.25, 0.12), hair, 0.9))
        if style == 3:
            parts += [Part(oval(side * r * 1.1, head + 0.05, 0.11), hair, 0.9) for side in (-1, 1)]
    return parts


def person(rng: Random, c: Palette) -> Parts:
    """Someone who stands, walks, waves or cheers, in trousers, a dress or a coat, with hair or a hat."""
    skin, tall = c.skin, rng.uniform(0.9, 1.1)
    legs, hips, w = 0.62 * tall, 0.58 * tall, rng.uniform(0.2, 0.25)
    shoulders = hips + rng.uniform(0.56, 0.64)
    head, r = shoulders + 0.31, rng.uniform(0.25, 0.29)
    poses = rng.choice((("down", "down"), ("up", "down"), ("up", "up"), ("out", "out"), ("hip", "down"),
                        ("hip", "up")))
    walk = rng.uniform(0.12, 0.3) if rng.random() < 0.45 else rng.uniform(0.0, 0.05)
    dress = rng.random() < 0.45
    bare = dress and rng.random() < 0.7
    parts: Parts = []
    style = rng.randrange(6)
    hair = c.deep if rng.random() < 0.6 else c.third
    if style in (1, 4):  # long hair lies behind the shoulders
        back = blob((-r * 1.12, head), (-r * 1.15, head - r * 1.7), (0, head - r * 1.5),
                    (r * 1.15, head - r * 1.7), (r * 1.12, head), (0, head + r))
        parts.append(Part(back, hair, 0.9))
    for side in (-1, 1):
        foot = side * (0.11 + walk)
        leg = limb((side * 0.1, legs), (side * (0.11 + walk * 0.5), legs * 0.5), (foot, 0.07), start=0.17,
                   end=0.12)
        parts.append(Part(leg, skin if bare else c.second, 0.9))
        toe = foot + (0.05 if walk > 0.08 else side * 0.05)
        parts.append(Part(oval(toe, 0.055, 0.125, 0.07), c.deep, 0.8))
    cloth = rng.choice(CLOTH)
    for side, pose in zip((-1, 1), poses, strict=True):
        a, b, hand = _arm(side, pose, shoulders - 0.06, w, rng)
        parts.append(Part(oval(*hand, 0.075), skin, 0.8))
        parts.append(Part(limb(a, b, hand, start=0.15, end=0.1), c.main, 0.9))
    if dress:
        hem = rng.uniform(0.34, 0.46)
        low = hips - rng.uniform(0.16, 0.28)
        parts.append(Part(blob((-w * 0.8, shoulders), (-w * 0.75, hips + 0.24), (-hem, low), (0, low - 0.05),
                               (hem, low), (w * 0.75, hips + 0.24), (w * 0.8, shoulders),
                               (0, shoulders + 0.05)), c.main, 1, 1, cloth))
    else:
        parts.append(Part(blob((-w, shoulders - 0.03), (-w * 0.98, hips), (0, hips - 0.06), (w * 0.98, hips),
                               (w, shoulders - 0.03), (0, shoulders + 0.06)), c.main, 1, 1, cloth))
        parts.append(Part(box(-w * 0.95, hips - 0.03, w * 0.95, hips + 0.04, 0.02), c.third, 0.4, 0.5))
    if rng.random() < 0.35:
        scarf = limb((-0.16, shoulders + 0.03), (0, shoulders - 0.03), (0.16, shoulders + 0.03), start=0.11)
        parts.append(Part(scarf, c.third, 0.8))
    return parts + _head(rng, c, head, r, style, hair)
