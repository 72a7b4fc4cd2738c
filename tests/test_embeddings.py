"""What is kept, when it is believed, and what it says about labels. Features are made up here."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from sslviz import embeddings, imagesets, neighbors, project, runs, settings
from sslviz.embeddings import computing, stored
from sslviz.embeddings.computing import Looked
from sslviz.errors import UserError
from sslviz.imagesets import ImageSet, NewImage
from sslviz.runs import Run

COUNT = 36


class Features:
    """Stands in for the networks: counts what is asked of it."""

    def __init__(self) -> None:
        self.asked: list[str] = []
        self.wrong = False
        self.steady = 3
        """The block whose features a disturbance changes least."""
        self.answers: np.ndarray | None = None

    def make(self, count: int, source: str, block: int) -> np.ndarray:
        random = np.random.default_rng([block, embeddings.SOURCES.index(source)])  # type: ignore[arg-type]
        rows = random.normal(size=(count, 8 * block)).astype(np.float32)
        if block == 2:  # the block that knows the labels
            rows[:, :3] += 6 * np.eye(3)[np.arange(count) % 3]
        return rows

    def __call__(self, run: Run, images: ImageSet, source: str, report: object) -> Looked:
        self.asked.append(source)
        found, changed = {}, {}
        tried = np.arange(0, len(images), 3)
        for block in (1,) if source == "pixels" else (1, 2, 3):
            rows = self.make(len(images), source, block)
            name = "pixels" if source == "pixels" else f"block{block}"
            noise = np.random.default_rng([99, block]).normal(size=rows.shape).astype(np.float32)
            changed[name] = (tried, (rows + (0.1 if block == self.steady else 9) * noise)[tried])
            if self.wrong:
                rows[1, 1] = np.nan
            found[name] = rows
        return Looked(found, changed)

    def told(self, run: Run, images: ImageSet) -> tuple[np.ndarray, list[str]] | None:
        return None if self.answers is None else (self.answers, ["upright", "turned"])


@pytest.fixture
def features(monkeypatch: pytest.MonkeyPatch) -> Features:
    made = Features()
    monkeypatch.setattr(computing, "look", made)
    monkeypatch.setattr(computing, "asked", made.told)
    return made


def make_set(name: str = "photos", count: int = COUNT) -> ImageSet:
    random = np.random.default_rng(0)
    made = imagesets.create(settings.workspace(), name)
    made.add(
        NewImage(
            pixels=random.integers(0, 256, (40, 48, 3), dtype=np.uint8),
            name=f"{row}.jpg",
            label="abc"[row % 3],
            source="",
        )
        for row in range(count)
    )
    return made


def make_run(weights: bytes = b"weights") -> Run:
    run = runs.create(settings.workspace(), runs.Spec(task="rotation", images="photos"))
    run.save_checkpoint(5, {"model.safetensors": weights})
    run.set_status(state="done", classes=4, step=5)
    return run


def compute(run: Run, **options: Any) -> None:
    embeddings.compute(settings.workspace(), run.id, "photos", projection=None, **options)


def load(run: Run, **options: Any) -> embeddings.Embedding | None:
    return embeddings.load(settings.workspace(), run.id, "photos", **options)


def test_what_was_computed_is_there(features: Features) -> None:
    make_set()
    run = make_run()
    assert load(run) is None
    told: list[tuple[int, int, str]] = []
    compute(run, report=lambda *said: told.append(said))
    assert [done for done, _, _ in told] == sorted(done for done, _, _ in told)
    assert told[-1][0] == told[-1][1]
    for source in embeddings.SOURCES:
        found = load(run, source=source)
        assert found is not None
        number = 1 if source == "pixels" else 2
        rows = features.make(COUNT, source, number)
        assert (found.features == rows).all()
        indices, similarity = neighbors.search(rows, rows, 50, exclude_self=True)
        assert (found.indices == indices).all()
        assert (found.similarity == similarity).all()
        for dims in (2, 3):
            points = found.layout("pca", dims)
            assert points is not None
            assert np.allclose(points, project.boxed(project.pca(rows, 3)[:, :dims]), atol=1e-5)
            assert found.trust[f"pca{dims}"] <= 1
        assert found.layout("umap") is None
        assert len(found.clusters) == COUNT
    assert load(run, block="block3").block == "block3"  # type: ignore[union-attr]
    assert load(run, block="no such block").block == "block2"  # type: ignore[union-attr]


def test_nothing_is_computed_twice_and_baselines_are_shared(features: Features) -> None:
    make_set()
    run, other = make_run(), make_run(b"other weights")
    compute(run)
    compute(run)
    assert features.asked == ["run", "untrained", "pixels"]
    compute(other)
    assert features.asked[3:] == ["run"], "the same network untrained, and the same pixels"


def test_the_first_block_predicts_labels_best_and_relabelling_counts(features: Features) -> None:
    images, run = make_set(), make_run()
    compute(run)
    scores = embeddings.accuracies(run, images)
    assert scores["block2"] == 1
    assert scores["block1"] < 0.8
    assert embeddings.first_block(run, images)[0] == "block2"
    images.relabel(images.ids, None)
    assert embeddings.accuracies(run, images) == {}
    block, why = embeddings.first_block(run, images)
    assert block == "block3", "the neighbours that a disturbance leaves alone"
    assert "mirrored, cropped" in why
    shares = embeddings.agreements(run, images)
    assert shares["block3"] > 0.8 > shares["block1"]
    assert len(features.asked) == 3


def test_labels_of_a_few_are_told_by_the_nearest_of_those(features: Features) -> None:
    """Images that have none are no errors, so what a block is worth is not how many labels there are."""
    images, run = make_set(count=300), make_run()
    compute(run)
    images.relabel(images.ids[12:], None)
    scores = embeddings.accuracies(run, images)
    for number in (1, 2, 3):
        rows = features.make(300, "run", number)[:12]
        unit = rows / np.linalg.norm(rows, axis=1, keepdims=True)
        weight = np.exp(unit @ unit.T / 0.1) * (1 - np.eye(12))
        said = (weight @ np.eye(3)[np.arange(12) % 3]).argmax(1)
        assert scores[f"block{number}"] == pytest.approx(np.mean(said == np.arange(12) % 3))
    assert scores["block2"] == 1
    images.relabel(images.ids[3:], None)
    assert embeddings.accuracies(run, images) == {}, "no two have the same"


def damage(folder: Path) -> Iterator[Path]:
    """Ruin one file after the other; the files are whole again when the next is yielded."""
    for path in sorted(folder.glob("*")):
        whole = path.read_bytes()
        flipped = bytearray(whole)
        flipped[-5] ^= 0x55
        for ruined in (b"", whole[: len(whole) // 2], bytes(flipped), b"null", None):
            path.unlink()
            if ruined is not None:
                path.write_bytes(ruined)
            yield path
        path.write_bytes(whole)


def test_a_damaged_cache_counts_as_not_computed(features: Features) -> None:
    images, run = make_set(), make_run()
    compute(run)
    folder = stored.folder_of(run, images, "run")
    ruined = 0
    for path in damage(folder):
        found = load(run, block="block1")
        if path.name.startswith(("block1", "manifest")):
            assert found is None or found.block != "block1", path.name
        ruined += 1
    assert ruined > 40
    assert load(run, block="block1") is not None
    (folder / "manifest.json").unlink()
    compute(run)
    assert load(run) is not None
    assert features.asked == ["run", "untrained", "pixels", "run"]


def test_another_set_is_another_embedding(features: Features) -> None:
    images, run = make_set(), make_run()
    compute(run)
    images.remove(images.ids[:1])
    assert load(run) is None
    compute(run)
    found = load(run)
    assert found is not None
    assert len(found.indices) == COUNT - 1


def test_features_that_are_no_numbers_are_a_sentence_and_leave_nothing(features: Features) -> None:
    make_set()
    run = make_run()
    features.wrong = True
    with pytest.raises(UserError, match="not finite"):
        compute(run)
    assert load(run) is None


@pytest.mark.parametrize("count", [1, 2, 3])
def test_few_images(features: Features, count: int) -> None:
    make_set(count=count)
    run = make_run()
    embeddings.compute(settings.workspace(), run.id, "photos")
    found = load(run)
    assert found is not None
    assert found.indices.shape == (count, count - 1)
    points = found.layout("umap")
    assert points is not None
    assert points.shape == (count, 2)


def test_a_run_without_weights_or_a_set_that_is_not_there(features: Features) -> None:
    make_set()
    run = runs.create(settings.workspace(), runs.Spec(task="rotation", images="photos"))
    with pytest.raises(UserError, match="no weights"):
        compute(run)
    with pytest.raises(UserError, match="nowhere"):
        embeddings.compute(settings.workspace(), make_run().id, "nowhere")
    with pytest.raises(UserError, match="no run"):
        embeddings.load(settings.workspace(), "0" * 12, "photos")


def test_old_embeddings_make_room(features: Features, monkeypatch: pytest.MonkeyPatch) -> None:
    import os

    images = make_set()
    run, other = make_run(), make_run(b"other weights")
    compute(run)
    kept, old = settings.load().home / "cache" / "embeddings", stored.folder_of(run, images, "run")
    for path in [old, *old.iterdir()]:
        os.utime(path, (1, 1))
    size = sum(file.stat().st_size for folder in kept.iterdir() for file in folder.iterdir())
    monkeypatch.setattr(stored, "KEPT_BYTES", size)
    compute(other)
    assert not old.exists()
    assert load(other) is not None


def test_reading_needs_neither_torch_nor_umap(features: Features) -> None:
    make_set()
    run = make_run()
    compute(run)
    script = (
        "import sys; from sslviz import embeddings, settings, runs, imagesets, neighbors\n"
        f"found = embeddings.load(settings.workspace(), {run.id!r}, 'photos')\n"
        "assert found is not None and len(found.features)\n"
        "embeddings.accuracies(runs.open_run(settings.workspace(), sys.argv[1]), "
        "imagesets.open_set(settings.workspace(), 'photos'))\n"
        "embeddings.answers(runs.open_run(settings.workspace(), sys.argv[1]), "
        "imagesets.open_set(settings.workspace(), 'photos'))\n"
        "assert not {'torch', 'umap', 'sklearn', 'streamlit', 'numba'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", script, run.id], check=True, timeout=60)


def test_a_real_network() -> None:
    from safetensors.torch import save

    from sslviz.features import through
    from sslviz.model import build
    from sslviz.tasks.rotation import Rotation

    images = make_set()
    network = build("small", 1, 4, 32, seed=9)
    spec = runs.Spec(task="rotation", images="photos", size=32, side=32, view=32, classes=4)
    run = runs.create(settings.workspace(), spec)
    run.save_checkpoint(1, {"model.safetensors": save(network.state_dict())})
    compute(run)
    assert embeddings.blocks(run, images) == list(network.encoder.blocks)
    assert embeddings.blocks(run, images, "pixels") == ["pixels"]
    trained, untrained = (load(run, source=source, block="block3") for source in ("run", "untrained"))
    assert trained is not None
    assert untrained is not None
    assert trained.features.shape == untrained.features.shape == (COUNT, 4 * 96)
    assert not np.allclose(trained.features, untrained.features)
    # What the network answers, and the network itself, are kept.
    told = embeddings.answers(run, images)
    assert told is not None
    table, names = told
    assert names[0].startswith("upright")
    assert len(names) == 4
    assert set(table[:, 0]) <= {0, 1, 2, 3}
    assert set(table[:, 1]) <= {0, 0.25, 0.5, 0.75, 1}
    encoder = embeddings.encoder(run, images, "run")
    assert encoder is not None
    again = through(encoder, Rotation(), images.squares(32), blocks=["block3"])["block3"]
    assert np.allclose(again, trained.features, atol=1e-4)
    assert embeddings.encoder(run, images, "pixels") is None


def test_a_layout_is_added_and_keeps_its_trust(features: Features, monkeypatch: pytest.MonkeyPatch) -> None:
    images, run = make_set(), make_run()
    compute(run)
    before = embeddings.stamp(run, images)
    told: list[int] = []

    def laid(rows: np.ndarray, *_: object, dims: int, report: Callable[[int, int], None]) -> np.ndarray:
        report(1, 2)
        return project.pca(rows, dims) ** 3

    monkeypatch.setattr(project, "tsne", laid)
    options: dict[str, Any] = {"source": "untrained", "block": "block1", "projection": "tsne", "dims": 3}
    embeddings.compute(settings.workspace(), run.id, "photos", lambda done, *_: told.append(done), **options)
    assert told == sorted(told)
    found = load(run, source="untrained", block="block1")
    assert found is not None
    rows = features.make(COUNT, "untrained", 1)
    points = found.layout("tsne", 3)
    assert points is not None
    assert np.allclose(points, project.pca(rows, 3) ** 3)
    assert found.trust["tsne3"] == pytest.approx(project.trustworthiness(rows, points))
    assert found.layout("tsne", 2) is None
    assert embeddings.stamp(run, images) == before
    assert embeddings.stamp(run, images, "untrained") != before
    # One that was cut short is not there, and takes nothing else with it.
    path = stored.folder_of(run, images, "untrained") / "block1.tsne3.bin"
    path.write_bytes(path.read_bytes()[:-8])
    found = load(run, source="untrained", block="block1")
    assert found is not None
    assert found.layout("tsne", 3) is None


def test_clusters_are_groups_of_the_features() -> None:
    random = np.random.default_rng(0)
    truth = np.repeat([0, 1, 2], [40, 30, 10])
    rows = (9 * np.eye(3, 12)[truth] + random.normal(size=(80, 12))).astype(np.float32)
    found = computing.clusters(rows)
    assert found.max() == 9
    # Each cluster lies within one group, and the largest is the first.
    assert all(len(set(truth[found == cluster])) == 1 for cluster in range(10))
    counts = np.bincount(found)
    assert list(counts) == sorted(counts, reverse=True)
    assert (computing.clusters(rows) == found).all()
    assert set(computing.clusters(np.ones((30, 4), np.float32))) == {0}
    assert set(computing.clusters(rows[:1])) == {0}
