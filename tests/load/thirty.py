"""A class at one server: `python tests/load/thirty.py --sessions 30 --seconds 300`.

Starts `sslviz app --server` in a home of its own (with `--alone` as one person does), has one visitor see
every page, starts a training, and then lets the visitors in: each uploads photographs, opens pages, chooses
other things and asks for runs, one action every 5 to 15 seconds. Afterwards they leave, and it is counted
whether anything was lost. The last line but one says whether all that is promised holds: no error, 95 of 100
pages within two seconds, memory back at its level.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import random
import signal
import socket
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.request
from pathlib import Path
from typing import Any

import numpy as np
from visitor import Told, Visitor

ROOT = Path(__file__).resolve().parents[2]
PAGES = (
    "", "images", "rotation", "exemplar", "jigsaw", "location", "train", "runs", "embeddings", "downstream",
    "papers", "shortcuts", "tour",
)  # fmt: skip
GROWN_BYTES = 250_000_000
"""More than before the class came that the server may keep: what it has cached for the next one."""
PAGE_SECONDS = 2.0


def photographs(seed: int, count: int) -> dict[str, bytes]:
    """JPEG files of blobs of colour, 640 × 480, no two alike."""
    from sslviz import images

    draw = np.random.default_rng(seed)
    coarse = draw.integers(0, 256, (count, 12, 16, 3), dtype=np.uint8)
    return {
        f"photo {seed}-{n}.jpg": images.encode_jpeg(one.repeat(40, 0).repeat(40, 1), quality=85)
        for n, one in enumerate(coarse)
    }


async def take_part(number: int, port: int, until: float, told: Told, options: argparse.Namespace) -> None:
    """One pupil's lesson."""
    chance = random.Random(number)
    await asyncio.sleep(chance.uniform(0, options.most))
    visitor = Visitor(port, told)
    try:
        await visitor.open()
        await pause(chance, options)
        await visitor.visit("images", part="add")
        await visitor.write("Into the set", f"class {number}")
        await visitor.upload(photographs(number, options.photographs))
        pages = list(PAGES)
        while time.monotonic() < until:
            await pause(chance, options)
            what = chance.random()
            if what < 0.55:
                if not pages:
                    pages = list(PAGES)
                await visitor.visit(pages.pop(chance.randrange(len(pages))), images=f"class {number}")
            elif what < 0.9:
                await visitor.choose(chance.choice)
            elif what < 0.96:
                await visitor.visit("train", images=f"class {number}")
                if await visitor.press("Start training") and visitor.asked_run():
                    told.runs.add(visitor.asked_run())
            else:
                await visitor.visit("images", part="add")
                await visitor.write("Into the set", f"class {number}")
                seed = 1000 * (number + 1) + chance.randrange(1000)
                await visitor.upload(photographs(seed, options.photographs))
    except Exception as error:
        told.errors.append(f"visitor {number}: {error!r}"[:200])
    finally:
        await visitor.close()


async def pause(chance: random.Random, options: argparse.Namespace) -> None:
    await asyncio.sleep(chance.uniform(options.least, options.most))


async def see_everything(port: int) -> Told:
    """One visitor before the class: what the server imports, it has imported."""
    told = Told()
    visitor = Visitor(port, told)
    await visitor.open()
    for page in PAGES:
        await visitor.visit(page)
        await asyncio.sleep(0.5)
    await visitor.close()
    return told


# The machine


def tree(pid: int) -> set[int]:
    """A process and all that come from it."""
    parents = {}
    for path in Path("/proc").glob("[0-9]*/stat"):
        try:
            parents[int(path.parent.name)] = int(path.read_text().rpartition(")")[2].split()[1])
        except (OSError, ValueError, IndexError):
            continue
    found, new = {pid}, {pid}
    while new:
        new = {child for child, parent in parents.items() if parent in new} - found
        found |= new
    return found


def resident(pids: set[int]) -> int:
    """Bytes of memory that are theirs, what they share counted by its share."""
    total = 0
    for pid in pids:
        try:
            rollup = Path(f"/proc/{pid}/smaps_rollup").read_text()
        except OSError:
            continue
        total += sum(1024 * int(line.split()[1]) for line in rollup.splitlines() if line.startswith("Pss:"))
    return total


async def watch(pid: int, peak: dict[str, int]) -> None:
    """Remember the most memory of the server and of all that it started."""
    while True:
        peak["server"] = max(peak["server"], resident({pid}))
        peak["all"] = max(peak["all"], resident(tree(pid)))
        await asyncio.sleep(2.0)


def serve(home: Path, options: argparse.Namespace) -> tuple[subprocess.Popen[bytes], int]:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    command = [sys.executable, "-m", "sslviz", "app", "--port", str(port), "--no-browser"]
    command += [] if options.alone else ["--server"]
    log = (home / "server.log").open("ab")
    environment = {**os.environ, "SSLVIZ_HOME": str(home), "SSLVIZ_LINGER_SECONDS": "2"}
    process = subprocess.Popen(command, env=environment, cwd=ROOT, stdout=log, stderr=log)
    for _ in range(600):
        try:
            urllib.request.urlopen(f"http://127.0.0.1:{port}/_stcore/health", timeout=2).close()
            return process, port
        except OSError:
            time.sleep(0.1)
    raise SystemExit((home / "server.log").read_text())


def draw() -> Any:
    """A few of the built-in scenes, for there to be images before the class comes."""
    from sslviz import scenes, settings

    return scenes.render_set(settings.workspace(), count=100)


def train(images: Any, minutes: float) -> str:
    """Queue a training on a set; returns its id."""
    from sslviz import jobs
    from sslviz.runs import Spec

    asked = Spec(
        "rotation", images.name, images_id=images.id, fingerprint=images.fingerprint, minutes=minutes
    )
    return jobs.ask(images.workspace, asked).id


