"""Uploads that broke off and that nobody went on with."""

from __future__ import annotations

import contextlib
import logging
import os
import time
from pathlib import Path

from protocol.transfer_names import final_name

__all__ = ["remove_leftovers"]

_LOG = logging.getLogger("fleetmark.ftp")
_KEPT_S = 86_400.0


def remove_leftovers(root: Path, *, kept_s: float = _KEPT_S) -> int:
    """Remove what has a temporary name and was not written to for a day; how many files that were."""
    before = time.time() - kept_s
    removed = 0
    for folder, _, names in os.walk(root):
        for name in filter(final_name, names):
            path = Path(folder, name)
            with contextlib.suppress(OSError):
                if path.stat(follow_symlinks=False).st_mtime < before:
                    path.unlink()
                    removed += 1
    if removed:
        _LOG.info("%d unfinished uploads of more than a day ago removed", removed)
    return removed
