"""Curves of invariance against direct computation, and what is done to the images against what it should
be."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from test_inside import make_run, make_set

from sslviz import features, imagesets, invariance, jobs, kept, networks, settings, worker
from sslviz.errors import UserError
from sslviz.images import square
from sslviz.imagesets import ImageSet
from sslviz.invariance import KINDS, Curve, Kind, Subject, changing, computing
from sslviz.invariance.changing import FULL, SIDE, Windows
from sslviz.runs import Run


@pytest.fixture(autouse=True)
def few(monkeypatch: pytest.MonkeyPatch) -> None:
    """Few strengths, images and pixels: more would say the same."""
    short = {"angle": Kind((0.0, 90.0, 360.0), 0.0), "hue": Kind((-0.5, 0.0, 0.25), 0.0)}
    monkeypatch.setattr(invariance, "KINDS", short)
    monkeypatch.setattr(computing, "KINDS", short)
    monkeypatch.setattr(invariance, "MOST", 5)


def compute(*found: Run) -> tuple[list[Subject], ImageSet]:
    invariance.compute(settings.workspace(), [run.id for run in found], "pics")
    return invariance.subjects(found), imagesets.open_set(settings.workspace(), "pics")


# What is done to the images


@pytest.fixture(scope="module")
def windows() -> Windows:
    return of(np.random.default_rng(1).integers(0, 256, (2, 12, 12, 3)).repeat(31, 1).repeat(31, 2))


def of(pixels: np.ndarray) -> Windows:
    """Windows in images uint8 (M, h, w, 3)."""
    made = Windows.__new__(Windows)
    squares = [square(one.astype(np.uint8), FULL).transpose(2, 0, 1) for one in pixels]
    made.squares = torch.from_numpy(np.stack(squares))
    made.mean, made.axes = changing.colour_axes(made.squares)
    return made


def test_unchanged_is_the_middle_of_the_image_shrunk(windows: Windows) -> None:
    edge = (FULL - 2 * SIDE) // 2
    middle = windows.squares[:, :, edge:-edge, edge:-edge].float()
    wanted = middle.view(2, 3, SIDE, 2, SIDE, 2).mean((3, 5))
    for kind, one in KINDS.items():
        assert (windows.changed(kind, one.neutral).float() - wanted).abs().max() <= 0.51


@pytest.mark.parametrize("quarter", [1, 2, 3])
def test_quarter_turns_are_numpys_counter_clockwise(windows: Windows, quarter: int) -> None:
    wanted = torch.rot90(windows.changed("angle", 0.0), quarter, (2, 3))
    assert (windows.changed("angle", 90.0 * quarter).int() - wanted.int()).abs().max() <= 1


def test_a_turn_is_pillows(windows: Windows) -> None:
    """Pillow turns the whole image; the middle of that, shrunk, is what is seen. But for how each
    resamples."""
    edge = (FULL - 2 * SIDE) // 2
    whole = Image.fromarray(windows.squares[0].permute(1, 2, 0).numpy())
    turned = np.asarray(whole.rotate(30, Image.Resampling.BILINEAR))[edge:-edge, edge:-edge].astype(float)
    wanted = turned.reshape(SIDE, 2, SIDE, 2, 3).mean((1, 3))
    got = windows.changed("angle", 30.0)[0].permute(1, 2, 0).numpy()
    assert np.abs(got - wanted).mean() < 1


def test_a_shift_shows_what_is_there(windows: Windows) -> None:
    """An eighth of 128 pixels: nothing has to be interpolated."""
    moved, still = windows.changed("shift", 0.125).int(), windows.changed("shift", 0.0).int()
    assert (moved[..., :-16] - still[..., 16:]).abs().max() <= 1


def test_a_larger_window_shows_more(windows: Windows) -> None:
    """An image of the column's number has a slope as much steeper as the window is larger."""
    ramp = np.broadcast_to((np.arange(FULL) / 2)[None, None, :, None], (1, FULL, FULL, 3))
    slopes = []
    for scale in (1 / 1.4, 1.0, 1.4):
        line = of(ramp).changed("scale", scale)[0, 0, 64].double().numpy()
        slopes.append(np.polyfit(np.arange(SIDE), line, 1)[0])
    assert np.allclose(slopes, [1 / 1.4, 1.0, 1.4], rtol=0.02)


def test_contrast_is_about_the_mean_colour(windows: Windows) -> None:
    same = windows.changed("contrast", 1.0).float()
    mean = windows.squares.double().mean((0, 2, 3))[None, :, None, None]
    for factor in (0.5, 2.0):
        wanted = ((same - mean) * factor + mean).clamp(0, 255)
        assert (windows.changed("contrast", factor) - wanted).abs().max() <= 1.6


def test_a_turned_hue(windows: Windows) -> None:
    """A third of the wheel takes red to green: each channel is the one before."""
    turned = windows.changed("hue", 1 / 3).int()
    assert (turned - windows.changed("hue", 0.0).int().roll(1, 1)).abs().max() <= 1


@pytest.mark.parametrize("kind", list(KINDS))
def test_nothing_is_padded(kind: str) -> None:
    """On a white image with a black frame just outside of what is allowed, no strength shows the frame."""
    framed = np.full((1, FULL, FULL, 3), 255, np.uint8)
    framed[:, [0, -1]] = framed[:, :, [0, -1]] = 0
    if kind in ("angle", "shift", "scale"):
        for strength in KINDS[kind].strengths:
            assert int(of(framed).changed(kind, strength).min()) == 255


# Curves


