"""What a map is drawn from, computed once and kept: features, neighbours, PCA and UMAP of a set of images.

Three sources stand side by side wherever a run is looked at: the run itself, the same network before it was
trained, and raw pixels. Each is a folder in `home/cache/embeddings`, named by what it depends on: weights,
images, side. The untrained network and the pixels are therefore shared by all runs that agree on them.

    <source>/<block>.features.npy, .indices.npy, .similarity.npy, .pca.npy     manifest.json written last
    <source>/<block>.umap.npy                                                  added when it is asked for

Reading imports numpy alone, so that a page may do it; `compute` is work for a process of its own. Whatever
in the cache cannot be read, or is not what the manifest says, counts as not computed.
"""

from __future__ import annotations

import hashlib
import io
import json
import re
import shutil
import time
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from sslviz import imagesets, neighbors, runs, settings
from sslviz.errors import UserError
from sslviz.files import read_json, write_atomically, write_json
from sslviz.imagesets import ImageSet
from sslviz.runs import Run

Source = Literal["run", "untrained", "pixels"]
SOURCES: tuple[Source, ...] = ("run", "untrained", "pixels")
Report = Callable[[int, int, str], None]

VERSION = 2
"""Of the files; another version's are not read."""
NEAR = 50
"""Neighbours kept of each image."""
KEPT_BYTES = 6_000_000_000
"""Past this the embeddings that were not opened for longest are dropped."""
KINDS = ("features", "indices", "similarity", "pca")
PIXELS = "pixels"
"""Name of the one block that raw pixels have."""


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
    pca: NDArray[np.float32]
    """(N, 2) in [-1, 1]."""
    umap: NDArray[np.float32] | None
    """(N, 2) in [-1, 1]; None while it is not computed."""
    _features: Path

    @property
    def features(self) -> NDArray[np.float32]:
        """(N, D), read from the disk as it is used."""
        found: NDArray[np.float32] = np.load(self._features, mmap_mode="r", allow_pickle=False)
        return found


def load(
    workspace: Path, run_id: str, set_name: str, source: Source = "run", block: str | None = None
) -> Embedding | None:
    """The embedding of a block, by default the one to start with, or None where it is not computed.

    Raises `UserError` where there is no such run or set.
    """
    run, images = runs.open_run(workspace, run_id), imagesets.open_set(workspace, set_name)
    known = blocks(run, images, source)
    if not known:
        return None
    block = block if block in known else first_block(run, images, source)[0]
    return _read(run, images, source, block)


def blocks(run: Run, images: ImageSet, source: Source = "run") -> list[str]:
    """Names of the blocks that are computed, from the first to the last; none where there is nothing."""
    manifest = _manifest(_folder(run, images, source))
    return list(manifest["blocks"]) if manifest and manifest["count"] == len(images) else []


def stamp(run: Run, images: ImageSet, source: Source = "run") -> str:
    """A text that changes whenever something that `load` would read has changed; quick to ask for."""
    folder = _folder(run, images, source)
    try:
        return f"{folder.name} {(folder / 'manifest.json').stat().st_mtime_ns} {folder.stat().st_mtime_ns}"
    except OSError:
        return f"{folder.name} nothing"


def accuracies(run: Run, images: ImageSet, source: Source = "run") -> dict[str, float]:
    """Share of labelled images whose label their 20 nearest others predict, for each computed block.

    Empty without labels. Labels are read anew, so relabelling needs no new computation.
    """
    labels, names = label_numbers(images)
    found = {}
    if len(names) < 2:
        return {}
    for block in blocks(run, images, source):
        embedding = _read(run, images, source, block)
        if embedding is not None:
            share = neighbors.leave_one_out(embedding.indices, embedding.similarity, labels, len(names))
            if share is not None:
                found[block] = share
    return found


