"""The boards in Chromium: turned, dragged, pointed at and picked, with the mouse, a finger and keys alone."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import TYPE_CHECKING

import numpy as np
import pytest
from served import served

from sslviz.ui.pictures import pixels_uri
from sslviz.ui.play_board import Board

if TYPE_CHECKING:
    from conftest import Server
    from playwright.sync_api import Browser, Page

ORDER = [4, 0, 7, 2, 8, 1, 5, 3, 6]
"""Slot i shows tile `ORDER[i]`."""

SCRIPT = """
import streamlit as st
from test_play_board import board
from sslviz.ui.play_board import play_board
state = st.session_state
number = state.setdefault("number", 0)

def heed(answer, seconds):
    state.said = f"answer={answer} timed={0 < seconds < 600}."
    state.number += 1

play_board(board(st.query_params["task"], number), key="board", on_answer=heed)
st.write(state.get("said", "nothing"), f"round={state.number}")
"""


def board(task: str, number: int) -> Board:
    views = {"rotation": 1, "jigsaw": 9, "location": 2, "exemplar": 1}[task]
    drawn = [pixels_uri(np.full((8, 8, 3), 25 * n + 20, np.uint8)) for n in range(9)]
    choices = {"rotation": 4, "jigsaw": 64, "location": 8, "exemplar": 6}[task]
    return Board(
        f"{task} {number}", task, drawn[:views], drawn[:6] if task == "exemplar" else [], choices, 0.5
    )


@pytest.fixture(scope="module")
def address(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with served(tmp_path_factory.mktemp("board"), SCRIPT) as url:
        yield url


def opened(browser: Browser, address: str, task: str) -> Page:
    page = browser.new_context(viewport={"width": 390, "height": 844}, has_touch=True).new_page()
    page.on("pageerror", lambda error: pytest.fail(str(error)))
    page.goto(f"{address}/?task={task}")
    page.locator('.pb[data-state="playing"]').wait_for(timeout=60_000)
    assert page.evaluate("document.scrollingElement.scrollWidth") <= 390
    return page


def said(page: Page, answer: object, number: int = 1) -> None:
    page.get_by_text(f"answer={answer} timed=True. round={number}").wait_for(timeout=30_000)


def lie(page: Page) -> list[int]:
    """By cell, the slot whose tile lies there."""
    return [
        int(slot) for slot in page.locator(".pb-tile").evaluate_all("all => all.map(one => one.dataset.slot)")
    ]


def wrong(page: Page) -> tuple[int, int] | None:
    """A cell that shows another tile than its own, and where its own lies; None where all is in order."""
    now = [ORDER[slot] for slot in lie(page)]
    return next(((cell, now.index(cell)) for cell in range(9) if now[cell] != cell), None)


SOLVED = tuple(ORDER.index(cell) for cell in range(9))


@pytest.mark.browser
def test_a_jigsaw_is_solved_by_dragging(browser: Browser, address: str) -> None:
    page = opened(browser, address, "jigsaw")
    assert lie(page) == list(range(9))
    middle = (
        "one => { const b = one.getBoundingClientRect(); return [b.x + b.width / 2, b.y + b.height / 2]; }"
    )
    while pair := wrong(page):
        to, at = (page.locator(".pb-tile").nth(cell).evaluate(middle) for cell in pair)
        page.mouse.move(*at)
        page.mouse.down()
        page.mouse.move(*to, steps=4)
        page.mouse.up()
    # A tile that is let go outside of the board lies where it was.
    page.mouse.move(*to)
    page.mouse.down()
    page.mouse.move(380, 800, steps=3)
    page.mouse.up()
    assert wrong(page) is None
    page.get_by_role("button", name="That is the picture").click()
    said(page, SOLVED)
    # The next round begins with a board of its own.
    page.locator('.pb[data-state="playing"]').wait_for()
    assert lie(page) == list(range(9))
    # A tap picks up, another puts down.
    page.locator(".pb-tile").nth(0).tap()
    page.locator(".pb-tile").nth(5).tap()
    assert lie(page) == [5, 1, 2, 3, 4, 0, 6, 7, 8]


@pytest.mark.browser
def test_a_jigsaw_is_solved_with_keys_alone(browser: Browser, address: str) -> None:
    page = opened(browser, address, "jigsaw")
    at = 0  # where the focus is to begin with

    def walk(to: int) -> None:
        nonlocal at
        for key, steps in (("Down", to // 3 - at // 3), ("Right", to % 3 - at % 3)):
            for _ in range(abs(steps)):
                page.keyboard.press(f"Arrow{key if steps > 0 else {'Down': 'Up', 'Right': 'Left'}[key]}")
        at = to
        assert page.evaluate(FOCUSED) == to

    for key in ("Enter", " "):
        page.keyboard.press(key)
        assert page.locator('.pb-tile[aria-pressed="true"]').count() == 1
        page.keyboard.press("Escape")
        assert page.locator('.pb-tile[aria-pressed="true"]').count() == 0
    while pair := wrong(page):
        walk(pair[1])
        page.keyboard.press("Enter")
        walk(pair[0])
        page.keyboard.press(" ")
        spoken = page.locator(".pb-live").inner_text()
        assert re.fullmatch(r"Tile \d put to row \d, column \d; tile \d went to row \d, column \d\.", spoken)
    page.keyboard.press("Tab")
    page.keyboard.press("Enter")
    said(page, SOLVED)


FOCUSED = """() => {
    let one = document.activeElement;
    while (one.shadowRoot?.activeElement) one = one.shadowRoot.activeElement;
    return [...one.parentElement.children].indexOf(one);
}"""


@pytest.mark.browser
def test_a_picture_is_turned_by_click_and_key(browser: Browser, address: str) -> None:
    page = opened(browser, address, "rotation")
    page.get_by_role("button", name="Turn left").click()
    page.get_by_role("button", name="This way is up").click()
    said(page, 3)
    page.locator('.pb[data-state="playing"]').wait_for()
    for key in ("ArrowRight", "ArrowRight", "ArrowRight", "ArrowLeft", "Enter"):
        page.keyboard.press(key)
    said(page, 2, 2)


@pytest.mark.browser
@pytest.mark.parametrize(
    ("task", "name", "answer"), [("location", "below left", 5), ("exemplar", "Patch 4", 3)]
)
def test_a_place_and_a_patch_are_chosen(
    browser: Browser, address: str, task: str, name: str, answer: int
) -> None:
    page = opened(browser, address, task)
    assert page.locator(".pb-done").is_disabled()
    page.get_by_role("radio", name=name, exact=True).tap()
    page.locator(".pb-done").tap()
    said(page, answer)
    page.locator('.pb[data-state="playing"]').wait_for()
    # From above to the right, down, and over the middle, where nothing can be put; of patches the fourth.
    for key in ("ArrowRight", "ArrowDown", "ArrowLeft", "Enter", "Enter"):
        page.keyboard.press(key)
    said(page, 3, 2)


@pytest.mark.browser
@pytest.mark.slow
def test_five_rounds_against_a_run(browser: Browser, server: Server) -> None:
    from answering import SIDE, trained
    from small_runs import make_set

    run = trained(make_set("some", count=20, side=SIDE), "rotation")
    page = browser.new_page(viewport={"width": 1280, "height": 900})
    page.goto(f"{server.url}/rotation?view=play&images=some&run={run.id}")
    page.get_by_role("button", name="Start").click(timeout=90_000)
    for place in range(5):
        page.locator('.pb[data-state="playing"]').wait_for(timeout=90_000)
        page.get_by_text(f"Round {place + 1} of 5").first.wait_for()
        for _ in range(place % 4):
            page.keyboard.press("ArrowRight")
        page.keyboard.press("Enter")
        page.locator(".an-beside figure").nth(2).wait_for(timeout=90_000)
        marks = page.locator(".an-score .an-marks span")
        marks.nth(2 * place + 1).wait_for(timeout=90_000)
        assert marks.count() == 2 * (place + 1)
        page.get_by_role("button", name="See how it went" if place == 4 else "Next round").click()
    page.get_by_role("button", name="Another game").click(timeout=90_000)
    page.get_by_text("This is game 2").wait_for(timeout=90_000)
    assert "game=2" in page.url
    page.get_by_role("button", name="Start").click()
    page.locator('.pb[data-state="playing"]').wait_for(timeout=90_000)
