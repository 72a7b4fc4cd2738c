"""Files that are replaced at once or not at all."""

from __future__ import annotations

import os
import stat
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from sslviz import files
from sslviz.errors import UserError


def test_what_is_written_is_read(tmp_path: Path) -> None:
    path = tmp_path / "new" / "x.json"
    for value in ({}, {"a": [1, 2.5, None, "ü ☃"], "b": {"c": True}}):
        files.write_json(path, value)
        assert files.read_json(path) == value
    assert [p.name for p in path.parent.iterdir()] == ["x.json"]


NO_OBJECTS = [
    b"",
    b"null",
    b"[]",
    b"3",
    b'{"a": NaN}',
    b'{"a": Infinity}',
    b'{"a"',
    b"\xef\xbb\xbf{}",
    b"\xff",
]


@pytest.mark.parametrize("content", [*NO_OBJECTS, b"[" * 99_999])
def test_what_is_no_object_is_refused(content: bytes, tmp_path: Path) -> None:
    path = tmp_path / "x.json"
    path.write_bytes(content)
    with pytest.raises(ValueError):  # noqa: PT011
        files.read_json(path)


def test_what_json_cannot_say_is_not_written(tmp_path: Path) -> None:
    path = tmp_path / "x.json"
    files.write_json(path, {"a": 1})
    with pytest.raises(ValueError, match="JSON"):
        files.write_json(path, {"a": float("nan")})
    assert files.read_json(path) == {"a": 1}


def test_the_file_is_flushed_before_the_rename_and_the_folder_after(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    events: list[str] = []
    fsync, replace = os.fsync, Path.replace

    def seen(descriptor: int) -> None:
        events.append("folder" if stat.S_ISDIR(os.fstat(descriptor).st_mode) else "file")
        fsync(descriptor)

    def renamed(self: Path, target: Path) -> Any:
        events.append("rename")
        return replace(self, target)

    monkeypatch.setattr(os, "fsync", seen)
    monkeypatch.setattr(Path, "replace", renamed)
    files.write_atomically(tmp_path / "x", b"1")
    assert events == ["file", "rename", "folder"]


@pytest.mark.skipif(sys.platform != "linux", reason="needs /dev/full")
def test_a_full_disk_is_a_sentence_and_the_old_file_stays(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "x"
    files.write_atomically(path, b"old")
    full = tmp_path / "full"
    full.symlink_to("/dev/full")
    opened = Path.open

    def to_full(self: Path, mode: str = "r") -> Any:
        return opened(full, "r+b") if mode == "xb" else opened(self, mode)

    monkeypatch.setattr(Path, "open", to_full)
    with pytest.raises(UserError, match="The disk is full: this needs"):
        files.write_atomically(path, b"new" * 100_000)
    monkeypatch.undo()
    assert path.read_bytes() == b"old"
    assert not list(tmp_path.glob(".*.tmp"))


@pytest.mark.parametrize(
    ("needed", "free", "said"),
    [
        (200, 3_000_000, "The disk is full: 3.0 MB are free at "),
        (200, 900, "The disk is full at "),
        (12_000_000, 900, "The disk is full: this needs 12 MB at "),
        (12_000_000, 70_000, "The disk is full: this needs 12 MB, and 0.1 MB are free at "),
    ],
)
def test_amounts_too_small_to_say_are_left_out(
    needed: int, free: int, said: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(files, "free_bytes", lambda folder: free)
    assert files.full_disk(tmp_path, needed).message == f"{said}{tmp_path}."


def test_a_file_where_a_folder_should_be_is_a_sentence(tmp_path: Path) -> None:
    (tmp_path / "home").write_text("a file")
    with pytest.raises(UserError, match="cannot be written to"):
        files.write_atomically(tmp_path / "home" / "x" / "y", b"1")
    with pytest.raises(UserError, match="cannot be written to"):
        files.write_atomically(tmp_path / "home" / "y", b"1")
    (tmp_path / "folder").mkdir()
    with pytest.raises(UserError, match="cannot be written to"):
        files.write_atomically(tmp_path / "folder", b"1")
    with pytest.raises(UserError, match="cannot be written to"):
        files.write_atomically(tmp_path / ("x" * 300) / "y", b"1")


@pytest.mark.skipif(sys.platform != "linux", reason="needs /proc")
def test_a_place_where_no_folder_can_be_made_is_a_sentence() -> None:
    with pytest.raises(UserError, match="cannot be written to"):
        files.write_atomically(Path("/proc/no-such-thing/x/y"), b"1")
    assert files.existing(Path("/proc/no-such-thing/x")) == Path("/proc")


def test_what_was_deleted_meanwhile_is_left_to_the_caller(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError), files.writing(tmp_path / "gone" / "x"):
        (tmp_path / "gone" / "x").mkdir()
    with pytest.raises(FileNotFoundError), files.writing(tmp_path):
        (tmp_path / "source").read_bytes()


def test_a_writer_that_is_killed_tears_nothing(tmp_path: Path) -> None:
    path = tmp_path / "x.json"
    script = """
import sys
from pathlib import Path
from sslviz.files import write_json
for number in range(10**9):
    write_json(Path(sys.argv[1]), {"number": number, "padding": "x" * 20000})
    print(".", end="", flush=True)
"""
    for _ in range(4):
        process = subprocess.Popen([sys.executable, "-c", script, str(path)], stdout=subprocess.PIPE)
        assert process.stdout is not None
        process.stdout.read(5)
        process.kill()
        process.wait()
        process.stdout.close()
        assert len(files.read_json(path)["padding"]) == 20000


def test_a_name_may_be_as_long_as_the_file_system_allows(tmp_path: Path) -> None:
    for name in ("x" * 255, "é" * 127):
        files.write_atomically(tmp_path / name, b"new")
        assert (tmp_path / name).read_bytes() == b"new"


def test_only_what_was_left_long_ago_is_swept(tmp_path: Path) -> None:
    old, young = files.temporary_beside(tmp_path / "x"), files.temporary_beside(tmp_path / "x")
    for path in (old, young):
        path.write_bytes(b"")
    os.utime(old, (time.time() - 1e6,) * 2)
    files.sweep(tmp_path)
    assert not old.exists()
    assert young.exists()
