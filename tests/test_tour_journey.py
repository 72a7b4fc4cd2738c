"""The tour in Chromium, from the first stop to the last, as a class would see it."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from sslviz import imagesets, scenes, settings
from sslviz.imagesets import NewImage
from sslviz.ui import tour

if TYPE_CHECKING:
    from conftest import Server
    from playwright.sync_api import Browser

SECONDS = 240_000  # a deadline, in milliseconds, for two very busy cores
IMAGES = 48

pytestmark = [pytest.mark.browser, pytest.mark.slow]


def bring_images() -> None:
    drawn = imagesets.create(settings.workspace(), "scenes", builtin=True)
    drawn.add(
        NewImage(f"{'ab'[n % 2]}/{n}.png", pixels=scenes.scene(n).pixels, label="ab"[n % 2])
        for n in range(IMAGES)
    )


def test_a_class_walks_the_tour_from_start_to_end(browser: Browser, server: Server, tmp_path: Path) -> None:
    bring_images()
    page = browser.new_page(viewport={"width": 1280, "height": 1000})
    wrong: list[str] = []
    page.on("pageerror", lambda error: wrong.append(str(error)))
    page.goto(server.url)
    page.get_by_role("link", name="Take the tour").click(timeout=SECONDS)
    for stop in tour.stops():
        box = page.locator(".st-key-tour")
        box.get_by_text(f"stop {stop.number} of {len(tour.stops())}").wait_for(timeout=SECONDS)
        box.get_by_text(stop.title, exact=True).wait_for(timeout=SECONDS)
        box.get_by_text("Answer", exact=True).click()
        box.get_by_text(stop.answer.split(".")[0].replace("*", "").replace("\n", " ")[:30]).wait_for()
        assert f"tour={stop.number}" in page.url
        assert all(f"{key}={value}" in page.url for key, value in stop.query.items())
        page.get_by_test_id("stStatusWidget").wait_for(state="detached", timeout=SECONDS)
        main = page.locator('[data-testid="stMain"]')
        assert page.locator('[data-testid="stException"]').count() == 0
        assert main.evaluate("(part) => part.scrollWidth <= part.clientWidth")
        page.screenshot(path=tmp_path / f"{stop.number}.png")
        if stop.number < len(tour.stops()):
            following = tour.stops()[stop.number]
            box.get_by_role("link", name=f"Next: {following.title}").click()
    page.reload()
    page.locator(".st-key-tour").get_by_role("button", name="Finish").click(timeout=SECONDS)
    page.locator(".st-key-tour").wait_for(state="detached", timeout=SECONDS)
    assert "tour=" not in page.url
    assert wrong == []
    assert len(list(tmp_path.glob("*.png"))) == len(tour.stops())
