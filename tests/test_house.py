"""The rules of the house, held by walking the syntax trees of every module."""

from __future__ import annotations

import ast
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
LIBRARY = sorted((ROOT / "sslviz").rglob("*.py"))
APP = [ROOT / "app.py", *sorted((ROOT / "pages").glob("*.py"))]

ORDER = (
    ("errors", "visible"),
    ("settings", "files", "allocating", "layers", "threads", "splits"),
    ("images", "archives", "tasks", "figures", "tables", "kept", "intervals", "quotas", "journal"),
    ("imagesets", "runs", "model", "plan", "recipes", "options"),
    ("features", "neighbors"),
    (
        "scenes",
        "downloads",
        "jobs",
        "train",
        "preview",
        "sprites",
        "networks",
        "linear",
        "origins",
        "similarity",
        "project",
        "curves",
        "comparison",
        "advice",
    ),
    ("examinee", "workspaces", "sharing"),
    ("quiz",),
    (
        "exam",
        "ingest",
        "embeddings",
        "supervisor",
        "export",
        "classifiers",
        "inside",
        "invariance",
        "naming",
        "few",
        "dense",
    ),
    ("posters", "papers", "film", "probes", "pretext"),
    ("lineup",),
    ("shortcuts",),
    ("worker",),
    ("ui",),
    ("bench",),
    ("cli", "encoders"),
    ("__main__",),
)
"""From the ground up: a module imports from the rows above its own and from nowhere else in the package."""
LAYERS = {module: layer for layer, row in enumerate(ORDER) for module in row}
WITHOUT_TORCH = (
    "splits",
    "archives",
    "images",
    "imagesets",
    "scenes",
    "ingest",
    "runs",
    "jobs",
    "supervisor",
    "curves",
    "comparison",
    "advice",
    "inside",
    "invariance",
    "dense",
    "naming",
    "linear",
    "few",
    "intervals",
    "quiz",
    "exam",
    "probes",
    "origins",
    "pretext",
    "lineup",
    "shortcuts",
    "workspaces",
    "sharing",
    "cli",
)
"""The server and the processes that decode images import these, and must not wait for torch."""


def module_of(path: Path) -> str:
    """The first name below the package: `sslviz/tasks/jigsaw.py` → "tasks"."""
    first = path.relative_to(ROOT / "sslviz").parts[0]
    return first.removesuffix(".py")


def imports(path: Path) -> Iterator[str]:
    """Every module that a file imports, wherever in the file, as a dotted name."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: imports are absolute"
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def names_called(path: Path) -> Iterator[str]:
    """Dotted names of all attributes used in a file: `Image.open`, `torch.load`."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name):
            yield f"{node.value.id}.{node.attr}"


@pytest.mark.parametrize("path", LIBRARY, ids=lambda path: str(path.relative_to(ROOT)))
def test_a_module_imports_lower_layers_only(path: Path) -> None:
    own = module_of(path)
    if own == "__init__":
        assert {name.split(".")[0] for name in imports(path)} <= {"__future__", "os"}
        return
    assert own in LAYERS, f"give {own} a layer"
    for name in imports(path):
        if not name.startswith("sslviz."):
            continue
        other = name.split(".")[1]
        if other in ("__version__", own):
            continue
        assert LAYERS[other] < LAYERS[own], (
            f"{own} (layer {LAYERS[own]}) imports {other} (layer {LAYERS[other]})"
        )


@pytest.mark.parametrize("path", LIBRARY, ids=lambda path: str(path.relative_to(ROOT)))
def test_heavy_or_dangerous_things_have_one_place(path: Path) -> None:
    own = module_of(path)
    imported = {name.split(".")[0] for name in imports(path)}
    called = set(names_called(path))
    assert own == "ui" or "streamlit" not in imported, "streamlit belongs in the app"
    assert own == "images" or "Image.open" not in called
    assert own == "archives" or "zipfile" not in imported
    assert not imported & {"pickle", "cPickle", "dill", "joblib", "cloudpickle", "shelve"}
    assert not called & {"torch.load", "torch.save"}
    if own == "tasks":
        assert not {name for name in imports(path) if name.startswith("sslviz.")} - {
            name for name in imports(path) if name.startswith(("sslviz.tasks", "sslviz.errors"))
        }


@pytest.mark.parametrize("path", APP, ids=lambda path: str(path.relative_to(ROOT)))
def test_pages_are_thin(path: Path) -> None:
    imported = {name.split(".")[0] for name in imports(path)}
    assert not imported & {"torch", "torchvision", "zipfile", "pickle", "PIL", "umap", "sklearn"}
    assert path.read_text(encoding="utf-8").count("\n") <= 250


def test_the_server_does_not_wait_for_torch() -> None:
    modules = ", ".join(f"sslviz.{name}" for name in WITHOUT_TORCH)
    program = (
        f"import sys, {modules}; print(*(set(sys.modules) & {{'torch', 'umap', 'sklearn', 'streamlit'}}))"
    )
    found = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert not found.stdout.split()


def test_files_keep_to_one_idea() -> None:
    long = {str(path.relative_to(ROOT)): path.read_text(encoding="utf-8").count("\n") for path in LIBRARY}
    assert not {name: lines for name, lines in long.items() if lines > 400}


def test_nothing_else_lies_at_the_top_level() -> None:
    expected = {
        "pyproject.toml",
        "app.py",
        "sslviz",
        "pages",
        "tests",
        "README.md",
        "LICENSE",
        "CITATION.cff",
        "CHANGELOG.md",
    }
    generated = {"build", "dist", "venv"}
    found = {path.name for path in ROOT.iterdir() if not path.name.startswith(".")}
    assert found - generated == expected


def test_only_one_module_remembers_across_visitors() -> None:
    """Streamlit's caches are one for all who use a server; `sslviz.ui.remember` gives each a part. What the
    frame keeps is of the process and of nobody."""
    allowed = {"remember.py": {"st.cache_data", "st.cache_resource"}, "frame.py": {"st.cache_resource"}}
    for path in [*APP, *(ROOT / "sslviz").rglob("*.py")]:
        used = {name for name in names_called(path) if name.startswith("st.cache")}
        assert used <= allowed.get(path.name, set()), path
