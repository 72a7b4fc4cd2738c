"""Click to label in Chromium: a handful of names, a correction, a reload, and the way out."""

from __future__ import annotations

import csv
import io
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest
import torch
from safetensors.torch import save
from test_map_journey import settled

from sslviz import embeddings, imagesets, naming, runs, settings
from sslviz.imagesets import ImageSet, NewImage
from sslviz.model import build
from sslviz.runs import Run

if TYPE_CHECKING:
    from conftest import Server
    from playwright.sync_api import Browser, Page

IMAGES = 40
SECONDS = 240_000
NIGHT = "<i>night</i>"

pytestmark = pytest.mark.browser


@pytest.fixture
def known(server: Server) -> tuple[Run, ImageSet]:
    """Pictures that are dark above or below, and features of a network that was never trained."""
    draw = np.random.default_rng(0)
    made = imagesets.create(settings.workspace(), "photos")
    made.add(NewImage(f"{number}.png", pixels=_picture(draw, number % 2)) for number in range(IMAGES))
    spec = runs.Spec(task="rotation", images="photos", size=32, side=32, view=32, classes=4)
    run = runs.create(settings.workspace(), spec)
    torch.manual_seed(0)
    run.save_checkpoint(4, {"model.safetensors": save(build("small", 1, 4, 32, seed=9).state_dict())})
    run.set_status(state="done", classes=4, step=4, steps=4)
    embeddings.compute(settings.workspace(), run.id, "photos", projection=None)
    return run, made


def _picture(draw: np.random.Generator, below: int) -> np.ndarray:
    pixels = draw.integers(0, 80, (48, 48, 3))
    half = slice(24 * (1 - below), 24 * (2 - below))
    pixels[half] += 150
    return pixels.astype(np.uint8)


def opened(page: Page, server: Server, run: Run) -> None:
    page.goto(f"{server.url}/downstream?view=name&run={run.id}&images=photos")
    page.locator(".nb-batch .nb-tile").first.wait_for(timeout=SECONDS)
    settled(page)


def said(page: Page, text: str) -> None:
    page.locator(".nb-said", has_text=text).wait_for(timeout=SECONDS)
    settled(page)


@pytest.mark.slow
def test_a_few_are_named_and_the_rest_is_proposed(
    browser: Browser, server: Server, known: tuple[Run, ImageSet], tmp_path: Path
) -> None:
    run, made = known
    kind = {image: number % 2 for number, image in enumerate(made.ids)}
    page = browser.new_page(viewport={"width": 1280, "height": 1000})
    errors: list[str] = []
    page.on("pageerror", lambda error: errors.append(str(error)))
    opened(page, server, run)
    batch = page.locator(".nb-batch .nb-tile")
    ids = [batch.nth(number).get_attribute("data-id") or "" for number in range(batch.count())]
    days = [place for place, image in enumerate(ids) if kind[image] == 0]
    nights = [place for place, image in enumerate(ids) if kind[image] == 1]
    assert len(ids) == 12
    assert min(len(days), len(nights)) >= 2

    # Images first, then their name; after that a name first, then its images, by its number and by a click.
    for place in days[:2]:
        batch.nth(place).locator(".nb-picture").click()
    page.locator(".nb-new").fill("day")
    page.keyboard.press("Enter")
    said(page, "2 named. With a second name")
    page.locator(".nb-new").fill(NIGHT)
    page.keyboard.press("Enter")
    batch.nth(nights[0]).locator(".nb-picture").click()
    said(page, "3 named, 37 proposed")
    page.keyboard.press("Escape")
    page.locator(".nb-hint").click()
    batch.nth(nights[1]).locator(".nb-picture").hover()
    page.keyboard.press("2")
    said(page, "4 named, 36 proposed")
    assert page.locator(".nb-batch .nb-badge:visible").count() == 4
    assert page.locator(".nb i i").count() == 0  # a name is data

    # What is proposed is looked through; one is corrected, the others of the row are confirmed at a click.
    strips = page.locator(".nb-strips section")
    assert strips.count() == 2
    first = strips.nth(0).locator(".nb-tile")
    shown = [first.nth(number).get_attribute("data-id") or "" for number in range(first.count())]
    assert np.mean([kind[image] for image in shown]) < 0.3
    page.locator(".nb-chip").nth(1).click()
    first.nth(0).locator(".nb-picture").click()
    said(page, "5 named, 35 proposed")
    assert first.nth(0).locator(".nb-badge").inner_text() == NIGHT
    assert naming.read(made).given[shown[0]] == NIGHT
    page.locator(".nb-undo").click()
    said(page, "4 named, 36 proposed")
    strips.nth(0).locator(".nb-right").click()
    said(page, f"{4 + len(shown)} named")

    # A reload shows the same; the next images are others.
    given = dict(naming.read(made).given)
    page.reload()
    said(page, f"{len(given)} named")
    assert naming.read(made).given == given
    before = batch.nth(0).get_attribute("data-id")
    page.locator(".nb-next").click()
    page.wait_for_function(
        "id => !document.querySelector(`.nb-batch [data-id='${id}']`)", arg=before, timeout=SECONDS
    )
    settled(page)

    # The way out: a table, and the labels of the set.
    with page.expect_download(timeout=SECONDS) as downloading:
        page.get_by_role("button", name="Table of all images").click()
    file = tmp_path / "names.csv"
    downloading.value.save_as(file)
    rows = list(csv.DictReader(io.StringIO(file.read_text(encoding="utf-8"))))
    assert len(rows) == IMAGES
    assert {row["id"]: row["label"] for row in rows if row["given"] == "named"} == given
    assert np.mean([row["label"] == ("day", NIGHT)[kind[row["id"]]] for row in rows]) > 0.8
    page.locator(".st-key-naming_apply button").click()
    page.locator(".st-key-naming_do button").click()
    page.get_by_text("images labelled").wait_for(timeout=SECONDS)
    assert {
        e.id: e.label for e in imagesets.open_set(settings.workspace(), "photos").entries if e.label
    } == given
    assert not errors
    page.close()
