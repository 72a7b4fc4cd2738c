"""Rows 1 to 47 of the bad inputs: single files, each with the sentence or the remark that it earns."""

from __future__ import annotations

import struct
import zlib
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from bad_files import (
    Pixels,
    chunk,
    deep_png,
    file_of,
    grey_tiff,
    jpeg_frame,
    patched,
    png,
    scene,
    vast_jpeg,
    zip_of,
)
from PIL import Image, ImageCms

UNREADABLE = "is not an image we can read (JPEG, PNG, WebP, GIF, TIFF, BMP, HEIC, AVIF)"
SHORT = "is cut short; download or copy it again"
POINTER = "is a Git LFS pointer; run `git lfs pull`"
RAW = "is a camera raw file; export it as JPEG"
DEEP = "more than 8 bits a pixel"
FIRST = "the first of them was taken"
FLAT = "there is nothing in it to learn from"
PRINT = "the colours of a printer or a laboratory"
KIND = "not what its name says"
JPEG, PNG = file_of(scene(), "JPEG"), file_of(scene(), "PNG")


@dataclass(frozen=True)
class File:
    """One bad input: skipped with the reason `said` or, where there is none, taken with `notes`."""

    name: str
    data: bytes
    said: str = ""
    notes: tuple[str, ...] = ()
    """Words of the sentences on it."""
    like: Pixels | None = None
    """What it then has to look like, uint8 (H, W, 3)."""
    off: float = 6.0
    """How far from it on average, in levels."""


def exif(tag: int, value: Any) -> bytes:
    found = Image.Exif()
    found[tag] = value
    return found.tobytes()


def layered(alpha: int) -> Pixels:
    return np.dstack([scene(), np.full((48, 64), alpha, np.uint8)])


def frames(kind: str, **options: Any) -> bytes:
    rest = [Image.fromarray(scene()[::-1].copy())]
    return file_of(scene(), kind, save_all=True, append_images=rest, **options)


def floats(bad: int) -> bytes:
    """`bad` columns of 64 that are no numbers, and a value or two beyond all others."""
    values = np.tile(np.linspace(-3, 1000, 64, dtype=np.float32), (48, 1))
    values[:, :bad] = np.nan
    values[0, -3:] = np.nan, np.inf, 1e38
    return file_of(Image.fromarray(values), "TIFF")


def lab() -> Image.Image:
    profiles = ImageCms.createProfile("sRGB"), ImageCms.createProfile("LAB")
    return ImageCms.profileToProfile(Image.fromarray(scene()), *profiles, outputMode="LAB")


def broken_gif() -> bytes:
    """Its second frame claims to be 65,535 pixels wide and high."""
    data = frames("GIF")
    at = data.rindex(b"\x2c\0\0\0\0") + 5
    return data[:at] + struct.pack("<HH", 65_535, 65_535) + data[at + 4 :]


def shaped(*sizes: tuple[int, int], said: str) -> list[File]:
    return [File("a.png", png(*size), said.format(*size)) for size in sizes]


def turned() -> list[File]:
    turns: dict[int, Callable[[Pixels], Pixels]] = {
        1: lambda a: a,
        2: lambda a: a[:, ::-1],
        3: lambda a: a[::-1, ::-1],
        4: lambda a: a[::-1],
        5: lambda a: a.transpose(1, 0, 2),
        6: lambda a: np.rot90(a, -1),
        7: lambda a: a[::-1, ::-1].transpose(1, 0, 2),
        8: lambda a: np.rot90(a, 1),
    }
    return [
        File("a.png", file_of(scene(), "PNG", exif=exif(0x0112, n)), like=turn(scene()))
        for n, turn in turns.items()
    ]


def modes() -> list[File]:
    kinds = {"1": "PNG", "LA": "PNG", "P": "PNG", "PA": "TIFF", "L": "PNG"}
    pictures = {mode: Image.fromarray(scene()) for mode in kinds}
    pictures["PA"] = pictures["PA"].convert("P")
    return [File("a", file_of(picture.convert(mode), kinds[mode])) for mode, picture in pictures.items()]


