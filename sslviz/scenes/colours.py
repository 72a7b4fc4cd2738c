"""Colours of the scenes: one box of paints, used for everything alike.

An object's paints are drawn without looking at its class, so a purple tree is as likely as a purple car and
colour cannot tell the class; only skin keeps to natural tones. Colours are (red, green, blue), 0 to 255.
"""

from __future__ import annotations

from dataclasses import dataclass
from random import Random

Colour = tuple[int, int, int]


def hexes(text: str) -> tuple[Colour, ...]:
    """Colours of space-separated six-digit hexadecimal names."""
    return tuple((int(word[:2], 16), int(word[2:4], 16), int(word[4:], 16)) for word in text.split())


LIGHT = hexes("fdf6e3 f6d8ae f9c6c9 d8e8c8 cfe6ef e3d4ee f5e58a f7eedd fbd7c0 bfe3d6")
MIDDLE = hexes(
    "f2a65a e8836b d9667b e9b43f a3b86c 6fae8d 58a6a6 6ba4d4 8d8bd0 b77fb8 c9a27e b3aea6 e59abb 8fbf7f"
)
STRONG = hexes("c8442f d97b23 3f8f52 2f7f86 2f66a8 6a4a9c a63a6f 8a5a3b b5892c 5d7a3a 4c6a8a a85a4a")
DARK = hexes("4a3428 23405c 2c4a3b 5a2338 3a3a44 443566 1f3d45 5b4a2a")
SKIN = hexes("fbdcc4 f3c6a5 e0ac7e c98d5e a66b42 7c4a2d 57331f")
NIGHT: Colour = (34, 28, 38)
"""Pupils."""
ANY = LIGHT + MIDDLE + STRONG + DARK


def distance(a: Colour, b: Colour) -> float:
    """How different two colours look, roughly: weighted Euclidean, 0 to about 765."""
    red = (a[0] + b[0]) / 2
    r, g, bl = a[0] - b[0], a[1] - b[1], a[2] - b[2]
    return float(((2 + red / 256) * r * r + 4 * g * g + (2 + (255 - red) / 256) * bl * bl) ** 0.5)


def mix(a: Colour, b: Colour, share: float) -> Colour:
    """The colour `share` of the way from `a` to `b`."""
    return (
        round(a[0] + (b[0] - a[0]) * share),
        round(a[1] + (b[1] - a[1]) * share),
        round(a[2] + (b[2] - a[2]) * share),
    )


def lighter(colour: Colour, share: float = 0.3) -> Colour:
    """`colour` mixed with warm white."""
    return mix(colour, (255, 250, 238), share)


def darker(colour: Colour, share: float = 0.3) -> Colour:
    """`colour` mixed with a cool near-black."""
    return mix(colour, (28, 20, 44), share)


def luminance(colour: Colour) -> float:
    """Perceived lightness, 0 to 255."""
    return 0.299 * colour[0] + 0.587 * colour[1] + 0.114 * colour[2]


def unlike(rng: Random, others: list[Colour], apart: float, paints: tuple[Colour, ...] = ANY) -> Colour:
    """A paint at least `apart` from each of `others`, or the one furthest from them of a dozen tries."""
    best, gap = paints[0], -1.0
    for _ in range(12):
        colour = rng.choice(paints)
        near = min((distance(colour, other) for other in others), default=1e9)
        if near >= apart:
            return colour
        if near > gap:
            best, gap = colour, near
    return best


@dataclass(frozen=True)
class Palette:
    """Paints of one object: three that differ from each other, a pale one, a deep one, skin, and light."""

    main: Colour
    second: Colour
    third: Colour
    pale: Colour
    deep: Colour
    skin: Colour
    glass: Colour
    lit: bool
    """Lamps and windows shine."""


def palette(rng: Random, behind: Colour, lit: bool) -> Palette:
    """Paints of an object that stands out from `behind`, the mean colour of what is behind it."""
    main = unlike(rng, [behind], 150.0)
    second = unlike(rng, [main, behind], 120.0)
    third = unlike(rng, [main, second], 130.0)
    pale = unlike(rng, [main], 90.0, LIGHT)
    deep = unlike(rng, [main, second], 90.0, DARK)
    glass = (255, 226, 140) if lit else unlike(rng, [main], 90.0, LIGHT + DARK[:5])
    skin = unlike(rng, [behind], 110.0, SKIN)
    return Palette(main, second, third, pale, deep, skin, glass, lit)
