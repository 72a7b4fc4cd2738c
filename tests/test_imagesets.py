"""The store of image sets: what goes in comes out, whoever reads, whoever writes, and whatever breaks."""

from __future__ import annotations

import errno
import json
import os
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from sslviz import files, images, imagesets, settings
from sslviz.errors import UserError
from sslviz.imagesets import ImageSet, NewImage
from sslviz.imagesets.packs import Pack

Pixels = NDArray[np.uint8]


def picture(seed: int, height: int = 40, width: int = 50) -> Pixels:
    """Smooth, and different for each seed."""
    start = np.random.default_rng(seed).integers(0, 200, 3)
    y, x = np.mgrid[0 : 50 : height * 1j, 0 : 50 : width * 1j]
    return (start + np.stack([x, y, (x + y) / 2], axis=2)).astype(np.uint8)


def new(seed: int, **more: Any) -> NewImage:
    return NewImage(f"{seed}.png", pixels=picture(seed), **more)


@pytest.fixture
def workspace() -> Path:
    return settings.workspace()


@pytest.fixture
def photos(workspace: Path) -> ImageSet:
    made = imagesets.create(workspace, "photos")
    made.add(new(seed, label="odd" if seed % 2 else None) for seed in range(6))
    return made


def state(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir() if path.is_file()}


def test_what_goes_in_comes_out(workspace: Path) -> None:
    mask = (picture(1)[..., 0] > 100).astype(np.uint8)
    made = imagesets.create(workspace, "photos")
    box = (0.1, 0.2, 0.5, 1.0)
    assert made.add([new(1, label="cat", source="a.zip", box=box, mask=mask), new(2), new(1)]) == (2, 1)
    for found in (made, imagesets.open_set(workspace, "photos")):
        assert len(found) == 2
        assert found.names == ["1.png", "2.png"]
        assert found.labels == ["cat", None]
        assert found.label_counts() == {"cat": 1}
        assert found.ids == [images.content_id(picture(1)), images.content_id(picture(2))]
        assert found.entries[0].box == box
        assert found.entries[0].source == "a.zip"
        assert (found.entries[0].width, found.entries[0].height) == (50, 40)
        assert np.array_equal(found.mask(0), mask)
        assert found.mask(1) is None
        assert np.abs(found.pixels(1).astype(int) - picture(2)).mean() < 2
        assert images.decode_jpeg(found.thumbnail(0)).shape == (40, 50, 3)
        assert found.short_side == 40
        assert found.row(found.ids[1]) == found.row("2.png") == 1
    with pytest.raises(UserError, match="no image 'x'"):
        made.row("x")


def test_squares_are_the_images_and_are_kept(photos: ImageSet, workspace: Path) -> None:
    seen: list[tuple[int, int]] = []
    squares = photos.squares(24, report=lambda done, total: seen.append((done, total)))
    assert squares.shape == (6, 3, 24, 24)
    assert squares.dtype == np.uint8
    for row in range(6):
        assert np.array_equal(squares[row].transpose(1, 2, 0), images.square(photos.pixels(row), 24))
    assert seen[-1] == (6, 6)
    array = photos.folder / "arrays" / f"24-{photos.fingerprint}.npy"
    before = array.stat()
    squares[0] = 0  # writable, as torch wants it, but nobody else sees it
    assert imagesets.open_set(workspace, "photos").squares(24)[0].any()
    assert array.stat().st_mtime_ns == before.st_mtime_ns
    photos.squares(20)
    photos.remove(photos.ids[:1])
    assert photos.squares(24).shape[0] == 5
    assert sorted(path.name for path in array.parent.iterdir()) == [f"24-{photos.fingerprint}.npy"]
    assert squares.shape[0] == 6


def test_a_spoiled_array_is_built_again(photos: ImageSet) -> None:
    good = np.array(photos.squares(16))
    path = photos.folder / "arrays" / f"16-{photos.fingerprint}.npy"
    for spoiled in (b"", path.read_bytes()[:-50], b"\x93NUMPY" + bytes(200), b"garbage" * 100):
        path.write_bytes(spoiled)
        assert np.array_equal(photos.squares(16), good)


