"""What all tests share: a home of their own, and how a browser is found."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest


@pytest.fixture(autouse=True)
def home(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty sslviz home, so that no test sees the user's."""
    folder = tmp_path_factory.mktemp("home")
    monkeypatch.setenv("SSLVIZ_HOME", str(folder))
    return folder


@pytest.fixture(scope="session")
def chromium() -> str:
    """Path of Chromium; skips with a sentence where there is none, and fails where it is required."""
    found = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    if found is None:
        sentence = "No Chromium found: install Debian's package `chromium` to run the browser journeys."
        if os.environ.get("SSLVIZ_BROWSER") == "required":
            pytest.fail(sentence)
        pytest.skip(sentence)
    return found


def pytest_configure(config: pytest.Config) -> None:
    # Two workers on two cores: one thread each, or torch's pools fight each other.
    if os.environ.get("PYTEST_XDIST_WORKER"):
        os.environ.setdefault("OMP_NUM_THREADS", "1")
