"""Classification: how well simple classifiers on frozen features tell labels."""

from __future__ import annotations

from sslviz.imagesets import ImageSet
from sslviz.runs import Run


def show(run: Run, images: ImageSet) -> None:
    """Every probe beside every baseline."""
