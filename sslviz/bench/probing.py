"""What labels are told from features by: the linear probe, and curves over few labels."""

from __future__ import annotations

import time
import warnings
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sslviz import few, linear

IMAGES, WIDTH, CLASSES = 50_000, 512, 10
STEPS = 100
"""After which scikit-learn's search is stopped."""
KNOWN, ASKED = 1_600, 400
WIDTHS = (256, 256, 384, 512, 512)
"""Of the features of five sources whose curves are drawn."""
MINUTE = 60.0

Floats = NDArray[np.float32]
Ints = NDArray[np.int64]


def grouped(count: int, width: int) -> tuple[Floats, Ints]:
    """Features with labels, which overlap, as networks have them: none is negative, and each is a mixture of
    the same directions, a few of them strong. float32 (count, width) and int64 (count,)."""
    draw = np.random.default_rng(0)
    labels = np.arange(count) % CLASSES
    turn, _ = np.linalg.qr(draw.normal(size=(width, width)))
    centres = 0.2 * draw.normal(size=(CLASSES, width))
    rows = (centres[labels] + draw.normal(size=(count, width))) / (1 + np.arange(width))
    return np.maximum(rows @ turn, 0).astype(np.float32), labels


def measure() -> dict[str, dict[str, Any]]:
    """Seconds of one linear probe of 50,000 × 512 features, beside scikit-learn's, and of the curves over few
    labels of five sources, beside what is promised."""
    return {"linear": _linear(), "few": _few()}


def _linear() -> dict[str, Any]:
    from sklearn.linear_model import LogisticRegression
    from sklearn.preprocessing import StandardScaler

    rows, labels = grouped(IMAGES, WIDTH)
    linear.fit(rows[: 20 * CLASSES], labels[: 20 * CLASSES], CLASSES)  # what is loaded at the first fit
    began, spent = time.perf_counter(), time.process_time()
    ours = linear.fit(rows, labels, CLASSES)
    seconds, spent = time.perf_counter() - began, time.process_time() - spent
    began = time.perf_counter()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # that it was stopped
        scaler = StandardScaler().fit(rows)
        scaled = scaler.transform(rows)
        theirs = LogisticRegression(C=1 / linear.PENALTY, max_iter=STEPS).fit(scaled, labels)
    bound = time.perf_counter() - began
    least = _objective(ours.logits(rows), labels, ours.weights * scaler.scale_[:, None])
    above = _objective(theirs.decision_function(scaled), labels, theirs.coef_) / least - 1
    taken = int(theirs.n_iter_[0])
    return {
        "images": len(rows),
        "seconds": seconds,
        "cpu_seconds": spent,
        "bound": bound,
        "bound_is": f"scikit-learn's, {'stopped' if taken == STEPS else 'done'} after {taken} steps, its "
        f"objective {100 * above:.1f}% above",
        "bound_above": above,
    }


def _objective(logits: NDArray[Any], labels: Ints, weights: NDArray[np.float64]) -> float:
    """What both minimise."""
    rows = logits.astype(np.float64) - logits.max(axis=1, keepdims=True)
    losses = np.log(np.exp(rows).sum(axis=1)) - rows[np.arange(len(rows)), labels]
    return float(losses.sum() + linear.PENALTY / 2 * (weights**2).sum())


def _few() -> dict[str, Any]:
    sources = [grouped(KNOWN + ASKED, width) for width in WIDTHS]
    began, spent = time.perf_counter(), time.process_time()
    for rows, labels in sources:
        few.curve(rows[:KNOWN], labels[:KNOWN], rows[KNOWN:], labels[KNOWN:], CLASSES)
    return {
        "images": KNOWN,
        "seconds": time.perf_counter() - began,
        "cpu_seconds": time.process_time() - spent,
        "bound": MINUTE,
        "bound_is": "what is promised, of five sources",
    }
