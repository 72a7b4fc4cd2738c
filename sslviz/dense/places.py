"""Where what dense features are worth is kept; see `sslviz.kept`."""

from __future__ import annotations

from pathlib import Path

from sslviz import kept
from sslviz.dense import boxes, masks
from sslviz.imagesets import ImageSet
from sslviz.runs import Run
from sslviz.runs.identity import identity

AREA = "dense"
VERSION = 4
"""Of what is computed and of how it is kept; another version's files are not read."""
KEPT_BYTES = 300_000_000
"""Past this the folders that were not read for longest are dropped."""


def answers(run: Run, images: ImageSet, source: str) -> Path:
    """The file of what `source` answers about masks. What is not the run's own is shared by all runs that
    agree on the untrained network. Raises `UserError` for a run without weights."""
    network = "run" if source == "run" else "untrained"
    depends = [VERSION, "masks", images.fingerprint, masks.digest(images), *identity(run, network)]
    return kept.folder(AREA, depends) / f"{source}.bin"


def found_boxes(run: Run, images: ImageSet, source: str) -> Path:
    """The same of boxes."""
    network = "run" if source == "run" else "untrained"
    depends = [VERSION, "boxes", images.fingerprint, boxes.digest(images), *identity(run, network)]
    return kept.folder(AREA, depends) / f"{source}.bin"
