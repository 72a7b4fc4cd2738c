"""What is found inside networks, against gradients, definitions and computations by hand."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import save
from torch import Tensor, nn
from torch.nn import functional

from sslviz import imagesets, inside, jobs, kept, networks, runs, settings, worker
from sslviz.errors import UserError
from sslviz.features import estimated
from sslviz.imagesets import ImageSet, NewImage
from sslviz.inside import computing, dense, kernels, places, strongest
from sslviz.inside.fields import spans
from sslviz.model import Encoder, build
from sslviz.runs import Run
from sslviz.tasks import make_task

ROTATION = make_task("rotation")
SIDE = 32


@pytest.fixture(autouse=True)
def few(monkeypatch: pytest.MonkeyPatch) -> None:
    """Two images are looked at, and three fitted to: more would say the same."""
    monkeypatch.setattr(inside, "SAMPLE", 2)
    monkeypatch.setattr(computing, "FITTED", 3)


def make_set(count: int = 12, side: int = 48, constant: bool = False, name: str = "pics") -> ImageSet:
    random = np.random.default_rng(0)
    made = imagesets.create(settings.workspace(), name)
    for row in range(count):
        coarse = random.integers(0, 256, (6, 6, 3))
        pixels = np.full((6, 6, 3), 3 * row) if constant else coarse
        pixels = pixels.repeat(side // 6, 0).repeat(side // 6, 1).astype(np.uint8)
        made.add([NewImage(f"<b>{row}</b>.png", pixels=pixels)])
    return made


def make_run(network: nn.Module | None = None, model: str = "small", **weights: Tensor) -> Run:
    state = (network or build(model, 1, 4, SIDE, seed=9)).state_dict() | weights
    spec = runs.Spec(task="rotation", images="pics", model=model, size=SIDE, side=SIDE, view=SIDE, classes=4)
    run = runs.create(settings.workspace(), spec)
    run.save_checkpoint(1, {"model.safetensors": save(state)})
    run.set_status(state="done", step=1)
    return run


def compute(run: Run, **options: Any) -> None:
    inside.compute(settings.workspace(), run.id, "pics", **options)


# Receptive fields


def smooth(encoder: nn.Module) -> nn.Module:
    """The same windows on the same pixels, none of which is lost to the largest of them or to a ReLU."""
    for module in list(encoder.modules()):
        for name, child in list(module.named_children()):
            if isinstance(child, nn.ReLU):
                setattr(module, name, nn.Identity())
            if isinstance(child, nn.MaxPool2d):
                mean = nn.AvgPool2d(child.kernel_size, child.stride, child.padding, child.ceil_mode)
                setattr(module, name, mean)
    return encoder


def touched(place: Tensor, x: Tensor) -> tuple[int, int, int, int]:
    """x0 y0 x1 y1 of the pixels of `x` that one place of a map, (K,), has a gradient at."""
    (gradient,) = torch.autograd.grad(place.sum(), x, retain_graph=True)
    down, across = (gradient[0].abs().sum(0) > 0).nonzero().T
    return int(across.min()), int(down.min()), int(across.max()) + 1, int(down.max()) + 1


@pytest.mark.parametrize(
    ("model", "view", "side"),
    [("small", 64, 45), ("small", 32, 33), ("nin", 32, 22), ("alexnet", 32, 29), ("alexnet", 96, 83),
     ("resnet18", 32, 19), ("resnet18", 96, 71), ("small", 32, 1)],
)  # fmt: skip
def test_gradients_fill_the_receptive_field(model: str, view: int, side: int) -> None:
    torch.manual_seed(0)
    encoder = build(model, 1, 4, view, seed=0).encoder.double().eval().requires_grad_(False)
    smooth(encoder)
    found = spans(encoder, side)
    x = torch.rand(1, 3, side, side, dtype=torch.double, requires_grad=True)
    for block, maps in encoder.maps(x).items():
        length = maps.shape[-1]
        assert len(found[block]) == length
        for row, column in {(0, length - 1), (length // 2, length // 3)}:
            (x0, x1), (y0, y1) = found[block][column].tolist(), found[block][row].tolist()
            assert touched(maps[0, :, row, column], x) == (x0, y0, x1 + 1, y1 + 1), (block, row)


@pytest.mark.parametrize(("model", "view"), [("small", 32), ("resnet18", 32)])
def test_no_gradient_leaves_the_receptive_field(model: str, view: int) -> None:
    """The networks as they are, where the largest of a window and ReLUs let less through."""
    encoder = build(model, 1, 4, view, seed=0).encoder.double().eval().requires_grad_(False)
    found = spans(encoder, 21)
    x = torch.rand(1, 3, 21, 21, dtype=torch.double, requires_grad=True)
    for block, maps in encoder.maps(x).items():
        place = maps.shape[-1] // 2
        x0, y0, x1, y1 = touched(maps[0, :, place, place], x)
        first, last = found[block][place].tolist()
        assert first <= min(x0, y0), block
        assert max(x1, y1) <= last + 1, block


def test_a_known_field() -> None:
    """`small` of large views: 5 × 5 at stride 2, then windows of two: 7 pixels, less at the border."""
    encoder = build("small", 1, 4, 64, seed=0).encoder
    assert spans(encoder, 64)["block1"][:3].tolist() == [[0, 4], [2, 8], [6, 12]]


def test_an_unknown_layer_is_not_guessed() -> None:
    encoder = Encoder({"one": nn.Conv2d(3, 4, 3), "two": nn.Upsample(scale_factor=2)}, 4)
    with pytest.raises(AssertionError, match="Upsample"):
        spans(encoder, 9)


# Filters


def test_filters_are_scaled_about_mid_grey_by_one_factor() -> None:
    weights = np.random.default_rng(0).normal(size=(40, 3, 5, 5)).astype(np.float32)
    weights[7] = 0
    drawn = kernels.pictures(weights).astype(np.float64)
    ordered = weights[kernels.order(weights)].transpose(0, 2, 3, 1)
    whole = np.abs(drawn - 127.5) < 127
    assert whole.mean() > 0.99
    factor = (drawn - 127.5)[whole & (np.abs(ordered) > 0.5)] / ordered[whole & (np.abs(ordered) > 0.5)]
    np.testing.assert_allclose(factor, np.median(factor), rtol=0.03)
    np.testing.assert_array_equal(kernels.pictures(-weights[:1])[0], 255 - kernels.pictures(weights[:1])[0])
    assert (kernels.pictures(np.zeros((4, 3, 5, 5), np.float32)) == 128).all()


def test_like_filters_stand_together() -> None:
    """Gratings of two directions and blobs of two hues, shuffled, each with either sign and any phase."""
    random = np.random.default_rng(1)
    at = np.arange(7) - 3.0
    made = []
    for kind in range(4):
        for _ in range(8):
            phase, sign = random.uniform(0, 6), random.choice([-1, 1])
            wave = np.cos(1.3 * at + phase)[None, :] * np.exp(-(at**2) / 8)[:, None]
            blob = np.exp(-(at[:, None] ** 2 + at**2) / 8)
            colour = np.array([1, 1, 1] if kind < 2 else [1, -1, 0] if kind == 2 else [1, 1, -2.0])
            picture = wave if kind == 0 else wave.T if kind == 1 else blob
            made.append(sign * colour[:, None, None] * picture + 0.02 * random.normal(size=(3, 7, 7)))
    shuffled = random.permutation(32)
    kinds = (shuffled // 8)[kernels.order(np.array(made, np.float32)[shuffled])]
    assert (np.diff(kinds) != 0).sum() == 3
    assert set(kinds[:16]) == {0, 1}  # grey ones first


# The strongest patches


def test_the_strongest_patches_by_hand() -> None:
    network = build("small", 1, 4, SIDE, seed=3)
    squares = np.random.default_rng(0).integers(0, 256, (30, 3, SIDE, SIDE), dtype=np.uint8)
    encoder = estimated(network, ROTATION, squares)
    rows = np.arange(5, 30)
    found = strongest.search(encoder, ROTATION, squares, rows)
    with torch.no_grad():
        maps = encoder.maps((torch.from_numpy(squares[5:]).float() - 127.5) / 64)
    for block in ("block1", "block4"):
        best = maps[block].amax((2, 3)).numpy()
        patches = found[block]
        variance = best.astype(np.float64).var(0)[patches.channels]
        assert (np.diff(variance) <= 1e-9).all()
        assert sorted(patches.channels) == list(range(best.shape[1]))
        for place in (0, 3):
            channel = patches.channels[place]
            expected = np.sort(best[:, channel])[::-1][:9]
            np.testing.assert_allclose(patches.values[place], expected, rtol=1e-4)
            assert len(set(patches.rows[place].tolist())) == 9
            for row, value in zip(patches.rows[place], patches.values[place], strict=True):
                assert best[row - 5, channel] == pytest.approx(value, rel=1e-4)


def test_a_patch_is_all_that_its_activation_depends_on() -> None:
    """Everything outside the box may change; the activation stays."""
    network = build("small", 1, 4, SIDE, seed=3)
    squares = np.random.default_rng(0).integers(0, 256, (12, 3, SIDE, SIDE), dtype=np.uint8)
    encoder = estimated(network, ROTATION, squares)
    patches = strongest.search(encoder, ROTATION, squares, np.arange(12))["block2"]
    for place in range(4):
        x0, y0, x1, y1 = patches.boxes[place, 0]
        assert (x1 - x0) * (y1 - y0) < SIDE**2
        cx, cy = patches.centres[place, 0]
        assert x0 <= cx <= x1
        assert y0 <= cy <= y1
        changed = np.full_like(squares[:1], 17)
        changed[:, :, y0:y1, x0:x1] = squares[patches.rows[place, 0], :, y0:y1, x0:x1]
        with torch.no_grad():
            maps = encoder.maps((torch.from_numpy(changed).float() - 127.5) / 64)["block2"]
        length = maps.shape[-1]
        at = int(cy * length / SIDE), int(cx * length / SIDE)
        value = maps[0, patches.channels[place], at[0], at[1]]
        assert float(value) == pytest.approx(float(patches.values[place, 0]), rel=1e-3)


def test_a_channel_that_is_never_active_has_no_patches() -> None:
    network = build("small", 1, 4, SIDE, seed=3)
    conv, norm = network.encoder.get_submodule("block1.0.0"), network.encoder.get_submodule("block1.0.1")
    assert isinstance(conv, nn.Conv2d)
    with torch.no_grad():
        norm.weight[4], norm.bias[4] = 0, -1  # type: ignore[index, operator]
    squares = np.random.default_rng(0).integers(0, 256, (5, 3, SIDE, SIDE), dtype=np.uint8)
    found = strongest.search(estimated(network, ROTATION, squares), ROTATION, squares, np.arange(5))["block1"]
    place = found.channels.tolist().index(4)
    assert (found.rows[place] == -1).all()
    assert found.rows.shape == (32, 5)  # no more patches than images


def test_large_sets_are_scanned_in_part() -> None:
    for count, side, most in ((50_000, 64, 2000), (50_000, 128, 1000), (50_000, 224, 500), (7, 224, 7)):
        rows = inside.scanned(count, side)
        assert len(rows) == len(set(rows.tolist())) == most
        assert rows.min() >= 0
        assert rows.max() < count
        assert np.ptp(rows) >= 0.99 * (count - count / most) - 1
    assert len(inside.scanned(0, 64)) == 0


# Energy and colours


def test_energy_is_the_sum_of_powers() -> None:
    maps = torch.rand(6, 5, 7, generator=torch.Generator().manual_seed(0)) - 0.3
    for power in (1, 2, 4):
        summed = (np.abs(maps.numpy().astype(np.float64)) ** power).sum(0)
        full = np.percentile(summed, 99)
        expected = ((summed - summed.min()) / (full - summed.min())).clip(0, 1) * 255
        np.testing.assert_allclose(dense.energy(maps, power), expected, atol=0.51)
    huge = dense.energy(1e30 * maps, 4)
    np.testing.assert_array_equal(huge, dense.energy(maps, 4))


def test_one_active_place_is_seen() -> None:
    maps = torch.zeros(3, 20, 20)
    maps[1, 4, 7] = 2.0
    drawn = dense.energy(maps, 2)
    assert drawn[4, 7] == 255
    assert drawn.sum() == 255


@pytest.mark.parametrize("value", [0.0, 3.0])
def test_a_flat_map_has_no_energy(value: float) -> None:
    assert not dense.energy(torch.full((4, 3, 3), value), 2).any()


def test_powers_are_the_papers() -> None:
    assert [inside.power(place) for place in range(5)] == [1, 2, 4, 4, 4]


def test_colours_are_the_principal_components() -> None:
    """Against a singular value decomposition; signs and percentiles as documented."""
    random = np.random.default_rng(0)
    rows = random.normal(size=(500, 8)) @ np.diag([9, 5, 3, 1, 1, 1, 1, 1]) @ random.normal(size=(8, 8))
    fitted = dense.fit([rows[:200].astype(np.float32), rows[200:].astype(np.float32)])
    _, _, axes = np.linalg.svd(rows - rows.mean(0), full_matrices=False)
    np.testing.assert_allclose(np.abs((fitted["axes"] * axes[:3]).sum(1)), 1, atol=1e-5)
    assert (fitted["axes"][np.arange(3), np.abs(fitted["axes"]).argmax(1)] > 0).all()
    maps = torch.from_numpy(rows.astype(np.float32)).T.reshape(8, 20, 25)
    drawn = dense.colours(maps, fitted)
    assert drawn.shape == (20, 25, 3)
    component = (rows - rows.mean(0)) @ axes[0]
    component *= np.sign(np.corrcoef(component, drawn[..., 0].ravel())[0, 1])
    low, high = np.percentile(component, (2, 98))
    expected = ((component - low) / (high - low)).clip(0, 1) * 255
    np.testing.assert_allclose(drawn[..., 0].ravel(), expected, atol=1)
    assert (drawn == 0).any((0, 1)).all()
    assert (drawn == 255).any((0, 1)).all()


def test_features_that_do_not_vary_are_grey() -> None:
    fitted = dense.fit([np.ones((9, 2), np.float32)])
    assert (dense.colours(torch.ones(2, 3, 3), fitted) == 128).all()
    line = dense.fit([np.outer(np.arange(50), [1, 2, 3, 4]).astype(np.float32)])
    assert not line["axes"][1:].any()


# The whole


def test_the_sample_is_spread_and_the_chosen_image_comes_first(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(inside, "SAMPLE", 6)
    images = make_set(60)
    assert inside.sample(images) == [5, 15, 25, 35, 45, 55]
    assert inside.wanted(images, None) == inside.sample(images)
    assert inside.wanted(images, 25) == [25, 5, 15, 35, 45, 55]
    assert inside.wanted(images, 7) == [7, 5, 15, 25, 35, 45]
    images.remove(images.ids[4:])
    assert inside.sample(images) == [0, 1, 2, 3]


def test_what_was_computed_is_there() -> None:
    images, run = make_set(), make_run()
    assert inside.state(run, images) == (0,) * 6
    told: list[tuple[int, int, str]] = []
    compute(run, report=lambda *at: told.append(at))
    assert all(inside.state(run, images))
    assert [done for done, _, _ in told] == sorted(done for done, _, _ in told)
    assert told[-1][:2] == (500, 500)
    squares = networks.squares_for(run, images)
    for source, network in (("run", networks.trained(run)), ("untrained", networks.untrained(run))):
        weights = network.encoder.get_submodule("block1.0.0").weight  # type: ignore[union-attr]
        expected = kernels.pictures(weights.detach().numpy())  # type: ignore[operator]
        np.testing.assert_array_equal(inside.filters(run, images, source), expected)  # type: ignore[arg-type]
        encoder = estimated(network, ROTATION, squares)
        found = inside.patches(run, images, source)  # type: ignore[arg-type]
        assert found is not None
        scanned, side, blocks = found
        assert (scanned, side, list(blocks)) == (12, SIDE, list(encoder.blocks))
        again = strongest.search(encoder, ROTATION, squares, np.arange(12))
        np.testing.assert_allclose(blocks["block5"].values, again["block5"].values, rtol=1e-3)
        look = inside.look(run, images, source, inside.sample(images)[1])  # type: ignore[arg-type]
        assert look is not None
        assert look.side == 2 * SIDE
        assert list(look.energy) == list(look.colours) == list(encoder.blocks)
        assert all(look.colours[one].shape == (*look.energy[one].shape, 3) for one in look.energy)
    trained, untrained = (inside.filters(run, images, source) for source in inside.SOURCES)
    assert not np.array_equal(trained, untrained)  # type: ignore[arg-type]


def test_a_chosen_image_is_looked_at_with_the_same_axes() -> None:
    images, run = make_set(), make_run()
    row = next(row for row in range(12) if row not in inside.sample(images))
    compute(run, image=images.ids[row], everything=False)
    assert [bool(one) for one in inside.state(run, images, row)] == [True, False, True] * 2
    first = inside.look(run, images, "run", row)
    assert first is not None
    folder = places.folder(run, images, "run")
    axes = (folder / "encoder.bin").read_bytes()
    (folder / "looks" / f"{images.ids[row]}.bin").unlink()
    compute(run, image=images.ids[row], everything=False)
    assert (folder / "encoder.bin").read_bytes() == axes
    again = inside.look(run, images, "run", row)
    assert again is not None
    np.testing.assert_array_equal(first.colours["block3"], again.colours["block3"])
    with pytest.raises(UserError, match="There is no image"):
        compute(run, image="0" * 16)


def test_damage_counts_as_not_computed() -> None:
    images, run = make_set(4), make_run()
    compute(run)
    folder = places.folder(run, images, "run")
    before = {path: path.read_bytes() for path in folder.rglob("*.bin")}
    for path, data in before.items():
        for spoiled in (data[: len(data) // 2], data[:-3] + b"abc", b"", b"no such thing"):
            path.write_bytes(spoiled)
            assert kept.read(path) is None
    assert inside.filters(run, images, "run") is None
    assert inside.patches(run, images, "run") is None
    assert inside.look(run, images, "run", 0) is None
    compute(run)
    # Statistics summed by several threads may differ in the last digit.
    assert {path for path in before if kept.read(path) is None} == set()
    assert (folder / "filters.bin").read_bytes() == before[folder / "filters.bin"]


def test_the_untrained_network_is_shared_and_weights_are_not() -> None:
    images, run, other = make_set(4), make_run(), make_run(build("small", 1, 4, SIDE, seed=10))
    assert places.folder(run, images, "untrained") == places.folder(other, images, "untrained")
    assert places.folder(run, images, "run") != places.folder(other, images, "run")
    before = places.folder(run, images, "run")
    images.remove(images.ids[:1])
    assert places.folder(run, images, "run") != before


@pytest.mark.parametrize(("count", "constant"), [(1, False), (1, True), (5, True)])
def test_one_image_and_images_of_one_colour(count: int, constant: bool) -> None:
    images, run = make_set(count, constant=constant), make_run()
    compute(run)
    found = inside.look(run, images, "run", inside.sample(images)[0])
    assert found is not None
    assert inside.patches(run, images, "run") is not None


@pytest.mark.parametrize("model", ["nin", "resnet18"])
def test_other_networks(model: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(computing, "FINER", 1)
    images, run = make_set(2), make_run(model=model)
    compute(run)
    drawn = inside.filters(run, images, "run")
    assert drawn is not None
    size = {"nin": 5, "resnet18": 3}[model]
    assert drawn.shape[1:] == (size, size, 3)
    assert all(inside.state(run, images))


@pytest.mark.parametrize("value", [float("nan"), 1e30])
def test_a_network_that_diverged(value: float) -> None:
    make_set(3)
    network = build("small", 1, 4, SIDE, seed=9)
    name = "encoder.block2.0.0.weight"
    run = make_run(network, **{name: torch.full_like(network.state_dict()[name], value)})
    if value == 1e30:  # finite, but not its products
        name = "encoder.block3.0.1.weight"
        run = make_run(network, **{name: torch.full_like(network.state_dict()[name], 3e38)})
    with pytest.raises(UserError, match="not finite") as raised:
        compute(run)
    assert "learning rate" in raised.value.hint


def test_no_images_and_no_weights() -> None:
    imagesets.create(settings.workspace(), "pics")
    with pytest.raises(UserError, match="empty"):
        compute(make_run())
    fresh = runs.create(settings.workspace(), runs.Spec(task="rotation", images="pics"))
    make_set(3, name="more")
    with pytest.raises(UserError):
        inside.compute(settings.workspace(), fresh.id, "more")


def test_the_job(monkeypatch: pytest.MonkeyPatch) -> None:
    images, run = make_set(4), make_run()
    monkeypatch.setattr(jobs.processes, "detach", lambda *_, **__: None)
    arguments = {"workspace": str(settings.workspace()), "run": run.id, "set": "pics"}
    for extra in ({"image": images.ids[2]}, {}):
        job = jobs.start("inside", arguments | extra)
        worker.work_job(job)
        status = job.status()
        assert status.state == "done", status
        assert bool(inside.state(run, images)[1]) is (not extra)
    images.remove(images.ids[2:3])
    job = jobs.start("inside", arguments | {"image": "0" * 16})
    worker.work_job(job)
    assert "no image" in job.status().error


def test_bundled_encoders_in_half_precision_without_a_head(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(computing, "FINER", 1)
    images = make_set(3)
    for id_ in ("rotation0000", "exemplar0000"):
        run = runs.open_run(settings.workspace(), id_)
        inside.compute(settings.workspace(), id_, "pics", everything=False)
        assert inside.filters(run, images, "run").shape == (32, 5, 5, 3)  # type: ignore[union-attr]


def test_old_folders_make_room(monkeypatch: pytest.MonkeyPatch) -> None:
    images, run = make_set(3), make_run()
    compute(run)
    old = places.folder(run, images, "run")
    for path in old.rglob("*"):
        os.utime(path, (1, 1))
    kept.prune(places.AREA, 1)
    assert not old.exists()
    assert places.folder(run, images, "untrained").exists()  # it is young


def test_reading_needs_no_torch(tmp_path: Path) -> None:
    make_set(3)
    run = make_run()
    compute(run)
    script = (
        "import sys; from sslviz import inside, settings, runs, imagesets\n"
        "inside.SAMPLE = 2\n"
        "run = runs.open_run(settings.workspace(), sys.argv[1])\n"
        "images = imagesets.open_set(settings.workspace(), 'pics')\n"
        "assert all(inside.state(run, images))\n"
        "assert inside.patches(run, images, 'run') and inside.look(run, images, 'run', 2)\n"
        "assert not {'torch', 'umap', 'sklearn', 'streamlit'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", script, run.id], check=True, timeout=60)


def test_batches_of_a_scan_do_not_matter(monkeypatch: pytest.MonkeyPatch) -> None:
    network = build("small", 1, 4, SIDE, seed=3)
    squares = np.random.default_rng(0).integers(0, 256, (11, 3, SIDE, SIDE), dtype=np.uint8)
    encoder = estimated(network, ROTATION, squares)
    whole = strongest.search(encoder, ROTATION, squares, np.arange(11))["block3"]
    monkeypatch.setattr(strongest, "BATCH_PIXELS", 3 * SIDE**2)
    parts = strongest.search(encoder, ROTATION, squares, np.arange(11))["block3"]
    np.testing.assert_allclose(whole.values, parts.values, rtol=1e-4, atol=1e-5)
    assert computing.FINER == 2


def test_energy_by_hand_from_an_image() -> None:
    """The first block's map, with p = 1, of the square at twice its side."""
    images, run = make_set(3, side=66), make_run()
    compute(run, everything=False)
    encoder = estimated(networks.trained(run), ROTATION, networks.squares_for(run, images))
    pixels = torch.from_numpy(images.squares(2 * SIDE)[2:3].copy())
    with torch.no_grad():
        maps = encoder.maps((pixels.float() - 127.5) / 64)["block1"][0]
    found = inside.look(run, images, "run", 2)
    assert found is not None
    summed = functional.relu(maps).sum(0)
    full = np.percentile(summed.numpy(), 99)
    expected = ((summed - summed.min()) / (full - summed.min())).clamp(0, 1) * 255
    np.testing.assert_allclose(found.energy["block1"], expected.numpy(), atol=1.5)
