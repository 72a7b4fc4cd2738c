"""Where embeddings lie, and how they are written and believed.

    <source>/<block>.features.npy, .indices.npy, .similarity.npy, .pca3.npy, .clusters.npy
    <source>/encoder.safetensors                       manifest.json written last, with a checksum of each
    <source>/<block>.<projection><dims>.bin            layouts that are added when they are asked for
    run/answers.bin                                    what the network answers, added last

Whatever in the cache cannot be read, or is not what the manifest says, counts as not computed.
"""

from __future__ import annotations

import io
import json
import re
import zlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property, lru_cache
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from sslviz import kept
from sslviz.files import read_json, write_atomically, write_json
from sslviz.imagesets import ImageSet
from sslviz.runs import Run
from sslviz.runs.identity import identity

Source = Literal["run", "untrained", "pixels"]
SOURCES: tuple[Source, ...] = ("run", "untrained", "pixels")
Projection = Literal["pca", "umap", "tsne"]
PROJECTIONS: tuple[Projection, ...] = ("pca", "umap", "tsne")

AREA = "embeddings"
VERSION = 6
"""Of the files; another version's are not read."""
KEPT_BYTES = 6_000_000_000
"""Past this the embeddings that were not opened for longest are dropped."""
KINDS = ("features", "indices", "similarity", "pca3", "clusters")
ENCODER = "encoder.safetensors"
ANSWERS = "answers.bin"
NAME = re.compile(r"[A-Za-z0-9_\-]{1,60}")


@dataclass(frozen=True, eq=False)
class Embedding:
    """One block of one source on one set: N images, row by row as in the set."""

    source: Source
    block: str
    key: str
    """Changes with anything that the arrays depend on."""
    indices: NDArray[np.int64]
    """(N, k) the nearest other images, best first; k = 50 where there are as many."""
    similarity: NDArray[np.float32]
    """(N, k) their cosine similarity in [-1, 1]."""
    clusters: NDArray[np.int64]
    """(N,) the group that k-means puts each image in, by these features."""
    layouts: Mapping[str, NDArray[np.float32]] = field(repr=False)
    """By projection and dimensions, as in "umap2": (N, 2) or (N, 3) in [-1, 1], where they are computed."""
    trust: Mapping[str, float]
    """By the same names: trustworthiness in [0, 1]; see `project.trustworthiness`."""
    _features: Path

    def layout(self, projection: str, dims: int = 2) -> NDArray[np.float32] | None:
        """(N, dims) in [-1, 1]; None while it is not computed."""
        return self.layouts.get(f"{projection}{dims}")

    @cached_property
    def features(self) -> NDArray[np.float32]:
        """(N, D), read from the disk as it is used."""
        found: NDArray[np.float32] = np.load(self._features, mmap_mode="r", allow_pickle=False)
        return found


def folder_of(run: Run, images: ImageSet, source: Source) -> Path:
    """Where a source is kept: a name made of everything that it depends on."""
    network = [] if source == "pixels" else identity(run, source)
    return kept.folder(AREA, [VERSION, source, images.fingerprint, *network])


def manifest_of(folder: Path) -> dict[str, Any] | None:
    """The manifest, where every file that it names is there in the size that it says."""
    try:
        written = read_json(folder / "manifest.json")
        found: dict[str, Any] = written["body"]
        if written["crc"] != _crc(found):
            return None
        if found["version"] != VERSION or not found["blocks"]:
            return None
        if any(not NAME.fullmatch(block) for block in found["blocks"]):
            return None
        wanted = [f"{block}.{kind}.npy" for block in found["blocks"] for kind in KINDS]
        for name in {*wanted, *found["files"]}:
            if (folder / name).stat().st_size != found["files"][name]["bytes"]:
                return None
        return found
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return None


def is_whole(folder: Path, manifest: Mapping[str, Any], name: str) -> bool:
    """Whether a file is the one that the manifest knows; it is summed once while it stays as it is."""
    try:
        stat = (folder / name).stat()
        known: int = manifest["files"][name]["crc"]
        return _summed(folder / name, stat.st_mtime_ns, stat.st_size, stat.st_ino) == known
    except (OSError, KeyError):
        return False


def are_whole(run: Run, images: ImageSet, source: Source) -> bool:
    """Whether all that belongs to a source can be read: else all of it is computed anew."""
    folder = folder_of(run, images, source)
    manifest = manifest_of(folder)
    if manifest is None or manifest["count"] != len(images):
        return False
    return all(is_whole(folder, manifest, name) for name in manifest["files"])


@lru_cache(maxsize=256)
def _summed(path: Path, *_: int) -> int:
    return zlib.crc32(path.read_bytes())


class Writing:
    """A source on its way into its folder: files first, the manifest last."""

    def __init__(self, folder: Path, count: int) -> None:
        self.folder = folder
        self.count = count
        self.blocks: list[str] = []
        self.files: dict[str, dict[str, int]] = {}

    def add(self, name: str, data: bytes) -> None:
        write_atomically(self.folder / name, data)
        self.files[name] = {"bytes": len(data), "crc": zlib.crc32(data)}

    def add_block(self, block: str, arrays: Mapping[str, NDArray[Any]]) -> None:
        assert NAME.fullmatch(block), block
        assert set(arrays) == set(KINDS), arrays.keys()
        for kind, array in arrays.items():
            self.add(f"{block}.{kind}.npy", bytes_of(array))
        self.blocks.append(block)

    def finish(self, **more: Any) -> None:
        body = {
            "version": VERSION,
            "count": self.count,
            "blocks": self.blocks,
            "files": self.files,
            **more,
        }
        write_json(self.folder / "manifest.json", {"body": body, "crc": _crc(body)})