def cmyk_jpegs() -> list[File]:
    plain = file_of(Image.fromarray(scene()).convert("CMYK"), "JPEG")
    ycck = bytearray(plain)
    ycck[plain.index(b"Adobe") + 11] = 2  # how its colours are to be understood
    return [File("a.jpg", plain, notes=(PRINT,), like=scene()), File("b.jpg", bytes(ycck), notes=(PRINT,))]


def vast() -> list[File]:
    sixty = vast_jpeg(16_000, 12_800)
    return [
        File("108.jpg", vast_jpeg(12_000, 9_024), notes=(FLAT,)),
        File("200.jpg", sixty[:5_000], "has 205 million pixels; the limit is 128 million"),
    ]


def jpegs_of_other_kinds() -> list[File]:
    frame = jpeg_frame(JPEG)
    arithmetic = JPEG[: frame + 1] + b"\xc9" + JPEG[frame + 2 :]
    twelve = JPEG[: frame + 1] + b"\xc1" + JPEG[frame + 2 : frame + 4] + b"\x0c" + JPEG[frame + 5 :]
    return [
        File("a.jpg", file_of(scene(), "JPEG", progressive=True), like=scene()),
        File("b.jpg", arithmetic, "is a JPEG of the arithmetic kind, which few programs read; save it again"),
        File("c.jpg", twelve, "is a JPEG of 12 bits a colour; save it again as an ordinary one, of 8"),
    ]


def strangers() -> list[File]:
    picture = scene()
    return [
        File("a.tga", file_of(picture, "TGA"), UNREADABLE),
        File("a.ppm", file_of(picture, "PPM"), UNREADABLE),
        File("a.ico", file_of(picture, "ICO"), UNREADABLE),
        File("a.jp2", b"\0\0\0\x0cjP  \r\n\x87\n" + bytes(99), "is a JPEG 2000; export it as JPEG"),
        File("a.fits", b"SIMPLE  =                    T".ljust(2880), UNREADABLE),
        File("a.psd", b"8BPS\0\1" + bytes(99), "is a Photoshop file; export it as PNG"),
        File("a.png", b"version https://git-lfs.github.com/spec/v1\noid sha256:4d7a\nsize 12345\n", POINTER),
        File("a.mp4", b"\0\0\0\x18ftypisom\0\0\2\0isommp41", "is a film; take single frames from it"),
    ]


def polyglots() -> list[File]:
    tails = [b"junk" * 250_000, zip_of(("x.html", b"<script>alert(1)</script>")), b"<html><script>alert(1)"]
    found = [File(f"{number}.jpg", JPEG + tail, like=scene()) for number, tail in enumerate(tails)]
    return [*found, File("gifar.gif", file_of(scene(), "GIF") + tails[1], like=scene(), off=20)]


def raws() -> list[File]:
    dng = (50706, 1, 4, 0x0401)
    preview = (254, 4, 1, 1), (330, 4, 1, 8)
    return [
        File("a.dng", grey_tiff(0, 0, dng), RAW),
        File("a.nef", grey_tiff(0, 0, *preview), RAW),
        File("a.cr2", b"II*\0\x10\0\0\0CR\2\0" + bytes(99), RAW),
        File("a.cr3", b"\0\0\0\x18ftypcrx \0\0\0\1crx isom", RAW),
        File("a.raf", b"FUJIFILMCCD-RAW", RAW),
        File("a.jxl", b"\xff\x0a\0\0", "is a JPEG XL; export it as JPEG"),
    ]


def flat_numbers() -> list[File]:
    counts = np.tile(np.arange(64, dtype=np.int32) * 1_000_000, (48, 1))
    same = np.full((48, 64), 70_000, np.int32)
    return [
        File("a.tif", file_of(Image.fromarray(counts), "TIFF"), notes=(DEEP,), like=ramp()),
        File("b.tif", file_of(Image.fromarray(same), "TIFF"), notes=(DEEP, FLAT)),
    ]


def ramp() -> Pixels:
    return np.tile(np.linspace(0, 255, 64).astype(np.uint8)[:, None], (48, 1, 3))


