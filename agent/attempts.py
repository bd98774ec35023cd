"""How often the agent, or its machine, died in the course of a run: noted before the run, on disk."""

from __future__ import annotations

import contextlib
import logging
import re
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from pathlib import Path

from agent.stop import Stop
from protocol.atomic import write_atomically
from protocol.job import ScheduledRun

__all__ = ["MOST_DEATHS", "Attempts"]

_log = logging.getLogger("fleetmark.agent")

MOST_DEATHS = 2
"""A run that took the agent along this often is given up."""
_NOTE = re.compile(r"(\S+) (\d{1,4}) (\d{1,4})\n")


class Attempts:
    """The run of one campaign that is under way, and how often it was begun without an end.

    A note for each campaign is enough: the run that was cut short is the first that is begun again. The note
    is there while a run is under way and after a death, and at no other time.
    """

    def __init__(self, folder: Path, campaign: str) -> None:
        self._file = folder / campaign
        self._before = 0

    def deaths(self, entry: ScheduledRun) -> int:
        """How often the agent ended in the course of this run without having been told to."""
        try:
            note = _NOTE.fullmatch(self._file.read_text())
        except (OSError, ValueError):
            return 0
        if note is None or (note[1], int(note[2])) != (entry.test, entry.run):
            return 0
        return int(note[3])

    @contextmanager
    def under_way(self, entry: ScheduledRun, stop: Stop) -> Iterator[None]:
        """Count a death between here and the end; not one that follows the word to stop."""
        self._before = self.deaths(entry)
        self._note(entry, self._before + 1)
        try:
            with stop.calling(lambda: self._note(entry, self._before)):
                yield
        finally:
            self._note(entry, self._before)  # the agent lives

    def settle(self, entry: ScheduledRun) -> None:
        """Forget this run's deaths: its result is in the spool."""
        self._before = 0
        self._note(entry, 0)

    def _note(self, entry: ScheduledRun, deaths: int) -> None:
        try:
            if deaths:
                write_atomically(self._file, f"{entry.test} {entry.run} {deaths}\n".encode(), mode=0o600)
            else:
                self._file.unlink(missing_ok=True)
        except OSError as error:
            _log.warning("%s: %s; a death of the agent would not be counted", self._file, error.strerror)

    @staticmethod
    def tidy(folder: Path, campaigns: Collection[str]) -> None:
        """Remove the notes of campaigns that are no longer among `campaigns`, and half-written ones."""
        if folder.is_dir():
            for path in folder.iterdir():
                if path.name not in campaigns:
                    with contextlib.suppress(OSError):
                        path.unlink()
