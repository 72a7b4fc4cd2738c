"""A line that drops, as telephones' do in a full room: the page goes on where it was."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import pytest

from sslviz import imagesets, scenes, settings
from sslviz.imagesets import NewImage

if TYPE_CHECKING:
    from conftest import Server
    from playwright.sync_api import Browser, Page, WebSocketRoute

SECONDS = 120_000

pytestmark = pytest.mark.browser


def source(page: Page) -> str:
    """The picture whose views are shown."""
    page.locator(".sv-views img").first.wait_for(timeout=SECONDS)
    found = page.locator(".sv-views img").first.get_attribute("src")
    assert found is not None
    return found


def another(page: Page, before: str) -> str:
    """The picture once it is not the one before."""
    page.wait_for_function(
        "before => (document.querySelector('.sv-views img')?.src ?? before) !== before",
        arg=before,
        timeout=SECONDS,
    )
    return source(page)


def test_a_dropped_line_is_taken_up_again_where_it_was(browser: Browser, server: Server) -> None:
    drawn = imagesets.create(settings.workspace(), "drawn")
    drawn.add(NewImage(f"{n}.png", pixels=scenes.scene(n).pixels) for n in range(4))
    page = browser.new_page(viewport={"width": 1280, "height": 1000})
    lines: list[WebSocketRoute] = []

    def joined(line: WebSocketRoute) -> None:
        lines.append(line)
        line.connect_to_server()

    page.route_web_socket("**/_stcore/stream", joined)
    page.goto(f"{server.url}/rotation?images=drawn")
    first = source(page)
    third = page.locator(".st-key-strip button").nth(2)
    third.click()
    chosen = another(page, first)
    assert len(lines) == 1
    lines[0].close(code=1012, reason="the room lost its network")
    end = time.monotonic() + SECONDS / 1000
    while len(lines) < 2:
        assert time.monotonic() < end, "the browser did not connect again"
        page.wait_for_timeout(100)
    page.wait_for_selector('[data-testid="stApp"][data-test-script-state="notRunning"]', timeout=SECONDS)
    assert source(page) == chosen
    # What is asked for next goes over the new line, to the same session.
    page.get_by_role("button", name="Another one").click()
    another(page, chosen)
    assert third.get_attribute("data-testid") == "stBaseButton-primary", "the third is still chosen"
