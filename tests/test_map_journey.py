"""The embeddings page in Chromium: from the lasso to the gallery and back, panes, a film, a query."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest
import torch
from safetensors.torch import save

from sslviz import embeddings, film, images, imagesets, project, runs, scenes, settings
from sslviz.imagesets import ImageSet, NewImage
from sslviz.model import build
from sslviz.runs import Run

if TYPE_CHECKING:
    from conftest import Server
    from playwright.sync_api import Browser, Page

IMAGES = 40
SECONDS = 240_000

pytestmark = pytest.mark.browser


@pytest.fixture
def known(server: Server, monkeypatch: pytest.MonkeyPatch) -> tuple[Run, ImageSet]:
    """A run whose map, panes and film are computed; UMAP is stood in for, since it compiles for a while."""
    monkeypatch.setattr(project, "umap", _umap)
    made = imagesets.create(settings.workspace(), "photos")
    made.add(
        NewImage(f"{number}.png", pixels=scenes.scene(number).pixels, label=("first", "second")[number % 2])
        for number in range(IMAGES)
    )
    spec = runs.Spec(task="rotation", images="photos", size=32, side=32, view=32, classes=4)
    run = runs.create(settings.workspace(), spec)
    network = build("small", 1, 4, 32, seed=9)
    with torch.no_grad():
        for parameter in network.parameters():
            parameter += (
                0.3
                * torch.randn(parameter.shape, generator=torch.Generator().manual_seed(0))
                * parameter.std()
            )
    run.save_checkpoint(40, {"model.safetensors": save(network.state_dict())})
    run.set_status(state="done", classes=4, step=40, steps=40)
    for source in embeddings.SOURCES:
        embeddings.compute(settings.workspace(), run.id, "photos", source=source, block="block4")
    embeddings.compute(settings.workspace(), run.id, "photos")
    for block in ("block3", "block4", "block5"):
        film.compute(settings.workspace(), run.id, "photos", block=block)
    return run, made


def _umap(
    features: np.ndarray, *_: object, dims: int = 2, report: object = None, start: object = None, **__: object
) -> np.ndarray:
    return project.pca(features, dims)


def settled(page: Page) -> None:
    page.wait_for_selector('[data-testid="stApp"][data-test-script-state="notRunning"]', timeout=SECONDS)
    exceptions = page.locator('[data-testid="stException"]')
    assert exceptions.count() == 0, exceptions.first.inner_text()


def map_is_there(page: Page) -> None:
    page.locator('.em[data-state="ready"]').first.wait_for(timeout=SECONDS)
    settled(page)


def parameter(page: Page, name: str) -> str | None:
    found = re.search(rf"[?&]{name}=([^&]*)", page.url)
    return found[1] if found else None


def lasso(page: Page, rows: list[int]) -> None:
    """Draw a box around all points, by the places of these rows of the plot."""
    page.locator('[data-tool="select"]').first.click()
    page.locator(".em-plot").first.scroll_into_view_if_needed()
    spots = page.evaluate(
        """rows => {
            const plot = document.querySelector('.em-plot'), { xaxis, yaxis } = plot._fullLayout;
            const box = plot.getBoundingClientRect(), { x, y } = plot.data[0];
            return rows.map((row) => [
                box.x + xaxis._offset + xaxis.l2p(x[row]), box.y + yaxis._offset + yaxis.l2p(y[row]),
            ]);
        }""",
        rows,
    )
    xs, ys = [spot[0] for spot in spots], [spot[1] for spot in spots]
    page.mouse.move(min(xs) - 6, min(ys) - 6)
    page.mouse.down()
    page.mouse.move(max(xs) + 6, max(ys) + 6, steps=8)
    page.mouse.up()


def test_lasso_gallery_and_back(browser: Browser, server: Server, known: tuple[Run, ImageSet]) -> None:
    run, made = known
    page = browser.new_page(viewport={"width": 1280, "height": 1000})
    errors: list[str] = []
    page.on("pageerror", lambda error: errors.append(str(error)))
    page.goto(f"{server.url}/embeddings?run={run.id}&images=photos")
    map_is_there(page)

    lasso(page, list(range(IMAGES)))
    page.get_by_text(f"{IMAGES} chosen images").wait_for(timeout=SECONDS)
    gallery = page.locator(".st-key-map_gallery .er button")
    assert gallery.count() == IMAGES
    assert "20 / 20" in page.inner_text(".em-legend")

    # The pointer on a picture of the gallery rings its point; a click opens it.
    third = gallery.nth(2)
    third.hover()
    page.locator(".em-ring[data-shown]").wait_for(timeout=SECONDS)
    third.click()
    page.wait_for_url(re.compile("image="), timeout=SECONDS)
    page.locator(".st-key-map_neighbors section").nth(2).wait_for(timeout=SECONDS)
    settled(page)
    assert parameter(page, "image") == made.ids[2]
    assert page.locator(".st-key-map_neighbors section").count() == 3
    assert page.locator(".st-key-map_neighbors .er-mark").count() == 30

    # A reload shows the same: the image, the choice, the zoom.
    page.locator('[data-tool="in"]').click()
    page.wait_for_url(re.compile("zoom="), timeout=SECONDS)
    settled(page)
    address = page.url
    before = page.evaluate("document.querySelector('.em-plot')._fullLayout.xaxis.range")
    page.reload()
    map_is_there(page)
    page.get_by_text(f"{IMAGES} chosen images").wait_for(timeout=SECONDS)
    page.locator(".st-key-map_neighbors section").nth(2).wait_for(timeout=SECONDS)
    assert page.url == address
    after = page.evaluate("document.querySelector('.em-plot')._fullLayout.xaxis.range")
    assert np.allclose(before, after, atol=1e-3)

    # Another block, by its bar, and another colour, which keeps the zoom.
    page.locator('.st-key-map_blocks button[data-block="block2"]').click()
    page.wait_for_url(re.compile("block=block2"), timeout=SECONDS)
    settled(page)
    assert not errors
    page.close()


@pytest.mark.slow
def test_panes_and_film(browser: Browser, server: Server, known: tuple[Run, ImageSet]) -> None:
    run, _ = known
    page = browser.new_page(viewport={"width": 1280, "height": 1000})
    page.goto(f"{server.url}/embeddings?run={run.id}&images=photos&projection=pca")
    map_is_there(page)
    page.get_by_text("Side by side").click()
    page.locator('.em[data-state="ready"]').nth(2).wait_for(timeout=SECONDS)
    settled(page)
    page.locator(".st-key-panes_changed .er button").first.hover()
    page.wait_for_function("document.querySelectorAll('.em-ring[data-shown]').length === 3", timeout=SECONDS)
    lasso(page, [4, 5, 6])
    page.locator(".em-chosen:not([hidden])").nth(2).wait_for(timeout=SECONDS)
    page.get_by_text("chosen images").first.wait_for(timeout=SECONDS)

    page.get_by_text("Over training").click()
    page.locator(".em-film:not([hidden])").wait_for(timeout=SECONDS)
    settled(page)
    bar = page.locator(".em-film")
    assert "step 40" in bar.inner_text()
    # A frame may be over before anybody asks for it, so each that is shown is noted.
    page.evaluate(
        """() => {
            const film = document.querySelector('.em-film');
            globalThis.shownFrames = [];
            const seen = new MutationObserver(() => shownFrames.push(film.dataset.frame));
            seen.observe(film, { attributes: true });
        }"""
    )
    bar.get_by_role("button").click()
    page.wait_for_function(
        """() => {
            const { frame, playing } = document.querySelector('.em-film').dataset;
            return shownFrames.includes('0') && frame === '1' && playing === 'false';
        }""",
        timeout=SECONDS,
    )
    page.close()


@pytest.mark.slow
def test_a_picture_is_brought_along(
    browser: Browser, server: Server, known: tuple[Run, ImageSet], tmp_path: Path
) -> None:
    run, made = known
    page = browser.new_page(viewport={"width": 1280, "height": 1000})
    page.goto(f"{server.url}/embeddings?run={run.id}&images=photos")
    map_is_there(page)
    page.get_by_role("button", name="Ask about another picture").click()
    field = page.locator('[data-testid="stFileUploader"] input[type="file"]')
    field.set_input_files({"name": "<b>no picture</b>.jpg", "mimeType": "image/jpeg", "buffer": b"hello"})
    page.get_by_text("<b>no picture</b>.jpg is").wait_for(timeout=SECONDS)
    buffer = images.encode_jpeg(made.pixels(7))
    settled(page)  # or the field may be another one by the time that the file arrives
    page.get_by_role("button", name="Ask about another picture").click()
    field.set_input_files({"name": "mine.jpg", "mimeType": "image/jpeg", "buffer": buffer})
    page.wait_for_url(re.compile("query=[0-9a-f]{16}"), timeout=SECONDS)
    page.get_by_text("Your picture, which is not of the set").wait_for(timeout=SECONDS)
    settled(page)
    page.locator(".em-guest:not([hidden])").wait_for(timeout=SECONDS)
    # It is a copy of an image of the set, so that is the nearest, by whatever it is compared.
    for row in range(3):
        section = page.locator(".st-key-map_neighbors section").nth(row)
        assert section.locator("button").first.get_attribute("data-id") == "7"
    page.reload()
    map_is_there(page)
    page.locator(".em-guest:not([hidden])").wait_for(timeout=SECONDS)

    # A part of an image of the set, drawn with the pointer.
    page.goto(f"{server.url}/embeddings?run={run.id}&images=photos&image={made.ids[3]}")
    map_is_there(page)
    page.get_by_role("button", name="Ask about a part").click()
    page.wait_for_url(re.compile("part="), timeout=SECONDS)
    settled(page)
    crop = page.locator(".cr")
    crop.evaluate("crop => crop.scrollIntoView({ block: 'center' })")  # clear of the page's own header
    box = crop.bounding_box()
    assert box is not None
    page.mouse.move(box["x"] + 0.1 * box["width"], box["y"] + 0.1 * box["height"])
    page.mouse.down()
    page.mouse.move(box["x"] + 0.6 * box["width"], box["y"] + 0.7 * box["height"], steps=5)
    page.mouse.up()
    page.wait_for_function("/part=0\\.(09|10|1%|1,)/.test(location.href)", timeout=SECONDS)
    settled(page)
    page.locator(".em-guest:not([hidden])").wait_for(timeout=SECONDS)

    # The page of its own, as it is downloaded.
    page.get_by_role("button", name="Take the map away").click()
    with page.expect_download(timeout=SECONDS) as downloading:
        page.get_by_role("button", name="Page of its own").click()
    file = tmp_path / "map.html"
    downloading.value.save_as(file)
    alone = browser.new_context(offline=True).new_page()
    alone.goto(file.as_uri())
    alone.wait_for_selector('.em[data-state="ready"]', timeout=SECONDS)
    page.close()