def test_a_curve_is_what_direct_computation_gives() -> None:
    make_set(4)
    run = make_run()
    subjects, images = compute(run)
    row, place = 1, 2
    assert invariance.sample(images) == [0, 1, 2, 3]
    network, task = networks.trained(run), networks.task_of(run)
    pixels = torch.stack([Windows(images, [row]).changed("angle", angle)[0] for angle in (0.0, 90.0)])
    small = changing.resized(pixels, networks.side_for(run, images))
    seen = features.extract(network, task, small, memory=networks.squares_for(run, images))
    for block in ("block2", "block5"):
        found = invariance.curve(subjects[0], images, "angle", block)
        assert found is not None
        assert found.alike.shape == (4, 3)
        assert found.alike[row, 1] == pytest.approx(float(seen[block][0] @ seen[block][1]), abs=2e-3)
    found = invariance.curve(subjects[2], images, "hue", "pixels")
    assert found is not None
    changed = torch.cat([Windows(images, [0, 1, 2, 3]).changed("hue", one) for one in (0.0, 0.25)])
    flat = features.pixels(changed)
    assert np.allclose(found.alike[:, place], (flat[:4] * flat[4:]).sum(1), atol=1e-5)
    pairs = [flat[i] @ flat[j] for i in range(4) for j in range(4) if i != j]
    assert found.others == pytest.approx(np.mean(pairs), abs=1e-5)


def test_exact_at_the_identity_and_between_nought_and_one_after_a_relu() -> None:
    make_set(4)
    subjects, images = compute(make_run())
    for subject in subjects:
        for kind, one in invariance.KINDS.items():
            names = invariance.blocks(subject, images, kind)
            assert names
            for block in names:
                for grid in invariance.GRIDS:
                    found = invariance.curve(subject, images, kind, block, grid)
                    assert found is not None
                    assert np.allclose(found.alike[:, one.place], 1, atol=1e-6)
                    assert found.alike.max() <= 1 + 1e-6
        turn = invariance.curve(subject, images, "angle", names[-1])
        assert turn is not None
        assert np.allclose(turn.alike[:, -1], 1, atol=1e-6)  # a whole turn
    drawn = invariance.examples(images, "angle")
    assert drawn is not None
    assert np.array_equal(drawn[0], drawn[-1])
    assert np.abs(np.rot90(drawn[0]).astype(int) - drawn[1]).max() <= 2


def test_the_band_and_the_level_of_other_images() -> None:
    alike = np.array([[1.0, 0.2], [1.0, 0.4], [1.0, 0.6], [1.0, 0.8]], np.float32)
    found = Curve(Kind((0.0, 1.0), 0.0), alike, 0.5)
    assert found.mean().tolist() == pytest.approx([1, 0.5])
    assert found.quartiles()[:, 1].tolist() == pytest.approx([0.35, 0.65])
    assert found.scaled().mean().tolist() == pytest.approx([1, 0], abs=1e-6)
    assert found.scaled().others == 0


@pytest.mark.parametrize("constant", [True, False])
def test_one_image_and_images_of_one_colour(constant: bool) -> None:
    make_set(3 if constant else 1, constant=constant)
    subjects, images = compute(make_run())
    for subject in subjects:
        for block in invariance.blocks(subject, images, "angle"):
            found = invariance.curve(subject, images, "angle", block)
            assert found is not None
            assert np.isfinite(found.scaled().alike).all()
            assert not constant or np.allclose(found.alike, 1, atol=1e-4)  # turned, they are the same


def test_a_run_that_diverged_is_left_out_with_a_sentence() -> None:
    make_set(3)
    good, bad = make_run(), make_run()
    first = next(iter(networks.trained(bad).state_dict()))
    bad = make_run(**{first: networks.trained(bad).state_dict()[first] * float("nan")})
    subjects, images = compute(good, bad)
    assert invariance.fault(subjects[1], images, "angle").startswith(f"Some weights of run {bad.id}")
    assert not invariance.blocks(subjects[1], images, "angle")
    assert invariance.blocks(subjects[0], images, "angle")
    assert all(invariance.state(subjects, images))


def test_what_is_kept_is_not_computed_again_and_damage_counts_as_missing(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    make_set(3)
    run = make_run()
    subjects, images = compute(run)
    path = invariance.path(subjects[0], images, "hue")
    path.write_bytes(path.read_bytes()[:-3])
    before = invariance.state(subjects, images)
    asked = []
    monkeypatch.setattr(computing, "_kind", lambda name, seers, *rest: asked.append((name, len(seers))))
    compute(run)
    assert asked == [("hue", 1)]
    assert invariance.state(subjects, images) == before
    assert kept.read(path) is None


def test_the_job_and_a_set_that_is_gone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(jobs.processes, "detach", lambda *_, **__: None)
    images, run = make_set(2), make_run()
    arguments = {"workspace": str(settings.workspace()), "runs": [run.id], "set": "pics"}
    job = jobs.start("invariance", arguments)
    worker.work_job(job)
    assert job.status().state == "done", job.status()
    assert all(invariance.state(invariance.subjects([run]), images))
    gone = jobs.start("invariance", arguments | {"set": "no such"})
    worker.work_job(gone)
    assert gone.status().state == "failed"
    imagesets.create(settings.workspace(), "none")
    with pytest.raises(UserError, match="empty"):
        invariance.compute(settings.workspace(), [run.id], "none")


def test_reading_needs_no_torch(tmp_path: Path) -> None:
    code = "import sys, sslviz.invariance, sslviz.ui.invariance_view; print('torch' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"
