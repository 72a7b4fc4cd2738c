"""One image set, open: what is in it, and the changes that can be made to it."""

from __future__ import annotations

import contextlib
import hashlib
import mmap
import statistics
import zlib
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from sslviz import images, quotas, settings
from sslviz.errors import UserError
from sslviz.imagesets.arrays import mapped
from sslviz.imagesets.index import (
    PACKS,
    Box,
    Entry,
    Index,
    check_name,
    count_images,
    count_labels,
    damaged,
    is_shared,
    read_index,
    show_label,
    show_name,
    write_index,
)
from sslviz.imagesets.locks import PATIENCE_SECONDS, delete_folder, locked, names_locked
from sslviz.imagesets.packs import Pack, cut

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from sslviz.images import Pixels, Stored

    Report = Callable[[int, int], None]


@dataclass(frozen=True)
class NewImage:
    """An image on its way into a set: `pixels`, or what `images.reencode` made of them."""

    name: str
    """Its file's name, as data."""
    pixels: Pixels | None = None
    """uint8 (H, W, 3)."""
    stored: Stored | None = None
    label: str | None = None
    source: str = ""
    """What it came with: the name of a zip, a folder, or "scenes"."""
    box: Box | None = None
    """x0 y0 x1 y1 of the object in [0, 1]."""
    mask: NDArray[np.uint8] | None = None
    """uint8 (H, W), of the image's own size, which must then be at most `settings.store_side`."""


