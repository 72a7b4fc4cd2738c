"""The zip of a run: its encoder works without sslviz and is the one that sslviz has."""

from __future__ import annotations

import csv
import io
import json
import re
import secrets
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save
from small_runs import make_run, make_set

from sslviz import archives, cli, export, features, networks, runs, settings
from sslviz.errors import UserError
from sslviz.model import MODELS
from sslviz.runs import Run

ALONE = """
import sys
sys.modules["sslviz"] = sys.modules["safetensors"] = None
import json, os, struct
import torch
torch.set_num_threads(1)
for folder, shape, lines in json.load(sys.stdin):
    sys.path[0] = folder
    sys.modules.pop("encoder", None)
    os.chdir(folder)
    images = torch.frombuffer(bytearray(open("images", "rb").read()), dtype=torch.uint8).reshape(shape)
    exec(lines)
    found = encoder.features(images)
    assert any(torch.equal(features, part) for part in found.values())
    with open("features.json", "w") as file:
        json.dump({name: part.tolist() for name, part in found.items()}, file)
assert not any(name.startswith("sslviz.") for name in sys.modules)
"""
"""What a person does with the zip, where there is no sslviz."""


def trained_run(model: str, view: int, task: str = "rotation", **spec: object) -> Run:
    """A run that says it is done, with weights that are nobody's first ones."""
    run = make_run(make_set(secrets.token_hex(4), count=1), task=task, model=model, **spec)
    run = run.set_spec(side=view, view=view, classes=4)
    network = networks.untrained(run)
    generator = torch.Generator().manual_seed(3)
    weights = {
        name: value + 0.05 * torch.rand(value.shape, generator=generator)
        if value.is_floating_point()
        else value
        for name, value in network.state_dict().items()
    }
    run.save_checkpoint(6, {"model.safetensors": save(weights)})
    run.set_status(state="done", step=6, steps=6)
    return run


def unpacked(run: Run, folder: Path) -> Path:
    """The export of a run, unpacked; returns the folder."""
    path = folder / "run.zip"
    path.write_bytes(export.pack(run))
    for name, data in archives.members(path, settings.load()):
        assert isinstance(data, bytes)
        top, _, rest = name.partition("/")
        assert top == f"sslviz-{run.id}"
        (folder / rest).write_bytes(data)
    return folder


def four_lines(read_me: str) -> str:
    """The first lines of code in README.txt."""
    lines = re.findall(r"(?m)^    (.*)$", read_me)[:4]
    assert lines[0] == "from encoder import load"
    return "\n".join(lines)


