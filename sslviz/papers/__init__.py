"""Published experiments that can be repeated, one a file: the protocol, the judgement, what was published."""

from sslviz.papers.base import Divided, Figure, Findings, Paper, Row, Scale, divide
from sslviz.papers.rotnet import RotNet

__all__ = ["PAPERS", "Divided", "Figure", "Findings", "Paper", "Row", "Scale", "divide"]

PAPERS: dict[str, Paper] = {paper.name: paper for paper in (RotNet(),)}
"""By the name that `sslviz reproduce` takes."""
