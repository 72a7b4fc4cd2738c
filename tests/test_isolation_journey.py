"""Two browsers at one server: each finds its own again, and neither sees anything of the other."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING

import pytest
from small_runs import pictures

from sslviz import archives, images, journal, workspaces

if TYPE_CHECKING:
    from conftest import Server
    from playwright.sync_api import Browser, BrowserContext, Page

SECONDS = 120_000
PAGES = ("images?part=look", "rotation", "train", "runs", "embeddings")

pytestmark = [pytest.mark.browser, pytest.mark.slow]


@pytest.fixture
def many(monkeypatch: pytest.MonkeyPatch) -> None:
    """The server that starts after this is one for many people."""
    monkeypatch.setenv("SSLVIZ_SERVER", "1")


@pytest.fixture
def class_room(many: None, request: pytest.FixtureRequest) -> Server:
    server: Server = request.getfixturevalue("server")
    return server


def album(name: str, seed: int) -> bytes:
    made = enumerate(pictures(4, 64, seed))
    return archives.pack((f"{name}label/{name}picture{n}.jpg", images.encode_jpeg(one)) for n, one in made)


def settled(page: Page) -> None:
    page.wait_for_selector('[data-testid="stApp"][data-test-script-state="notRunning"]', timeout=SECONDS)
    assert page.locator('[data-testid="stException"]').count() == 0


def token_of(context: BrowserContext) -> str:
    (cookie,) = [one for one in context.cookies() if one["name"] == "sslviz"]
    assert cookie["httpOnly"]
    assert cookie["sameSite"] == "Strict"
    return str(cookie["value"])


def bring(page: Page, server: Server, name: str, seed: int) -> None:
    page.goto(f"{server.url}/images")
    page.locator('input[type="file"]').first.set_input_files(
        {"name": f"{name}.zip", "mimeType": "application/zip", "buffer": album(name, seed)}
    )
    page.get_by_text("4 added").wait_for(timeout=SECONDS)
    settled(page)


def all_of(page: Page) -> str:
    return str(page.content()) + page.url


def test_two_browsers_see_nothing_of_each_other(browser: Browser, class_room: Server) -> None:
    server = class_room
    contexts = [browser.new_context(viewport={"width": 1280, "height": 900}) for _ in range(2)]
    for context in contexts:
        context.set_default_navigation_timeout(SECONDS)
    people = dict(zip(("zqanna", "zqberta"), contexts, strict=True))
    pages = {name: context.new_page() for name, context in people.items()}
    received: dict[str, list[bytes]] = {name: [] for name in people}

    def listen(name: str) -> None:
        def heard(payload: str | bytes) -> None:
            received[name].append(payload if isinstance(payload, bytes) else payload.encode())

        pages[name].on("websocket", lambda socket: socket.on("framereceived", heard))

    for number, (name, page) in enumerate(pages.items()):
        listen(name)
        bring(page, server, name, number)
    tokens = [token_of(context) for context in contexts]
    assert tokens[0] != tokens[1]
    assert "sslviz=" not in pages["zqanna"].evaluate("document.cookie")
    for name, other in (("zqanna", "zqberta"), ("zqberta", "zqanna")):
        for path in PAGES:
            pages[name].goto(f"{server.url}/{path}")
            settled(pages[name])
            assert other not in all_of(pages[name]), f"{name} sees {other} on {path!r}"
        assert name in all_of(pages[name])
        assert received[name], "nothing was heard"
        assert not [one for one in received[name] if other.encode() in one]

    # F5 and another tab find the same again; what is found is not the name of anything on the disk.
    tab = people["zqanna"].new_page()
    tab.goto(f"{server.url}/images?part=look")
    tab.get_by_text("zqannapicture0").first.wait_for(state="attached", timeout=SECONDS)
    there = {path.name for path in (server.home / "workspaces").iterdir()}
    assert {workspaces.of_token(token) for token in tokens} <= there
    assert not there & set(tokens)

    # An address of somebody else's, and cookies that were made up, lead nowhere.
    pages["zqberta"].goto(tab.url)
    settled(pages["zqberta"])
    assert "zqannapicture" not in all_of(pages["zqberta"])
    for forged in (workspaces.of_token(tokens[0]) or "", "local", "../local", tokens[0][:-1] + "!"):
        stranger = browser.new_context()
        stranger.add_cookies([{"name": "sslviz", "value": forged, "url": server.url}])
        stranger.set_default_navigation_timeout(SECONDS)
        page = stranger.new_page()
        page.goto(f"{server.url}/images")
        settled(page)
        page.get_by_text("Add your own").first.wait_for(timeout=SECONDS)
        assert not re.search("zqanna|zqberta", all_of(page))
        stranger.close()

    # One leaves: nothing of hers stays, and the other keeps everything.
    tab.goto(f"{server.url}/images")
    tab.get_by_role("button", name="Delete all my data").click(timeout=SECONDS)
    tab.locator('[role="dialog"]').get_by_role("button", name="Delete all my data").click(timeout=SECONDS)
    tab.get_by_text("All your data is deleted").first.wait_for(timeout=SECONDS)
    settled(tab)
    assert "zqanna" not in all_of(tab)
    for path in server.home.rglob("*"):
        if path.is_file() and path.name != "server.log":
            assert b"zqanna" not in path.read_bytes(), path
    pages["zqberta"].goto(f"{server.url}/images?part=look")
    pages["zqberta"].get_by_text("zqbertapicture0").first.wait_for(state="attached", timeout=SECONDS)
    events = [json.loads(line)["event"] for line in journal.path().read_text().splitlines()]
    assert events.count("workspace deleted") == 1
    for context in contexts:
        context.close()
