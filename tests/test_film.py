"""A film's frames lie on each other, show the run's states, and are believed only while they are whole."""

from __future__ import annotations

import os
import subprocess
import sys
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from scipy.linalg import orthogonal_procrustes
from small_runs import make_run, make_set

from sslviz import embeddings, film, imagesets, jobs, neighbors, networks, project, runs, settings
from sslviz.errors import UserError
from sslviz.imagesets import ImageSet
from sslviz.runs import Run
from sslviz.worker import snapshots, work_job, work_run

STEPS = 12
KEPT = [0, 1, 2, 3, 5, 6, 8, 9, 12]


@pytest.fixture(autouse=True)
def few(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sslviz.train.draws.HELDOUT", 16)
    monkeypatch.setattr("sslviz.train.planning.GLANCE", 16)
    monkeypatch.setattr(snapshots, "SECONDS", 1e9)
    monkeypatch.setattr(os, "fsync", lambda _: None)


@pytest.fixture
def images() -> ImageSet:
    return make_set()


@pytest.fixture
def run(images: ImageSet) -> Run:
    return trained(images)


def trained(images: ImageSet, steps: int = STEPS) -> Run:
    run = make_run(images, steps=steps)
    work_run(run)
    return runs.open_run(run.workspace, run.id)


def compute(run: Run, name: str = "pics", **options: object) -> film.Film:
    film.compute(settings.workspace(), run.id, name, **options)  # type: ignore[arg-type]
    found = load(run, name)
    assert found is not None
    return found


def load(run: Run, name: str = "pics", block: str | None = None) -> film.Film | None:
    return film.load(settings.workspace(), run.id, name, block=block)


@pytest.mark.slow
def test_frames_are_aligned_and_those_of_the_states_that_were_kept(run: Run, images: ImageSet) -> None:
    told: list[tuple[int, int, str]] = []
    found = compute(run, report=lambda *said: told.append(said))
    assert found.steps.tolist() == KEPT
    assert found.frames.shape == (len(KEPT), len(images), 2)
    assert found.frames.dtype == np.float32
    assert np.abs(found.frames).max() == pytest.approx(1)
    assert found.rows.tolist() == list(range(len(images)))
    for earlier, later in zip(found.frames, found.frames[1:], strict=False):
        earlier, later = earlier - earlier.mean(0), later - later.mean(0)
        turn, _ = orthogonal_procrustes(earlier, later)
        assert np.allclose(turn, np.eye(2), atol=1e-3)
        assert np.linalg.norm(earlier) == pytest.approx(np.linalg.norm(later), rel=1e-4)
    assert [done for done, _, _ in told] == sorted(done for done, _, _ in told)
    assert told[0][2] == "Frame 1 of 9"
    assert told[-1][0] == told[-1][1]
    assert len({said for _, _, said in told} - {""}) == len(KEPT)


@pytest.mark.slow
def test_its_ends_are_the_map_and_the_map_of_the_untrained_network(run: Run, images: ImageSet) -> None:
    """By their neighbours, whether the map was computed before or not; and where it was, the last is the map
    itself. UMAP makes another map of features that differ in their last digits."""
    found = compute(run, block="block3")
    embeddings.compute(settings.workspace(), run.id, "pics", block="block3")
    for frame, source in ((-1, "run"), (0, "untrained")):
        known = embeddings.load(settings.workspace(), run.id, "pics", source, "block3")  # type: ignore[arg-type]
        assert known is not None
        assert (found.indices[frame] == known.indices[:, :20]).mean() > 0.99
        assert np.allclose(found.similarity[frame], known.similarity[:, :20], atol=1e-4)
    (film._folder(run, images, film.POINTS) / "block3.bin").unlink()
    again = compute(run, block="block3")
    whole = embeddings.load(settings.workspace(), run.id, "pics", "run", "block3")
    assert whole is not None
    there = whole.layout("umap")
    assert there is not None
    assert np.allclose(project.boxed(again.frames[-1]), there, atol=1e-3)


@pytest.mark.slow
def test_a_frame_in_between_is_of_the_weights_of_its_step(run: Run, images: ImageSet) -> None:
    from sslviz import features

    found = compute(run, block="block4")
    step, folder = run.snapshots()[4]
    network = networks.at(run, folder / "model.safetensors")
    squares = networks.squares_for(run, images)
    rows = features.extract(network, networks.task_of(run), squares)["block4"]
    indices, similarity = neighbors.search(rows, rows, 20, exclude_self=True)
    frame = found.steps.tolist().index(step)
    assert (found.indices[frame] == indices).all()
    labels, names = embeddings.label_numbers(images)
    assert found.knn[frame] == neighbors.leave_one_out(indices, similarity, labels, len(names))


def test_accuracies_are_those_last_measured(run: Run) -> None:
    points = run.metrics()
    found = compute(run)
    for step, heldout, train in zip(found.steps.tolist(), found.heldout, found.train, strict=True):
        known = [one for one in points if one["step"] <= step]
        measured = [one["heldout_accuracy"] for one in known if one["heldout_accuracy"] is not None]
        assert heldout == (measured[-1] if measured else None)
        assert train == (known[-1]["accuracy"] if known else None)
    assert found.heldout[0] is None
    assert found.heldout[-1] is not None


def test_the_same_again(run: Run, images: ImageSet) -> None:
    found = compute(run)
    film.compute(settings.workspace(), run.id, "pics", report=lambda *_: pytest.fail("computed twice"))
    for path in film._folder(run, images, film.POINTS).iterdir():
        path.unlink()
    again = compute(run)
    assert found.key == again.key
    assert (found.frames == again.frames).all()
    assert (found.indices == again.indices).all()


def test_of_a_large_set_each_label_has_its_share() -> None:
    labels = np.repeat(np.array([-1, 0, 1, 2]), [700, 4000, 290, 10])
    rows = imagesets.draw_evenly(labels, 500)
    assert len(set(rows.tolist())) == 500
    assert (np.diff(rows) > 0).all()
    for label, count in Counter(labels.tolist()).items():
        assert abs((labels[rows] == label).sum() - count / 10) <= 1
    assert (imagesets.draw_evenly(labels, 500) == rows).all()
    assert (imagesets.draw_evenly(labels, 500, seed=1) != rows).any()
    assert (imagesets.draw_evenly(labels, 5000) == np.arange(5000)).all()


def test_a_film_of_a_part_of_the_set(run: Run, images: ImageSet) -> None:
    film.compute(settings.workspace(), run.id, "pics", points=12)
    assert load(run) is None
    found = film.load(settings.workspace(), run.id, "pics", points=12)
    assert found is not None
    assert found.frames.shape == (len(KEPT), 12, 2)
    assert found.indices.max() < 12
    assert Counter(images.labels[row] for row in found.rows) == {"a": 6, "b": 6}


def test_a_run_without_snapshots_has_its_ends(run: Run) -> None:
    for path in (run.folder / "snapshots").rglob("manifest.json"):
        path.unlink()
    run.save_checkpoint(20, {"model.safetensors": run.weights().read_bytes()})
    found = compute(run)
    assert found.steps.tolist() == [0, 12, 20]


def test_a_run_from_another_begins_where_that_ended(images: ImageSet, run: Run) -> None:
    child = make_run(images, start=run.id, seed=3, steps=2)
    work_run(child)
    child = runs.open_run(child.workspace, child.id)
    last, first = compute(run, block="block4"), compute(child, block="block4")
    assert first.steps.tolist() == [0, 1, 2]
    assert np.allclose(last.similarity[-1], first.similarity[0], atol=1e-3)
    for path in (child.folder / "snapshots").rglob("manifest.json"):
        path.unlink()
    assert compute(child).steps.tolist() == [2], "what its seed gives is not what it began with"


def test_a_damaged_film_is_none(run: Run, images: ImageSet) -> None:
    compute(run, block="block2")
    folder = film._folder(run, images, film.POINTS)
    paths = sorted(folder.iterdir())
    assert len(paths) == 1
    for path in paths:
        whole = path.read_bytes()
        flipped = bytearray(whole)
        flipped[-2] ^= 0x55
        for ruined in (b"", whole[: len(whole) // 2], bytes(flipped), b"null", None):
            path.unlink()
            if ruined is not None:
                path.write_bytes(ruined)
            assert load(run, block="block2") is None, path.name
            assert load(run) is None, path.name
        path.write_bytes(whole)
    assert load(run, block="block2") is not None
    assert load(run, block="block1") is None


def test_another_state_of_the_run_or_the_set_is_another_film(run: Run, images: ImageSet) -> None:
    compute(run)
    network = run.snapshots()[2][1] / "model.safetensors"
    whole = network.read_bytes()
    network.unlink()
    assert load(run) is None
    network.write_bytes(whole)
    assert load(run) is not None
    images.remove(images.ids[:1])
    assert load(run) is None


def test_relabelling_counts_at_once(run: Run, images: ImageSet) -> None:
    before = compute(run)
    assert all(share is not None for share in before.knn)
    images.relabel(images.ids, None)
    after = load(run)
    assert after is not None
    assert after.knn == [None] * len(KEPT)


def test_labels_of_a_few_are_told_by_the_nearest_of_those(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    images = make_set("more", 60, seed=2)
    images.relabel(images.ids[9:], None)
    labels = embeddings.label_numbers(images)[0]
    searched = neighbors.search
    seen: list[np.ndarray] = []

    def watched(queries: np.ndarray, *rest: object, **more: object) -> object:
        if len(queries) == 60:
            seen.append(queries[:9])
        return searched(queries, *rest, **more)  # type: ignore[arg-type]

    monkeypatch.setattr(neighbors, "search", watched)
    found = compute(run, "more")
    assert len(seen) == len(KEPT)
    for knn, rows in zip(found.knn, reversed(seen), strict=True):
        unit = rows / np.linalg.norm(rows, axis=1, keepdims=True)
        weight = np.exp(unit @ unit.T / 0.1) * (1 - np.eye(9))
        said = (weight @ np.eye(2)[labels[:9]]).argmax(1)
        assert knn == pytest.approx(np.mean(said == labels[:9]))
    images.relabel(images.ids[20:22], "a")
    changed = load(run, "more")
    assert changed is not None
    assert changed.knn == [None] * len(KEPT), "of the nearest of those nothing is known"


def test_what_has_no_film_is_a_sentence(run: Run, images: ImageSet, monkeypatch: pytest.MonkeyPatch) -> None:
    imagesets.create(settings.workspace(), "none")
    make_set("one", 1)
    with pytest.raises(UserError, match="is empty"):
        compute(run, "none")
    with pytest.raises(UserError, match="has one image"):
        compute(run, "one")
    with pytest.raises(UserError, match="no block 'block9'"):
        compute(run, block="block9")
    fresh = make_run(images)
    with pytest.raises(UserError, match="no weights"):
        compute(fresh)
    assert load(fresh) is None
    with pytest.raises(UserError, match="no run"):
        film.load(settings.workspace(), "0" * 12, "pics")
    squares = np.full((len(images), 3, 16, 16), 77, np.uint8)
    monkeypatch.setattr(networks, "squares_for", lambda *_: squares)
    with pytest.raises(UserError, match="look the same"):
        compute(run)
    assert load(run) is None


@pytest.mark.parametrize("count", [2, 3, 9])
def test_few_images(run: Run, count: int) -> None:
    make_set("few", count, seed=1)
    found = compute(run, "few")
    assert found.frames.shape == (len(KEPT), count, 2)
    assert found.indices.shape == (len(KEPT), count, count - 1)


def test_a_job_makes_it_and_says_how_far_it_is(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(jobs.short, "begin", lambda job: None)
    asked = {"workspace": str(settings.workspace()), "run": run.id, "set": "pics", "block": "block2"}
    job = jobs.start("film", asked)
    work_job(job)
    status = job.status()
    assert (status.state, status.error) == ("done", "")
    assert status.result == {"run": run.id, "set": "pics"}
    assert load(run, block="block2") is not None


def test_reading_needs_neither_torch_nor_umap(run: Run, home: Path) -> None:
    compute(run)
    script = (
        "import sys; from sslviz import film, settings\n"
        "assert film.load(settings.workspace(), sys.argv[1], 'pics') is not None\n"
        "assert not {'torch', 'umap', 'sklearn', 'streamlit', 'numba'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", script, run.id], check=True, timeout=60)
