"""Zips that are not what they say: bombs, overlaps, links, lies; and zips that are fine."""

from __future__ import annotations

import io
import struct
import zipfile
from pathlib import Path

import pytest
from bad_files import zip_of
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from sslviz import archives
from sslviz.errors import UserError
from sslviz.settings import Settings

LIMITS = Settings()
NOT_A_ZIP = "is not a zip, or a damaged one; pack the images as .zip again"


def read(data: bytes | Path, limits: Settings = LIMITS) -> dict[str, bytes | str]:
    found = archives.members(data, limits)
    return {name: got if isinstance(got, bytes) else got.message for name, got in found}


def refusal(data: bytes | Path, limits: Settings = LIMITS) -> str:
    with pytest.raises(UserError) as caught:
        read(data, limits)
    return caught.value.message


@pytest.mark.parametrize(
    "method", [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA]
)
def test_members_come_back(method: int, tmp_path: Path) -> None:
    files = {"a.png": b"A" * 10_000, "deep/er/b.png": bytes(range(256)) * 90, "empty.png": b""}
    data = zip_of(*files.items(), method=method)
    path = tmp_path / "x.zip"
    path.write_bytes(data)
    assert read(data) == read(path) == files
    assert archives.names(data, LIMITS) == archives.names(path, LIMITS) == list(files)


def test_names_are_data_and_nothing_is_extracted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    names = [
        "../../evil.png",
        "/etc/x.png",
        "C:\\x.png",
        "..\\..\\x.png",
        "a",
        "a/b.png",
        "<img>.png",
        "名.png",
    ]
    found = archives.members(zip_of(*((name, b"x") for name in names)), LIMITS)
    assert [name for name, _ in found] == names
    assert list(tmp_path.iterdir()) == []


def test_a_name_that_comes_twice_is_two_files() -> None:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        archive.writestr("a.png", b"first")
        with pytest.warns(UserWarning, match="Duplicate"):
            archive.writestr("a.png", b"second")
    assert [got for _, got in archives.members(out.getvalue(), LIMITS)] == [b"first", b"second"]


def renamed(old: str, new: bytes, flag: bool = False) -> bytes:
    """A zip of `old` and ok.png, with the bytes `new` for the name `old`, flagged as UTF-8 or not."""
    data = bytearray(zip_of((old, b"A"), ("ok.png", b"x")).replace(old.encode(), new))
    for signature, field in ((b"PK\3\4", 6), (b"PK\1\2", 8)):
        at = data.find(signature) + field
        struct.pack_into("<H", data, at, 0x800 if flag else 0)
    return bytes(data)


def test_names_without_a_flag_are_utf8_where_they_can_be() -> None:
    """The Finder of macOS writes UTF-8 and no flag; others without the flag meant the code page of DOS."""
    for wish, encoding in (("Café/日本.png", "utf-8"), ("Café/Z.png", "cp437"), ("plain.png", "ascii")):
        name = wish.encode(encoding)
        data = renamed("x" * len(name), name)
        assert read(data) == {wish: b"A", "ok.png": b"x"}
        assert archives.names(data, LIMITS) == [wish, "ok.png"]


def test_a_name_that_is_no_utf8_though_it_says_so_costs_one_file(tmp_path: Path) -> None:
    data = renamed("xxxx.png", b"\xff\xfex\xe9.png", flag=True)
    path = tmp_path / "x.zip"
    path.write_bytes(b"something before it" + data)
    for source in (data, path):
        found = read(source)
        assert len(found) == 2
        assert found["ok.png"] == b"x"
        assert "is damaged in the zip; pack or download it again" in found.values()


def test_what_systems_leave_behind_is_passed_over() -> None:
    junk = [
        "__MACOSX/._a.png",
        ".DS_Store",
        "x/Thumbs.db",
        "desktop.ini",
        ".git/config",
        "._b.png",
        "folder/",
    ]
    assert read(zip_of(("a.png", b"x"), *((name, b"x") for name in junk))) == {"a.png": b"x"}


def test_folders_written_with_a_backslash_are_folders() -> None:
    data = zip_of(("cat\\", b""), ("cat\\a.png", b"x"), ("odd\\", b"y"), ("empty.png", b""))
    assert read(data) == {"cat\\a.png": b"x", "odd\\": b"y", "empty.png": b""}


