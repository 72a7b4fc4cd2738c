"""What commands print: results on standard output, everything else on standard error.

Names of files may hold what a terminal takes for orders, so nothing that cannot be seen is ever printed.
"""

from __future__ import annotations

import json
import math
import sys
import time
from collections.abc import Mapping, Sequence
from typing import Any

from sslviz.visible import visible

LINE_SECONDS = 5.0
"""Between lines of progress where standard error is no terminal."""


def complain(sentence: str) -> None:
    """One line on standard error."""
    print(visible(" ".join(sentence.split())), file=sys.stderr)


def emit(value: Mapping[str, Any], as_json: bool, text: str) -> None:
    """The result: one JSON object on one line, or `text` for people."""
    from sslviz.runs.records import plain  # which takes half a second, and --help need not wait

    # JSON escapes of itself whatever is not plain ASCII.
    print(json.dumps(plain(value), allow_nan=False) if as_json else visible(text, keep="\n"), flush=True)


class Progress:
    """One line on standard error that is written over, or a line now and then where that cannot be seen."""

    def __init__(self, what: str) -> None:
        self.what = what
        self.live = sys.stderr.isatty()
        self.told = 0.0
        self.shown = False

    def __call__(self, done: int, total: int = 0, message: str = "") -> None:
        """Report of most library functions: `total` is nought while it is not known."""
        of = f" of {total:,}" if total else ""
        self.say(f"{self.what}: {done:,}{of}{f' · {message}' if message else ''}", last=0 < total <= done)

    def say(self, text: str, last: bool = False) -> None:
        now = time.monotonic()
        if not last and now - self.told < (0.1 if self.live else LINE_SECONDS):
            return
        self.told = now
        self.shown = True
        text = visible(text)
        if self.live:
            print(f"\r\x1b[2K{text[:100]}", end="", file=sys.stderr, flush=True)
        else:
            print(text, file=sys.stderr, flush=True)

    def close(self) -> None:
        """End the line."""
        if self.live and self.shown:
            print(file=sys.stderr, flush=True)
        self.shown = False


def table(rows: Sequence[Sequence[str]]) -> str:
    """Columns, aligned; the first row is the header."""
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    lines = ("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)) for row in rows)
    return "\n".join(line.rstrip() for line in lines)


def counted(count: int, what: str) -> str:
    """ "1 step", "2,000 steps"."""
    return f"{count:,} {what}{'' if count == 1 else 's'}"


def percent(value: float | None) -> str:
    """Tenths of a per cent, rounded as on the pages and always there, as columns want them; two digits of
    what is less than one, and "–" for what is not known."""
    if value is None:
        return "–"
    return f"{100 * value:.2g}%" if 0 < value < 0.01 else f"{math.floor(1000 * value + 0.5 + 1e-9) / 10:.1f}%"
