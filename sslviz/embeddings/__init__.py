"""What a map is drawn from, computed once and kept: features, neighbours and layouts of a set of images.

Three sources stand side by side wherever a run is looked at: the run itself, the same network before it was
trained, and raw pixels. Each is a folder in `home/cache/embeddings`, named by what it depends on: weights,
images, side. The untrained network and the pixels are therefore shared by all runs that agree on them.

Reading imports numpy alone, so that a page may do it; `compute` is work for a process of its own.
"""

from __future__ import annotations

import contextlib
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from sslviz import imagesets, neighbors, runs
from sslviz.embeddings import stored
from sslviz.embeddings.computing import KEEPING, PIXELS, compute
from sslviz.embeddings.stored import SOURCES, Embedding, Source
from sslviz.imagesets import ImageSet
from sslviz.runs import Run

if TYPE_CHECKING:
    from sslviz.model import Encoder

__all__ = [
    "PIXELS",
    "SOURCES",
    "Embedding",
    "Source",
    "accuracies",
    "agreements",
    "answers",
    "blocks",
    "compute",
    "encoder",
    "find",
    "first_block",
    "keeps",
    "label_numbers",
    "load",
    "stamp",
]

WHY = {
    "labels": "{block} is shown first: its neighbours predict labels best ({share:.0%}).",
    "agreement": "{block} is shown first: an image that is mirrored, cropped and lit differently keeps most "
    "of its neighbours there ({share:.0%}); with labels, these would decide.",
    "middle": "{block} is shown first: early blocks see edges and colours, the last ones little but the "
    "task, and without labels nothing can be measured here.",
}


def load(
    workspace: Path, run_id: str, set_name: str, source: Source = "run", block: str | None = None
) -> Embedding | None:
    """The embedding of a block, by default the one to start with, or None where it is not computed.

    Raises `UserError` where there is no such run or set.
    """
    return find(runs.open_run(workspace, run_id), imagesets.open_set(workspace, set_name), source, block)


def find(run: Run, images: ImageSet, source: Source = "run", block: str | None = None) -> Embedding | None:
    """The same of a run and a set that are open."""
    known = blocks(run, images, source)
    if not known:
        return None
    return stored.read(run, images, source, block if block in known else first_block(run, images, source)[0])


def blocks(run: Run, images: ImageSet, source: Source = "run") -> list[str]:
    """Names of the blocks that are computed, from the first to the last; none where there is nothing."""
    manifest = stored.manifest_of(stored.folder_of(run, images, source))
    return list(manifest["blocks"]) if manifest and manifest["count"] == len(images) else []


def stamp(run: Run, images: ImageSet, source: Source = "run") -> str:
    """A text that changes whenever something that `load` would read has changed; quick to ask for."""
    folder = stored.folder_of(run, images, source)
    try:
        return f"{folder.name} {(folder / 'manifest.json').stat().st_mtime_ns} {folder.stat().st_mtime_ns}"
    except OSError:
        return f"{folder.name} nothing"


def accuracies(run: Run, images: ImageSet, source: Source = "run") -> dict[str, float]:
    """Share of labelled images whose label their 20 nearest labelled others predict, for each computed block.

    Empty where no two images have the same label, or all have. Labels are read anew, so relabelling needs no
    new computation.
    """
    labels, names = label_numbers(images)
    found = {}
    if len(names) < 2:
        return {}
    for block in blocks(run, images, source):
        embedding = stored.read(run, images, source, block)
        if embedding is not None:
            near = (embedding.indices, embedding.similarity)
            with contextlib.suppress(OSError, ValueError):  # its features were dropped meanwhile
                share = neighbors.told(embedding.features, *near, labels, len(names))
                if share is not None:
                    found[block] = share
    return found


def keeps(run: Run, images: ImageSet, source: Source = "run") -> dict[str, NDArray[np.float64]]:
    """For each computed block, of each image tried, the same for every source, the share of its ten nearest
    that it keeps when it is mirrored, cropped and lit differently; empty for fewer than a dozen images."""
    manifest = stored.manifest_of(stored.folder_of(run, images, source)) or {}
    found = manifest.get("kept", {})
    return {
        block: np.array(found[block], np.float64) / KEEPING
        for block in manifest.get("blocks", [])
        if block in found
    }


def agreements(run: Run, images: ImageSet, source: Source = "run") -> dict[str, float]:
    """The mean of what `keeps` says, in [0, 1], for each block."""
    return {block: float(shares.mean()) for block, shares in keeps(run, images, source).items()}


def first_block(run: Run, images: ImageSet, source: Source = "run") -> tuple[str, str]:
    """The block to look at first, and a sentence that says why."""
    known = blocks(run, images, source)
    if len(known) == 1:
        return known[0], ""
    for kind, scores in (
        ("labels", accuracies(run, images, source)),
        ("agreement", agreements(run, images, source)),
    ):
        if scores:
            best = max(scores, key=lambda block: scores[block])
            return best, WHY[kind].format(block=best, share=scores[best])
    middle = known[round(0.65 * (len(known) - 1))]
    return middle, WHY["middle"].format(block=middle)


def label_numbers(images: ImageSet) -> tuple[NDArray[np.int64], list[str]]:
    """Labels as numbers, int64 (N,), -1 for none, and the sorted names they stand for."""
    return numbered(images.labels)


def numbered(words: list[str | None]) -> tuple[NDArray[np.int64], list[str]]:
    """Words as numbers, int64 (N,), -1 for none, and the sorted words they stand for."""
    names = sorted({word for word in words if word is not None})
    place = {name: number for number, name in enumerate(names)}
    return np.array([-1 if word is None else place[word] for word in words], np.int64), names


def answers(run: Run, images: ImageSet) -> tuple[NDArray[np.float32], list[str]] | None:
    """What the run answers about each image, and the names of the answers; see `asking.Answers`.

    None where it was not asked, or cannot be.
    """
    return stored.read_answers(run, images)


def encoder(run: Run, images: ImageSet, source: Source) -> Encoder | None:
    """The network that the features of a source came from, its statistics being those of the set.

    None for pixels and where it is not computed. Imports torch.
    """
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    from sslviz import networks

    folder = stored.folder_of(run, images, source)
    manifest = stored.manifest_of(folder)
    if source == "pixels" or manifest is None or not stored.is_whole(folder, manifest, stored.ENCODER):
        return None
    found = networks.untrained(run).encoder
    try:
        weights: dict[str, Any] = load_file(folder / stored.ENCODER)
        found.load_state_dict(weights)
    except (OSError, RuntimeError, SafetensorError):
        return None
    return found.eval()
