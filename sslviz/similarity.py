"""How alike two networks see the same images: linear CKA of their features, and the neighbours they share.

CKA (Kornblith et al. 2019, "Similarity of Neural Network Representations Revisited") compares the inner
products of images, so that features need neither be as many nor mean the same. Its usual estimate of HSIC is
biased: where there are not many more images than features it finds anything alike, 0.9 and more of pure noise
(Nguyen, Raghu and Kornblith 2021, section 3). Here a set may have a few dozen images and a block a thousand
features, so HSIC is the unbiased estimate of Song et al. (2012, equation 5), which costs nothing more.

Letters in shapes: N images, D features.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float32]
Ints = NDArray[np.int64]

FEWEST = 4
"""Images that the unbiased estimate needs."""
NEAR = 10
"""Neighbours that are compared."""
ALIKE = 1e-5
"""Features that differ by less than this share of their size differ by rounding alone."""


def cka(one: Floats, other: Floats) -> float | None:
    """Linear CKA, debiased, of features of the same images, (N, D1) and (N, D2): in [0, 1].

    1 for features that differ by a rotation, a mirroring, a factor or a shift; about 0 for independent ones,
    whatever N and D: the estimate may fall below nought by chance and is cut off there. N × N products are
    never made: it takes N · D1 · D2 steps. None for fewer than four images and where one side sees no
    difference between them.
    """
    return matrix([one, other])[0][1]


def matrix(features: Sequence[Floats]) -> list[list[float | None]]:
    """CKA of each with each, M × M; the diagonal is 1, or None where nothing can be said."""
    centred = [_centred(one) for one in features]
    own = [_hsic(one, one) for one in centred]
    count = len(centred)
    table: list[list[float | None]] = [[None] * count for _ in range(count)]
    for row in range(count):
        for column in range(row, count):
            if own[row] > 0 and own[column] > 0:
                value = 1.0 if row == column else _hsic(centred[row], centred[column])
                scale = 1.0 if row == column else np.sqrt(own[row]) * np.sqrt(own[column])
                table[row][column] = table[column][row] = float(np.clip(value / scale, 0, 1))
    return table


def shared(one: Ints, other: Ints, k: int = NEAR) -> Floats:
    """Share of each image's k nearest by `one` that are among its k nearest by `other`: (N,) in [0, 1].

    one, other: int64 (N, ≥ k), best first, as `neighbors.search` gives them; k is cut to what there is. Two
    networks that have nothing to do with each other share k / (N - 1).
    """
    assert len(one) == len(other), f"{one.shape} against {other.shape}"
    k = min(k, one.shape[1], other.shape[1])
    if k == 0:
        return np.ones(len(one), np.float32)
    same = (one[:, :k, None] == other[:, None, :k]).any(2)
    share: Floats = same.mean(1).astype(np.float32)
    return share


def _centred(features: Floats) -> NDArray[np.float64]:
    """(N, D) without its mean, of about unit size: HSIC does not change by the one, nor CKA by the other."""
    found = features.astype(np.float64)
    found -= found.mean(0)
    largest = float(np.abs(found).max(initial=0.0))
    size = float(np.abs(features).max(initial=0.0))
    return found / largest if largest > ALIKE * size else np.zeros_like(found)


def _hsic(one: NDArray[np.float64], other: NDArray[np.float64]) -> float:
    """The unbiased estimate of HSIC with linear kernels K = X Xᵀ and L = Y Yᵀ whose diagonals are dropped:

        [tr(KL) + (1ᵀK1)(1ᵀL1) / ((N - 1)(N - 2)) - 2 · 1ᵀKL1 / (N - 2)] / (N (N - 3))

    by features: tr(KL) = ‖XᵀY‖² - Σ ‖x‖²‖y‖², and the rest from the sums and norms of rows.
    """
    count = len(one)
    if count < FEWEST:
        return 0.0
    norms, others = (one**2).sum(1), (other**2).sum(1)
    rows, columns = one @ one.sum(0) - norms, other @ other.sum(0) - others
    found = float(((one.T @ other) ** 2).sum()) - float(norms @ others)
    found += float(rows.sum()) * float(columns.sum()) / ((count - 1) * (count - 2))
    found -= 2.0 * float(rows @ columns) / (count - 2)
    return found / (count * (count - 3))
