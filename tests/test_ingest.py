"""From files, folders and zips to a set: every file is accounted for, and none can hurt the others."""

from __future__ import annotations

import ast
import contextlib
import errno
import io
import os
import shutil
import subprocess
import sys
import threading
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from bad_files import file_of, scene
from PIL import Image

from sslviz import archives, files, imagesets, ingest, settings
from sslviz.errors import UserError
from sslviz.files import writing
from sslviz.images import Stored, remarks
from sslviz.images.pool import decode_all
from sslviz.imagesets import ImageSet, NewImage
from sslviz.imagesets.packs import Pack
from sslviz.ingest.sources import listing
from sslviz.splits import PICTURES, for_testing, label_names, training_first


def png(seed: int, side: int = 40, kind: str = "PNG") -> bytes:
    out = io.BytesIO()
    pixels = np.random.default_rng(seed).integers(0, 256, (side, side + 2, 3), dtype=np.uint8)
    Image.fromarray(pixels).save(out, kind)
    return out.getvalue()


def tree(folder: Path, *names: str) -> Path:
    """Files below `folder`, a different image in each; those that are no image hold text."""
    for seed, name in enumerate(names):
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(png(seed) if name.endswith((".png", ".jpg")) else b"some text")
    return folder


def zipped(folder: Path, path: Path) -> Path:
    with zipfile.ZipFile(path, "w") as archive:
        for file in sorted(folder.rglob("*")):
            if file.is_file():
                archive.write(file, file.relative_to(folder).as_posix())
    return path


@pytest.fixture
def workspace() -> Path:
    return settings.workspace()


@pytest.fixture
def photos(workspace: Path) -> ImageSet:
    return imagesets.create(workspace, "photos")


LABELS = {
    "classes": (["cat/1.png", "dog/2.png"], ["cat", "dog"]),
    "a shared top": (["pets/cat/1.png", "pets/dog/2.png"], ["cat", "dog"]),
    "splits": (["train/cat/1.png", "val/cat/2.png", "Test/dog/3.png"], ["cat", "cat", "dog"]),
    "splits alone": (["train/1.png", "val/2.png", "test/3.png"], [None, None, None]),
    "a top and splits": (["d/train/cat/1.png", "d/images/dog/2.png", "d/3.png"], ["cat", "dog", None]),
    "one split": (["train/cat/1.png", "train/dog/2.png"], ["cat", "dog"]),
    "deep": (["cat/black/1.png", "dog/a/b/2.png", "3.png"], ["cat", "dog", None]),
    "one folder": (["photos/1.png", "photos/2.png"], [None, None]),
    "no folder": (["1.png", "2.png"], [None, None]),
    "a file beside": (
        ["data/rose/1.JPG", "data/tulip/2.jpg", "data/README.txt", "LICENSE", "docs/use/how.md"],
        ["rose", "tulip", None, None, "docs"],
    ),
    "one folder and a file beside": (["rose/1.png", "rose/2.png", "README"], [None, None, None]),
    "two that wrap": (["t1/data/rose/1.png", "t1/data/tulip/2.png", "t1/x.txt"], ["rose", "tulip", None]),
    "three that wrap": (["r-main/a/b/cat/1.png", "r-main/a/b/dog/more/2.png"], ["cat", "dog"]),
    "two that wrap one class": (["r-main/data/cat/1.png", "r-main/data/cat/2.png"], ["cat", "cat"]),
    "an image beside": (["t/data/cat/1.png", "t/data/dog/2.png", "t/3.png"], ["data", "data", None]),
    "wrapped splits": (["t/data/train/cat/1.png", "t/data/test/cat/2.png"], ["cat", "cat"]),
    "no endings": (["data/cat/1", "data/dog/2"], ["cat", "dog"]),
    "some endings": (
        ["t/data/cat/1.png", "t/data/dog/2.png", "t/data/cat/3", "t/4"],
        ["cat", "dog", "cat", None],
    ),
    "hostile": (["../../etc/1.png", "C:\\cat\\2.png", "/./dog/3.png", ""], ["etc", "cat", "dog", None]),
}


@pytest.mark.parametrize("case", LABELS)
def test_folders_are_labels(case: str) -> None:
    names, labels = LABELS[case]
    assert label_names(names) == labels
    assert set(remarks.KINDS) == PICTURES


@pytest.mark.parametrize(
    ("names", "tested"),
    [
        (["test/a/1.png", "train/a/2.png", "val/a/3.png"], [0]),
        (["d\\TEST\\a\\1.png", "d/train/a/2.png"], [0]),
        (["train/a/1.png", "val/a/2.png", "b/3.png"], [1]),
        (["train/test/1.png", "test/train/2.png"], [1]),
        (["images/test/1.png", "images/a/2.png"], [0]),
        (["test/a/1.png", "test/b/2.png"], []),  # all there is: nothing would be left to train on
        (["cat/test.png", "dog/2.png", ""], []),
        ([], []),
    ],
)
def test_folders_for_testing_are_told_and_come_last(names: list[str], tested: list[int]) -> None:
    assert for_testing(names) == [place in tested for place in range(len(names))]
    others = [place for place in range(len(names)) if place not in tested]
    assert training_first(names) == others + tested


