"""The map of a set as it changes over a run: a frame for each state of the network that was kept, aligned.

Frames are laid out from the last to the first, each from the layout of the one after it, so that a point
stays where it was unless its neighbours have changed. Backwards, because the last frame is then the map that
people know, and nothing is lost by it: on 2,000 scenes over 12 states of a rotation run, two blocks, a point
moves 0.20 and 0.17 of the map's spread between frames, 0.21 and 0.16 if the first frame is laid out first,
and 0.34 and 0.30 if each is laid out by itself, whose mean trustworthiness is then 0.94 and not 0.93.

Films lie among the embeddings, in `home/cache/embeddings`, in folders named by all that they depend on.
Reading imports numpy alone; `compute` is work for a process of its own. What is damaged counts as not
computed.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sslviz import embeddings, imagesets, kept, neighbors, runs
from sslviz.embeddings import stored
from sslviz.errors import UserError
from sslviz.imagesets import ImageSet
from sslviz.runs import Run
from sslviz.runs.identity import identity, weights_digest
from sslviz.runs.states import states

Floats = NDArray[np.float32]
Ints = NDArray[np.int64]

VERSION = 3
"""Of the files; another version's are not read."""
POINTS = 2000
NEAR = 20
"""Neighbours kept of each image: those that vote for its label."""
EPOCHS, RATE = 50, 0.1
"""Of UMAP that starts from the next frame: enough for what has changed to find its place, and little besides.
With 200 epochs points move a quarter more, at UMAP's own rate of 1 half as much again, for a trustworthiness
that is higher by less than 0.01."""
KINDS = ("frames", "rows", "indices", "similarity", "labelled", "voters", "votes")


@dataclass(frozen=True, eq=False)
class Film:
    """F states of a network, in order, as maps of the same n images."""

    block: str
    key: str
    """Changes with anything that the arrays depend on."""
    steps: Ints
    """(F,) training steps of each state, ascending; 0 is the network before training."""
    rows: Ints
    """(n,) rows of the set, ascending."""
    frames: Floats
    """(F, n, 2) in [-1, 1]: turned, mirrored and scaled to lie on each other as well as can be."""
    indices: Ints
    """(F, n, k) the nearest others of each, as places in `rows`, best first; k = 20 if there are as many."""
    similarity: Floats
    """(F, n, k) their cosine similarity in [-1, 1]."""
    knn: list[float | None]
    """Share of the labelled images whose label their 20 nearest labelled others predict; None without two
    labels, and where too few of those others are known."""
    heldout: list[float | None]
    """Held-out accuracy in the pretext task, as last measured by then; None before the first measurement."""
    train: list[float | None]
    """The same on training examples, which is measured more often."""


def load(
    workspace: Path, run_id: str, set_name: str, *, block: str | None = None, points: int = POINTS
) -> Film | None:
    """The film of a block, by default of the one that the map shows first or else of any, or None where it is
    not computed. Labels and curves are read anew. Raises `UserError` where there is no such run or set.
    """
    return find(runs.open_run(workspace, run_id), imagesets.open_set(workspace, set_name), block, points)


def find(run: Run, images: ImageSet, block: str | None = None, points: int = POINTS) -> Film | None:
    """The same of a run and a set that are open."""
    try:
        folder = _folder(run, images, points)
    except UserError:  # no weights
        return None
    if block is not None:
        return _read(run, images, folder, block)
    known = [path.stem for path in sorted(folder.glob("*.bin"))]
    if embeddings.blocks(run, images):
        first = embeddings.first_block(run, images)[0]
        known.sort(key=lambda name: name != first)
    return next((film for film in (_read(run, images, folder, name) for name in known) if film), None)


