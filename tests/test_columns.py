"""What points are coloured by, against what was put into the images; choices that fit into an address."""

from __future__ import annotations

import numpy as np
import pytest
from test_embeddings import COUNT, Features, compute, features, load, make_run, make_set

from sslviz import imagesets, settings
from sslviz.embeddings import Embedding, chosen, columns
from sslviz.imagesets import ImageSet, NewImage
from sslviz.runs import Run

__all__ = ["features"]


def column(name: str, run: Run, images: ImageSet) -> columns.Column:
    found = load(run)
    assert found is not None
    return columns.column(name, run, images, found)


def test_what_is_there_is_offered(features: Features) -> None:
    images, run = make_set(), make_run()
    compute(run)
    known = columns.available(run, images)
    assert next(iter(known)) == "label"
    assert "answer" not in known
    assert "folder" not in known
    images.relabel(images.ids, None)
    assert "label" not in columns.available(run, images)
    for name in known:
        if name == "label":
            continue
        found = column(name, run, images)
        assert found.group.shape == (COUNT,)
        assert found.group.min() >= -1
        assert found.group.max() < len(found.groups)
        assert found.title == known[name]


def test_words_and_folders() -> None:
    made = imagesets.create(settings.workspace(), "photos")
    pixels = np.random.default_rng(0).integers(0, 256, (6, 40, 60, 3), dtype=np.uint8)
    shapes = [pixels[0], pixels[1].transpose(1, 0, 2), pixels[2][:, :40]]
    made.add(
        NewImage(f"{folder}/{row}.jpg", pixels=one, label=label)
        for row, (folder, one, label) in enumerate(
            zip(["holiday", "holiday", "home"], shapes, ["cat", None, "<b>"], strict=True)
        )
    )
    run = make_run()
    assert columns.available(run, made)["folder"] == "Source folder"
    one = object.__new__(Embedding)
    label, folder, shape, size = (
        columns.column(name, run, made, one) for name in ("label", "folder", "shape", "size")
    )
    assert [label.word(row) for row in range(3)] == ["cat", "", "<b>"]
    assert [folder.word(row) for row in range(3)] == ["holiday", "holiday", "home"]
    assert [shape.word(row) for row in range(3)] == ["landscape", "portrait", "square"]
    assert len(size.groups) == 1, "the short sides are the same"


def test_brightness_is_in_steps_that_hold_as_many_each() -> None:
    made = imagesets.create(settings.workspace(), "photos")
    levels = np.random.default_rng(0).permutation(80)
    made.add(
        NewImage(f"{row}", pixels=np.full((40, 40, 3), 3 * level, np.uint8))
        for row, level in enumerate(levels)
    )
    found = columns.column("brightness", make_run(), made, object.__new__(Embedding))
    assert len(found.groups) == 8
    assert list(np.bincount(found.group)) == [10] * 8
    order = np.argsort(levels)
    assert (np.diff(found.group[order]) >= 0).all()
    assert found.groups[0].name.startswith("0.00")
    colours = [group.color for group in found.groups]
    assert len(set(colours)) == 8
    assert set(columns.column("colourfulness", make_run(), made, object.__new__(Embedding)).group) == {0}


def test_answers_and_difficulty(features: Features) -> None:
    table = np.stack([np.arange(COUNT) % 2, np.ones(COUNT), np.linspace(0, 3, COUNT)], 1)
    table[5] = -1
    features.answers = table.astype(np.float32)
    images, run = make_set(), make_run()
    compute(run)
    answer, difficulty = column("answer", run, images), column("difficulty", run, images)
    assert [answer.word(row) for row in (0, 1, 5)] == ["upright", "turned", ""]
    assert difficulty.group[5] == -1
    known = np.delete(difficulty.group, 5)
    assert (np.diff(known) >= 0).all()
    assert known[0] == 0
    assert known[-1] == 7


def test_what_training_changed(features: Features) -> None:
    images, run = make_set(), make_run()
    compute(run)
    one, other = load(run, block="block2"), load(run, block="block2", source="untrained")
    assert one is not None
    assert other is not None
    share = columns.changed(one, other)
    truth = [1 - len(set(a[:10]) & set(b[:10])) / 10 for a, b in zip(one.indices, other.indices, strict=True)]
    assert share == pytest.approx(truth)
    assert (columns.changed(one, one) == 0).all()
    assert column("change", run, images).note


def test_a_choice_is_recalled_by_its_name_and_for_its_set_alone() -> None:
    images = make_set()
    name = chosen.keep(images, [7, 3, 3, 99])
    assert chosen.recall(images, name) == [3, 7]
    assert chosen.keep(images, [3, 7]) == name
    assert chosen.keep(images, [3]) != name
    for wrong in (None, "", "../../etc/passwd", "0" * 16, name.upper()):
        assert chosen.recall(images, wrong) == []
    images.remove(images.ids[:1])
    assert chosen.recall(images, name) == []


def test_old_choices_are_forgotten(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(chosen, "KEPT", 3)
    images = make_set()
    for row in range(6):
        chosen.keep(images, [row])
    assert len(list((settings.load().home / "cache" / "chosen").iterdir())) <= 3
