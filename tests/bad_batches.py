"""Rows 25 and 48 to 75 of the bad inputs: names, doubles, archives, and what they do to a set."""

from __future__ import annotations

import csv
import io
import lzma
import struct
import zipfile
from collections.abc import Callable, Generator, Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
import torch
from bad_files import file_of, overlapping_zip, patched, scene, zip_of
from bad_images import UNREADABLE

from sslviz import archives, imagesets, ingest, settings
from sslviz.errors import UserError
from sslviz.images.pool import Outcome, Payload, _Pool
from sslviz.ingest import Report
from sslviz.splits import label_names
from sslviz.tables import as_csv
from sslviz.tasks import TASKS

DAMAGED_ZIP = "is not a zip, or a damaged one; pack the images as .zip again"
DAMAGED_IN_ZIP = "is damaged in the zip; pack or download it again"
ARCHIVE = "is an archive and no picture; pack the images as one .zip and add that"


class Child:
    """One decoding process that outlives a batch, so that thousands of batches need not wait for as many."""

    def __init__(self) -> None:
        self.pool = _Pool(1).__enter__()

    def decode_all(
        self, items: Iterable[tuple[Any, Payload]], _: int | None = None
    ) -> Generator[tuple[Any, Outcome], None, None]:
        for key, payload in items:
            yield key, self.pool.decode([payload])[0]

    def end(self) -> None:
        self.pool.__exit__()


@dataclass
class Here:
    """What a row needs to try something."""

    workspace: Path
    tmp: Path
    patch: pytest.MonkeyPatch
    child: Child
    images: imagesets.ImageSet = field(init=False)

    def __post_init__(self) -> None:
        self.images = imagesets.create(self.workspace, "mine")

    def add(self, *sources: tuple[str, bytes] | Path, **options: Any) -> Report:
        return ingest.ingest(self.images, sources, **options)

    def reasons(self, *sources: tuple[str, bytes] | Path) -> dict[str, str]:
        return dict(self.add(*sources).skipped)

    def taken(self, *names: str) -> list[str]:
        """Names as a set shows them of images that were given under `names`, one each."""
        found = self.add(*((name, image(number)) for number, name in enumerate(names)))
        assert (found.added, found.skipped) == (len(names), [])
        return self.images.names


def image(tint: int = 0, kind: str = "PNG") -> bytes:
    return file_of(scene(40, 42, tint), kind)


def too_small_for_a_task(here: Here) -> None:
    found = here.add(*((f"{n}.png", file_of(scene(33 + 8 * n, 64), "PNG")) for n in range(3)))
    assert found.added == 3
    with pytest.raises(UserError) as caught:
        TASKS["location"]().check_sides([16, 200, 20])
    assert caught.value.message.startswith("2 images are too small for relative location: the smallest is 16")
    assert "1 of 3 remains" in caught.value.message
    assert caught.value.hint == "Leave them out."


def the_same_picture(here: Here) -> None:
    found = here.add(("a.png", image()), ("b.bmp", image(kind="BMP")), ("c.png", image()))
    assert (found.added, found.duplicates, found.skipped) == (1, 2, [])
    assert here.images.names == ["a.png"]


def nearly_the_same_and_very_few(here: Here) -> None:
    other = scene(40, 42)
    other[0, 0] = 255 - other[0, 0]
    assert here.add(("a.png", image()), ("b.png", file_of(other, "PNG"))).added == 2
    for count in (1, 2):
        rows = torch.zeros((count, 3, 96, 96), dtype=torch.uint8).random_(256)
        for task in TASKS.values():
            problem = task().bind(rows, torch.Generator().manual_seed(0))
            train, held_out = problem.split(torch.Generator().manual_seed(0))
            assert len(train) >= 1
            assert len(held_out) >= 1