class ImageSet:
    """One set, open. Rows are numbered 0 to N-1 in the order in which images were added."""

    def __init__(self, workspace: Path, folder: Path) -> None:
        self.workspace = workspace
        self.folder = folder
        self._maps: dict[str, mmap.mmap] = {}
        self._refresh()

    def __len__(self) -> int:
        return len(self.entries)

    def __repr__(self) -> str:
        return f"ImageSet({self.name!r}, {len(self)} images)"

    def _refresh(self) -> None:
        self._index = read_index(self.folder)
        self._fingerprint = ""
        # Opened at once: whoever holds the set can read on after somebody else has deleted it.
        for kind in PACKS:
            self._map(kind)

    @property
    def id(self) -> str:
        """Name of its folder: 12 characters that outlive a renaming."""
        return self.folder.name

    @property
    def name(self) -> str:
        """The name people gave it."""
        return self._index.name

    @property
    def entries(self) -> tuple[Entry, ...]:
        """What is known of each image, by row."""
        return self._index.entries

    @property
    def created(self) -> float:
        """Seconds since 1970."""
        return self._index.created

    @property
    def builtin(self) -> bool:
        """Made by sslviz rather than from somebody's files."""
        return self._index.builtin

    @property
    def shared(self) -> bool:
        """Shown to every workspace, and changed by none."""
        return is_shared(self.folder)

    @property
    def notes(self) -> Path:
        """The folder of what somebody writes about the set: its own, or for a shared one a place in their
        workspace."""
        return self.workspace / "notes" / self.id if self.shared else self.folder

    @property
    def origin(self) -> dict[str, Any]:
        """Where its images came from, as far as that is known.

        A mirror has the `path` of its folder or zip, its `listing` when it was last read, the `ids` of the
        images that came from there, and the `labels` by id that all there had by their folders; `added` are
        the paths of folders and zips that were added to a set.
        """
        return self._index.origin

    @property
    def ids(self) -> list[str]:
        """Ids, by row."""
        return [entry.id for entry in self.entries]

    @property
    def names(self) -> list[str]:
        """File names as they came: show them as data, never as Markdown."""
        return [entry.name for entry in self.entries]

    @property
    def labels(self) -> list[str | None]:
        """Labels, by row."""
        return [entry.label for entry in self.entries]

    @property
    def fingerprint(self) -> str:
        """16 hexadecimal digits of the ids in order: changes with the images, not with their labels."""
        if not self._fingerprint:
            self._fingerprint = hashlib.sha256("".join(self.ids).encode()).hexdigest()[:16]
        return self._fingerprint

    @property
    def short_side(self) -> int:
        """Median of the images' shorter sides in pixels; 0 for an empty set."""
        return int(statistics.median([min(e.width, e.height) for e in self.entries] or [0]))

    def label_counts(self) -> dict[str, int]:
        """Images with each label, labels in order; images without a label are left out."""
        return count_labels(self.entries)

    def row(self, image: str) -> int:
        """Row of the image with this id or, failing that, this name. Raises `UserError`."""
        for known in (self.ids, self.names):
            if image in known:
                return known.index(image)
        raise UserError(f"There is no image {show_name(image)!r} in the set {self.name!r}.")

    def jpeg(self, row: int) -> bytes:
        """The stored image, as JPEG."""
        entry = self.entries[row]
        return self._read("images", entry.image_at, entry.image_bytes)

    def thumbnail(self, row: int) -> bytes:
        """Its thumbnail, as JPEG."""
        entry = self.entries[row]
        return self._read("thumbs", entry.thumb_at, entry.thumb_bytes)

    def pixels(self, row: int) -> Pixels:
        """The stored image, uint8 (H, W, 3)."""
        return images.decode_jpeg(self.jpeg(row))

    def mask(self, row: int) -> NDArray[np.uint8] | None:
        """Mask of the object, uint8 (H, W), where the set knows one."""
        entry = self.entries[row]
        if not entry.mask_bytes:
            return None
        size = entry.width * entry.height
        try:
            packed = self._read("masks", entry.mask_at, entry.mask_bytes)
            values = zlib.decompressobj().decompress(packed, size + 1)
            return np.frombuffer(values, np.uint8).reshape(entry.height, entry.width).copy()
        except (zlib.error, ValueError):
            raise damaged(self.name) from None

    def squares(self, side: int, report: Report | None = None) -> NDArray[np.uint8]:
        """Every image's centre square, uint8 (N, 3, S, S), mapped from the disk; writing changes no file.

        Row i is `images.square(self.pixels(i), side)`. Built on the first call, on all cores. Raises
        `UserError` for an empty set and a full disk.
        """
        if not self.entries:
            raise UserError(f"The image set {self.name!r} is empty.", "Add images to it first.")

        def make(row: int) -> Pixels:
            return images.square(self.pixels(row), side).transpose(2, 0, 1)

        path = self.folder / "arrays" / f"{side}-{self.fingerprint}.npy"
        found = mapped(path, (len(self), 3, side, side), make, report)
        if found is None:
            raise damaged(self.name)
        return found

    def add(
        self, new: Iterable[NewImage], paths: Collection[Path] = (), *, fill: bool = True
    ) -> tuple[int, int]:
        """Append images; returns how many were added and how many were in the set already.

        Where one comes again it stays as it is; but one without a label gets that with which it comes, unless
        `fill` is False and it was in the set before.
        `new` is consumed one at a time; the folders and zips that it comes from, `paths`, are remembered. All
        or nothing: on any error, also a full disk, Ctrl-C, or more than the workspace may hold, the set is as
        it was. Waits while another process adds to the same set.
        """
        with self._changing(timeout=-1):
            index = self._index
            known = set(self.ids)
            allowance = quotas.Allowance(self.workspace, count_images(self.workspace))
            entries: list[Entry] = []
            bare = {entry.id for entry in index.entries if fill and entry.label is None}
            filled: dict[str, str] = {}
            duplicates = 0
            with (
                Pack(self.folder / "images.pack", index.ends[0]) as pictures,
                Pack(self.folder / "thumbs.pack", index.ends[1]) as thumbs,
                Pack(self.folder / "masks.pack", index.ends[2]) as masks,
            ):
                for image in new:
                    stored = image.stored or _reencode(image.pixels)
                    if stored.id in known:
                        duplicates += 1
                        if stored.id in bare and (label := show_label(image.label)):
                            filled.setdefault(stored.id, label)
                        continue
                    allowance.take(len(stored.jpeg) + len(stored.thumbnail))
                    known.add(stored.id)
                    entries.append(_append(image, stored, pictures, thumbs, masks))
                    if entries[-1].label is None:
                        bare.add(stored.id)
                ends = (pictures.sync(), thumbs.sync(), masks.sync())
            origin = _grown(index.origin, paths) if entries or duplicates else index.origin
            if entries or filled or origin != index.origin:
                everything = index.entries + tuple(entries)
                if filled:
                    everything = tuple(e._replace(label=filled.get(e.id, e.label)) for e in everything)
                try:
                    self._replace(replace(index, entries=everything, ends=ends, origin=origin))
                except BaseException:  # which may also come after the new index has taken its place
                    for kind, end in zip(PACKS, read_index(self.folder).ends, strict=True):
                        cut(self.folder / f"{kind}.pack", end)
                    raise
        return len(entries), duplicates

    def remove(self, ids: Collection[str]) -> None:
        """Take images out of the set; whoever is reading it keeps what they have."""
        gone = set(ids)
        self._change(lambda old: (entry for entry in old if entry.id not in gone))

    def relabel(self, ids: Collection[str], label: str | None) -> None:
        """Give images a label, or none."""
        chosen, text = set(ids), show_label(label)
        self._change(lambda old: (e._replace(label=text) if e.id in chosen else e for e in old))

    def set_labels(self, labels: Mapping[str, str | None], names: Mapping[str, str] | None = None) -> None:
        """Give each image its own label, id → label, and some another name: id → name."""
        texts = {image: show_label(label) for image, label in labels.items()}
        named = {image: show_name(name) for image, name in (names or {}).items()}

        def changed(e: Entry) -> Entry:
            return e._replace(label=texts.get(e.id, e.label), name=named.get(e.id, e.name))

        self._change(lambda old: map(changed, old))

    def remember(
        self, path: Path, listing: str, ids: Collection[str], labels: Mapping[str, str | None] | None = None
    ) -> None:
        """Remember that images `ids` mirror `path` as it was when its listing had the digest `listing`, and
        the `labels` that its folders gave: id → label."""
        with self._changing():
            mirrored = {
                "path": str(path),
                "listing": listing,
                "ids": sorted(ids),
                "labels": {**(labels or {})},
            }
            self._replace(replace(self._index, origin={**self._index.origin, **mirrored}))

    def rename(self, name: str) -> None:
        """Give the set another name. Raises `UserError` where it is taken or cannot be a name."""
        with names_locked(self.workspace), self._changing():
            name = check_name(self.workspace, name, builtin=self.builtin, besides=self.folder)
            self._replace(replace(self._index, name=name))

    def delete(self) -> None:
        """Remove the set from the disk; a run that has it open goes on."""
        self._refresh()
        delete_folder(self.folder, PATIENCE_SECONDS, self.name)

    def delete_if_empty(self) -> None:
        """Remove the set if it has no image, as whoever made it for images that did not come does.

        What somebody else has added to it by now stays, and so does the set while they are at it.
        """
        with contextlib.suppress(UserError):
            delete_folder(self.folder, PATIENCE_SECONDS, self.name, only_empty=True)

    def _change(self, new: Callable[[tuple[Entry, ...]], Iterable[Entry]]) -> None:
        with self._changing():
            self._replace(replace(self._index, entries=tuple(new(self._index.entries))))

    @contextlib.contextmanager
    def _changing(self, timeout: float | None = None) -> Iterator[None]:
        """Hold the set against other writers, with its newest state read."""
        with locked(self.folder, PATIENCE_SECONDS if timeout is None else timeout, self.name):
            self._refresh()
            yield

    def _replace(self, index: Index) -> None:
        write_index(self.folder, index)
        self._refresh()

    def _map(self, kind: str) -> mmap.mmap | None:
        path = self.folder / f"{kind}.pack"
        end = self._index.ends[PACKS.index(kind)]
        mapped = self._maps.get(kind)
        if end and (mapped is None or len(mapped) < end):
            try:
                with path.open("rb") as file:
                    self._maps[kind] = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
            except (OSError, ValueError):
                self._maps.pop(kind, None)  # missing or empty: every row says so when it is read
        return self._maps.get(kind)

    def _read(self, kind: str, at: int, count: int) -> bytes:
        mapped = self._map(kind)
        data = mapped[at : at + count] if mapped is not None else b""
        if len(data) != count or not count:
            raise damaged(self.name)
        return data


