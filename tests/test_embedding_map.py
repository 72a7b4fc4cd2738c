"""The map in Chromium: the thumbnail under the pointer, what a click and a lasso tell, what is left alone."""

from __future__ import annotations

import math
import os
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from sslviz import images
from sslviz.sprites import COLUMNS, Sheet
from sslviz.ui.embedding_map import MapData

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

COUNT = 48
SIDE = 16
HOSTILE = "<img src=x onerror='window.hacked=1'>.jpg"

SCRIPT = """
import numpy as np
import streamlit as st
from test_embedding_map import HOSTILE, points, sheet
from sslviz.ui.embedding_map import Item, MapData, Row, embedding_map, sheets, thumbnail_rows
from sslviz.ui.plotly_js import library

st.set_page_config(layout="wide")
coloured = st.toggle("Colour", value=True)
state = st.session_state

def heed(event):
    if event.clicked is not None:
        state.clicked = event.clicked
    if event.selected is not None:
        state.chosen = event.selected

embedding_map(points(coloured), key="map", height=420, selected=state.get("chosen"),
              current=state.get("clicked"), lines=[5, 6] if "clicked" in state else [], on_event=heed)
thumbnail_rows([Row([Item(7, HOSTILE, "a label", "0.50", True, tile=9)], "Neighbours")], key="rows",
               sprites="set", on_click=lambda row: state.__setitem__("clicked", row))
st.write(f"clicked={state.get('clicked')} chosen={sorted(state.get('chosen') or [])}.")
library()
sheets([sheet()])
"""


