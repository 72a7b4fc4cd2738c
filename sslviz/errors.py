"""The one exception that is meant for people."""

from __future__ import annotations


class UserError(Exception):
    """Something the user can understand and put right.

    `message` is one sentence that names the thing that is wrong; `hint`, where there is one, is a
    sentence that says what to do about it. The command line prints both and exits with code 2; the app
    shows them in place of the part of the page that could not be drawn.
    """

    def __init__(self, message: str, hint: str = "") -> None:
        super().__init__(message, hint)
        self.message = message
        self.hint = hint

    def __str__(self) -> str:
        return f"{self.message} {self.hint}".rstrip()
