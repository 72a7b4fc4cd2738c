"""Ids of runs and of what else is put in order: the time they were made at, and chance."""

from __future__ import annotations

import re
import secrets
import time

ID = re.compile(r"[0-9a-z]{12}")
DIGITS = "0123456789abcdefghijklmnopqrstuvwxyz"


def new_id(after: str = "") -> str:
    """A fresh id: eight digits of milliseconds and four of chance, base 36, greater than `after`.

    Ids are the order of creation, so a clock that was set back must not make a new run an old one.
    """
    moment = int(time.time() * 1000)
    if ID.fullmatch(after):
        moment = max(moment, int(after[:8], 36) + 1)
    digits = ""
    while len(digits) < 8:
        moment, digit = divmod(moment, 36)
        digits = DIGITS[digit] + digits
    return digits + "".join(secrets.choice(DIGITS) for _ in range(4))
