"""How much one client may take: connections, attempts to log in, bytes."""

from __future__ import annotations

import errno
import time
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass

__all__ = ["Bans", "Limits", "OverLimitError"]

_MAX_REMEMBERED = 10_000


class OverLimitError(OSError):
    """A file that would be larger than allowed, or would take its machine over its quota."""

    @classmethod
    def of_file(cls, limit: int) -> OverLimitError:
        """A file grew too large."""
        return cls(errno.EFBIG, f"A file may have at most {limit:,} bytes on this server")

    @classmethod
    def of_quota(cls, limit: int) -> OverLimitError:
        """A machine's folder grew too large."""
        return cls(errno.EDQUOT, f"This machine's folder may hold at most {limit:,} bytes")


@dataclass(frozen=True, slots=True)
class Limits:
    """Zero means no limit."""

    max_connections_per_address: int = 0
    failed_logins: int = 0
    """So many from one address, and it is refused for `ban_s`."""
    ban_s: float = 300.0
    max_file_bytes: int = 0
    """For what a machine sends; models come from the integrator and may be large."""
    quota_bytes: int = 0
    """For all that lies in the folder of one machine."""


@dataclass(slots=True)
class _Record:
    failures: int
    until: float
    """When the failures are forgotten; where they are too many, the end of the ban."""


class Bans:
    """Which addresses failed to log in too often."""

    def __init__(self, limits: Limits, clock: Callable[[], float] = time.monotonic) -> None:
        self._limits = limits
        self._clock = clock
        self._records: OrderedDict[str, _Record] = OrderedDict()

    def remaining_s(self, address: str) -> float:
        """For how long an address is still refused; 0 where it is not."""
        record = self._current(address)
        if record is None or not 0 < self._limits.failed_logins <= record.failures:
            return 0.0
        return record.until - self._clock()

    def failed(self, address: str) -> bool:
        """Take note of a failed login; whether the address is refused from now on."""
        if not self._limits.failed_logins:
            return False
        record = self._current(address) or _Record(0, 0.0)
        record.failures += 1
        record.until = self._clock() + self._limits.ban_s
        self._records[address] = record
        self._records.move_to_end(address)
        while len(self._records) > _MAX_REMEMBERED:
            self._records.popitem(last=False)
        return record.failures == self._limits.failed_logins

    def succeeded(self, address: str) -> None:
        """Forget the failures of an address."""
        if not self.remaining_s(address):
            self._records.pop(address, None)

    def _current(self, address: str) -> _Record | None:
        record = self._records.get(address)
        if record is not None and record.until <= self._clock():
            del self._records[address]
            return None
        return record
