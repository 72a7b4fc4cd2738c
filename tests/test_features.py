"""Features of whole images against a computation by hand."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch.nn import functional

from sslviz.features import _parts, colours, estimated, extract, pixels
from sslviz.model import build
from sslviz.tasks import make_task

ROTATION = make_task("rotation")


def pictures(count: int, side: int = 24, seed: int = 0) -> torch.Tensor:
    generator = torch.Generator().manual_seed(seed)
    coarse = torch.rand(count, 3, 4, 4, generator=generator) * 255
    return functional.interpolate(coarse, (side, side), mode="bilinear").to(torch.uint8)


@pytest.mark.parametrize("model", ["small", "resnet18"])
def test_every_block_gives_rows_of_length_one(model: str) -> None:
    network = build(model, 1, 4, 24, seed=0)
    images = pictures(10)
    found = extract(network, ROTATION, images)
    maps = network.encoder.maps(torch.zeros(2, 3, 24, 24))
    assert list(found) == list(network.encoder.blocks)
    for name, features in found.items():
        assert features.shape == (10, 4 * maps[name].shape[1])
        assert features.dtype == np.float32
        np.testing.assert_allclose(np.linalg.norm(features, axis=1), 1.0, rtol=1e-5)


def test_chosen_blocks_alone_and_numpy_as_good_as_torch() -> None:
    network = build("small", 1, 4, 24, seed=0)
    images = pictures(9)
    every = extract(network, ROTATION, images)
    chosen = extract(network, ROTATION, images.numpy(), blocks=["block2"])
    assert list(chosen) == ["block2"]
    np.testing.assert_array_equal(chosen["block2"], every["block2"])


def test_the_network_is_left_as_it_was() -> None:
    network = build("small", 1, 4, 24, seed=0)
    before = {name: value.clone() for name, value in network.state_dict().items()}
    extract(network, ROTATION, pictures(8))
    assert network.training
    assert all(torch.equal(before[name], value) for name, value in network.state_dict().items())
    assert all(m.momentum == 0.1 for m in network.modules() if isinstance(m, torch.nn.BatchNorm2d))


def test_first_block_by_hand() -> None:
    """Statistics of the memory, the first convolution and the pooling, from their definitions."""
    network = build("small", 1, 4, 24, seed=0)
    images, memory = pictures(5), pictures(30, seed=1)
    found = extract(network, ROTATION, images, memory=memory, blocks=["block1"])["block1"]

    conv = next(m for m in network.modules() if isinstance(m, torch.nn.Conv2d))

    def convolved(x: torch.Tensor) -> torch.Tensor:
        pixels_ = (x.double() - 127.5) / 64
        return functional.conv2d(pixels_, conv.weight.double(), None, conv.stride, conv.padding)

    with torch.no_grad():
        known = convolved(memory)
        mean, variance = known.mean((0, 2, 3)), known.var((0, 2, 3), unbiased=True)
        map_ = (convolved(images) - mean[:, None, None]) / (variance[:, None, None] + 1e-5).sqrt()
        map_ = functional.max_pool2d(map_.clamp(min=0), 2, ceil_mode=True)
    half = map_.shape[-1] // 2
    assert map_.shape[-1] == 2 * half
    corners = [map_[:, :, a : a + half, b : b + half].mean((2, 3)) for a in (0, half) for b in (0, half)]
    flat = torch.stack(corners, -1).flatten(1)
    np.testing.assert_allclose(found, (flat / flat.norm(dim=1, keepdim=True)).numpy(), atol=1e-5)


def test_statistics_are_means_over_the_batches_of_the_memory() -> None:
    network = build("small", 1, 4, 24, seed=0)
    memory = pictures(40)
    norm = next(
        m for m in estimated(network, ROTATION, memory).modules() if isinstance(m, torch.nn.BatchNorm2d)
    )
    assert norm.num_batches_tracked == 1
    assert not norm.training
    twice = estimated(network, ROTATION, torch.cat([memory, memory]))
    again = next(m for m in twice.modules() if isinstance(m, torch.nn.BatchNorm2d))
    torch.testing.assert_close(norm.running_mean, again.running_mean, rtol=1e-3, atol=1e-4)


def test_features_do_not_depend_on_the_company_of_an_image() -> None:
    network = build("small", 1, 4, 24, seed=0)
    images, memory = pictures(6), pictures(20, seed=1)
    every = extract(network, ROTATION, images, memory=memory)["block3"]
    alone = extract(network, ROTATION, images[4:5], memory=memory)["block3"]
    np.testing.assert_allclose(every[4:5], alone, atol=1e-5)


def test_one_image_of_one_colour_gives_numbers() -> None:
    network = build("small", 1, 4, 24, seed=0)
    found = extract(network, ROTATION, torch.zeros(1, 3, 16, 16, dtype=torch.uint8))
    assert all(np.isfinite(features).all() for features in found.values())
    assert np.isfinite(pixels(torch.zeros(1, 3, 16, 16, dtype=torch.uint8))).all()


@pytest.mark.parametrize("side", [24, 32, 50])
def test_pixels_are_free_of_the_mean(side: int) -> None:
    found = pixels(pictures(7, side))
    assert found.shape == (7, 3072)
    assert found.dtype == np.float32
    np.testing.assert_allclose(found.mean(1), 0.0, atol=1e-6)


def test_pixels_of_32_are_the_pixels() -> None:
    images = pictures(3, 32)
    plain = images.flatten(1).double().numpy()
    plain -= plain.mean(1, keepdims=True)
    np.testing.assert_allclose(
        pixels(images), plain / np.linalg.norm(plain, axis=1, keepdims=True), atol=1e-6
    )


def test_progress_reaches_the_end() -> None:
    told: list[tuple[int, int]] = []
    extract(build("small", 1, 4, 24, seed=0), ROTATION, pictures(5), report=lambda *at: told.append(at))
    assert told[-1] == (10, 10)
    assert told == sorted(told)


@pytest.mark.parametrize("count", [1, 7, 122, 123, 245])
def test_every_image_weighs_the_same_in_the_statistics(count: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Also where the last batch would be of one image only."""
    monkeypatch.setattr("sslviz.features.BATCH_PIXELS", 122 * 24 * 24)
    sizes = [len(part) for part in _parts(pictures(count), 122)]
    assert sum(sizes) == count
    assert max(sizes) <= 122
    assert max(sizes) - min(sizes) <= 1
    network = build("small", 1, 4, 24, seed=0)
    images = pictures(count)
    encoder = estimated(network, ROTATION, images)
    conv, norm = next(iter(encoder.blocks["block1"].children()))[:2]  # type: ignore[index]
    with torch.no_grad():
        mean = conv((images.float() - 127.5) / 64).mean((0, 2, 3))
    np.testing.assert_allclose(norm.running_mean.numpy(), mean.numpy(), atol=0.02)


def test_a_colour_histogram_counts_each_pixel_once_in_its_cell() -> None:
    draws = np.random.default_rng(0)
    images = draws.integers(0, 256, (3, 3, 7, 7), dtype=np.uint8)
    found = colours(images)
    assert found.shape == (3, 512)
    for image, row in zip(images, found, strict=True):
        counts, _ = np.histogramdd(image.reshape(3, -1).T, bins=(8, 8, 8), range=[(0, 256)] * 3)
        assert np.allclose(row**2, counts.ravel() / 49, atol=1e-6)
