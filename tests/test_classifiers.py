"""Heads on maps, and networks with labels: what they must find and cannot, and the same by plain means."""

from __future__ import annotations

import copy
from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from sslviz import classifiers
from sslviz.classifiers import frozen, heads, maps, plans, whole
from sslviz.classifiers.shifting import as_views, lightly
from sslviz.model import Encoder, build
from sslviz.plan import Plan
from sslviz.tasks import make_task
from sslviz.train.muon import Muon, MuonAdamW, orthogonal, turn

ROTATION = make_task("rotation")
SIDE = 16
COLOURS = torch.tensor([[220, 40, 40], [40, 220, 40], [40, 40, 220]])
SHORT = {name: replace(plan, steps=24, batch=20) for name, plan in plans.PLANS.items()}
BLOCKS = [f"block{n}" for n in range(1, 6)]


def coloured(count: int, seed: int = 0) -> tuple[Tensor, Tensor]:
    """Noisy squares of three colours: uint8 (N, 3, 16, 16) and which colour, int64 (N,)."""
    generator = torch.Generator().manual_seed(seed)
    labels = torch.arange(count) % 3
    noise = torch.randint(-30, 30, (count, 3, SIDE, SIDE), generator=generator)
    return (COLOURS[labels][:, :, None, None] + noise).to(torch.uint8), labels


@pytest.fixture
def encoder() -> Encoder:
    return build("small", 1, 4, SIDE, seed=0).encoder.eval()


# Heads


@pytest.mark.parametrize("name", heads.HEADS)
def test_heads_answer_every_class_and_are_drawn_from_their_generator_alone(name: str) -> None:
    made = [
        heads.HEADS[name](6, 4, 5, torch.Generator().manual_seed(seed)).state_dict() for seed in (0, 0, 1)
    ]
    assert all(torch.equal(made[0][key], made[1][key]) for key in made[0])
    assert name == "linear_map" or any(not torch.equal(made[0][key], made[2][key]) for key in made[0])
    head = heads.HEADS[name](6, 4, 5, torch.Generator())
    assert head.eval()(torch.randn(3, 6, 4, 4)).shape == (3, 5)


@pytest.mark.parametrize(("channels", "side"), [(1, 1), (32, 64), (512, 8), (20_000, 4), (3, 5)])
def test_a_head_sees_no_more_than_it_can_hold(channels: int, side: int) -> None:
    seen = heads.side_for(channels, side)
    assert 1 <= seen <= min(side, heads.FINEST)
    assert seen == 1 or channels * seen**2 <= heads.NUMBERS
    # One finer would not do.
    assert seen in (side, heads.FINEST) or channels * (seen + 1) ** 2 > heads.NUMBERS


def test_coarser_maps_are_means_of_parts() -> None:
    fine = torch.randn(2, 3, 16, 16)
    parts = fine.unflatten(2, (8, 2)).unflatten(4, (8, 2))
    assert torch.allclose(heads.coarse(fine), parts.mean((3, 5)), atol=1e-6)


# Maps that are kept


def test_kept_maps_are_what_the_encoder_gives(encoder: Encoder) -> None:
    images, _ = coloured(7)
    kept = maps.keep(encoder, ROTATION, images, ["block2"], showings=3, seed=5)
    assert list(kept) == ["block2"]
    one = kept["block2"]
    with torch.inference_mode():
        plain = heads.coarse(encoder.maps(as_views(ROTATION, images))["block2"])
        turned = heads.coarse(encoder.maps(as_views(ROTATION, images.flip(-1)))["block2"])
    assert torch.allclose(one.values[0].float(), plain, atol=1e-2)
    assert torch.allclose(one.values[1].float(), turned, atol=1e-2)
    assert not torch.equal(one.values[2], one.values[0])
    assert torch.allclose(one.middle[0], plain.mean((0, 2, 3)).view(-1, 1, 1), atol=1e-3)
    spread = plain.std((0, 2, 3), correction=0)
    alive = spread > 1e-2
    assert alive.sum() > len(alive) / 2
    assert torch.allclose(one.spread.flatten()[alive], spread[alive], atol=1e-3)
    rows, showings = torch.tensor([3, 0, 3]), torch.tensor([0, 1, 1])
    taken = one.take(showings, rows) * one.spread + one.middle
    assert torch.allclose(taken, torch.stack([plain[3], turned[0], turned[3]]), atol=1e-2)


def test_channels_that_are_the_same_everywhere_are_not_divided_by_nought(encoder: Encoder) -> None:
    black = torch.zeros(4, 3, SIDE, SIDE, dtype=torch.uint8)
    for one in maps.keep(encoder, ROTATION, black, BLOCKS, showings=2).values():
        assert torch.isfinite(one.take(torch.zeros(4, dtype=torch.long), torch.arange(4))).all()