def check_without_sslviz(cases: list[tuple[Run, torch.Tensor]], folder: Path) -> list[Path]:
    """That the lines of README.txt give the features that sslviz gives, in a process that has no sslviz;
    returns the folders of the unpacked exports. One process for all, since torch takes seconds to import."""
    asked, folders = [], []
    for number, (run, images) in enumerate(cases):
        place = folder / str(number)
        place.mkdir()
        folders.append(unpacked(run, place))
        (place / "images").write_bytes(images.numpy().tobytes())
        lines = four_lines((place / "README.txt").read_text(encoding="utf-8"))
        asked.append((str(place), list(images.shape), lines))
    done = subprocess.run(
        [sys.executable, "-c", ALONE], input=json.dumps(asked), capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    for place, (run, images) in zip(folders, cases, strict=True):
        expected = features.extract(networks.trained(run), networks.task_of(run), images)
        found = json.loads((place / "features.json").read_text())
        assert list(found) == list(expected)
        for name, values in expected.items():
            np.testing.assert_allclose(np.array(found[name]), values, atol=1e-5)
            assert values.std() > 1e-3
    return folders


def pictures(count: int, side: int) -> torch.Tensor:
    generator = torch.Generator().manual_seed(0)
    return torch.randint(0, 256, (count, 3, side, side), generator=generator, dtype=torch.uint8)


CASES = (
    ("small", 24),
    ("small", 49),
    ("nin", 17),
    ("alexnet", 30),
    ("alexnet", 96),
    ("resnet18", 32),
    ("resnet18", 96),
)


@pytest.mark.slow
def test_the_four_lines_give_the_features_of_sslviz(tmp_path: Path) -> None:
    assert {model for model, _ in CASES} == set(MODELS)
    check_without_sslviz([(trained_run(model, view), pictures(7, view)) for model, view in CASES], tmp_path)


def test_the_encoders_that_come_along_can_be_taken_away(tmp_path: Path) -> None:
    bundled = [run for run in runs.listing(settings.workspace()) if run.bundled]
    assert len(bundled) == 4
    folders = check_without_sslviz([(run, pictures(5, 48)) for run in bundled], tmp_path)
    for run, folder in zip(bundled, folders, strict=True):  # half precision becomes whole
        assert torch.float16 in {value.dtype for value in load_file(run.weights()).values()}
        kinds = {value.dtype for value in load_file(folder / "encoder.safetensors").values()}
        assert kinds == {torch.float32, torch.int64}


def test_options_and_batches_are_heeded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What the network reads depends on options, and means over batches on which images are together."""
    for module in (features, export.encoder):
        monkeypatch.setattr(module, "BATCH_PIXELS", 3 * 48 * 48)
    switched = [trained_run("small", 24, "location", options={"patch_norm": on}) for on in (True, False)]
    folders = check_without_sslviz([(run, pictures(11, 48)) for run in switched], tmp_path)
    texts = [(folder / "encoder.py").read_text(encoding="utf-8") for folder in folders]
    assert ["spread 1" in text for text in texts] == [True, False]


@pytest.mark.parametrize("view", [32, 96])
def test_torchvisions_resnet18_takes_the_weights(view: int, tmp_path: Path) -> None:
    from torchvision.models import resnet18

    folder = unpacked(trained_run("resnet18", view), tmp_path)
    text = (folder / "README.txt").read_text(encoding="utf-8")
    model = resnet18(weights=None)
    assert ("3 × 3" in text) == (view < 96)
    if view < 96:
        for line in re.findall(r"(?m)^    (model\..*)$", text):
            exec(line, {"torch": torch, "model": model})
    weights = load_file(folder / "encoder.safetensors")
    missing, unexpected = model.load_state_dict(weights, strict=False)
    assert set(missing) == {"fc.weight", "fc.bias"}
    assert not unexpected
    assert torch.equal(model.layer3[1].conv2.weight, weights["layer3.1.conv2.weight"])


def test_the_zip_holds_what_repeats_the_run(tmp_path: Path) -> None:
    run = trained_run("small", 24)
    run.describe(title='"""; import os #', note="with **stars**")
    folder = unpacked(run, tmp_path)
    assert json.loads((folder / "spec.json").read_text())["seed"] == run.spec.seed
    status = json.loads((folder / "status.json").read_text())
    assert (status["state"], "pid" in status) == ("done", False)
    assert json.loads((folder / "note.json").read_text()) == {
        "title": '"""; import os #',
        "note": "with **stars**",
    }
    assert (folder / "command.txt").read_text() == run.spec.command + "\n"
    assert (folder / "model.safetensors").read_bytes() == run.weights().read_bytes()
    whole, alone = load_file(folder / "model.safetensors"), load_file(folder / "encoder.safetensors")
    assert {f"encoder.{name}" for name in alone} == {name for name in whole if name.startswith("encoder.")}
    assert all(torch.equal(value, whole[f"encoder.{name}"]) for name, value in alone.items())
    # What a person typed is data: nothing of it is in the code.
    assert "import os" not in (folder / "encoder.py").read_text(encoding="utf-8")
    assert export.pack(run) == export.pack(run)


def test_curves_are_rows_and_never_formulas() -> None:
    points = [
        {"step": 1, "loss": -0.25, "note": "=HYPERLINK(1)", "heldout_accuracy": None},
        {"step": 2, "loss": 1e-7, "note": 'half, the "batch"\nsaid', "extra": [1, 2], "=bad": True},
        {"step": 3, "note": "@x"},
    ]
    rows = [*csv.reader(io.StringIO(export.as_csv(points), newline=""))]
    assert rows == [
        ["step", "loss", "note", "heldout_accuracy", "extra", "'=bad"],
        ["1", "-0.25", "'=HYPERLINK(1)", "", "", ""],
        ["2", "1e-07", 'half, the "batch"\nsaid', "", "[1, 2]", "True"],
        ["3", "", "'@x", "", "", ""],
    ]
    assert export.as_csv([]) == "\r\n"


def test_a_run_without_weights_says_so(tmp_path: Path) -> None:
    run = make_run(make_set())
    with pytest.raises(UserError, match="no weights"):
        export.pack(run)
    damaged = trained_run("small", 24)
    damaged.save_checkpoint(7, {"model.safetensors": save({"other": torch.zeros(1)})})
    with pytest.raises(UserError, match="do not fit"):
        export.pack(damaged)


def test_the_file_behind_a_link_is_written_and_not_the_link(tmp_path: Path) -> None:
    run = trained_run("small", 24)
    (tmp_path / "there").mkdir()
    link, target = tmp_path / "link.zip", tmp_path / "there" / f"{'x' * 245}.zip"
    for _ in range(2):  # where the file is not there yet, and where it is
        link.unlink(missing_ok=True)
        link.symlink_to(target)
        assert cli.run(["runs", "export", run.id, "--out", str(link)]) == 0
        assert link.is_symlink()
        assert target.read_bytes() == export.pack(run)
    assert list(target.parent.iterdir()) == [target]


@pytest.mark.parametrize(
    ("changes", "promised", "needed"),
    [
        ({"steps": 6}, "that repeats it.", []),
        ({"steps": None, "minutes": 1.0}, "within a time budget", []),
        ({"steps": None, "like": "r0000001"}, "that repeats it.", ["like"]),
        ({"steps": 6, "start": "r0000002"}, "that repeats it.", ["start"]),
        ({"steps": None, "minutes": 1.0, "start": "r0000002"}, "within a time budget", ["start"]),
        ({"steps": None, "like": "r0000001", "start": "r0000002"}, "that repeats it.", ["like", "start"]),
        ({"steps": 6, "origin": "sslviz shortcut x --images y --minutes 1"}, "within a time budget", []),
        ({"steps": None, "minutes": 1.0, "origin": "sslviz shortcut x --steps 2"}, "that repeats it.", []),
    ],
)
def test_no_more_is_promised_of_the_command_than_it_does(
    changes: dict[str, Any], promised: str, needed: list[str]
) -> None:
    spec = replace(runs.Spec("rotation", "pics"), **changes)
    text = export.repeating(spec)
    assert max(map(len, text.splitlines())) <= 110
    assert promised in " ".join(text.split())
    for name in ("like", "start"):
        assert (f"run {getattr(spec, name)}," in " ".join(text.split())) == (name in needed)
