"""What is put into images on purpose: fringes, the traces of JPEG, softness and bars."""

from __future__ import annotations

import io

import numpy as np
import pytest
import torch
from pictures import generator, photos
from PIL import Image

from sslviz.tasks import make_task
from sslviz.tasks.traces import aberrate, bar, compress, soften


def test_no_strength_is_the_identity() -> None:
    images = photos(3, 48)
    assert torch.equal(aberrate(images, 0.0), images)
    assert torch.equal(compress(images, 0), images)


@pytest.mark.parametrize("strength", [4.0, 12.0, 30.0])
def test_fringes_are_where_the_formula_says(strength: float) -> None:
    """A bright disc of known radius: where its edge crosses half of its brightness, by channel."""
    side, radius = 257, 90.0
    at = torch.arange(side) - (side - 1) / 2
    away = (at**2 + at[:, None] ** 2).sqrt()
    disc = (127.5 + 6.0 * (radius - away)).clamp(0, 255)  # a slope of 6 levels a pixel, 40 pixels wide
    found = aberrate(disc.round().to(torch.uint8).expand(1, 3, side, side), strength)[0]
    assert torch.equal(found[1], disc.round().to(torch.uint8))
    line = found[:, side // 2, side // 2 :].double().numpy()
    outside = radius * (1 + strength / 1000)
    for channel, expected in enumerate((outside, radius, outside)):
        crossing = np.interp(-127.5, -line[channel], np.arange(line.shape[1]))
        assert crossing == pytest.approx(expected, abs=0.1)
    flipped = aberrate(disc.round().to(torch.uint8).expand(1, 3, side, side).flip(-1), strength)[0]
    assert torch.equal(flipped, found.flip(-1))  # a mirrored image has mirrored fringes


def test_fringes_of_many_images_are_those_of_each() -> None:
    images = photos(70, 32)
    together = aberrate(images, 10.0)
    assert torch.equal(together[69], aberrate(images[69:], 10.0)[0])
    assert not torch.equal(together, images)
    assert torch.equal(images, photos(70, 32))  # what came in is as it was


@pytest.mark.parametrize("quality", [10, 50, 90])
def test_compression_is_what_a_jpeg_keeps(quality: int) -> None:
    images = photos(2, 44).div(2).add(64).to(torch.uint8)  # not whole blocks, and no colour that is cut off
    found = compress(images, quality)
    for image, ours in zip(images, found, strict=True):
        buffer = io.BytesIO()
        Image.fromarray(image.permute(1, 2, 0).numpy()).save(buffer, "JPEG", quality=quality, subsampling=0)
        theirs = np.asarray(Image.open(buffer)).astype(int)
        away = np.abs(ours.permute(1, 2, 0).numpy().astype(int) - theirs)
        lost = np.abs(image.permute(1, 2, 0).numpy().astype(int) - theirs)
        assert away.mean() < 1.5  # theirs works in whole numbers
        assert away.mean() < 0.35 * lost.mean()


def test_softening_is_a_mean_of_four() -> None:
    view = photos(1, 12)[0]
    found, pixels = soften(view), view.double()
    expected = (pixels[:, 3, 5] + pixels[:, 3, 6] + pixels[:, 4, 5] + pixels[:, 4, 6]) / 4
    assert (found[:, 3, 5] - expected).abs().max() <= 0.5
    assert torch.equal(found[:, -1, -1], view[:, -1, -1])


def test_bars_take_their_share() -> None:
    barred = bar(torch.full((2, 3, 40, 40), 200, dtype=torch.uint8), 0.25)
    assert (barred == 0).float().mean() == 0.25
    assert (barred[..., 5:35, :] == 200).all()


def test_tasks_leave_their_traces_and_nothing_else() -> None:
    images = photos(5, 96)

    def made(name: str, **options: object) -> torch.Tensor:
        problem = make_task(name, options).bind(images, generator())  # type: ignore[arg-type]
        return problem.make(torch.arange(5), generator(1)).views

    upright = made("rotation", mirror=False).view(5, 4, 3, 96, 96)
    softened = made("rotation", mirror=False, softened=True).view(5, 4, 3, 96, 96)
    assert torch.equal(upright[:, 0], softened[:, 0])
    assert torch.equal(soften(upright[:, 1]), softened[:, 1])
    barred = made("rotation", mirror=False, bars=0.25).view(5, 4, 3, 96, 96)
    assert (barred[:, 0, :, :12] == 0).all()
    assert (barred[:, 1, :, :, :12] == 0).all()
    assert torch.equal(barred[:, 0, :, 12:84], upright[:, 0, :, 12:84])
    plain = made("location", colour="none")
    assert torch.equal(plain[:, :, 1], made("location", colour="none", aberration=20.0)[:, :, 1])
    assert not torch.equal(plain, made("location", colour="none", aberration=20.0))
    assert not torch.equal(plain, made("location", colour="none", jpeg=20))
    assert not torch.equal(
        made("jigsaw", colour_guard=0.0), made("jigsaw", colour_guard=0.0, aberration=20.0)
    )


def test_a_pair_that_is_flipped_shows_the_other_answer() -> None:
    """Mirrored patches of a pair are those of the mirrored image, whose answer has left and right swapped."""
    images, options = photos(40, 96), {"jitter": 0.0, "mirror": False, "colour": "none"}
    plain = make_task("location", options).bind(images, generator()).make(torch.arange(40), generator(3))
    flipped = make_task("location", {**options, "flip_after": True}).bind(images, generator())
    batch = flipped.make(torch.arange(40), generator(3))
    assert torch.equal(plain.answer, batch.answer)
    same = (plain.views == batch.views).flatten(1).all(1)
    mirrored = (plain.views.flip(-1) == batch.views).flatten(1).all(1)
    assert (same ^ mirrored).all()
    assert 8 < mirrored.sum() < 32
