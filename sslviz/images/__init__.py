"""Bytes in, upright RGB out; the only place that opens an image.

`decode` takes a stranger's file. It knows the formats it will open, looks at the size before it decodes
anything, and turns whatever goes wrong into a reason: the end of a sentence that begins with the file's name,
such as "is cut short; download or copy it again". It runs in processes of its own (`sslviz.decoding`), for an
image decoder is the part of the house most likely to be attacked.
"""

from __future__ import annotations

import hashlib
import io
import re
import warnings
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from PIL import Image

from sslviz.errors import UserError
from sslviz.images import remarks
from sslviz.images.failures import reason
from sslviz.images.formats import RAW, sniff
from sslviz.images.tones import eight_bits

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from sslviz.settings import Settings

    Pixels = NDArray[np.uint8]

_GREY = (128, 128, 128)
"""What shows through transparent pixels: far from neither black nor white drawings."""
_RAW_TAGS = {50706, 33422}
"""DNGVersion and CFAPattern: the TIFF inside is what a camera's sensor saw, or a preview of it."""
_PURPOSE, _SUBDIRECTORIES = 254, 330
_BITS, _PHOTOMETRIC, _SAMPLES = 258, 262, 339
"""BitsPerSample; PhotometricInterpretation, 0 where white is nought; SampleFormat, 1 where without a sign."""
_LARGEST_MASK = 8192
_TURNED = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
"""What undoes each value of EXIF's orientation."""


@dataclass(frozen=True)
class Stored:
    """What a set keeps of an image."""

    id: str
    """16 hexadecimal digits, from the pixels as they were before the JPEG."""
    width: int
    height: int
    jpeg: bytes
    thumbnail: bytes
    kind: str = ""
    """Pillow's name of the format it came in, where it came in a file."""
    remarks: tuple[str, ...] = ()
    """What is worth saying of it; see `sslviz.images.remarks`."""


class Picture(NamedTuple):
    """The first picture in a file, and what is worth knowing of how it got here."""

    pixels: Pixels
    kind: str
    remarks: tuple[str, ...]


def decode(data: bytes, settings: Settings) -> Pixels:
    """The first picture in a file: uint8 (H, W, 3), upright, long side at most `settings.store_side`.

    Raises `UserError` with the reason as its message, whatever `data` is.
    """
    return read(data, settings).pixels


def read(data: bytes, settings: Settings) -> Picture:
    """As `decode`, with what may be remarked on. Raises `UserError` as it does."""
    most, kind = settings.max_other_pixels, ""
    try:
        kind = sniff(data)
        most = settings.max_jpeg_pixels if kind == "JPEG" else most
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # Pillow remarks on odd metadata of files that are fine
            warnings.simplefilter("error", Image.DecompressionBombWarning)
            Image.MAX_IMAGE_PIXELS = most
            return _read(data, kind, most, settings)
    except UserError:
        raise
    except (Image.DecompressionBombError, Image.DecompressionBombWarning) as error:
        raise UserError(_too_many_pixels(str(error), _limit(most, settings))) from None
    except MemoryError:
        raise UserError("needs more memory to read than one image may take") from None
    except Exception as error:
        # Decoders raise OSError, ValueError, SyntaxError, struct.error and more; no list would be complete.
        raise UserError(reason(error, data, kind)) from None


def reencode(pixels: Pixels, store_side: int, thumbnail_side: int) -> Stored:
    """The copies that a set keeps of `pixels`, uint8 (H, W, 3), shrunk to `store_side` where it is longer."""
    picture = Image.fromarray(pixels)
    if max(picture.size) > store_side:
        picture = _shrunk(picture, store_side)
        pixels = np.asarray(picture)
    small = _jpeg(_shrunk(picture, thumbnail_side), 85)
    return Stored(content_id(pixels), picture.width, picture.height, _jpeg(picture, 95), small)


def encode_jpeg(pixels: Pixels, quality: int = 95) -> bytes:
    """uint8 (H, W, 3) → JPEG with colour at full resolution and no metadata."""
    return _jpeg(Image.fromarray(pixels), quality)


def _jpeg(picture: Image.Image, quality: int) -> bytes:
    out = io.BytesIO()
    picture.save(out, "JPEG", quality=quality, subsampling="4:4:4")
    return out.getvalue()


