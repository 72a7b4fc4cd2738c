"""Paints parts: outlines four times too large and reduced, relief and texture from blurred copies of them.

A relief is the difference of a part's blurred silhouette and the same shifted away from the light, so every
part looks like a soft pillow lit from one side. It is made at the final size, where it costs microseconds.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageChops, ImageDraw, ImageFilter

from sslviz.scenes.colours import Colour, darker
from sslviz.scenes.shapes import Part, Points

SIDE = 128
OVER = 4
"""Outlines are drawn this many times too large in each direction."""

PATTERNS = ("grain", "stripes", "bars", "dots", "checks", "tiles", "hatch")
Plane = NDArray[np.float32]


@dataclass(frozen=True)
class Look:
    """How a scene is lit and drawn."""

    light: tuple[float, float]
    """Direction the light comes from, x to the right and y down, length 1."""
    relief: float
    """Strength of the relief, about 0.6 to 1.4."""
    line: float
    """Width of outlines in pixels of the finished image; 0 for none."""
    ink: Colour | None
    """Colour of outlines; None for a darker shade of each part's own."""


@dataclass(frozen=True)
class Layer:
    """Painted parts on nothing."""

    colour: Plane
    """(3, 128, 128), 0 to 255, already multiplied by `alpha`."""
    alpha: Plane
    """(128, 128), 0 to 1."""
    solid: Plane
    """Like `alpha`, without parts that do not belong to the object."""


@cache
def noise(cells: int) -> Plane:
    """Smooth noise (256, 256) that wraps around, mean 0 and deviation 1, about `cells` blots across."""
    field = np.random.default_rng(cells).standard_normal((256, 256))
    frequency = np.hypot(np.fft.fftfreq(256)[:, None], np.fft.fftfreq(256)[None])
    smooth = np.fft.ifft2(np.fft.fft2(field) * np.exp(-((frequency * 256 / cells) ** 2))).real
    return np.asarray((smooth - smooth.mean()) / smooth.std(), dtype=np.float32)


def window(cells: int, x: int, y: int) -> Plane:
    """A (128, 128) piece of `noise(cells)` whose corner is at (x, y)."""
    x, y = x % 128, y % 128
    piece: Plane = noise(cells)[y : y + SIDE, x : x + SIDE]
    return piece


@cache
def _texture(pattern: str) -> Image.Image:
    """A pattern of (128, 128) as an L image about 128, to be pasted through a part's silhouette."""
    y, x = np.mgrid[0:SIDE, 0:SIDE].astype(np.float32)
    fields: dict[str, Plane] = {
        "stripes": np.tanh(4 * np.sin(x * 0.9)),
        "bars": np.tanh(4 * np.sin(y * 0.9)),
        "dots": np.tanh(5 * (np.sin(x * 0.7) * np.sin(y * 0.7) - 0.35)),
        "checks": np.tanh(4 * np.sin(x * 0.6)) * np.tanh(4 * np.sin(y * 0.6)),
        "tiles": -np.maximum(
            np.exp(-8 * (1 + np.sin(y * 1.2))), np.exp(-9 * (1 + np.sin(x + 2 * np.sin(y))))
        ),
        "hatch": np.tanh(3 * np.sin((x + y) * 0.8)),
        "grain": np.clip(noise(110)[:SIDE, :SIDE], -2, 2) * 0.45,
    }
    return Image.fromarray((128 + 24 * fields[pattern]).clip(0, 255).astype(np.uint8))


def _plane(image: Image.Image, one: float = 255) -> Plane:
    """An L image as float32, `one` becoming 1."""
    return np.asarray(np.asarray(image, dtype=np.float32) * np.float32(1 / one), dtype=np.float32)


def _relief(sheet: Image.Image, points: Points, part: Part, look: Look) -> None:
    """Paste the relief and texture of one part into `sheet` (L, 128 is neutral)."""
    x0, y0 = np.floor(points.min(axis=0)).astype(int) - 1
    x1, y1 = np.ceil(points.max(axis=0)).astype(int) + 2
    width, height = int(x1 - x0), int(y1 - y0)
    if width > 3 * SIDE or height > 3 * SIDE:
        return
    radius = min(max(0.16 * min(width, height), 0.8), 7.0)
    pad = int(2.5 * radius) + 1
    shape = Image.new("L", (width + 2 * pad, height + 2 * pad))
    ImageDraw.Draw(shape).polygon((points - (x0 - pad, y0 - pad)).ravel().tolist(), fill=255)
    if part.relief > 0:
        soft = shape.filter(ImageFilter.BoxBlur(radius))
        dx, dy = (round(component * max(radius * 0.9, 1.0)) for component in look.light)
        scale = 2.1 / (part.relief * look.relief)
        lit, dim = ImageChops.offset(soft, dx, dy), ImageChops.offset(soft, -dx, -dy)
        shade = ImageChops.subtract(lit, dim, scale, 128)
    else:
        shade = Image.new("L", shape.size, 128)
    if part.pattern:
        texture = _texture(part.pattern)
        if shade.width > SIDE or shade.height > SIDE:
            texture = texture.resize((max(shade.width, SIDE), max(shade.height, SIDE)))
        shade = ImageChops.add(shade, texture.crop((0, 0, *shade.size)), 1, -128)
    sheet.paste(shade, (int(x0) - pad, int(y0) - pad), shape)


