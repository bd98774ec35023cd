"""What reaches the integrator from the machines: told by the server inside it, or asked for elsewhere."""

from __future__ import annotations

import os
import queue
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path, PurePosixPath

from integrator.store import bytes_of
from protocol.errors import DocumentError
from protocol.layout import CampaignFolder
from protocol.status import Heartbeat

__all__ = ["News", "Stored"]


@dataclass(frozen=True, slots=True)
class Stored:
    """A heartbeat that a machine has stored."""

    path: PurePosixPath
    """On the server."""
    at: datetime
    """By the server's clock, which is this machine's."""
    content: bytes | DocumentError


class News:
    """Heartbeats, and whatever else may wake an integrator that sleeps.

    The server may stand on the machine that is measured, so nobody looks at anything while a run measures: a
    heartbeat is read when it is stored, before the agent has its answer and so before its run begins.
    """

    def __init__(self, root: Path | None = None) -> None:
        self._root = root or Path()
        self._queue: queue.SimpleQueue[Stored | None] = queue.SimpleQueue()

    def stored(self, path: PurePosixPath) -> None:
        """Take note of a file of the server; called in its thread, before the client is answered."""
        if path.name != CampaignFolder("any", "any").status.name:
            return
        file = self._root / path.relative_to("/")
        content: bytes | DocumentError
        try:
            content = bytes_of(file, Heartbeat.max_bytes)
        except DocumentError as error:
            content = error
        try:
            at = datetime.fromtimestamp(os.lstat(file).st_mtime, UTC)
        except OSError:
            return  # replaced already: the next one is news too
        self.tell(Stored(path, at, content))

    def tell(self, stored: Stored) -> None:
        """Hand a heartbeat over."""
        self._queue.put(stored)

    def wake(self) -> None:
        """Let whoever waits look around."""
        self._queue.put(None)

    def rest(self) -> list[Stored]:
        """What is there already."""
        found = []
        while not self._queue.empty():
            if stored := self._queue.get():
                found.append(stored)
        return found

    def wait(self, seconds: float | None) -> Stored | None:
        """The next heartbeat; None where somebody was woken, or the time is up. None waits for ever."""
        try:
            return self._queue.get(timeout=seconds)
        except queue.Empty:
            return None