def decode_jpeg(data: bytes) -> Pixels:
    """A JPEG that `encode_jpeg` wrote → uint8 (H, W, 3). Raises `UserError` where the disk spoiled it."""
    try:
        with Image.open(io.BytesIO(data), formats=("JPEG",)) as picture:
            return np.array(picture.convert("RGB"))
    except (OSError, ValueError, SyntaxError):
        raise UserError("A stored image is damaged.", "Delete the set and add its images again.") from None


def thumbnail(pixels: Pixels, side: int) -> bytes:
    """uint8 (H, W, 3) → a small JPEG with a long side of at most `side`."""
    return _jpeg(_shrunk(Image.fromarray(pixels), side), 85)


def bitmap(pixels: Pixels) -> bytes:
    """uint8 (H, W, 3) → a file without any loss, for pixels that have to pass through `decode`."""
    out = io.BytesIO()
    Image.fromarray(pixels).save(out, "BMP")
    return out.getvalue()


def read_mask(data: bytes, width: int, height: int) -> Pixels | None:
    """A PNG whose levels are numbers of things and not brightnesses → uint8 (height, width), of each pixel
    the nearest number.

    None for anything else, and where its sides are in another proportion: then it belongs to another picture,
    or to one that has been turned. For files of archives whose digest is known, since it decodes in this
    process.
    """
    try:
        with Image.open(io.BytesIO(data), formats=("PNG",)) as picture:
            if picture.mode not in {"L", "P", "1"} or max(picture.size) > _LARGEST_MASK:
                return None
            if abs(picture.width * height - picture.height * width) > max(*picture.size, width, height):
                return None
            levels = picture.convert("L") if picture.mode == "1" else picture
            return np.array(levels.resize((width, height), Image.Resampling.NEAREST), np.uint8)
    except (OSError, ValueError, SyntaxError, Image.DecompressionBombError):
        return None


def square(pixels: Pixels, side: int) -> Pixels:
    """The centre square of uint8 (H, W, 3), resampled to (S, S, 3) without aliasing, never padded."""
    height, width = pixels.shape[:2]
    edge = min(height, width)
    left, top = (width - edge) // 2, (height - edge) // 2
    centre = pixels[top : top + edge, left : left + edge]
    if edge == side:
        return centre.copy()
    # The resampling filter widens with the factor, which is what keeps fine texture from turning into moiré.
    resized = Image.fromarray(centre).resize((side, side), Image.Resampling.BICUBIC)
    return np.asarray(resized)


def squares_along(pixels: Pixels, side: int, places: int) -> NDArray[np.uint8]:
    """Squares of uint8 (H, W, 3), its whole shorter side wide: `places` of them, two or more, from one end of
    its longer side to the other, equally far apart. uint8 (places, S, S, 3), resampled without aliasing."""
    height, width = pixels.shape[:2]
    edge = min(height, width)
    size = round(width * side / edge), round(height * side / edge)
    if size == (width, height):
        whole = pixels
    else:
        whole = np.asarray(Image.fromarray(pixels).resize(size, Image.Resampling.BICUBIC))
    room = max(size) - side
    starts = [round(place * room / (places - 1)) for place in range(places)]
    if width >= height:
        return np.stack([whole[:, start : start + side] for start in starts])
    return np.stack([whole[start : start + side] for start in starts])


def content_id(pixels: Pixels) -> str:
    """Name of an image by what it shows: 16 hexadecimal digits of SHA-256 over its shape and pixels."""
    digest = hashlib.sha256(repr(pixels.shape).encode())
    digest.update(np.ascontiguousarray(pixels).data)
    return digest.hexdigest()[:16]


def _read(data: bytes, kind: str, most: int, settings: Settings) -> Picture:
    with Image.open(io.BytesIO(data), formats=(kind,)) as picture:
        _check_size(picture.size, most, settings)
        if kind == "TIFF" and _is_raw(picture):
            raise UserError(RAW)
        if kind == "JPEG":
            scale = 2 * settings.store_side / max(picture.size)
            picture.draft(None, (round(picture.width * scale), round(picture.height * scale)))
        picture.load()
        turned = _TURNED.get(_orientation(picture))
        # A new picture from here on, so that nothing but pixels can get any further.
        upright = _render(picture, settings.store_side)
        said = remarks.of_file(picture, kind)
    if turned is not None:
        upright = upright.transpose(turned)
    pixels = np.array(upright)
    return Picture(pixels, kind, said + remarks.of_pixels(pixels))


