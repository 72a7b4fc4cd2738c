"""Zip in, (name, bytes) out, under limits; and zip out. The only place that opens a zip.

Nothing is ever extracted: members are read into memory one at a time, so no name in a zip becomes a path.
Reasons are the ends of sentences that begin with the file's name, as in `sslviz.images`.
"""

from __future__ import annotations

import contextlib
import io
import lzma
import stat
import struct
import zipfile
import zlib
from collections.abc import Iterable, Iterator
from pathlib import Path, PurePosixPath
from typing import IO

from sslviz.errors import UserError
from sslviz.settings import Settings, megabytes
from sslviz.splits import training_first

_JUNK = {".ds_store", "thumbs.db", "desktop.ini", "__macosx"}
_DAMAGED = (zipfile.BadZipFile, zlib.error, lzma.LZMAError, EOFError, OSError, ValueError, struct.error)
_NOT_A_ZIP = "is not a zip, or a damaged one; pack the images as .zip again"
_UTF8_FLAG = 0x800
_END = 66_000
"""Bytes at the end of a zip among which its end record is: that and a comment of 64 KB."""
_CHUNK = 4096
"""Bytes of a member packed by bzip2 or LZMA taken at a time: zipfile unpacks those without a bound, and
this many can become some 80 MB but no more."""


def looks_like_zip(start: bytes) -> bool:
    """Whether a file that begins with `start` is a zip."""
    return start.startswith((b"PK\3\4", b"PK\5\6"))


def is_junk(name: str) -> bool:
    """What operating systems and version control leave beside pictures; never worth a word."""
    parts = PurePosixPath(name.replace("\\", "/")).parts
    hidden_folder = any(part.startswith(".") and part != ".." for part in parts[:-1])
    return hidden_folder or any(p.lower() in _JUNK for p in parts) or (parts or ("",))[-1].startswith("._")


def names(source: Path | bytes, settings: Settings) -> list[str]:
    """Names of the files that `members` will yield, in its order. Raises `UserError` as it does."""
    with _open(source, settings) as archive:
        return [_name(member) for member in _wanted(archive)]


def members(source: Path | bytes, settings: Settings) -> Iterator[tuple[str, bytes | UserError]]:
    """Each file in a zip: its name and its bytes, or the reason why it cannot be had.

    Folders and what systems leave behind are passed over. Raises `UserError` where the zip as a whole is bad,
    and in the middle where it has unpacked to more than `settings.max_zip_bytes`.
    """
    left = settings.max_zip_bytes
    with _open(source, settings) as archive:
        for member in _wanted(archive):
            data = _read(archive, member, left, settings)
            if isinstance(data, _TooMuchError):
                raise data
            if isinstance(data, bytes):
                left -= len(data)
            yield _name(member), data


def pack(files: Iterable[tuple[str, bytes]]) -> bytes:
    """A zip of (name, bytes), names with forward slashes. The same files give the same bytes."""
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in files:
            # A date of its own would make two exports of one run differ.
            member = zipfile.ZipInfo(name)
            member.external_attr = 0o644 << 16
            archive.writestr(member, data, zipfile.ZIP_DEFLATED)
    return out.getvalue()


@contextlib.contextmanager
def _open(source: Path | bytes, settings: Settings) -> Iterator[zipfile.ZipFile]:
    with contextlib.ExitStack() as stack:
        try:
            if isinstance(source, Path) and not stat.S_ISREG(source.stat().st_mode):
                raise UserError("is not a file")
            file: IO[bytes] = io.BytesIO(source) if isinstance(source, bytes) else source.open("rb")
            stack.enter_context(file)
            count = _count(file)
            if count > settings.max_zip_entries:
                raise UserError(f"holds {count:,} files; the limit is {settings.max_zip_entries:,}")
            try:
                archive = zipfile.ZipFile(file)
            except UnicodeDecodeError:
                archive = zipfile.ZipFile(_Unflagged(file))
            stack.enter_context(archive)
            _check_ranges(archive)
        except (*_DAMAGED, NotImplementedError, MemoryError):
            raise UserError(_NOT_A_ZIP) from None
        yield archive


def _count(file: IO[bytes]) -> int:
    """Most entries the directory can have, without making an object of each as zipfile would.

    The number in the end record may lie, so the signatures in the directory are counted too.
    """
    said, directory_at = _directory(file)
    file.seek(directory_at)
    found, before = 0, b""
    while block := file.read(1 << 20):
        found += (before + block).count(b"PK\1\2") - before.count(b"PK\1\2")
        before = block[-3:]
    return int(max(said, found))


def _directory(file: IO[bytes]) -> tuple[int, int]:
    """What the end record says: the number of entries, and where the directory begins."""
    size = file.seek(0, io.SEEK_END)
    tail_at = max(0, size - _END)
    file.seek(tail_at)
    tail = file.read(_END)
    end = tail.rfind(b"PK\5\6")
    if end < 0 or len(tail) < end + 22:
        raise zipfile.BadZipFile
    said, length = struct.unpack_from("<HI", tail, end + 10)
    directory_at = tail_at + end - length
    locator = tail.rfind(b"PK\6\7", 0, end)
    if locator >= 0 and (said == 0xFFFF or length == 0xFFFFFFFF):
        record_at = struct.unpack_from("<Q", tail, locator + 8)[0]
        file.seek(min(record_at, size))
        record = file.read(56)
        if len(record) == 56 and record.startswith(b"PK\6\6"):
            said, length = struct.unpack_from("<QQ", record, 32)
            directory_at = record_at - length
    return said, max(0, min(directory_at, size))


