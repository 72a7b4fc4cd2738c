"""One scene: a backdrop, an object on it, its shadow, and light over both."""

from __future__ import annotations

from dataclasses import dataclass
from random import Random

import numpy as np
from numpy.typing import NDArray

from sslviz.scenes.animals import bird, cat
from sslviz.scenes.backdrops import Backdrop, backdrop, shine
from sslviz.scenes.colours import Colour, darker, palette
from sslviz.scenes.household import lamp, mug
from sslviz.scenes.houses import house
from sslviz.scenes.painting import (
    SIDE,
    Layer,
    Look,
    Plane,
    blurred,
    cast_shadow,
    drop_shadow,
    over,
    paint,
    solid_colour,
)
from sslviz.scenes.people import person
from sslviz.scenes.plants import flower, tree
from sslviz.scenes.shapes import Part, Points, turned
from sslviz.scenes.vehicles import boat, car

_DRAW = {
    "house": house,
    "tree": tree,
    "car": car,
    "boat": boat,
    "person": person,
    "cat": cat,
    "bird": bird,
    "flower": flower,
    "lamp": lamp,
    "mug": mug,
}
CLASSES: tuple[str, ...] = tuple(_DRAW)
AIRBORNE = 0.12
"""An object drawn this far above its feet's zero hangs or flies."""


@dataclass(frozen=True)
class Scene:
    """One rendered picture with what is known about it."""

    pixels: NDArray[np.uint8]
    """(128, 128, 3), RGB."""
    label: int
    """Index into `CLASSES`."""
    box: tuple[float, float, float, float]
    """x0, y0, x1, y1 of the mask, in [0, 1] of the side."""
    mask: NDArray[np.uint8]
    """(128, 128), 1 where the object is and 0 elsewhere."""
    setting: str
    """One of `SETTINGS`; all but `outdoors` lack the cue of a bright sky over a horizon."""


def scene(index: int, seed: int = 0) -> Scene:
    """Scene `index` of the set drawn from `seed`; the same for the same two numbers, whatever else was drawn.

    Every ten consecutive indices from a multiple of ten hold each class once, in an order of their own.
    """
    order = list(range(len(CLASSES)))
    Random(f"order {seed} {index // len(CLASSES)}").shuffle(order)
    label = order[index % len(CLASSES)]
    rng = Random(f"scene {seed} {index}")
    style = rng.random()
    line, relief = (0.0 if style < 0.2 else rng.uniform(0.55, 1.15)), rng.uniform(0.6, 1.15)
    ink = darker(rng.choice(((60, 40, 40), (40, 44, 70), (52, 36, 60))), 0.4) if style > 0.68 else None
    behind = backdrop(rng, lambda light: Look(light, relief * 0.8, line * 0.6, None))
    pixels, mask = _compose(rng, CLASSES[label], behind, Look(behind.light, relief, line, ink))
    rows, columns = np.flatnonzero(mask.any(axis=1)), np.flatnonzero(mask.any(axis=0))
    edges = (columns[0], rows[0], columns[-1] + 1, rows[-1] + 1)
    x0, y0, x1, y1 = (float(edge) / SIDE for edge in edges)
    return Scene(pixels, label, (x0, y0, x1, y1), mask, behind.setting)


def _compose(
    rng: Random, name: str, behind: Backdrop, look: Look
) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
    """The object painted into its backdrop: pixels and mask."""
    size = rng.uniform(0.45, 0.85) if rng.random() < 0.85 else rng.uniform(0.3, 0.45)
    paints = palette(rng, _around(behind, size), behind.lit)
    parts = _DRAW[name](rng, paints)
    outlines, feet, airborne = _place(rng, parts, size, behind.floor)
    layer = paint(parts, outlines, look)
    canvas = _shadows(rng, behind, layer, look, feet, airborne)
    canvas = over(canvas, layer)
    if behind.lit and rng.random() < 0.7:
        glow = blurred(layer.solid, 9.0) * solid_colour((52, 40, 14))
        canvas = canvas + glow * rng.uniform(0.3, 0.9)
    finished = shine(canvas, rng, behind.light).clip(0, 255).astype(np.uint8)
    return np.ascontiguousarray(np.moveaxis(finished, 0, 2)), (layer.solid >= 0.5).astype(np.uint8)


def _around(behind: Backdrop, size: float) -> Colour:
    """Mean colour of where an object of this size will probably be."""
    reach = int(size * SIDE / 2)
    middle = SIDE // 2 if behind.floor is None else int(min(max(behind.floor, reach), SIDE - reach))
    part = behind.pixels[:, max(middle - reach, 0) : middle + reach, SIDE // 5 : -SIDE // 5]
    red, green, blue = part.mean(axis=(1, 2))
    return int(red), int(green), int(blue)


def _place(
    rng: Random, parts: list[Part], size: float, floor: float | None
) -> tuple[list[Points], float, bool]:
    """Outlines in pixels, the row of the feet, and whether the object hangs or flies."""
    every = np.concatenate([part.outline for part in parts])
    airborne = floor is not None and float(every[:, 1].min()) > AIRBORNE
    every = turned(every, max(-10.0, min(10.0, rng.gauss(0, 4.5))))
    every = every * (rng.choice((-1, 1)), -1)
    solid = np.concatenate([np.full(len(part.outline), part.solid) for part in parts])
    low, high = every[solid].min(axis=0), every[solid].max(axis=0)
    width, height = high - low
    scale = size * SIDE / max(width, height)
    margin = 3.0
    left = rng.uniform(margin, max(SIDE - margin - width * scale, margin))
    lowest = margin + height * scale
    if floor is not None and not airborne:
        lowest = max(lowest, min(floor + 5, SIDE - margin))
    feet = rng.uniform(lowest, max(SIDE - margin, lowest))
    moved = (every - (low[0], high[1])) * scale + (left, feet)
    ends = np.cumsum([len(part.outline) for part in parts])[:-1]
    return np.split(moved, ends), feet, airborne


def _shadows(rng: Random, behind: Backdrop, layer: Layer, look: Look, feet: float, airborne: bool) -> Plane:
    """The backdrop with the object's shadow on it."""
    x, y = look.light
    strength = rng.uniform(0.22, 0.5)
    if behind.floor is None:
        dark = drop_shadow(layer.solid, (-x, -y), rng.uniform(2, 7), rng.uniform(1.5, 4)) * strength
    elif airborne:
        dark = drop_shadow(layer.solid, (-x, -y), 4, 5) * strength * 0.4
    else:
        lean = max(-1.1, min(1.1, -x * rng.uniform(0.5, 1.4)))
        squash = rng.uniform(0.12, 0.34) * (1 if y > -0.2 else -1 if rng.random() < 0.5 else 1)
        dark = cast_shadow(layer.solid, feet - 1, lean, squash, rng.uniform(0.8, 2.2)) * strength
        touch = cast_shadow(layer.solid, feet - 0.5, 0.0, 0.08, 1.6) * 0.5
        rows = np.arange(SIDE, dtype=np.float32)[:, None]
        dark = np.maximum(dark, touch) * np.clip((rows - behind.floor) / 3, 0, 1)
    return np.asarray(behind.pixels * (1 - dark * solid_colour((1.0, 0.95, 0.82))), dtype=np.float32)
