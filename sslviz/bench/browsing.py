"""The embeddings page in a browser: how soon the map is there, and how soon it answers.

The pictures and their features are made up, so that what is timed is the page.
"""

from __future__ import annotations

import statistics
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from safetensors.torch import save

from sslviz import imagesets, model, runs, sprites
from sslviz.bench import chromium
from sslviz.bench.looking import cloud
from sslviz.embeddings import SOURCES, computing, find, stored
from sslviz.embeddings.computing import Looked
from sslviz.errors import UserError
from sslviz.imagesets import ImageSet, NewImage
from sslviz.runs import Run

if TYPE_CHECKING:
    from playwright.sync_api import Page

IMAGES, LASSOED = 5_000, 10_000
PROMISED = {"map_cold": 4.0, "map": 1.5, "map_hover": 0.02, "map_lasso": 1.5, "map_blocked": 0.2}
"""Seconds."""


def measure(workspace: Path) -> dict[str, dict[str, Any]]:
    """Seconds to the first picture of a map of 5,000 images whose features are there, in a new tab and when
    the page is turned to; from the pointer to the ring around a point; from a lasso of 10,000 points to their
    gallery; and the longest that the server left another one waiting meanwhile. Each beside what is promised,
    the last also beside a server that does nothing: the browser that draws takes both of two cores.

    Empty without a browser to measure in.
    """
    if not chromium.is_there():
        return {}
    run = _run(workspace)
    for count, name in ((IMAGES, "few"), (LASSOED, "many")):
        _embedded(run, _pictures(workspace, name, count))
    with chromium.server() as url, chromium.opened() as page:
        page.add_init_script(WATCH)
        with _bare() as nobody, _knocking(nobody) as idle, _knocking(url) as waits:
            taken = _look(page, f"{url}/embeddings?run={run.id}", waits, idle)
    found: dict[str, dict[str, Any]] = {
        name: {"seconds": taken[name], "bound": bound, "bound_is": "what is promised"}
        for name, bound in PROMISED.items()
    }
    bare = taken["bare"]
    found["map_blocked"] |= {
        "bare_seconds": bare,
        "bound_is": f"what is promised; a server that does nothing: {bare:.3f}",
    }
    return found


def _look(page: Page, url: str, waits: list[float], idle: list[float]) -> dict[str, float]:
    taken = {}
    page.goto(f"{url}&images=few")  # whoever opens the server first waits for its imports
    _drawn(page)
    chromium.quiet()
    page.goto("about:blank")
    waits.clear()
    idle.clear()
    page.goto(f"{url}&images=few")
    _drawn(page)
    taken["map_cold"] = _painted(page)
    _settled(page)
    page.get_by_role("link", name="Start", exact=True).first.click()
    page.locator(".em").first.wait_for(state="detached", timeout=chromium.MILLISECONDS)
    _settled(page)
    page.get_by_role("link", name="Embeddings", exact=True).first.click()
    _drawn(page)
    taken["map"] = _painted(page)
    _settled(page)
    taken["map_hover"] = _hovered(page)
    page.goto(f"{url}&images=many")
    _drawn(page)
    _settled(page)
    taken["map_lasso"] = _lassoed(page)
    return taken | {"map_blocked": max(waits), "bare": max(idle)}


WATCH = """
globalThis.began = 0; // of the tab, or the last click
addEventListener("click", () => { began = performance.now(); painted = null; }, true);
globalThis.painted = null;
const asked = new Set();
const frame = () => new Promise(requestAnimationFrame);
const shown = async (what, decode) => {
  const since = began;
  if (asked.has(what + since)) return;
  asked.add(what + since);
  if (decode) await decode().then(frame);
  await frame();
  if (since === began) painted ??= performance.now() - began;
};
new MutationObserver(() => {
  if (painted !== null) return;
  const state = document.querySelector(".em")?.dataset.state;
  const picture = document.querySelector(".sv-points img");
  const seen = picture?.checkVisibility({ visibilityProperty: true }) && picture.clientHeight;
  if (seen) shown("picture", () => picture.decode());
  if (state && state !== "waiting") shown("map");
}).observe(document, { subtree: true, childList: true, attributes: true, attributeFilter: ["data-state"] });
"""
"""The browser's own clock, at the frame that shows the points as the map draws them, or after their first
picture was decoded, whichever is earlier: whoever asks from outside is answered when the browser has nothing
else to do."""


def _painted(page: Page) -> float:
    """Seconds until the points were there to be seen."""
    page.wait_for_function("globalThis.painted > 0", timeout=chromium.MILLISECONDS)
    return float(page.evaluate("painted")) / 1000


def _drawn(page: Page) -> None:
    """They answer as well."""
    page.wait_for_selector('.em[data-state="ready"]', timeout=chromium.MILLISECONDS)


def _settled(page: Page) -> None:
    """All thumbnails of the map are there, where there is one, and nothing is under way."""
    page.wait_for_function(
        """each => {
            const plot = document.querySelector(".em-plot");
            const sets = [...(globalThis.sslvizSprites?.values() ?? [])];
            const wanted = plot && Math.ceil(plot.data[0].x.length / each);
            return !plot || sets.some((set) => set.sheets.filter(Boolean).length >= wanted);
        }""",
        arg=sprites.EACH,
        timeout=chromium.MILLISECONDS,
    )
    page.wait_for_selector(
        '[data-testid="stApp"][data-test-script-state="notRunning"]', timeout=chromium.MILLISECONDS
    )
    page.wait_for_timeout(500)