def _check_size(size: tuple[int, int], most: int, settings: Settings) -> None:
    width, height = size
    is_size = f"is {width:,} × {height:,} pixels"
    if width * height > most:
        raise UserError(f"{is_size}; {_limit(most, settings)}")
    if max(size) > settings.max_side:
        raise UserError(f"{is_size}; the limit is {settings.max_side:,} a side")
    if max(size) > settings.max_aspect * min(size):
        raise UserError(f"{is_size}: too long and thin (at most {settings.max_aspect:g} to 1)")
    if min(size) < settings.min_side:
        raise UserError(f"{is_size}; at least {settings.min_side} × {settings.min_side} is needed")


def _is_raw(picture: Image.Image) -> bool:
    tags = getattr(picture, "tag_v2", {})
    if not _RAW_TAGS.isdisjoint(tags):
        return True
    # Other cameras put a preview first, and say so, and what the sensor saw into a directory below.
    return bool(_SUBDIRECTORIES in tags and int(tags.get(_PURPOSE, 0)) & 1)


def _orientation(picture: Image.Image) -> int:
    """EXIF's orientation, 1 where there is none or none that makes sense. Only after `load`: Pillow turns
    TIFF itself, and then forgets the tag."""
    try:
        return int(picture.getexif().get(0x0112, 1))
    except Exception:  # broken metadata is no reason to refuse the pixels
        return 1


def _render(picture: Image.Image, side: int) -> Image.Image:
    """Any mode → RGB with a long side of at most `side`."""
    mode = picture.mode
    if mode == "F" or mode.startswith("I"):
        return _shrunk(Image.fromarray(_levels(picture)), side).convert("RGB")
    if mode in {"P", "PA"} or "transparency" in picture.info:
        picture = picture.convert("RGBA")
    if picture.mode in {"LA", "La", "RGBA", "RGBa"}:
        return _composite(picture, side)
    if picture.mode == "1":
        picture = picture.convert("L")
    if picture.mode not in {"L", "RGB", "CMYK", "YCbCr"}:
        picture = picture.convert("RGB")
    # Shrunk first: a photograph of 80 megapixels would need twice its memory as RGB beside the original.
    return _shrunk(picture, side).convert("RGB")


def _levels(picture: Image.Image) -> NDArray[np.uint8]:
    """Grey of more than 8 bits → uint8 (H, W), minding what Pillow does not of a TIFF's tags."""
    tags = getattr(picture, "tag_v2", {})
    values = np.asarray(picture)
    if values.dtype == np.int32 and (tags.get(_BITS), tags.get(_SAMPLES, (1,))) == ((32,), (1,)):
        values = values.view(np.uint32)
    levels = eight_bits(values)
    return 255 - levels if tags.get(_PHOTOMETRIC) == 0 else levels


def _composite(picture: Image.Image, side: int) -> Image.Image:
    if picture.getextrema()[-1] == (0, 0):
        raise UserError("is fully transparent")
    # Pillow weighs colours by alpha when it shrinks, so hidden colours cannot bleed in.
    picture = _shrunk(picture, side).convert("RGBA")
    ground = Image.new("RGBA", picture.size, (*_GREY, 255))
    return Image.alpha_composite(ground, picture).convert("RGB")


def _shrunk(picture: Image.Image, side: int) -> Image.Image:
    longest = max(picture.size)
    if longest <= side:
        return picture
    width, height = (max(1, round(edge * side / longest)) for edge in picture.size)
    return picture.resize((width, height), Image.Resampling.BICUBIC, reducing_gap=2.0)


def _limit(most: int, settings: Settings) -> str:
    jpeg = settings.max_jpeg_pixels
    for_jpeg = f" ({jpeg / 1e6:,.0f} for JPEG)" if jpeg > most else ""
    return f"the limit is {most / 1e6:,.0f} million{for_jpeg}"


def _too_many_pixels(message: str, limit: str) -> str:
    found = re.search(r"\((\d+) pixels\)", message)
    count = f"{int(found[1]) / 1e6:,.0f} million" if found else "too many"
    return f"has {count} pixels; {limit}"