def test_an_empty_set_and_a_set_of_one(workspace: Path) -> None:
    made = imagesets.create(workspace, "few")
    assert (len(made), made.short_side, made.labels, made.add([])) == (0, 0, [], (0, 0))
    with pytest.raises(UserError, match="is empty"):
        made.squares(16)
    made.add([new(1)])
    assert made.squares(16).shape == (1, 3, 16, 16)


def test_the_fingerprint_knows_images_and_not_labels(photos: ImageSet) -> None:
    before = photos.fingerprint
    photos.relabel(photos.ids[:2], "cat")
    assert photos.fingerprint == before
    photos.add([new(9)])
    assert photos.fingerprint != before


def test_labels_can_be_changed_and_taken_away(photos: ImageSet) -> None:
    photos.relabel(photos.ids[:2], " cat\u202e ")
    assert photos.labels == ["cat\ufffd", "cat\ufffd", None, "odd", None, "odd"]
    photos.relabel(photos.ids, None)
    assert photos.label_counts() == {}
    photos.set_labels({photos.ids[3]: "dog"})
    assert photos.label_counts() == {"dog": 1}


def test_a_label_that_comes_later_is_kept_and_one_that_is_there_stays(workspace: Path) -> None:
    bare, named = (imagesets.create(workspace, name) for name in ("bare", "named"))
    bare.add([new(0), new(1), new(0, label=" late "), new(0, label="later")])
    assert bare.labels == ["late", None]
    assert bare.add([new(1, label="one"), new(0, label="two"), new(2)]) == (1, 2)
    assert imagesets.open_set(workspace, "bare").labels == ["late", "one", None]
    assert bare.add([new(2, label="three"), new(3), new(3, label="new")], fill=False) == (1, 2)
    assert bare.labels == ["late", "one", None, "new"]

    named.add([new(2, label="from the second"), new(1, label="another"), new(4)])
    before = [(e.id, e.name, e.image_at) for e in bare.entries]
    merged = imagesets.merge(workspace, ["bare", "named"], "both")
    assert dict(zip(merged.names, merged.labels, strict=True)) == {
        "0.png": "late", "1.png": "one", "2.png": "from the second", "3.png": "new", "4.png": None
    }  # fmt: skip
    assert [(e.id, e.name, e.image_at) for e in bare.entries] == before
    told = [*zip(bare.ids, bare.labels, strict=True), *zip(named.ids, named.labels, strict=True)]
    assert imagesets.two_classes(merged, told) == [
        "1 image (1.png) is in two classes, and keeps the label that it had first."
    ]
    assert imagesets.two_classes(merged, [(merged.ids[0], " late "), (merged.ids[1], None)]) == []
    told += [(merged.ids[0], "x"), (merged.ids[0], "y")]
    assert imagesets.two_classes(merged, told)[0].startswith("2 images (0.png, …) are in two classes")


def test_long_labels_that_begin_alike_stay_apart(workspace: Path) -> None:
    made = imagesets.create(workspace, "long")
    long = [
        "L" * 100 + "A",
        "L" * 100 + "B",
        "x" * 250 + "y" * 199,
        "z" * 250 + "y" * 199,
        "L" * 80,
        "é\u202e" * 90,
    ]
    made.add(new(seed, label=label) for seed, label in enumerate(long))
    kept = [label or "" for label in made.labels]
    assert len(set(kept)) == len(long)
    assert all(len(label) <= 80 and label.isprintable() for label in kept)
    assert kept[4] == long[4]
    assert [label[:70] for label in kept[:4]] == ["L" * 70] * 2 + ["x" * 70, "z" * 70]
    assert imagesets.merge(workspace, ["long"], "copy").labels == kept  # shortened once
    assert imagesets.show_label(long[0]) == kept[0]


def test_a_reader_is_not_disturbed(photos: ImageSet, workspace: Path) -> None:
    reader = imagesets.open_set(workspace, "photos")
    before = [reader.jpeg(row) for row in range(6)]
    photos.remove(photos.ids[::2])
    photos.add(new(seed) for seed in range(10, 14))
    assert (len(reader), len(photos)) == (6, 7)
    assert [reader.jpeg(row) for row in range(6)] == before
    photos.delete()
    assert [reader.jpeg(row) for row in range(6)] == before
    assert reader.squares(16).shape == (6, 3, 16, 16)
    assert imagesets.names(workspace) == []
    with pytest.raises(UserError, match="no longer exists"):
        reader.relabel(reader.ids, "x")


