"""Colours that people with colour vision deficiencies can tell apart, and that stay with their group."""

from __future__ import annotations

import itertools

import numpy as np

from sslviz import figures

# Linear RGB as seen without red, green or blue cones (Machado, Oliveira and Fernandes 2009, severity 1).
DEFICIENCIES = {
    "protan": [
        [0.152286, 1.052583, -0.204868],
        [0.114503, 0.786281, 0.099216],
        [-0.003882, -0.048116, 1.051998],
    ],
    "deutan": [
        [0.367322, 0.860646, -0.227968],
        [0.280085, 0.672501, 0.047413],
        [-0.011820, 0.042940, 0.968881],
    ],
    "tritan": [
        [1.255528, -0.076749, -0.178779],
        [-0.078411, 0.930809, 0.147602],
        [0.004733, 0.691367, 0.303900],
    ],
}


def lab(color: str, seen: np.ndarray) -> np.ndarray:
    value = np.array([int(color[i : i + 2], 16) / 255 for i in (1, 3, 5)])
    linear = np.where(value <= 0.04045, value / 12.92, ((value + 0.055) / 1.055) ** 2.4)
    linear = np.clip(seen @ linear, 0, 1)
    xyz = np.array([[0.4124, 0.3576, 0.1805], [0.2126, 0.7152, 0.0722], [0.0193, 0.1192, 0.9505]]) @ linear
    f = np.cbrt(xyz / [0.9505, 1.0, 1.089])
    return np.array([116 * f[1] - 16, 500 * (f[0] - f[1]), 200 * (f[1] - f[2])])


def test_colours_differ_with_every_colour_vision() -> None:
    for seen in [np.eye(3), *map(np.array, DEFICIENCIES.values())]:
        for one, other in itertools.combinations(figures.PALETTE, 2):
            assert np.linalg.norm(lab(one, seen) - lab(other, seen)) > 9, (one, other)


def test_a_group_keeps_its_colour_and_thirty_look_different() -> None:
    names = [f"label {number}" for number in range(30)]
    assert figures.groups(names)[:4] == figures.groups(names[:4])
    looks = {(group.color, group.symbol) for group in figures.groups(names)}
    assert len(looks) == 30
