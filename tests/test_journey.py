"""The whole path in Chromium: own images in, a task's views, training, the map, the neighbours."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pytest

from sslviz import archives, images, imagesets, runs, scenes, settings
from sslviz.imagesets import NewImage

if TYPE_CHECKING:
    from conftest import Server
    from playwright.sync_api import Browser, Page

IMAGES = 36
PAGES = ("", "images", "rotation", "exemplar", "jigsaw", "location", "train", "runs", "embeddings")
SECONDS = 300_000  # a deadline, in milliseconds, for two very busy cores

pytestmark = pytest.mark.browser


@pytest.fixture(scope="module")
def photographs() -> bytes:
    """A zip of pictures in two folders, whose names become labels."""
    drawn = [scenes.scene(number) for number in range(IMAGES)]
    return archives.pack(
        (f"{('first', 'second')[number % 2]}/{number}.jpg", images.encode_jpeg(scene.pixels))
        for number, scene in enumerate(drawn)
    )


def settled(page: Page) -> None:
    """Wait until the page's script has run and nothing has gone wrong."""
    page.wait_for_selector('[data-testid="stApp"][data-test-script-state="notRunning"]', timeout=SECONDS)
    assert page.locator('[data-testid="stException"]').count() == 0


def wide(page: Page) -> int:
    """How many pixels wide the page or its main part is, beyond the window where one must scroll sideways."""
    width: int = page.evaluate(
        """() => Math.max(document.scrollingElement.scrollWidth,
            ...[...document.querySelectorAll('[data-testid="stMain"], [data-testid="stAppViewContainer"]')]
                .map((part) => part.scrollWidth))"""
    )
    return width


def step(page: Page) -> int:
    """Steps that the run on the page has taken, by its progress bar; -1 once the bar is gone."""
    found = re.search(r"Step ([\d,]+) of", page.inner_text('[data-testid="stMain"]'))
    return int(found[1].replace(",", "")) if found else -1


def moves(page: Page, beyond: int) -> None:
    """Wait until the run has passed a step, or is over."""
    page.wait_for_function(
        """beyond => {
            const text = document.querySelector('[data-testid="stMain"]').innerText;
            const step = /Step ([\\d,]+) of/.exec(text);
            return step ? +step[1].replaceAll(',', '') > beyond : text.includes('held-out questions right');
        }""",
        arg=beyond,
        timeout=SECONDS,
    )


def ask_for_minutes(page: Page, minutes: str) -> None:
    """Fill in the form's budget and wait until the page has taken it in."""
    field = page.get_by_role("spinbutton", name="Minutes")
    field.wait_for(timeout=SECONDS)
    field.fill(minutes)
    field.press("Enter")
    page.get_by_text(f"--minutes {minutes}").first.wait_for(timeout=SECONDS)


