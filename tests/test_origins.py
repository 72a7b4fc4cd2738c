"""What a run is said to be a run of, after its images were given another name."""

from __future__ import annotations

import json
import shlex
from dataclasses import replace
from types import SimpleNamespace

import pytest
from small_runs import make_run, make_set

from sslviz import cli, export, origins
from sslviz.ui import run_table, words


@pytest.mark.parametrize("by", ["--images pics", "--images=pics"])
def test_the_command_of_a_renamed_set_names_it_as_it_is_called_now(
    by: str, capsys: pytest.CaptureFixture[str]
) -> None:
    images = make_set()
    run = make_run(images, origin=f"sslviz shortcut rotation-flip {by} --steps 3 --seed 0")
    joined = make_run(images, origin=f"sslviz reproduce rotnet-cifar10 {by} --test others")
    broken = make_run(images, origin="'")
    assert origins.command_of(run) == run.spec.origin
    images.rename("tiny ones")
    make_set("pics", count=2)  # which is another one
    words = shlex.split(run.spec.origin.replace("pics", "'tiny ones'"))
    assert shlex.split(origins.command_of(run)) == words
    assert [origins.command_of(one) for one in (joined, broken)] == [joined.spec.origin, "'"]
    assert cli.run(["runs", "show", run.id, "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["command"] == origins.command_of(run)


def test_a_run_that_nobody_named_is_called_after_what_its_images_are_called_now(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    images = make_set()
    plain, named = make_run(images), make_run(images, title="mine")
    gone = make_run(images, images_id="0000000000ab")
    images.rename("tiny")
    expected = {plain.id: "rotation on tiny", named.id: "mine", gone.id: "rotation on pics"}
    assert {run.id: origins.title_of(run) for run in (plain, named, gone)} == expected
    assert cli.run(["runs", "--json"]) == 0
    told = json.loads(capsys.readouterr().out)["runs"]
    assert {one["run"]: one["title"] for one in told if one["run"] in expected} == expected
    shown = {id_: title.replace("rotation", "Rotation") for id_, title in expected.items()}
    assert {run.id: words.name(run) for run in (plain, named, gone)} == shown
    opened: list[str] = []
    read = origins.read_index
    monkeypatch.setattr(origins, "read_index", lambda folder: (opened.append(folder.name), read(folder))[1])
    found = [plain, named, *(replace(plain, spec=replace(plain.spec, seed=seed)) for seed in range(20))]
    columns = run_table.columns(found, [run.status() for run in found])
    assert columns["run"][:2] == ["Rotation on tiny", "mine"]
    assert opened == [images.folder.name]


def test_an_export_says_what_the_images_are_called_now() -> None:
    images = make_set()
    run = make_run(images)
    images.rename("tiny")
    encoder = SimpleNamespace(blocks={"a": 0}, channels=3)
    text = export.read_me(run, encoder, 16)  # type: ignore[arg-type]
    assert text.startswith("rotation on tiny\n")
    assert "images tiny." in text
    assert "pics" not in text
