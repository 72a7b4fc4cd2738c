"""kNN probes: splits, intervals and what they say of features whose worth is known."""

from __future__ import annotations

import json

import numpy as np
import pytest
from small_runs import make_run, make_set, pictures

from sslviz import imagesets, probes, runs, settings
from sslviz.errors import UserError
from sslviz.imagesets import NewImage
from sslviz.worker import work_run


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch) -> runs.Run:
    monkeypatch.setattr("sslviz.train.draws.HELDOUT", 16)
    monkeypatch.setattr("sslviz.train.planning.GLANCE", 16)
    made = make_run(make_set(), steps=2)
    work_run(made)
    return runs.open_run(made.workspace, made.id)


def two_colours(name: str, count: int, seed: int) -> imagesets.ImageSet:
    """Images whose label anybody can see."""
    images = imagesets.create(settings.workspace(), name)
    draw = np.random.default_rng(seed)
    for_label = {"red": (200, 60, 60), "blue": (60, 60, 200), "mud": (90, 90, 20)}
    images.add(
        NewImage(
            f"{n}.png",
            pixels=np.clip(draw.normal(for_label[label], 20, (32, 32, 3)), 0, 255).astype(np.uint8),
            label=label,
        )
        for n, label in ((n, list(for_label)[n % 3]) for n in range(count))
    )
    return images


def test_what_is_easy_is_found_and_everything_is_plain_numbers(run: runs.Run) -> None:
    queries, memory = two_colours("queries", 30, 0), two_colours("memory", 60, 1)
    found = probes.evaluate(run, queries, memory)
    assert json.loads(json.dumps(found, allow_nan=False)) == found
    assert set(found) == {"labels", "memory", "queries", "chance", "knn", "intervals"}
    assert (found["labels"], found["memory"], found["queries"]) == (["blue", "mud", "red"], 60, 30)
    assert found["chance"] == pytest.approx(1 / 3)
    assert set(found["knn"]) == {"run", "untrained", "pixels", "best"}
    assert set(found["knn"]["run"]) == {f"block{n}" for n in range(1, 6)} == set(found["knn"]["untrained"])
    assert found["knn"]["best"]["run"] in found["knn"]["run"].values()
    # Colour alone tells them apart, and untrained filters keep it.
    assert found["knn"]["untrained"]["block1"] > 0.9
    for low, high in found["intervals"].values():
        assert 0 <= low <= high <= 1


def test_a_split_is_stratified_disjoint_and_the_same_each_time() -> None:
    images = two_colours("some", 50, 0)
    names, known, asked = probes._rows(images, None)
    assert set(known.rows) & set(asked.rows) == set()
    assert len(known.rows) + len(asked.rows) == 50
    for label, name in enumerate(names):
        share = np.sum(asked.labels == label) / images.label_counts()[name]
        assert share == pytest.approx(0.2, abs=0.06)
    again = probes._rows(images, None)
    assert np.array_equal(again[2].rows, asked.rows)
    assert [images.labels[row] for row in asked.rows] == [names[label] for label in asked.labels]


def test_large_sets_are_cut_down(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(probes, "MEMORY", 20)
    monkeypatch.setattr(probes, "QUERIES", 7)
    _, known, asked = probes._rows(two_colours("some", 50, 0), two_colours("more", 60, 1))
    assert (len(known.rows), len(asked.rows)) == (20, 7)


def test_unlabelled_images_are_refused_and_memory_is_chosen_by_labels(run: runs.Run) -> None:
    images = imagesets.create(settings.workspace(), "plain")
    images.add(NewImage(f"{n}.png", pixels=pixels) for n, pixels in enumerate(pictures(4)))
    with pytest.raises(UserError, match="no two labels"):
        probes.evaluate(run, images)
    own = imagesets.open_set(settings.workspace(), "pics")
    assert probes.default_memory(images, own) is None
    assert probes.default_memory(own, own) is None
    copy = imagesets.merge(settings.workspace(), ["pics"], "copy")
    assert probes.default_memory(copy, own) is None  # the same pictures are no memory
    other = make_set("other", 8, seed=9)
    found = probes.default_memory(other, own)
    assert found is not None
    assert found.name == "pics"


def test_what_is_asked_is_never_in_the_memory() -> None:
    queries = two_colours("queries", 30, 0)
    two_colours("more", 60, 1)
    both = imagesets.merge(settings.workspace(), ["queries", "more"], "both")
    _, known, asked = probes._rows(queries, both)
    assert not {both.ids[row] for row in known.rows} & {queries.ids[row] for row in asked.rows}
    assert (len(known.rows), len(asked.rows)) == (60, 30)


PUBLISHED = [
    (0.5, 100, 0.4038, 0.5962),
    (0.0, 10, 0.0, 0.2775),
    (1.0, 10, 0.7225, 1.0),
    (0.9, 50, 0.7864, 0.9565),
]


@pytest.mark.parametrize(("share", "count", "low", "high"), PUBLISHED)
def test_wilson_intervals_are_the_published_ones(share: float, count: int, low: float, high: float) -> None:
    assert probes.wilson(share, count) == pytest.approx([low, high], abs=2e-3)


def test_labels_that_only_what_is_asked_has_are_no_choice(run: runs.Run) -> None:
    """The memory's other images are unlabelled, or of one label: nothing to tell apart is left."""
    queries = two_colours("queries", 30, 0)
    plain = imagesets.create(settings.workspace(), "plain")
    plain.add(NewImage(f"{n}.png", pixels=pixels) for n, pixels in enumerate(pictures(4)))
    both = imagesets.merge(settings.workspace(), ["queries", "plain"], "both")
    with pytest.raises(UserError, match="no two labels in common"):
        probes.evaluate(run, queries, both)
    more = two_colours("more", 60, 1)
    more.remove([id_ for id_, label in zip(more.ids, more.labels, strict=True) if label == "mud"])
    found = probes.evaluate(run, queries, more)
    assert found["labels"] == ["blue", "red"]
    assert (found["chance"], found["memory"], found["queries"]) == (0.5, 40, 20)


def test_a_memory_that_is_a_part_of_the_queries_is_not_asked_about(run: runs.Run) -> None:
    whole = two_colours("whole", 30, 0)
    part = imagesets.merge(settings.workspace(), ["whole"], "part")
    part.remove([id_ for row, id_ in enumerate(part.ids) if row % 2])
    names, known, asked = probes._rows(whole, part)
    assert names == ["blue", "mud", "red"]
    assert {part.ids[row] for row in known.rows} == set(part.ids)
    assert {whole.ids[row] for row in asked.rows} == set(whole.ids) - set(part.ids)
    found = probes.evaluate(run, whole, part)
    assert (found["memory"], found["queries"]) == (15, 15)
    same = imagesets.merge(settings.workspace(), ["whole"], "same")
    assert probes.evaluate(run, whole, same)["memory"] == 24  # the same images: split


def test_it_is_said_which_set_has_no_labels() -> None:
    queries = two_colours("queries", 30, 0)
    plain = imagesets.create(settings.workspace(), "plain")
    plain.add(NewImage(f"{n}.png", pixels=pixels) for n, pixels in enumerate(pictures(4)))
    with pytest.raises(UserError, match="'plain' have no two labels to tell apart"):
        probes._rows(plain, queries)
    with pytest.raises(UserError, match="'plain' and 'queries' have no two labels in common"):
        probes._rows(queries, plain)