def paths(here: Here) -> None:
    here.patch.chdir(here.tmp)
    before = sorted(here.tmp.rglob("*"))
    names = ["../../evil.png", "/etc/x.png", "C:\\x.png", "..\\..\\x.png"]
    assert here.taken(*names) == names
    assert sorted(here.tmp.rglob("*")) == before
    stored = {path.name for path in here.workspace.rglob("*") if path.is_file()}
    assert not {"evil.png", "x.png"} & stored


def markup(here: Here) -> None:
    from sslviz.ui import pictures

    names = ["<img src=x onerror=alert(1)>.png", "![](http://evil.example/p).png", ":red[x].png", "$x$.png"]
    assert here.taken(*names) == names
    for name in names:
        assert pictures.literal(name).replace("\\", "").replace("\N{WORD JOINER}", "") == name
        assert not any(f"\\{mark}" not in pictures.literal(name) for mark in "<[:$" if mark in name)
    html = pictures.gallery([(b"", name) for name in names])
    assert "<img src=x" not in html
    assert "&lt;img src=x onerror=alert(1)&gt;.png" in html


def unseen(here: Here) -> None:
    names = ["photo\u202egnp.exe", "a\u200b.png", "b\x1b[31m\x07\r\n.png"]
    assert here.taken(*names) == ["photo�gnp.exe", "a�.png", "b�[31m���.png"]


def twins(here: Here) -> None:
    names = ["\u00e9.png", "e\u0301.png", "A.png", "a.png"]
    assert here.taken(*names) == names


def long_and_odd(here: Here) -> None:
    from sslviz.ui import pictures

    names = ["n" * 300 + ".png", "\N{GRINNING FACE}.png", "\ud800.png"]
    shown = here.taken(*names)
    assert shown == ["…" + "n" * 195 + ".png", "\N{GRINNING FACE}.png", "�.png"]
    assert len(pictures.name_of(shown[0])) == 80


def reserved(here: Here) -> None:
    names = ["CON.png", "a.png.", ".htaccess", "~", "   ", ""]
    assert here.taken(*names) == names


def with_a_nul(here: Here) -> None:
    packed = zip_of(("a~.png", image(1))).replace(b"a~.png", b"a\0.png")
    found = here.add(("a\0.png", image()), ("x.zip", packed))
    assert (found.added, found.skipped) == (2, [])
    assert set(here.images.names) == {"a�.png", "a"}


def one_name_twice(here: Here) -> None:
    assert here.taken("a.png", "a.png") == ["a.png", "a.png"]


def formulas(here: Here) -> None:
    names = ["=cmd|' /C calc'!A0.png", "+1.png", "-1.png", "@x.png"]
    rows = [{"file": name, "x": -1.5} for name in here.taken(*names)]
    found = list(csv.DictReader(io.StringIO(as_csv(rows))))
    assert [row["file"] for row in found] == [f"'{name}" for name in names]
    assert {row["x"] for row in found} == {"-1.5"}


def slips(here: Here) -> None:
    here.patch.chdir(here.tmp)
    names = ["../../evil.png", "/etc/x.png", "C:\\x.png", "..\\x.png"]
    before = sorted(here.tmp.rglob("*"))
    found = here.add(("x.zip", zip_of(*((name, image(n)) for n, name in enumerate(names)))))
    assert (found.added, found.skipped, here.images.names) == (4, [], names)
    assert sorted(here.tmp.rglob("*")) == before


def links(here: Here) -> None:
    link = zipfile.ZipInfo("link.png")
    link.external_attr = 0o120777 << 16
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        archive.writestr(link, "/etc/passwd")
    assert here.reasons(("x.zip", out.getvalue())) == {"link.png": "is a link, not a picture"}


def zip_bomb(here: Here) -> None:
    here.patch.setenv("SSLVIZ_MAX_ZIP_BYTES", "5000000")
    here.patch.setenv("SSLVIZ_MAX_FILE_BYTES", "2000000")
    bomb = zip_of(("a.png", bytes(2_000_001)), *((f"{n}.png", bytes(1_900_000)) for n in range(4)))
    assert len(bomb) < 20_000
    said = here.reasons(("x.zip", bomb), ("good.png", image()))
    assert said.pop("a.png") == "is larger than 2 MB"
    assert said.pop("x.zip") == "unpacks to more than 5 MB"
    assert set(said.values()) == {UNREADABLE}
    assert here.images.names == ["good.png"]


