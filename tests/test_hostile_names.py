"""Names that would be something else if anybody read them: every page shows them as they are written."""

from __future__ import annotations

import contextlib
import json
import shutil
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from sslviz import archives, cli, encoders, images, imagesets, runs, scenes, settings
from sslviz.files import write_json
from sslviz.imagesets import NewImage
from sslviz.visible import visible

if TYPE_CHECKING:
    from conftest import Server
    from playwright.sync_api import Browser, Page

SECONDS = 240_000
IMAGES = 16
SET = "<img src=x onerror=pwned=1> ![i](x) :red[LEAKRED] $LEAKTEX$ **LEAKBOLD**"
NAME = (
    "<img src=x onerror=pwned=1><script>pwned=1</script>![LEAKIMG](http://evil.example/p.png)"
    "[LEAKLINK](http://evil.example/l) http://evil.example/auto www.evil.example '\"> $LEAKTEX$ {n}.jpg"
)
LABELS = (
    "<b>LEAKB</b><img src=x onerror=pwned=1> ![i](http://evil.example/q) %{x}",
    "=cmd() <a href='http://evil.example/a'>LEAKA</a> :red[LEAKRED] `LEAKCODE`",
)
TITLE = f"{LABELS[0]} {LABELS[1]}"
ADDRESSES = (
    "",
    "images",
    "images?part=look",
    "rotation",
    "rotation?view=play",
    "rotation?view=network",
    "exemplar",
    "exemplar?view=transforms",
    "jigsaw",
    "jigsaw?view=permutations",
    "location",
    "shortcuts",
    "train",
    "train?run={run}",
    "runs",
    "runs?run={run},{other}",
    "embeddings?run={run}&view=beside",
    "embeddings?run={run}&view=film",
    "embeddings?run={run}&view=inside",
    "embeddings?run={run}&view=invariance",
    "embeddings?run={run}&image={image}",
    "downstream?run={run}",
    "downstream?run={run}&view=masks",
    "downstream?run={run}&view=boxes",
    "downstream?run={run}&view=name",
    "downstream?run={run}&view=tasks",
    "downstream?run={run}&view=scatter",
    "papers",
    "tour",
    "images?images=%3Cimg%20src%3Dx%20onerror%3Dpwned%3D1%3E![LEAKIMG](http://evil.example/p.png)",
    "train?run=![LEAKIMG](http://evil.example/p.png)",
)
"""Every page, and every view of it that shows a name."""
LEAKS = """() => {
    const found = [...document.querySelectorAll(
        'img[src*="evil"], img[src="x"], a[href*="evil"], [onerror], iframe[src*="evil"]')];
    for (const one of document.querySelectorAll('body *')) {
        if (!one.children.length && /^LEAK[A-Z]+$/.test((one.textContent ?? '').trim())) found.push(one);
    }
    for (const one of document.querySelectorAll('.katex')) {
        if (one.textContent.includes('LEAK')) found.push(one);
    }
    return found.map((one) => one.outerHTML.slice(0, 300));
}"""
"""What would be there if a name had been taken for Markdown, HTML or TeX."""


