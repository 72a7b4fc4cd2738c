"""Where what was found inside a network is kept; see `sslviz.kept`."""

from __future__ import annotations

from pathlib import Path

from sslviz import kept
from sslviz.imagesets import ImageSet
from sslviz.runs import Run
from sslviz.runs.identity import identity

AREA = "inside"
VERSION = 2
"""Of what is computed and of how it is kept; another version's files are not read."""
KEPT_BYTES = 1_000_000_000
"""Past this the folders that were not read for longest are dropped."""


def folder(run: Run, images: ImageSet, source: str) -> Path:
    """The folder of a network of a run, `source` "run" or "untrained", on a set."""
    return kept.folder(AREA, [VERSION, images.fingerprint, *identity(run, source)])
