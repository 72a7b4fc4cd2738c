"""What is said of images that were taken, though not the whole of them or not quite as they were.

A remark is a short code that travels with the image; `sentences` makes of many a line a kind. It is said once
for all of them, with the name of one.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray
from PIL import Image

FRAMES, DEEP, PRINT, FLAT, MISNAMED = "frames", "deep", "print", "flat", "misnamed"
KINDS = {
    "jpg": "JPEG", "jpeg": "JPEG", "png": "PNG", "webp": "WEBP", "gif": "GIF", "tif": "TIFF", "tiff": "TIFF",
    "bmp": "BMP", "heic": "HEIF", "heif": "HEIF", "avif": "AVIF",
}  # fmt: skip
"""Pillow's names of the formats that the ends of names promise."""
_SHADES = 2
"""Levels by which an image of one colour may differ from itself."""
_SAID = {
    FRAMES: "animated, or of several pages: the first of them was taken",
    DEEP: "of more than 8 bits a pixel: scaled to 8",
    PRINT: "in the colours of a printer or a laboratory: turned into those of a screen, nearly the same",
    FLAT: "of one colour all over: there is nothing in it to learn from",
    MISNAMED: "not what its name says, and read as what it is",
}


def of_file(picture: Image.Image, kind: str) -> tuple[str, ...]:
    """What strikes one about an opened file. Last of all: asking a GIF for a second frame looks for it."""
    found = []
    if picture.mode == "F" or picture.mode.startswith("I"):
        found.append(DEEP)
    if picture.mode in {"CMYK", "LAB", "YCbCr"}:
        found.append(PRINT)
    if kind != "JPEG" and _has_more(picture):  # a phone's JPEG carries a second one for the depth
        found.append(FRAMES)
    return tuple(found)


def _has_more(picture: Image.Image) -> bool:
    try:
        return bool(getattr(picture, "is_animated", False))
    except Exception:  # there is a second frame, and it is damaged or a bomb: nobody wants it
        return True


def of_pixels(pixels: NDArray[np.uint8]) -> tuple[str, ...]:
    """What strikes one about the picture itself, uint8 (H, W, 3)."""
    if _spread(pixels[::16, ::16]) > _SHADES or _spread(pixels) > _SHADES:
        return ()
    return (FLAT,)


def _spread(pixels: NDArray[np.uint8]) -> int:
    return int(max(np.ptp(pixels[..., channel]) for channel in range(3)))


def of_name(name: str, kind: str) -> tuple[str, ...]:
    """Whether a file called `name` is not what it says."""
    promised = KINDS.get(name.rpartition(".")[2].lower(), kind)
    return () if promised == kind or not kind else (MISNAMED,)


def sentences(found: Mapping[str, Sequence[str]]) -> list[str]:
    """A line for each kind of remark, of the names of the images that it was made on."""
    return [f"{_subject(found[code])} {said}." for code, said in _SAID.items() if found.get(code)]


def _subject(names: Sequence[str]) -> str:
    if len(names) == 1:
        return f"1 image ({names[0]}) is"
    return f"{len(names):,} images ({names[0]}, …) are each"