@pytest.mark.parametrize("kind", ["folder", "zip", "bytes", "staged"])
def test_a_tree_of_photographs(kind: str, photos: ImageSet, tmp_path: Path) -> None:
    """The same tree by any way gives the same set; what is skipped is named, junk is not."""
    folder = tree(
        tmp_path / "pets",
        "train/cat/1.png",
        "train/cat/10.png",
        "test/dog/2.png",
        "3.png",
        "train/cat/notes.txt",
    )
    tree(folder, ".DS_Store", "__MACOSX/._1.png", "Thumbs.db", ".git/config")
    sources: list[Any] = [folder]
    if kind == "zip":
        sources = [zipped(folder, tmp_path / "pets.zip")]
    elif kind == "bytes":
        sources = [(path.relative_to(folder).as_posix(), path.read_bytes()) for path in _files(folder)]
    elif kind == "staged":
        sources = [(path.relative_to(folder).as_posix(), path) for path in _files(folder)]
    seen: list[tuple[int, int]] = []
    found = ingest.ingest(photos, sources, report=lambda done, total: seen.append((done, total)), processes=1)
    assert (found.added, found.duplicates) == (4, 0)
    assert [(name, reason.split(" (")[0]) for name, reason in found.skipped] == [
        ("train/cat/notes.txt", "is not an image we can read")
    ]
    assert found.labels == {"cat": 2, "dog": 1}
    assert set(photos.names) == {"train/cat/1.png", "train/cat/10.png", "test/dog/2.png", "3.png"}
    assert seen[0] == (1, 5)
    assert seen[-1] == (5, 5)
    assert {entry.source for entry in photos.entries} == {
        "folder": {"pets"}, "zip": {"pets.zip"}, "bytes": {""}, "staged": {""}
    }[kind]  # fmt: skip
    again = ingest.ingest(photos, sources, processes=1)
    assert (again.added, again.duplicates, len(again.skipped)) == (0, 4, 1)


def _files(folder: Path) -> list[Path]:
    return sorted(path for path in folder.rglob("*") if path.is_file())


def test_the_order_is_that_of_the_names_however_many_decode(workspace: Path, tmp_path: Path) -> None:
    folder = tree(tmp_path / "many", *(f"{number}.png" for number in range(40)))
    for processes in (1, 3):
        made = imagesets.create(workspace, f"by {processes}")
        ingest.ingest(made, [folder], processes=processes)
        assert made.names == [f"{number}.png" for number in range(40)]
        assert made.ids == imagesets.open_set(workspace, "by 1").ids


def test_every_bad_file_has_its_reason_and_costs_nobody_else(photos: ImageSet, tmp_path: Path) -> None:
    inner = zipped(tree(tmp_path / "in", "a.png"), tmp_path / "inner.zip")
    folder = tree(tmp_path / "all", "good.png")
    shutil.copy(inner, folder / "nested.zip")
    (folder / "empty.png").write_bytes(b"")
    (folder / "half.png").write_bytes(png(5, 200)[:3000])
    (folder / "nowhere.png").symlink_to(tmp_path / "nothing")
    (folder / "link.png").symlink_to(folder / "good.png")
    (folder / "loop").symlink_to(folder)
    with (folder / "huge.png").open("wb") as file:
        file.truncate(60_000_000)
    if hasattr(os, "mkfifo"):
        os.mkfifo(folder / "pipe.png")
    sources = [folder, tmp_path / "missing.png", ("damaged.zip", b"PK\3\4" + bytes(99)), ("up.png", png(7))]
    found = ingest.ingest(photos, sources, processes=1)
    assert (found.added, found.duplicates) == (2, 1)
    skipped = dict(found.skipped)
    if hasattr(os, "mkfifo"):
        assert skipped.pop("pipe.png") == "is not a file"
    assert skipped == {
        "empty.png": "is empty",
        "half.png": "is cut short; download or copy it again",
        "huge.png": "is larger than 50 MB",
        "nested.zip": "is a zip in a folder; add it by itself",
        "nowhere.png": "is a link to nothing",
        "missing.png": "does not exist",
        "damaged.zip": "is not a zip, or a damaged one; pack the images as .zip again",
    }


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="this system has no pipes in folders")
def test_what_is_no_file_is_not_opened_whatever_its_name(photos: ImageSet, tmp_path: Path) -> None:
    """Opening a pipe waits for its other end, and a device may never end."""
    os.mkfifo(tmp_path / "pipe.zip")
    (tmp_path / "endless.zip").symlink_to("/dev/zero")
    paths = [tmp_path / "pipe.zip", tmp_path / "endless.zip", Path("/dev/null")]
    found = ingest.ingest(photos, [*paths, ("a.png", png(1))], processes=1)
    assert (found.added, found.skipped) == (
        1,
        [(name, "is not a file") for name in ("pipe.zip", "endless.zip", "null")],
    )
    for path in paths:
        with pytest.raises(UserError, match="is not a file"):
            archives.names(path, settings.load())


