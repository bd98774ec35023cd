"""How much of the disk each machine's folder takes."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from protocol.layout import machine_folder

__all__ = ["BLOCK", "Usage"]

# What is counted for an empty file: without it a quota of bytes would allow any number of files.
BLOCK = 4096
_FRESH_S = 3600.0
_RECOUNT_S = 1.0
_SHARE = 0.05
"""Of the time of all clients, what counting the files of a machine that is over its quota may take."""


@dataclass(slots=True)
class _Count:
    taken: int
    at: float
    again_at: float


class Usage:
    """Bytes below the folder of each machine, counted once and kept up to date from then on.

    Files that the integrator takes away, and what is written over, count until the next time: after an hour,
    or when the machine would be refused. A refused machine that tries again at once does not have all its
    files counted again at once. `clock` gives seconds.
    """

    def __init__(self, root: Path, clock: Callable[[], float] = time.monotonic) -> None:
        self._root = root
        self._clock = clock
        self._counts: dict[str, _Count] = {}

    def fits(self, machine: str, more: int, quota: int) -> bool:
        """Whether a machine may store `more` bytes."""
        count = self._counts.get(machine)
        now = self._clock()
        if count is None or now - count.at > _FRESH_S:
            count = self._recount(machine)
        if count.taken + more > quota and now >= count.again_at:
            count = self._recount(machine)
        return count.taken + more <= quota

    def add(self, machine: str, more: int) -> None:
        """A machine stored `more` bytes."""
        if machine in self._counts:
            self._counts[machine].taken += more

    def remove(self, machine: str, size: int) -> None:
        """A file of a machine, all of whose bytes were added, went away."""
        self.add(machine, -max(size, BLOCK))

    def _recount(self, machine: str) -> _Count:
        began = self._clock()
        taken = _size(self._root / machine_folder(machine).relative_to("/"))
        ended = self._clock()
        pause = max(_RECOUNT_S, (ended - began) / _SHARE)
        self._counts[machine] = count = _Count(taken, ended, ended + pause)
        return count


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
