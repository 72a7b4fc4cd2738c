"""The built-in set: what is known about a scene is true, and nothing cheap gives the answer away."""

from __future__ import annotations

import os
import subprocess
import sys
import warnings
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import LogisticRegression
from sklearn.neighbors import KNeighborsClassifier
from sklearn.preprocessing import StandardScaler

from sslviz import imagesets, scenes
from sslviz.errors import UserError
from sslviz.scenes import CLASSES, SETTINGS, Scene, rendering

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]


@pytest.fixture(scope="module")
def some() -> list[Scene]:
    return list(scenes.render(400, seed=0, processes=2))


@pytest.fixture(scope="module")
def all_of_them() -> list[Scene]:
    return list(scenes.render(2000, seed=0))


def same(one: Scene, other: Scene) -> bool:
    return (
        np.array_equal(one.pixels, other.pixels)
        and np.array_equal(one.mask, other.mask)
        and (one.label, one.box, one.setting) == (other.label, other.box, other.setting)
    )


# What a scene is


def test_a_scene_depends_on_seed_and_index_alone(some: list[Scene]) -> None:
    for index in (399, 3, 250, 3):
        assert same(scenes.scene(index, seed=0), some[index])
    assert not same(scenes.scene(3, seed=1), some[3])
    assert len({one.pixels.tobytes() for one in some}) == len(some)


def test_a_scene_does_not_depend_on_global_random_state(some: list[Scene]) -> None:
    import random

    random.seed(5)
    state = random.getstate()
    before = np.random.get_state(legacy=False)
    assert same(scenes.scene(17), some[17])
    after = np.random.get_state(legacy=False)
    assert random.getstate() == state
    assert str(before) == str(after)


def test_shapes_and_ranges(some: list[Scene]) -> None:
    for one in some:
        assert one.pixels.shape == (128, 128, 3)
        assert one.pixels.dtype == np.uint8
        assert one.mask.shape == (128, 128)
        assert one.mask.dtype == np.uint8
        assert set(np.unique(one.mask)) == {0, 1}
        assert one.pixels.std() > 3
        assert one.setting in SETTINGS


def test_the_box_is_the_tight_box_of_the_mask(some: list[Scene]) -> None:
    for one in some:
        x0, y0, x1, y1 = (round(edge * 128) for edge in one.box)
        inside = one.mask[y0:y1, x0:x1]
        assert inside.sum() == one.mask.sum()
        assert inside[0].any()
        assert inside[-1].any()
        assert inside[:, 0].any()
        assert inside[:, -1].any()


def test_objects_are_whole_and_of_many_sizes_and_places(some: list[Scene]) -> None:
    boxes = np.array([one.box for one in some])
    assert boxes.min() > 0
    assert boxes.max() < 1
    long_side = np.maximum(boxes[:, 2] - boxes[:, 0], boxes[:, 3] - boxes[:, 1])
    assert long_side.min() > 0.26
    assert long_side.max() < 0.9
    assert long_side.std() > 0.1
    area = np.array([one.mask.mean() for one in some])
    assert area.min() > 0.005
    assert area.max() < 0.65
    middle = (boxes[:, :2] + boxes[:, 2:]) / 2
    assert (middle.std(axis=0) > 0.08).all()


def test_the_object_stands_out_from_what_is_around_it(some: list[Scene]) -> None:
    # Of the pixels just inside and just outside the outline, most objects differ clearly in colour.
    gaps = []
    for one in some:
        inside = one.pixels[one.mask == 1].mean(axis=0)
        x0, y0, x1, y1 = (round(edge * 128) for edge in one.box)
        near = np.zeros((128, 128), bool)
        near[max(y0 - 6, 0) : y1 + 6, max(x0 - 6, 0) : x1 + 6] = True
        outside = one.pixels[near & (one.mask == 0)].mean(axis=0)
        gaps.append(np.abs(inside - outside).max())
    assert np.median(gaps) > 35
    assert np.quantile(gaps, 0.05) > 8


def test_classes_are_balanced_in_every_ten(some: list[Scene]) -> None:
    labels = [one.label for one in some]
    for start in range(0, len(labels), 10):
        assert sorted(labels[start : start + 10]) == list(range(len(CLASSES)))
    assert labels[:10] != labels[10:20]


