"""The shortcut lab in Chromium: a mistake meets its ceiling, and an aberration is told until it is undone."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from sslviz import imagesets, scenes, settings
from sslviz.imagesets import NewImage

if TYPE_CHECKING:
    from conftest import Server
    from playwright.sync_api import Browser, Page

SECONDS = 600_000  # a deadline, in milliseconds, for two very busy cores
IMAGES = 30

pytestmark = [pytest.mark.browser, pytest.mark.slow]


def bring_images() -> None:
    drawn = imagesets.create(settings.workspace(), "drawn")
    drawn.add(
        NewImage(f"{'ab'[n % 2]}/{n}.png", pixels=scenes.scene(n).pixels, label="ab"[n % 2])
        for n in range(IMAGES)
    )


def shares(page: Page) -> list[float]:
    """The shares that are drawn as bars, in per cent."""
    found: list[float] = page.evaluate(
        "() => [...document.querySelectorAll('.sv-share > span:last-child')]"
        ".map((share) => parseFloat(share.innerText))"
    )
    return found


def fits(page: Page) -> None:
    """Nothing must be scrolled sideways, nor has anything gone wrong."""
    assert page.locator('[data-testid="stException"]').count() == 0
    main = page.locator('[data-testid="stMain"]')
    assert main.evaluate("(part) => part.scrollWidth <= part.clientWidth")


def test_a_pair_that_is_flipped_too_late_meets_its_ceiling(browser: Browser, server: Server) -> None:
    bring_images()
    page = browser.new_page(viewport={"width": 1280, "height": 1000})
    page.goto(f"{server.url}/shortcuts?images=drawn&of=rotation&guard=rotation-flip")
    page.get_by_text("Possible at best: 75").first.wait_for(timeout=SECONDS)
    steps = page.get_by_role("spinbutton", name="Steps each")
    steps.fill("12")
    steps.press("Enter")
    page.get_by_text("--steps 12").first.wait_for(timeout=SECONDS)
    page.get_by_role("button", name="Train both (2 × 12 steps)").click()
    page.get_by_text("possible at best 75%", exact=True).first.wait_for(timeout=SECONDS)
    line = page.locator(".sv-track u.sv-ceiling").first
    track = line.locator("..").bounding_box()
    place = line.bounding_box()
    assert track is not None
    assert place is not None
    assert abs((place["x"] - track["x"]) / track["width"] - 0.75) < 0.01
    off, on, *worth = shares(page)
    assert 0 <= off <= 100
    assert 0 <= on <= 100
    assert len(worth) == 6  # neighbours and a linear probe, of three networks each
    fits(page)
    page.set_viewport_size({"width": 390, "height": 900})
    page.wait_for_timeout(500)
    fits(page)


def test_the_slider_raises_the_cue_and_the_projection_undoes_it(browser: Browser, server: Server) -> None:
    bring_images()
    page = browser.new_page(viewport={"width": 1280, "height": 1000})
    page.goto(f"{server.url}/shortcuts?images=drawn&of=location&guard=location-fringes&strength=0")
    page.get_by_text("The cue alone").first.wait_for(timeout=SECONDS)
    page.wait_for_function(  # all strengths were asked about: three curves of nine points
        "() => document.querySelectorAll('.js-plotly-plot .scatterlayer .points path').length === 27",
        timeout=SECONDS,
    )
    page.wait_for_function(
        "() => document.querySelectorAll('.sv-shares .sv-track').length === 3", timeout=SECONDS
    )
    before = shares(page)
    picture = page.locator(".sv-fringed img").first.get_attribute("src")
    thumb = page.get_by_role("slider", name="Chromatic aberration")
    thumb.focus()
    for _ in range(6):
        page.keyboard.press("ArrowRight")
    page.wait_for_function("() => location.search.includes('strength=15')", timeout=SECONDS)
    changed = "(was) => document.querySelector('.sv-fringed img').src !== was"
    page.wait_for_function(changed, arg=picture, timeout=SECONDS)
    page.get_by_text("--strength 15").first.wait_for(timeout=SECONDS)
    page.wait_for_function(
        "() => document.querySelectorAll('.sv-shares .sv-track').length === 3", timeout=SECONDS
    )
    after = shares(page)
    assert after[0] > before[0] + 20  # without the guard the fringes tell the place
    assert after[1] < after[0] - 20  # projected, they hardly do
    assert abs(after[1] - before[1]) < 20
    fits(page)
