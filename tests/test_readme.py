"""The README says nothing that is not so: its example runs, and the files it lists are there."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest

from sslviz import images

ROOT = Path(__file__).resolve().parents[1]
TEXT = (ROOT / "README.md").read_text(encoding="utf-8")


def test_the_library_example_runs(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (example,) = re.findall(r"```python\n(.*?)```", TEXT, flags=re.DOTALL)
    random = np.random.default_rng(0)
    for number in range(24):
        pixels = random.integers(0, 256, (48, 64, 3), dtype=np.uint8)
        (tmp_path / f"{number}.jpg").write_bytes(images.encode_jpeg(pixels))
    example = example.replace("path/to/photos", str(tmp_path)).replace("minutes=1", "steps=2")
    names: dict[str, object] = {}
    exec(compile(example, "README.md", "exec"), names)
    features = names["features"]
    assert isinstance(features, dict)
    assert all(block.shape[0] == 24 for block in features.values())
    assert capsys.readouterr().out


def test_the_files_it_lists_are_there() -> None:
    (tree,) = re.findall(r"## The house\n\n```\n(.*?)```", TEXT, flags=re.DOTALL)
    for line in tree.splitlines():
        inside = line.startswith("  ")
        for name in re.findall(r"\S+\.py|\S+/", line[:23]):
            assert (ROOT / "sslviz" / name if inside else ROOT / name).exists(), name


def test_its_pictures_and_links_are_there() -> None:
    for target in re.findall(r"\]\(([^)#]+)\)", TEXT):
        if not target.startswith("http"):
            assert (ROOT / target).exists(), target
