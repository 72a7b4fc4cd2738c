"""What is shared is seen by everybody and changed by nobody."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path

import pytest
from filelock import FileLock
from small_runs import pictures

from sslviz import cli, imagesets, ingest, jobs, naming, runs, settings, sharing
from sslviz.errors import UserError
from sslviz.imagesets import ImageSet, NewImage
from sslviz.naming import given
from sslviz.runs import Run, Spec


def LOCAL() -> Path:  # noqa: N802 - a place, which is in another home for each test
    return settings.workspace()


def ANNA() -> Path:  # noqa: N802
    return settings.workspace("a" * 32)


def BEN() -> Path:  # noqa: N802
    return settings.workspace("b" * 32)


@pytest.fixture(autouse=True)
def nothing_starts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(jobs.processes, "detach", lambda *_, **__: None)
    monkeypatch.setattr(os, "fsync", lambda _: None)


def a_set(workspace: Path, name: str, count: int = 3, seed: int = 0) -> ImageSet:
    made = imagesets.create(workspace, name)
    made.add(
        NewImage(f"{n}.png", pixels=one, label="ab"[n % 2]) for n, one in enumerate(pictures(count, 32, seed))
    )
    return made


def a_run(workspace: Path, state: str = "done") -> Run:
    run = runs.create(workspace, Spec("rotation", "birds"))
    run.save_checkpoint(3, {"model.safetensors": b"weights", "resume.safetensors": b"more"})
    run.append_metric({"step": 3, "loss": 1.0})
    run.set_status(state=state, step=3)
    return run


def digest(folder: Path) -> dict[str, bytes]:
    files = (path for path in folder.rglob("*") if path.is_file())
    return {str(path.relative_to(folder)): path.read_bytes() for path in files}


def test_everybody_sees_a_shared_set_with_all_that_is_in_it() -> None:
    made = a_set(LOCAL(), "birds")
    sharing.share_set(LOCAL(), "birds")
    for workspace in (ANNA(), BEN()):
        seen = imagesets.open_set(workspace, "birds")
        assert seen.shared
        assert seen.id == made.id
        assert seen.names == made.names
        assert seen.labels == made.labels
        assert [seen.jpeg(row) for row in range(3)] == [made.jpeg(row) for row in range(3)]
        assert (seen.squares(16) == made.squares(16)).all()
        (listed,) = imagesets.names(workspace)
        assert (listed.name, listed.shared, listed.images) == ("birds", True, 3)
    assert [one.shared for one in imagesets.names(LOCAL())] == [False]
    assert imagesets.count_images(ANNA()) == 0


CHANGES: list[Callable[[ImageSet], object]] = [
    lambda one: one.add([NewImage("x.png", pixels=pictures(1, 32, 9)[0])]),
    lambda one: one.remove(one.ids[:1]),
    lambda one: one.relabel(one.ids, "c"),
    lambda one: one.set_labels(dict.fromkeys(one.ids, "c")),
    lambda one: one.rename("bats"),
    lambda one: one.remember(Path("/x"), "", []),
    lambda one: one.delete(),
    lambda one: imagesets.delete(one.workspace, one.name),
    lambda one: imagesets.delete(one.workspace, one.id),
    lambda one: ingest.ingest(one, [("x.png", b"no image")]),
]


@pytest.mark.parametrize("number", range(len(CHANGES)))
def test_nobody_changes_a_shared_set(number: int) -> None:
    a_set(LOCAL(), "birds")
    sharing.share_set(LOCAL(), "birds")
    seen = imagesets.open_set(ANNA(), "birds")
    before = digest(settings.shared())
    with pytest.raises(UserError, match=r"shared with everybody|There is no image set"):
        CHANGES[number](seen)
    assert digest(settings.shared()) == before


def test_a_merged_copy_is_ones_own() -> None:
    a_set(LOCAL(), "birds")
    a_set(ANNA(), "mine", seed=1)
    sharing.share_set(LOCAL(), "birds")
    merged = imagesets.merge(ANNA(), ["birds", "mine"], "both")
    assert not merged.shared
    merged.relabel(merged.ids, "c")
    assert len(merged) == 6
    with pytest.raises(UserError, match="no image set"):
        imagesets.open_set(BEN(), "both")


def test_names_given_in_a_shared_set_are_ones_own() -> None:
    a_set(LOCAL(), "birds")
    sharing.share_set(LOCAL(), "birds")
    annas, bens = (imagesets.open_set(workspace, "birds") for workspace in (ANNA(), BEN()))
    before = digest(settings.shared())
    given.give(annas, annas.ids[:2], "robin")
    assert given.read(annas).given == dict.fromkeys(annas.ids[:2], "robin")
    assert given.read(bens) == naming.Names()
    given.give(bens, bens.ids[:1], "wren")
    assert given.read(annas).counts() == {"robin": 2}
    assert digest(settings.shared()) == before


def test_ones_own_set_of_the_same_name_is_the_one_that_is_meant() -> None:
    a_set(LOCAL(), "birds")
    sharing.share_set(LOCAL(), "birds")
    assert imagesets.free_name(ANNA(), "birds") == "birds 2"
    with pytest.raises(UserError, match="already"):
        imagesets.create(ANNA(), "birds")
    sharing.unshare_set("birds")
    own = a_set(ANNA(), "birds", 2, seed=5)
    sharing.share_set(LOCAL(), "birds")
    assert imagesets.open_set(ANNA(), "birds").id == own.id
    assert [(one.name, one.shared) for one in imagesets.names(ANNA())] == [("birds", False)]
    own.rename("my birds")
    assert {(one.name, one.shared) for one in imagesets.names(ANNA())} == {
        ("my birds", False),
        ("birds", True),
    }


def test_sharing_again_brings_what_has_changed_and_taking_back_takes_it() -> None:
    made = a_set(LOCAL(), "birds")
    sharing.share_set(LOCAL(), "birds")
    seen = imagesets.open_set(ANNA(), "birds")
    made.add(NewImage(f"more {n}.png", pixels=one) for n, one in enumerate(pictures(2, 32, 7)))
    assert len(imagesets.open_set(ANNA(), "birds")) == 3
    sharing.share_set(LOCAL(), "birds")
    assert len(imagesets.open_set(ANNA(), "birds")) == 5
    sharing.unshare_set("birds")
    assert imagesets.names(ANNA()) == []
    assert seen.pixels(0).shape == (32, 32, 3)  # whoever has it open goes on
    assert len(imagesets.open_set(LOCAL(), "birds")) == 5
    with pytest.raises(UserError, match="No set called 'birds' is shared"):
        sharing.unshare_set("birds")
    made.delete()
    with pytest.raises(UserError, match="no image set called"):
        sharing.share_set(LOCAL(), "birds")


def test_two_shared_sets_of_one_name_are_refused() -> None:
    a_set(LOCAL(), "birds")
    sharing.share_set(LOCAL(), "birds")
    imagesets.open_set(LOCAL(), "birds").rename("old birds")
    a_set(LOCAL(), "birds", seed=3)
    with pytest.raises(UserError, match="Another set called 'birds' is shared"):
        sharing.share_set(LOCAL(), "birds")


def test_a_shared_run_is_seen_and_only_read() -> None:
    run = a_run(LOCAL())
    run.describe(title="the good one")
    own = a_run(ANNA())
    sharing.share_run(LOCAL(), run.id)
    ids = [one.id for one in runs.listing(ANNA())]
    assert ids[:2] == [own.id, run.id]
    seen = runs.open_run(ANNA(), run.id)
    assert seen.shared and seen.bundled  # noqa: PT018 - the one means the other
    assert seen.title == "the good one"
    assert seen.weights().read_bytes() == b"weights"
    assert seen.metrics() == run.metrics()
    assert seen.status().state == "done"
    before = digest(settings.shared())
    for change in (seen.cancel, seen.delete, lambda: seen.describe(title="mine")):
        with pytest.raises(UserError, match=f"Run {run.id} is shared with everybody and cannot"):
            change()
    assert digest(settings.shared()) == before
    assert [one.id for one in runs.listing(LOCAL())].count(run.id) == 1
    assert not runs.open_run(LOCAL(), run.id).shared
    assert runs.open_run(ANNA(), "latest").id == own.id
    sharing.unshare_run(run.id)
    with pytest.raises(UserError, match="There is no run"):
        runs.open_run(ANNA(), run.id)
    assert runs.open_run(LOCAL(), run.id).weights()


def test_only_runs_that_are_over_and_have_weights_are_shared() -> None:
    without = runs.create(LOCAL(), Spec("rotation", "x"))
    with pytest.raises(UserError, match="no weights"):
        sharing.share_run(LOCAL(), without.id)
    busy = a_run(LOCAL(), "running")
    with FileLock(busy.lock), pytest.raises(UserError, match="not over yet"):
        sharing.share_run(LOCAL(), busy.id)
    bundled = runs.listing(LOCAL())[-1]
    with pytest.raises(UserError, match="everybody has it"):
        sharing.share_run(LOCAL(), bundled.id)
    for id_ in ("../../x", "nobody", bundled.id):
        with pytest.raises(UserError, match="is shared"):
            sharing.unshare_run(id_)
    assert sharing.shared_runs() == []


def test_a_copy_that_fails_leaves_what_was_shared(monkeypatch: pytest.MonkeyPatch) -> None:
    made = a_set(LOCAL(), "birds")
    sharing.share_set(LOCAL(), "birds")
    made.remove(made.ids[:1])
    before = digest(settings.shared())

    def full(*_: object, **__: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(sharing.shutil, "copytree", full)
    with pytest.raises(UserError, match="full"):
        sharing.share_set(LOCAL(), "birds")
    assert digest(settings.shared()) == before


def test_the_commands(capsys: pytest.CaptureFixture[str]) -> None:
    def said(*words: str, code: int = 0) -> str:
        assert cli.run(words) == code
        out = capsys.readouterr()
        return (out.out or out.err).strip().splitlines()[-1]

    a_set(LOCAL(), "birds")
    run = a_run(LOCAL())
    assert said("share") == "Nothing is shared."
    assert json.loads(said("share", "set", "birds", "--json")) == {"set": "birds", "shared": True}
    assert said("share", "run", run.id) == f"Everybody sees the run {run.id}."
    listed = json.loads(said("share", "--json"))
    assert [one["name"] for one in listed["sets"]] == ["birds"]
    assert [one["id"] for one in listed["runs"]] == [run.id]
    assert said("unshare", "run", run.id) == f"The run '{run.id}' is shared no more."
    assert "There is no image set called 'bats'" in said("share", "set", "bats", code=2)
    assert "Neither a set nor a run" in said("share", "page", "x", code=2)
    assert "Which run is not said" in said("unshare", "run", code=2)
