"""What dense features are worth: which class is at each pixel, and where the object is.

Segmentation is a linear softmax on the frozen maps of a network, learned from the masks of some images and
asked about others. Localisation draws a box around what stands out on a map, and has seen no label at all.
Beside the run stand the same network untrained, and what needs no network.

    masks.py boxes.py            what is asked, and how right an answer is
    segmentation.py              what was found of masks, with the figures that follow from it
    localisation.py              the same of boxes
    probing.py segmenting.py supervised.py locating.py standouts.py teaching.py computing.py     the work

Findings are kept in `home/cache/dense`, named by all that they depend on: weights, images, labels, masks or
boxes. Reading them imports numpy alone, so that a page may do it.
"""

from __future__ import annotations

from collections.abc import Callable

from sslviz import kept
from sslviz.dense import localisation, masks, places, segmentation
from sslviz.dense.localisation import Localisation
from sslviz.dense.segmentation import Segmentation
from sslviz.imagesets import ImageSet
from sslviz.runs import Run

__all__ = ["Localisation", "Report", "Segmentation", "find_boxes", "find_masks", "locate", "segment"]

Report = Callable[[int, int, str], None]

find_masks, find_boxes = segmentation.find, localisation.find


def segment(run: Run, images: ImageSet, report: Report | None = None) -> Segmentation:
    """What dense features of a run are worth for telling which class is at each pixel; from the cache as far
    as it is there.

    `report` is called with (done, total, what is being done). Raises `UserError` where fewer than two images
    have masks, for a run without weights, and for one whose weights are not finite numbers.
    """
    masks.question(images)  # says what is missing before anything is loaded
    found = segmentation.find(run, images)
    if found is None:
        from sslviz.dense import computing

        computing.segment(run, images, report or (lambda *_: None))
        kept.prune(places.AREA, places.KEPT_BYTES)
        found = segmentation.find(run, images)
        assert found is not None
    return found


def locate(run: Run, images: ImageSet, report: Report | None = None) -> Localisation:
    """How often a box around what stands out on the maps of a run is that of the object; as `segment`, of a
    set that knows boxes."""
    found = localisation.find(run, images)
    if found is None:
        from sslviz.dense import computing

        computing.locate(run, images, report or (lambda *_: None))
        kept.prune(places.AREA, places.KEPT_BYTES)
        found = localisation.find(run, images)
        assert found is not None
    return found