def _grown(origin: dict[str, Any], paths: Collection[Path]) -> dict[str, Any]:
    added = sorted({*origin.get("added", []), *map(str, paths)})
    return {**origin, "added": added} if added else origin


def _append(image: NewImage, stored: Stored, pictures: Pack, thumbs: Pack, masks: Pack) -> Entry:
    mask_at, mask_bytes = 0, 0
    if image.mask is not None:
        assert image.mask.shape == (stored.height, stored.width), (
            image.mask.shape,
            stored.height,
            stored.width,
        )
        packed = zlib.compress(np.ascontiguousarray(image.mask, np.uint8).tobytes())
        mask_at, mask_bytes = masks.append(packed), len(packed)
    return Entry(
        stored.id,
        show_name(image.name),
        show_label(image.label),
        show_name(image.source),
        stored.width,
        stored.height,
        image.box,
        pictures.append(stored.jpeg),
        len(stored.jpeg),
        thumbs.append(stored.thumbnail),
        len(stored.thumbnail),
        mask_at,
        mask_bytes,
    )


def _reencode(pixels: Pixels | None) -> Stored:
    assert pixels is not None, "a new image has pixels, or what was stored of them"
    limits = settings.load()
    return images.reencode(pixels, limits.store_side, limits.thumbnail_side)
