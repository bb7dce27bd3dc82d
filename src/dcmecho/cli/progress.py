"""How far a long run is: one line on a terminal, drawn over and over; nothing on a pipe."""

import sys
from time import monotonic

_FIRST_AFTER = 1.0
_EVERY = 0.25


class Progress:
    """Shows on standard error how many of `total` are done, after a second and then four times a second."""

    def __init__(self, total: int, *, is_wanted: bool) -> None:
        stream = sys.stderr
        self._is_on = is_wanted and stream is not None and stream.isatty()
        self._total = total
        self._began = monotonic()
        self._next_at = self._began + _FIRST_AFTER
        self._is_drawn = False

    def show(self, done: int) -> None:
        """`done` of them are done."""
        if not self._is_on:
            return
        now = monotonic()
        if now < self._next_at:
            return
        self._next_at = now + _EVERY
        rate = done / (now - self._began)
        left = (self._total - done) / rate
        self._is_drawn = True
        self._draw(f"\r{done} of {self._total} echoes, {rate:.0f}/s, {left:.0f} s left\x1b[K")

    def clear(self) -> None:
        """Take the line away."""
        if self._is_drawn:
            self._is_drawn = False
            self._draw("\r\x1b[K")

    def _draw(self, text: str) -> None:
        try:
            sys.stderr.write(text)
            sys.stderr.flush()
        except (OSError, ValueError, AttributeError):
            self._is_on = False
