"""Weights of a multinomial logistic regression, by L-BFGS in variables in which the problem is round.

Where K Kᵀ is the Hessian at zero weights w, the problem in w K is round there, and it stays nearly so. On
50,000 × 512 features of a network that takes 28 passes over them to come within 1e-4 of the least objective;
Newton's method with conjugate gradients in the same variables took half as many again, and L-BFGS without
the change of variables was still 3% above it after 100.

Letters in shapes: N rows, D features, P classes, each of which has rows.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from sslviz.errors import UserError
from sslviz.threads import at_most, side_by_side

ENOUGH = 1e-5
"""The search ends where its next step promises less than this share of the objective, and of what has been
gained over guessing: the objective is then within 1e-4 of its least."""
ROUNDING = 1e-9
"""Less than this share of the objective cannot be told from rounding."""
STEPS = 500
"""Steps after which it ends in any case; 5 to 60 are usual."""
SMALLEST = 1e-4
"""Share of a step below which it is given up: rounding is all that is left."""
REMEMBERED = 10
"""Steps from which the curvature is learned."""

PART = 2048
"""Rows looked at together, while the cache holds them."""
SAMPLED = 16
"""Rows for each column that the Hessian at zero is computed from; more save no steps."""
DOUBLE = 250_000
"""Numbers in a table that is small enough for double precision, in which the losses of few rows that can be
told apart easily are not lost."""
SHARED = 2_000_000
"""Numbers in the part of a table that one thread takes at a time."""
SAME = 1e-6
"""A column that varies by less than this share of its largest value is constant: the rest is rounding."""
NOTHING = 1e-30
"""So is one that varies by less than this."""

Doubles = NDArray[np.float64]


class _Table:
    """Rows whose columns have mean 0 and variance 1, and how they were made."""

    rows: Tensor
    """float32 (N, D + 1), the last column full of ones."""
    mean: Tensor
    """float64 (D,): what was subtracted."""
    scale: Tensor
    """float64 (D,): what it was then divided by; infinite for constant columns."""

    def __init__(self, features: NDArray[np.float32]) -> None:
        count, width = features.shape
        given = torch.from_numpy(np.require(features, np.float32, ["C", "W"]))  # torch warns of read-only
        total, square = torch.zeros(2, width, dtype=torch.float64)
        low, high = given[0].clone(), given[0].clone()
        for part in torch.split(given, PART):
            total += part.sum(0)
            low, high = torch.minimum(low, part.amin(0)), torch.maximum(high, part.amax(0))
        spread = high.double() - low.double()
        if not bool(torch.isfinite(spread + total).all()):
            raise UserError(
                "Some features are not finite numbers, so nothing can be learned from them.",
                "The network has most likely diverged: train it again with a lower learning rate.",
            )
        constant = spread <= (SAME * torch.maximum(low.abs(), high.abs())).clamp_min(NOTHING)
        # Divided by their spread first, huge and tiny columns can be squared in single precision.
        middle, factor = (total / count).float(), (1 / spread).float()
        factor[constant] = 0.0
        self.rows = torch.ones(count, width + 1)
        table = self.rows[:, :width]
        for part, made in zip(torch.split(given, PART), torch.split(table, PART), strict=True):
            torch.sub(part, middle, out=made).mul_(factor)
            square += made.square().sum(0)
        deviation = (square / count).sqrt().float()
        deviation[constant] = 1.0
        table /= deviation
        self.mean, self.scale = middle.double(), deviation.double() / factor.double()


def path(
    features: NDArray[np.float32],
    answers: NDArray[np.int64],
    classes: int,
    penalties: Sequence[float],
    ended: Callable[[Doubles, Doubles], bool] | None = None,
) -> list[tuple[Doubles, Doubles]]:
    """For each penalty in turn the weights (P, D) and biases (P,) for features (N, D) as they are given, each
    search starting where the one before ended. answers int64 (N,) in [0, P). `ended` is shown each pair; the
    penalties after one at which it is true are left out."""
    threads = torch.get_num_threads()
    with at_most(1):
        table = _Table(features)
        count, width = features.shape
        rows = table.rows.double() if count * min(count, width) <= DOUBLE else table.rows
        basis = None
        if count < width:
            # Weights lie in the span of the rows: in a basis of it there are as few of them as of rows.
            basis, corner = torch.linalg.qr(rows[:, :width].T)
            rows = torch.cat([corner.T, rows[:, width:]], dim=1)
        losses = _Losses(rows, torch.from_numpy(answers), classes, threads)
        weights = torch.zeros(classes, rows.shape[1], dtype=torch.float64)
        found = []
        for penalty in penalties:
            weights = _least(losses, penalty, weights)
            slopes, bias = weights[:, :-1], weights[:, -1]
            if basis is not None:
                slopes = slopes @ basis.double().T
            slopes = slopes / table.scale
            found.append((slopes.numpy(), (bias - slopes @ table.mean).numpy()))
            if ended and ended(*found[-1]):
                break
        return found


class _Losses:
    """The sum of N cross-entropies. Logits are (P, N): of two products this wide and flat, the one that
    leaves the long side last is several times quicker."""

    def __init__(self, rows: Tensor, answers: Tensor, classes: int, threads: int) -> None:
        self.rows, self.classes, self.threads = rows, classes, threads
        self.right = answers, torch.arange(len(rows))
        self.part = max(1, SHARED // rows.shape[1])
        every = max(1, len(rows) // (SAMPLED * rows.shape[1]))
        sample = rows[::every]
        self.hessian = (sample.T @ sample).double() * (len(rows) / len(sample) / classes)
        """float64 (D + 1, D + 1), about: at zero weights, of each class as if it were alone."""

    def logits(self, weights: Tensor) -> Tensor:
        narrow = weights.to(self.rows.dtype)
        return torch.cat(self._each(lambda at: narrow @ self.rows[at].T), dim=1)

    def total(self, logits: Tensor) -> float:
        return float((logits.logsumexp(0) - logits[self.right]).sum(dtype=torch.float64))

    def slope(self, logits: Tensor) -> Tensor:
        """float64 (P, D + 1), by the weights."""
        wrong = logits.softmax(0)
        wrong[self.right] -= 1
        return torch.stack(self._each(lambda at: (wrong[:, at] @ self.rows[at]).double())).sum(0)

    def _each(self, work: Callable[[slice], Tensor]) -> list[Tensor]:
        """What `work` makes of each part of the rows; what the parts are does not depend on the machine."""
        parts = [slice(at, at + self.part) for at in range(0, len(self.rows), self.part)]
        if len(parts) == 1 or self.threads == 1:
            return [work(part) for part in parts]
        return list(side_by_side(work, parts, self.threads))


def _least(losses: _Losses, penalty: float, weights: Tensor) -> Tensor:
    """The weights, float64 (P, D + 1) with the biases last, of the least objective, sought from `weights`."""
    prices = torch.full((weights.shape[1],), penalty, dtype=torch.float64)
    if losses.classes == 2:  # w and -w, whose difference 2w is what counts: 2 (w² + w²) = (2w)²
        prices *= 2
    prices[-1] = 0.0
    # The Hessian is one of single precision, and must not lose its root to that.
    round_off = 1e-7 * float(losses.hessian.trace())
    root = torch.linalg.cholesky(losses.hessian + (prices + round_off).diag())
    logits = losses.logits(weights)

    def objective(logits: Tensor, weights: Tensor) -> float:
        return losses.total(logits) + 0.5 * float((prices * weights.square()).sum())

    def slope(logits: Tensor, weights: Tensor) -> Tensor:
        steep = losses.slope(logits) + prices * weights
        turned: Tensor = torch.linalg.solve_triangular(root.T, steep, upper=True, left=False)
        return turned

    guessing = len(losses.rows) * math.log(losses.classes)
    value, steep = objective(logits, weights), slope(logits, weights)
    seen: list[tuple[Tensor, Tensor]] = []
    for _ in range(STEPS):
        way = _downhill(steep, seen)
        promise = float((way * steep).sum())
        if promise <= max(ENOUGH * min(value, guessing - value), ROUNDING * value):
            break
        step = torch.linalg.solve_triangular(root, way, upper=False, left=False)
        change, share = losses.logits(step), 1.0
        while True:
            moved, there = logits - share * change, weights - share * step
            lower = objective(moved, there)
            if lower <= value - 1e-4 * share * promise:
                break
            share /= 2
            if share < SMALLEST:
                return weights
        flatter = slope(moved, there)
        latest = -share * way, flatter - steep
        if float((latest[0] * latest[1]).sum()) > 0:  # always, but for rounding
            seen = [*seen, latest][-REMEMBERED:]
        logits, weights, value, steep = moved, there, lower, flatter
    return weights


def _downhill(steep: Tensor, seen: Sequence[tuple[Tensor, Tensor]]) -> Tensor:
    """The inverse Hessian times `steep`, as the steps and changes of slope seen so far have it: Nocedal and
    Wright, Numerical Optimization, algorithm 7.4."""
    way, shares = steep.clone(), []
    for step, change in reversed(seen):
        shares.append((step * way).sum() / (step * change).sum())
        way -= shares[-1] * change
    if seen:
        step, change = seen[-1]
        way *= (step * change).sum() / change.square().sum()
    for step, change in seen:
        way += (shares.pop() - (change * way).sum() / (step * change).sum()) * step
    return way