def test_links_between_folders_end(tmp_path: Path) -> None:
    folder = tree(tmp_path / "a", "x/1.png", "y/2.png")
    (folder / "x" / "up").symlink_to(folder)
    (folder / "y" / "self").symlink_to(folder / "y")
    (tmp_path / "away").mkdir()
    tree(tmp_path / "away", "3.png")
    (folder / "z").symlink_to(tmp_path / "away")
    files, problems = listing(folder)
    assert [file.name for file in files] == ["x/1.png", "y/2.png", "z/3.png"]
    assert problems == []


def test_a_link_to_a_folder_above_leads_nowhere(tmp_path: Path) -> None:
    """Nobody's other folders come along with the one that was given, by whatever path that was."""
    tree(tmp_path, "par/private/secret.jpg", "par/given/cat/1.jpg", "other/2.jpg")
    given = tmp_path / "par" / "given"
    for name, target in (("up", ".."), ("cat/top", tmp_path), ("beside", "../../other")):
        (given / name).symlink_to(target)
    (tmp_path / "by a link").symlink_to(given)
    for way in (given, given / "cat" / "..", tmp_path / "by a link"):
        files, problems = listing(way)
        assert ([file.name for file in files], problems) == (["beside/2.jpg", "cat/1.jpg"], [])


@pytest.mark.skipif(sys.platform != "linux", reason="takes rights from the superuser, too, by a program")
def test_what_may_not_be_read_is_not_called_a_link_to_nothing(
    tmp_path: Path,
) -> None:
    """A folder that one may list and not enter, and a link into it; and what is such a link."""
    folder = tree(tmp_path / "f", "listed/1.png", "2.png")
    (folder / "into.png").symlink_to("listed/1.png")
    (folder / "dead.png").symlink_to("nothing.png")
    (folder / "loop.png").symlink_to("loop.png")
    (folder / "listed").chmod(0o444)
    script = """
import sys
from pathlib import Path
from sslviz.ingest.sources import listing
files, problems = listing(Path(sys.argv[1]))
print([file.name for file in files], {name: reason.message for name, reason in problems})
"""
    without = ["setpriv", "--bounding-set=-all", "--inh-caps=-all"] if os.geteuid() == 0 else []
    if without and shutil.which("setpriv") is None:
        pytest.skip("there is no setpriv here")
    command = [*without, sys.executable, "-c", script, str(folder)]
    try:
        ran = subprocess.run(command, capture_output=True, text=True, check=True)
    finally:
        (folder / "listed").chmod(0o755)
    files, _, problems = ran.stdout.partition("] ")
    assert files == "['2.png'"
    assert ast.literal_eval(problems) == {
        "listed/1.png": "may not be read by you",
        "into.png": "may not be read by you",
        "dead.png": "is a link to nothing",
        "loop.png": "is a link to nothing",
    }


