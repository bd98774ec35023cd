"""Slow work beside the loop that serves all clients, and the way back into the loop."""

from __future__ import annotations

import contextlib
import logging
import socket
from collections import deque
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any, TypeVar

from pyftpdlib import ioloop

__all__ = ["Background", "Doorbell"]

_LOG = logging.getLogger("fleetmark.ftp")
_RINGS = 4096
_T = TypeVar("_T")


class Doorbell(ioloop.AsyncChat):
    """Lets other threads have something done by the loop, which pyftpdlib has nothing for."""

    def __init__(self, loop: Any) -> None:
        inner, self._button = socket.socketpair()
        self._button.setblocking(False)
        self._calls: deque[Callable[[], object]] = deque()
        super().__init__(inner, ioloop=loop)

    def call(self, function: Callable[[], object]) -> None:
        """Have the loop call `function` soon; nothing happens where the loop has ended. From any thread."""
        self._calls.append(function)
        with contextlib.suppress(OSError):  # full: the loop will look anyway; closed: it has ended
            self._button.send(b"\0")

    def writable(self) -> bool:
        """It only rings."""
        return False

    def handle_read_event(self) -> None:
        """Do what was asked for; a failure of one thing is not that of the others."""
        with contextlib.suppress(BlockingIOError):
            self.socket.recv(_RINGS)
        while self._calls:
            try:
                self._calls.popleft()()
            except Exception:
                _LOG.exception("what another thread asked for failed")

    def close(self) -> None:
        """Close both ends."""
        self._button.close()
        super().close()


class Background:
    """A few threads."""

    def __init__(self, doorbell: Doorbell, threads: int) -> None:
        self._doorbell = doorbell
        self._executor = ThreadPoolExecutor(threads, thread_name_prefix="fleetmark-ftp-background")

    def run(self, work: Callable[[], _T], then: Callable[[Future[_T]], object] | None = None) -> None:
        """Do `work` in one of them; then the loop calls `then` with how it ended."""
        future = self._executor.submit(work)
        if then is not None:
            future.add_done_callback(lambda done: self._doorbell.call(lambda: then(done)))

    def stop(self) -> None:
        """Wait for what is under way, and drop what was not begun."""
        self._executor.shutdown(cancel_futures=True)
