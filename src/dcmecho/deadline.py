"""One limit over several steps, on the caller's clock."""

from . import causes
from .errors import VerificationTimeout


class Deadline:
    """`seconds` from `now` on; None is unlimited. `at` is the moment on the caller's clock, or None."""

    __slots__ = ("at", "seconds")

    def __init__(self, seconds: float | None, now: float) -> None:
        self.seconds = seconds
        self.at = None if seconds is None else now + seconds

    def remaining(self, step: str, limit: float | None, now: float) -> float | None:
        """Return the seconds that a step may take by its own limit and by the deadline, None if there is no limit.

        VerificationTimeout if the deadline has passed.
        """
        if self.at is None:
            return limit
        left = self.at - now
        if left <= 0:
            raise self.passed(step)
        return left if limit is None else min(left, limit)

    def passed(self, step: str) -> VerificationTimeout:
        """Return the failure that the deadline has passed during a step."""
        return VerificationTimeout(causes.DEADLINE_EXCEEDED, step, self.seconds or 0.0)