def test_a_terminal_is_told_nothing(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Colours, titles of windows, a bell, another direction: none of it comes out of a name."""
    evil = "\x1b[31m\x1b]0;title\x07\u202e\r\u2028.jpg"
    folder = tmp_path / "photos"
    folder.mkdir()
    (folder / f"good{evil}").write_bytes(images.encode_jpeg(scenes.scene(0).pixels))
    (folder / f"bad{evil}").write_bytes(b"nothing")
    commands = (
        ["images", "add", "mine", str(folder)],
        ["images", "add", f"mine{evil}", str(folder)],
        ["images", "add", "mine", str(folder / f"none{evil}")],
        ["images", "add", "mine", str(folder), f"--none{evil}"],
        ["images", "label", "mine", f"table{evil}"],
        ["images", "delete", f"none{evil}"],
        ["train", f"none{evil}", "--images", f"none{evil}"],
        ["runs", "show", f"none{evil}"],
    )
    for command in commands:
        cli.run(command)
        said = capsys.readouterr()
        told = said.out + said.err
        assert told.strip()
        assert visible(told, keep="\n") == told, command
    cli.run(["images", "add", "mine", str(folder), "--json"])
    told = capsys.readouterr().out
    assert told.isascii()
    assert json.loads(told)["skipped"][0]["name"].startswith("bad�[31m")


def make_home(workspace: Path) -> tuple[str, str, str]:
    """A set, an image of it, and two runs with weights, all called what they should not be."""
    made = imagesets.create(workspace, SET)
    made.add(
        NewImage(
            NAME.format(n=number), pixels=scenes.scene(number).pixels, label=LABELS[number % 2], source=NAME
        )
        for number in range(IMAGES)
    )
    bundled = Path(encoders.__file__).parent / "rotation0000"
    called = []
    for id_ in ("hostile00001", "hostile00002"):
        folder = workspace / "runs" / id_
        shutil.copytree(bundled, folder)
        spec = json.loads((folder / "spec.json").read_text())
        write_json(
            folder / "spec.json",
            spec | {"images": SET, "images_id": made.id, "fingerprint": made.fingerprint},
        )
        run = runs.open_run(workspace, id_)
        run.describe(title=f"{id_[-1]} {TITLE}", note=TITLE)
        called.append(run.id)
    return made.ids[0], called[0], called[1]


def settled(page: Page) -> None:
    """Wait for the page's script; where one looks at its job again and again, no longer than a while."""
    page.locator("h1").first.wait_for(timeout=SECONDS)
    with contextlib.suppress(Exception):
        page.wait_for_selector('[data-testid="stApp"][data-test-script-state="notRunning"]', timeout=20_000)
    page.wait_for_timeout(500)


def watched(browser: Browser, asked: set[str], opened: list[str]) -> Page:
    """A page whose every request and every dialog is noted."""
    page = browser.new_page(viewport={"width": 1280, "height": 1000})
    page.on("request", lambda one: asked.add(one.url))
    page.on("dialog", lambda one: (opened.append(one.message), one.dismiss()))
    return page


def leaks(page: Page, where: str) -> list[tuple[str, str]]:
    """What is wrong with the page as it stands, each with `where` that is."""
    found = [(where, one) for one in page.evaluate(LEAKS)]
    if page.evaluate("() => window.pwned") is not None:
        found.append((where, "a script ran"))
    exceptions = page.locator('[data-testid="stException"]').all_inner_texts()
    return found + [(where, text) for text in exceptions]


@pytest.mark.slow
@pytest.mark.browser
def test_names_are_shown_as_they_are_written(browser: Browser, server: Server) -> None:
    """No page asks anybody for anything, runs anything, or shows a name as anything but a name."""
    image, run, other = make_home(settings.workspace())
    asked: set[str] = set()
    opened: list[str] = []
    page = watched(browser, asked, opened)
    page.goto(f"{server.url}/images?part=look")
    settled(page)
    page.get_by_text(NAME[:20]).first.wait_for(timeout=SECONDS)
    found = leaks(page, "images")
    for address in ADDRESSES:
        page.goto(f"{server.url}/{address.format(run=run, other=other, image=image)}")
        settled(page)
        found += leaks(page, address)

    # The map: every image under the pointer, its card, its legend, and its neighbours at a click.
    page.close()
    page = watched(browser, asked, opened)
    page.goto(f"{server.url}/embeddings?run={run}&projection=pca")
    page.wait_for_selector('.em[data-state="ready"]', timeout=2 * SECONDS)
    settled(page)
    found += hover(page)
    page.locator(".em").get_by_text(NAME[:20]).first.wait_for(timeout=SECONDS)
    found += leaks(page, "map")
    page.mouse.down()
    page.mouse.up()
    page.get_by_text("Nearest neighbours").first.wait_for(timeout=SECONDS)
    settled(page)
    found += leaks(page, "neighbours")

    # An upload whose every name is meant to do harm.
    page.goto(f"{server.url}/images")
    settled(page)
    inner = "<img src=x onerror=pwned=1>![LEAKIMG](http:evil.example)"
    packed = archives.pack(
        [
            (f"{inner}/{inner}.jpg", images.encode_jpeg(scenes.scene(99).pixels)),
            (f"{inner}/{inner}.txt", b"no image"),
            (f"{inner}/\u202e\x1b[31mbad.jpg", b""),
        ]
    )
    page.locator('input[type="file"]').first.set_input_files(
        {"name": f"=1+1{inner.replace('/', '')}.zip", "mimeType": "application/zip", "buffer": packed}
    )
    page.get_by_text("1 added").wait_for(timeout=SECONDS)
    settled(page)
    found += leaks(page, "upload")
    assert found == []
    assert not opened
    assert {url for url in asked if not url.startswith((server.url, "data:", "blob:"))} == set()
    log = (server.home / "server.log").read_text(errors="replace")
    assert visible(log, keep="\n") == log
    page.close()


def hover(page: Page) -> list[tuple[str, str]]:
    """Put the pointer on points of the map in turn, leave it on the last, and say what leaks."""
    found = []
    page.locator(".em-plot").scroll_into_view_if_needed()
    for number in range(IMAGES // 2):
        place = page.evaluate(
            """number => {
                const plot = document.querySelector('.em-plot'), { xaxis, yaxis } = plot._fullLayout;
                const box = plot.getBoundingClientRect();
                const { x, y } = plot.data.find((trace) => trace.x?.length > number) ?? plot.data[0];
                const at = Math.min(number, x.length - 1);
                return [box.x + xaxis._offset + xaxis.l2p(x[at]), box.y + yaxis._offset + yaxis.l2p(y[at])];
            }""",
            number,
        )
        page.mouse.move(place[0] - 30, place[1] - 20)
        page.mouse.move(*place, steps=4)
        page.wait_for_selector(".em-card[data-shown]", timeout=10_000)
        found += leaks(page, f"point {number}")
    return found
