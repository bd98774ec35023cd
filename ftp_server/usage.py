"""How much of the disk each machine's folder takes."""

from __future__ import annotations

import os
import time
from pathlib import Path

from protocol.layout import machine_folder

__all__ = ["BLOCK", "Usage"]

# What is counted for an empty file: without it a quota of bytes would allow any number of files.
BLOCK = 4096
_FRESH_S = 60.0
_RECOUNT_S = 1.0


class Usage:
    """Bytes below the folder of each machine, counted anew once a minute and kept up to date between.

    Files that the integrator takes away count until the next time; a machine that would be refused is counted
    anew at once.
    """

    def __init__(self, root: Path) -> None:
        self._root = root
        self._counted: dict[str, tuple[float, int]] = {}

    def fits(self, machine: str, more: int, quota: int) -> bool:
        """Whether a machine may store `more` bytes."""
        if self._of(machine, _FRESH_S) + more <= quota:
            return True
        return self._of(machine, _RECOUNT_S) + more <= quota

    def add(self, machine: str, more: int) -> None:
        """A machine stored `more` bytes."""
        if machine in self._counted:
            when, taken = self._counted[machine]
            self._counted[machine] = (when, taken + more)

    def forget(self, machine: str) -> None:
        """Files of a machine went away: count anew next time."""
        self._counted.pop(machine, None)

    def _of(self, machine: str, fresh_s: float) -> int:
        now = time.monotonic()
        when, taken = self._counted.get(machine, (float("-inf"), 0))
        if now - when > fresh_s:
            taken = _size(self._root / machine_folder(machine).relative_to("/"))
            self._counted[machine] = (now, taken)
        return taken


def _size(folder: Path) -> int:
    taken = 0
    waiting = [str(folder)]
    while waiting:
        try:
            with os.scandir(waiting.pop()) as entries:
                for entry in entries:
                    if entry.is_dir(follow_symlinks=False):
                        waiting.append(entry.path)
                        taken += BLOCK
                    else:
                        taken += max(entry.stat(follow_symlinks=False).st_size, BLOCK)
        except OSError:  # it went away meanwhile
            continue
    return taken
