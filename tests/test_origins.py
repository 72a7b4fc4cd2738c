"""What a run is said to be a run of, after its images were given another name."""

from __future__ import annotations

import json
import shlex

import pytest
from small_runs import make_run, make_set

from sslviz import cli, origins


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