def _crc(body: Mapping[str, Any]) -> int:
    return zlib.crc32(json.dumps(body, sort_keys=True).encode())


def read(run: Run, images: ImageSet, source: Source, block: str) -> Embedding | None:
    """A block of a source, or None where it is not computed."""
    folder, count = folder_of(run, images, source), len(images)
    manifest = manifest_of(folder)
    if manifest is None or block not in manifest["blocks"] or manifest["count"] != count:
        return None
    indices, similarity, pca, clusters = (
        file_array(folder, manifest, f"{block}.{kind}.npy", count) for kind in KINDS[1:]
    )
    if indices is None or similarity is None or pca is None or clusters is None:
        return None
    if not is_whole(folder, manifest, f"{block}.features.npy"):
        return None
    if indices.shape != similarity.shape or pca.shape[1:] != (3,) or clusters.shape[1:] != (1,):
        return None
    if indices.size and (indices.min() < 0 or indices.max() >= count):
        return None
    layouts, trust = _layouts(folder, block, count)
    pca = pca.astype(np.float32)
    layouts |= {"pca3": pca, "pca2": _flat(pca)}
    trust |= {name: float(value) for name, value in manifest.get("trust", {}).get(block, {}).items()}
    return Embedding(
        source,
        block,
        f"{folder.name}-{block}",
        indices.astype(np.int64),
        similarity.astype(np.float32),
        clusters[:, 0].astype(np.int64),
        layouts,
        trust,
        folder / f"{block}.features.npy",
    )


def _flat(points: NDArray[np.float32]) -> NDArray[np.float32]:
    from sslviz import project

    return project.boxed(points[:, :2])


def _layouts(folder: Path, block: str, count: int) -> tuple[dict[str, NDArray[np.float32]], dict[str, float]]:
    """What was added to a block, with its trustworthiness."""
    found, trust = {}, {}
    for projection in PROJECTIONS[1:]:
        for dims in (2, 3):
            name = f"{projection}{dims}"
            whole = kept.read(folder / f"{block}.{name}.bin")
            if whole is None or not _fits(whole[1].get("points"), count, dims):
                continue
            found[name] = whole[1]["points"].astype(np.float32)
            if isinstance(whole[0].get("trust"), float):
                trust[name] = whole[0]["trust"]
    return found, trust


def write_layout(
    embedding: Embedding, projection: str, points: NDArray[np.float32], trust: float | None
) -> None:
    """Add a layout, (N, dims), to a block."""
    stem = f"{embedding.block}.{projection}{points.shape[1]}"
    kept.write(embedding._features.parent / f"{stem}.bin", {"points": points}, trust=trust)


def were_asked(run: Run, images: ImageSet) -> bool:
    """Whether the network was asked about the images, though it may have had nothing to say."""
    return kept.read(folder_of(run, images, "run") / ANSWERS) is not None


def write_answers(run: Run, images: ImageSet, found: tuple[NDArray[np.float32], list[str]] | None) -> None:
    """Add the answers, (N, 3), and what they are called; None for a network that cannot be asked."""
    table, names = (np.zeros((0, 3), np.float32), []) if found is None else found
    kept.write(folder_of(run, images, "run") / ANSWERS, {"table": table}, called=names)


def read_answers(run: Run, images: ImageSet) -> tuple[NDArray[np.float32], list[str]] | None:
    """The answers, and what they are called; None where there are none."""
    whole = kept.read(folder_of(run, images, "run") / ANSWERS)
    if whole is None or not _fits(whole[1].get("table"), len(images), 3):
        return None
    table, names = whole[1]["table"], [str(name) for name in whole[0].get("called", [])]
    if not names or table[:, 0].max(initial=0) >= len(names):
        return None
    return table.astype(np.float32), names


def _fits(array: NDArray[Any] | None, count: int, columns: int) -> bool:
    return array is not None and array.shape == (count, columns) and bool(np.isfinite(array).all())


def file_array(folder: Path, manifest: Mapping[str, Any], name: str, count: int) -> NDArray[Any] | None:
    """An array of `count` rows of finite numbers that the manifest knows; None for anything else."""
    try:
        data = (folder / name).read_bytes()
        if zlib.crc32(data) != manifest["files"][name]["crc"]:
            return None
        found = np.load(io.BytesIO(data), allow_pickle=False)
    except (OSError, ValueError, EOFError, KeyError):
        return None
    sound = isinstance(found, np.ndarray) and found.ndim == 2 and len(found) == count
    return found if sound and np.isfinite(found).all() else None


def bytes_of(array: NDArray[Any]) -> bytes:
    """An array as the contents of an .npy file."""
    buffer = io.BytesIO()
    np.save(buffer, np.ascontiguousarray(array), allow_pickle=False)
    return buffer.getvalue()


def prune() -> None:
    """Drop the folders that were read least recently, until the rest is not too large."""
    kept.prune(AREA, KEPT_BYTES)
