"""What is installed is whole: the wheel carries the app, the prose and the encoders, and no stray modules."""

from __future__ import annotations

import subprocess
import sys
import zipfile
from pathlib import Path

import pytest
import torch

from sslviz import networks, quiz, runs
from sslviz.encoders.__main__ import MOST_BYTES
from sslviz.runs.identity import has_head
from sslviz.tasks import TASKS

ROOT = Path(__file__).resolve().parents[1]


@pytest.mark.slow
def test_the_wheel_carries_the_app_inside_the_package(tmp_path: Path) -> None:
    subprocess.run(
        [
            sys.executable,
            "-m",
            "pip",
            "wheel",
            "--quiet",
            "--no-deps",
            "--wheel-dir",
            str(tmp_path),
            str(ROOT),
        ],
        check=True,
    )
    (wheel,) = tmp_path.glob("*.whl")
    names = zipfile.ZipFile(wheel).namelist()
    assert {name.split("/")[0].split("-")[0] for name in names} == {"sslviz"}
    for page in (ROOT / "pages").glob("*.py"):
        assert f"sslviz/site/pages/{page.name}" in names
    assert "sslviz/site/app.py" in names
    assert "sslviz/site/.streamlit/config.toml" in names
    assert "sslviz/py.typed" in names
    for kind in (".md", ".safetensors", ".js"):
        carried = {name for name in names if name.endswith(kind)}
        tracked = {str(path.relative_to(ROOT)) for path in (ROOT / "sslviz").rglob(f"*{kind}")}
        assert tracked <= carried


@pytest.mark.parametrize("task", TASKS)
def test_nobody_plays_alone_before_a_first_training(task: str) -> None:
    run = runs.read_run(runs.BUNDLED / task.ljust(12, "0"), bundled=True)
    assert has_head(run) or task in quiz.WITHOUT_HEAD
    assert run.weights().stat().st_size <= MOST_BYTES
    network = networks.trained(run).eval()
    before = networks.untrained(run).head.state_dict()
    for name, weights in network.state_dict().items():
        assert torch.isfinite(weights).all(), name
    taught = task not in quiz.WITHOUT_HEAD
    differs = any(not torch.equal(w, before[name]) for name, w in network.head.state_dict().items())
    assert differs == taught, "a head that learned nothing answers nothing"
