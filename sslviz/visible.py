"""Text that strangers wrote, fit for a screen."""

from __future__ import annotations

import unicodedata

_HIDDEN = {"Cc", "Cf", "Cs", "Zl", "Zp"}
"""Unicode's controls, directional marks and other formats, halves of surrogate pairs, and ends of lines: they
can make one name look like another or like two, and tell a terminal to do things."""


def visible(text: str, keep: str = "") -> str:
    """`text` with a � for each character that cannot be seen, save those in `keep`."""
    if text.isprintable():
        return text
    return "".join(
        "\N{REPLACEMENT CHARACTER}" if c not in keep and unicodedata.category(c) in _HIDDEN else c
        for c in text
    )
