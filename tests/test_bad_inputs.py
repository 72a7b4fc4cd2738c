"""Eighty-two inputs that are not what one hopes for, each with what the user then sees.

Rows 1 to 49 are images, 50 to 58 names, 59 to 75 archives, 76 to 82 uploads as a whole.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
from bad_batches import BATCHES, Child, Here, image
from bad_files import file_of, png, scene, zip_of
from bad_images import FLAT, IMAGES, UNREADABLE, File
from streamlit.testing.v1 import AppTest

from sslviz import files, imagesets, ingest, jobs, networks, runs, settings
from sslviz.errors import UserError
from sslviz.images import Stored, decode_jpeg, remarks
from sslviz.images.pool import decode_all
from sslviz.ingest import staging

ROOT = Path(__file__).resolve().parents[1]
HANGING = """
import time, sslviz.images
def read(data, limits):
    time.sleep(600)
sslviz.images.read = read
"""


@pytest.fixture(scope="module")
def child() -> Iterator[Child]:
    lent = Child()
    yield lent
    lent.end()


@pytest.fixture
def here(child: Child, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Here:
    monkeypatch.setattr(ingest, "decode_all", child.decode_all)
    return Here(settings.workspace(), tmp_path, monkeypatch, child)


def look_at(here: Here, file: File) -> None:
    """A file goes through the decoding process, and out comes what was promised of it."""
    ((_, found),) = here.child.decode_all([(file.name, file.data)])
    if file.said:
        assert isinstance(found, UserError), (file.name, "was taken")
        assert found.message == file.said
        return
    assert isinstance(found, Stored), found
    said = remarks.sentences(
        {code: [file.name] for code in (*found.remarks, *remarks.of_name(file.name, found.kind))}
    )
    assert len(said) == len(file.notes)
    assert all(words in sentence for words, sentence in zip(file.notes, said, strict=True))
    assert not re.search(rb"SECRET|script|junk|EXIF|ICC_PROFILE", found.jpeg + found.thumbnail)
    pixels = decode_jpeg(found.jpeg)
    assert max(pixels.shape) <= 512
    if file.like is not None:
        assert pixels.shape == file.like.shape
        assert np.abs(pixels.astype(int) - file.like).mean() < file.off


def images_of(make: Callable[[], list[File]]) -> Callable[[Here], None]:
    def check(here: Here) -> None:
        for file in make():
            look_at(here, file)

    return check


def interrupted(here: Here) -> None:
    """The tab is closed, or the server dies, while files are written down: there is no half of an upload."""
    root = settings.load().home / "staging"

    def broken() -> Iterator[tuple[str, bytes]]:
        yield "a.png", image()
        raise ConnectionResetError

    with pytest.raises(ConnectionResetError):
        staging.stage(broken(), 1000, settings.load())
    assert list(root.iterdir()) == []
    here.taken("before.png")
    before = {path.name: path.read_bytes() for path in here.images.folder.iterdir()}

    def closed(done: int, total: int) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        here.add(("a.png", image(1)), ("b.png", image(2)), report=closed)
    assert {path.name: path.read_bytes() for path in here.images.folder.iterdir()} == before


def too_large(here: Here) -> None:
    here.patch.setenv("SSLVIZ_MAX_UPLOAD_BYTES", "3000000")
    with pytest.raises(UserError) as caught:
        staging.stage([("a.png", bytes(4_000_000))], 4_000_000, settings.load())
    assert caught.value.message == "These are 4 MB; an upload may hold 3."
    assert "in parts" in caught.value.hint
    with pytest.raises(UserError, match="The upload holds 4 MB; the limit is 3 MB"):
        here.add(("a.png", bytes(4_000_000)), upload=True)
    assert not (settings.load().home / "staging").exists()


def opened(page: str, **query: str) -> AppTest:
    app = AppTest.from_file(str(ROOT / "app.py"), default_timeout=60)
    app.run()
    app.switch_page(f"pages/{page}.py").run()
    for key, value in query.items():
        app.query_params[key] = value
    return app.run() if query else app


def too_many(here: Here) -> None:
    here.patch.setenv("SSLVIZ_MAX_UPLOAD_IMAGES", "3")
    here.patch.setattr(jobs.processes, "detach", lambda *_, **__: None)
    app = opened("images")
    app.file_uploader[0].set_value([(f"{n}.png", image(n), "image/png") for n in range(5)]).run()
    assert not app.exception
    assert "Only the first 3 of 5 files were taken." in [caption.value for caption in app.caption]
    (staged,) = (settings.load().home / "staging").iterdir()
    assert json.loads((staged / "names.json").read_text())["names"] == ["0.png", "1.png", "2.png"]


def disk_nearly_full(here: Here) -> None:
    for module in (files, staging):
        here.patch.setattr(module, "free_bytes", lambda folder: 300_000_000)
    with pytest.raises(UserError) as caught:
        staging.stage([("a.png", image())], 400_000_000, settings.load())
    assert caught.value.message.startswith("The disk is full: this needs 400 MB, and 300 MB are free at ")
    assert caught.value.hint.startswith("Nothing was changed; make room")
    assert len(imagesets.open_set(here.workspace, "mine")) == 0


def two_people(here: Here) -> None:
    """The same picture has one id, and that is all that two workspaces have in common."""
    other = imagesets.create(settings.workspace("someone"), "theirs")
    for images in (here.images, other):
        found = ingest.ingest(images, [("a.png", image())])
        assert (found.added, found.duplicates) == (1, 0)
    assert here.images.ids == other.ids
    assert [one.name for one in imagesets.names(here.workspace)] == ["mine"]
    other.delete()
    assert decode_jpeg(imagesets.open_set(here.workspace, "mine").jpeg(0)).shape == (40, 42, 3)


def odd_addresses(here: Here) -> None:
    here.patch.setattr(jobs.processes, "detach", lambda *_, **__: None)
    here.taken("a.png", "b.png")
    for id_ in ("../../x", "nan", "A" * 12, "0" * 11, "", "\0", "x" * 5000):
        with pytest.raises(UserError, match="There is no run"):
            runs.open_run(here.workspace, id_)
        with pytest.raises(UserError, match="There is no job"):
            jobs.find(id_)
    app = opened("runs", run="../../x", images="../../etc", k="nan", image="../x", zoom="1e999")
    assert not app.exception
    shown = "\n".join(str(one.value) for one in (*app.error, *app.warning, *app.markdown))
    assert "There is no run" in shown
    assert "There is no image set" in shown


def crafted_weights(here: Here) -> None:
    """Nothing that is uploaded is ever taken for weights; and weights that are none are refused."""
    pickle = (
        b"\x80\x04\x95\x1f\0\0\0\0\0\0\0\x8c\5posix\x94\x8c\6system\x94\x93\x94\x8c\4true\x94\x85\x94R\x94."
    )
    torch_file = zip_of(("archive/data.pkl", pickle), ("archive/version", b"3"))
    said = here.reasons(("model.safetensors", pickle), ("model.pt", torch_file))
    assert set(said.values()) == {UNREADABLE}
    bundled = next(run for run in runs.listing(here.workspace) if run.bundled)
    crafted = here.tmp / "model.safetensors"
    here.patch.setattr(type(bundled), "weights", lambda self: crafted)
    for content in (pickle, torch_file, b"", (2**40).to_bytes(8, "little") + b"{}"):
        crafted.write_bytes(content)
        with pytest.raises(UserError, match="do not fit its network"):
            networks.trained(bundled)


UPLOADS: dict[str, Callable[[Here], None]] = {
    "76 an upload that breaks off": interrupted,
    "77 an upload that is too large": too_large,
    "78 more files than an upload may hold": too_many,
    "79 a disk that is nearly full": disk_nearly_full,
    "80 two people with one picture": two_people,
    "81 addresses that mean nothing": odd_addresses,
    "82 weights that somebody made up": crafted_weights,
}
ROWS = dict(sorted(({name: images_of(make) for name, make in IMAGES.items()} | BATCHES | UPLOADS).items()))


@pytest.mark.parametrize("row", ROWS)
def test_row(row: str, here: Here) -> None:
    ROWS[row](here)


def test_there_is_a_row_for_each_of_the_eighty_two() -> None:
    assert [int(name[:2]) for name in ROWS] == list(range(1, 83))


def test_a_file_that_takes_too_long_is_given_up(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "sitecustomize.py").write_text(HANGING)
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    monkeypatch.setenv("SSLVIZ_DECODE_SECONDS", "0.5")
    ((_, found),) = decode_all([("a.tif", image())], 1)
    assert isinstance(found, UserError)
    assert found.message == "took too long to read"


def test_remarks_are_made_once_for_all_images(here: Here) -> None:
    flat = [file_of(np.full((40, 40, 3), level, np.uint8), "PNG") for level in range(3)]
    found = here.add(
        *((f"{n}.png", data) for n, data in enumerate(flat)),
        ("b.jpg", png(40, 40, 8, 0, body=bytes(41 * 40))),
    )
    assert found.added == 3
    assert found.duplicates == 1
    assert found.notes == [
        f"4 images (0.png, …) are each of one colour all over: {FLAT}.",
        "1 image (b.jpg) is not what its name says, and read as what it is.",
    ]


def test_the_largest_numbers_fit_into_memory() -> None:
    """Grey of 32 million values, each computed with in double precision, within what a child may have."""
    from sslviz.images.tones import eight_bits

    levels = np.broadcast_to(np.linspace(-1e38, 1e38, 500, dtype=np.float32), (400, 500))
    found = eight_bits(levels)
    assert found.dtype == np.uint8
    assert np.all(np.diff(found[0].astype(int)) >= 0)
    assert (found.min(), found.max()) == (0, 255)
    assert scene().dtype == found.dtype