def test_empty_and_broken_zips() -> None:
    whole = zip_of(("a.png", b"x" * 1000), ("b.png", b"y" * 1000))
    assert read(zip_of()) == {}
    for broken in (b"", b"PK", b"PK\3\4" + bytes(50), whole[:-10], whole[len(whole) // 2 :], b"\x1f\x8b\x08"):
        assert refusal(broken) == NOT_A_ZIP


def test_a_link_an_encrypted_file_and_a_zip_are_skipped_each_with_its_reason() -> None:
    link = zipfile.ZipInfo("link.png")
    link.external_attr = 0o120777 << 16
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        archive.writestr(link, "/etc/passwd")
        archive.writestr("inner.zip", zip_of(("a.png", b"x")))
        archive.writestr("good.png", b"x")
        archive.writestr("secret.png", b"x")
    data = bytearray(out.getvalue())
    at = data.rfind(b"PK\1\2")  # the last entry of the directory
    data[at + 8] |= 1
    assert read(bytes(data)) == {
        "link.png": "is a link, not a picture",
        "inner.zip": "is a zip inside a zip; unpack it and add it by itself",
        "good.png": b"x",
        "secret.png": "is password-protected",
    }


def test_an_unknown_packing_and_a_wrong_checksum_cost_one_file() -> None:
    data = bytearray(zip_of(("a.png", b"x" * 500), ("b.png", b"y" * 500), method=zipfile.ZIP_STORED))
    data[data.find(b"x" * 500) + 7] = ord("z")
    assert read(bytes(data)) == {
        "a.png": "is damaged in the zip; pack or download it again",
        "b.png": b"y" * 500,
    }
    data = bytearray(zip_of(("a.png", b"x" * 500), ("b.png", b"y" * 500)))
    for signature, field in ((b"PK\3\4", 8), (b"PK\1\2", 10)):
        struct.pack_into("<H", data, data.find(signature) + field, 9)  # deflate64
    assert read(bytes(data))["a.png"] == "is packed in a way that cannot be opened; pack it as a plain .zip"
    assert read(bytes(data))["b.png"] == b"y" * 500


def test_a_bomb_stops_at_the_limit_of_a_file_and_of_the_zip() -> None:
    limits = Settings(max_file_bytes=2_000_000, max_zip_bytes=5_000_000)
    big, ok = ("big.png", bytes(2_000_001)), ("ok.png", bytes(1_500_000))
    assert read(zip_of(big, ok), limits) == {"big.png": "is larger than 2 MB", "ok.png": ok[1]}
    many = zip_of(*((f"{i}.png", ok[1]) for i in range(9)))
    got = []
    with pytest.raises(UserError, match="unpacks to more than 5 MB"):
        got.extend(archives.members(many, limits))
    for method in (zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA):
        assert read(zip_of(big, method=method), limits) == {"big.png": "is larger than 2 MB"}


def test_what_is_refused_for_itself_does_not_end_a_zip_near_its_limit() -> None:
    """Before and behind a link, a zip, a damaged and an overlong file there is the same."""
    limits = Settings(max_file_bytes=2_000, max_zip_bytes=3_000)
    link = zipfile.ZipInfo("link.png")
    link.external_attr = 0o120777 << 16
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        for n in range(8):
            archive.writestr(f"{n}.png", bytes(200))
        archive.writestr(link, "/etc/passwd")
        archive.writestr("inner.zip", zip_of(("a.png", b"x")))
        archive.writestr("bad.png", b"y" * 100)
        archive.writestr("long.png", bytes(2_001))
        for n in range(8, 15):
            archive.writestr(f"{n}.png", bytes(200))
    data = out.getvalue().replace(b"y" * 100, b"z" * 100)
    found = read(data, limits)
    assert [name for name, got in found.items() if got == bytes(200)] == [f"{n}.png" for n in range(15)]
    assert found["long.png"] == "is larger than 2 kB"
    assert found["link.png"] == "is a link, not a picture"
    assert len(found) == 19
    got = []
    with pytest.raises(UserError, match="unpacks to more than 3 kB"):
        got.extend(archives.members(zip_of(*((f"{n}.png", bytes(200)) for n in range(16))), limits))


@pytest.mark.parametrize("method", [zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA])
def test_sizes_that_lie_unpack_no_further(method: int) -> None:
    data = bytearray(zip_of(("a.png", bytes(30_000_000)), method=method))
    for signature, field in ((b"PK\3\4", 22), (b"PK\1\2", 24)):
        struct.pack_into("<I", data, data.find(signature) + field, 1000)
    assert read(bytes(data))["a.png"] == "is damaged in the zip; pack or download it again"


def test_too_many_files_are_counted_before_they_are_listed() -> None:
    data = zip_of(*((f"{i}.png", b"") for i in range(60)))
    limits = Settings(max_zip_entries=50)
    assert refusal(data, limits) == "holds 60 files; the limit is 50"
    lying = bytearray(data)
    struct.pack_into("<HH", lying, data.rfind(b"PK\5\6") + 8, 1, 1)
    assert refusal(bytes(lying), limits) == "holds 60 files; the limit is 50"
    assert len(read(data, Settings(max_zip_entries=60))) == 60


def test_pack_writes_what_members_reads() -> None:
    files = {"run/spec.json": b"{}", "run/weights.bin": bytes(range(256)) * 40}
    packed = archives.pack(files.items())
    assert read(packed) == files
    assert packed == archives.pack(files.items())
    with zipfile.ZipFile(io.BytesIO(packed)) as archive:
        assert archive.testzip() is None


WHOLE = zip_of(("a.png", b"x" * 300), ("b/c.png", bytes(range(200))), ("d.txt", b"hello"))


@hypothesis_settings(max_examples=300, deadline=None)
@given(
    st.lists(st.tuples(st.integers(0, len(WHOLE) - 1), st.integers(1, 255)), max_size=5), st.integers(0, 9)
)
def test_a_damaged_zip_is_read_or_refused(flips: list[tuple[int, int]], cut: int) -> None:
    data = bytearray(WHOLE)
    for place, mask in flips:
        data[place] ^= mask
    try:
        found = list(archives.members(bytes(data[: len(data) - cut]), LIMITS))
    except UserError:
        return
    assert all(isinstance(got, bytes | UserError) for _, got in found)
