"""Networks: shapes, seeds, names."""

from __future__ import annotations

import pytest
import torch
from torch.nn import functional

from sslviz.errors import UserError
from sslviz.model import MODELS, Directions, Norm, build, pool

SIZES = {"small": (1, 17, 32, 65), "nin": (7, 32), "alexnet": (9, 24), "resnet18": (9, 33)}
CASES = [(model, size) for model, sizes in SIZES.items() for size in sizes]


def test_the_four_networks_are_there() -> None:
    assert list(MODELS) == ["small", "nin", "alexnet", "resnet18"]


@pytest.mark.parametrize(("model", "size"), CASES)
@pytest.mark.parametrize("views", [1, 2, 9])
def test_any_view_size_gives_one_logit_a_class(model: str, size: int, views: int) -> None:
    network = build(model, views, 7, size, seed=0).eval()
    with torch.inference_mode():
        logits = network(torch.randn(2, views, 3, size, size))
    assert logits.shape == (2, 7)
    assert logits.isfinite().all()


def test_the_assembly_head_scores_what_an_answer_says() -> None:
    """By hand: describe each view, put it through the weights of its place, sum, score."""
    torch.manual_seed(0)
    network = build("small", 3, 5, 24, seed=0, places=4).eval()
    head = network.head
    head.arrangements.copy_(torch.stack([torch.randperm(4)[:3] for _ in range(5)]))
    embedded = torch.randn(2, 3, network.encoder.channels, 2, 2)
    with torch.inference_mode():
        described = head.describe(embedded)
        weights = head.place.weight.view(4, -1, described.shape[-1])
        expected = torch.zeros(2, 5)
        for example in range(2):
            for answer in range(5):
                places = head.arrangements[answer].tolist()
                whole = sum(weights[place] @ described[example, view] for view, place in enumerate(places))
                expected[example, answer] = head.score(head.norm(whole[None]))
        torch.testing.assert_close(head(embedded), expected, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("model", MODELS)
def test_maps_are_those_of_the_named_blocks(model: str) -> None:
    encoder = build(model, 1, 4, 32, seed=0).encoder.eval()
    x = torch.randn(1, 3, 45, 38)  # fully convolutional: other sizes and shapes than it was built for
    seen: dict[str, torch.Tensor] = {}
    for name, block in encoder.blocks.items():
        block.register_forward_hook(lambda _, __, out, name=name: seen.__setitem__(name, out))
    with torch.inference_mode():
        maps = encoder.maps(x)
        assert torch.equal(encoder(x), list(maps.values())[-1])
    assert list(maps) == list(encoder.blocks)
    assert all(torch.equal(maps[name], seen[name]) for name in maps)
    assert all(map_.ndim == 4 and len(map_) == 1 for map_ in maps.values())
    assert list(maps.values())[-1].shape[1] == encoder.channels


@pytest.mark.parametrize("views", [2, 9])
def test_each_view_is_encoded_on_its_own(views: int) -> None:
    network = build("small", views, 5, 24, seed=0).eval()
    x = torch.randn(3, views, 3, 24, 24)
    with torch.inference_mode():
        embedded = network.embed(x)
        alone = network.embed(x[1:2, views - 1 :])
    torch.testing.assert_close(embedded[1:2, views - 1 :], alone, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("model", MODELS)
def test_weights_come_from_the_seed_and_the_global_state_is_left_alone(model: str) -> None:
    torch.manual_seed(5)
    before = torch.get_rng_state()
    one, same, other = (build(model, 2, 8, 24, seed=seed).state_dict() for seed in (0, 0, 1))
    assert torch.equal(torch.get_rng_state(), before)
    torch.manual_seed(6)
    again = build(model, 2, 8, 24, seed=0).state_dict()
    for name, weight in one.items():
        assert torch.equal(weight, same[name])
        assert torch.equal(weight, again[name])
    assert any(not torch.equal(weight, other[name]) for name, weight in one.items())


def test_resnet18_has_the_names_of_torchvision() -> None:
    from torchvision.models import resnet18

    theirs = {k: v.shape for k, v in resnet18(weights=None).state_dict().items() if not k.startswith("fc.")}
    ours = {k: v.shape for k, v in build("resnet18", 1, 4, 128, seed=0).encoder.state_dict().items()}
    assert ours == theirs
    few = {k: v.shape for k, v in build("resnet18", 1, 4, 32, seed=0).encoder.state_dict().items()}
    assert {k for k in ours if few[k] != ours[k]} == {"conv1.weight"}


def test_nin_answers_as_published() -> None:
    """Parameters counted by hand, from the authors' list of layers; the map's mean, then a linear layer."""
    convolutions = [(3, 192, 5), (192, 160, 1), (160, 96, 1), (96, 192, 5), *[(192, 192, 1)] * 2]
    convolutions += [(192, 192, 3), *[(192, 192, 1)] * 2] * 2
    weights = sum(inputs * outputs * side**2 + 2 * outputs for inputs, outputs, side in convolutions)
    network = build("nin", 1, 4, 32, seed=0).eval()
    assert sum(p.numel() for p in network.parameters()) == weights + 192 * 4 + 4 == 1_411_140
    x = torch.rand(3, 3, 32, 32, generator=torch.Generator().manual_seed(0))
    with torch.inference_mode():
        mean = network.encoder(x).mean((2, 3))
        expected = mean @ network.head.classify.weight.T + network.head.classify.bias
        torch.testing.assert_close(network(x[:, None]), expected)


def test_nin_is_the_published_one() -> None:
    encoder = build("nin", 1, 4, 32, seed=0).encoder.eval()
    with torch.inference_mode():
        shapes = {
            name: tuple(map_.shape[1:]) for name, map_ in encoder.maps(torch.zeros(1, 3, 32, 32)).items()
        }
    assert shapes == {"conv1": (96, 16, 16), "conv2": (192, 8, 8), "conv3": (192, 8, 8), "conv4": (192, 8, 8)}


@pytest.mark.parametrize("size", [24, 32, 64, 96])
def test_small_fits_into_a_megabyte_in_half_precision(size: int) -> None:
    encoder = build("small", 1, 4, size, seed=0).encoder
    assert sum(v.numel() for v in encoder.state_dict().values()) * 2 < 1_000_000


def test_an_unknown_network_is_a_sentence() -> None:
    with pytest.raises(UserError, match="no network 'large'"):
        build("large", 1, 4, 32, seed=0)


@pytest.mark.parametrize("size", [(1, 1), (2, 3), (3, 3), (4, 4), (5, 7), (9, 9), (17, 12)])
def test_pooling_is_torchs_adaptive_mean(size: tuple[int, int]) -> None:
    maps = torch.rand(3, 5, *size, generator=torch.Generator().manual_seed(0))
    for grid in (1, 2, 3):
        expected = torch.nn.functional.adaptive_avg_pool2d(maps, grid)
        torch.testing.assert_close(pool(maps, grid), expected)


def test_one_row_is_normalised_by_what_was_seen_before() -> None:
    norm = Norm(3)
    norm.running_mean = torch.tensor([1.0, 2.0, 3.0])
    norm.running_var = torch.tensor([4.0, 4.0, 4.0])
    alone = norm(torch.tensor([[3.0, 2.0, 1.0]]))
    torch.testing.assert_close(alone, torch.tensor([[1.0, 0.0, -1.0]]), atol=1e-4, rtol=0)
    several = norm(torch.tensor([[3.0, 2.0, 1.0], [1.0, 4.0, 1.0]]))
    torch.testing.assert_close(several.mean(0), torch.zeros(3), atol=1e-5, rtol=0)


def test_logits_of_directions_are_cosines_times_a_scale() -> None:
    torch.manual_seed(0)
    layer, x = Directions(16, 1200), torch.randn(5, 16)
    with torch.no_grad():
        layer.weight.mul_(torch.rand(1200, 1) * 9 + 0.1)
    wanted = 16 * functional.cosine_similarity(x[:, None], layer.weight[None], dim=2)
    found = layer(x)
    assert torch.allclose(found, wanted, atol=1e-4)
    answer = torch.randint(1200, (5,))
    gradients = [
        torch.autograd.grad(functional.cross_entropy(logits, answer), layer.weight)[0]
        for logits in (found, wanted)
    ]
    assert torch.allclose(*gradients, atol=1e-6)
    # A longer or shorter weight is the same direction, so no gradient goes along it.
    assert (gradients[0] * layer.weight).sum(1).abs().max() < 1e-5
