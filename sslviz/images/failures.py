"""Why a file could not be decoded, as far as the error and the file itself tell.

A file that says how long it is, and is not, was cut short; decoders call that by many names.
"""

from __future__ import annotations

import struct
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import UnidentifiedImageError

_SHORT = "is cut short; download or copy it again"
_FOREIGN = "is a TIFF of a kind that cannot be read here; save it as 8-bit RGB or as PNG"
_NEEDED = {256, 257, 273}, {256, 257, 324}
"""Tags of a picture in a TIFF: width, height, and where its strips or its tiles begin."""
_PLACES = {273: 279, 324: 325}
"""Tags of where strips and tiles begin; and of how long they are."""
_KEPT = {*_PLACES, *_PLACES.values()}
_BYTES = dict(zip((1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 16, 17, 18),
                  (1, 1, 2, 4, 8, 1, 1, 2, 4, 8, 4, 8, 4, 8, 8, 8), strict=True))  # fmt: skip
"""Bytes of a value of each kind that a tag may have."""
_WHOLE_NUMBERS = {3, 4, 16}
_MOST_TAGS, _MOST_PLACES = 1 << 16, 1 << 20
_FAR = 1 << 60


def reason(error: Exception, data: bytes, kind: str) -> str:
    """The end of a sentence on `data`, which as Pillow's `kind` of file raised `error`. Never raises."""
    text = str(error).lower()
    if isinstance(error, EOFError) or any(word in text for word in ("truncated", "unexpected end")):
        return _SHORT
    try:
        if kind == "TIFF":
            tags, end = _tiff(data)
            if end <= len(data):
                whole = any(needed <= tags for needed in _NEEDED)
                return _FOREIGN if whole and isinstance(error, UnidentifiedImageError) else "is damaged"
        else:
            end = _end(data, kind)
    except EOFError:
        return _SHORT
    return _SHORT if end > len(data) else "is damaged"


def _end(data: bytes, kind: str) -> int:
    """Bytes that a file says it has at least."""
    if kind == "WEBP":
        return 8 + _number("<I", data, 4)
    at = 0
    while kind in {"AVIF", "HEIF"} and at < len(data):
        size = _number(">I", data, at)
        if size == 1:
            size = _number(">Q", data, at + 8)
        if size < 8:  # nought is the last box, however long, and others there are none
            return at
        at += size
    return at


def _tiff(data: bytes) -> tuple[set[int], int]:
    """Tags of the first directory of a TIFF, and where the last byte is of all that it speaks of.

    Raises `EOFError` where the directory begins beyond the end.
    """
    order = "<" if data.startswith(b"II") else ">"
    number, wide, count = ("Q", 8, "Q") if b"+" in data[2:4] else ("I", 4, "H")
    start = _number(order + number, data, wide)
    entries = _number(order + count, data, start)
    start += struct.calcsize(order + count)
    end = last = start + entries * (4 + 2 * wide)
    tags: set[int] = set()
    if end > len(data) or entries > _MOST_TAGS:
        return tags, end
    places: dict[int, NDArray[Any]] = {}
    for at in range(start, end, 4 + 2 * wide):
        tag, form = _number(order + "H", data, at), _number(order + "H", data, at + 2)
        many = _number(order + number, data, at + 4)
        size = many * _BYTES.get(form, 0)
        where = at + 4 + wide
        if size > wide:
            where = _number(order + number, data, where)
        tags.add(tag)
        last = max(last, where + size)
        if tag in _KEPT and form in _WHOLE_NUMBERS and many in range(1, _MOST_PLACES) and last <= len(data):
            found = np.frombuffer(data, f"{order}u{_BYTES[form]}", many, where).astype(np.uint64)
            places[tag] = np.minimum(found, np.uint64(_FAR))
    for begin, length in _PLACES.items():
        if begin in places and length in places and len(places[begin]) == len(places[length]):
            last = max(last, int((places[begin] + places[length]).max()))
    return tags, last


def _number(form: str, data: bytes, at: int) -> int:
    """A number in the file. Raises `EOFError` where it ends before."""
    if at + struct.calcsize(form) > len(data):
        raise EOFError
    return int(struct.unpack_from(form, data, at)[0])
