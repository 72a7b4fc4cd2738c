"""What a file is, from its first bytes and never from its name."""

from __future__ import annotations

import re
import zlib
from functools import cache

from sslviz.errors import UserError

READABLE = "JPEG, PNG, WebP, GIF, TIFF, BMP, HEIC, AVIF"
RAW = "is a camera raw file; export it as JPEG"
UNREADABLE = f"is not an image we can read ({READABLE})"


def sniff(data: bytes) -> str:
    """Pillow's name of the format of `data`, one of those we open.

    Raises `UserError` with the reason for everything else: "is empty", "is a PDF; export the page as PNG".
    """
    if not data:
        raise UserError("is empty")
    if data.startswith(b"II*\0") and data[8:10] == b"CR":
        raise UserError(RAW)
    for start, kind in _SIGNATURES.items():
        if data.startswith(start):
            if kind == "JPEG":
                _check_jpeg(data)
            elif kind == "PNG":
                _check_png(data)
            return kind
    if data[:4] == b"RIFF" and data[8:12] == b"WEBP":
        return "WEBP"
    if data[4:8] == b"ftyp":
        return _ftyp(data)
    for start, reason in _REFUSED.items():
        if data.startswith(start):
            raise UserError(reason)
    if data[257:262] == b"ustar":
        raise UserError(_ARCHIVE)
    if re.match(rb"(\xef\xbb\xbf)?\s*(<\?xml|<!--|<!DOCTYPE svg|<svg)", data) and b"<svg" in data[:4096]:
        raise UserError("SVG is a drawing, not pixels; export it as PNG")
    raise UserError(UNREADABLE)


_SIGNATURES = {
    b"\xff\xd8\xff": "JPEG",
    b"\x89PNG\r\n\x1a\n": "PNG",
    b"GIF87a": "GIF",
    b"GIF89a": "GIF",
    b"BM": "BMP",
    b"II*\0": "TIFF",
    b"MM\0*": "TIFF",
    b"II+\0": "TIFF",
    b"MM\0+": "TIFF",
}
_ARCHIVE = "is an archive and no picture; pack the images as one .zip and add that"
_REFUSED = {
    b"%PDF": "is a PDF; export the page as PNG",
    b"%!PS": "is a PostScript drawing; export it as PNG",
    b"PK\3\4": _ARCHIVE,
    b"7z\xbc\xaf": _ARCHIVE,
    b"Rar!": _ARCHIVE,
    b"\x1f\x8b": _ARCHIVE,
    b"\xfd7zXZ": _ARCHIVE,
    b"BZh": _ARCHIVE,
    b"\x28\xb5\x2f\xfd": _ARCHIVE,
    b"\x1f\x9d": _ARCHIVE,
    b"\x5d\0\0": _ARCHIVE,
    b"version https://git-lfs": "is a Git LFS pointer; run `git lfs pull`",
    b"8BPS": "is a Photoshop file; export it as PNG",
    b"FUJIFILMCCD": RAW,
    b"IIRO": RAW,
    b"IIU\0": RAW,
    b"\xff\x0a": "is a JPEG XL; export it as JPEG",
    b"\0\0\0\x0cJXL ": "is a JPEG XL; export it as JPEG",
    b"\0\0\0\x0cjP  ": "is a JPEG 2000; export it as JPEG",
}


def _check_jpeg(data: bytes) -> None:
    """Of JPEG's many forms the one that everybody writes is read; which it is stands in its frame's head."""
    at = 2
    while at + 5 <= len(data) and data[at] == 0xFF and (marker := data[at + 1]) != 0xDA:
        if marker in _FRAMES:
            if marker in _ARITHMETIC:
                raise UserError("is a JPEG of the arithmetic kind, which few programs read; save it again")
            if (bits := data[at + 4]) != 8:
                raise UserError(f"is a JPEG of {bits} bits a colour; save it again as an ordinary one, of 8")
            return
        alone = marker in _ALONE
        at += 1 if marker == 0xFF else 2 if alone else 2 + int.from_bytes(data[at + 2 : at + 4], "big")


def _check_png(data: bytes) -> None:
    """Pillow shows what it can of damaged pixels; the checksums know better."""
    at, view = 8, memoryview(data)
    while at + 12 <= len(data):
        end = at + 8 + int.from_bytes(view[at : at + 4], "big")
        if end + 4 > len(data):
            return  # cut short: the decoder will say so
        said = int.from_bytes(view[end : end + 4], "big")
        if data.startswith(b"IDAT", at + 4) and zlib.crc32(view[at + 4 : end]) != said:
            raise UserError("is damaged")
        at = end + 4


_FRAMES = set(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}
_ARITHMETIC = {marker for marker in _FRAMES if marker > 0xC8}
_ALONE = {0x01, *range(0xD0, 0xDA)}
"""Markers without a length behind them."""


def _ftyp(data: bytes) -> str:
    """HEIC, AVIF and films share a container; its brands say which it is."""
    end = min(int.from_bytes(data[:4], "big"), 256, len(data))
    brands = {data[8:12], *(data[at : at + 4] for at in range(16, end, 4))}
    if brands & {b"avif", b"avis"}:
        _need_avif()
        return "AVIF"
    if brands & {b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"mif1", b"msf1"}:
        _register_heif()
        return "HEIF"
    if data[8:11] == b"crx":
        raise UserError(RAW)
    raise UserError("is a film; take single frames from it" if brands & _FILMS else UNREADABLE)


_FILMS = {b"isom", b"iso2", b"mp41", b"mp42", b"qt  ", b"M4V ", b"avc1"}


@cache
def _need_avif() -> None:
    from PIL import features

    if not features.check("avif"):
        raise UserError("is AVIF, which the Pillow installed here cannot read; export it as JPEG")


@cache
def _register_heif() -> None:
    # Only when the first HEIC comes: the library behind it is large, and most processes never need it.
    import pillow_heif

    pillow_heif.options.DECODE_THREADS = 1
    pillow_heif.register_heif_opener(thumbnails=False)
