"""For each channel, the images and places where it is strongest."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch
from numpy.typing import NDArray

from sslviz.inside import STRONGEST, Patches
from sslviz.inside.fields import Spans, spans
from sslviz.model import Encoder
from sslviz.tasks import Task

BATCH_PIXELS = 1_000_000


def search(
    encoder: Encoder,
    task: Task,
    squares: NDArray[np.uint8],
    rows: NDArray[np.int64],
    report: Callable[[int, int], None] = lambda *_: None,
) -> dict[str, Patches]:
    """Search the images `rows` of `squares`, uint8 (N, 3, S, S), and return the patches by block.

    Of an image only its strongest place counts, so that nine patches are of nine images. Where images tie
    the lower row comes first, and a place where nothing is active (0 after a ReLU) is no patch.
    """
    side = squares.shape[-1]
    fields = spans(encoder, side)
    best: dict[str, list[tuple[NDArray[np.float32], NDArray[np.int64]]]] = {name: [] for name in fields}
    size = max(1, min(256, BATCH_PIXELS // side**2))
    report(0, len(rows))
    for start in range(0, len(rows), size):
        part = torch.from_numpy(np.array(squares[rows[start : start + size]]))
        with torch.inference_mode():
            x = task.normalize(part[:, None])[:, 0].contiguous(memory_format=torch.channels_last)
            for name, maps in encoder.maps(x).items():
                value, place = maps.flatten(2).max(2)
                best[name].append((value.numpy(), place.numpy()))
        report(min(len(rows), start + size), len(rows))
    return {
        name: _ranked(
            np.concatenate([value for value, _ in parts]),
            np.concatenate([place for _, place in parts]),
            rows,
            fields[name],
            side,
        )
        for name, parts in best.items()
    }


def _ranked(
    values: NDArray[np.float32], places: NDArray[np.int64], rows: NDArray[np.int64], fields: Spans, side: int
) -> Patches:
    """values and places (M, K): of each image and channel, the largest activation and where it is."""
    length = len(fields)
    channels = np.argsort(-values.astype(np.float64).var(0), kind="stable")
    kept = np.argsort(-values, axis=0, kind="stable")[:STRONGEST].T[channels]  # (K, 9), fewer of few images
    value = values[kept, channels[:, None]]
    down, across = np.divmod(places[kept, channels[:, None]], length)
    boxes = np.stack([fields[across, 0], fields[down, 0], fields[across, 1] + 1, fields[down, 1] + 1], -1)
    centres = (np.stack([across, down], -1) + 0.5) * (side / length)
    found = np.where(value > 0, rows[kept], -1)
    return Patches(channels.astype(np.int64), found, value, boxes, centres.astype(np.float32))