def first_block(run: Run, images: ImageSet, source: Source = "run") -> tuple[str, str]:
    """The block to look at first, and a sentence that says why."""
    known = blocks(run, images, source)
    if len(known) == 1:
        return known[0], ""
    scores = accuracies(run, images, source)
    if scores:
        best = max(scores, key=lambda block: scores[block])
        return best, f"{best} is shown first: its neighbours predict labels best ({scores[best]:.0%})."
    # Early blocks see edges and colours, and the last ones are bent to the pretext task.
    middle = known[round(0.65 * (len(known) - 1))]
    return middle, (
        f"{middle} is shown first: early blocks see edges and colours, the last ones little but the task, "
        "and without labels nothing can be measured here."
    )


def label_numbers(images: ImageSet) -> tuple[NDArray[np.int64], list[str]]:
    """Labels as numbers, int64 (N,), -1 for none, and the sorted names they stand for."""
    names = sorted({label for label in images.labels if label is not None})
    place = {name: number for number, name in enumerate(names)}
    return np.array([-1 if label is None else place[label] for label in images.labels], np.int64), names


def compute(
    workspace: Path,
    run_id: str,
    set_name: str,
    report: Report | None = None,
    *,
    source: Source = "run",
    block: str | None = None,
    umap: bool = True,
) -> None:
    """Compute what is not computed yet: all three sources up to PCA, then UMAP of one block.

    `source` and `block` say of which, by default the block of the run to look at first. `report` is called
    with (done, total, what is being done). Raises `UserError` for a run without weights and for features
    that are not finite numbers.
    """
    from sslviz import project, sprites

    run, images = runs.open_run(workspace, run_id), imagesets.open_set(workspace, set_name)
    if len(images) == 0:
        raise UserError(f"The set {set_name!r} is empty.", "Add images to it.")
    total = 100 * (len(SOURCES) + 2)
    tell = report or (lambda *_: None)
    for place, each in enumerate(SOURCES):

        def part(done: int, of: int, place: int = place, each: Source = each) -> None:
            tell(100 * place + 99 * done // max(1, of), total, _DOING[each])

        part(0, 1)
        if not blocks(run, images, each):
            _store(_folder(run, images, each), images, _features(run, images, each, part))
    begun = 100 * len(SOURCES)
    tell(begun, total, "Thumbnails")
    sprites.sheets(images, lambda done, of: tell(begun + 99 * done // of, total, "Thumbnails"))
    if umap:
        tell(begun + 100, total, "UMAP")
        found = load(workspace, run_id, set_name, source, block)
        if found is not None and found.umap is None:
            points = project.umap(found.features, found.indices, found.similarity)
            write_atomically(_folder(run, images, source) / f"{found.block}.umap.npy", _bytes(points))
    _prune()
    tell(total, total, "")


_DOING: dict[Source, str] = {
    "run": "Features and neighbours of the run",
    "untrained": "Features and neighbours of the untrained network",
    "pixels": "Neighbours by raw pixels",
}


def _store(folder: Path, images: ImageSet, found: Iterator[tuple[str, NDArray[np.float32]]]) -> None:
    """Write every block of a source, and the manifest last."""
    from sslviz import project

    files: dict[str, dict[str, int]] = {}
    names = []
    for block, features in found:
        assert _NAME.fullmatch(block), block
        indices, similarity = neighbors.search(features, features, NEAR, exclude_self=True)
        arrays = {
            "features": features,
            "indices": indices.astype(np.int32),
            "similarity": similarity,
            "pca": project.pca(features),
        }
        for kind, array in arrays.items():
            data = _bytes(array)
            write_atomically(folder / f"{block}.{kind}.npy", data)
            files[f"{block}.{kind}.npy"] = {"bytes": len(data), "crc": zlib.crc32(data)}
        names.append(block)
    write_json(
        folder / "manifest.json",
        {"version": VERSION, "count": len(images), "blocks": names, "files": files},
    )


_NAME = re.compile(r"[A-Za-z0-9_\-]{1,60}")


def _manifest(folder: Path) -> dict[str, Any] | None:
    """The manifest, where every file that it names is there in the size that it says."""
    try:
        found = read_json(folder / "manifest.json")
        if found["version"] != VERSION or not found["blocks"]:
            return None
        if any(not _NAME.fullmatch(block) for block in found["blocks"]):
            return None
        for block in found["blocks"]:
            for kind in KINDS:
                name = f"{block}.{kind}.npy"
                if (folder / name).stat().st_size != found["files"][name]["bytes"]:
                    return None
        return found
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return None


def _read(run: Run, images: ImageSet, source: Source, block: str) -> Embedding | None:
    folder, count = _folder(run, images, source), len(images)
    manifest = _manifest(folder)
    if manifest is None or block not in manifest["blocks"]:
        return None
    files = manifest["files"]
    indices, similarity, pca = (
        _array(folder / f"{block}.{kind}.npy", count, files[f"{block}.{kind}.npy"]["crc"])
        for kind in KINDS[1:]
    )
    if indices is None or similarity is None or pca is None or indices.shape != similarity.shape:
        return None
    if indices.size and (indices.min() < 0 or indices.max() >= count):
        return None
    return Embedding(
        source,
        block,
        f"{folder.name}-{block}",
        indices.astype(np.int64),
        similarity.astype(np.float32),
        pca.astype(np.float32),
        _array(folder / f"{block}.umap.npy", count),
        folder / f"{block}.features.npy",
    )


def _array(path: Path, count: int, crc: int | None = None) -> NDArray[Any] | None:
    """An array of `count` rows of finite numbers, with this checksum; None for anything else."""
    try:
        data = path.read_bytes()
        if crc is not None and zlib.crc32(data) != crc:
            return None
        found = np.load(io.BytesIO(data), allow_pickle=False)
    except (OSError, ValueError, EOFError):
        return None
    sound = isinstance(found, np.ndarray) and found.ndim == 2 and len(found) == count
    return found if sound and np.isfinite(found).all() else None


def _bytes(array: NDArray[Any]) -> bytes:
    buffer = io.BytesIO()
    np.save(buffer, np.ascontiguousarray(array), allow_pickle=False)
    return buffer.getvalue()


def _folder(run: Run, images: ImageSet, source: Source) -> Path:
    """Where a source is kept: a name made of everything that it depends on."""
    spec = run.spec
    depends: list[Any] = [VERSION, source, images.fingerprint]
    if source != "pixels":
        depends += [spec.task, spec.options, spec.model, spec.size, spec.side, spec.view]
    if source == "run":
        weights = run.weights()
        manifest = read_json(weights.parent / "manifest.json")
        depends.append(manifest["files"][weights.name]["sha256"])
    if source == "untrained":
        depends += [spec.seed, spec.classes]
    text = json.dumps(depends, sort_keys=True, default=str)
    return settings.load().home / "cache" / "embeddings" / hashlib.sha256(text.encode()).hexdigest()[:32]


def _features(
    run: Run, images: ImageSet, source: Source, report: Callable[[int, int], None]
) -> Iterator[tuple[str, NDArray[np.float32]]]:
    """Blocks of a source with their features, float32 (N, D) each, from the first to the last."""
    from sslviz import features, networks

    if source == "pixels":
        yield PIXELS, features.pixels(images.squares(features.PIXEL_SIDE))
        return
    network = networks.trained(run) if source == "run" else networks.untrained(run)
    squares = networks.squares_for(run, images)
    yield from features.extract(network, networks.task_of(run), squares, report=report).items()


def _prune() -> None:
    """Drop the folders that were read least recently, until the rest is not too large."""
    parent = settings.load().home / "cache" / "embeddings"
    folders = [path for path in parent.iterdir() if path.is_dir()]
    sizes = {path: sum(file.stat().st_size for file in path.iterdir()) for path in folders}
    oldest = sorted(folders, key=lambda path: max((f.stat().st_atime for f in path.iterdir()), default=0.0))
    for path in oldest:
        if sum(sizes.values()) <= KEPT_BYTES:
            break
        young = time.time() - path.stat().st_mtime < 3600
        if not young:
            shutil.rmtree(path, ignore_errors=True)
            del sizes[path]
