"""The app in a browser, to be timed: playwright, which developers have, drives an installed Chromium."""

from __future__ import annotations

import importlib.util
import shutil
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from sslviz import jobs
from sslviz.errors import UserError
from sslviz.runs import is_held

if TYPE_CHECKING:
    from playwright.sync_api import Page

MILLISECONDS = 120_000.0
NAMES = ("chromium", "chromium-browser", "google-chrome")
FLAGS = ("--no-sandbox", "--use-gl=angle", "--use-angle=swiftshader", "--enable-unsafe-swiftshader")


def _found() -> str | None:
    return next((found for name in NAMES if (found := shutil.which(name))), None)


def is_there() -> bool:
    """Whether there is a browser, and something to drive it."""
    return _found() is not None and importlib.util.find_spec("playwright") is not None


@contextmanager
def opened() -> Iterator[Page]:
    """A page of a browser that is there."""
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=_found(), args=list(FLAGS))
        yield browser.new_page(viewport={"width": 1280, "height": 1000})
        browser.close()


def quiet(seconds: float = 90.0) -> None:
    """Wait until the processes that the app starts beside itself are ready, and compile no more."""
    until = time.monotonic() + seconds
    while time.monotonic() < until and not (is_held(jobs.warm_lock()) and is_held(jobs.ready_lock())):
        time.sleep(0.2)


@contextmanager
def server() -> Iterator[str]:
    """The address of the app, which is served for as long as this lasts."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    url = f"http://127.0.0.1:{port}"
    process = subprocess.Popen(
        [sys.executable, "-m", "sslviz", "app", "--port", str(port), "--no-browser"],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        until = time.monotonic() + 60
        while not answers(url):
            if time.monotonic() > until or process.poll() is not None:
                raise UserError("The app that was to be timed did not start.", "Try `sslviz app`.")
            time.sleep(0.1)
        yield url
    finally:
        process.terminate()
        process.wait(20)


def answers(url: str) -> bool:
    """Whether the app is there."""
    try:
        with urllib.request.urlopen(f"{url}/_stcore/health", timeout=10):
            return True
    except OSError:
        return False
