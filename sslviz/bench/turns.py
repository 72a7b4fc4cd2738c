"""What has been done in one's turns, and how fast."""

from __future__ import annotations


class Turns:
    """A way of training that is measured in turns with others."""

    def __init__(self) -> None:
        self.forget()

    def forget(self) -> None:
        """Count from here."""
        self.views, self.seconds = 0, 0.0

    @property
    def speed(self) -> float:
        """Views a second, over all turns."""
        return self.views / self.seconds
