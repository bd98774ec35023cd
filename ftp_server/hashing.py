"""The HASH command: a file's size and SHA-256, while other clients are served."""

from __future__ import annotations

import hashlib
import os
import time
from io import BufferedReader
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from ftp_server.session import Session

__all__ = ["Hashing"]

_CHUNK = 1 << 20
_SIGN_OF_LIFE_S = 5.0


class Hashing:
    """A HASH under way: a chunk per turn of the loop, so that the other clients are served in between."""

    def __init__(self, session: Session, source: BufferedReader, path: str) -> None:
        self._session = session
        self._source = source
        self._path = path
        self._hash = hashlib.sha256()
        self._size = 0
        self._spoke = time.monotonic()
        self._next: Any = None

    def step(self) -> None:
        """Read a chunk; answer after the last one."""
        try:
            chunk = self._source.read(_CHUNK)
        except OSError as error:
            self._source.close()
            self._session.hashed(f"451 {os.strerror(error.errno or 0)}.")
            return
        self._hash.update(chunk)
        self._size += len(chunk)
        if len(chunk) < _CHUNK:
            self._source.close()
            self._session.hashed(f"213 SHA-256 0-{self._size} {self._hash.hexdigest()} {self._path}")
            return
        if time.monotonic() - self._spoke >= _SIGN_OF_LIFE_S:
            self._spoke = time.monotonic()
            self._session.keep_alive(f"213-{self._size} bytes so far")
        self._next = self._session.ioloop.call_later(0, self.step, _errback=self._session.handle_error)

    def stop(self) -> None:
        """Read no more: the client is gone."""
        self._source.close()
        if self._next is not None and not self._next.cancelled:
            self._next.cancel()