class _Unflagged(io.RawIOBase):
    """A zip as it would be if no name were flagged as UTF-8 that is not.

    zipfile refuses a whole zip for one such name; so it costs that one file, whose other header still has it.
    """

    def __init__(self, file: IO[bytes]) -> None:
        self._file = file
        self._flags = list(_wrong_flags(file))
        """Where in the file the byte is that holds such a flag, in order; all are behind the images."""

    def seekable(self) -> bool:
        return True

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        return self._file.seek(offset, whence)

    def tell(self) -> int:
        return self._file.tell()

    def read(self, size: int = -1) -> bytes:
        start = self._file.tell()
        data = self._file.read(size)
        end = start + len(data)
        if not self._flags or end <= self._flags[0]:
            return data
        mended = bytearray(data)
        for place in self._flags:
            if start <= place < end:
                mended[place - start] &= ~(_UTF8_FLAG >> 8)
        return bytes(mended)


def _wrong_flags(file: IO[bytes]) -> Iterator[int]:
    _, start = _directory(file)
    file.seek(start)
    directory = file.read()
    at = 0
    while directory.startswith(b"PK\1\2", at) and at + 46 <= len(directory):
        flags = struct.unpack_from("<H", directory, at + 8)[0]
        lengths = struct.unpack_from("<HHH", directory, at + 28)
        name = directory[at + 46 : at + 46 + lengths[0]]
        if flags & _UTF8_FLAG and name.decode(errors="replace").encode() != name:
            yield start + at + 9
        at += 46 + sum(lengths)


def _check_ranges(archive: zipfile.ZipFile) -> None:
    """Refuse members that share bytes: 26 KB of them unpack to 500 MB (CVE-2024-0450, in older Pythons)."""
    end = 0
    for member in sorted(archive.infolist(), key=lambda m: m.header_offset):
        if member.header_offset < end:
            raise zipfile.BadZipFile
        end = member.header_offset + 30 + len(member.orig_filename) + member.compress_size
    if end > archive.start_dir:
        raise zipfile.BadZipFile


def _name(member: zipfile.ZipInfo) -> str:
    """A member's name. macOS writes UTF-8 without the flag that says so; zipfile then takes it for cp437."""
    if not member.flag_bits & _UTF8_FLAG:
        with contextlib.suppress(UnicodeError):
            return member.filename.encode("cp437").decode("utf-8")
    return member.filename


def _wanted(archive: zipfile.ZipFile) -> list[zipfile.ZipInfo]:
    """What is to be read, in the zip's order, but what is for testing after the rest."""
    wanted = [m for m in archive.infolist() if not _is_folder(m) and not is_junk(m.filename)]
    return [wanted[at] for at in training_first([_name(member) for member in wanted])]


def _is_folder(member: zipfile.ZipInfo) -> bool:
    """Whether an entry is a folder's; zips that Windows made long ago write these with a backslash."""
    return member.is_dir() or (member.filename.endswith("\\") and not member.file_size)


class _TooMuchError(UserError):
    """What the whole zip may unpack to is used up, so that this member has no room, whatever it is."""


def _read(
    archive: zipfile.ZipFile, member: zipfile.ZipInfo, left: int, settings: Settings
) -> bytes | UserError:
    reason = _refusal(member)
    if reason:
        return UserError(reason)
    most = min(settings.max_file_bytes, left)
    too_large = UserError(f"is larger than {megabytes(settings.max_file_bytes)}")
    if left < settings.max_file_bytes and member.file_size <= settings.max_file_bytes:
        too_large = _TooMuchError(f"unpacks to more than {megabytes(settings.max_zip_bytes)}")
    if member.file_size > most:
        return too_large
    try:
        with archive.open(member) as file:
            data = _bounded(file, member, most)
    except (NotImplementedError, RuntimeError):
        return UserError("is packed in a way that cannot be opened; pack it as a plain .zip")
    except (*_DAMAGED, MemoryError):
        return UserError("is damaged in the zip; pack or download it again")
    if looks_like_zip(data):
        return UserError("is a zip inside a zip; unpack it and add it by itself")
    return data if len(data) <= most else too_large


def _refusal(member: zipfile.ZipInfo) -> str:
    """Why a member is not even read; empty where it is."""
    if stat.S_ISLNK(member.external_attr >> 16):
        return "is a link, not a picture"
    return "is password-protected" if member.flag_bits & 1 else ""


def _bounded(file: IO[bytes], member: zipfile.ZipInfo, most: int) -> bytes:
    """At most one byte more than `most`, whatever the headers say about sizes."""
    if member.compress_type in {zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED}:
        return file.read(most + 1)
    data = bytearray()
    while len(data) <= most and (part := file.read(_CHUNK)):
        data += part
    return bytes(data)