def paint(parts: Sequence[Part], outlines: Sequence[Points], look: Look) -> Layer:
    """Paint `parts`, whose outlines in pixels (y down) are `outlines`."""
    sheet = Image.new("RGBa", (SIDE * OVER, SIDE * OVER))
    tones = Image.new("L", (SIDE, SIDE), 128)
    draw = ImageDraw.Draw(sheet)
    loose = [k for k, part in enumerate(parts) if not part.solid]
    solid = Image.new("L", sheet.size) if loose else None
    trace = ImageDraw.Draw(solid) if solid else None
    for part, points in zip(parts, outlines, strict=True):
        flat = (points * OVER).ravel().tolist()
        draw.polygon(flat, fill=(*part.colour, 255))
        width = round(look.line * part.line * OVER)
        if width > 0:
            ink = darker(part.colour, 0.5) if look.ink is None else look.ink
            draw.line(flat + flat[:4], fill=(*ink, 255), width=width, joint="curve")
        if trace:
            trace.polygon(flat, fill=255 if part.solid else 0)
            if width > 0 and part.solid:
                trace.line(flat + flat[:4], fill=255, width=width, joint="curve")
        if part.relief > 0 or part.pattern:
            _relief(tones, points, part, look)
    # Most objects cover a part of the picture; only that part is reduced and toned.
    x0, y0, x1, y1 = _bounds(outlines, look.line + 1)
    region = (x0 * OVER, y0 * OVER, x1 * OVER, y1 * OVER)
    painted = np.asarray(np.moveaxis(np.asarray(sheet.reduce(OVER, region)), 2, 0), np.float32, order="C")
    tone = _plane(tones.filter(ImageFilter.BoxBlur(0.5)), 128)[y0:y1, x0:x1] - np.float32(1)
    layer = np.zeros((5, SIDE, SIDE), np.float32)
    layer[3, y0:y1, x0:x1] = painted[3] / np.float32(255)
    layer[:3, y0:y1, x0:x1] = _toned(painted[:3], layer[3, y0:y1, x0:x1], tone)
    layer[4] = _plane(solid.reduce(OVER)) if solid else layer[3]
    return Layer(layer[:3], layer[3], layer[4])


def _bounds(outlines: Sequence[Points], margin: float) -> tuple[int, int, int, int]:
    """x0, y0, x1, y1 of the pixels that the outlines may touch, at least one each way."""
    every = np.concatenate(outlines)
    low = np.clip(np.floor(every.min(axis=0) - margin), 0, SIDE - 1).astype(int)
    high = np.clip(np.ceil(every.max(axis=0) + margin), low + 1, SIDE).astype(int)
    return int(low[0]), int(low[1]), int(high[0]), int(high[1])


def _toned(colour: Plane, alpha: Plane, tone: Plane) -> Plane:
    """Darken where `tone` (128, 128) is negative and lighten where it is positive; shadows are cooler."""
    dark = 1 + np.minimum(tone, 0) * solid_colour((0.74, 0.7, 0.58))
    bright = np.maximum(tone, 0) * solid_colour((0.6, 0.56, 0.48))
    return np.asarray(colour * dark + (alpha * 255 - colour) * bright, dtype=np.float32)


def solid_colour(colour: tuple[float, float, float]) -> Plane:
    """A colour as (3, 1, 1), to be used with planes of (3, 128, 128)."""
    return np.array(colour, np.float32)[:, None, None]


def over(canvas: Plane, layer: Layer) -> Plane:
    """`layer` laid over `canvas` (3, 128, 128)."""
    return np.asarray(canvas * (1 - layer.alpha) + layer.colour, dtype=np.float32)


def blurred(plane: Plane, radius: float) -> Plane:
    """`plane` (128, 128) of 0 to 1, blurred."""
    image = Image.fromarray((plane * 255).clip(0, 255).astype(np.uint8))
    return _plane(image.filter(ImageFilter.GaussianBlur(radius)))


def drop_shadow(alpha: Plane, away: tuple[float, float], reach: float, blur: float) -> Plane:
    """Shadow of a cut-out that floats `reach` pixels before a wall, the light coming from the other side."""
    image = Image.fromarray((alpha * 255).astype(np.uint8))
    dx, dy = away[0] * reach, away[1] * reach
    moved = image.transform(
        image.size, Image.Transform.AFFINE, (1, 0, -dx, 0, 1, -dy), Image.Resampling.BILINEAR
    )
    return _plane(moved.filter(ImageFilter.GaussianBlur(blur)))


def cast_shadow(alpha: Plane, feet: float, lean: float, squash: float, blur: float) -> Plane:
    """Shadow on the ground of something that stands at row `feet`.

    A point `h` above the feet falls `lean * h` to the right and `squash * h` up (down where negative).
    """
    image = Image.fromarray((alpha * 255).astype(np.uint8))
    squash = math.copysign(max(abs(squash), 0.08), squash)
    # Output (x, y) reads input (x - lean * h, feet - h) with h = (feet - y) / squash.
    matrix = (1.0, lean / squash, -lean * feet / squash, 0.0, 1 / squash, feet - feet / squash)
    fallen = image.transform(image.size, Image.Transform.AFFINE, matrix, Image.Resampling.BILINEAR)
    return _plane(fallen.filter(ImageFilter.GaussianBlur(blur)))