def sixteen() -> list[File]:
    levels = np.tile(np.linspace(0, 65535, 64).astype(np.uint16), (48, 1))
    files = file_of(Image.fromarray(levels), "PNG"), file_of(Image.fromarray(levels // 16), "TIFF")
    return [File("a", data, notes=(DEEP,), like=ramp()) for data in files]


def profiles() -> list[File]:
    wide = ImageCms.ImageCmsProfile(ImageCms.createProfile("LAB")).tobytes()
    found = [file_of(scene(), kind, icc_profile=icc) for kind in ("PNG", "JPEG") for icc in (wide, b"junk")]
    return [File("a", data, like=scene()) for data in found]


def damaged_png() -> list[File]:
    at = PNG.index(b"IDAT") + 40
    crc = PNG.index(b"IDAT") - 4
    length = struct.unpack_from(">I", PNG, crc)[0]
    tail = bytearray(PNG)
    tail[crc + 8 + length] ^= 0xFF
    middle = bytearray(PNG)
    middle[at : at + 9] = bytes(9)
    return [File("a.png", bytes(tail), "is damaged"), File("b.png", bytes(middle), "is damaged")]


TOO_MANY = "has {0} million pixels; the limit is 32 million (128 for JPEG)"
STRIPS = "is {0} × {1} pixels: too long and thin (at most 10 to 1)"
SMALL = "is {0} × {1} pixels; at least 32 × 32 is needed"
SECRET = exif(0x010E, "SECRET-PLACE <script>alert(1)</script>")

IMAGES: dict[str, Callable[[], list[File]]] = {
    "01 an empty file": lambda: [File("a.png", b"", "is empty")],
    "02 a byte, or random ones": lambda: [
        File("a.png", b"\0", UNREADABLE),
        File("b.png", np.random.default_rng(5).bytes(4000), UNREADABLE),
    ],
    "03 half of a JPEG": lambda: [File("a.jpg", JPEG[: len(JPEG) // 2], SHORT)],
    "04 the head of a JPEG": lambda: [File("a.jpg", JPEG[:30], SHORT)],
    "05 half of a PNG": lambda: [File("a.png", PNG[: len(PNG) // 2], SHORT)],
    "06 a PNG with damaged pixels": damaged_png,
    "07 a PNG with a damaged head": lambda: [
        File("a.png", patched(PNG, (b"IHDR", 17, ">I", 1)), "is damaged")
    ],
    "08 a PNG called jpg": lambda: [File("a.jpg", PNG, notes=(KIND,), like=scene())],
    "09 a web page called png": lambda: [
        File("a.png", b"<!DOCTYPE html><html><script>alert(1)</script></html>", UNREADABLE)
    ],
    "10 an SVG": lambda: [
        File(
            "a.svg",
            b'<?xml version="1.0"?><svg xmlns="x"/>',
            "SVG is a drawing, not pixels; export it as PNG",
        )
    ],
    "11 a PDF": lambda: [File("a.pdf", b"%PDF-1.7 ...", "is a PDF; export the page as PNG")],
    "12 an EPS": lambda: [
        File("a.eps", b"%!PS-Adobe-3.0 EPSF-3.0\n", "is a PostScript drawing; export it as PNG")
    ],
    "13 a HEIC": lambda: [File("a.heic", file_of(scene(), "HEIF", quality=95), like=scene())],
    "14 an AVIF": lambda: [File("a.avif", file_of(scene(), "AVIF", quality=95, speed=10), like=scene())],
    "15 camera raw and JPEG XL": raws,
    "16 a bomb of 74 bytes": lambda: shaped((50_000, 50_000), said=TOO_MANY.format("2,500")),
    "17 a PNG of 144 million pixels": lambda: shaped((12_000, 12_000), said=TOO_MANY.format("144")),
    "18 81 million pixels of one bit": lambda: [
        File("a.png", png(9_000, 9_000, 1, 0, body=bytes(9_000 * 1_126)), TOO_MANY.format("81"))
    ],
    "19 a phone's JPEG of 108 or 200 million pixels": vast,
    "20 a PNG with an endless side": lambda: shaped((2**31 - 1, 1), said=TOO_MANY.format("2,147")),
    "21 a PNG of nothing": lambda: shaped((0, 0), said="is damaged"),
    "22 a single pixel": lambda: shaped((1, 1), said=SMALL),
    "23 a line and a post": lambda: [
        File("a.png", png(1, 10_000), STRIPS.format(1, "10,000")),
        File("b.png", png(10_000, 1), STRIPS.format("10,000", 1)),
    ],
    "24 the smallest that will do": lambda: [
        *shaped((31, 31), (31, 40), said=SMALL),
        *(File("a.png", file_of(scene(*size), "PNG"), like=scene(*size)) for size in ((32, 32), (33, 47))),
    ],
    "26 a grey PNG of 16 bits": sixteen,
    "27 a coloured PNG of 16 bits": lambda: [File("a.png", deep_png(), like=scene())],
    "28 a TIFF of 32 bits": flat_numbers,
    "29 a TIFF of numbers that are none": lambda: [
        File("a.tif", floats(1), "has values that are not numbers"),
        File("b.tif", floats(0), notes=(DEEP,)),
    ],
    "30 black and white, grey, and palettes": modes,
    "31 a palette with many alphas": lambda: [
        File("a.png", file_of(Image.fromarray(scene()).convert("P"), "PNG", transparency=bytes(range(256))))
    ],
    "32 what is transparent": lambda: [
        File("a.png", file_of(layered(0), "PNG"), "is fully transparent"),
        File("b.png", file_of(layered(1), "PNG"), notes=(FLAT,), like=np.full((48, 64, 3), 128, np.uint8)),
    ],
    "33 JPEGs for a printer": cmyk_jpegs,
    "34 profiles of colours, whole and broken": profiles,
    "35 TIFFs of other colours": lambda: [
        File("a.tif", file_of(lab(), "TIFF"), notes=(PRINT,), like=scene()),
        *(
            File("a.tif", file_of(Image.fromarray(scene()).convert(mode), "TIFF"), notes=notes, like=scene())
            for mode, notes in (("YCbCr", (PRINT,)), ("CMYK", (PRINT,)), ("RGBX", ()))
        ),
    ],
    "36 progressive, arithmetic and 12-bit JPEGs": jpegs_of_other_kinds,
    "37 all eight ways to hold a camera": turned,
    "38 turns that mean nothing": lambda: [
        File("a.png", file_of(scene(), "PNG", exif=exif(0x0112, turn)), like=scene())
        for turn in (0, 9, 65535)
    ],
    "39 metadata, broken and telling": lambda: [
        File("a.jpg", file_of(scene(), "JPEG", exif=SECRET), like=scene()),
        File("b.jpg", file_of(scene(), "JPEG", exif=b"Exif\0\0SECRET-PLACE"), like=scene()),
        File(
            "c.png",
            png(64, 48, 8, 2, chunk(b"tEXt", b"Comment\0SECRET-PLACE"), body=bytes(193 * 48)),
            notes=(FLAT,),
        ),
    ],
    "40 what moves": lambda: [
        File("a.gif", frames("GIF"), notes=(FIRST,), like=scene(), off=20),
        File("a.png", frames("PNG"), notes=(FIRST,), like=scene()),
        File("a.webp", frames("WEBP", lossless=True), notes=(FIRST,), like=scene()),
    ],
    "41 a GIF whose second frame is a bomb": lambda: [
        File("a.gif", broken_gif(), notes=(FIRST,), like=scene(), off=20)
    ],
    "42 a TIFF of many pages": lambda: [File("a.tif", frames("TIFF"), notes=(FIRST,), like=scene())],
    "43 a TIFF that leads in a circle, and one of 60,000 tags": lambda: [
        File("a.tif", grey_tiff(after=8 + 1600)),
        File("b.tif", grey_tiff(more=60_000)),
    ],
    "44 a PNG whose text unpacks without end": lambda: [
        File(
            "a.png",
            png(
                40,
                40,
                8,
                2,
                chunk(b"zTXt", b"Comment\0\0" + zlib.compress(bytes(20_000_000))),
                body=bytes(121 * 40),
            ),
            "is damaged",
        )
    ],
    "45 pictures that are something else too": polyglots,
    "46 formats that nobody asked for": strangers,
    "47 one colour and nothing else": lambda: [
        File(f"{level}.png", file_of(np.full((40, 40, 3), level, np.uint8), "PNG"), notes=(FLAT,))
        for level in (0, 77, 255)
    ],
}