def shared_bytes(here: Here) -> None:
    assert here.reasons(("x.zip", overlapping_zip())) == {"x.zip": DAMAGED_ZIP}


def zip_in_a_zip(here: Here) -> None:
    said = here.reasons(("x.zip", zip_of(("in.zip", zip_of(("a.png", image()))))))
    assert said == {"in.zip": "is a zip inside a zip; unpack it and add it by itself"}


def lying_sizes(here: Here) -> None:
    data = zip_of(("a.png", bytes(30_000_000)))
    lies = patched(data, (b"PK\3\4", 22, "<I", 1000), (b"PK\1\2", 24, "<I", 1000))
    assert here.reasons(("x.zip", lies)) == {"a.png": DAMAGED_IN_ZIP}


def encrypted(here: Here) -> None:
    locked = patched(zip_of(("a.png", image())), (b"PK\3\4", 6, "<H", 1), (b"PK\1\2", 8, "<H", 1))
    assert here.reasons(("x.zip", locked)) == {"a.png": "is password-protected"}


def many_members(here: Here) -> None:
    names = [f"{number:05d}.png" for number in range(20_000)]
    data = zip_of(*((name, b"") for name in names), method=zipfile.ZIP_STORED)
    assert archives.names(data, settings.load()) == names
    here.patch.setenv("SSLVIZ_MAX_UPLOAD_IMAGES", "5")
    small = zip_of(*((f"{number}.png", image(number)) for number in range(8)))
    found = here.add(("x.zip", small), upload=True)
    assert (found.added, here.images.names) == (5, [f"{number}.png" for number in range(5)])
    left = "left out: an upload may hold 5 images; `sslviz images add` takes any number"
    assert found.skipped == [("3 more", left)]


def a_million_members(here: Here) -> None:
    """Zip64: where the end record says 65,535 entries, another one before it has the number."""
    data = zip_of(("a.png", image()))
    at = data.rindex(b"PK\5\6")
    length, start = struct.unpack_from("<II", data, at + 12)
    record = struct.pack("<4sQHHIIQQQQ", b"PK\6\6", 44, 45, 45, 0, 0, 10**6, 10**6, length, start)
    locator = struct.pack("<4sIQI", b"PK\6\7", 0, at, 1)
    end = patched(data[at:], (b"PK\5\6", 8, "<H", 0xFFFF), (b"PK\5\6", 10, "<H", 0xFFFF))
    said = here.reasons(("x.zip", data[:at] + record + locator + end))
    assert said == {"x.zip": "holds 1,000,000 files; the limit is 100,000"}


def zips_that_are_none(here: Here) -> None:
    whole = zip_of(("a.png", image()), ("b.png", image(1)))
    said = here.reasons(
        ("empty.zip", zip_of()), ("text.zip", b"hello"), ("half.zip", whole[:-10]), ("none.zip", b"")
    )
    assert said.pop("empty.zip") == "is a zip without a picture in it"
    assert said == dict.fromkeys(("text.zip", "half.zip", "none.zip"), DAMAGED_ZIP)


def one_member_twice(here: Here) -> None:
    data = zip_of(("a.png", image(1)), ("b.png", image(2))).replace(b"b.png", b"a.png")
    assert here.add(("x.zip", data)).added == 2
    assert here.images.names == ["a.png", "a.png"]


def file_and_folder(here: Here) -> None:
    assert here.add(("x.zip", zip_of(("a", image(1)), ("a/b.png", image(2))))).added == 2
    assert here.images.names == ["a", "a/b.png"]