def test_maps_that_do_not_fit_are_read_in_turns(encoder: Encoder, monkeypatch: pytest.MonkeyPatch) -> None:
    images, _ = coloured(8)
    assert maps.groups(encoder, ROTATION, images, BLOCKS, 2) == [BLOCKS]
    sizes = {name: 2 * 2 * 8 * k * n**2 for name, (k, n) in maps.shapes(encoder, ROTATION, images).items()}
    monkeypatch.setattr(maps, "MEMORY", max(sizes.values()))
    found = maps.groups(encoder, ROTATION, images, BLOCKS, 2)
    assert [block for group in found for block in group] == BLOCKS
    assert all(sum(sizes[block] for block in group) <= max(sizes.values()) for group in found)
    monkeypatch.setattr(maps, "MEMORY", 1)  # a single block is read all the same
    assert maps.groups(encoder, ROTATION, images, BLOCKS, 2) == [[block] for block in BLOCKS]


# Frozen encoders


def test_what_can_be_separated_is_told_and_shuffled_labels_are_not(encoder: Encoder) -> None:
    images, labels = coloured(60)
    unseen, answers = coloured(60, seed=1)
    pairs = [("linear_map", "block1"), ("three_layers", "block2"), ("conv_block", "block3")]
    before = copy.deepcopy(encoder.state_dict())
    readers = frozen.fit(encoder, ROTATION, images, labels, 3, pairs, plans=SHORT)
    found = frozen.answers(encoder, readers, ROTATION, unseen)
    assert list(found) == pairs
    for pair in pairs:
        assert np.array_equal(found[pair], answers.numpy()), pair
    assert all(torch.equal(value, encoder.state_dict()[key]) for key, value in before.items())
    shuffled = labels[torch.randperm(60, generator=torch.Generator().manual_seed(4))]
    readers = frozen.fit(encoder, ROTATION, images, shuffled, 3, pairs, plans=SHORT)
    for rows in frozen.answers(encoder, readers, ROTATION, unseen).values():
        assert float(np.mean(rows == answers.numpy())) < 0.75


def test_a_head_is_the_same_whichever_others_are_taught(
    encoder: Encoder, monkeypatch: pytest.MonkeyPatch
) -> None:
    images, labels = coloured(20)
    alone = frozen.fit(encoder, ROTATION, images, labels, 3, [("three_layers", "block2")], plans=SHORT)
    monkeypatch.setattr(maps, "MEMORY", 1)
    torch.manual_seed(99)
    drawn = torch.get_rng_state()
    pairs = [(head, block) for head in ("linear_map", "three_layers") for block in BLOCKS[:3]]
    beside = frozen.fit(encoder, ROTATION, images, labels, 3, pairs, plans=SHORT)
    assert torch.equal(torch.get_rng_state(), drawn)
    one, other = (made["three_layers", "block2"].state_dict() for made in (alone, beside))
    assert all(torch.equal(one[key], other[key]) for key in one)


# Whole networks


def test_a_whole_network_learns_labels_and_the_run_stays_as_it_was() -> None:
    images, labels = coloured(60)
    unseen, answers = coloured(30, seed=1)
    network = build("small", 1, 4, SIDE, seed=0)
    before = copy.deepcopy(network.state_dict())
    for learned in (True, False):
        plan = SHORT[plans.WHOLE]
        made = classifiers.taught(network, ROTATION, images, labels, 3, learned=learned, plan=plan)
        assert float(np.mean(whole.told(made, ROTATION, unseen) == answers.numpy())) > 0.9
    assert all(torch.equal(value, network.state_dict()[key]) for key, value in before.items())


def test_a_heavy_network_is_shown_fewer_images_and_a_learned_one_changed_by_less(encoder: Encoder) -> None:
    images = torch.zeros(10_000, 3, 32, 32, dtype=torch.uint8)
    light = plans.whole_plan(encoder, ROTATION, images, learned=False)
    assert light.steps * light.batch == pytest.approx(plans.PLANS[plans.WHOLE].steps, abs=light.batch)
    heavy = build("resnet18", 1, 4, 96, seed=0).encoder
    slow = plans.whole_plan(heavy, ROTATION, torch.zeros(10_000, 3, 96, 96, dtype=torch.uint8), learned=False)
    assert plans.LEAST - slow.batch <= slow.steps * slow.batch < light.steps * light.batch
    learned = plans.whole_plan(encoder, ROTATION, images, learned=True)
    assert learned == replace(light, lr=light.lr * plans.LEARNED)