def test_over_a_third_is_indoors_at_night_or_without_a_horizon(some: list[Scene]) -> None:
    counts = Counter(one.setting for one in some)
    assert set(counts) == set(SETTINGS)
    assert 1 - counts["outdoors"] / len(some) > 1 / 3


def test_settings_do_not_depend_on_the_class(some: list[Scene]) -> None:
    outdoors = np.zeros(len(CLASSES))
    for one in some:
        outdoors[one.label] += one.setting == "outdoors"
    share = outdoors / (len(some) / len(CLASSES))
    assert share.min() > 0.15
    assert share.max() < 0.65


# What must not give the answer away


def thumbnails(some: Sequence[Scene]) -> Floats:
    """8 × 8 pixels: means of cells of 16 × 16, (N, 8, 8, 3)."""
    pixels = np.stack([one.pixels for one in some]).astype(np.float64)
    return pixels.reshape(len(some), 8, 16, 8, 16, 3).mean(axis=(2, 4)) / 255


def histograms(some: Sequence[Scene]) -> Floats:
    """Joint colour histograms of 4 × 4 × 4 bins, (N, 64), square roots so that small bins count."""
    bins = [np.ravel_multi_index((one.pixels // 64).reshape(-1, 3).T, (4, 4, 4)) for one in some]
    return np.sqrt(np.stack([np.bincount(each, minlength=64) for each in bins]) / 128**2)


def split(count: int) -> tuple[Ints, Ints]:
    order = np.random.default_rng(1).permutation(count)
    return order[: count * 4 // 5], order[count * 4 // 5 :]


def linear(train: Floats, answers: Ints, test: Floats, truth: Ints, strengths: Sequence[float]) -> float:
    """Best held-out accuracy of logistic regression on standardised features."""
    scale = StandardScaler().fit(train)
    best = 0.0
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        for strength in strengths:
            model = LogisticRegression(C=strength, max_iter=200).fit(scale.transform(train), answers)
            best = max(best, float(model.score(scale.transform(test), truth)))
    return best


def class_accuracy(features: Floats, some: Sequence[Scene], strengths: Sequence[float]) -> float:
    labels = np.array([one.label for one in some])
    train, test = split(len(some))
    flat = features.reshape(len(some), -1)
    return linear(flat[train], labels[train], flat[test], labels[test], strengths)


def rotation_accuracy(some: Sequence[Scene], strengths: Sequence[float]) -> float:
    small = thumbnails(some)
    train, test = split(len(some))

    def four(rows: Ints) -> tuple[Floats, Ints]:
        copies = [np.rot90(small[rows], k, axes=(1, 2)).reshape(len(rows), -1) for k in range(4)]
        return np.concatenate(copies), np.repeat(np.arange(4), len(rows))

    return linear(*four(train), *four(test), strengths)


def test_few_pixels_and_colours_tell_little_of_some(some: list[Scene]) -> None:
    # 80 held-out scenes: one standard error is 3 to 4 points for the class and 2.5 for the rotation.
    assert class_accuracy(thumbnails(some), some, (1e-3, 1e-1)) < 0.30
    assert class_accuracy(histograms(some), some, (1e-2, 1.0)) < 0.30
    assert rotation_accuracy(some, (1e-4, 1e-2)) < 0.55


@pytest.mark.slow
def test_few_pixels_and_colours_tell_little(all_of_them: list[Scene]) -> None:
    strengths = (1e-5, 1e-4, 1e-3, 1e-2, 1e-1, 1.0)
    assert class_accuracy(thumbnails(all_of_them), all_of_them, strengths) < 0.30
    assert class_accuracy(histograms(all_of_them), all_of_them, strengths) < 0.30
    assert class_accuracy(histograms(all_of_them) ** 2, all_of_them, strengths) < 0.30
    assert rotation_accuracy(all_of_them, strengths) < 0.55


@pytest.mark.slow
def test_the_nearest_colour_histogram_tells_little(all_of_them: list[Scene]) -> None:
    labels = np.array([one.label for one in all_of_them])
    features = histograms(all_of_them)
    train, test = split(len(all_of_them))
    for k in (1, 5, 20):
        model = KNeighborsClassifier(k).fit(features[train], labels[train])
        assert model.score(features[test], labels[test]) < 0.30


@pytest.mark.slow
def test_shape_tells_the_class(all_of_them: list[Scene]) -> None:
    # The masks alone, brought to the same size and place, already hold the answer for a linear classifier.
    from PIL import Image

    shapes = []
    for one in all_of_them:
        x0, y0, x1, y1 = (round(edge * 128) for edge in one.box)
        cut = Image.fromarray(one.mask[y0:y1, x0:x1] * 255).resize((16, 16), Image.Resampling.BOX)
        shapes.append(np.append(np.asarray(cut, np.float64).ravel() / 255, (x1 - x0) / (y1 - y0)))
    assert class_accuracy(np.stack(shapes), all_of_them, (1e-3, 1e-2)) > 0.6


# Rendering many


def test_processes_change_nothing_and_report_counts(some: list[Scene]) -> None:
    seen: list[tuple[int, int]] = []
    here = list(scenes.render(45, 0, lambda done, total: seen.append((done, total)), processes=1))
    assert all(same(a, b) for a, b in zip(here, some, strict=False))
    assert seen == [(20, 45), (40, 45), (45, 45)]


def test_a_child_that_cannot_start_or_dies_costs_no_scene(
    some: list[Scene], monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(start: int, stop: int, step: int, seed: int) -> subprocess.Popen[bytes]:
        if start == 0:
            raise OSError("no more processes")
        half = "import sys; sys.stdout.buffer.write(bytes(1000))"
        return subprocess.Popen([sys.executable, "-c", half], stdout=subprocess.PIPE)

    monkeypatch.setattr(rendering, "_spawn", refuse)
    assert all(same(a, b) for a, b in zip(scenes.render(6, processes=2), some, strict=False))


def test_rendering_can_be_left_half_way(some: list[Scene]) -> None:
    work = scenes.render(100, processes=3)
    assert same(next(work), some[0])
    assert isinstance(work, Iterator)
    work.close()  # type: ignore[attr-defined]


def test_nothing_heavy_is_imported() -> None:
    code = "import sys, sslviz.scenes; sys.exit('torch' in sys.modules or 'streamlit' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


# The set


def test_build_makes_a_set_that_knows_everything(tmp_path: Path, some: list[Scene]) -> None:
    made = scenes.build(tmp_path, 30)
    assert made.name == "scenes"
    assert made.builtin
    assert len(made) == 30
    assert made.label_counts() == dict.fromkeys(sorted(CLASSES), 3)
    for row in (0, 13, 29):
        entry = made.entries[row]
        assert entry.name == f"{CLASSES[some[row].label]}-{row:04d}.png"
        assert entry.box is not None
        assert tuple(entry.box) == pytest.approx(some[row].box, abs=1e-3)
        assert entry.source == "scenes"
        mask = made.mask(row)
        assert mask is not None
        assert np.array_equal(mask, some[row].mask)
        assert np.abs(made.pixels(row).astype(int) - some[row].pixels).mean() < 4
    again = scenes.build(tmp_path, 30)
    assert again.id == made.id
    assert not list((tmp_path / "drafts").glob("scenes/**/*"))


def test_a_set_of_ones_own_is_not_taken_for_the_scenes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patch:  # made before the name was reserved
        patch.setattr("sslviz.imagesets.index.RESERVED", ())
        imagesets.create(tmp_path, "scenes")
    with pytest.raises(UserError, match="'scenes' holds images of your own"):
        scenes.build(tmp_path, 10)


def test_an_interrupted_build_leaves_no_set(tmp_path: Path) -> None:
    def stop(done: int, total: int) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        scenes.build(tmp_path, 30, report=stop)
    assert imagesets.names(tmp_path) == []
    # A build that was killed leaves its draft; the next one starts afresh.
    (tmp_path / "drafts" / "scenes" / "sets" / "abc").mkdir(parents=True)
    assert len(scenes.build(tmp_path, 10)) == 10


@pytest.mark.slow
def test_the_full_set_is_quickly_made(tmp_path: Path) -> None:
    before = os.times()
    made = scenes.build(tmp_path)
    after = os.times()
    assert len(made) == 2000
    assert set(made.label_counts().values()) == {200}
    # Two idle cores must do it in 15 s, which is 30 s of computing; on a busy machine the same work takes
    # more of it, and the clock on the wall says nothing. Windows does not count what children compute.
    assert sum(after[:4]) - sum(before[:4]) < 45
