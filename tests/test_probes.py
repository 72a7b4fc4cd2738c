"""kNN probes: splits, intervals and what they say of features whose worth is known."""

from __future__ import annotations

import json
import subprocess
import sys

import numpy as np
import pytest
from sklearn.dummy import DummyClassifier
from small_runs import make_run, make_set, pictures

from sslviz import imagesets, probes, runs, settings
from sslviz.errors import UserError
from sslviz.imagesets import NewImage
from sslviz.probes import divided, featured
from sslviz.worker import work_run

KNN = ["knn"]


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
    found = probes.evaluate(run, queries, memory, parts=KNN)
    assert json.loads(json.dumps(found, allow_nan=False)) == found
    assert set(found) == {"labels", "memory", "queries", "chance", "knn", "intervals", "leads"}
    assert (found["labels"], found["memory"], found["queries"]) == (["blue", "mud", "red"], 60, 30)
    assert found["chance"] == pytest.approx(1 / 3)
    assert set(found["knn"]) == {"run", "untrained", "pixels", "colours", "best"}
    assert set(found["knn"]["run"]) == {f"block{n}" for n in range(1, 6)} == set(found["knn"]["untrained"])
    assert found["knn"]["best"]["run"] in found["knn"]["run"].values()
    # Colour alone tells them apart, and untrained filters keep it.
    assert found["knn"]["untrained"]["block1"] > 0.9
    for source in ("run", "untrained", "pixels", "colours"):
        low, high = found["intervals"][source]
        assert 0 <= low <= high <= 1
        assert found["intervals"]["probes"]["knn"][source] == [low, high]


def test_a_split_is_stratified_disjoint_and_the_same_each_time() -> None:
    images = two_colours("some", 50, 0)
    division = probes.divide(images)
    names, known, asked = division.names, division.known, division.asked
    assert set(known.rows) & set(asked.rows) == set()
    assert len(known.rows) + len(asked.rows) == 50
    for label, name in enumerate(names):
        share = np.sum(asked.labels == label) / images.label_counts()[name]
        assert share == pytest.approx(0.2, abs=0.06)
    again = probes.divide(images)
    assert np.array_equal(again.asked.rows, asked.rows)
    assert again.digest == division.digest
    assert [images.labels[row] for row in asked.rows] == [names[label] for label in asked.labels]


