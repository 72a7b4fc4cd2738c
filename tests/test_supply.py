"""What is installed and read: no known holes, nothing that could run code, no weights but the right ones."""

from __future__ import annotations

import ast
import importlib.util
import shutil
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from packaging.requirements import Requirement
from packaging.version import Version
from safetensors.numpy import save
from small_runs import make_run, make_set
from test_house import APP, LIBRARY, ROOT

from sslviz import runs
from sslviz.cli import machine
from sslviz.errors import UserError
from sslviz.runs import Run, identity

FLOORS = {"pillow": "12.3", "streamlit": "1.61", "torch": "2.11", "safetensors": "0.5", "filelock": "3.16"}


def required() -> dict[str, Requirement]:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    assert project["requires-python"] == ">=3.11"
    return {one.name: one for one in map(Requirement, project["dependencies"])}


def test_every_dependency_has_a_floor_above_what_is_known_to_have_holes() -> None:
    found = required()
    for name, one in found.items():
        (floor,) = one.specifier  # and no ceiling, which would hold back the next cure
        assert floor.operator == ">=", name
        assert one.url is None
        if name in FLOORS:
            assert Version(floor.version) >= Version(FLOORS[name]), name
    assert set(FLOORS) <= set(found)
    for name, safe in machine.SAFE.items():
        assert Version(next(iter(found[name].specifier)).version) >= Version(".".join(map(str, safe)))


@pytest.mark.parametrize(
    ("version", "older"),
    [
        ("12.2.0", True),
        ("12.3.0", False),
        ("13.0", False),
        ("9.9", True),
        ("12.10.0+cpu", False),
        (None, False),
    ],
)
def test_the_doctor_knows_versions_with_holes(version: str | None, older: bool) -> None:
    assert machine._older(version, (12, 3)) == older