def test_a_zip_that_turns_bad_keeps_what_came_before(
    photos: ImageSet, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SSLVIZ_MAX_ZIP_BYTES", str(3 * len(png(0))))
    path = zipped(tree(tmp_path / "in", *(f"{number}.png" for number in range(6))), tmp_path / "in.zip")
    found = ingest.ingest(photos, [path, ("last.png", png(99))], processes=1)
    assert 2 <= found.added - 1 <= 3
    assert found.skipped == [("in.zip", f"unpacks to more than {3 * len(png(0)) / 1000:.0f} kB")]
    assert photos.names[-1] == "last.png"


def test_the_same_picture_is_kept_once(photos: ImageSet) -> None:
    sources = [("a.png", png(1)), ("b.bmp", png(1, kind="BMP")), ("a.png", png(1)), ("A.png", png(2))]
    found = ingest.ingest(photos, sources, processes=1)
    assert (found.added, found.duplicates) == (2, 2)
    assert photos.names == ["a.png", "A.png"]


def test_a_picture_in_two_classes_is_told(workspace: Path, tmp_path: Path) -> None:
    flowers = tree(tmp_path / "flowers", "rose/0.png", "rose/1.png", "tulip/2.png", "tulip/3.png")
    made = imagesets.create(workspace, "flowers")
    alone = ingest.ingest(made, [flowers / "rose"], processes=1)
    assert (alone.labels, alone.notes) == ({}, [])
    later = ingest.ingest(made, [flowers], processes=1)
    assert (later.duplicates, later.labels, later.notes) == (2, {"rose": 2, "tulip": 2}, [])
    shutil.copy(flowers / "rose" / "0.png", flowers / "tulip" / "z.png")
    again = ingest.ingest(made, [flowers], processes=1)
    assert again.labels == later.labels
    assert again.notes == ["1 image (0.png) is in two classes, and keeps the label that it had first."]


def test_names_from_browsers_are_data(photos: ImageSet, workspace: Path, home: Path) -> None:
    names = [
        "../../evil.png",
        "/etc/x.png",
        "C:\\x.png",
        "<img src=x>.png",
        "a\u202e.png",
        "\ud800.png",
        "n" * 400,
    ]
    found = ingest.ingest(photos, [(name, png(seed)) for seed, name in enumerate(names)], processes=1)
    assert found.added == len(names)
    assert photos.names[:4] == names[:4]
    everything = {path.name for path in home.rglob("*") if path.is_file()}
    assert everything <= {
        "index.json", "images.pack", "thumbs.pack", "masks.pack", f"{photos.id}.lock", "names.lock"
    }  # fmt: skip


HOSTILE_DECODER = """
import os, signal, time
import sslviz.images as images
real = images.read
def read(data, limits):
    if b"CRASH" in data[-9:]:
        os.abort()
    if b"HANG" in data[-9:]:
        time.sleep(600)
    if b"EAT" in data[-9:]:
        bytearray(10 ** 11)
    if b"PRINT" in data[-9:]:
        os.write(1, b"More samples per pixel")
        print("than can be decoded")
    return real(data, limits)
images.read = read
"""


@pytest.fixture
def hostile_decoder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A decoder that dies, hangs, eats memory or prints where a file tells it to."""
    folder = tmp_path / "site"
    folder.mkdir()
    (folder / "sitecustomize.py").write_text(HOSTILE_DECODER)
    monkeypatch.setenv("PYTHONPATH", str(folder))
    monkeypatch.setenv("SSLVIZ_DECODE_SECONDS", "8")


def test_a_decoder_that_dies_or_hangs_costs_one_image(photos: ImageSet, hostile_decoder: None) -> None:
    sources = [(f"{number}.png", png(number)) for number in range(30)]
    for place, what in ((7, b"CRASH"), (8, b"CRASH"), (20, b"HANG"), (25, b"EAT"), (26, b"PRINT")):
        sources[place] = (f"{what.decode()}.png", png(place) + what)
    found = ingest.ingest(photos, sources, processes=2)
    assert found.skipped == [
        ("CRASH.png", "made the decoder crash"),
        ("CRASH.png", "made the decoder crash"),
        ("HANG.png", "took too long to read"),
        ("EAT.png", "needs more memory to read than one image may take"),
    ]
    assert found.added == 26


@pytest.mark.skipif(sys.platform != "linux", reason="finds the children in /proc")
def test_children_that_are_killed_cost_at_most_one_image_each(photos: ImageSet) -> None:
    killed = 0

    def sources() -> Iterator[tuple[int, bytes]]:
        nonlocal killed
        for number in range(300):
            if number in (100, 200):
                for child in _children():
                    os.kill(child, 9)
                    killed += 1
            yield number, png(number)

    outcomes = list(decode_all(sources(), 2))
    assert [number for number, _ in outcomes] == list(range(300))
    lost = [outcome for _, outcome in outcomes if isinstance(outcome, UserError)]
    assert killed >= 2
    assert len(lost) <= killed
    assert _children() == []


def _children() -> list[int]:
    """The processes that decode for this one; other tests may have left other children."""
    found: list[int] = []
    for task in Path("/proc/self/task").iterdir():
        with contextlib.suppress(FileNotFoundError):  # a thread that has just ended
            found += map(int, (task / "children").read_text().split())
    return [child for child in found if b"sslviz.images" in _command(child)]


def _command(process: int) -> bytes:
    try:
        return Path(f"/proc/{process}/cmdline").read_bytes()
    except OSError:
        return b""


@pytest.mark.skipif(sys.platform != "linux", reason="finds the children in /proc")
def test_images_are_taken_as_they_are_needed_and_children_end_with_the_iterator() -> None:
    taken = 0

    def endless() -> Iterator[tuple[int, bytes]]:
        nonlocal taken
        while True:
            taken += 1
            yield taken, png(taken % 3)

    outcomes = decode_all(endless(), 2)
    for _ in range(50):
        assert isinstance(next(outcomes)[1], Stored)
    assert taken < 50 + 6 * 64
    assert _children()
    outcomes.close()
    assert _children() == []


def test_children_know_little() -> None:
    """Whoever takes over a decoder finds Pillow, numpy and what reads HEIC, and of the house the one room."""
    script = """
import sys
before = set(sys.modules)
from sslviz import settings
from sslviz.images import child, read
for data in sys.stdin.buffer.read().split(b"--next--"):
    read(data, settings.load())
found = set(sys.modules) - before
own = {name for name in found if name.startswith("sslviz.")}
print(sorted({name.split(".")[0] for name in found} - set(sys.stdlib_module_names)))
print(sorted({name.split(".")[1] for name in own}))
print(sorted({"urllib.request", "http.client", "asyncio", "multiprocessing"} & found))
"""
    kinds = [png(0, kind=kind) for kind in ("PNG", "JPEG", "GIF", "BMP", "WEBP", "TIFF", "AVIF")]
    kinds.append(file_of(scene(), "HEIF"))
    ran = subprocess.run(
        [sys.executable, "-c", script], input=b"--next--".join(kinds), capture_output=True, check=True
    )
    packages, rooms, network = ran.stdout.decode().splitlines()
    known = {"PIL", "numpy", "pillow_heif", "_pillow_heif", "sslviz", "defusedxml"}
    assert set(ast.literal_eval(packages)) <= known
    assert set(ast.literal_eval(rooms)) == {"errors", "images", "settings"}
    assert network == "[]"


@pytest.mark.skipif(sys.platform != "linux", reason="other systems limit other things")
def test_children_are_held_to_memory_files_and_no_writing(tmp_path: Path) -> None:
    script = """
import resource, sys
from sslviz import settings
from sslviz.images import child
child._confine(settings.load())
print([resource.getrlimit(what)[0] for what in (resource.RLIMIT_AS, resource.RLIMIT_CORE)])
opened = []
try:
    while True:
        opened.append(open("/dev/null"))
except OSError:
    print(len(opened) < 32)
opened.clear()
try:
    bytearray(3_000_000_000)
except MemoryError:
    print("no memory")
import signal
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
try:
    with open(sys.argv[1], "wb") as file:
        file.write(bytes(10))
except OSError:
    print("nothing written")
"""
    path = tmp_path / "x"
    ran = subprocess.run(
        [sys.executable, "-c", script, str(path)], capture_output=True, text=True, check=True
    )
    limit = settings.load().decode_bytes
    assert ran.stdout.splitlines() == [f"[{limit}, 0]", "True", "no memory", "nothing written"]
    assert not path.exists() or path.stat().st_size == 0


def test_ctrl_c_and_a_full_disk_leave_the_set_as_it_was(
    photos: ImageSet, workspace: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ingest.ingest(photos, [("0.png", png(0))], processes=1)
    before = {path.name: path.read_bytes() for path in photos.folder.iterdir()}
    sources = [(f"{number}.png", png(number)) for number in range(1, 30)]

    def interrupt(done: int, total: int) -> None:
        if done == 20:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        ingest.ingest(photos, sources, report=interrupt, processes=2)
    append, calls = Pack.append, []

    def full(self: Pack, data: bytes) -> int:
        calls.append(data)
        if len(calls) == 25:
            with writing(workspace, 1000):
                raise OSError(errno.ENOSPC, "No space left on device")
        return append(self, data)

    with monkeypatch.context() as patch:
        patch.setattr(Pack, "append", full)
        with pytest.raises(UserError, match="The disk is full"):
            ingest.ingest(photos, sources, processes=2)
    assert {path.name: path.read_bytes() for path in photos.folder.iterdir()} == before
    assert ingest.ingest(photos, sources, processes=2).added == 29


def test_two_who_add_at_once_lose_nothing(photos: ImageSet, workspace: Path) -> None:
    def add(first: int) -> None:
        sources = [(f"{number}.png", png(number)) for number in [*range(first, first + 10), 999]]
        ingest.ingest(imagesets.open_set(workspace, "photos"), sources, processes=1)

    threads = [threading.Thread(target=add, args=(100 * number,)) for number in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    found = imagesets.open_set(workspace, "photos")
    assert len(found) == len(set(found.ids)) == 31


def test_whoever_finds_no_image_leaves_a_new_set_to_those_who_do(
    workspace: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    calls: list[int] = []

    def at_the_end(done: int, _: int) -> None:
        calls.append(done)
        if len(calls) == 2:  # the set is free again, and about to be deleted
            assert ingest.add_to(workspace, "new", [("good.png", png(1))])[1].added == 1

    chosen, found = ingest.add_to(workspace, "new", [("bad.png", b"no image")], report=at_the_end)
    assert (found.added, len(chosen), len(calls)) == (0, 0, 2)
    assert [(one.name, one.images) for one in imagesets.names(workspace)] == [("new", 1)]

    # Somebody who waits for a new set that goes makes it again, and no lock of the old one is left.
    opened, others = threading.Event(), []
    real = imagesets.open_or_create

    def tells(workspace: Path, name: str) -> tuple[ImageSet, bool]:
        found = real(workspace, name)
        if not found[1]:
            opened.set()
        return found

    def start(done: int, total: int) -> None:
        if not others:
            add = lambda: ingest.add_to(workspace, "second", [("good.png", png(1))])  # noqa: E731
            others.append(threading.Thread(target=add))
            others[0].start()
            assert opened.wait(30)

    monkeypatch.setattr(imagesets, "open_or_create", tells)
    ingest.add_to(workspace, "second", [("bad.png", b"no image")], report=start)
    others[0].join(30)
    assert [(one.name, one.images) for one in imagesets.names(workspace)] == [("new", 1), ("second", 1)]
    ids = {one.id for one in imagesets.names(workspace)}
    locks = {path.stem for path in (workspace / "sets").glob("*.lock")}
    assert locks <= ids | {"names"}


def test_a_new_set_that_finds_no_image_is_gone(workspace: Path) -> None:
    ingest.add_to(workspace, "new", [("bad.png", b"no image")])
    kept = imagesets.create(workspace, "kept")
    ingest.add_to(workspace, "kept", [("bad.png", b"no image")])
    assert [one.id for one in imagesets.names(workspace)] == [kept.id]


def test_uploads_have_limits_and_others_have_not(photos: ImageSet, monkeypatch: pytest.MonkeyPatch) -> None:
    sources = [(f"{number}.png", png(number)) for number in range(8)]
    monkeypatch.setenv("SSLVIZ_MAX_UPLOAD_IMAGES", "5")
    found = ingest.ingest(photos, sources, processes=1, upload=True)
    assert found.added == 5
    assert found.skipped[0][0] == "3 more"
    assert found.skipped[0][1].startswith("left out: an upload may hold 5 images")
    monkeypatch.setenv("SSLVIZ_MAX_UPLOAD_BYTES", "1000")
    with pytest.raises(UserError, match="The upload holds 0 MB"):
        ingest.ingest(photos, sources, processes=1, upload=True)
    assert ingest.ingest(photos, sources, processes=1).added == 3


def test_a_set_a_folder_and_a_zip_are_recognised(
    workspace: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tree(tmp_path / "my photos", "cat/1.png", "dog/2.png")
    made = ingest.resolve(workspace, str(folder))
    assert (made.name, len(made), made.label_counts()) == ("my photos", 2, {"cat": 1, "dog": 1})
    archive = zipped(folder, tmp_path / "my photos.zip")
    assert ingest.resolve(workspace, str(archive)).name == "my photos 2"
    with monkeypatch.context() as patch:
        patch.setattr(ingest, "decode_all", None)  # nothing is decoded twice
        patch.chdir(tmp_path)
        for text in (str(folder), "my photos", "my photos/", str(folder / ".." / "my photos")):
            assert ingest.resolve(workspace, text).id == made.id
        assert ingest.resolve(workspace, str(archive)).name == "my photos 2"

    old = dict(zip(made.names, made.ids, strict=True))
    (folder / "bird").mkdir()
    (folder / "bird" / "3.png").write_bytes(png(50))
    (folder / "dog" / "4.png").write_bytes(png(51))
    (folder / "dog" / "2.png").rename(folder / "bird" / "2.png")
    (folder / "cat" / "1.png").unlink()
    changed = ingest.resolve(workspace, str(folder))
    assert (changed.id, len(changed)) == (made.id, 3)
    assert old["cat/1.png"] not in changed.ids
    assert changed.labels[changed.row(old["dog/2.png"])] == "bird"
    assert changed.label_counts() == {"bird": 2, "dog": 1}
    assert len(imagesets.names(workspace)) == 2


def test_reading_a_folder_again_takes_away_only_what_has_left_it(workspace: Path, tmp_path: Path) -> None:
    """What the user added to a mirror is theirs, also where the folder had it too for a while."""
    folder = tree(tmp_path / "single", *(f"{number}.png" for number in range(3)))
    mine = [(f"mine {seed}.png", png(seed)) for seed in (70, 71, 72)]
    mirror = ingest.resolve(workspace, str(folder))
    namesake = tree(tmp_path / "other" / "single", "0.png")  # holds the same image as the first
    (namesake / "1.png").write_bytes(png(74))
    ingest.ingest(mirror, [*mine, namesake], processes=1)
    own = set(mirror.ids[3:])
    assert len(own) == 4
    (folder / "later.png").write_bytes(png(73))
    (folder / "shared.png").write_bytes(png(70))
    (folder / "1.png").unlink()
    grown = ingest.resolve(workspace, str(folder))
    assert own < set(grown.ids)
    assert [entry.name for entry in grown.entries if entry.id not in own] == ["0.png", "2.png", "later.png"]
    (folder / "shared.png").unlink()
    (folder / "later.png").unlink()
    shrunk = ingest.resolve(workspace, str(folder))
    assert own < set(shrunk.ids)
    assert len(shrunk) == len(own) + 2


@pytest.mark.parametrize("older", [False, True])
def test_labels_by_hand_stay_in_a_mirror_until_the_folder_says_another(
    older: bool, workspace: Path, tmp_path: Path
) -> None:
    """`older`: the set was made by a version that did not remember what the folder said."""
    folder = tree(
        tmp_path / "f", *(f"{kind}/{n}.png" for kind in ("rose", "tulip") for n in range(3)), "6.png"
    )
    text = str(folder)
    mirror = ingest.resolve(workspace, text)
    ids = dict(zip(mirror.names, mirror.ids, strict=True))
    mirror.set_labels({ids["rose/0.png"]: "MINE", ids["rose/1.png"]: None, ids["6.png"]: "ALSO MINE"})
    by_hand = {"rose/0.png": "MINE", "rose/1.png": None, "rose/2.png": "rose", "6.png": "ALSO MINE"}
    by_hand |= dict.fromkeys(("tulip/0.png", "tulip/1.png", "tulip/2.png"), "tulip")
    if older:
        index = files.read_json(mirror.folder / "index.json")
        del index["origin"]["labels"]
        files.write_json(mirror.folder / "index.json", index)
    for name in ("tulip/new.txt", "rose/new.txt"):
        tree(folder, name)
        mirror = ingest.resolve(workspace, text)
        assert dict(zip(mirror.names, mirror.labels, strict=True)) == by_hand

    (folder / "rose" / "0.png").rename(folder / "tulip" / "was 0.png")
    (folder / "rose" / "1.png").rename(folder / "tulip" / "was 1.png")
    (folder / "tulip" / "2.png").rename(folder / "tulip" / "renamed.png")
    mirror = ingest.resolve(workspace, text)
    expected = {"tulip/was 0.png": "tulip", "tulip/was 1.png": "tulip", "tulip/renamed.png": "tulip"}
    kept = {name: label for name, label in by_hand.items() if (folder / name).exists()}
    assert dict(zip(mirror.names, mirror.labels, strict=True)) == expected | kept
    assert mirror.ids == list(ids.values())

    mirror.relabel([ids["tulip/0.png"]], "MINE")
    (folder / "tulip").rename(folder / "lily")
    mirror = ingest.resolve(workspace, text)
    found = dict(zip(mirror.names, mirror.labels, strict=True))
    assert all(name.startswith("lily/") == (label == "lily") for name, label in found.items())
    assert set(mirror.names) == set(_pictures(folder))
    assert mirror.labels[mirror.row(ids["6.png"])] == "ALSO MINE"


def test_a_mirror_says_nothing_of_what_was_added_to_it(workspace: Path, tmp_path: Path) -> None:
    folder = tree(tmp_path / "f", "1.png")
    mirror = ingest.resolve(workspace, str(folder))
    ingest.ingest(mirror, [("mine.png", png(70)), ("bare.png", png(71))], processes=1)
    mirror.relabel([mirror.ids[1]], "MINE")
    for seed in (70, 71):
        path = folder / "cat" / f"{seed}.png"
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(png(seed))
    mirror = ingest.resolve(workspace, str(folder))
    assert (mirror.names, mirror.labels) == (["1.png", "mine.png", "bare.png"], [None, "MINE", "cat"])


def _pictures(folder: Path) -> list[str]:
    return [path.relative_to(folder).as_posix() for path in folder.rglob("*.png")]


def test_what_is_there_and_cannot_be_read_stays_until_it_is_gone(
    workspace: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tree(tmp_path / "f", "1.png", "2.png", "sub/3.png", "sub/4.png", "5.png")
    ids = dict(zip((mirror := ingest.resolve(workspace, str(folder))).names, mirror.ids, strict=True))
    (folder / "2.png").write_bytes(png(1)[:60])  # half of a copy
    (folder / "5.png").unlink()
    scandir = os.scandir

    def refuse(path: Any) -> Any:
        if Path(path).name == "sub":
            raise PermissionError(errno.EACCES, "Permission denied")
        return scandir(path)

    with monkeypatch.context() as patch:
        patch.setattr(os, "scandir", refuse)
        kept = ingest.resolve(workspace, str(folder))
    assert set(kept.ids) == set(ids.values()) - {ids["5.png"]}
    (folder / "2.png").unlink()
    shutil.rmtree(folder / "sub")
    assert ingest.resolve(workspace, str(folder)).ids == [ids["1.png"]]


def test_a_zip_that_breaks_off_takes_nothing_away(
    workspace: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tree(tmp_path / "in", *(f"{number}.png" for number in range(6)))
    path = zipped(folder, tmp_path / "in.zip")
    assert len(ingest.resolve(workspace, str(path))) == 6
    tree(folder, "6.txt")
    zipped(folder, path)
    monkeypatch.setenv("SSLVIZ_MAX_ZIP_BYTES", str(3 * len(png(0))))
    assert len(ingest.resolve(workspace, str(path))) == 6


def test_a_name_that_set_and_folder_share(
    workspace: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tree(tmp_path / "one" / "photos", "1.png", "2.png")
    tree(tmp_path / "two" / "photos", "1.png")
    monkeypatch.chdir(tmp_path / "one")
    first = ingest.resolve(workspace, "photos")
    Path("photos/3.png").write_bytes(png(60))
    assert (ingest.resolve(workspace, "photos").id, len(ingest.resolve(workspace, "photos"))) == (first.id, 3)

    monkeypatch.chdir(tmp_path / "two")
    with pytest.raises(UserError, match="'photos' is the name of a set and of a folder here") as caught:
        ingest.resolve(workspace, "photos")
    assert "./photos" in caught.value.hint
    assert ingest.resolve(workspace, "./photos").name == "photos 2"
    monkeypatch.chdir(tmp_path)
    assert ingest.resolve(workspace, "photos").id == first.id  # no folder here

    added = imagesets.create(workspace, "dogs")
    ingest.ingest(added, [tree(tmp_path / "dogs", "4.png"), ("5.png", png(61))], processes=1)
    assert ingest.resolve(workspace, "dogs").id == added.id  # it is what was added from there
    Path("notes").write_text("a file is no folder")
    assert ingest.resolve(workspace, imagesets.create(workspace, "notes").name).name == "notes"


def test_an_error_of_the_reading_is_not_taken_for_a_bad_path(
    workspace: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tree(tmp_path / "f", "1.png")
    for error in (RuntimeError("broken"), ValueError("broken"), OSError(errno.EIO, "broken")):

        def fail(*_: object, error: Exception = error, **__: object) -> None:
            raise error

        monkeypatch.setattr(ingest, "decode_all", fail)
        with pytest.raises(type(error), match="broken"):
            ingest.resolve(workspace, str(folder))
    assert imagesets.names(workspace) == []


def test_a_built_in_name_is_never_a_folder_or_a_set_of_ones_own(
    workspace: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tree(tmp_path / "cifar10", "1.png")
    monkeypatch.chdir(tmp_path)
    with pytest.raises(UserError, match="CIFAR-10 has not been downloaded yet") as caught:
        ingest.resolve(workspace, "cifar10")
    assert "./cifar10" in caught.value.hint
    assert ingest.resolve(workspace, "./cifar10").name == "cifar10 2"
    older = imagesets.create(workspace, "cifar10", builtin=True)
    assert ingest.resolve(workspace, "cifar10").id == older.id


def test_several_folders_are_labels_as_they_would_be_in_one(workspace: Path, tmp_path: Path) -> None:
    lab = tree(tmp_path / "lab", "cat/1.png", "cat/2.png", "dog/3.png", "train/4.png", "more/bird/5.png",
               "more/fish/6.png", "more/7.png", "cow/8.png")  # fmt: skip

    def labels(name: str, *folders: str) -> dict[str, int]:
        made = imagesets.create(workspace, name)
        ingest.ingest(made, [lab / folder for folder in folders], processes=1)
        return made.label_counts()

    assert labels("two", "cat", "dog") == {"cat": 2, "dog": 1}
    assert labels("a split", "cat", "train") == {"cat": 2}
    assert labels("odd", "cat/../cow/", "dog/../cat/..")["cow"] == 1
    assert labels("deeper", "more", "dog") == {"bird": 1, "dog": 1, "fish": 1, "more": 1}
    for alone in (["cat"], ["cat", "cat"], ["cat", "dog/3.png"]):
        assert labels(" ".join(alone).replace("/", " "), *alone) == {}


def test_what_cannot_be_a_path_is_skipped_like_a_bad_image(photos: ImageSet, tmp_path: Path) -> None:
    good = tree(tmp_path, "good.png") / "good.png"
    for name, target in (("dead.png", "nothing"), ("loop.zip", "loop.zip")):
        (tmp_path / name).symlink_to(tmp_path / target)
    paths = [good, tmp_path / "dead.png", tmp_path / "loop.zip", Path("x" * 300), good / "in a file.png"]
    found = ingest.ingest(photos, paths, processes=1)
    assert found.added == 1
    assert [reason for _, reason in found.skipped] == ["is a link to nothing"] * 2 + ["does not exist"] * 2


def test_what_is_nothing_is_a_sentence_that_says_what_there_is(
    workspace: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    here = tmp_path / "around" / "here"
    here.mkdir(parents=True)
    monkeypatch.chdir(here)  # beside which nobody has an x
    imagesets.create(workspace, "mine")
    for text in ("nothing", "", "a\0b", "x" * 5000, "~nobody/x", "../x", "\ud800"):
        with pytest.raises(UserError, match="neither an image set nor a folder or zip") as caught:
            ingest.resolve(workspace, text)
        assert "mine, scenes, cifar10, stl10" in caught.value.hint
    with pytest.raises(UserError, match="CIFAR-10 has not been downloaded yet") as caught:
        ingest.resolve(workspace, "cifar10")
    assert "sslviz images download cifar10" in caught.value.hint
    empty = tmp_path / "empty"
    empty.mkdir()
    text = tree(tmp_path / "texts", "a.txt") / "a.txt"
    for path in (empty, text):
        with pytest.raises(UserError, match="no image that can be used"):
            ingest.resolve(workspace, str(path))
    assert [summary.name for summary in imagesets.names(workspace)] == ["mine"]


def test_a_mirror_that_was_interrupted_is_finished_later(
    workspace: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tree(tmp_path / "f", "1.png", "2.png")
    imagesets.create(workspace, "f", origin={"path": str(folder.resolve()), "listing": ""})  # killed here
    found = ingest.resolve(workspace, str(folder))
    assert (found.name, len(found)) == ("f", 2)

    def interrupt(done: int, total: int) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        ingest.resolve(workspace, str(tree(tmp_path / "g", "3.png")), interrupt)
    assert [summary.name for summary in imagesets.names(workspace)] == ["f"]


def test_nothing_is_added_to_a_built_in_set(workspace: Path) -> None:
    built = imagesets.create(workspace, "scenes", builtin=True)
    built.add([NewImage("0.png", pixels=np.full((64, 64, 3), 9, np.uint8))])
    with pytest.raises(UserError, match="'scenes' comes with sslviz"):
        ingest.ingest(built, [("a.png", png(1))])
    assert len(imagesets.open_set(workspace, "scenes")) == 1
