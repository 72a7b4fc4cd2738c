"""Click to label on its page, in every state it can be found in, through AppTest; features are made up."""

from __future__ import annotations

import csv
import io
from pathlib import Path
from typing import Any

import pytest
from small_runs import recorded
from streamlit.testing.v1 import AppTest
from test_embeddings import Features, features, make_run, make_set

from sslviz import embeddings, imagesets, naming, runs, settings
from sslviz.imagesets import ImageSet
from sslviz.jobs import Job
from sslviz.runs import Run
from sslviz.tables import as_csv
from sslviz.ui import downstream_naming, naming_board
from sslviz.ui.naming_board import Act, Board

ROOT = Path(__file__).resolve().parents[1]
HOSTILE = ("=cmd|' /C calc'!A0", "<img src=x onerror=alert(1)> **bold**")
__all__ = ["features"]


@pytest.fixture(autouse=True)
def started(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """No process starts; the names of those asked for are returned."""
    return recorded(monkeypatch)


@pytest.fixture
def drawn(monkeypatch: pytest.MonkeyPatch) -> list[Board]:
    """The boards that are drawn, in a browser or not."""
    boards: list[Board] = []

    def board(one: Board, **_: Any) -> None:
        boards.append(one)

    monkeypatch.setattr(naming_board, "naming_board", board)
    return boards


def known(count: int = 36) -> tuple[ImageSet, Run]:
    images, run = make_set(count=count), make_run()
    embeddings.compute(settings.workspace(), run.id, "photos", projection=None)
    return images, run


def opened(run: Run, **query: str) -> AppTest:
    app = AppTest.from_file(str(ROOT / "app.py"), default_timeout=60).run()
    app.switch_page("pages/downstream.py").run()
    for key, value in {"view": "name", "run": run.id, "images": "photos", **query}.items():
        app.query_params[key] = value
    app.run()
    assert not app.exception
    return app


def words(app: AppTest) -> str:
    elements = [*app.markdown, *app.caption, *app.subheader, *app.error, *app.code, *app.html]
    return "\n".join(str(element.value) for element in elements)


def test_what_is_missing_is_asked_for(features: Features, started: list[str]) -> None:
    make_set()
    app = opened(make_run())
    assert "You can begin to name them" in words(app)
    assert "sslviz.worker" in started
    asked = [Job(folder).request()[0] for folder in (settings.load().home / "jobs").iterdir()]
    assert asked.count("embed") == 1  # beside what the first view of the page asks for


def test_from_the_first_name_to_the_last(features: Features, drawn: list[Board]) -> None:
    images, run = known()
    app = opened(run)
    first = drawn[-1]
    assert not first.names
    assert not first.strips
    assert len(first.batch) == downstream_naming.BATCH == len({tile.id for tile in first.batch})
    assert "Take the labels away" not in words(app)

    naming.give(images, [tile.id for tile in first.batch[:2]], HOSTILE[0])
    app.run()
    one = drawn[-1]
    assert [tile.id for tile in one.batch] == [
        tile.id for tile in first.batch
    ]  # nothing moves under the hand
    assert "second name" in one.said
    assert not one.strips

    naming.give(images, [first.batch[2].id], HOSTILE[1])
    app.run()
    two = drawn[-1]
    assert list(two.names) == list(HOSTILE)
    assert list(two.counts) == [2, 1]
    assert len(two.strips) == 2
    assert two.said.startswith("3 named, 33 proposed")
    assert all(tile.certainty is not None and 0 < tile.certainty < 1 for tile in two.batch)
    assert [tile.id for tile in two.named] == [tile.id for tile in reversed(first.batch[:3])]
    assert two.left == 36 - len(first.batch)
    assert HOSTILE[1] not in words(app)  # a name is data

    for number, name in enumerate(HOSTILE):
        naming.give(images, images.ids[number::2], name)
    app.run()
    assert drawn[-1].said == "All 36 images are named."
    assert drawn[-1].left == 0
    assert all(not strip.tiles for strip in drawn[-1].strips)


def test_acts_of_the_board(features: Features, drawn: list[Board]) -> None:
    images, run = known()
    app = opened(run)
    first = [tile.id for tile in drawn[-1].batch]
    found: dict[str, Any] = {f"naming_batch_{images.id}": {"ids": first, "passed": []}}

    def act(kind: Any, ids: tuple[str, ...] = (), name: str = "") -> None:
        # What a callback sees of the session.
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(downstream_naming.st, "session_state", found)
            downstream_naming._heed(images, Act(kind, ids, name))

    act("name", tuple(first[:2]), "cat")
    act("name", tuple(first[2:3]), "dog")
    act("forget", tuple(first[:1]))
    assert list(naming.read(images).given.values()) == ["cat", "dog"]
    act("undo")
    assert list(naming.read(images).given.values()) == ["cat", "dog", "cat"]
    act("name", tuple(first[:1]), " \n ")
    assert "at least one character" in found["naming_problem"].message
    act("next")
    assert found[f"naming_batch_{images.id}"] == {"passed": first}
    app.session_state[f"naming_batch_{images.id}"] = {"passed": first}
    app.run()
    assert not {tile.id for tile in drawn[-1].batch} & set(first)
    assert drawn[-1].title == "Least certain"


def test_what_a_browser_says_is_not_believed_blindly() -> None:
    good = {"n": 2, "kind": "name", "ids": ["a"], "name": "cat"}
    word = [good, None, 3, {"n": "1"}, {"n": 1, "kind": "undo"}, {**good, "kind": "rm"}, {**good, "ids": [1]},
            {**good, "ids": "abc"}, {**good, "name": 7}]  # fmt: skip
    assert naming_board._read(word) == [(1, Act("undo")), (2, Act("name", ("a",), "cat"))]
    assert naming_board._read({"n": 1}) == []


def test_source_and_block_are_in_the_address(features: Features, drawn: list[Board]) -> None:
    images, run = known()
    app = opened(run)
    assert app.selectbox(key="naming_block").value == "block2"  # blind: not the best by labels, the middle
    naming.give(images, images.ids[::3][:4], "cat")
    naming.give(images, images.ids[1::3][:4], "dog")
    app.run()
    by_run = [tile.certainty for tile in drawn[-1].strips[0].tiles]
    for name, value in (("block", "block1"), ("source", "pixels"), ("source", "untrained")):
        app.query_params[name] = value
        app.run()
        assert not app.exception
        assert [tile.certainty for tile in drawn[-1].strips[0].tiles] != by_run


def test_the_labels_stay_hidden_until_they_are_asked_for(features: Features, drawn: list[Board]) -> None:
    images, run = known()
    for label in "abc":
        naming.give(images, [i for i, own in zip(images.ids, images.labels, strict=True) if own == label][:4],
                    f"my {label}")  # fmt: skip
    app = opened(run)
    assert all(tile.right is None for strip in drawn[-1].strips for tile in strip.tiles)
    app.toggle(key="naming_truth").set_value(True).run()
    assert not app.exception
    assert "After 12 names" in words(app)
    shown = "\n".join(str(element.value) for element in app.html)
    assert "Trained" in shown
    assert "Raw pixels" in shown
    app.run()
    judged = [tile.right for strip in drawn[-1].strips for tile in strip.tiles]
    assert any(judged)
    # With no label, or one, there is nothing to compare with.
    images.relabel(images.ids, "same")
    assert not opened(run).toggle


def test_table_labels_and_the_command(features: Features, drawn: list[Board]) -> None:
    images, run = known()
    naming.give(images, images.ids[:6:3], HOSTILE[0])
    naming.give(images, images.ids[1:6:3], HOSTILE[1])
    app = opened(run)
    assert "sslviz images label photos sslviz-names.csv" in words(app)
    app.button(key="naming_apply").click().run()
    assert not app.exception
    assert "2 of them have another label" not in words(app)
    assert "4 of them have another label" in words(app)
    table = as_csv(naming.table(images, naming.read(images), None))
    rows = list(csv.DictReader(io.StringIO(table)))
    assert rows[0] | {"id": ""} == {
        "id": "", "file": "0.jpg", "label": f"'{HOSTILE[0]}", "certainty": "1.0", "given": "named"
    }  # fmt: skip


def test_a_built_in_set_keeps_its_labels(
    features: Features, drawn: list[Board], monkeypatch: pytest.MonkeyPatch
) -> None:
    images, run = known()
    naming.give(images, images.ids[:6:3], "cat")
    naming.give(images, images.ids[1:6:3], "dog")
    monkeypatch.setattr(ImageSet, "builtin", property(lambda self: True))
    app = opened(run)
    assert "keeps the labels that it has" in words(app)
    assert not [button for button in app.button if button.key == "naming_apply"]


@pytest.mark.parametrize("count", [1, 2, 3])
def test_tiny_sets(features: Features, drawn: list[Board], count: int) -> None:
    images, run = known(count)
    app = opened(run)
    if count == 1:
        assert "one image" in words(app)
        return
    for number, image in enumerate(images.ids[:2]):
        naming.give(images, [image], f"kind {number}")
    app.run()
    assert not app.exception
    assert len(drawn[-1].batch) == count
    assert drawn[-1].left == 0


def test_images_that_are_gone_and_a_damaged_file(features: Features, drawn: list[Board]) -> None:
    images, run = known()
    naming.give(images, images.ids[:3], "cat")
    naming.give(images, images.ids[3:5], "dog")
    imagesets.open_set(settings.workspace(), "photos").remove(images.ids[1:2])
    embeddings.compute(settings.workspace(), run.id, "photos", projection=None)
    app = opened(run)
    assert "1 image that was named is no longer in the set" in words(app)
    assert list(drawn[-1].counts) == [2, 2]
    (images.folder / "naming.json").write_text("{")
    app.run()
    assert "cannot be read" in words(app)
    assert not drawn[-1].names


def test_a_run_on_other_images(features: Features, drawn: list[Board]) -> None:
    known()
    other = runs.create(settings.workspace(), runs.Spec(task="rotation", images="other"))
    other.save_checkpoint(5, {"model.safetensors": b"others"})
    other.set_status(state="done", classes=4, step=5)
    embeddings.compute(settings.workspace(), other.id, "photos", projection=None)
    opened(other)
    assert len(drawn[-1].batch) == downstream_naming.BATCH
