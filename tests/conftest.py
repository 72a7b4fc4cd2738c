"""What all tests share: a home of their own, and how a browser is found."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from playwright.sync_api import Browser

ROOT = Path(__file__).resolve().parents[1]


@pytest.fixture(autouse=True)
def home(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty sslviz home, so that no test sees the user's."""
    folder = tmp_path_factory.mktemp("home")
    monkeypatch.setenv("SSLVIZ_HOME", str(folder))
    monkeypatch.setenv("SSLVIZ_READY_FOR_JOBS", "0")  # it compiles for a quarter of a minute
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


@pytest.fixture
def three_threads() -> Iterator[None]:
    """Torch has three threads, and afterwards as many as before."""
    import torch

    before = torch.get_num_threads()
    torch.set_num_threads(3)
    yield
    torch.set_num_threads(before)


def pytest_configure(config: pytest.Config) -> None:
    # Two workers on two cores: one thread each, or torch's pools fight each other.
    if os.environ.get("PYTEST_XDIST_WORKER"):
        os.environ.setdefault("OMP_NUM_THREADS", "1")


@pytest.fixture(scope="module")
def launched(chromium: str) -> Iterator[Browser]:
    """Headless Chromium with software WebGL, which has no network of its own to look for. It takes seconds of
    processor time to start, and to compile its first shaders. Nothing but WebGL is drawn by software GL: it
    took five times the processor time for whole pages."""
    from playwright.sync_api import sync_playwright

    arguments = [
        "--no-sandbox",
        "--use-gl=angle",
        "--use-angle=swiftshader",
        "--enable-unsafe-swiftshader",
        "--disable-gpu-compositing",
        "--disable-gpu-rasterization",
        "--disable-background-networking",
        "--disable-component-update",
        "--disable-sync",
        "--no-first-run",
    ]
    with sync_playwright() as playwright:
        opened = playwright.chromium.launch(executable_path=chromium, args=arguments)
        yield opened
        opened.close()


@pytest.fixture
def browser(launched: Browser) -> Iterator[Browser]:
    """The browser, in which nothing of another test is open; each of its pages has storage of its own."""
    yield launched
    for context in launched.contexts:
        context.close()


@dataclass
class Server:
    """The app, served from this checkout by the command a person would use."""

    home: Path
    port: int
    process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def start(self, seconds: float = 60) -> None:
        """Start the server and wait until it answers."""
        environment = {**os.environ, "SSLVIZ_HOME": str(self.home), "SSLVIZ_LINGER_SECONDS": "2"}
        command = [sys.executable, "-m", "sslviz", "app", "--port", str(self.port), "--no-browser"]
        log = (self.home / "server.log").open("ab")
        self.process = subprocess.Popen(command, env=environment, cwd=ROOT, stdout=log, stderr=log)
        log.close()
        end = time.monotonic() + seconds
        while True:
            try:
                with urllib.request.urlopen(f"{self.url}/_stcore/health", timeout=2):
                    return
            except OSError:
                pass
            if self.process.poll() is not None or time.monotonic() > end:
                raise AssertionError((self.home / "server.log").read_text())
            time.sleep(0.1)

    def kill(self) -> None:
        """End the server as a crash would."""
        if self.process is not None:
            self.process.kill()
            self.process.wait()
            self.process = None


@pytest.fixture
def server(home: Path) -> Iterator[Server]:
    """A running app with an empty home."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    running = Server(home, port)
    running.start()
    yield running
    running.kill()
    end_all_of(home)


def end_all_of(home: Path) -> None:
    """Kill what works in a home: trainings outlive their server, and would slow down every test after."""
    mine = f"SSLVIZ_HOME={home}\0".encode()
    for process in Path("/proc").glob("[0-9]*/environ"):
        with contextlib.suppress(OSError):
            if mine in process.read_bytes() and int(process.parent.name) != os.getpid():
                os.kill(int(process.parent.name), signal.SIGKILL)
