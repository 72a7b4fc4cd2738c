"""The work: every block of every source through the network, its neighbours and layouts.

Done in a process of its own; see `sslviz.worker`.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from sslviz import imagesets, neighbors, runs
from sslviz.embeddings import stored
from sslviz.embeddings.stored import SOURCES, Source, Writing
from sslviz.errors import UserError
from sslviz.imagesets import ImageSet
from sslviz.runs import Run

Report = Callable[[int, int, str], None]

NEAR = 50
"""Neighbours kept of each image."""
DISTURBED = 400
"""Images that are also looked at after a disturbance."""
KEEPING = 10
"""Nearest images of which it is counted how many an image then keeps."""
CLUSTERS = 10
"""Most groups: as many as there are colours that are told apart."""
PIXELS = "pixels"
"""Name of the one block that raw pixels have."""
DOING: dict[Source, str] = {
    "run": "Features and neighbours of the run",
    "untrained": "Features and neighbours of the untrained network",
    "pixels": "Neighbours by raw pixels",
}
CALLED = {"umap": "UMAP", "tsne": "t-SNE"}


def compute(
    workspace: Path,
    run_id: str,
    set_name: str,
    report: Report | None = None,
    *,
    crops: bool = False,
    source: Source = "run",
    block: str | None = None,
    projection: str | None = "umap",
    dims: int = 2,
) -> None:
    """Compute what is not computed yet: all three sources up to PCA, then one more layout of one block, and
    last what the network answers about each image.

    `crops` means pieces of the images in place of whole ones (`imagesets.crops`). `source`, `block`,
    `projection` ("umap", "tsne", or None) and `dims` say which layout, by default of the block of the run to
    look at first. `report` is called with (done, total, what is being done). Raises `UserError` for a run
    without weights and for features that are not finite numbers.
    """
    from sslviz import embeddings, sprites

    run, images = runs.open_run(workspace, run_id), imagesets.open_set(workspace, set_name)
    if len(images) == 0:
        raise UserError(f"The set {set_name!r} is empty.", "Add images to it.")
    if crops:
        images = imagesets.Crops(images)
    total = 100 * (len(SOURCES) + 3)
    tell = report or (lambda *_: None)
    for place, each in enumerate(SOURCES):

        def part(done: int, of: int, place: int = place, each: Source = each) -> None:
            tell(100 * place + 99 * done // max(1, of), total, DOING[each])

        part(0, 1)
        if not stored.are_whole(run, images, each):
            store(run, images, each, look(run, images, each, part))
    begun = 100 * len(SOURCES)
    tell(begun, total, "Thumbnails")
    sprites.sheets(images, lambda done, of: tell(begun + 99 * done // of, total, "Thumbnails"))
    if projection in CALLED:
        begun += 100
        said = CALLED[projection]
        tell(begun, total, said)
        found = embeddings.find(run, images, source, block)
        if found is not None and found.layout(projection, dims) is None:
            _layout(found, projection, dims, lambda done, of: tell(begun + 99 * done // of, total, said))
    tell(total - 100, total, "Questions of the task")
    if not stored.were_asked(run, images):
        stored.write_answers(run, images, asked(run, images))
    stored.prune()
    tell(total, total, "")


def store(run: Run, images: ImageSet, source: Source, looked: Looked) -> None:
    """Write every block of a source with its neighbours and its PCA, and the manifest last."""
    from sslviz import project

    writing = Writing(stored.folder_of(run, images, source), len(images))
    trust: dict[str, dict[str, float]] = {}
    kept: dict[str, list[int]] = {}
    for block, features in looked.blocks.items():
        indices, similarity = neighbors.search(features, features, NEAR, exclude_self=True)
        pca = project.pca(features, 3)
        writing.add_block(
            block,
            {
                "features": features,
                "indices": indices.astype(np.int32),
                "similarity": similarity,
                "pca3": pca,
                "clusters": clusters(features)[:, None].astype(np.int32),
            },
        )
        told = {f"pca{dims}": _trust(features, pca[:, :dims]) for dims in (2, 3)}
        trust[block] = {name: value for name, value in told.items() if value is not None}
        if block in looked.disturbed and len(features) > KEEPING + 1:  # of ten others it would keep all
            kept[block] = _kept(features, indices, *looked.disturbed[block])
    for name, data in looked.files.items():
        writing.add(name, data)
    writing.finish(trust=trust, kept=kept)


def _layout(found: stored.Embedding, projection: str, dims: int, report: Callable[[int, int], None]) -> None:
    from sslviz import project

    lay = {"umap": project.umap, "tsne": project.tsne}[projection]
    features = np.asarray(found.features)
    points = lay(features, found.indices, found.similarity, dims=dims, report=report)
    stored.write_layout(found, projection, points, _trust(features, points))


def _trust(features: NDArray[np.float32], points: NDArray[np.float32]) -> float | None:
    from sslviz import project

    return project.trustworthiness(features, points, sample=500 if len(features) <= 5000 else 200)


def clusters(features: NDArray[np.float32]) -> NDArray[np.int64]:
    """Groups by k-means among the strongest 32 directions: int64 (N,), the largest group is 0.

    At most ten, of eight images or more on average; the same for the same features.
    """
    from sklearn.cluster import MiniBatchKMeans

    from sslviz import project

    count = len(features)
    groups = min(CLUSTERS, max(1, count // 8))
    if groups < 2:
        return np.zeros(count, np.int64)
    points = project.pca(features, min(32, *features.shape))
    distinct = len(np.unique(points.round(6), axis=0))
    groups = min(groups, distinct)
    if groups < 2:
        return np.zeros(count, np.int64)
    fitted = MiniBatchKMeans(groups, random_state=0, n_init=3, batch_size=2048).fit(points)
    found: NDArray[np.int64] = fitted.labels_.astype(np.int64)
    order = np.argsort(-np.bincount(found, minlength=groups), kind="stable")
    place = np.empty(groups, np.int64)
    place[order] = np.arange(groups)
    return place[found]


def _kept(
    features: NDArray[np.float32],
    indices: NDArray[np.int64],
    rows: NDArray[np.int64],
    changed: NDArray[np.float32],
) -> list[int]:
    """How many of its ten nearest each of the images tried keeps when it is disturbed."""
    found, _ = neighbors.search(changed, features, KEEPING + 1)
    pairs = zip(rows.tolist(), found, strict=True)
    return [int(np.isin(near[near != row][:KEEPING], indices[row, :KEEPING]).sum()) for row, near in pairs]


class Looked:
    """What a source says of a set."""

    def __init__(
        self,
        blocks: dict[str, NDArray[np.float32]],
        disturbed: dict[str, tuple[NDArray[np.int64], NDArray[np.float32]]] | None = None,
        files: dict[str, bytes] | None = None,
    ) -> None:
        """`blocks`: features, float32 (N, D) each, from the first block to the last. `disturbed`: by block,
        rows and what became of them. `files` go into the folder as they are."""
        self.blocks = blocks
        self.disturbed = disturbed or {}
        self.files = files or {}


def look(run: Run, images: ImageSet, source: Source, report: Callable[[int, int], None]) -> Looked:
    """All blocks of a source, and what belongs to them."""
    from safetensors.torch import save

    from sslviz import features, networks

    rows = np.sort(np.random.default_rng(0).permutation(len(images))[:DISTURBED])
    if source == "pixels":
        squares = images.squares(features.PIXEL_SIDE)
        plain = features.pixels(squares)
        return Looked({PIXELS: plain}, {PIXELS: (rows, features.pixels(features.disturbed(squares[rows])))})
    network = networks.trained(run) if source == "run" else networks.untrained(run)
    squares, task = networks.squares_for(run, images), networks.task_of(run)
    known = 2 * len(images)
    encoder = features.estimated(network, task, squares, report=lambda done, _: report(done, known))
    found = features.through(encoder, task, squares, report=lambda done, _: report(len(images) + done, known))
    changed = features.through(encoder, task, features.disturbed(squares[rows]))
    files = {stored.ENCODER: save({k: v.contiguous() for k, v in encoder.state_dict().items()})}
    return Looked(found, {block: (rows, rows_of) for block, rows_of in changed.items()}, files)


def asked(run: Run, images: ImageSet) -> tuple[NDArray[np.float32], list[str]] | None:
    """What the run answers about the images, and what its answers are called; see `asking.ask`."""
    from sslviz import networks
    from sslviz.embeddings import asking

    found = asking.ask(run, networks.trained(run), images)
    return None if found is None else (found.table, found.names)