def _hovered(page: Page) -> float:
    """Seconds from a pointer that has moved to the ring around the point under it: the median of many."""
    page.evaluate(
        """() => {
            const ring = document.querySelector('.em-ring');
            globalThis.taken = [];
            let moved = null;
            addEventListener('pointermove', (event) => (moved ??= event.timeStamp), true);
            new MutationObserver(() => {
                if (moved !== null && 'shown' in ring.dataset) taken.push(performance.now() - moved);
                moved = null;
            }).observe(ring, { attributes: true, attributeFilter: ['style'] });
        }"""
    )
    for row in range(0, 4 * IMAGES // 5, max(1, IMAGES // 25)):
        page.mouse.move(*_spot(page, row))
        page.wait_for_timeout(120)
    taken = page.evaluate("taken")
    if not taken:
        raise UserError("No point was found under the pointer.", "Is the browser's window covered?")
    return float(statistics.median(taken)) / 1000


def _spot(page: Page, row: int) -> tuple[float, float]:
    x, y = page.evaluate(
        """row => {
            const plot = document.querySelector('.em-plot'), { xaxis, yaxis } = plot._fullLayout;
            const box = plot.getBoundingClientRect(), { x, y } = plot.data[0];
            return [box.x + xaxis._offset + xaxis.l2p(x[row]), box.y + yaxis._offset + yaxis.l2p(y[row])];
        }""",
        row,
    )
    return x, y


def _lassoed(page: Page) -> float:
    """Seconds from the end of a rectangle around all points to the gallery of their images."""
    page.locator('[data-tool="select"]').click()
    box = page.locator(".em-frame").bounding_box()
    assert box is not None
    page.mouse.move(box["x"] + 8, box["y"] + 60)
    page.mouse.down()
    page.mouse.move(box["x"] + box["width"] - 8, box["y"] + box["height"] - 8, steps=6)
    began = time.perf_counter()
    page.mouse.up()
    page.locator(".st-key-map_gallery .er button").first.wait_for(timeout=chromium.MILLISECONDS)
    return time.perf_counter() - began


def _run(workspace: Path) -> Run:
    """A run that has been trained, as far as its folder tells."""
    spec = runs.Spec(task="rotation", images="few", size=32, side=32, view=32, classes=4)
    run = runs.create(workspace, spec)
    run.save_checkpoint(1, {"model.safetensors": save(model.build("small", 1, 4, 32, 0).state_dict())})
    run.set_status(state="done", classes=4, step=1, steps=1)
    return run


def _pictures(workspace: Path, name: str, count: int) -> ImageSet:
    draws = np.random.default_rng(0)
    made = imagesets.create(workspace, name)
    made.add(
        NewImage(
            f"{row}.png",
            pixels=draws.integers(0, 256, (4, 4, 3), dtype=np.uint8).repeat(10, 0).repeat(10, 1),
            label=f"group {row % 10}",
        )
        for row in range(count)
    )
    return made


def _embedded(run: Run, images: ImageSet) -> None:
    """Features that are made up, with all that the page reads of them."""
    blocks = [*model.build("small", 1, 4, 32, 0).encoder.blocks]
    for number, source in enumerate(SOURCES):
        names = ["pixels"] if source == "pixels" else blocks
        features = {name: cloud(len(images), 256, 10 + number + place) for place, name in enumerate(names)}
        computing.store(run, images, source, Looked(features))
        for name in names:
            one = find(run, images, source, name)
            assert one is not None
            points = one.layout("pca")
            assert points is not None
            stored.write_layout(one, "umap", points, 0.5)
    stored.write_answers(run, images, None)
    sprites.sheets(images)


BARE = """
import asyncio

async def answer(reader, writer):
    await reader.readuntil(b"\\r\\n\\r\\n")
    writer.write(b"HTTP/1.1 200 OK\\r\\nContent-Length: 2\\r\\nConnection: close\\r\\n\\r\\nok")
    await writer.drain()
    writer.close()

async def serve():
    server = await asyncio.start_server(answer, "127.0.0.1", 0)
    print(server.sockets[0].getsockname()[1], flush=True)
    await server.serve_forever()

asyncio.run(serve())
"""


@contextmanager
def _bare() -> Iterator[str]:
    """The address of a server that answers and does nothing else."""
    process = subprocess.Popen(
        [sys.executable, "-c", BARE], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
    )
    try:
        assert process.stdout is not None
        yield f"http://127.0.0.1:{int(process.stdout.readline())}"
    finally:
        process.kill()
        process.communicate()


@contextmanager
def _knocking(url: str) -> Iterator[list[float]]:
    """Somebody else who asks the server for something small again and again: how long each answer took."""
    waits: list[float] = []
    over = threading.Event()

    def knock() -> None:
        while not over.wait(0.02):
            began = time.perf_counter()
            if chromium.answers(url):
                waits.append(time.perf_counter() - began)

    thread = threading.Thread(target=knock, daemon=True)
    thread.start()
    try:
        yield waits
    finally:
        over.set()
        thread.join()