def junk(here: Here) -> None:
    left = ["__MACOSX/._a.png", ".DS_Store", "x/Thumbs.db", "._b.png"]
    packed = zip_of(("a.png", image()), *((name, b"x") for name in left))
    found = here.add(("x.zip", packed), *((name, b"x") for name in left))
    assert (found.added, found.skipped) == (1, [])


def other_archives(here: Here) -> None:
    tar = b"a.png".ljust(257, b"\0") + b"ustar\0" + bytes(249)
    starts = {
        "a.tar.gz": b"\x1f\x8b\x08\0",
        "a.7z": b"7z\xbc\xaf\x27\x1c",
        "a.rar": b"Rar!\x1a\7",
        "a.tar": tar,
        "a.tar.zst": b"\x28\xb5\x2f\xfd\x04\x58",
        "a.tar.Z": b"\x1f\x9d\x90\x61",
        "a.lzma": lzma.compress(b"some text", lzma.FORMAT_ALONE),
    }
    said = here.reasons(*((name, start) for name, start in starts.items()))
    assert said == dict.fromkeys(starts, ARCHIVE)
    found = here.add(("a.png", zip_of(("really.png", image()))))  # it is what it is, whatever its name
    assert (found.added, here.images.names) == (1, ["really.png"])


def packings(here: Here) -> None:
    for number, method in enumerate((zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA)):
        assert here.add(("x.zip", zip_of(("a.png", image(number)), method=method))).added == 1
    other = patched(zip_of(("a.png", image())), (b"PK\3\4", 8, "<H", 9), (b"PK\1\2", 10, "<H", 9))
    said = here.reasons(("x.zip", other))
    assert said == {"a.png": "is packed in a way that cannot be opened; pack it as a plain .zip"}


def old_names(here: Here) -> None:
    name = "\u65e5\u672c.png".encode("shift-jis")
    packed = zip_of(("x" * len(name), image())).replace(b"x" * len(name), name)
    assert here.add(("x.zip", packed)).added == 1
    assert here.images.names == [name.decode("cp437")]


def labels(here: Here) -> None:
    names = ["cat/1.png", "cat/deep/er/2.png", "dog/3.png", "4.png"]
    assert label_names(names) == ["cat", "cat", "dog", None]
    found = here.add(("x.zip", zip_of(*((name, image(n)) for n, name in enumerate(names)))))
    assert found.labels == {"cat": 2, "dog": 1}
    assert found.notes == ["1 of 4 images lie in no folder of their kind, and have no label."]


BATCHES: dict[str, Callable[[Here], None]] = {
    "25 images too small for a task": too_small_for_a_task,
    "48 one picture several times": the_same_picture,
    "49 nearly the same picture, and one image alone": nearly_the_same_and_very_few,
    "50 names that are paths": paths,
    "51 names that are markup": markup,
    "52 names with what cannot be seen": unseen,
    "53 names that differ by little": twins,
    "54 names that are long, and half a character": long_and_odd,
    "55 names that systems keep for themselves": reserved,
    "56 names with a NUL": with_a_nul,
    "57 one name twice": one_name_twice,
    "58 names that are formulas": formulas,
    "59 zips that want out of their folder": slips,
    "60 a link in a zip": links,
    "61 a zip that unpacks without end": zip_bomb,
    "62 a zip whose members share their bytes": shared_bytes,
    "63 a zip in a zip": zip_in_a_zip,
    "64 a zip that lies about sizes": lying_sizes,
    "65 a zip with a password": encrypted,
    "66 a zip of 20,000 members": many_members,
    "67 a zip of a million members": a_million_members,
    "68 zips that are empty, none, or half": zips_that_are_none,
    "69 a member twice": one_member_twice,
    "70 a file and a folder of one name": file_and_folder,
    "71 what systems leave behind": junk,
    "72 archives of another kind, and a zip called png": other_archives,
    "73 unusual ways to pack": packings,
    "74 names in old alphabets": old_names,
    "75 a tree with images beside the folders": labels,
}