def test_names_of_sets(photos: ImageSet, workspace: Path) -> None:
    for bad in ("", "  ", "a/b", "a\\b", "x" * 81, "a\nb", "a\u202eb"):
        with pytest.raises(UserError, match="cannot be the name"):
            imagesets.create(workspace, bad)
    with pytest.raises(UserError, match="already a set"):
        imagesets.create(workspace, "photos")
    for odd in ("..", "CON", "~", ":red[x]", "Ünï ☃", "x" * 80):
        imagesets.create(workspace, odd).rename(f"{odd[:70]} 2")
        assert imagesets.open_set(workspace, f"{odd[:70]} 2").name == f"{odd[:70]} 2"
    photos.rename("photos")
    with pytest.raises(UserError, match="already a set"):
        photos.rename("CON 2")
    assert imagesets.free_name(workspace, "photos") == "photos 2"
    assert imagesets.free_name(workspace, "a/../b\0\u2028") == "a .. b"
    assert imagesets.free_name(workspace, "/") == "images"
    with pytest.raises(UserError) as caught:
        imagesets.open_set(workspace, "../photos")
    assert "photos" in caught.value.hint


def test_names_of_built_in_sets_are_theirs(photos: ImageSet, workspace: Path) -> None:
    assert imagesets.free_name(workspace, "scenes") == "scenes 2"
    for name in imagesets.RESERVED:
        for attempt in (
            lambda wish: imagesets.create(workspace, wish),
            lambda wish: imagesets.merge(workspace, ["photos"], wish),
            photos.rename,
        ):
            with pytest.raises(UserError, match="name of a built-in set"):
                attempt(f" {name} ")
        assert imagesets.find_builtin(workspace, name) is None
        made = imagesets.create(workspace, name, builtin=True)
        made.rename("away")
        made.rename(name)
        assert imagesets.find_builtin(workspace, name) == made.folder
    with pytest.raises(UserError, match="of your own"):
        imagesets.find_builtin(workspace, "photos")


def test_file_names_are_kept_as_data(workspace: Path) -> None:
    names = [
        "../../x.png",
        "<img src=x>.png",
        "photo\u202egnp.exe",
        "a\0.png",
        "\ud800.png",
        "n" * 300 + ".png",
        "",
    ]
    made = imagesets.create(workspace, "odd")
    made.add(NewImage(name, pixels=picture(seed)) for seed, name in enumerate(names))
    kept = imagesets.open_set(workspace, "odd").names
    assert kept[:2] == names[:2]
    assert kept[2:5] == ["photo\ufffdgnp.exe", "a\ufffd.png", "\ufffd.png"]
    assert len(kept[5]) == 200
    assert kept[5].endswith("n.png")
    assert {path.name for path in made.folder.iterdir()} == {
        "index.json",
        "images.pack",
        "thumbs.pack",
        "masks.pack",
    }


def test_sets_can_be_merged_listed_and_deleted(photos: ImageSet, workspace: Path) -> None:
    other = imagesets.create(workspace, "other", builtin=True)
    mask = np.ones((40, 50), np.uint8)
    other.add([new(5, label="five"), new(7, mask=mask)])
    both = imagesets.merge(workspace, ["photos", "other"], "both")
    assert both.names == [*photos.names, "7.png"]
    assert both.labels == [*photos.labels, None]
    assert both.jpeg(6) == other.jpeg(1)
    assert np.array_equal(both.mask(6), mask)
    listed = [(s.name, s.images, s.labels, s.builtin) for s in imagesets.names(workspace)]
    assert listed == [
        ("other", 2, {"five": 1}, True),
        ("both", 7, {"odd": 3}, False),
        ("photos", 6, {"odd": 3}, False),
    ]
    imagesets.delete(workspace, "both")
    with pytest.raises(UserError, match="no image set"):
        imagesets.delete(workspace, "both")
    with pytest.raises(UserError):
        imagesets.merge(workspace, ["photos", "nothing"], "new")
    assert [s.name for s in imagesets.names(workspace)] == ["other", "photos"]