def test_multiplications_are_those_that_torch_counts(encoder: Encoder) -> None:
    from torch.utils.flop_counter import FlopCounterMode

    side = 64  # of smaller maps not all multiplications are done
    with FlopCounterMode(display=False) as counter, torch.no_grad():
        encoder(torch.zeros(1, 3, side, side))
    counted = plans.work(encoder, ROTATION, torch.zeros(1, 3, side, side, dtype=torch.uint8))
    assert 2 * counted == counter.get_total_flops()  # a multiplication and an addition are two


@pytest.mark.parametrize("images", [1, 2, 10, 500, 100_000])
@pytest.mark.parametrize("what", plans.PLANS)
def test_few_images_are_shown_often_enough_and_many_not_for_ever(what: str, images: int) -> None:
    made = plans.plan_for(what, images)
    assert made.steps >= plans.FEWEST
    assert made.batch >= 2
    assert made.steps * made.batch <= max(plans.PLANS[what].steps + made.batch, plans.FEWEST * made.batch)


# All of it


def test_judging_answers_by_every_head_and_network_and_says_what_it_does(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(plans, "FEWEST", 3)
    monkeypatch.setattr(plans, "EPOCHS", 1)
    run, untrained = (build("small", 1, 4, SIDE, seed=seed) for seed in (1, 0))
    images, labels = (one.numpy() for one in coloured(12))
    said = set()
    found = classifiers.judge(
        run, untrained, ROTATION, images, labels, images[:5], 3,
        favourites={"run": "block2", "untrained": "block4"},
        report=lambda done, total, what: said.add(what) or None,  # type: ignore[func-returns-value]
    )  # fmt: skip
    sources = ("run", "untrained")
    expected = {f"{h}/{s}/{b}" for h in ("linear_map", "three_layers") for s in sources for b in BLOCKS}
    expected |= {"conv_block/run/block2", "conv_block/untrained/block4", "fine_tuned", "supervised"}
    assert set(found) == expected
    assert all(rows.shape == (5,) and set(rows) <= {0, 1, 2} for rows in found.values())
    assert "the run network: three layers on block3" in said
    assert "the whole network: trained further with the labels" in said


@pytest.mark.parametrize("count", [1, 2])
def test_one_image_is_enough_not_to_fail(count: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(plans, "FEWEST", 2)
    monkeypatch.setattr(plans, "EPOCHS", 1)
    network = build("small", 1, 4, SIDE, seed=0)
    images, labels = (one.numpy() for one in coloured(count))
    favourites = dict.fromkeys(("run", "untrained"), "block5")
    found = classifiers.judge(network, network, ROTATION, images, labels, images, 3, favourites=favourites)
    assert all(len(rows) == count for rows in found.values())


def test_images_are_moved_by_a_sixteenth_at_most() -> None:
    marked = torch.zeros(64, 3, 32, 32, dtype=torch.uint8)
    marked[:, :, 16, 16] = 255
    places = lightly(marked, torch.Generator().manual_seed(0))[:, 0].flatten(1).argmax(1)
    rows, columns = places // 32, places % 32
    assert set((rows - 16).tolist()) == {-2, -1, 0, 1, 2}
    assert set(columns.tolist()) == set(range(13, 19))  # mirrored, 16 is 15


# Muon


@pytest.mark.parametrize("shape", [(8, 8), (4, 30), (30, 4)])
def test_an_orthogonal_matrix_has_the_directions_of_its_own_and_one_length(shape: tuple[int, int]) -> None:
    matrix = torch.randn(*shape, generator=torch.Generator().manual_seed(0))
    (found,) = orthogonal([matrix])
    lengths = torch.linalg.svdvals(found)
    assert float(lengths.min()) > 0.4
    assert float(lengths.max()) < 1.4
    left, _, right = torch.linalg.svd(matrix, full_matrices=False)
    core = left.T @ found @ right.T  # diagonal in the directions of the matrix itself
    assert float((core - torch.diag(core.diagonal())).abs().max()) < 1e-3
    assert bool((core.diagonal() > 0).all())
    assert torch.equal(orthogonal([torch.zeros(3, 4)])[0], torch.zeros(3, 4))


def test_matrices_of_several_sizes_are_each_what_the_iteration_gives() -> None:
    """The squares that are iterated on, some of them bordered, give what the published iteration gives."""
    draws = torch.Generator().manual_seed(0)
    shapes = [(8, 8), (5, 30), (30, 4), (7, 40), (1, 6), (64, 3)]
    matrices = [torch.randn(*shape, generator=draws) for shape in shapes]
    for matrix, found in zip(matrices, orthogonal(matrices), strict=True):
        x = matrix.double() / matrix.double().norm()
        for _ in range(4):
            square = x @ x.T
            x = 3.4445 * x + (-4.7750 * square + 2.0315 * square @ square) @ x
        assert found.shape == matrix.shape
        assert float((found - x).abs().max()) < 1e-4


def test_a_step_turns_by_the_angle_and_keeps_the_length() -> None:
    weight = torch.randn(6, 3, 3, 3, generator=torch.Generator().manual_seed(0))
    before = weight.clone()
    across = torch.randn(weight.shape, generator=torch.Generator().manual_seed(1))
    across -= (across * weight).sum() / weight.square().sum() * weight
    turn([weight], [across], 0.1)
    assert weight.norm().item() == pytest.approx(before.norm().item(), rel=1e-5)
    angle = torch.acos((weight * before).sum() / before.square().sum())
    assert angle.item() == pytest.approx(np.arctan(0.1), rel=1e-3)
    assert (weight * across).sum() < 0  # against it


def test_what_is_no_convolution_goes_down_the_gradient_as_by_sgd() -> None:
    layers = [nn.Linear(3, 2) for _ in range(2)]
    layers[1].load_state_dict(layers[0].state_dict())
    optimizers = (
        Muon(layers[0].parameters(), 0.2, momentum=0.8, others=0.5),
        torch.optim.SGD(layers[1].parameters(), 0.1, momentum=0.8, nesterov=True),
    )
    inputs = torch.randn(5, 3)
    for _ in range(4):
        for layer, optimizer in zip(layers, optimizers, strict=True):
            optimizer.zero_grad()
            layer(inputs).square().sum().backward()
            optimizer.step()
    assert torch.allclose(layers[0].weight, layers[1].weight, atol=1e-6)


def test_what_is_no_convolution_is_decayed_and_a_convolution_is_not() -> None:
    layer, theirs = nn.Sequential(nn.Conv2d(3, 4, 3), nn.Flatten(), nn.Linear(4, 2)), nn.Linear(4, 2)
    theirs.load_state_dict(layer[2].state_dict())
    length = layer[0].weight.norm().item()
    ours = Muon(layer.parameters(), 0.1, momentum=0.0, weight_decay=0.5, others=1.0)
    sgd = torch.optim.SGD(theirs.parameters(), 0.1, weight_decay=0.5)
    for parameter in (*layer.parameters(), *theirs.parameters()):
        parameter.grad = torch.ones_like(parameter)
    ours.step()
    sgd.step()
    torch.testing.assert_close(layer[2].weight, theirs.weight)
    torch.testing.assert_close(layer[2].bias, theirs.bias)
    assert layer[0].weight.norm().item() == pytest.approx(length, rel=1e-5)


def test_muon_with_adamw_is_muon_of_convolutions_and_torchs_adamw_of_all_else() -> None:
    def three() -> nn.Sequential:
        torch.manual_seed(0)
        return nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.Flatten(), nn.Linear(36, 5))

    ours, turned, adapted = three(), three(), three()
    both = MuonAdamW(ours.parameters(), 0.06, momentum=0.8, weight_decay=0.3, others=0.5)
    muon = Muon(turned.parameters(), 0.06, momentum=0.8, weight_decay=0.3)
    decayed = {"params": [adapted[0].weight, adapted[3].weight], "weight_decay": 0.3}
    others = {"params": [p for p in adapted.parameters() if p.ndim == 1], "weight_decay": 0.0}
    adamw = torch.optim.AdamW([decayed, others], lr=0.03)
    for step in range(5):
        draws = torch.Generator().manual_seed(step)
        for weights in zip(*(net.parameters() for net in (ours, turned, adapted)), strict=True):
            gradient = torch.randn(weights[0].shape, generator=draws)
            for weight in weights:
                weight.grad = gradient.clone()
        for optimizer in (both, muon, adamw):
            optimizer.step()
    torch.testing.assert_close(ours[0].weight, turned[0].weight)
    for (name, mine), theirs in zip(ours.named_parameters(), adapted.parameters(), strict=True):
        if name != "0.weight":
            torch.testing.assert_close(mine, theirs, msg=name)


def test_a_plan_names_it_and_anything_else_is_as_before() -> None:
    from sslviz.train.learning import optimizer_for

    for name, kind in (("muon", Muon), ("muon-adamw", MuonAdamW)):
        made = optimizer_for(nn.Conv2d(3, 4, 3), Plan(1, 1, 0.1, 0.0, optimizer=name), torch.device("cpu"))
        assert type(made) is kind
