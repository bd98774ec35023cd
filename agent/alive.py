"""A file whose time says until when the agent will have given its next sign of life: for a health check.

A check reads the time, and starts nothing that would be load beside a measurement (docker/Dockerfile.agent).
"""

from __future__ import annotations

import contextlib
import os
import time
from pathlib import Path

__all__ = ["NAME", "expect"]

NAME = "alive"
_LATE_S = 600.0
"""How much later than announced the agent counts as hung: transfers are tried for minutes."""


def expect(work: Path, seconds: float) -> None:
    """Announce silence for this long. A disk that is full or gone is reported elsewhere."""
    until = time.time() + seconds + _LATE_S
    path = work / NAME
    with contextlib.suppress(OSError):
        path.touch()
        os.utime(path, (until, until))
