"""Who this agent is, for the lease: its host and a random id that stays with its work folder."""

from __future__ import annotations

import fcntl
import os
import re
import secrets
import socket
from pathlib import Path
from typing import Self

from protocol.errors import UserError
from protocol.lease import HOLDER_NAME

__all__ = ["Holder", "holder_name"]

_MOST_HOST_CHARS = 63


class Holder:
    """The name of an agent, and the right to use its work folder; a context manager.

    The name is kept in the folder under a lock that ends with the process. So an agent that starts again
    knows a lease with this name as that of its dead predecessor, and takes over at once.

    Raises:
        UserError: another agent works in this folder.
    """

    def __init__(self, work: Path) -> None:
        work.mkdir(parents=True, exist_ok=True)
        path = work / "agent.lock"
        self._descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW, 0o600)
        try:
            fcntl.flock(self._descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            os.close(self._descriptor)
            raise UserError(
                f"{work}: another agent works in this folder",
                advice="Stop it, or give this one a folder of its own with --work.",
            ) from error
        self.name = os.pread(self._descriptor, 200, 0).decode(errors="replace")
        host = socket.gethostname()
        # A folder that was copied to another machine brings a name along that is in use.
        if not re.fullmatch(HOLDER_NAME, self.name) or self.name.rpartition("-")[0] != _short(host):
            self.name = holder_name(host)
            try:
                os.ftruncate(self._descriptor, 0)
                os.pwrite(self._descriptor, self.name.encode(), 0)
            except OSError as error:
                os.close(self._descriptor)
                raise UserError(f"{path}: cannot be written: {error.strerror}") from error

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        os.close(self._descriptor)


def holder_name(host: str) -> str:
    """A name that no other agent has, in the alphabet of holders."""
    return f"{_short(host)}-{secrets.token_hex(4)}"


def _short(host: str) -> str:
    short = re.sub(r"[^a-z0-9-]+", "-", host.partition(".")[0].lower()).strip("-")
    return short[:_MOST_HOST_CHARS].strip("-") or "host"
