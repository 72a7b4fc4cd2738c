"""Decoding against what the pictures were made of: colours, turns, sizes, and reasons for all else."""

from __future__ import annotations

import io
import struct
from typing import Any

import numpy as np
import pytest
from bad_files import file_of, scene, tiff
from PIL import Image

from sslviz import images, settings
from sslviz.errors import UserError

LIMITS = settings.Settings()
SHORT = "is cut short; download or copy it again"


def reason(data: bytes) -> str:
    with pytest.raises(UserError) as caught:
        images.decode(data, LIMITS)
    return caught.value.message


LOSSLESS = {"PNG": {}, "WEBP": {"lossless": True}, "TIFF": {}, "BMP": {}}
LOSSY = {
    "JPEG": {"quality": 98, "subsampling": 0},
    "WEBP": {"quality": 95},
    "AVIF": {"quality": 95},
    "HEIF": {"quality": 95},
    "GIF": {},
}


@pytest.mark.parametrize("kind", LOSSLESS)
def test_lossless_formats_come_back_exactly(kind: str) -> None:
    assert np.array_equal(images.decode(file_of(scene(), kind, **LOSSLESS[kind]), LIMITS), scene())


@pytest.mark.parametrize("kind", LOSSY)
def test_lossy_formats_come_back_nearly(kind: str) -> None:
    found = images.decode(file_of(scene(), kind, **LOSSY[kind]), LIMITS)
    assert found.shape == scene().shape
    most = 20 if kind == "GIF" else 4
    assert np.abs(found.astype(int) - scene()).mean() < most


TURNS = {
    1: lambda a: a,
    2: lambda a: a[:, ::-1],
    3: lambda a: a[::-1, ::-1],
    4: lambda a: a[::-1],
    5: lambda a: a.transpose(1, 0, 2),
    6: lambda a: np.rot90(a, -1),
    7: lambda a: a[::-1, ::-1].transpose(1, 0, 2),
    8: lambda a: np.rot90(a, 1),
    0: lambda a: a,
    9: lambda a: a,
    65535: lambda a: a,
}


@pytest.mark.parametrize("kind", ["PNG", "TIFF", "WEBP", "JPEG", "AVIF", "HEIF"])
@pytest.mark.parametrize("orientation", TURNS)
def test_photographs_stand_upright(kind: str, orientation: int) -> None:
    """Rotation's labels would be wrong otherwise. Values that mean nothing change nothing."""
    exif = Image.Exif()
    exif[0x0112] = orientation
    options = LOSSLESS.get(kind) or LOSSY.get(kind, {})
    found = images.decode(file_of(scene(), kind, exif=exif.tobytes(), **options), LIMITS)
    expected = TURNS[orientation](scene())
    assert found.shape == expected.shape
    assert np.abs(found.astype(int) - expected).mean() < (0.1 if kind in LOSSLESS else 4)


COLOURED = ["P", "RGB", "RGBA", "PA", "CMYK", "YCbCr", "LAB"]
GREY = ["1", "L", "LA", "I", "I;16", "F"]


@pytest.mark.parametrize("mode", COLOURED + GREY)
def test_every_mode_becomes_sensible_rgb(mode: str) -> None:
    picture = Image.fromarray(scene())
    if mode in {"I;16", "F"}:
        grey = np.asarray(picture.convert("L"))
        picture = Image.fromarray(grey.astype(np.uint16) * 257 if mode == "I;16" else grey / np.float32(255))
    elif mode == "PA":
        picture = picture.convert("P").convert("PA")
    elif mode == "LAB":
        from PIL import ImageCms

        lab, srgb = ImageCms.createProfile("LAB"), ImageCms.createProfile("sRGB")
        picture = ImageCms.profileToProfile(picture, srgb, lab, outputMode="LAB")
    else:
        picture = picture.convert(mode)
    kind = "TIFF" if mode in {"CMYK", "YCbCr", "LAB", "F", "I", "PA"} else "PNG"
    found = images.decode(file_of(picture, kind), LIMITS)
    assert found.shape == (48, 64, 3)
    if mode in COLOURED:
        assert np.abs(found.astype(int) - scene()).mean() < 20
    else:
        grey = np.asarray(Image.fromarray(scene()).convert("L"))
        least = 0.4 if mode == "1" else 0.99  # black and white dots
        assert np.corrcoef(found[..., 0].ravel(), grey.ravel())[0, 1] > least


