"""Nearest neighbours by cosine similarity, exactly, and what they say about labels.

Below a million images a matrix product finds every neighbour faster than an index can be built, and it
finds the true ones. Arrays go in and come out as numpy, and only the search itself imports torch, so that
pages can ask what neighbours say about labels without waiting for it.

Letters in shapes: Q queries, M images in memory, D features, k neighbours, C classes.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from sslviz.errors import UserError

if TYPE_CHECKING:
    from torch import Tensor

Floats = NDArray[np.float32]
Ints = NDArray[np.int64]

SCORES_AT_ONCE = 8_000_000
"""Similarities held at a time: 32 MB, whatever the number of images."""

STEP = 2.0**-22
"""Similarities are rounded to this, a little above what a float32 product of unit vectors gets wrong, so
that equal images tie whichever part of a matrix product they fell into."""


def search(queries: Floats, memory: Floats, k: int, exclude_self: bool = False) -> tuple[Ints, Floats]:
    """The k most similar rows of `memory` for each row of `queries`, best first.

    queries (Q, D) and memory (M, D), of any length: they are normalised here, and a row of zeros has
    similarity 0 to everything. Returns indices int64 (Q, k) and similarity float32 (Q, k) in [-1, 1]; k is
    cut to what there is. Ties go to the lower index. With `exclude_self` the queries are the memory, and
    no row finds itself. Raises `UserError` where a feature is not a finite number.
    """
    import torch

    assert queries.ndim == 2
    assert memory.ndim == 2
    assert queries.shape[1] == memory.shape[1], f"{queries.shape} against {memory.shape}"
    assert not exclude_self or len(queries) == len(memory)
    k = max(0, min(k, len(memory) - int(exclude_self)))
    indices = np.empty((len(queries), k), np.int64)
    similarity = np.empty((len(queries), k), np.float32)
    if k == 0 or len(queries) == 0:
        return indices, similarity
    stored = _unit(memory)
    asked = stored if queries is memory else _unit(queries)
    rows = max(1, SCORES_AT_ONCE // len(stored))
    transposed = stored.T
    for start in range(0, len(asked), rows):
        block = slice(start, start + rows)
        scores = (asked[block] @ transposed).clamp_(-1, 1).div_(STEP).round_().mul_(STEP)
        if exclude_self:
            scores.diagonal(offset=start).fill_(-torch.inf)
        found, value = _best(scores, k)
        indices[block], similarity[block] = found.numpy(), value.numpy()
    return indices, similarity


def vote(
    indices: Ints, similarity: Floats, labels: Ints, classes: int, temperature: float = 0.1
) -> NDArray[np.int64]:
    """Class of each query by its neighbours' votes, each weighing exp(similarity / temperature).

    indices and similarity (Q, k) as `search` returns them; labels int64 (M,) in [0, C), -1 where there is
    none, which does not vote. Returns int64 (Q,), -1 where nobody voted; a tie goes to the lower class.
    """
    voters = labels[indices]
    weights = np.where(voters >= 0, np.exp(similarity.astype(np.float64) / temperature), 0.0)
    rows = np.arange(len(indices))[:, None]
    cells = (rows * classes + voters.clip(0)).ravel()
    scores = np.bincount(cells, weights.ravel(), minlength=len(indices) * classes)
    scores = scores.reshape(len(indices), classes)
    return np.where(scores.sum(axis=1) > 0, scores.argmax(axis=1), -1).astype(np.int64)


def leave_one_out(indices: Ints, similarity: Floats, labels: Ints, classes: int, k: int = 20) -> float | None:
    """Share of labelled images whose label their k nearest other images predict, in [0, 1].

    indices and similarity (N, ≥ k) from `search(..., exclude_self=True)`; labels int64 (N,), -1 for none.
    None where fewer than two images have a label.
    """
    known = labels >= 0
    if known.sum() < 2 or indices.shape[1] == 0:
        return None
    predicted = vote(indices[known, :k], similarity[known, :k], labels, classes)
    return float((predicted == labels[known]).mean())


def precision_at_k(
    indices: Ints, labels: Ints, query_labels: Ints | None = None, k: int = 10
) -> float | None:
    """Mean share, in [0, 1], of an image's k nearest neighbours that have its label.

    indices (Q, ≥ k); labels int64 (M,), those of the memory; query_labels int64 (Q,), the same where the
    queries are the memory; -1 for none. Images without a label neither ask nor count. None where no
    labelled image has a labelled neighbour.
    """
    asked = labels if query_labels is None else query_labels
    known = asked >= 0
    found = labels[indices[known, :k]]
    labelled = (found >= 0).sum(axis=1)
    same = (found == asked[known, None]).sum(axis=1)
    counted = labelled > 0
    return float((same[counted] / labelled[counted]).mean()) if counted.any() else None


def _unit(features: Floats) -> Tensor:
    import torch

    rows = torch.from_numpy(np.array(features, np.float32))
    if not bool(torch.isfinite(rows).all()):
        raise UserError(
            "Some features are not finite numbers, so there are no distances between them.",
            "The network has most likely diverged: train it again with a lower learning rate.",
        )
    # Scaling by the largest entry first keeps the squares of huge and tiny features within float32.
    rows /= rows.abs().amax(dim=1, keepdim=True).clamp_min_(1e-30) if rows.shape[1] else 1.0
    return torch.nn.functional.normalize(rows, dim=1)


def _best(scores: Tensor, k: int) -> tuple[Tensor, Tensor]:
    """Indices and values, each (Q, k), of the k largest scores of each row; ties go to the lower index."""
    value, found = scores.topk(k, dim=1)
    # `topk` may keep any of the scores that tie for the last place; those rows are sorted in full.
    torn = (scores >= value[:, -1:]).sum(dim=1) > k
    if bool(torn.any()):
        value[torn], found[torn] = (
            part[:, :k] for part in scores[torn].sort(dim=1, descending=True, stable=True)
        )
    order = found.argsort(dim=1)
    value, found = value.gather(1, order), found.gather(1, order)
    order = value.argsort(dim=1, descending=True, stable=True)
    return found.gather(1, order), value.gather(1, order)