def over_a_point(page: Page) -> tuple[float, float]:
    """Put the pointer on a point of the map, again where the page has shifted meanwhile, and wait for the
    card with its image; returns the place."""
    from playwright.sync_api import TimeoutError as Waited

    for _ in range(SECONDS // 5_000):
        # The map may reach below the window, where there is no pointer.
        page.locator(".em-plot").scroll_into_view_if_needed()
        x, y = page.evaluate(
            """() => {
                const plot = document.querySelector('.em-plot'), { xaxis, yaxis } = plot._fullLayout;
                const box = plot.getBoundingClientRect(), { x, y } = plot.data[0];
                return [box.x + xaxis._offset + xaxis.l2p(x[0]), box.y + yaxis._offset + yaxis.l2p(y[0])];
            }"""
        )
        page.mouse.move(x - 40, y - 30)
        page.mouse.move(x, y, steps=4)
        try:
            page.wait_for_selector(".em-card[data-shown]", timeout=5_000)
        except Waited:
            continue
        return x, y
    raise AssertionError("no card came up")


def test_from_own_images_to_their_neighbours(browser: Browser, server: Server, photographs: bytes) -> None:
    page = browser.new_page(viewport={"width": 1280, "height": 900})
    hosts: set[str] = set()
    page.on("request", lambda r: hosts.add(r.url.split("/")[2]) if r.url.startswith(("http", "ws")) else None)

    # Own images in, by upload.
    page.goto(f"{server.url}/images")
    page.locator('input[type="file"]').first.set_input_files(
        {"name": "holiday.zip", "mimeType": "application/zip", "buffer": photographs}
    )
    page.get_by_text(f"{IMAGES} added").wait_for(timeout=SECONDS)

    # What a task does to them, as the network gets it.
    page.get_by_role("link", name="Rotation").first.click()
    page.get_by_text("turned 90° left").first.wait_for(timeout=SECONDS)
    settled(page)

    # Train, and watch the curve move.
    page.get_by_role("link", name="Train", exact=True).first.click()
    ask_for_minutes(page, "0.2")
    page.get_by_role("button", name="Start training").click()
    page.wait_for_url(re.compile(r"run=[0-9a-z]{12}"), timeout=SECONDS)
    page.wait_for_selector('.rc[data-state="ready"]', timeout=SECONDS)
    before = step(page)
    moves(page, beyond=max(0, before))

    # F5 keeps the run.
    address = page.url
    seen = step(page)
    page.reload()
    page.wait_for_selector('.rc[data-state="ready"]', timeout=SECONDS)
    assert page.url == address
    now = step(page)
    assert now == -1 or now >= seen
    page.get_by_role("button", name="See the map").wait_for(timeout=2 * SECONDS)
    assert "chance" in page.inner_text('[data-testid="stMain"]').lower()

    # The map: a thumbnail under the pointer, neighbours at a click.
    page.get_by_role("button", name="See the map").click()
    page.wait_for_selector('.em[data-state="ready"]', timeout=2 * SECONDS)
    # Until UMAP has taken PCA's place, points move and so does what lies under the pointer.
    page.get_by_text("UMAP takes its place").wait_for(state="detached", timeout=2 * SECONDS)
    settled(page)
    page.mouse.click(*over_a_point(page))
    page.get_by_text("Nearest neighbours").first.wait_for(timeout=SECONDS)
    page.get_by_text("Raw pixels").nth(1).wait_for(timeout=SECONDS)
    assert hosts == {server.url.removeprefix("http://")}
    page.close()


def updates(page: Page) -> int:
    """How often the curves on the page have been drawn with new data."""
    return int(page.get_attribute(".rc", "data-updates") or 0)


def axes(page: Page) -> dict[str, list[float]]:
    """What the first panel of the curves shows, across and up."""
    found: dict[str, list[float]] = page.evaluate(
        """() => {
            const { xaxis, yaxis } = document.querySelector('.rc-plot')._fullLayout;
            return { x: xaxis.range, y: yaxis.range };
        }"""
    )
    return found


def shown(page: Page, kind: str) -> set[bool]:
    """Whether the traces of a kind are visible."""
    found: list[bool] = page.evaluate(
        """kind => document.querySelector('.rc-plot').data
            .filter((trace) => trace.meta === kind).map((trace) => trace.visible)""",
        kind,
    )
    return set(found)


@pytest.mark.slow
def test_zoom_and_hidden_curves_survive_updates(browser: Browser, server: Server, photographs: bytes) -> None:
    """Ten updates of a live run later one still looks at what one had zoomed into."""
    page = browser.new_page(viewport={"width": 1280, "height": 1000})
    errors: list[str] = []
    page.on("pageerror", lambda error: errors.append(str(error)))
    page.goto(f"{server.url}/images")
    page.locator('input[type="file"]').first.set_input_files(
        {"name": "holiday.zip", "mimeType": "application/zip", "buffer": photographs}
    )
    page.get_by_text(f"{IMAGES} added").wait_for(timeout=SECONDS)
    page.get_by_role("link", name="Train", exact=True).first.click()
    ask_for_minutes(page, "20")
    page.get_by_role("button", name="Start training").click()
    page.wait_for_selector('.rc[data-state="ready"]', timeout=SECONDS)
    page.wait_for_function("+document.querySelector('.rc').dataset.updates > 2", timeout=SECONDS)
    label = page.get_attribute(".rc-plot", "aria-label") or ""
    assert "Rotation on photos" in label
    assert "held-out accuracy" in label

    page.locator('.rc-legend button[data-key="kind training"]').click()
    page.wait_for_selector('.rc-legend button[aria-pressed="false"]')
    assert shown(page, "training") == {False}
    page.locator(".rc-plot").scroll_into_view_if_needed()
    x, y = page.evaluate(
        """() => {
            const plot = document.querySelector('.rc-plot'), { xaxis, yaxis } = plot._fullLayout;
            const box = plot.getBoundingClientRect();
            return [box.x + xaxis._offset + 0.1 * xaxis._length, box.y + yaxis._offset + 0.2 * yaxis._length];
        }"""
    )
    whole = axes(page)
    page.mouse.move(x, y)
    page.mouse.down()
    page.mouse.move(x + 120, y + 90, steps=8)
    page.mouse.up()
    page.locator('.rc-tools [data-tool="fit"]:not([hidden])').wait_for(timeout=SECONDS)
    zoomed = axes(page)
    assert zoomed["x"][1] - zoomed["x"][0] < 0.5 * (whole["x"][1] - whole["x"][0])
    assert whole["x"][0] < zoomed["x"][0]

    before = updates(page)
    page.wait_for_function(
        "least => +document.querySelector('.rc').dataset.updates >= least", arg=before + 10, timeout=SECONDS
    )
    assert axes(page) == zoomed
    assert shown(page, "training") == {False}
    assert (
        page.locator('.rc-legend button[data-key="kind training"]').get_attribute("aria-pressed") == "false"
    )

    # A setting of the curves redraws them, and is no reason to lose the place either.
    page.get_by_role("slider").first.press("ArrowRight")
    before = updates(page)
    page.wait_for_function(
        "least => +document.querySelector('.rc').dataset.updates > least", arg=before, timeout=SECONDS
    )
    assert axes(page) == zoomed

    page.mouse.dblclick(x + 60, y + 40)
    page.locator('.rc-tools [data-tool="fit"]:not([hidden])').wait_for(state="hidden", timeout=SECONDS)
    page.wait_for_function(
        "document.querySelector('.rc-plot')._fullLayout.xaxis.range[0] === 0", timeout=SECONDS
    )
    assert axes(page)["x"][1] > zoomed["x"][1]
    page.locator('.rc-legend button[data-key="kind training"]').click()
    page.wait_for_function(
        "document.querySelector('.rc-plot').data.every((trace) => trace.visible)", timeout=SECONDS
    )
    page.get_by_role("button", name="Stop").click()
    page.get_by_role("button", name="Resume").wait_for(timeout=SECONDS)
    assert not errors
    page.close()


@pytest.mark.slow  # `test_processes.py` kills a server as well, without a browser
def test_a_run_outlives_the_server(browser: Browser, server: Server, photographs: bytes) -> None:
    folder = server.home / "holiday.zip"
    folder.write_bytes(photographs)
    page = browser.new_page(viewport={"width": 1280, "height": 900})
    page.goto(f"{server.url}/images")
    page.locator('input[type="file"]').first.set_input_files(str(folder))
    page.get_by_text(f"{IMAGES} added").wait_for(timeout=SECONDS)
    page.get_by_role("link", name="Train", exact=True).first.click()
    ask_for_minutes(page, "20")  # longer than the slowest machine takes to start a server again
    page.get_by_role("button", name="Start training").click()
    page.wait_for_url(re.compile(r"run=[0-9a-z]{12}"), timeout=SECONDS)
    moves(page, beyond=0)
    run = runs.open_run(settings.workspace(), "latest")

    server.kill()
    at = run.status().step
    assert run.status().state == "running"
    server.start()
    page.goto(f"{server.url}/train?run={run.id}")
    moves(page, beyond=at)
    settled(page)
    page.get_by_role("button", name="Stop").click()
    page.get_by_role("button", name="Resume").wait_for(timeout=SECONDS)
    assert run.status().state == "cancelled"
    page.close()


def test_sets_are_put_in_order(browser: Browser, server: Server, photographs: bytes) -> None:
    """Rename, merge, relabel, remove and delete, each with a word on what was done."""
    for name, first in (("one", 0), ("two", 6)):
        made = imagesets.create(settings.workspace(), name)
        made.add(NewImage(f"{i}.jpg", pixels=scenes.scene(i).pixels) for i in range(first, first + 5))
    page = browser.new_page(viewport={"width": 1280, "height": 900})
    page.goto(f"{server.url}/images?part=look&images=one")
    picker = page.locator('[data-testid="stSidebar"] [data-testid="stSelectbox"] input')

    def click(key: str) -> None:
        page.locator(f".st-key-{key} button").click(timeout=SECONDS)

    def said(words: str) -> None:
        page.locator('[data-testid="stToast"]').get_by_text(words).wait_for(timeout=SECONDS)
        page.locator('[role="dialog"]').wait_for(state="detached", timeout=SECONDS)
        settled(page)

    click("rename_set")
    field = page.get_by_label("New name")
    field.fill("first")
    field.press("Enter")
    click("rename_do")
    said("Renamed to first")
    assert "first" in picker.input_value()
    assert "images=first" in page.url

    click("merge_set")
    page.locator('[role="dialog"] [data-testid="stMultiSelect"] input').click()
    page.get_by_role("option", name="two").click(timeout=SECONDS)
    field = page.get_by_label("Name of the new set")
    field.fill("all")
    field.press("Enter")
    click("merge_do")
    said("all: 10 images")
    assert "all" in picker.input_value()

    click("delete_set")
    page.get_by_role("button", name="Delete the set").click(timeout=SECONDS)
    said("all deleted")
    assert "all" not in picker.input_value()
    assert page.get_by_text("There is no image set").count() == 0
    names = {summary.name for summary in imagesets.names(settings.workspace())}
    assert {"first", "two"} <= names
    assert "all" not in names
    page.close()


@pytest.mark.slow
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_every_page_on_a_telephone(browser: Browser, server: Server, photographs: bytes, scheme: str) -> None:
    context = browser.new_context(viewport={"width": 390, "height": 844}, color_scheme=scheme)  # type: ignore[arg-type]
    page = context.new_page()
    page.goto(f"{server.url}/images")
    page.locator('input[type="file"]').first.set_input_files(
        {"name": "holiday.zip", "mimeType": "application/zip", "buffer": photographs}
    )
    page.get_by_text(f"{IMAGES} added").wait_for(timeout=SECONDS)
    for name in PAGES:
        page.goto(f"{server.url}/{name}")
        page.locator("h1").first.wait_for(timeout=SECONDS)
        settled(page)
        assert wide(page) <= 390, name
    # The same with an image chosen on the map, whose neighbours stand in long rows.
    page.get_by_text("Look around").wait_for(timeout=2 * SECONDS)
    chosen = imagesets.open_set(settings.workspace(), "photos").ids[0]
    page.goto(f"{server.url}/embeddings?image={chosen}")
    page.get_by_text("Nearest neighbours").first.wait_for(timeout=SECONDS)
    page.locator(".er-strip .er-items").last.wait_for(timeout=SECONDS)
    settled(page)
    assert wide(page) <= 390
    context.close()
