"""What is behind the object: fields and skies, rooms, tables, cloths, plain light, ground seen from above.

The kind is drawn without looking at the class. Skies are brighter than the ground about as often as darker,
and light and vignettes come from any side, so that brightness alone does not say which way is up.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from random import Random

import numpy as np

from sslviz.scenes.clutter import indoor_things, outdoor_things, scattered_things, sky_things
from sslviz.scenes.colours import ANY, DARK, LIGHT, MIDDLE, Colour, darker, hexes, lighter, mix, unlike
from sslviz.scenes.painting import SIDE, Look, Plane, noise, over, paint, solid_colour, window
from sslviz.scenes.shapes import Parts

Pairs = tuple[tuple[Colour, Colour], ...]


def _pairs(text: str) -> Pairs:
    colours = hexes(text)
    return tuple(zip(colours[::2], colours[1::2], strict=True))


# Skies (top, above the horizon) and what may lie under them.
DAY = _pairs("8fc7ea dff1f7 6fb3df cfe8f2 bfe0e8 fdf3df 9fd3cf f4f0d8 c9d4f0 fbe9e4 7fa8d6 b9d6ea")
FIELDS = hexes("8dbb62 b5c773 6fa36a e2cc96 d6b27a f4f6f8 f6f0e0 7fb6c9 efe3c4 a8c9a0 f3e7ef eaf0dc")
STORM = _pairs(
    "3f4d63 7c8aa0 54506b 8d86a0 2f4858 5d7781 4a4a55 8a8580 5b3f52 94707a 6a5038 a88a62 34503f 76907a"
)
PALE = hexes("e8edf2 e6d3a3 d9bb62 c3d69a a9cbd6 f1e6d6 cfe0ea d5dccb 9fc4e0 b9c8ec")
SUNSET = _pairs("6b4a7e f2a777 35507a f5c389 a3486a f9c27b f0905a fbd98f 7a3b52 e8836b c96a4a f0b080")
EVENING = hexes("4f5a4a 6d5546 8a6a58 40506a c79a78 d8b08a 5a7a8a a8b4d0 7e93b8 c2cfe0")
NIGHT = _pairs("131a33 2c3a63 1b1638 463a6b 0f2530 27505a 20202c 44465c 241a2c 5a3a56")
MOONLIT = hexes("1c2a26 2a2a3e 33485a 4f6a80 8fa3b8 b8c6d8 3d3550 24343c 7c8aa8 2a2420")

Y, X = np.mgrid[0:SIDE, 0:SIDE].astype(np.float32) + 0.5


@dataclass(frozen=True)
class Backdrop:
    """A painted background and what it asks of the object."""

    pixels: Plane
    """(3, 128, 128), 0 to 255."""
    setting: str
    """One of `SETTINGS`."""
    floor: float | None
    """Row, in pixels, below which there is ground to stand on; None where the object lies on a surface."""
    lit: bool
    """Lamps and windows are on."""
    light: tuple[float, float]
    """Direction the light comes from, x to the right and y down, length 1."""


def _fill(top: Colour, low: Colour, degrees: float = 90.0) -> Plane:
    """A gradient from `top` to `low` along a direction; 90 degrees is downwards."""
    c, s = math.cos(math.radians(degrees)), math.sin(math.radians(degrees))
    t = ((X - SIDE / 2) * c + (Y - SIDE / 2) * s) / (SIDE * (abs(c) + abs(s))) + 0.5
    a, b = solid_colour(top), solid_colour(low)
    return np.asarray(a + t * (b - a), dtype=np.float32)


def _lay(canvas: Plane, colour: Plane | Colour, cover: Plane) -> Plane:
    """`colour` laid over `canvas` where `cover` (128, 128) is 1."""
    target = solid_colour(colour) if isinstance(colour, tuple) else colour
    return np.asarray(canvas + (target - canvas) * cover.astype(np.float32), dtype=np.float32)


def _speckle(canvas: Plane, field: Plane, strength: float) -> Plane:
    """`canvas` made lighter and darker by `field` (128, 128, deviation 1)."""
    return np.asarray(canvas * (1 + strength * field.astype(np.float32)), dtype=np.float32)


def _light(rng: Random, from_above: float) -> tuple[float, float]:
    """A direction of light: any, or with probability `from_above` one from above."""
    a = rng.uniform(-math.pi, 0) if rng.random() < from_above else rng.uniform(-math.pi, math.pi)
    return math.cos(a), math.sin(a)


def _receding(horizon: float, rng: Random) -> tuple[Plane, Plane]:
    """Coordinates of flat ground that recedes to the horizon: (across, away), both about 1 near us."""
    depth = 1 / np.maximum((Y - horizon) / (SIDE - horizon + 1e-3), 0.04)
    return (X / SIDE - rng.uniform(0.2, 0.8)) * depth, depth


def _ground(canvas: Plane, rng: Random, colour: Colour, horizon: float) -> Plane:
    """Ground from the horizon down, with a texture that recedes."""
    wave = horizon + rng.uniform(0, 2.5) * np.sin(X / rng.uniform(12, 30) + rng.uniform(0, 6))
    cover = np.clip(Y - wave + 0.5, 0, 1)
    near, far = (darker, lighter) if rng.random() < 0.5 else (lighter, darker)
    ground = _fill(far(colour, rng.uniform(0, 0.22)), near(colour, rng.uniform(0, 0.22)))
    across, away = _receding(horizon, rng)
    kind = rng.randrange(5)
    if kind < 3:
        stretch = (rng.uniform(14, 30), 26.0, rng.uniform(60, 110))[kind]
        cells = (16, 60, 28)[kind]
        column = (across * stretch * (1 if kind < 2 else 0.5)).astype(np.int64) % 256
        row = (away * stretch * (1.0, 1.0, 3.0)[kind] + rng.randrange(256)).astype(np.int64) % 256
        field = noise(cells)[row, column]
        strength = (0.04, 0.03, 0.035)[kind]
        ground = _speckle(ground, field, strength)
        if kind == 2:  # water or ice: glints
            ground = _lay(ground, lighter(colour, 0.6), np.clip(field - 1.3, 0, 1) * 0.7)
    elif kind == 3:  # mown or ploughed stripes
        turn = rng.uniform(-3, 3)
        ground = _speckle(ground, np.tanh(3 * np.sin(across * rng.uniform(9, 20) + away * turn)), 0.05)
        ground = _speckle(ground, window(50, rng.randrange(128), rng.randrange(128)), 0.025)
    else:
        ground = _speckle(ground, window(12, rng.randrange(128), rng.randrange(128)), 0.04)
    return _lay(canvas, ground, cover)


def _hills(canvas: Plane, rng: Random, horizon: float, sky: Colour, ground: Colour) -> Plane:
    """Up to three ranges of hills behind the horizon."""
    tint = mix(ground, rng.choice(ANY), 0.3)
    for k in range(rng.randrange(4)):
        rise = rng.uniform(3, 18) * (1 - k / 4)
        line = horizon + 2 - rise * (0.6 + 0.4 * np.sin(X / rng.uniform(9, 34) + rng.uniform(0, 6)))
        if rng.random() < 0.25:
            line = (
                horizon + 2 - rise * (0.4 + 0.6 * np.abs(np.sin(X / rng.uniform(14, 26) + rng.uniform(0, 6))))
            )
        canvas = _lay(canvas, mix(sky, tint, 0.35 + 0.18 * k), np.clip(Y - line + 0.5, 0, 1))
    return canvas


def _outdoors(
    rng: Random, look: Look, sky: tuple[Colour, Colour], ground: Colour, dim: bool
) -> tuple[Plane, float]:
    horizon = rng.uniform(0.26, 0.7) * SIDE
    top, low = sky if rng.random() < 0.7 else sky[::-1]
    canvas = _fill(top, low, 90 + rng.uniform(-25, 25))
    canvas = _paint_things(canvas, sky_things(rng, horizon, low, dim), look)
    canvas = _hills(canvas, rng, horizon, low, ground)
    canvas = _ground(canvas, rng, ground, horizon)
    return _paint_things(canvas, outdoor_things(rng, horizon, ground), look), horizon


def _paint_things(canvas: Plane, things: Parts, look: Look) -> Plane:
    if not things:
        return canvas
    return over(canvas, paint(things, [part.outline for part in things], look))


def _room(rng: Random, look: Look, dim: bool) -> tuple[Plane, float]:
    """A wall with paper on it and a floor or a table before it."""
    wall = rng.choice(ANY if dim else LIGHT + MIDDLE + MIDDLE + DARK[:3])
    floor = unlike(rng, [wall], 110, ANY)
    edge = rng.uniform(0.42, 0.76) * SIDE
    canvas = _fill(wall, mix(wall, rng.choice(ANY), 0.12), rng.uniform(0, 360))
    paper = rng.randrange(6)
    pitch = rng.uniform(0.35, 0.9)
    if paper == 0:
        canvas = _speckle(canvas, np.tanh(3 * np.sin(X * pitch)), 0.045)
    elif paper == 1:
        canvas = _lay(canvas, rng.choice(ANY), _dots(X, Y, rng.uniform(9, 16)) * 0.35)
    elif paper == 2:
        canvas = _speckle(canvas, np.maximum(_edges(X, 24), _edges(Y, 31)), -0.12)
    elif paper == 3:
        canvas = _speckle(canvas, np.tanh(4 * np.sin(X * 0.45) * np.sin(Y * 0.45)), 0.03)
    canvas = _speckle(canvas, window(40, rng.randrange(128), rng.randrange(128)), 0.012)
    canvas = _paint_things(canvas, indoor_things(rng, edge), look)
    surface = _fill(floor, (lighter if rng.random() < 0.5 else darker)(floor, 0.18))
    across, away = _receding(edge - rng.uniform(8, 40), rng)
    kind = rng.randrange(4)
    if kind == 0:
        surface = _speckle(surface, _edges(across, 0.16), -0.16)
        surface = _speckle(
            surface, noise(50)[(away * 20).astype(np.int64) % 256, (across * 90).astype(np.int64) % 256], 0.03
        )
    elif kind == 1:
        tile = np.tanh(4 * np.sin(across * 14) * np.sin(away * 9))
        surface = _lay(
            surface, mix(floor, rng.choice(ANY), 0.35), (tile * 0.5 + 0.5).astype(np.float32) * 0.6
        )
    elif kind == 2:
        surface = _speckle(surface, window(70, rng.randrange(128), rng.randrange(128)), 0.04)
    canvas = _lay(canvas, surface, np.clip(Y - edge + 0.5, 0, 1))
    if rng.random() < 0.6:  # a skirting board or the edge of a table
        band = np.clip(Y - edge + rng.uniform(2, 6), 0, 1) * np.clip(edge - Y + 0.5, 0, 1)
        canvas = _lay(canvas, rng.choice((lighter, darker))(wall, 0.4), band)
    return canvas, edge


def _edges(t: Plane, pitch: float) -> Plane:
    """Thin lines, 1 on them and 0 between, every `pitch`."""
    phase = np.abs((t / pitch) % 1 - 0.5)
    return np.asarray(np.clip((phase - 0.44) * 25, 0, 1), dtype=np.float32)


def _dots(u: Plane, v: Plane, pitch: float) -> Plane:
    """Round dots in staggered rows."""
    k = 2 * math.pi / pitch
    return np.asarray(np.clip(4 * (np.cos(u * k) * np.cos(v * k) - 0.45), 0, 1), dtype=np.float32)


def _cloth(rng: Random) -> Plane:
    """A patterned cloth or wall, close up, its weave in any direction."""
    base = rng.choice(ANY)
    second = unlike(rng, [base], 60, ANY)
    a = rng.uniform(0, math.pi)
    u, v = X * math.cos(a) + Y * math.sin(a), Y * math.cos(a) - X * math.sin(a)
    pitch = rng.uniform(9, 24)
    k = 2 * math.pi / pitch
    canvas = _fill(base, mix(base, rng.choice(ANY), 0.15), rng.uniform(0, 360))
    depth = rng.uniform(0.25, 0.7)
    kind = rng.randrange(8)
    stripe = (np.tanh(pitch * 0.25 * np.sin(u * k)) * 0.5 + 0.5).astype(np.float32)
    other = (np.tanh(pitch * 0.25 * np.sin(v * k)) * 0.5 + 0.5).astype(np.float32)
    if kind == 0:  # gingham
        canvas = _lay(_lay(canvas, second, stripe * depth * 0.6), second, other * depth * 0.6)
    elif kind == 1:
        canvas = _lay(canvas, second, stripe * depth)
    elif kind == 2:
        canvas = _lay(canvas, second, _dots(u, v, pitch) * min(depth + 0.2, 0.9))
    elif kind == 3:  # zigzag
        zig = np.tanh(3 * np.sin(v * k * 0.8 + 2.2 * np.abs((u / pitch) % 1 - 0.5) * 4))
        canvas = _lay(canvas, second, (zig * 0.5 + 0.5).astype(np.float32) * depth)
    elif kind == 4:  # bricks, or tiles where the rows do not shift
        row = np.floor(v / (pitch * 0.6))
        shift = (row % 2) * pitch * 0.6
        joint = np.maximum(_edges(v, pitch * 0.6), _edges(u + shift, pitch * 1.2))
        brick = np.sin(row * 7.1 + np.floor((u + shift) / (pitch * 1.2)) * 3.7)
        canvas = _lay(_speckle(canvas, brick, 0.05), second, np.asarray(joint, np.float32) * np.float32(0.7))
    elif kind == 5:  # boards
        grain = noise(30)[(v * 0.9).astype(np.int64) % 256, (u * 9).astype(np.int64) % 256]
        canvas = _speckle(_speckle(canvas, grain, 0.03), _edges(u, pitch * 1.5), -0.3)
    elif kind == 6:  # two papers that meet
        line = np.clip(u - 64 * (math.cos(a) + math.sin(a)) + rng.uniform(-30, 30), -0.5, 0.5) + 0.5
        canvas = _lay(canvas, second, line * 0.9)
    else:  # diamonds
        canvas = _lay(canvas, second, np.abs(stripe - other) * depth)
    canvas = _speckle(canvas, np.sin(X * 2.1) * np.sin(Y * 2.1), 0.02)
    return _speckle(canvas, window(60, rng.randrange(128), rng.randrange(128)), 0.015)


def _plain(rng: Random) -> Plane:
    """Light on a plain wall: a gradient in any direction, perhaps with a disc or soft clouds of colour."""
    base = rng.choice(ANY)
    other = mix(base, rng.choice(ANY), rng.uniform(0.2, 0.6))
    canvas = _fill(base, other, rng.uniform(0, 360))
    kind = rng.randrange(4)
    if kind == 0:
        away = np.hypot(X - rng.uniform(30, 98), Y - rng.uniform(30, 98))
        canvas = _lay(
            canvas, unlike(rng, [base], 60), np.clip(rng.uniform(25, 55) - away, 0, 1) * rng.uniform(0.4, 0.9)
        )
    elif kind == 1:
        canvas = _lay(
            canvas, rng.choice(ANY), np.clip(window(3, rng.randrange(128), rng.randrange(128)), 0, 1.5) * 0.35
        )
    return _speckle(canvas, window(80, rng.randrange(128), rng.randrange(128)), 0.012)


def _from_above(rng: Random, look: Look) -> Plane:
    """Ground seen from above: grass, sand, gravel, paving, snow, with things scattered on it."""
    base = rng.choice(FIELDS + PALE + EVENING + DARK[:3] + MIDDLE[8:])
    canvas = _fill(base, mix(base, rng.choice(ANY), 0.2), rng.uniform(0, 360))
    canvas = _speckle(canvas, window(5, rng.randrange(128), rng.randrange(128)), 0.04)
    canvas = _speckle(
        canvas,
        window(rng.choice((45, 80, 110)), rng.randrange(128), rng.randrange(128)),
        rng.uniform(0.015, 0.045),
    )
    if rng.random() < 0.35:
        a, pitch = rng.uniform(0, math.pi), rng.uniform(20, 36)
        u, v = X * math.cos(a) + Y * math.sin(a), Y * math.cos(a) - X * math.sin(a)
        canvas = _speckle(canvas, np.maximum(_edges(u, pitch), _edges(v, pitch)), -0.22)
    elif rng.random() < 0.4:  # a path across
        a = rng.uniform(0, math.pi)
        u = (X - rng.uniform(30, 98)) * math.cos(a) + (Y - rng.uniform(30, 98)) * math.sin(a)
        bend = 8 * np.sin((X * math.sin(a) - Y * math.cos(a)) / 17)
        canvas = _lay(
            canvas,
            mix(base, rng.choice(ANY), 0.5),
            np.clip(rng.uniform(12, 24) - np.abs(u + bend), 0, 1) * 0.8,
        )
    return _paint_things(canvas, scattered_things(rng, base), look)


SETTINGS = ("outdoors", "night", "indoors", "closeup", "plain", "above")
SHARES = (0.40, 0.12, 0.20, 0.12, 0.08, 0.08)


def backdrop(rng: Random, look_of: Callable[[tuple[float, float]], Look]) -> Backdrop:
    """A background; `look_of` gives the look for a direction of light."""
    (setting,) = rng.choices(SETTINGS, SHARES)
    light = _light(rng, 0.7 if setting in ("outdoors", "night") else 0.35)
    look = look_of(light)
    lit, floor = False, None
    if setting == "outdoors":
        mood = rng.randrange(10)
        if mood < 4:
            pixels, floor = _outdoors(rng, look, rng.choice(DAY), rng.choice(FIELDS), False)
        elif mood < 7:
            pixels, floor = _outdoors(rng, look, rng.choice(STORM), rng.choice(PALE), False)
        elif mood < 8:
            pixels, floor = _outdoors(rng, look, rng.choice(SUNSET), rng.choice(EVENING), False)
            lit = rng.random() < 0.5
        else:  # fog, or a country of its own colours
            fog = rng.choice(LIGHT + MIDDLE)
            ground = mix(fog, rng.choice(ANY), rng.uniform(0.1, 0.7))
            pixels, floor = _outdoors(rng, look, (fog, mix(fog, rng.choice(ANY), 0.2)), ground, False)
    elif setting == "night":
        pixels, floor = _outdoors(rng, look, rng.choice(NIGHT), rng.choice(MOONLIT), True)
        lit = rng.random() < 0.8
    elif setting == "indoors":
        lit = rng.random() < 0.4
        pixels, floor = _room(rng, look, lit)
    elif setting == "closeup":
        pixels = _cloth(rng)
    elif setting == "plain":
        pixels = _plain(rng)
    else:
        pixels = _from_above(rng, look)
    return Backdrop(pixels.clip(0, 255), setting, floor, lit, light)


def shine(pixels: Plane, rng: Random, light: tuple[float, float]) -> Plane:
    """The finished scene under a gradient of light and a vignette, bright or dark, about any point."""
    slope = rng.uniform(0.0, 0.26)
    field = 1 - slope * ((X - 64) * light[0] + (Y - 64) * light[1]) * (-1 / 64)
    if rng.random() < 0.6:
        away = ((X - rng.uniform(0, 128)) ** 2 + (Y - rng.uniform(0, 128)) ** 2) / 128**2
        field = field * (1 - rng.uniform(-0.12, 0.3) * (away - 0.25))
    grain = window(120, rng.randrange(128), rng.randrange(128))
    return np.asarray(pixels * field.astype(np.float32) + 0.8 * grain, dtype=np.float32)
