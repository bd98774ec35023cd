"""Heartbeats on a server that tells nobody: asked for, every few seconds, over one connection."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import PurePosixPath

from integrator.conduct.news import News, Stored
from protocol.account import Account
from protocol.errors import DocumentError, RefusedTransferError, TransferError
from protocol.layout import clock_file
from protocol.status import Heartbeat
from protocol.transfer import Deadline, Digest, TransferClient

__all__ = ["Poller", "age"]

_ANSWER_S = 20.0
_LONGEST_PAUSE_S = 30.0


class Poller:
    """Looks at the heartbeats of some machines, and tells of each that has changed.

    How old a heartbeat is when it is seen first is told from the server's clock; after that it is as old as
    this program's own clock says. `say` hears when the server is away, and when it is back.
    """

    def __init__(self, account: Account, *, say: Callable[[str], None], every_s: float) -> None:
        self._account = account
        self._say = say
        self._every_s = every_s
        self._lock = threading.Lock()
        self._watched: dict[PurePosixPath, tuple[News, Digest | None]] = {}
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._poll, name="fleetmark-poll", daemon=True)
        self.hears_since: float | None = time.monotonic()

    def start(self) -> None:
        """Begin."""
        self._thread.start()

    def stop(self) -> None:
        """End, once the server has answered what it was asked."""
        self._stopping.set()
        self._thread.join(2 * _ANSWER_S)

    def subscribe(self, path: PurePosixPath) -> News:
        """Where the heartbeats stored as `path` arrive."""
        news = News()
        with self._lock:
            self._watched[path] = (news, None)
        return news

    def _poll(self) -> None:
        pause = self._every_s
        with TransferClient(self._account) as client:
            while not self._stopping.is_set():
                try:
                    self._look(client)
                except TransferError as error:
                    pause = min(2 * pause, max(_LONGEST_PAUSE_S, self._every_s))
                    self._went_away(error)
                else:
                    pause = self._every_s
                    self._came_back()
                self._stopping.wait(pause)

    def _went_away(self, error: TransferError) -> None:
        if self.hears_since is not None:
            self._say(f"{error}. Agents go on meanwhile; the server is asked again.")
        self.hears_since = None

    def _came_back(self) -> None:
        if self.hears_since is None:
            self._say("The lab's FTP server answers again")
            self.hears_since = time.monotonic()

    def _look(self, client: TransferClient) -> None:
        with self._lock:
            watched = list(self._watched.items())
        for path, (news, before) in watched:
            if self._stopping.is_set():
                return
            there = client.digest(path, deadline=Deadline(_ANSWER_S))
            if there is None or there == before:
                continue
            content: bytes | DocumentError
            try:
                content = client.read(path, max_bytes=Heartbeat.max_bytes, deadline=Deadline(_ANSWER_S))
            except DocumentError as error:
                content = error
            except RefusedTransferError as error:
                content = DocumentError(str(error))
            at = datetime.now(UTC)
            if before is None:
                at -= age(client, path)
            with self._lock:
                self._watched[path] = (news, there)
            news.tell(Stored(path, at, content))


def age(client: TransferClient, path: PurePosixPath) -> timedelta:
    """For how long a file has lain on the server, by the server's clock."""
    clock = clock_file(path.parts[2])
    client.write(clock, b"{}\n", deadline=Deadline(_ANSWER_S))
    now = client.modified(clock, deadline=Deadline(_ANSWER_S))
    written = client.modified(path, deadline=Deadline(_ANSWER_S))
    if now is None or written is None:
        return timedelta()
    return max(timedelta(), now - written)
