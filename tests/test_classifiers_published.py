"""Classifiers on frozen maps: what they must find, what they cannot, and the same by a plain loop."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn

from sslviz.classifiers import published, three_layers
from sslviz.classifiers.shifting import shifted
from sslviz.model import build
from sslviz.plan import Plan
from sslviz.tasks import make_task
from sslviz.train import seed_for
from sslviz.train.draws import rows_of_step

ROTATION = make_task("rotation")
COLOURS = torch.tensor([[220, 40, 40], [40, 220, 40], [40, 40, 220]])


def plan(steps: int, batch: int = 12) -> Plan:
    return Plan(
        steps, batch, 0.1, 5e-4, optimizer="sgd", schedule="steps", warmup=0.0, milestones=(0.5,), gamma=0.2
    )


def coloured(count: int, seed: int = 0) -> tuple[Tensor, Tensor]:
    """Noisy squares of three colours: uint8 (N, 3, 16, 16) and which colour, int64 (N,)."""
    generator = torch.Generator().manual_seed(seed)
    labels = torch.arange(count) % 3
    noise = torch.randint(-30, 30, (count, 3, 16, 16), generator=generator)
    return (COLOURS[labels][:, :, None, None] + noise).to(torch.uint8), labels


def test_what_can_be_separated_is_told_and_shuffled_labels_are_not() -> None:
    encoder = build("small", 1, 4, 16, seed=0).encoder
    images, labels = coloured(60)
    unseen, answers = coloured(60, seed=1)
    made = published.fit(encoder, ROTATION, images, labels, 3, plan(40))
    found = published.accuracies(encoder, made, ROTATION, unseen, answers)
    assert list(found) == [f"block{n}" for n in range(1, 6)]
    assert set(found.values()) == {1.0}
    shuffled = labels[torch.randperm(60, generator=torch.Generator().manual_seed(4))]
    made = published.fit(encoder, ROTATION, images, shuffled, 3, plan(40))
    found = published.accuracies(encoder, made, ROTATION, unseen, answers)
    assert all(share < 0.75 for share in found.values())


def test_guessing_is_chance() -> None:
    """Images that show nothing, labels at random."""
    encoder = build("small", 1, 4, 16, seed=0).encoder
    generator = torch.Generator().manual_seed(0)
    noise = torch.randint(0, 256, (400, 3, 16, 16), generator=generator).to(torch.uint8)
    labels = torch.randint(0, 4, (400,), generator=generator)
    made = published.fit(encoder, ROTATION, noise[:200], labels[:200], 4, plan(30, 50))
    found = published.accuracies(encoder, made, ROTATION, noise[200:], labels[200:])
    assert all(0.1 < share < 0.4 for share in found.values())


def test_maps_of_several_steps_at_once_teach_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    """As on a GPU. Nothing is shifted, so that the draws are the same; ten steps are no multiple of four."""
    encoder = build("small", 1, 4, 16, seed=0).encoder
    images, labels = coloured(30)
    found = []
    for ahead in (1, 4):
        monkeypatch.setattr(published, "_ahead", lambda _, ahead=ahead: ahead)
        made = published.fit(encoder, ROTATION, images, labels, 3, plan(10), padding=0, mirror=False, seed=5)
        found.append(torch.cat([p.detach().flatten() for one in made.values() for p in one.parameters()]))
    torch.testing.assert_close(*found, rtol=1e-4, atol=1e-5)


def test_a_plain_loop_finds_the_same() -> None:
    """Block by block, with torch's own optimiser and schedule, on the same draws."""
    encoder = build("small", 1, 4, 16, seed=0).encoder.eval()
    images, labels = coloured(30)
    course = plan(12)
    made = published.fit(encoder, ROTATION, images, labels, 3, course, padding=0, mirror=False, seed=5)
    x = (images.float() - 127.5) / 64
    for name in ("block1", "block4"):
        with torch.no_grad():
            maps = encoder.maps(x)[name].flatten(1)
        first = three_layers(maps.shape[1], 3, seed_for(5, f"classifier {name}"))
        plain = nn.Sequential(*first[1:])  # the maps are flat already
        optimizer = torch.optim.SGD(plain.parameters(), 0.1, 0.9, weight_decay=5e-4, nesterov=True)
        schedule = torch.optim.lr_scheduler.MultiStepLR(optimizer, [6], 0.2)
        for step in range(12):
            rows = rows_of_step(torch.arange(30), 12, 5, step)
            nn.functional.cross_entropy(plain(maps[rows]), labels[rows]).backward()
            optimizer.step()
            optimizer.zero_grad()
            schedule.step()
        found = made[name].state_dict()
        for (_, value), expected in zip(found.items(), plain.state_dict().values(), strict=True):
            torch.testing.assert_close(value, expected, rtol=1e-3, atol=1e-4)


def test_the_encoder_learns_nothing_and_layers_are_the_published_ones() -> None:
    encoder = build("nin", 1, 4, 16, seed=0).encoder
    before = {name: value.clone() for name, value in encoder.state_dict().items()}
    images, labels = coloured(12)
    made = published.fit(encoder, ROTATION, images, labels, 10, plan(2))
    assert all(torch.equal(before[name], value) for name, value in encoder.state_dict().items())
    shapes = [tuple(p.shape) for p in made["conv2"].parameters()]
    inputs = 192 * 4 * 4  # 8 × 8 of images of 32 pixels
    assert shapes == [(200, inputs), (200,), (200,), (200, 200), (200,), (200,), (10, 200), (10,)]
    weights = three_layers(500, 10, torch.Generator().manual_seed(0))
    assert weights[1].weight.std().item() == pytest.approx((2 / 200) ** 0.5, rel=0.02)
    assert weights[7].weight.std().item() == pytest.approx((2 / 10) ** 0.5, rel=0.05)
    assert not weights[7].bias.any()


def test_images_are_shifted_over_black_and_mirrored() -> None:
    image = torch.randint(1, 256, (1, 3, 8, 8), generator=torch.Generator().manual_seed(0)).to(torch.uint8)
    many = shifted(image.expand(200, -1, -1, -1), 2, True, torch.Generator().manual_seed(1))
    framed = nn.functional.pad(image[0], (2, 2, 2, 2))
    windows = [framed[:, top : top + 8, left : left + 8] for top in range(5) for left in range(5)]
    either = [*windows, *(window.flip(-1) for window in windows)]
    found = [[torch.equal(one, window) for window in either].index(True) for one in many]
    assert len(set(found)) > 45
    assert 60 < sum(1 for place in found if place >= 25) < 140
