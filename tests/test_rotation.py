"""Rotation against NumPy and Pillow."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from pictures import generator, photos
from PIL import Image

from sslviz.tasks.rotation import Rotation
from sslviz.tasks.sampling import resample


def test_label_k_is_k_quarter_turns_to_the_left() -> None:
    images = photos(5, 48)
    problem = Rotation().bind(images, generator())
    batch = problem.make(torch.arange(5), generator())
    views = batch.views[:, 0].permute(0, 2, 3, 1).numpy()
    for example, answer in enumerate(batch.answer.tolist()):
        upright = example - answer
        assert np.array_equal(views[example], np.rot90(views[upright], answer))
        assert np.array_equal(np.rot90(views[example], -answer), views[upright])


def test_directions_in_words() -> None:
    """An arrow up, turned left, points left: its tip is where `say` says."""
    images = torch.zeros(1, 3, 32, 32, dtype=torch.uint8)
    images[..., :8, 12:20] = 255  # the tip, at the top
    problem = Rotation(smallest_crop=1.0, mirror=False).bind(images, generator())
    batch = problem.make(torch.tensor([0]), generator())
    line, column = (batch.views[:, 0, 0] > 0).float().mean((1, 2)), batch.views[:, 0, 0].float()
    assert (line > 0).all()
    middle = torch.arange(32.0) - 15.5
    across = (column.sum(1) * middle).sum(1).sign().tolist()
    down = (column.sum(2) * middle).sum(1).sign().tolist()
    assert [problem.say(answer) for answer in batch.answer.tolist()] == [
        "upright",
        "turned 90° left",
        "upside down",
        "turned 90° right",
    ]
    assert across == [0, -1, 0, 1]
    assert down == [-1, 0, 1, 0]


def test_four_copies_share_crop_and_flip() -> None:
    batch = Rotation().bind(photos(9, 48), generator()).make(torch.arange(9), generator())
    for field in (batch.boxes, batch.mirror, batch.source):
        groups = field.unflatten(0, (9, 4))
        assert (groups == groups[:, :1]).all()
    assert torch.equal(batch.answer, torch.arange(4).repeat(9))
    assert 0 < batch.mirror.sum() < len(batch)


@pytest.mark.parametrize("side", [32, 61, 96])
def test_upright_view_is_its_box_resampled_by_pillow(side: int) -> None:
    images = photos(12, side)
    batch = Rotation().bind(images, generator()).make(torch.arange(12), generator())
    sides = set()
    for example in range(0, len(batch), 4):
        pixels = images[batch.source[example]].permute(1, 2, 0).numpy()
        if batch.mirror[example]:
            pixels = pixels[:, ::-1]
        x0, y0, x1, y1 = (batch.boxes[example, 0] * side).round().int().tolist()
        sides.add(x1 - x0)
        assert x1 - x0 == y1 - y0 >= round(0.6 * side)
        crop = Image.fromarray(np.ascontiguousarray(pixels[y0:y1, x0:x1]))
        wanted = np.asarray(crop.resize((side, side), Image.Resampling.BILINEAR)).astype(int)
        got = batch.views[example, 0].permute(1, 2, 0).numpy().astype(int)
        assert np.abs(got - wanted).max() <= 1
    assert len(sides) > 4


def test_the_whole_image_is_copied_bit_by_bit() -> None:
    images = photos(7, 50)
    problem = Rotation(smallest_crop=1.0, mirror=False).bind(images, generator())
    batch = problem.make(torch.arange(7), generator())
    assert torch.equal(batch.views[::4, 0], images)
    assert (batch.boxes == torch.tensor([0.0, 0.0, 1.0, 1.0])).all()
    mirrored = Rotation(smallest_crop=1.0).bind(images, generator()).make(torch.arange(7), generator())
    assert mirrored.mirror.any()
    for upright, row, flipped in zip(mirrored.views[::4, 0], images, mirrored.mirror[::4], strict=True):
        assert torch.equal(upright, row.flip(-1) if flipped else row)


@pytest.mark.parametrize(("side", "size"), [(64, 40), (40, 64), (33, 33)])
def test_resampling_and_turning_commute(side: int, size: int) -> None:
    """Else the order would leave a trace of the angle in the pixels."""
    images = photos(4, side)
    nowhere, all_of_it = torch.zeros(4, dtype=torch.int64), torch.full((4,), side)
    never = torch.zeros(4, dtype=torch.bool)
    straight = resample(images, nowhere, nowhere, all_of_it, size, never)
    for k in range(1, 4):
        turned = resample(images.rot90(k, (-2, -1)), nowhere, nowhere, all_of_it, size, never)
        assert (turned.int() - straight.rot90(k, (-2, -1)).int()).abs().max() <= 1


def test_flipping_after_mixes_left_and_right() -> None:
    """With the flip last, a left turn of an image is the right turn of its mirror image: the 75% ceiling."""
    images = photos(1, 32)
    both = torch.cat([images, images.flip(-1)])
    problem = Rotation(smallest_crop=1.0, mirror=False, flip_after=True).bind(both, generator())
    batch = problem.make(torch.arange(2).repeat(40), generator())
    seen: dict[bytes, set[int]] = {}
    for view, answer in zip(batch.views[:, 0], batch.answer.tolist(), strict=True):
        seen.setdefault(view.numpy().tobytes(), set()).add(answer)
    # Upright and upside down keep their answer; each of the four sideways views has two.
    assert sorted(map(sorted, seen.values())) == [[0]] * 2 + [[1, 3]] * 4 + [[2]] * 2
    assert not batch.mirror.any()


def test_padding_shifts_the_whole_image_and_shows_black() -> None:
    """Each view is the padded image, mirrored or not, cut where its box says, which lies within the image."""
    images = torch.randint(1, 256, (1, 3, 16, 16), generator=generator(), dtype=torch.uint8)
    problem = Rotation(smallest_crop=1.0, padding=4).bind(images, generator())
    batch = problem.make(torch.zeros(300, dtype=torch.int64), generator())
    padded = torch.nn.functional.pad(images[0], (4, 4, 4, 4))
    seen = set()
    each = zip(batch.views[::4, 0], batch.boxes[::4, 0] * 16, batch.mirror[::4].tolist(), strict=True)
    for view, box, mirror in each:
        framed = padded.flip(-1) if mirror else padded
        found = [
            (top, left)
            for top in range(9)
            for left in range(9)
            if torch.equal(framed[:, top : top + 16, left : left + 16], view)
        ]
        assert len(found) == 1
        (top, left), x0, y0 = found[0], max(0, found[0][1] - 4), max(0, found[0][0] - 4)
        assert box.tolist() == [x0, y0, min(16, left + 12), min(16, top + 12)]
        seen.add(found[0])
    assert {top for top, _ in seen} == {left for _, left in seen} == set(range(9))
