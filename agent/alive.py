"""A file whose time says until when the agent will have given its next sign of life: for a health check.

A check reads the time and starts nothing that would be load beside a measurement, as in docker/Dockerfile.agent.
"""

from __future__ import annotations

import contextlib
import os
import time
from pathlib import Path

__all__ = ["NAME", "expect"]

NAME = "alive"
_LATE_S = 600.0
"""How much longer than announced the agent may take before it counts as hung: transfers are tried for minutes."""


def expect(work: Path, seconds: float) -> None:
    """Announce silence for this long. A disk that is full or gone is another's matter and is not reported here."""
    until = time.time() + seconds + _LATE_S
    path = work / NAME
    with contextlib.suppress(OSError):
        path.touch()
        os.utime(path, (until, until))
