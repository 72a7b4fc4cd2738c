"""Pictures that are asked about: an image of the set is its own neighbour, by every source."""

from __future__ import annotations

import numpy as np
import pytest
from safetensors.torch import save

from sslviz import embeddings, images, imagesets, runs, settings
from sslviz.embeddings import queries
from sslviz.errors import UserError
from sslviz.imagesets import ImageSet, NewImage
from sslviz.model import build
from sslviz.runs import Run

COUNT = 20


def upload(name: str, data: bytes) -> queries.Query:
    return queries.uploaded(settings.workspace(), name, data)


def recall(key: str) -> queries.Query | None:
    return queries.recall(settings.workspace(), key)


def known() -> tuple[Run, ImageSet]:
    """Images of coarse colours, with a run on them, and everything computed."""
    draw = np.random.default_rng(0)
    made = imagesets.create(settings.workspace(), "photos")
    made.add(
        NewImage(
            f"{row}.png",
            pixels=draw.integers(0, 256, (4, 5, 3), dtype=np.uint8).repeat(16, 0).repeat(16, 1),
        )
        for row in range(COUNT)
    )
    spec = runs.Spec(task="rotation", images="photos", size=32, side=32, view=32, classes=4)
    run = runs.create(settings.workspace(), spec)
    network = build("small", 1, 4, 32, seed=9)
    run.save_checkpoint(1, {"model.safetensors": save(network.state_dict())})
    embeddings.compute(settings.workspace(), run.id, "photos", projection=None)
    return run, made


def test_an_image_of_the_set_finds_itself_by_every_source() -> None:
    run, made = known()
    for row in (3, 11):
        query = upload("mine.png", images.bitmap(made.pixels(row)))
        for source, block in (("run", "block4"), ("untrained", "block2"), ("pixels", None)):
            one = embeddings.find(run, made, source, block)  # type: ignore[arg-type]
            assert one is not None
            found = queries.find(query, run, made, one)
            assert found is not None
            assert found.indices[0] == row
            assert found.similarity[0] > 0.98
            # Behind itself come the neighbours that it has in the set.
            near = set(one.indices[row, :5].tolist())
            assert len(near & set(found.indices[1:6].tolist())) >= 4


def test_a_part_is_cut_where_it_was_drawn() -> None:
    run, made = known()
    query = queries.part(made, 2, (0.2, 0.25, 0.6, 0.75))
    whole = made.pixels(2)
    assert (query.pixels == whole[16:48, 16:48]).all()
    assert query.name == "Part of 2.png"
    assert queries.part(made, 2, (0.2, 0.25, 0.6, 0.5)).key != query.key
    one = embeddings.find(run, made, "pixels")
    assert one is not None
    assert queries.find(query, run, made, one) is not None
    with pytest.raises(UserError, match="too small"):
        queries.part(made, 2, (0.5, 0.5, 0.52, 0.9))


def test_an_uploaded_picture_is_recalled() -> None:
    query = upload("<b>.png", images.bitmap(np.full((40, 50, 3), 90, np.uint8)))
    again = recall(query.key)
    assert again is not None
    assert (again.pixels == query.pixels).all()
    for wrong in ("", "../secret", "0" * 16):
        assert recall(wrong) is None


def test_what_is_no_picture_is_a_sentence() -> None:
    with pytest.raises(UserError, match=r"notes\.txt is"):
        upload("notes.txt", b"hello")
    with pytest.raises(UserError, match=r"cut\.png"):
        upload("cut.png", images.bitmap(np.full((40, 50, 3), 90, np.uint8))[:60])


def test_old_pictures_are_forgotten(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(queries, "KEPT", 2)
    for level in range(4):
        upload("x.png", images.bitmap(np.full((40, 50, 3), 50 * level, np.uint8)))
    assert len(list((settings.workspace() / "queries").iterdir())) == 2


def test_without_the_network_there_is_no_answer() -> None:
    run, made = known()
    one = embeddings.find(run, made, "run")
    assert one is not None
    (embeddings.stored.folder_of(run, made, "run") / embeddings.stored.ENCODER).unlink()
    query = queries.part(made, 0, (0, 0, 1, 1))
    assert queries.find(query, run, made, one) is None