BROKEN: dict[str, bytes] = {
    "empty": b"",
    "null": b"null",
    "list": b"[]",
    "binary": bytes(range(256)),
    "mark": b"\xef\xbb\xbf{}",
    "nan": b'{"version": NaN}',
    "nothing": b"{}",
    "later": b'{"version": 99}',
    "deep": b"[" * 100_000,
}


@pytest.mark.parametrize("case", [*BROKEN, "half", "wrong kinds", "a folder"])
def test_an_unreadable_set_is_listed_and_can_be_deleted(case: str, photos: ImageSet, workspace: Path) -> None:
    broken = imagesets.create(workspace, "broken")
    broken.add([new(1)])
    index = broken.folder / "index.json"
    content = index.read_bytes()
    index.unlink()
    if case == "a folder":
        index.mkdir()
    elif case == "half":
        index.write_bytes(content[: len(content) // 2])
    elif case == "wrong kinds":
        value = json.loads(content)
        value["entries"]["width"] = ["wide"]
        index.write_text(json.dumps(value))
    else:
        index.write_bytes(BROKEN[case])
    listed = imagesets.names(workspace)
    assert [(s.name, bool(s.problem)) for s in listed if s.name != broken.id] == [("photos", False)]
    assert next(s for s in listed if s.name == broken.id).problem
    assert len(imagesets.open_set(workspace, "photos")) == 6
    if case != "a folder":
        imagesets.delete(workspace, broken.id)
        assert [s.name for s in imagesets.names(workspace)] == ["photos"]


def test_lost_packs_are_a_sentence(photos: ImageSet, workspace: Path) -> None:
    for name in ("images.pack", "thumbs.pack"):
        path = photos.folder / name
        path.rename(path.with_suffix(".away"))
        path.write_bytes(b"")
    found = imagesets.open_set(workspace, "photos")
    for reading in (found.jpeg, found.pixels, found.thumbnail):
        with pytest.raises(UserError, match="is damaged"):
            reading(0)
    with pytest.raises(UserError, match="is damaged"):
        found.squares(16)


def test_an_error_on_the_way_leaves_the_set_as_it_was(photos: ImageSet, workspace: Path) -> None:
    before = state(photos.folder)

    def interrupted() -> Any:
        yield new(20)
        yield new(21)
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        photos.add(interrupted())
    assert state(photos.folder) == before
    assert photos.add([new(20)]) == (1, 0)
    assert np.abs(imagesets.open_set(workspace, "photos").pixels(6).astype(int) - picture(20)).mean() < 2


@pytest.mark.parametrize("call", range(12))
def test_a_full_disk_at_any_moment_changes_nothing(
    call: int, photos: ImageSet, workspace: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The n-th write or flush fails, for every n."""
    before, old = state(photos.folder), imagesets.open_set(workspace, "photos")
    calls = 0

    def failing(real: Any) -> Any:
        def wrapper(*arguments: Any) -> Any:
            nonlocal calls
            calls += 1
            if calls == call + 1:
                raise OSError(errno.ENOSPC, "No space left on device")
            return real(*arguments)

        return wrapper

    append, fsync = Pack.append, os.fsync
    with monkeypatch.context() as patch:
        # Inside `writing`, where a real failure would be met.
        patch.setattr(os, "fsync", failing(fsync))
        patch.setattr(Pack, "append", lambda self, data: _write(self, append, failing(lambda: None), data))
        try:
            photos.add([new(30), new(31)])
            done = True
        except UserError as error:
            assert error.message.startswith("The disk is full")  # noqa: PT017
            done = False
    found = imagesets.open_set(workspace, "photos")
    if done or len(found) == 8:  # the last flush is that of the folder: the new index is there already
        assert len(found) == 8
    else:
        assert state(photos.folder) == before
        assert found.ids == old.ids
    assert photos.add([new(32)]) == (1, 0)
    assert not [path for path in photos.folder.iterdir() if path.suffix == ".tmp"]


def _write(pack: Pack, append: Any, tick: Any, data: bytes) -> int:
    with files.writing(Path()):
        tick()
    return int(append(pack, data))


@pytest.mark.skipif(sys.platform != "linux", reason="needs RLIMIT_FSIZE")
def test_a_disk_that_is_really_full(photos: ImageSet, workspace: Path) -> None:
    """A process that may write no file past its present size meets what a full disk is."""
    before = state(photos.folder)
    script = """
import resource, signal, sys
from pathlib import Path
import numpy as np
from sslviz import imagesets
from sslviz.errors import UserError
found = imagesets.open_set(Path(sys.argv[1]), "photos")
size = (found.folder / "images.pack").stat().st_size
resource.setrlimit(resource.RLIMIT_FSIZE, (size + 1000, size + 1000))
for what in (lambda: found.add([imagesets.NewImage("a", pixels=np.random.default_rng(0).integers(
        0, 255, (64, 64, 3), dtype=np.uint8))]), lambda: found.squares(512)):
    try:
        what()
        print("no error")
    except UserError as error:
        print(error.message)
"""
    ran = subprocess.run(
        [sys.executable, "-c", script, str(workspace)], capture_output=True, text=True, check=True, timeout=60
    )
    assert ran.stdout.count(" is larger than may be written at ") == 2
    assert "4.7 MB" in ran.stdout  # a few kilobytes are not worth a number
    assert state(photos.folder) == before


def test_a_disk_with_no_room_for_the_array(photos: ImageSet, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(imagesets.arrays, "free_bytes", lambda folder: 1000)
    with pytest.raises(UserError, match="The disk is full: this needs"):
        photos.squares(64)
    assert list((photos.folder / "arrays").glob("*")) == []


def test_a_writer_that_is_killed_leaves_a_tail_that_is_cut_off(photos: ImageSet, workspace: Path) -> None:
    for name in ("images.pack", "thumbs.pack", "masks.pack"):
        with (photos.folder / name).open("ab") as file:
            file.write(b"garbage" * 1000)
    found = imagesets.open_set(workspace, "photos")
    found.add([new(40)])
    again = imagesets.open_set(workspace, "photos")
    for row, seed in enumerate([*range(6), 40]):
        assert np.abs(again.pixels(row).astype(int) - picture(seed)).mean() < 2
    assert b"garbage" not in (photos.folder / "images.pack").read_bytes()


def test_writers_at_once_lose_nothing(
    photos: ImageSet, workspace: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sslviz.imagesets.opened.PATIENCE_SECONDS", 60.0)

    def add(first: int) -> None:
        for seed in range(first, first + 3):
            imagesets.open_set(workspace, "photos").add([new(seed), new(200)])

    threads = [threading.Thread(target=add, args=(100 + 10 * number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    found = imagesets.open_set(workspace, "photos")
    assert len(found) == 6 + 12 + 1
    assert len(set(found.ids)) == len(found)
    for row, name in enumerate(found.names):
        assert np.abs(found.pixels(row).astype(int) - picture(int(name.split(".")[0]))).mean() < 2


def test_those_who_want_the_same_new_set_at_once_get_one(workspace: Path) -> None:
    together = threading.Barrier(6)
    found: list[tuple[str, bool]] = []

    def ask() -> None:
        together.wait(30)
        made, is_new = imagesets.open_or_create(workspace, "new")
        found.append((made.id, is_new))

    threads = [threading.Thread(target=ask) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert [is_new for _, is_new in found].count(True) == 1
    assert {made for made, _ in found} == {imagesets.open_set(workspace, "new").id}
    assert len(found) == 6


def test_a_click_during_an_ingest_is_told_to_wait(photos: ImageSet, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sslviz.imagesets.opened.PATIENCE_SECONDS", 0.1)
    with FileHeld(photos), pytest.raises(UserError, match="Images are being added"):
        photos.relabel(photos.ids, "x")


class FileHeld:
    """Another process that is adding to a set."""

    def __init__(self, held: ImageSet) -> None:
        script = (
            "import sys, time; from filelock import FileLock; lock = FileLock(sys.argv[1]); lock.acquire();"
            "print('held', flush=True); time.sleep(60)"
        )
        path = str(held.folder.with_name(f"{held.id}.lock"))
        self.process = subprocess.Popen([sys.executable, "-c", script, path], stdout=subprocess.PIPE)

    def __enter__(self) -> None:
        assert self.process.stdout is not None
        assert self.process.stdout.readline() == b"held\n"

    def __exit__(self, *_: object) -> None:
        self.process.kill()
        self.process.wait()
        assert self.process.stdout is not None
        self.process.stdout.close()