def points(coloured: bool) -> MapData:
    """A grid of eight by six points; ids count down and tiles are shifted, so that neither is a row."""
    place = np.arange(COUNT)
    return MapData(
        np.stack([place % 8, place // 8], axis=1).astype(np.float32),
        [HOSTILE if row == 0 else f"image {row}.jpg" for row in range(COUNT)],
        ids=1000 - place,
        tiles=(place + 2) % COUNT,
        sprites="set",
        group=place % 3 if coloured else None,
        groups=["even", "odd", HOSTILE] if coloured else (),
        title="Labels",
        view="grid",
    )


def sheet() -> Sheet:
    rows = -(-COUNT // COLUMNS)
    pixels = np.zeros((rows * SIDE, COLUMNS * SIDE, 3), np.uint8)
    return Sheet("set", 0, SIDE, rows, images.encode_jpeg(pixels))


@pytest.fixture(scope="module")
def address(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    folder = tmp_path_factory.mktemp("map")
    (folder / "app.py").write_text(SCRIPT)
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    root = str(Path(__file__).resolve().parents[1])
    command = [sys.executable, "-m", "streamlit", "run", "app.py", "--server.headless", "true"]
    command += [
        "--server.port",
        str(port),
        "--server.address",
        "127.0.0.1",
        "--server.fileWatcherType",
        "none",
    ]
    command += ["--browser.gatherUsageStats", "false"]
    log = (folder / "log").open("wb")
    process = subprocess.Popen(
        command,
        cwd=folder,
        env={**os.environ, "PYTHONPATH": os.pathsep.join([root, str(Path(__file__).parent)])},
        stdout=log,
        stderr=log,
    )
    log.close()
    try:
        end = time.monotonic() + 60
        while True:
            try:
                urllib.request.urlopen(f"http://127.0.0.1:{port}/_stcore/health", timeout=2).close()
                break
            except OSError:
                assert time.monotonic() < end, (folder / "log").read_text()
                time.sleep(0.2)
        yield f"http://127.0.0.1:{port}"
    finally:
        process.kill()
        process.wait()


class Driven:
    """A page with the map, and everything that it asked for and complained of."""

    def __init__(self, page: Page, address: str) -> None:
        self.page = page
        self.complaints: list[str] = []
        self.hosts: set[str] = set()
        page.on("console", lambda m: self.complaints.append(m.text) if m.type == "error" else None)
        page.on("pageerror", lambda error: self.complaints.append(str(error)))
        page.on(
            "request", lambda r: self.hosts.add(r.url.split("/")[2]) if r.url.startswith("http") else None
        )
        page.goto(address)
        page.wait_for_selector('.em[data-state="ready"]', timeout=90_000)
        page.wait_for_function("globalThis.sslvizSprites?.get('set')?.sheets.length === 1", timeout=30_000)

    def spot(self, row: int) -> tuple[float, float]:
        """Where a point lies, from the scale of the axes."""
        x, y = self.page.evaluate(
            """([x, y]) => {
                const plot = document.querySelector('.em-plot'), { xaxis, yaxis } = plot._fullLayout;
                const box = plot.getBoundingClientRect();
                return [box.x + xaxis._offset + xaxis.l2p(x), box.y + yaxis._offset + yaxis.l2p(y)];
            }""",
            [row % 8, row // 8],
        )
        return x, y

    def hover(self, row: int) -> dict[str, Any]:
        """Rest on a point; what its card shows."""
        x, y = self.spot(row)
        self.page.mouse.move(x - 3, y - 2)
        self.page.mouse.move(x, y, steps=3)
        self.page.wait_for_selector(f'.em-card[data-shown][data-id="{1000 - row}"]', timeout=20_000)
        found: dict[str, Any] = self.page.eval_on_selector(
            ".em-card",
            """card => {
                const style = card.querySelector('.em-thumb').style;
                return { position: style.backgroundPosition, image: style.backgroundImage,
                         size: style.backgroundSize, name: card.querySelector('.em-name').textContent,
                         label: card.querySelector('.em-label').textContent };
            }""",
        )
        return found

    def tile(self, card: dict[str, Any]) -> int:
        """Number of the tile that the card shows, from what is visible alone."""
        left, top = (-float(part.removesuffix("px")) for part in card["position"].split())
        width = float(card["size"].split("px")[0]) / COLUMNS
        return round(top / width) * COLUMNS + round(left / width)

    def wait(self, text: str) -> None:
        self.page.wait_for_function(
            "text => document.body.innerText.includes(text)", arg=text, timeout=30_000
        )

    def finish(self, address: str) -> None:
        """Nothing was complained of, and nobody else was asked."""
        assert not self.complaints
        assert self.hosts == {address.removeprefix("http://")}
        assert self.page.evaluate("window.hacked") is None
        self.page.close()


@pytest.mark.browser
def test_the_card_shows_the_image_of_its_point(browser: Browser, address: str) -> None:
    driven = Driven(browser.new_page(viewport={"width": 1100, "height": 800}), address)
    page = driven.page
    for row in (0, 19, 47):
        card = driven.hover(row)
        assert driven.tile(card) == (row + 2) % COUNT
        assert card["image"].startswith('url("blob:')
        assert card["name"] == (HOSTILE if row == 0 else f"image {row}.jpg")
    # A filter makes what is shown another list; a point is still itself.
    page.click(".em-legend button:nth-child(1)")
    page.wait_for_function("document.querySelector('.em-plot').data[0].x.length === 32")
    card = driven.hover(20)
    assert driven.tile(card) == 22
    assert card["label"] == HOSTILE
    # Recolouring keeps the zoom.
    page.mouse.wheel(0, -300)
    page.wait_for_function("!document.querySelector('.em-plot')._fullLayout.xaxis.autorange")
    page.wait_for_function(  # until the zoom has come to rest
        """() => {
            const now = JSON.stringify(document.querySelector('.em-plot')._fullLayout.xaxis.range);
            const same = window.lately === now;
            window.lately = now;
            return same;
        }""",
        polling=400,
    )
    before = page.evaluate("document.querySelector('.em-plot')._fullLayout.xaxis.range")
    version = page.get_attribute(".em", "data-version")
    page.get_by_text("Colour", exact=True).click()
    page.wait_for_function("v => document.querySelector('.em').dataset.version !== v", arg=version)
    after = page.evaluate("document.querySelector('.em-plot')._fullLayout.xaxis.range")
    assert np.allclose(before, after, atol=1e-6)
    assert page.evaluate("document.querySelector('.em-plot').data[0].x.length") == COUNT
    card = driven.hover(20)
    assert driven.tile(card) == 22
    assert card["label"] == ""
    # Arrow keys go from point to point, Enter opens.
    page.focus(".em-plot")
    page.keyboard.press("ArrowRight")
    page.wait_for_selector('.em-card[data-shown][data-id="979"]')
    page.keyboard.press("Enter")
    driven.wait("clicked=979")
    driven.finish(address)


@pytest.mark.browser
def test_click_and_lasso_tell_ids(browser: Browser, address: str) -> None:
    driven = Driven(browser.new_page(viewport={"width": 1100, "height": 800}, color_scheme="dark"), address)
    page = driven.page
    driven.hover(9)
    page.mouse.click(*driven.spot(9))
    driven.wait("clicked=991")
    page.click('[data-tool="lasso"]')
    (x, y), reach = driven.spot(18), 0.7 * (driven.spot(19)[0] - driven.spot(18)[0])
    page.mouse.move(x + reach, y)
    page.mouse.down()
    for step in range(1, 13):
        page.mouse.move(x + reach * math.cos(step / 2), y + reach * math.sin(step / 2), steps=2)
    page.mouse.up()
    driven.wait("chosen=[982]")
    assert "1 of 48" in page.inner_text(".em-chosen")
    assert [
        button.inner_text().split("\n")[-1] for button in page.query_selector_all(".em-legend button")
    ] == [
        "1 / 16",
        "0 / 16",
        "0 / 16",
    ]
    page.click(".em-chosen button")
    driven.wait("chosen=[]")
    thumb = page.query_selector('.er button[data-id="7"]')
    assert thumb is not None
    thumb.click()
    driven.wait("clicked=7")
    page.set_viewport_size({"width": 390, "height": 800})
    page.wait_for_function("document.querySelector('.em-plot')._fullLayout.width < 390")
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
    driven.finish(address)


def test_the_message_changes_with_the_points_alone() -> None:
    assert points(True).message["version"] == points(True).message["version"]
    assert points(True).message["version"] != points(False).message["version"]