def test_large_sets_are_cut_down(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(divided, "MEMORY", 20)
    monkeypatch.setattr(divided, "QUERIES", 7)
    division = probes.divide(two_colours("some", 50, 0), two_colours("more", 60, 1))
    assert (len(division.known), len(division.asked)) == (20, 7)


def test_unlabelled_images_are_refused_and_memory_is_chosen_by_labels(run: runs.Run) -> None:
    images = imagesets.create(settings.workspace(), "plain")
    images.add(NewImage(f"{n}.png", pixels=pixels) for n, pixels in enumerate(pictures(4)))
    with pytest.raises(UserError, match="no two labels"):
        probes.evaluate(run, images, parts=KNN)
    own = imagesets.open_set(settings.workspace(), "pics")
    assert probes.default_memory(images, own) is None
    assert probes.default_memory(own, own) is None
    copy = imagesets.merge(settings.workspace(), ["pics"], "copy")
    assert probes.default_memory(copy, own) is None  # the same pictures are no memory
    other = make_set("other", 8, seed=9)
    found = probes.default_memory(other, own)
    assert found is not None
    assert found.name == "pics"


def labelled(name: str, counts: dict[str, int], seed: int) -> imagesets.ImageSet:
    images = imagesets.create(settings.workspace(), name)
    labels = [label for label, count in counts.items() for _ in range(count)]
    images.add(
        NewImage(f"{n}.png", pixels=pixels, label=label)
        for n, (label, pixels) in enumerate(zip(labels, pictures(len(labels), seed=seed), strict=True))
    )
    return images


def test_a_memory_has_the_labels_as_often_as_the_set_that_it_is_of() -> None:
    """Nine in ten of those asked are cats; taken out of the run's set, they would leave nine in ten dogs."""
    queries = labelled("queries", {"cat": 18, "dog": 2}, seed=1)
    labelled("rest", {"cat": 2, "dog": 18}, seed=2)
    own = imagesets.merge(settings.workspace(), ["queries", "rest"], "own")
    assert probes.default_memory(queries, own) is None
    labelled("like", {"cat": 30, "dog": 4}, seed=3)
    alike = imagesets.merge(settings.workspace(), ["queries", "like"], "alike")
    assert probes.default_memory(queries, alike) is alike
    labelled("cats", {"cat": 40}, seed=4)
    lost = imagesets.merge(settings.workspace(), ["queries", "cats"], "lost")  # no dog is left to learn from
    assert probes.default_memory(queries, lost) is None


def test_chance_is_what_scikit_learns_dummy_gets() -> None:
    images = labelled("animals", {"cat": 45, "dog": 5, "owl": 10}, seed=5)
    division = probes.divide(images)
    known, asked = division.known.labels, division.asked.labels
    dummy = DummyClassifier(strategy="most_frequent").fit(np.zeros((len(known), 1)), known)
    assert division.chance == pytest.approx(dummy.score(np.zeros((len(asked), 1)), asked))
    assert division.chance == pytest.approx(0.75)
    assert probes.divide(labelled("even", {"cat": 15, "dog": 15}, seed=6)).chance == 0.5
    # Five cats and one dog: of the dog nothing is asked, so nothing but "cat" can be right.
    assert probes.divide(labelled("few", {"cat": 5, "dog": 1}, seed=7)).chance == 1.0


def test_what_is_asked_is_never_in_the_memory() -> None:
    queries = two_colours("queries", 30, 0)
    two_colours("more", 60, 1)
    both = imagesets.merge(settings.workspace(), ["queries", "more"], "both")
    division = probes.divide(queries, both)
    assert not set(division.known.ids) & set(division.asked.ids)
    assert (len(division.known), len(division.asked)) == (60, 30)


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
        probes.evaluate(run, queries, both, parts=KNN)
    more = two_colours("more", 60, 1)
    more.remove([id_ for id_, label in zip(more.ids, more.labels, strict=True) if label == "mud"])
    found = probes.evaluate(run, queries, more, parts=KNN)
    assert found["labels"] == ["blue", "red"]
    assert (found["chance"], found["memory"], found["queries"]) == (0.5, 40, 20)


def test_a_memory_that_is_a_part_of_the_queries_is_not_asked_about(run: runs.Run) -> None:
    whole = two_colours("whole", 30, 0)
    part = imagesets.merge(settings.workspace(), ["whole"], "part")
    part.remove([id_ for row, id_ in enumerate(part.ids) if row % 2])
    division = probes.divide(whole, part)
    assert division.names == ["blue", "mud", "red"]
    assert set(division.known.ids) == set(part.ids)
    assert set(division.asked.ids) == set(whole.ids) - set(part.ids)
    found = probes.evaluate(run, whole, part, parts=KNN)
    assert (found["memory"], found["queries"]) == (15, 15)
    same = imagesets.merge(settings.workspace(), ["whole"], "same")
    assert probes.evaluate(run, whole, same, parts=KNN)["memory"] == 24  # the same images: split


def test_it_is_said_which_set_has_no_labels() -> None:
    queries = two_colours("queries", 30, 0)
    plain = imagesets.create(settings.workspace(), "plain")
    plain.add(NewImage(f"{n}.png", pixels=pixels) for n, pixels in enumerate(pictures(4)))
    with pytest.raises(UserError, match="'plain' have no two labels to tell apart"):
        probes.divide(plain, queries)
    with pytest.raises(UserError, match="'plain' and 'queries' have no two labels in common"):
        probes.divide(queries, plain)


def test_what_was_measured_is_kept_and_labels_that_changed_are_measured_anew(run: runs.Run) -> None:
    images = two_colours("some", 40, 0)
    division = probes.divide(images)
    assert probes.missing(run, division) == list(probes.PARTS)
    before = probes.state(run, division)
    probes.measure(run, division, ["knn"])
    assert probes.missing(run, division) == ["linear", "few", "maps"]
    assert probes.state(run, division) != before
    found = probes.find(run, division, "knn")
    assert found is not None
    assert np.array_equal(found.truth, division.asked.labels)
    images.relabel(images.ids[:3], "other")
    assert probes.find(run, probes.divide(images), "knn") is None


def test_linear_and_few_labels_stand_beside_baselines(run: runs.Run) -> None:
    images = two_colours("some", 60, 0)
    found = probes.evaluate(run, images, parts=["linear", "few"])
    assert json.loads(json.dumps(found, allow_nan=False)) == found
    assert found["linear"]["colours"] > 0.9
    assert set(found["few"]) == {"run", "untrained", "pixels", "colours"}
    counts = [point["count"] for point in found["few"]["run"]]
    assert counts == [point["count"] for point in found["few"]["pixels"]]
    assert counts[0] == 1
    assert counts[-1] == "all"
    lead = found["leads"]["linear"]["pixels"]
    assert lead["low"] <= lead["difference"] <= lead["high"]
    assert lead["difference"] == pytest.approx(found["linear"]["best"]["run"] - found["linear"]["pixels"])


def test_a_source_has_the_features_of_the_same_images_whatever_the_cache_holds(run: runs.Run) -> None:
    division = probes.divide(two_colours("some", 20, 0))
    one = featured.of(run, division, "run")
    again = featured.of(run, division, "run")
    assert set(one) == {f"block{n}" for n in range(1, 6)}
    for block in one:
        assert np.array_equal(one[block].known, again[block].known)
        assert one[block].asked.shape[0] == len(division.asked)
    assert set(featured.of(run, division, "pixels")) == {"pixels"}
    (folder,) = {path.parent for path in (settings.load().home / "cache" / "features").rglob("*.bin")} - {
        featured._path(run, division, "pixels").parent
    }
    (folder / "features.bin").write_bytes(b"half")
    whole = featured.of(run, division, "run")
    assert np.array_equal(whole["block5"].asked, one["block5"].asked)


def test_reading_needs_no_torch(run: runs.Run) -> None:
    probes.measure(run, probes.divide(two_colours("some", 40, 0)), ["knn"])
    script = (
        "import sys; from sslviz import imagesets, probes, runs, settings\n"
        f"run = runs.open_run(settings.workspace(), {run.id!r})\n"
        "images = imagesets.open_set(settings.workspace(), 'some')\n"
        "division = probes.divide(images, probes.memory_for(run, images))\n"
        "assert probes.find(run, division, 'knn').accuracy('run') >= 0\n"
        "assert probes.missing(run, division) == ['linear', 'few', 'maps']\n"
        "assert not {'torch', 'sklearn', 'scipy', 'streamlit'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", script], check=True, timeout=60)


@pytest.mark.parametrize("labels", ["aab", "aabb", "aaaaaab", "aabbccddee", "aabb----"])
def test_the_smallest_sets_that_can_be_asked_are_answered(run: runs.Run, labels: str) -> None:
    """Classes with one image, which is known and never asked about; images without a label are neither."""
    images = imagesets.create(settings.workspace(), "tiny")
    shown = pictures(len(labels), seed=7)
    images.add(
        NewImage(f"{n}.png", pixels=pixels, label=None if label == "-" else label)
        for n, (pixels, label) in enumerate(zip(shown, labels, strict=True))
    )
    found = probes.evaluate(run, images, parts=["knn", "linear", "few"])
    assert json.loads(json.dumps(found, allow_nan=False)) == found
    assert found["memory"] + found["queries"] == len(labels.replace("-", ""))
    guessed = 1 / len(set(labels) - {"-"})
    only_a_is_asked_and_mostly_known = labels == "aaaaaab"
    assert found["chance"] == pytest.approx(1.0 if only_a_is_asked_and_mostly_known else guessed)
    assert found["few"]["run"][-1]["count"] == "all"