def test_sixteen_bits_keep_their_shades() -> None:
    ramp = np.tile(np.linspace(0, 65535, 256).astype(np.uint16), (40, 1))
    found = images.decode(file_of(Image.fromarray(ramp), "PNG"), LIMITS)
    assert np.array_equal(found[0, :, 0], np.arange(256))  # Pillow's own conversion leaves two shades
    dark = images.decode(file_of(Image.fromarray(ramp // 16), "TIFF"), LIMITS)  # a 12-bit sensor
    assert len(np.unique(dark)) > 200
    assert dark.max() == 255


def test_floats_are_stretched_and_refused_where_they_are_not_numbers() -> None:
    values = np.tile(np.linspace(-3, 1e6, 64, dtype=np.float32), (48, 1))
    values[0, 0], values[1, 1], values[2, 2] = np.nan, np.inf, -np.inf
    found = images.decode(file_of(Image.fromarray(values), "TIFF"), LIMITS)
    assert np.corrcoef(found[5, :, 0], np.arange(64))[0, 1] > 0.99
    values[:, :10] = np.nan
    assert reason(file_of(Image.fromarray(values), "TIFF")) == "has values that are not numbers"
    flat = images.decode(file_of(Image.fromarray(np.full((40, 40), 7.5, np.float32)), "TIFF"), LIMITS)
    assert np.unique(flat).tolist() == [128]
    counts = np.tile(np.arange(64, dtype=np.int32) * 1_000_000, (48, 1))
    assert len(np.unique(images.decode(file_of(Image.fromarray(counts), "TIFF"), LIMITS))) > 60


def strip(values: np.ndarray, sample: int, photometric: int, packing: int = 1, body: bytes = b"") -> bytes:
    """A TIFF of one strip, (H, W) or (H, W, bands); `sample` is 1 without a sign, 2 with one, 3 floats."""
    pixels = body or values.astype(values.dtype.newbyteorder("<")).tobytes()
    height, width, bands = (*values.shape, 1)[:3]
    lists = [(258, 8 * values.itemsize), (339, sample)]
    behind = b"".join(struct.pack(f"<{bands}H", *[value] * bands) for _, value in lists) if bands > 1 else b""
    tags = [(256, 3, 1, width), (257, 3, 1, height), (259, 3, 1, packing), (262, 3, 1, photometric),
            (273, 4, 1, 8), (277, 3, 1, bands), (278, 3, 1, height), (279, 4, 1, len(pixels))]  # fmt: skip
    for place, (tag, value) in enumerate(lists):
        tags.append((tag, 3, bands, 8 + len(pixels) + place * 2 * bands if bands > 1 else value))
    return tiff(sorted(tags), 0, pixels + behind)


def test_white_may_be_nought_with_any_number_of_bits() -> None:
    """The same picture said in both ways looks the same, and not like its negative."""
    ramp = np.tile(np.linspace(0, 1, 64), (48, 1))
    for most, kind, sample in ((255, np.uint8, 1), (65535, np.uint16, 1), (1, np.float32, 3)):
        black = images.decode(strip((ramp * most).astype(kind), sample, 1), LIMITS)
        white = images.decode(strip((most - (ramp * most).astype(kind)).astype(kind), sample, 0), LIMITS)
        assert np.all(np.diff(black[0, :, 0].astype(int)) >= 0)
        assert np.abs(black.astype(int) - white).max() <= 1


def test_large_numbers_without_a_sign_do_not_turn_round() -> None:
    ramp = np.tile(np.linspace(0, 1, 64), (48, 1))
    expected = np.round(255 * ramp)
    unsigned = (ramp * (2**32 - 1)).astype(np.uint32)
    for values, sample in ((unsigned, 1), ((unsigned.astype(np.int64) - 2**31).astype(np.int32), 2)):
        found = images.decode(strip(values, sample, 1), LIMITS)
        assert np.abs(found[..., 0] - expected).max() <= 1


def test_a_whole_tiff_of_a_rare_kind_is_not_called_damaged() -> None:
    ramp = np.tile(np.linspace(0, 1, 64), (48, 1))
    rare = [strip(ramp.astype(kind), 3, 1) for kind in (np.float16, np.float64)]
    rare.append(strip(np.dstack([ramp.astype(np.float32)] * 3), 3, 2))
    rare.append(strip(np.dstack([scene(), scene()])[..., :5], 1, 1))
    rare.append(strip(scene(), 1, 2, 34712, file_of(scene(), "JPEG2000")))
    for data in rare:
        assert reason(data) == (
            "is a TIFF of a kind that cannot be read here; save it as 8-bit RGB or as PNG"
        )
        assert reason(data[: len(data) // 2]) == SHORT
    no_picture = tiff([(256, 3, 1, 64), (257, 3, 1, 48)], 0, b"")
    assert reason(no_picture) == "is damaged"


@pytest.mark.parametrize(
    ("kind", "options"),
    [
        ("WEBP", {}),
        ("WEBP", {"lossless": True}),
        ("AVIF", {"speed": 10}),
        ("HEIF", {}),
        ("TIFF", {}),
        ("TIFF", {"compression": "tiff_lzw"}),
        ("TIFF", {"compression": "tiff_adobe_deflate"}),
        ("TIFF", {"compression": "jpeg"}),
        ("TIFF", {"compression": "tiff_lzw", "big_tiff": True}),
    ],
)
def test_a_file_that_says_how_long_it_is_was_cut_short(kind: str, options: dict[str, Any]) -> None:
    data = file_of(scene(200, 300), kind, **options)
    assert images.decode(data, LIMITS).shape == (200, 300, 3)
    for share in (0.1, 0.5, 0.9, 0.99):
        assert reason(data[: int(share * len(data))]) == SHORT
    if kind != "TIFF":
        damaged = data.replace(b"VP8", b"ABC").replace(b"hdlr", b"what")
        assert reason(damaged) == "is damaged"


def test_transparency_shows_grey_and_never_a_hidden_colour() -> None:
    layers = np.zeros((48, 64, 4), np.uint8)
    layers[..., 0] = 255  # red everywhere, visible on the right alone
    layers[:, 32:, 3] = 255
    for side in (512, 32):
        found = images.decode(file_of(layers, "PNG"), settings.Settings(store_side=side))
        assert np.abs(found[:, : found.shape[1] // 2 - 2].astype(int) - 128).max() <= 1
        assert found[0, -1].tolist() == [255, 0, 0]
    layers[..., 3] = 0
    assert reason(file_of(layers, "PNG")) == "is fully transparent"


def test_a_palette_with_many_alphas_is_no_warning() -> None:
    picture = Image.fromarray(scene()).convert("P")
    data = file_of(picture, "PNG", transparency=bytes(range(256)))
    assert images.decode(data, LIMITS).shape == (48, 64, 3)


def test_only_the_first_frame_counts() -> None:
    frames = [Image.fromarray(np.full((40, 40, 3), value, np.uint8)) for value in (10, 200)]
    for kind in ("GIF", "TIFF", "WEBP", "PNG"):
        data = file_of(frames[0], kind, save_all=True, append_images=frames[1:])
        assert np.abs(images.decode(data, LIMITS).astype(int) - 10).max() <= 8


def test_large_photographs_are_shrunk_without_being_decoded_whole() -> None:
    large = np.asarray(Image.fromarray(scene()).resize((3000, 2000), Image.Resampling.BICUBIC))
    for kind in ("JPEG", "PNG"):
        found = images.decode(file_of(large, kind), LIMITS)
        assert found.shape == (341, 512, 3)
        expected = np.asarray(Image.fromarray(scene()).resize((512, 341), Image.Resampling.BICUBIC))
        assert np.abs(found.astype(int) - expected).mean() < 2


def test_neither_metadata_nor_tails_survive() -> None:
    exif = Image.Exif()
    exif[0x010E] = "SECRET-PLACE <script>"
    for kind in ("JPEG", "PNG", "WEBP", "TIFF"):
        data = file_of(scene(), kind, exif=exif.tobytes()) + b"SECRET-PLACE" * 1000
        stored = images.reencode(images.decode(data, LIMITS), 512, 96)
        assert b"SECRET" not in stored.jpeg + stored.thumbnail
        assert not Image.open(io.BytesIO(stored.jpeg)).info.keys() & {"exif", "icc_profile", "comment"}


def test_sizes_at_the_limit_are_taken() -> None:
    for height, width in ((32, 32), (33, 47), (32, 320)):
        assert images.decode(file_of(scene(height, width), "PNG"), LIMITS).shape == (height, width, 3)


def test_what_an_image_is_called_does_not_matter() -> None:
    twice = [images.decode(file_of(scene(), kind, **LOSSLESS[kind]), LIMITS) for kind in LOSSLESS]
    assert len({images.content_id(pixels) for pixels in twice}) == 1
    assert images.content_id(scene(40, 60)) != images.content_id(scene(40, 60).reshape(60, 40, 3))
    assert images.content_id(scene()[:, ::-1]) == images.content_id(scene()[:, ::-1].copy())


def test_the_centre_square_is_the_centre_and_does_not_alias() -> None:
    wide = np.zeros((40, 100, 3), np.uint8)
    wide[:, 30:70] = scene(40, 40)
    assert np.array_equal(images.square(wide, 40), scene(40, 40))
    stripes = np.zeros((400, 400, 3), np.uint8)
    stripes[:, ::2] = 255
    assert np.abs(images.square(stripes, 37).astype(int) - 127).max() < 12
    assert images.square(scene(40, 100), 96).shape == (96, 96, 3)


def test_what_is_stored_can_be_read_back() -> None:
    stored = images.reencode(scene(60, 90), store_side=512, thumbnail_side=30)
    assert (stored.width, stored.height) == (90, 60)
    assert np.abs(images.decode_jpeg(stored.jpeg).astype(int) - scene(60, 90)).mean() < 2
    assert images.decode_jpeg(stored.thumbnail).shape == (20, 30, 3)
    assert images.reencode(scene(600, 900), 512, 96).width == 512
    with pytest.raises(UserError, match="damaged"):
        images.decode_jpeg(stored.jpeg[:100])
