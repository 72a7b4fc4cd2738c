"""The map in Chromium: the thumbnail under the pointer, what a click and a lasso tell, what is left alone."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from served import served

from sslviz import images
from sslviz.sprites import COLUMNS, Sheet
from sslviz.ui.embedding_map import Frames, Look, MapData, first, standalone

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

COUNT = 48
SIDE = 16
HOSTILE = "<img src=x onerror='window.hacked=1'>.jpg"

SCRIPT = """
from pathlib import Path
import numpy as np
import streamlit as st
from sslviz.ui import frame
from test_embedding_map import HOSTILE, film, points, sheet, volume
from sslviz.ui.embedding_map import Item, MapData, Row, embedding_map, sheets, thumbnail_rows
from sslviz.ui.plotly_js import library

st.set_page_config(layout="wide")
st.html(Path(frame.__file__).with_name("style.css"))
coloured = st.toggle("Colour", value=True)
state = st.session_state

def heed(event):
    if event.clicked is not None:
        state.clicked = event.clicked
    if event.selected is not None:
        state.chosen = event.selected
    if event.looked is not None:
        state.looked = event.looked

what = st.query_params.get("what", "plane")
options = {"height": 420, "selected": state.get("chosen"), "current": state.get("clicked"), "on_event": heed}
if what == "two":
    for place, column in enumerate(st.columns(2)):
        with column:
            embedding_map(points(coloured), key=f"map{place}", **options)
else:
    made = {"plane": points, "volume": volume, "film": film}[what]
    embedding_map(made(coloured), key="map", **options)
thumbnail_rows([Row([Item(7, HOSTILE, "a label", "0.50", True, tile=9)], "Neighbours")], key="rows",
               sprites="set", on_click=lambda row: state.__setitem__("clicked", row))
st.write(f"clicked={state.get('clicked')} chosen={sorted(state.get('chosen') or [])}.")
st.write(f"looked={state.get('looked')}")
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
        near=np.stack([(place + 1) % COUNT, (place + 8) % COUNT], 1),
        view="grid",
    )


