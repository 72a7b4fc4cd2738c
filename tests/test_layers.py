"""Layers that take less time than torch's own compute what those compute."""

import copy

import pytest
import torch
from torch import nn

from sslviz.layers import Convolution, Dropout, gradient_laid_out
from sslviz.model import MODELS, build


@pytest.mark.parametrize("side", [(1, 1), (2, 2), (1, 2), (2, 1), (3, 2), (5, 5)])
@pytest.mark.parametrize("count", [1, 7])
def test_convolutions_of_small_maps(side: tuple[int, int], count: int) -> None:
    torch.manual_seed(0)
    ours = Convolution(5, 6).to(memory_format=torch.channels_last)
    torchs = nn.Conv2d(5, 6, 3, padding=1, bias=False)
    torchs.load_state_dict(ours.state_dict())
    x = torch.randn(count, 5, *side)
    found = []
    for layer, given in ((ours, x.to(memory_format=torch.channels_last)), (torchs, x.clone())):
        given.requires_grad_()
        out = layer(given)
        (out * torch.arange(out.numel()).view(out.shape).sin()).sum().backward()
        assert given.grad is not None
        assert layer.weight.grad is not None
        found.append((out, given.grad, layer.weight.grad))
    for mine, theirs in zip(*found, strict=True):
        assert mine.shape == theirs.shape
        assert torch.allclose(mine, theirs, atol=1e-5)


def test_convolutions_of_small_maps_in_bfloat16() -> None:
    torch.manual_seed(0)
    layer, x = Convolution(32, 16), torch.randn(9, 32, 2, 2)
    with torch.autocast("cpu", torch.bfloat16):
        small = layer(x)
    assert small.dtype == torch.bfloat16
    exact = nn.functional.conv2d(x.double(), layer.weight.double(), padding=1)
    assert (small - exact).abs().max() < 0.02 * exact.abs().max()


@pytest.mark.parametrize("share", [0.1, 0.5])
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_what_is_dropped(share: float, dtype: torch.dtype) -> None:
    torch.manual_seed(0)
    layer, x = Dropout(share), torch.ones(999, 501, dtype=dtype, requires_grad=True)
    out = layer(x)
    out.sum().backward()
    assert x.grad is not None
    dropped = out == 0
    asked = round(256 * share) / 256
    spread = (asked * (1 - asked) / x.numel()) ** 0.5
    assert abs(dropped.double().mean().item() - asked) < 4 * spread
    assert abs(asked - share) < 1 / 256
    assert out.dtype == dtype
    assert torch.allclose(out[~dropped].double(), torch.tensor(1 / (1 - asked)).double(), rtol=2**-8)
    assert torch.equal(x.grad, out.detach())
    # Neither rows nor columns are dropped together.
    for way in (0, 1):
        along = dropped.double().mean(way)
        assert along.std() < 1.2 * (asked * (1 - asked) / dropped.shape[way]) ** 0.5
    torch.manual_seed(0)
    assert torch.equal(layer(x), out)  # as a resumed run needs it
    assert torch.equal(layer.eval()(x), x)


@pytest.mark.parametrize("tail", [1, 3, 8, 9])
def test_few_numbers_are_dropped_too(tail: int) -> None:
    torch.manual_seed(0)
    out = torch.stack([Dropout(0.5)(torch.ones(1, tail)) for _ in range(400)])
    assert set(out.unique().tolist()) == {0.0, 2.0}
    assert (out.mean(0) - 1).abs().max() < 0.25


def test_gradients_lie_as_what_they_are_of() -> None:
    x = torch.randn(4, 6, 2, 2).to(memory_format=torch.channels_last).requires_grad_()
    seen: list[torch.Tensor] = []
    between = gradient_laid_out(x * 1)
    between.register_hook(seen.append)
    gradient = torch.randn(4, 6, 2, 2)
    between.backward(gradient)
    assert seen[0].is_contiguous(memory_format=torch.channels_last)
    assert torch.equal(seen[0], gradient)
    assert gradient_laid_out(between.detach()).grad_fn is None


@pytest.mark.parametrize(("model", "side", "views"), [("small", 32, 1), ("small", 32, 9), ("small", 29, 2)])
def test_the_network_is_the_one_that_torchs_layers_make(model: str, side: int, views: int) -> None:
    """The same numbers with plain convolutions, and with ReLU before pooling, as papers draw it."""

    class Plain(nn.Sequential):
        def __init__(self, block: nn.Sequential) -> None:
            first, norm, *pool, relu = block
            super().__init__(first, norm, relu, *pool)

    def plainly(module: nn.Module) -> nn.Module:
        if isinstance(module, Convolution):
            plain = nn.Conv2d(module.in_channels, module.out_channels, 3, padding=1, bias=False)
            plain.load_state_dict(module.state_dict())
            return plain
        for name, child in module.named_children():
            setattr(module, name, plainly(child))
        if isinstance(module, nn.Sequential) and isinstance(module[-1], nn.ReLU):
            return Plain(module)
        return module

    network = build(model, views, 8, side, seed=0).eval()
    for norm in (m for m in network.encoder.modules() if isinstance(m, nn.BatchNorm2d)):
        nn.init.uniform_(norm.weight, -1, 1)  # a channel that is turned around is pooled as it is
        nn.init.uniform_(norm.bias, -0.5, 0.5)
    plain = plainly(copy.deepcopy(network.encoder))
    x = torch.randn(3, 3, side, side)
    with torch.inference_mode():
        assert torch.allclose(network.encoder(x), plain(x), atol=1e-5)
    assert isinstance(MODELS["small"](32, 1).block2[0][2], nn.MaxPool2d)  # type: ignore[index]
