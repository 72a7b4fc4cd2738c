"""Files that are not what one hopes for, made byte by byte where no program would write them."""

from __future__ import annotations

import io
import struct
import zipfile
import zlib

import numpy as np
import pillow_heif
from numpy.typing import NDArray
from PIL import Image

pillow_heif.register_heif_opener(thumbnails=False)

Pixels = NDArray[np.uint8]


def scene(height: int = 48, width: int = 64, tint: int = 0) -> Pixels:
    """Smooth, asymmetric and colourful, so that lossy formats keep it and no turn leaves it alike."""
    y, x = np.mgrid[0 : 1 : height * 1j, 0 : 1 : width * 1j]
    return np.stack([255 * x, 255 * y, (255 - tint) * (1 - x) * y], axis=2).astype(np.uint8)


def file_of(picture: Image.Image | Pixels, kind: str, **options: object) -> bytes:
    out = io.BytesIO()
    picture = picture if isinstance(picture, Image.Image) else Image.fromarray(picture)
    picture.save(out, kind, **options)
    return out.getvalue()


def chunk(name: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))


def png(width: int, height: int, depth: int = 8, colour: int = 2, *more: bytes, body: bytes = b"\0") -> bytes:
    header = struct.pack(">IIBBBBB", width, height, depth, colour, 0, 0, 0)
    body = chunk(b"IDAT", zlib.compress(body))
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + b"".join(more) + body + chunk(b"IEND", b"")


def deep_png() -> bytes:
    """RGB of 16 bits a colour, which Pillow does not write."""
    rows = np.zeros((48, 1 + 64 * 6), np.uint8)
    rows[:, 1:] = (scene().astype(np.uint16) * 257).astype(">u2").view(np.uint8).reshape(48, -1)
    return png(64, 48, 16, 2, body=rows.tobytes())


def jpeg_frame(data: bytes) -> int:
    """Where the frame of a baseline JPEG begins: FF C0, length, precision, height, width."""
    return data.index(b"\xff\xc0")


def vast_jpeg(width: int, height: int) -> bytes:
    """A grey JPEG of any size in multiples of 8 and 32: of one block the rest is six bits each."""
    data = file_of(np.full((8, 8), 128, np.uint8), "JPEG")
    frame, scan = jpeg_frame(data), data.index(b"\xff\xda")
    start = scan + 2 + struct.unpack_from(">H", data, scan + 2)[0]
    head = bytearray(data[:start])
    struct.pack_into(">HH", head, frame + 5, height, width)
    # No difference in brightness (00), end of block (1010): four blocks are three bytes.
    return bytes(head) + b"\x28\xa2\x8a" * (width * height // 64 // 4) + b"\xff\xd9"


def tiff(tags: list[tuple[int, int, int, int]], after: int, pixels: bytes) -> bytes:
    """A grey TIFF with (tag, type, count, value) each, where the next page is, and pixels from byte 8."""
    directory = struct.pack("<H", len(tags)) + b"".join(struct.pack("<HHII", *tag) for tag in tags)
    at = 8 + len(pixels)
    return b"II*\0" + struct.pack("<I", at) + pixels + directory + struct.pack("<I", after)


def grey_tiff(after: int = 0, more: int = 0, *extra: tuple[int, int, int, int]) -> bytes:
    """40 × 40 levels in one strip; `after` is where the next page is said to be, `more` adds idle tags."""
    pixels = bytes(np.add.outer(np.arange(40), 3 * np.arange(40)).astype(np.uint8))
    tags = [(256, 3, 1, 40), (257, 3, 1, 40), (258, 3, 1, 8), (259, 3, 1, 1), (262, 3, 1, 1), (273, 4, 1, 8),
            (277, 3, 1, 1), (278, 3, 1, 40), (279, 4, 1, 1600)]  # fmt: skip
    tags += [*extra, *((60_000 + number % 5_000, 4, 1, number) for number in range(more))]
    return tiff(sorted(tags), after, pixels)


def zip_of(*files: tuple[str, bytes], method: int = zipfile.ZIP_DEFLATED) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", method) as archive:
        for name, data in files:
            archive.writestr(zipfile.ZipInfo(name), data, method)
    return out.getvalue()


def patched(data: bytes, *changes: tuple[bytes, int, str, int]) -> bytes:
    """`data` with numbers written over it: behind a signature, at an offset, in a format."""
    found = bytearray(data)
    for signature, offset, form, value in changes:
        struct.pack_into(form, found, found.find(signature) + offset, value)
    return bytes(found)


def overlapping_zip(members: int = 500) -> bytes:
    """Many entries of the directory, one body: a few kilobytes that unpack to as many megabytes."""
    body = zlib.compress(bytes(1_000_000))[2:-4]
    crc = zlib.crc32(bytes(1_000_000))
    sizes = (crc, len(body), 1_000_000, 1)
    local = struct.pack("<IHHHHHIIIHH", 0x04034B50, 20, 0, 8, 0, 33, *sizes, 0) + b"a" + body
    entry = (
        struct.pack("<IHHHHHHIIIHHHHHII", 0x02014B50, 20, 20, 0, 8, 0, 33, *sizes, 0, 0, 0, 0, 0, 0) + b"a"
    )
    size = len(entry) * members
    end = struct.pack("<IHHHHIIH", 0x06054B50, 0, 0, members, members, size, len(local), 0)
    return local + entry * members + end
