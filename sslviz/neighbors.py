"""Nearest neighbours by cosine similarity, exactly, and what they say about labels.

Below a million images a matrix product finds every neighbour faster than an index can be built, and it
finds the true ones. Arrays go in and come out as numpy, and only the search itself imports torch, so that
pages can ask what neighbours say about labels without waiting for it.

Letters in shapes: Q queries, M images in memory, D features, k neighbours, C classes.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from numpy.typing import NDArray

from sslviz.errors import UserError
from sslviz.threads import side_by_side

if TYPE_CHECKING:
    from torch import Tensor

Floats = NDArray[np.float32]
Ints = NDArray[np.int64]

VOTERS = 20
"""Neighbours that are asked for a label, where nobody says how many."""

ASKED = 2_000
"""Images of which labelled neighbours are still to be looked for, at most: a page waits for it."""

SCORES_AT_ONCE = 8_000_000
"""Similarities held at a time: 32 MB, whatever the number of images."""

PEAKS_AT_ONCE = 64_000_000
"""Largest similarities of chunks held at a time where half the product is saved: 256 MB at most."""

SUMMED_AT_ONCE = 2_000_000
"""Features of neighbours held at a time while similarities are summed: 8 MB a thread, whatever the width."""

TILE = 1024
"""Rows and columns of a tile of the product, whose chunks are looked at while the cache holds it."""

SPARE = 4
"""Chunks, and images, looked at beyond the k wanted, so that few rows have a near tie at the last place."""

STEP = 2.0**-22
"""Similarities are rounded to this, about what a float32 product of unit vectors gets wrong, so that equal
images tie whichever part of a matrix product they fell into."""


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
    chunk = next((size for size in (64, 32, 16) if size * 8 * (k + SPARE) <= len(stored)), 0)
    half = asked is stored and chunk > 0 and len(stored) ** 2 // chunk <= PEAKS_AT_ONCE
    peaks = _peaks_by_half(stored, chunk) if half else None
    wide = (k + SPARE) * chunk if half else len(stored)
    rows = max(1, SCORES_AT_ONCE // torch.get_num_threads() // wide)

    def look(start: int) -> None:
        block = slice(start, start + rows)
        torn = np.arange(len(asked))[block]
        if chunk:  # else there are so few images that the best chunks would be most of them
            if peaks is not None:
                looked = _looked_again(peaks[block], asked[block], stored, k + SPARE, chunk)
            else:
                looked = _looked_once(asked[block], stored, k + SPARE, chunk)
            own = torch.from_numpy(torn) if exclude_self else None
            found, value, unsure = _settled(looked, asked[block], stored, k, own)
            indices[block], similarity[block] = found.numpy(), value.numpy()
            torn = torn[unsure]
        if len(torn):
            indices[torn], similarity[torn] = _in_full(torn, asked, stored, k, exclude_self)

    for _ in side_by_side(look, range(0, len(asked), rows)):
        pass
    return indices, similarity


def vote(
    indices: Ints, similarity: Floats, labels: Ints, classes: int, temperature: float = 0.1
) -> NDArray[np.int64]:
    """Class of each query by its neighbours' votes, each weighing exp(similarity / temperature).

    indices and similarity (Q, k) as `search` returns them; labels int64 (M,) in [0, C), -1 where there is
    none, which does not vote. Returns int64 (Q,), -1 where nobody voted; a tie goes to the lower class.
    """
    return _voted(labels[indices], similarity, classes, temperature)


def _voted(voters: Ints, similarity: Floats, classes: int, temperature: float = 0.1) -> Ints:
    """`vote` by what each neighbour says, int64 (Q, k); -1 for nothing."""
    weights = np.where(voters >= 0, np.exp(similarity.astype(np.float64) / temperature), 0.0)
    rows = np.arange(len(voters))[:, None]
    cells = (rows * classes + voters.clip(0)).ravel()
    scores = np.bincount(cells, weights.ravel(), minlength=len(voters) * classes)
    scores = scores.reshape(len(voters), classes)
    return np.where(scores.sum(axis=1) > 0, scores.argmax(axis=1), -1).astype(np.int64)


def leave_one_out(
    indices: Ints, similarity: Floats, labels: Ints, classes: int, k: int = VOTERS
) -> float | None:
    """Share of labelled images whose label their k nearest labelled others predict, in [0, 1].

    indices and similarity (N, ≥ k) from `search(..., exclude_self=True)`; labels int64 (N,), -1 for none.
    The k are the first of those that were found; an image of which none has a label is not asked about, so
    where many have none `told` is to be asked. None where no image can be asked about, or no two labelled
    ones have the same label: none could be right.
    """
    known = labels >= 0
    if not _tellable(labels[known]):
        return None
    predicted = _first_voted(labels[indices[known]], similarity[known], classes, k)
    asked = predicted >= 0
    return float((predicted == labels[known])[asked].mean()) if asked.any() else None


def told(
    features: Floats, indices: Ints, similarity: Floats, labels: Ints, classes: int, k: int = VOTERS
) -> float | None:
    """Share of labelled images whose label the k nearest of all other labelled images predict, in [0, 1].

    features (N, D), finite, which may be on the disk: they are read only where `indices` and `similarity`,
    (N, ≥ k) as for `leave_one_out`, hold too few images with a label. Of more than 2,000 labelled images for
    which that is so, 2,000 labelled ones are asked about, drawn with seed 0. None as `leave_one_out` says.
    """
    known = np.flatnonzero(labels >= 0)
    if not _tellable(labels[known]):
        return None
    wanted = min(k, len(known) - 1)
    asked, short = known, (labels[indices[known]] >= 0).sum(axis=1) < wanted
    if short.sum() > ASKED:
        drawn = np.sort(np.random.default_rng(0).permutation(len(known))[:ASKED])
        asked, short = known[drawn], short[drawn]
    predicted = _first_voted(labels[indices[asked]], similarity[asked], classes, k)
    if short.any():
        found, alike = _others(np.asarray(features[known]), np.searchsorted(known, asked[short]), wanted)
        predicted[short] = _voted(labels[known[found]], alike, classes)
    return float((predicted == labels[asked]).mean())


def _tellable(labels: Ints) -> bool:
    """Whether some label is there twice, so that another image can tell it."""
    return len(np.unique(labels)) < len(labels)


def _first_voted(voters: Ints, similarity: Floats, classes: int, k: int) -> Ints:
    """What the first k of those that say something vote for, int64 (Q,); -1 where nobody does."""
    says = voters >= 0
    return _voted(np.where(says & (says.cumsum(axis=1) <= k), voters, -1), similarity, classes)


def _others(features: Floats, rows: Ints, k: int) -> tuple[Ints, Floats]:
    """`search` for the k < M nearest others of some rows of (M, D), each (rows, k), without torch."""
    unit = features / np.abs(features).max(axis=1, keepdims=True, initial=1e-30)
    unit /= np.linalg.norm(unit, axis=1, keepdims=True).clip(1e-12)
    indices, similarity = np.empty((len(rows), k), np.int64), np.empty((len(rows), k), np.float32)
    size = max(1, SCORES_AT_ONCE // 4 // len(unit))
    for start in range(0, len(rows), size):
        block = rows[start : start + size]
        scores = np.round((unit[block] @ unit.T).clip(-1, 1) / STEP) * np.float32(STEP)
        scores[np.arange(len(block)), block] = -np.inf
        found = np.sort(np.argpartition(-scores, k - 1, axis=1)[:, :k], axis=1)
        value = np.take_along_axis(scores, found, 1)
        order = np.argsort(-value, axis=1, kind="stable")
        indices[start : start + size] = np.take_along_axis(found, order, 1)
        similarity[start : start + size] = np.take_along_axis(value, order, 1)
    return indices, similarity


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


class _Looked(NamedTuple):
    """What is known of some queries after their best chunks have been looked at."""

    limit: Tensor
    """float32 (Q,): no image of any other chunk is more similar than this."""
    first: Tensor
    """int64 (Q, T): the first image of each of the T best chunks."""
    step: int
    """A chunk is every `step`-th image: maxima over rows are quicker than maxima within them."""
    scores: Tensor
    """float32 (Q, T * chunk): similarities to the images of these chunks, -inf where there is none."""


def _looked_once(asked: Tensor, stored: Tensor, taken: int, chunk: int) -> _Looked:
    """The `taken` best chunks of each row (Q, D), by the whole product with (M, D)."""
    import torch

    step = -(-len(stored) // chunk)
    scores = torch.empty(len(asked), step * chunk)
    scores[:, len(stored) :] = -torch.inf
    torch.mm(asked, stored.T, out=scores[:, : len(stored)])
    highest, where = scores.view(-1, chunk, step).amax(dim=1).topk(taken + 1, dim=1)
    first = where[:, :-1]
    cells = (first[:, :, None] + step * torch.arange(chunk)).view(len(asked), -1)
    return _Looked(highest[:, -1], first, step, scores.gather(1, cells))


def _peaks_by_half(stored: Tensor, chunk: int) -> Tensor:
    """The largest similarity of each row (M, D) to each chunk of rows, every n-th of a tile: float32 (M,
    tiles * n). What a tile says of its rows, its transpose says of its columns, so half are enough."""
    import torch

    tiles, each = -(-len(stored) // TILE), TILE // chunk
    peaks = torch.empty(len(stored), tiles, each)

    def look(down: int) -> None:
        rows = slice(down * TILE, (down + 1) * TILE)
        high = len(stored[rows])
        tile = torch.empty(TILE, TILE)
        tile[high:] = -torch.inf
        for across in range(down, tiles):
            columns = slice(across * TILE, (across + 1) * TILE)
            wide = len(stored[columns])
            tile[:, wide:] = -torch.inf
            torch.mm(stored[rows], stored[columns].T, out=tile[:high, :wide])
            peaks[rows, across] = tile[:high].view(high, chunk, each).amax(dim=1)
            peaks[columns, down] = tile[:, :wide].view(chunk, each, wide).amax(dim=0).T

    for _ in side_by_side(look, range(tiles)):
        pass
    return peaks.view(len(stored), -1)


def _looked_again(peaks: Tensor, asked: Tensor, stored: Tensor, taken: int, chunk: int) -> _Looked:
    """The `taken` best chunks of each row, whose `peaks` (Q, chunks) are known: products with these chunks
    are made again, each chunk's with all the rows that it is among the best of."""
    import torch

    step = TILE // chunk
    highest, where = peaks.topk(taken + 1, dim=1)
    chosen = where[:, :-1].flatten()
    order = chosen.argsort()
    rows = order // taken
    scores = torch.empty(len(order), chunk)
    begin = 0
    for number, count in enumerate(torch.bincount(chosen, minlength=peaks.shape[1]).tolist()):
        top = number // step * TILE
        columns = stored[top + number % step : top + TILE : step]
        takers = asked.index_select(0, rows[begin : begin + count])
        products = scores[begin : begin + count]
        products[:, len(columns) :] = -torch.inf
        torch.mm(takers, columns.T, out=products[:, : len(columns)])
        begin += count
    first = (where[:, :-1] // step) * TILE + where[:, :-1] % step
    unsorted = scores.index_select(0, order.argsort()).view(len(asked), -1)
    return _Looked(highest[:, -1], first, step, unsorted)


def _settled(
    looked: _Looked, asked: Tensor, stored: Tensor, k: int, own: Tensor | None
) -> tuple[Tensor, Tensor, Ints]:
    """Indices and similarities (Q, k) of the best, and the rows of which an image not looked at could tie
    with the last, so that they need a search in full. `own` (Q,) is where in the memory the queries are, if
    they are not to find themselves."""
    import torch

    taken, chunk = k + SPARE, looked.scores.shape[1] // looked.first.shape[1]
    cells = looked.scores.topk(taken, dim=1)[1]
    found = looked.first.gather(1, cells // chunk) + cells % chunk * looked.step
    # Equal images are to tie: a matrix product adds up in an order that depends on its shape, this does not.
    value = torch.empty(found.shape)
    width = stored.shape[1]
    rows = max(1, SUMMED_AT_ONCE // max(1, taken * width))
    for start in range(0, len(found), rows):
        few = slice(start, start + rows)
        near = stored.index_select(0, found[few].flatten()).view(len(found[few]), taken, width)
        value[few] = near.mul_(asked[few, None]).sum(dim=2)
    value = _rounded(value)
    if own is not None:
        value[found == own[:, None]] = -torch.inf
    found, value = _ordered(found, value)
    # A sum of D products of unit vectors is off by at most D units of 2^-24, and what was not looked at has
    # been compared by two such sums with what was, which has been compared by two with the last.
    error = 2 * STEP + width * 2.0**-22
    lowest = value[:, -1 if own is None else -2]
    torn = torch.maximum(looked.limit, lowest) + error >= value[:, k - 1]
    return found[:, :k], value[:, :k], torn.nonzero()[:, 0].numpy()


def _in_full(rows: Ints, asked: Tensor, stored: Tensor, k: int, exclude_self: bool) -> tuple[Ints, Floats]:
    """Indices and similarities, each (rows, k), by looking at every similarity of these rows of `asked`."""
    import torch

    indices, similarity = np.empty((len(rows), k), np.int64), np.empty((len(rows), k), np.float32)
    size = max(1, SCORES_AT_ONCE // 4 // len(stored))  # few, which the cache holds until they are rounded
    transposed = stored.T
    for start in range(0, len(rows), size):
        block = torch.from_numpy(rows[start : start + size])
        scores = _rounded(asked[block] @ transposed)
        if exclude_self:
            scores[torch.arange(len(block)), block] = -torch.inf
        found, value = _best(scores, k)
        indices[start : start + size], similarity[start : start + size] = found.numpy(), value.numpy()
    return indices, similarity


def _rounded(scores: Tensor) -> Tensor:
    return scores.clamp_(-1, 1).div_(STEP).round_().mul_(STEP)


def _best(scores: Tensor, k: int) -> tuple[Tensor, Tensor]:
    """Indices and values, each (Q, k), of the k largest scores of each row; ties go to the lower index."""
    import torch

    value, found = scores.topk(k, dim=1)
    # `topk` may keep any of the scores that tie for the last place; the first of them are to be kept.
    torn = (scores >= value[:, -1:]).sum(dim=1) > k
    if bool(torn.any()):
        last, rows = value[torn, -1:], scores[torn]
        ties = rows == last
        wanted = k - (rows > last).sum(dim=1, keepdim=True)
        kept = (rows > last) | (ties & (ties.cumsum(dim=1, dtype=torch.int32) <= wanted))
        found[torn] = kept.nonzero()[:, 1].view(-1, k)
        value[torn] = rows.gather(1, found[torn])
    return _ordered(found, value)


def _ordered(found: Tensor, value: Tensor) -> tuple[Tensor, Tensor]:
    """Sorted by falling value, and by index among equals."""
    order = found.argsort(dim=1)
    value, found = value.gather(1, order), found.gather(1, order)
    order = value.argsort(dim=1, descending=True, stable=True)
    return found.gather(1, order), value.gather(1, order)