def compute(
    workspace: Path,
    run_id: str,
    set_name: str,
    report: Callable[[int, int, str], None] | None = None,
    *,
    crops: bool = False,
    block: str | None = None,
    points: int = POINTS,
) -> None:
    """Compute the film of a block, by default the one that the map shows first, where it is not there yet.

    Of a larger set `points` images are drawn, from each label its share; `crops` means pieces of the images.
    `report` is called with (done, total, what is being done). Raises `UserError` for a run without weights or
    without that block, and for images that are too few or too much alike for a map.
    """
    from sslviz import networks, project

    run, images = runs.open_run(workspace, run_id), _shown(workspace, set_name, crops)
    course, folder = states(run), _folder(run, images, points)
    block = _existing(run, images, block)
    if _read(run, images, folder, block) is not None:
        return
    labels = embeddings.label_numbers(images)[0]
    rows = imagesets.draw_evenly(labels, points)
    labelled = _labelled(labels[rows])
    source = _Source(run, images, block, rows, networks.squares_for(run, images)[rows])
    total = 100 * len(course)
    maps: list[Floats] = []
    near: list[tuple[Ints, Floats]] = []
    votes: list[tuple[Ints, Floats]] = []
    for done, (_, weights) in enumerate(reversed(course)):
        said = f"Frame {done + 1} of {len(course)}"

        def tell(part: int, of: int, done: int = done, said: str = said) -> None:
            if report:
                report(100 * done + 90 * part // max(1, of), total, said)

        tell(0, 1)
        features = source.features(weights, tell, last=done == 0)
        near.append(neighbors.search(features, features, NEAR, exclude_self=True))
        voting = features[labelled]
        votes.append(neighbors.search(voting, voting, NEAR, exclude_self=True))
        if np.ptp(features, axis=0).max() < ALIKE:
            if done == 0:
                raise UserError(
                    f"To the network all images of {set_name!r} look the same.", "Add images that differ."
                )
            maps.append(maps[-1])  # the network told nothing apart; what moved would be chance
        elif done == 0:
            maps.append(source.last_map(features, near[-1]))
        else:
            found = project.umap(features, *near[-1], start=maps[-1], epochs=EPOCHS, rate=RATE)
            maps.append(project.aligned(found, maps[-1]))
    frames = np.stack(maps[::-1])
    arrays = {
        "frames": (frames / max(1e-12, np.abs(frames).max())).astype(np.float32),
        "rows": rows.astype(np.int32),
        "labelled": labelled.astype(np.int32),
    }
    arrays["indices"], arrays["similarity"] = _stacked(near[::-1])
    arrays["voters"], arrays["votes"] = _stacked(votes[::-1])
    steps = [step for step, _ in course]
    kept.write(folder / f"{block}.bin", arrays, version=VERSION, steps=steps)
    stored.prune()
    if report:
        report(total, total, "")


def _shown(workspace: Path, set_name: str, crops: bool) -> ImageSet:
    """The images of a set, or pieces of them. Raises `UserError` where they are too few for a map."""
    images = imagesets.open_set(workspace, set_name)
    if len(images) == 0:
        raise UserError(f"The set {set_name!r} is empty.", "Add images to it.")
    if crops:
        images = imagesets.Crops(images)
    if len(images) == 1:
        raise UserError(f"The set {set_name!r} has one image.", "Add more: a map shows which lie near which.")
    return images


def _stacked(found: list[tuple[Ints, Floats]]) -> tuple[NDArray[np.int32], Floats]:
    """Neighbours and similarities of F frames, (F, n, k) each, as they are kept."""
    indices, similarity = zip(*found, strict=True)
    return np.stack(indices).astype(np.int32), np.stack(similarity)


def _labelled(labels: Ints) -> Ints:
    """Places of the images whose nearest are kept among themselves too, so that labels can be told: those
    with a label, (L,), and none where all have one, whose nearest are kept already."""
    known = np.flatnonzero(labels >= 0)
    return known if len(known) < len(labels) else known[:0]


ALIKE = 1e-5
"""Features of length 1 that differ by less are the same but for rounding."""


def _existing(run: Run, images: ImageSet, block: str | None) -> str:
    """`block` where the network has it, or for None the one to start with."""
    from sslviz import networks

    if block is None and embeddings.blocks(run, images):
        return embeddings.first_block(run, images)[0]
    names = list(networks.untrained(run).encoder.blocks)
    if block is None:
        return names[round(0.65 * (len(names) - 1))]
    if block not in names:
        raise UserError(f"The network has no block {block[:40]!r}.", f"Choose one of {', '.join(names)}.")
    return block


@dataclass(frozen=True)
class _Source:
    """Where the features of the frames come from."""

    run: Run
    images: ImageSet
    block: str
    rows: Ints
    squares: NDArray[np.uint8]

    def known(self, source: embeddings.Source) -> embeddings.Embedding | None:
        """What the map is drawn from, where it is computed."""
        found = embeddings.find(self.run, self.images, source, self.block)
        return found if found is not None and found.block == self.block else None

    def last_map(self, features: Floats, near: tuple[Ints, Floats]) -> Floats:
        """The map that people know, or the one that they would get: float32 (n, 2)."""
        from sslviz import project

        known = self.known("run")
        layout = None if known is None else known.layout("umap")
        return project.umap(features, *near) if layout is None else np.asarray(layout[self.rows], np.float32)

    def features(self, weights: Path | None, tell: Callable[[int, int], None], *, last: bool) -> Floats:
        """float32 (n, D). Those of both ends are read where they are known."""
        from sslviz import features, networks

        known = self.known("run" if last else "untrained") if last or weights is None else None
        if known is not None:
            with contextlib.suppress(OSError, ValueError):
                return np.array(known.features[self.rows])
        network = networks.at(self.run, weights)
        found = features.extract(
            network,
            networks.task_of(self.run),
            self.squares,
            blocks=[self.block],
            report=tell,
        )
        return found[self.block]


def _folder(run: Run, images: ImageSet, points: int) -> Path:
    """Where the films of a run on a set are kept: a name made of everything that they depend on."""
    course = [[step, weights and weights_digest(weights)] for step, weights in states(run)]
    depends = [VERSION, "film", images.fingerprint, min(points, len(images)), course]
    return kept.folder(stored.AREA, [*depends, *identity(run, "untrained")])


def _read(run: Run, images: ImageSet, folder: Path, block: str) -> Film | None:
    whole = kept.read(folder / f"{block}.bin")
    if whole is None or whole[0].get("version") != VERSION or not set(KINDS) <= whole[1].keys():
        return None
    steps, arrays = np.array(whole[0]["steps"], np.int64), whole[1]
    frames, rows, indices, similarity, labelled, voters, votes = (arrays[kind] for kind in KINDS)
    count = len(rows)
    if frames.shape != (len(steps), count, 2) or indices.shape[:2] != frames.shape[:2]:
        return None
    if similarity.shape != indices.shape or not 0 < count <= len(images) or rows.max() >= len(images):
        return None
    if voters.shape != votes.shape or voters.shape[:2] != (len(steps), len(labelled)):
        return None
    labels, names = embeddings.label_numbers(images)
    own = labels[rows]
    knn: list[float | None] = [None] * len(steps)
    if len(names) > 1:
        # What was labelled since the film was made is not among the voters that were looked for then.
        since = np.setdiff1d(np.flatnonzero(own >= 0), labelled)
        near = (indices, similarity, own) if len(since) else (voters, votes, own[labelled])
        knn = [_told(near[0][n], near[1][n], near[2], len(names)) for n in range(len(steps))]
    points = run.metrics()
    heldout, train = (
        [_measured_by(points, int(step), name) for step in steps] for name in ("heldout_accuracy", "accuracy")
    )
    key = f"{folder.name}-{block}"
    return Film(block, key, steps, rows.astype(np.int64), frames, indices, similarity, knn, heldout, train)


def _told(indices: Ints, similarity: Floats, labels: Ints, classes: int) -> float | None:
    """Share of labels that the nearest tell; None where of some image's nearest fewer than half have one."""
    known = labels >= 0
    voters = (labels[indices[known]] >= 0).sum(axis=1)
    if 2 * voters.min(initial=NEAR) < min(NEAR, known.sum() - 1):
        return None
    return neighbors.leave_one_out(indices, similarity, labels, classes, NEAR)


def _measured_by(points: list[dict[str, Any]], step: int, name: str) -> float | None:
    """The last value of a curve at or before a step."""
    known = [point[name] for point in points if point["step"] <= step and point.get(name) is not None]
    return float(known[-1]) if known else None
