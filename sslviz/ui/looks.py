"""How the four tasks look and are called wherever a page names them; no torch, so the start page may ask."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import sslviz

PICTURES = Path(sslviz.__file__).parent / "docs" / "pictures"
ICON = PICTURES / "icon.png"


@dataclass(frozen=True)
class Look:
    """What a task is called, and its colour and icon."""

    title: str
    icon: str
    """A Material symbol in Streamlit's notation."""
    color: str
    """Readable on the light background and on the dark one; `style.css` has one shade for each."""
    sentence: str
    """The task in one sentence."""
    question: str
    """What the network is asked."""


TASKS = {
    "rotation": Look(
        "Rotation",
        ":material/rotate_90_degrees_ccw:",
        "#d97a1f",
        "Turn an image by 0°, 90°, 180° or 270°; the network says by how much.",
        "Which way is up?",
    ),
    "exemplar": Look(
        "Exemplar",
        ":material/copy_all:",
        "#8f6be0",
        "Distort one patch in many ways; the network says which patch a copy came from.",
        "Which patch is this?",
    ),
    "jigsaw": Look(
        "Jigsaw",
        ":material/extension:",
        "#d1487c",
        "Shuffle nine tiles; the network says which shuffle it was.",
        "In which order are the tiles?",
    ),
    "location": Look(
        "Relative location",
        ":material/near_me:",
        "#3d86e6",
        "Cut two neighbouring patches; the network says where the second lies.",
        "Where does the second patch belong?",
    ),
}
