"""A moment by which an operation is over, handed down to everything that waits for its sake."""

from __future__ import annotations

import time

__all__ = ["Deadline", "DeadlinePassedError"]


class DeadlinePassedError(TimeoutError):
    """There is no time left to wait in."""

    @classmethod
    def of(cls, deadline: Deadline) -> DeadlinePassedError:
        """That of a deadline."""
        return cls(f"not done within {round(deadline.seconds, 1):g} s")


class Deadline:
    """`seconds` from now on the monotonic clock, which no correction of the time of day moves."""

    def __init__(self, seconds: float) -> None:
        self.seconds = seconds
        self._end = time.monotonic() + seconds

    def left(self) -> float:
        """Seconds until it passes; 0 after that."""
        return max(0.0, self._end - time.monotonic())

    def bound(self, timeout_s: float) -> float:
        """The longest that one wait of at most `timeout_s` may last.

        Raises:
            DeadlinePassedError: it may not begin.
        """
        left = self.left()
        if left <= 0:
            raise DeadlinePassedError.of(self)
        return min(timeout_s, left)
