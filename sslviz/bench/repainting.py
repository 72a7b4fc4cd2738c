"""How long a page takes to be drawn again when something on it is changed, to the frame that shows it."""

from __future__ import annotations

import statistics
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from sslviz.bench import chromium
from sslviz.errors import UserError
from sslviz.imagesets import ImageSet

if TYPE_CHECKING:
    from playwright.sync_api import Locator, Page

PROMISED = 0.3
"""Seconds."""
TRIES = 7
VIEWS = ".sv-views img, .sv-nine img"


@dataclass(frozen=True)
class Change:
    """Something that is changed on a page."""

    address: str
    picture: str
    """Selector of what has to be drawn anew."""
    button: str = ""
    """Name of the button that is clicked; else a slider is moved by a step."""
    slider: str = ""


CHANGES: Mapping[str, Change] = {
    **{
        f"repaint_{task}": Change(f"{task}?view=look", VIEWS, button="Another one")
        for task in ("rotation", "exemplar", "jigsaw", "location")
    },
    "repaint_image": Change("rotation?view=look", VIEWS, button="strip"),
    "repaint_permutations": Change(
        "jigsaw?view=permutations", ".sv-figures dd", slider="Number of permutations"
    ),
    "repaint_transform": Change(
        "exemplar?view=transforms&transform=rotation", VIEWS, slider="Turn of the window"
    ),
    "repaint_aberration": Change(
        "shortcuts?of=location&guard=location-fringes&strength=0",
        ".sv-fringed img",
        slider="Chromatic aberration",
    ),
}
"""By name: another sample, another image, sliders."""

WATCH = """
selector => {
  const seen = () => [...document.querySelectorAll(selector)].map((one) => one.src ?? one.innerText).join();
  let began = null, before = null;
  globalThis.taken = null;
  const begin = () => { began = performance.now(); before = seen(); };
  for (const kind of ["pointerdown", "keydown"]) addEventListener(kind, begin, true);
  new MutationObserver(() => {
    if (began === null || seen() === before || !seen()) return;
    const from = began;
    began = null;
    requestAnimationFrame(() => { globalThis.taken = performance.now() - from; });
  }).observe(document, { subtree: true, childList: true, attributes: true, characterData: true });
}
"""
"""The browser's own clock, from the finger to the frame."""


def measure(images: ImageSet) -> dict[str, dict[str, Any]]:
    """Seconds from a click or a key to the new picture, the median of a few, for each of `CHANGES`.

    Empty without a browser to measure in. Raises `UserError` where nothing is drawn anew.
    """
    if not chromium.is_there():
        return {}
    found: dict[str, dict[str, Any]] = {}
    with chromium.server() as url, chromium.opened() as page:
        for name, change in CHANGES.items():
            joined = "&" if "?" in change.address else "?"
            page.goto(f"{url}/{change.address}{joined}images={images.name}")
            page.locator(change.picture).first.wait_for(timeout=chromium.MILLISECONDS)
            if not found:
                chromium.quiet()
            _still(page)
            page.evaluate(WATCH, change.picture)
            taken = [one for place in range(TRIES) if (one := _changed(page, change, place)) is not None]
            if not taken:
                raise UserError(
                    f"Nothing was drawn anew at {change.address}.", "Is the app the one that is here?"
                )
            found[name] = {
                "seconds": statistics.median(taken),
                "most": max(taken),
                "bound": PROMISED,
                "bound_is": "what is promised",
            }
    return found


def _changed(page: Page, change: Change, place: int) -> float | None:
    """Seconds to the new picture; None where it came out as it was, which another sample may."""
    from playwright.sync_api import TimeoutError as Waited

    page.evaluate("globalThis.taken = null")
    if change.button == "strip":
        page.locator(".st-key-strip button").nth(1 + place % 5).click()
    elif change.button:
        page.get_by_role("button", name=change.button).first.click()
    else:
        _slider(page, change).press("ArrowRight" if place < TRIES // 2 + 1 else "ArrowLeft")
    try:
        page.wait_for_function("globalThis.taken !== null", timeout=5_000)
    except Waited:
        return None
    taken = float(page.evaluate("taken")) / 1000
    _still(page)
    return taken


def _slider(page: Page, change: Change) -> Locator:
    slider = page.get_by_role("slider", name=change.slider).first
    slider.focus()
    return slider


def _still(page: Page) -> None:
    """Nothing is under way."""
    page.wait_for_selector(
        '[data-testid="stApp"][data-test-script-state="notRunning"]', timeout=chromium.MILLISECONDS
    )
    page.wait_for_timeout(400)