def volume(coloured: bool) -> MapData:
    """The same points at different depths."""
    flat = points(coloured)
    place = np.arange(COUNT)
    xyz = np.stack([place % 8 / 4 - 1, place // 8 / 3 - 1, np.sin(place)], 1).astype(np.float32)
    return replace(flat, xy=xyz, view="volume")


def film(coloured: bool) -> MapData:
    """Points that walk from left to right in three moments."""
    flat = points(coloured)
    place = np.arange(COUNT)
    moment = np.stack([np.full(COUNT, -0.8), place / COUNT], 1).astype(np.float32)
    moments = np.stack([moment, moment + np.array([0.4, 0]), moment + np.array([1.6, 0])]).astype(np.float32)
    return replace(flat, xy=moments[-1], frames=Frames(moments, ["step 0", "step 5", "step 20"]), view="film")


def sheet() -> Sheet:
    rows = -(-COUNT // COLUMNS)
    pixels = np.zeros((rows * SIDE, COLUMNS * SIDE, 3), np.uint8)
    return Sheet("set", 0, SIDE, rows, images.encode_jpeg(pixels))


@pytest.fixture(scope="module")
def address(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with served(tmp_path_factory.mktemp("map"), SCRIPT) as url:
        yield url


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
        page.locator('.em[data-state="ready"]').last.wait_for(timeout=90_000)
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
    page.evaluate(COUNTED)
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
    # Drawn once, after the answer; what the server then tells of the lasso is what the map shows already.
    page.wait_for_function("drawings === 1")
    page.wait_for_timeout(1200)
    assert page.evaluate("[drawings, document.querySelector('.em-plot').data[0].selectedpoints]") == [1, [18]]
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


COUNTED = """() => {
  const own = Plotly.react;
  globalThis.drawings = 0;
  Plotly.react = (...all) => {
    globalThis.drawings += 1;
    return own(...all);
  };
}"""


HELD = """
const store = (globalThis.sslvizPoints = new Map());
const own = store.get.bind(store);
globalThis.held = true;
store.get = (version) => (held ? undefined : own(version));
globalThis.release = () => {
  globalThis.held = false;
  for (const detail of store.keys()) dispatchEvent(new CustomEvent("sslviz-points", { detail }));
};
"""


@pytest.mark.browser
def test_points_that_come_after_their_map_are_drawn(browser: Browser, address: str) -> None:
    page = browser.new_page(viewport={"width": 1100, "height": 800})
    page.add_init_script(HELD)
    page.goto(address)
    page.wait_for_function("sslvizPoints?.size === 1")
    page.wait_for_timeout(300)
    assert page.get_attribute(".em", "data-state") not in ("sketched", "ready")
    page.evaluate("release()")
    page.wait_for_selector('.em[data-state="ready"]')
    assert page.evaluate("document.querySelector('.em-plot').data[0].x.length") == COUNT
    page.close()


DOTS = """() => {
  const image = document.querySelector(".sv-points img");
  const box = image.getBoundingClientRect();
  const svg = atob(image.src.split(",")[1]);
  const [x0, y0, width, height] = /viewBox="([^"]*)"/.exec(svg)[1].split(" ").map(Number);
  const scale = Math.min(box.width / width, box.height / height);
  const [left, top] = [box.x + (box.width - scale * width) / 2, box.y + (box.height - scale * height) / 2];
  const dots = [...svg.matchAll(/M(\\d+) (\\d+)h0/g)];
  return dots.map(([, x, y]) => [left + scale * (x - x0), top + scale * (y - y0)]);
}"""
PLACES = """() => {
  const places = {};
  for (const name of ["em-frame", "sv-points-frame", "em-legend", "sv-points-legend"]) {
    const { x, y, width, height } = document.querySelector(`.${name}`).getBoundingClientRect();
    places[name] = [x, y, width, height];
  }
  return places;
}"""


@pytest.mark.browser
@pytest.mark.parametrize("width", [1100, pytest.param(390, marks=pytest.mark.slow)])
def test_the_first_picture_stands_where_the_map_will(browser: Browser, address: str, width: int) -> None:
    page = browser.new_page(viewport={"width": width, "height": 800})
    page.add_init_script(HELD)
    page.goto(address)
    image = page.locator(".sv-points img")
    image.wait_for()
    image.evaluate("image => image.decode()")
    page.wait_for_selector(".em")
    assert image.is_visible()
    assert not page.locator(".em-wait").is_visible()
    page.evaluate("release()")
    page.wait_for_selector('.em[data-state="ready"]')
    assert not image.is_visible()
    drawn = page.evaluate(
        """() => {
            const plot = document.querySelector('.em-plot'), { xaxis, yaxis } = plot._fullLayout;
            const box = plot.getBoundingClientRect(), { x, y } = plot.data[0];
            return Array.from(x, (one, row) => [
                box.x + xaxis._offset + xaxis.l2p(one), box.y + yaxis._offset + yaxis.l2p(y[row])]);
        }"""
    )
    dots = page.evaluate(DOTS)
    assert len(dots) == COUNT
    for dot in drawn:
        assert min(math.dist(dot, other) for other in dots) < 0.5
    places = page.evaluate(PLACES)
    assert places["sv-points-frame"] == pytest.approx(places["em-frame"], abs=0.5)
    assert places["sv-points-legend"] == pytest.approx(places["em-legend"], abs=0.5)
    page.close()


def test_the_first_picture_shows_what_the_map_will() -> None:
    shown = first.picture(points(True), 420, None)
    assert shown is not None
    assert HOSTILE not in shown
    assert shown.count("<small>16</small>") == 3
    plain = first.picture(replace(points(False), xy=np.zeros((COUNT, 2), np.float32)), 420, Look())
    assert plain is not None  # also where all points are one
    assert "<small>" not in plain
    assert first.picture(volume(True), 420, None) is None
    assert first.picture(film(True), 420, None) is None
    assert first.picture(points(True), 420, Look((0, 1, 0, 1))) is None
    assert first.picture(points(True), 420, Look(pictures=40)) is None


def test_what_is_sent_is_the_version_and_the_message() -> None:
    data = points(True)
    assert data.sent[:16].decode() == data.message["version"]
    assert json.loads(data.sent[16:]) == data.message


def test_the_message_changes_with_the_points_alone() -> None:
    assert points(True).message["version"] == points(True).message["version"]
    assert points(True).message["version"] != points(False).message["version"]
    assert volume(True).message["dims"] == 3
    with pytest.raises(AssertionError):
        replace(film(True), frames=Frames(np.zeros((2, COUNT, 2), np.float32), ["one"])).message  # noqa: B018


@pytest.mark.parametrize(
    ("value", "zoom", "pictures"),
    [
        ({"zoom": [0, 1, 0.5, 2], "pictures": 40}, (0, 1, 0.5, 2), 40),
        ({"zoom": ["1.5", "2", "-3"], "pictures": "0"}, (1.5, 2, -3), 0),
        ({"zoom": None, "pictures": 16}, (), 16),
    ],
)
def test_a_look_is_read(value: object, zoom: tuple[float, ...], pictures: int) -> None:
    assert Look.read(value) == Look(zoom, pictures)


@pytest.mark.parametrize(
    "value",
    [
        None,
        7,
        {"zoom": [1, 2], "pictures": 0},
        {"zoom": [1, 2, 3, "x"], "pictures": 0},
        {"zoom": [], "pictures": 999},
        {"zoom": [1e9, 0, 0, 0], "pictures": 0},
        {"zoom": [float("nan"), 0, 0], "pictures": 0},
        {"zoom": []},
    ],
)
def test_what_is_no_look_is_none(value: object) -> None:
    assert Look.read(value) is None


@pytest.mark.slow
@pytest.mark.browser
def test_pictures_stand_for_points_and_are_told(browser: Browser, address: str) -> None:
    driven = Driven(browser.new_page(viewport={"width": 1100, "height": 800}), address)
    page = driven.page
    page.click('[data-tool="pictures"]')
    page.wait_for_function(f"+document.querySelector('.em-pictures').dataset.drawn === {COUNT}")
    driven.wait("pictures=40")
    page.locator(".em-tools input").fill("64")
    driven.wait("pictures=64")
    # A filter hides its pictures, a zoom those that are out of view.
    page.click(".em-legend button:nth-child(1)")
    page.wait_for_function("+document.querySelector('.em-pictures').dataset.drawn === 32")
    page.mouse.move(*driven.spot(0))
    for _ in range(9):  # plotly takes a little of each turn of the wheel
        page.mouse.wheel(0, -300)
    page.wait_for_function("+document.querySelector('.em-pictures').dataset.drawn < 30", timeout=30_000)
    driven.wait("looked=Look(zoom=(")
    with page.expect_download() as downloading:
        page.click('[data-tool="save"]')
    data = Path(downloading.value.path()).read_bytes()
    assert data.startswith(b"\x89PNG")
    page.click('[data-tool="fit"]')
    driven.wait("looked=Look(zoom=()")
    page.click('[data-tool="pictures"]')
    page.wait_for_function("+document.querySelector('.em-pictures').dataset.drawn === 0")
    driven.finish(address)


@pytest.mark.slow
@pytest.mark.browser
def test_a_volume_knows_where_its_points_are(browser: Browser, address: str) -> None:
    driven = Driven(browser.new_page(viewport={"width": 1100, "height": 800}), f"{address}/?what=volume")
    page = driven.page
    page.wait_for_timeout(500)
    # Where the ring is put for an image is where plotly finds its point.
    found = 0
    for row in (3, 20, 41):
        thumb = page.locator('.er button[data-id="7"]')
        thumb.hover()
        x, y = page.evaluate(
            """id => {
                globalThis.dispatchEvent(new CustomEvent("sslviz-point", { detail: { sprites: "set", id } }));
                const ring = document.querySelector(".em-ring");
                const frame = document.querySelector(".em-frame").getBoundingClientRect();
                return [frame.x + parseFloat(ring.style.left), frame.y + parseFloat(ring.style.top)];
            }""",
            1000 - row,
        )
        page.mouse.move(x - 8, y - 8)
        page.mouse.move(x, y, steps=4)
        page.wait_for_selector(".em-card[data-shown]", timeout=20_000)
        found += page.get_attribute(".em-card", "data-id") == str(1000 - row)
    assert found >= 2, "another point may lie before one of them"
    assert not page.locator('[data-tool="lasso"]').is_visible()
    # The keyboard moves by what is seen; the eye is told when it has moved.
    page.focus(".em-plot")
    page.keyboard.press("ArrowRight")
    page.wait_for_selector(".em-card[data-shown]")
    page.keyboard.press("Enter")
    driven.wait("clicked=9")
    page.keyboard.press("+")
    driven.wait("looked=Look(zoom=(0.6")
    driven.finish(address)


@pytest.mark.browser
def test_a_film_plays(browser: Browser, address: str) -> None:
    driven = Driven(browser.new_page(viewport={"width": 1100, "height": 800}), f"{address}/?what=film")
    page = driven.page
    first = "document.querySelector('.em-plot').data[0].x[0]"
    assert page.inner_text(".em-film output") == "step 20"
    assert page.evaluate(first) == pytest.approx(0.8)
    page.locator(".em-film input").fill("0")
    page.wait_for_function(f"{first} < -0.79")
    assert page.inner_text(".em-film output") == "step 0"
    page.click(".em-film button")
    page.wait_for_function(f"{first} > -0.75 && {first} < 0.7")
    page.wait_for_function(
        f"{first} > 0.79 && document.querySelector('.em-film').dataset.playing === 'false'"
    )
    assert page.inner_text(".em-film output") == "step 20"
    page.locator(".em-film input").fill("1")
    page.wait_for_function(f"Math.abs({first} + 0.4) < 0.01")
    driven.finish(address)


@pytest.mark.slow
@pytest.mark.browser
def test_two_maps_have_one_pointer_and_one_selection(browser: Browser, address: str) -> None:
    driven = Driven(browser.new_page(viewport={"width": 1300, "height": 800}), f"{address}/?what=two")
    page = driven.page
    driven.hover(19)
    other = page.locator(".em").nth(1)
    other.locator(".em-ring[data-shown]").wait_for()
    assert not other.locator(".em-card[data-shown]").count(), "one card for one pointer"
    left, top = page.evaluate(
        """() => {
            const map = document.querySelectorAll('.em')[1];
            const { xaxis, yaxis } = map.querySelector('.em-plot')._fullLayout;
            const style = map.querySelector('.em-ring').style;
            return [parseFloat(style.left) - xaxis._offset - xaxis.l2p(3),
                    parseFloat(style.top) - yaxis._offset - yaxis.l2p(2)];
        }"""
    )
    assert abs(left) < 1
    assert abs(top) < 1
    page.mouse.move(5, 5)
    other.locator(".em-ring[data-shown]").wait_for(state="detached")
    page.locator('[data-tool="select"]').first.click()
    (x, y), (x2, y2) = driven.spot(18), driven.spot(27)
    page.mouse.move(x - 12, y2 - 12)
    page.mouse.down()
    page.mouse.move(x2 + 12, y + 12, steps=8)
    page.mouse.up()
    driven.wait("chosen=[973, 974, 981, 982]")
    said = page.locator(".em-chosen span").all_inner_texts()
    assert said == ["4 of 48 chosen", "4 of 48 chosen"]
    driven.finish(address)


@pytest.mark.browser
def test_the_page_of_its_own_asks_nobody(browser: Browser, tmp_path: Path) -> None:
    file = tmp_path / "map.html"
    file.write_bytes(standalone.page(points(True), [sheet()], f"A map {HOSTILE}", "</script><b>words</b>"))
    context = browser.new_context(viewport={"width": 1100, "height": 900}, offline=True)
    page = context.new_page()
    complaints: list[str] = []
    asked: list[str] = []
    page.on("console", lambda m: complaints.append(m.text) if m.type == "error" else None)
    page.on("pageerror", lambda error: complaints.append(str(error)))
    page.on("request", lambda r: asked.append(r.url) if r.url.startswith("http") else None)
    page.goto(file.as_uri())
    page.wait_for_selector('.em[data-state="ready"]', timeout=60_000)
    x, y = page.evaluate(
        """() => {
            const plot = document.querySelector('.em-plot'), { xaxis, yaxis } = plot._fullLayout;
            const box = plot.getBoundingClientRect();
            return [box.x + xaxis._offset + xaxis.l2p(3), box.y + yaxis._offset + yaxis.l2p(2)];
        }"""
    )
    page.mouse.move(x - 6, y - 6)
    page.mouse.move(x, y, steps=3)
    page.wait_for_selector('.em-card[data-shown][data-id="981"]')
    assert "data:image/jpeg" in page.eval_on_selector(".em-thumb", "thumb => thumb.style.backgroundImage")
    page.mouse.click(x, y)
    page.wait_for_function("document.querySelector('.em-plot').data[1].x.length === 6")
    assert page.inner_text("h1") == f"A map {HOSTILE}"
    assert "<b>words</b>" in page.inner_text("p >> nth=0")
    assert page.evaluate("window.hacked") is None
    assert not complaints
    assert not asked
    context.close()
