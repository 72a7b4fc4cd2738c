"""Published experiments that can be repeated.

    base.py                      what an experiment is: one run or several, judged together
    rotnet.py blocks.py          what each block of a rotation network is worth, and how that is measured
    sweeps.py                    what experiments of several runs have in common:
    exemplar.py                  the number of surrogate classes
    jigsaw.py                    the number of permutations
    location.py                  the gap between patches
    data.py                      the images, and which of them are tested on
    records.py repeating.py      what is written of a repetition; making, going on with and judging one

Nothing here imports torch before runs are made or judged: the page reads what there is.
"""

from sslviz.papers.base import Figure, Finding, Findings, Paper, Row, Scale, Value
from sslviz.papers.data import Data, divide, whole
from sslviz.papers.exemplar import Classes
from sslviz.papers.jigsaw import Permutations
from sslviz.papers.location import Gap
from sslviz.papers.rotnet import RotNet

__all__ = [
    "PAPERS",
    "Data",
    "Figure",
    "Finding",
    "Findings",
    "Paper",
    "Row",
    "Scale",
    "Value",
    "divide",
    "whole",
]

PAPERS: dict[str, Paper] = {paper.name: paper for paper in (RotNet(), Classes(), Permutations(), Gap())}
"""By the name that `sslviz reproduce` takes."""