@pytest.mark.parametrize(
    ("python", "warned"), [((3, 11, 7), True), ((3, 11, 8), False), ((3, 12, 1), True), ((3, 12, 2), False)]
)
def test_the_doctor_knows_pythons_that_overlook_overlapping_entries(
    python: tuple[int, ...], warned: bool, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(machine, "_devices", list)
    monkeypatch.setattr(sys, "version_info", python)
    machine.doctor(as_json=False)
    assert ("overlapping entries" in capsys.readouterr().out) == warned


# Nothing that could run code


NEVER_IMPORTED = {
    "pickle", "cPickle", "_pickle", "dill", "joblib", "cloudpickle", "shelve", "marshal", "yaml",
}  # fmt: skip
NEVER_CALLED = {
    "eval", "exec", "compile", "__import__", "os.system", "os.popen", "torch.load", "torch.save",
    "torch.hub.load", "torch.jit.load", "yaml.load", "pd.read_pickle", "pandas.read_pickle", "np.fromregex",
    "tarfile.open", "shutil.unpack_archive",
}  # fmt: skip


def dangers(source: str) -> Iterator[str]:
    """What a module has that could run what a stranger wrote."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            yield from (a.name for a in node.names if a.name.split(".")[0] in NEVER_IMPORTED)
        elif isinstance(node, ast.ImportFrom):
            whence = [node.module or "", *(f"{node.module}.{a.name}" for a in node.names)]
            yield from (one for one in whence if one.split(".")[0] in NEVER_IMPORTED or one in NEVER_CALLED)
        elif isinstance(node, ast.Call):
            yield from _of_call(node)


def _of_call(node: ast.Call) -> Iterator[str]:
    called = ast.unparse(node.func)
    given = {keyword.arg: ast.unparse(keyword.value) for keyword in node.keywords}
    if called in NEVER_CALLED or called.endswith((".extractall", ".extract_all", ".unsafe_load")):
        yield called
    if called in ("np.load", "numpy.load") and given.get("allow_pickle") != "False":
        yield f"{called} without allow_pickle=False"
    if given.get("allow_pickle", "False") != "False":
        yield "allow_pickle"
    if given.get("shell", "False") != "False" or given.get("weights_only", "True") != "True":
        yield f"{called} with {given}"


@pytest.mark.parametrize("path", [*LIBRARY, *APP], ids=lambda path: str(path.relative_to(ROOT)))
def test_nothing_is_unpickled_or_run(path: Path) -> None:
    assert list(dangers(path.read_text(encoding="utf-8"))) == []


@pytest.mark.parametrize(
    "source",
    [
        "import pickle", "from pickle import loads", "import torch\ntorch.load(path)", "np.load(path)",
        "from torch import load", "np.load(path, allow_pickle=True)", "np.save(path, x, allow_pickle=maybe)",
        "eval(text)", "exec(text)",
        "import yaml", "subprocess.run(words, shell=True)", "one.extractall(folder)",
    ],
)  # fmt: skip
def test_what_is_looked_for_is_found(source: str) -> None:
    assert list(dangers(source))


# Weights


@pytest.fixture
def trained() -> Run:
    """A run with two checkpoints, of steps 3 and 6."""
    run = make_run(make_set(count=4))
    for step in (3, 6):
        weights = save({"encoder.weight": np.full(64, step, np.float32)})
        run.save_checkpoint(step, {"model.safetensors": weights, "resume.safetensors": weights})
    run.set_status(state="done", step=6)
    return run


def damages(data: bytes) -> Iterator[bytes]:
    for place in (0, 8, len(data) // 2, len(data) - 1):
        flipped = bytearray(data)
        flipped[place] ^= 0x01
        yield bytes(flipped)
    yield from (b"", data[: len(data) // 2], bytes(len(data)), data + b"x")


@pytest.mark.parametrize("name", ["model.safetensors", "resume.safetensors"])
def test_weights_of_which_a_bit_was_flipped_are_not_loaded(trained: Run, name: str) -> None:
    """safetensors itself takes them: what tells is the digest."""
    path = trained.folder / "checkpoints" / "6" / name
    whole = path.read_bytes()
    for damaged in damages(whole):
        path.write_bytes(damaged)
        again = runs.open_run(trained.workspace, trained.id)
        assert again.weights().parent.name == "3"
        assert [step for step, _ in again.checkpoints()] == [3]
    path.write_bytes(whole)
    assert trained.weights().parent.name == "6"


def test_encoders_that_come_with_the_package_are_held_to_their_digests(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shutil.copytree(runs.BUNDLED / "rotation0000", tmp_path / "rotation0000")
    monkeypatch.setattr(runs, "BUNDLED", tmp_path)
    (run,) = runs.listing(tmp_path)
    path = run.weights()
    assert identity.weights_digest(path)
    data = bytearray(path.read_bytes())
    data[-100] ^= 0x10
    path.write_bytes(data)
    with pytest.raises(UserError, match="checkpoints are damaged"):
        run.weights()


# Known holes


def audit_script() -> Any:
    spec = importlib.util.spec_from_file_location("audit", ROOT / ".ci" / "audit.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def hole(name: str, *cures: str) -> dict[str, Any]:
    return {"name": name, "version": "1.0", "vulns": [{"id": "CVE-1", "fix_versions": list(cures)}]}


@pytest.mark.parametrize(
    ("found", "code"),
    [
        ([{"name": "pillow", "version": "13.0", "vulns": []}, {"name": "x", "skip_reason": "local"}], 0),
        ([hole("pillow", "13.1")], 1),
        ([hole("pillow")], 0),
        ([hole("pip", "30.0")], 0),
    ],
)
def test_a_hole_that_can_be_closed_fails_the_check(found: list[dict[str, Any]], code: int) -> None:
    assert audit_script().judge(found) == code


def test_without_its_data_the_check_is_skipped_with_a_word(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    audit = audit_script()
    monkeypatch.setattr(audit, "install", lambda folder: Path(sys.executable))
    monkeypatch.setattr(audit.subprocess, "run", lambda *_, **__: None)  # it ends, and has reported nothing
    assert audit.main() == 0
    assert "could not reach its data" in capsys.readouterr().out
