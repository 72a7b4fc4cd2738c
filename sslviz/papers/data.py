"""The images of an experiment, and which of them are tested on."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from sslviz import imagesets, scenes
from sslviz.errors import UserError
from sslviz.imagesets import ImageSet
from sslviz.splits import for_testing

Rows = NDArray[np.int64]

SCENES_TRAIN = 0.6
"""Of the built-in scenes, whose classes come in mixed order, so that the first of them are like the last."""


@dataclass(frozen=True)
class Data:
    """A set whose first images are for training and whose others are for testing."""

    images: ImageSet
    train: int
    """Images to train on; all of them where nothing is tested apart."""
    names: list[str]
    """The labels, in order; empty where nobody asks for labels."""

    def labels(self, rows: Rows) -> Rows:
        """The label of each of `rows`, as its place in `names`."""
        place = {name: number for number, name in enumerate(self.names)}
        return np.array([place[self.images.entries[row].label or ""] for row in rows], np.int64)

    def rows(self, *, test: bool, most: int | None) -> Rows:
        """Rows to train or to test on, or `most` of them, drawn with seed 0; ascending."""
        begin, end = (self.train, len(self.images)) if test else (0, self.train)
        order = np.random.default_rng(0).permutation(end - begin) + begin
        return np.sort(order[:most]).astype(np.int64)


def whole(images: ImageSet, test: ImageSet | None = None, *, labelled: bool = False) -> Data:
    """All images of a set; the runs hold out what they are tested on themselves.

    Raises `UserError` for a set to test on, which has no place there, and where `labelled` and labels are
    missing.
    """
    if test is not None:
        raise UserError(
            "This experiment holds out images of the set itself, and takes none to test on.",
            "Leave --test out.",
        )
    return _labelled(images, len(images)) if labelled else Data(images, len(images), [])


def divide(images: ImageSet, test: ImageSet | None = None) -> Data:
    """A set divided into training and test images: by the folders in its names, or with a `test` set.

    Two sets are joined in a third, which is made once; what is in both is trained on. The built-in scenes are
    divided by their numbers. Raises `UserError` for a set that does not say what is to be tested on, and
    where labels are missing.
    """
    if test is not None:
        return _labelled(_joined(images, test), len(images))
    if images.builtin and images.name == scenes.NAME:
        return _labelled(images, round(SCENES_TRAIN * len(images)))
    tested = for_testing(images.names)
    if not any(tested):  # train and test may have been handed over as two folders
        tested = for_testing([f"{entry.source}/{entry.name}" for entry in images.entries])
    train = tested.count(False)
    if train == len(images):
        raise UserError(
            f"The set {images.name!r} does not say which images are to be tested on.",
            "Make one of a folder that has folders train and test in it. On the command line, --test names "
            "a second set.",
        )
    if any(tested[:train]):
        raise UserError(
            f"The set {images.name!r} has images to be tested on before those to be trained on.",
            "Make it anew from its folder, and they come last.",
        )
    return _labelled(images, train)


def _joined(images: ImageSet, test: ImageSet) -> ImageSet:
    known = set(images.ids)
    added = [(one.id, one.label) for one in test.entries if one.id not in known]
    wanted = [(one.id, one.label) for one in images.entries] + added
    if len(wanted) == len(images):
        raise UserError(
            f"All images of {test.name!r} are in {images.name!r} too.",
            "Test on images that it does not have.",
        )
    name = f"{images.name[:36]} + {test.name[:36]}"
    if imagesets.find(images.workspace, name) is not None:
        there = imagesets.open_set(images.workspace, name)
        if [(one.id, one.label) for one in there.entries] == wanted:
            return there
        name = imagesets.free_name(images.workspace, name)
    return imagesets.merge(images.workspace, [images.name, test.name], name)


def _labelled(images: ImageSet, train: int) -> Data:
    labels = images.labels
    names = sorted({label for label in labels[:train] if label is not None})
    bare = sum(1 for label in labels if label is None)
    if len(names) < 2 or bare:
        raise UserError(
            f"The images of {images.name!r} are not all labelled."
            if bare
            else f"The images of {images.name!r} have no two labels to tell apart.",
            "Labels are the names of folders; give sets that have them.",
        )
    strange = sorted({label for label in labels[train:] if label is not None} - set(names))
    if strange:
        raise UserError(
            f"No training image has the label {strange[0]!r}.", "Give training images of every label."
        )
    return Data(images, train, names)
