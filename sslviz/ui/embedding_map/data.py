"""What a map in the browser is drawn from, packed for the way there."""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sslviz import figures
from sslviz.ui.embedding_map import first


@dataclass(frozen=True, eq=False)
class Frames:
    """The points at several moments."""

    xy: NDArray[np.float32]
    """(F, N, 2) in [-1, 1]."""
    said: Sequence[str]
    """F sentences, one a moment."""


@dataclass(frozen=True, eq=False)
class Guest:
    """A picture that is no point of the map, where it would be one."""

    place: NDArray[np.float32]
    """(2,) or (3,), as the map has dimensions."""
    near: Sequence[int]
    """Rows of its nearest points."""
    uri: str
    """Its picture, as a data URI."""

    @property
    def message(self) -> dict[str, Any]:
        """What the browser gets."""
        place = [float(value) for value in self.place]
        return {"place": place, "near": [int(row) for row in self.near], "uri": self.uri}


@dataclass(frozen=True, eq=False)
class MapData:
    """The points of a map."""

    xy: NDArray[np.float32]
    """(N, 2) or (N, 3)."""
    names: Sequence[str]
    """N file names; shown as they are written, never as HTML."""
    ids: NDArray[np.int64] | None = None
    """(N,) what `clicked` and `selected` speak of; by default 0 … N-1."""
    tiles: NDArray[np.int64] | None = None
    """(N,) places in the sheets of thumbnails; by default the ids."""
    sprites: str = ""
    """Name of the sheets: the fingerprint of their image set."""
    group: NDArray[np.int64] | None = None
    """(N,) indices into `groups`, -1 for none; None draws all points alike."""
    groups: Sequence[str] | Sequence[figures.Group] = field(default_factory=tuple)
    """The groups that the points are coloured by; names get the house's colours."""
    title: str = ""
    """What the groups are: "label"."""
    label: NDArray[np.int64] | None = None
    """(N,) indices into `labels`, -1 for none: a word on each point, whatever it is coloured by."""
    labels: Sequence[str] = field(default_factory=tuple)
    near: NDArray[np.int64] | None = None
    """(N, k) rows of the neighbours that a chosen point is joined to."""
    marks: Sequence[int] = field(default_factory=tuple)
    """Ids of points that are ringed."""
    frames: Frames | None = None
    view: str = ""
    """What the coordinates are. While it stays the same, the zoom stays too."""

    @property
    def drawn_groups(self) -> list[figures.Group]:
        """The groups, each with its colour and shape."""
        named = [one for one in self.groups if isinstance(one, str)]
        groups = figures.groups(named) if named else self.groups
        return [group for group in groups if isinstance(group, figures.Group)]

    @cached_property
    def message(self) -> dict[str, Any]:
        """What the browser gets."""
        count, dims = self.xy.shape
        ids = np.arange(count) if self.ids is None else self.ids
        none = np.full(count, -1)
        near = np.zeros((count, 0)) if self.near is None else self.near
        message = {
            "dims": dims,
            "xy": packed(np.asarray(self.xy, np.float32).T, np.float32),
            "ids": packed(ids, np.int32),
            "tiles": packed(ids if self.tiles is None else self.tiles, np.int32),
            "group": packed(none if self.group is None else self.group, np.int32),
            "groups": [asdict(group) for group in self.drawn_groups],
            "label": packed(none if self.label is None else self.label, np.int32),
            "labels": list(self.labels),
            "near": packed(near, np.int32),
            "k": near.shape[1],
            "marks": packed(np.asarray(self.marks, np.int64), np.int32),
            "names": list(self.names),
            "sprites": self.sprites,
            "title": self.title,
            "view": self.view,
        }
        if self.frames is not None:
            assert self.frames.xy.shape == (len(self.frames.said), count, 2), self.frames.xy.shape
            message["frames"] = packed(self.frames.xy.transpose(0, 2, 1), np.float32)
            message["said"] = list(self.frames.said)
        digest = hashlib.sha256(json.dumps(message).encode()).hexdigest()
        return {**message, "version": digest[:16]}

    @cached_property
    def seen_first(self) -> str:
        """HTML that shows points in two dimensions before the map does."""
        return first.drawn(self)

    @cached_property
    def sent(self) -> bytes:
        """The same as bytes: sixteen letters that name the version, then JSON."""
        return f"{self.message['version']}{json.dumps(self.message)}".encode()


@dataclass(frozen=True)
class MapEvent:
    """What the user did with the map just now."""

    clicked: int | None = None
    """Id of the point that was clicked."""
    selected: list[int] | None = None
    """Ids of the points that were lassoed; an empty list where the selection was cleared."""
    looked: Look | None = None


@dataclass(frozen=True)
class Look:
    """How somebody looks at a map."""

    zoom: tuple[float, ...] = ()
    """The ends of both axes, x first; of a map in three dimensions the place of the eye; empty for all."""
    pictures: int = 0
    """Side in CSS pixels of the pictures drawn in place of points; 0 for points."""

    @classmethod
    def read(cls, value: Any) -> Look | None:
        """What the browser sent, or what an address says; None for anything else."""
        try:
            zoom = tuple(round(float(one), 4) for one in value["zoom"] or ())
            pictures = int(value["pictures"])
        except (KeyError, TypeError, ValueError, OverflowError):
            return None
        fits = len(zoom) in (0, 3, 4) and all(abs(one) < 1e4 for one in zoom)
        return cls(zoom, pictures) if fits and 0 <= pictures <= 200 else None


def packed(values: NDArray[Any], kind: type[np.generic]) -> str:
    """An array's bytes, one value after the other, as base64."""
    return base64.b64encode(np.ascontiguousarray(values, kind).tobytes()).decode()