def lost(home: Path, told: Told, training: str) -> list[str]:
    """What should be there and is not."""
    from sslviz import imagesets, runs

    found = []
    there = 0
    known: dict[str, Any] = {}
    for workspace in (home / "workspaces").iterdir():
        sets = [one for one in imagesets.names(workspace) if not one.builtin]
        found += [f"set {one.name}: {one.problem}" for one in sets if one.problem]
        there += sum(one.images for one in sets)
        known |= {run.id: run.status() for run in runs.listing(workspace)}
    if there != told.images:
        found.append(f"{told.images} photographs were handed over, {there} are there")
    missing = told.runs - known.keys()
    if missing:
        found.append(f"{len(missing)} of {len(told.runs)} runs are not there")
    bad = [
        id_
        for id_ in (*told.runs, training)
        if id_ in known and known[id_].state in ("lost", "failed", "unreadable")
    ]
    return found + [f"run {id_}: {known[id_].message}" for id_ in bad]


async def read_out(home: Path, told: Told, seconds: float) -> None:
    """Wait until the images that were handed over have been read."""
    from sslviz import imagesets

    until = time.monotonic() + seconds
    while time.monotonic() < until:
        there = sum(
            one.images
            for workspace in (home / "workspaces").iterdir()
            for one in imagesets.names(workspace)
            if not one.builtin
        )
        if there >= told.images:
            return
        await asyncio.sleep(1.0)


async def lesson(home: Path, process: subprocess.Popen[bytes], port: int, options: argparse.Namespace) -> int:
    scenes = draw()
    before = await see_everything(port)
    level = resident({process.pid})
    training = train(scenes, options.seconds / 60 + 1)
    told, peak = Told(errors=before.errors), {"server": 0, "all": 0}
    watching = asyncio.create_task(watch(process.pid, peak))
    until = time.monotonic() + options.seconds
    await asyncio.gather(*(take_part(n, port, until, told, options) for n in range(options.sessions)))
    await read_out(home, told, 120)
    missing = lost(home, told, training)
    watching.cancel()
    after = resident({process.pid})
    left = time.monotonic() + options.settle
    while time.monotonic() < left and after > level + options.grown / 2:
        await asyncio.sleep(5)
        after = resident({process.pid})
    return report(told, missing, peak, level, after, options)


def report(
    told: Told, missing: list[str], peak: dict[str, int], level: int, after: int, options: argparse.Namespace
) -> int:
    """Print the table; returns the exit code."""
    rows = [("", "requests", "p50 s", "p95 s", "most s")]
    for name, seconds in (("pages", told.pages), ("ticks", told.ticks), ("uploads", told.uploads)):
        at = statistics.quantiles(seconds, n=20) if len(seconds) > 1 else [*seconds, 0.0] * 19
        rows.append(
            (name, f"{len(seconds):,}", f"{at[9]:.2f}", f"{at[18]:.2f}", f"{max(seconds, default=0):.2f}")
        )
    for row in rows:
        print("".join(cell.ljust(10) if n == 0 else cell.rjust(10) for n, cell in enumerate(row)))
    print(f"errors    {len(told.errors)}")
    for error in sorted(set(told.errors))[:10]:
        print(f"          {error}")
    print(f"photos    {told.images:,} handed over; runs asked for {len(told.runs)}")
    print(f"lost      {'; '.join(missing) or 'nothing'}")
    memory = [f"{count / 1e6:,.0f}" for count in (level, peak["server"], after, peak["all"])]
    print("memory    server {} MB before, {} at most, {} after; with all it started {}".format(*memory))
    slow = len(told.pages) > 1 and statistics.quantiles(told.pages, n=20)[18] > PAGE_SECONDS
    kept = {
        "no error": not told.errors,
        "95 of 100 pages within 2 s": not slow,
        "nothing lost": not missing,
        "memory back": after <= level + options.grown,
    }
    print("; ".join(f"{name}: {'yes' if held else 'NO'}" for name, held in kept.items()))
    print(json.dumps({"pages": len(told.pages), "errors": len(told.errors), "images": told.images,
                      "runs": len(told.runs), "lost": len(missing), "kept": kept}))  # fmt: skip
    return int(not all(kept.values()))


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--sessions", type=int, default=30, help="visitors at once")
    parser.add_argument("--seconds", type=float, default=300, help="length of the lesson")
    parser.add_argument("--photographs", type=int, default=20, help="in each upload")
    parser.add_argument("--least", type=float, default=5, help="seconds between two actions, at least")
    parser.add_argument("--most", type=float, default=15, help="seconds between two actions, at most")
    parser.add_argument("--settle", type=float, default=180, help="seconds that memory may take to come back")
    parser.add_argument("--grown", type=int, default=GROWN_BYTES, help="bytes that the server may keep more")
    parser.add_argument(
        "--home", type=Path, help="an empty folder; by default one that is removed afterwards"
    )
    parser.add_argument("--alone", action="store_true", help="without --server: all in one workspace")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
        home = options.home or Path(folder)
        home.mkdir(parents=True, exist_ok=True)
        os.environ["SSLVIZ_HOME"] = str(home)
        process, port = serve(home, options)
        try:
            return asyncio.run(lesson(home, process, port, options))
        finally:
            others = tree(process.pid) - {process.pid}
            process.send_signal(signal.SIGINT)
            try:
                process.wait(20)
            except subprocess.TimeoutExpired:
                process.kill()
            for pid in others:
                try:
                    os.kill(pid, signal.SIGTERM)
                except OSError:
                    continue


if __name__ == "__main__":
    sys.exit(main())
