"""What a server that is started again and again keeps to itself, beside the folder that clients see.

DIR/files/                   what clients see as /
DIR/private/accounts.json    names, roles and password hashes
DIR/private/authority.pem    the authority's key and certificate
DIR/private/server.json      where clients find the server, and the certificate that they have to believe
DIR/private/server.lock      held by the server that runs on this folder; its process id
"""

from __future__ import annotations

import contextlib
import fcntl
import os
from collections.abc import Iterator
from pathlib import Path
from typing import ClassVar

from pydantic import Field

from protocol.atomic import write_atomically
from protocol.documents import Document
from protocol.errors import UserError

__all__ = ["Endpoint", "PrivateFolder", "write_for_server"]

_OWNER_ONLY_FOLDER = 0o700
_OWNER_ONLY = 0o600


class Endpoint(Document):
    """Where clients find the server: what goes into every hand-over file."""

    kind: ClassVar[str] = "server.json"

    host: str
    """The name that the certificate is made out to."""
    port: int = Field(ge=1, le=65535)
    listens_on: str
    """Where a health check on the same computer connects to."""
    ca_certificate: str


class PrivateFolder:
    """The folder of a server, of which clients see `files` alone."""

    def __init__(self, root: Path) -> None:
        self.files = root / "files"
        self.path = root / "private"
        self.accounts = self.path / "accounts.json"
        self.authority = self.path / "authority.pem"
        self._endpoint = self.path / "server.json"
        self._lock = self.path / "server.lock"
        self._root = root

    def make(self) -> None:
        """Make the folders where they are missing, the private one for its owner alone.

        Raises:
            UserError: this user may not.
        """
        try:
            self.files.mkdir(parents=True, exist_ok=True)
            self.path.mkdir(mode=_OWNER_ONLY_FOLDER, exist_ok=True)
            self.path.chmod(_OWNER_ONLY_FOLDER)
        except OSError as error:
            raise UserError(
                f"{error.filename}: cannot be made, or not kept private: {error.strerror}",
                advice=f"Give the server's folder to the user whom it runs as: chown -R USER {self._root}",
            ) from error

    @contextlib.contextmanager
    def held(self) -> Iterator[None]:
        """Keep other servers off this folder; a server that was killed does not.

        Raises:
            UserError: a server runs on it.
        """
        descriptor = os.open(self._lock, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW, _OWNER_ONLY)
        try:
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError as error:
                process = os.pread(descriptor, 20, 0).decode("ascii", "replace").strip()
                raise UserError(
                    f"{self._root}: another server runs on this folder (process {process})",
                    advice="A folder has one server; stop that one first, or name another --root.",
                ) from error
            os.ftruncate(descriptor, 0)
            os.pwrite(descriptor, b"%d\n" % os.getpid(), 0)
            yield
        finally:
            os.close(descriptor)

    def endpoint(self) -> Endpoint:
        """What the server wrote at its last start.

        Raises:
            UserError: it was never started on this folder, or the folder may not be read.
        """
        try:
            return Endpoint.from_bytes(self._endpoint.read_bytes(), source=str(self._endpoint))
        except FileNotFoundError as error:
            raise UserError(
                f"{self._root}: no server was started on this folder",
                advice=f"Start it once: fleetmark-ftp serve --root {self._root}",
            ) from error
        except OSError as error:
            raise UserError(
                f"{self._endpoint}: cannot be read: {error.strerror}",
                advice="Only the user whom the server runs as, and root, may.",
            ) from error

    def write_endpoint(self, endpoint: Endpoint) -> None:
        """Tell commands on this computer where the server is."""
        write_for_server(self._endpoint, endpoint.to_bytes())


def write_for_server(path: Path, data: bytes) -> None:
    """Write a private file. What root writes belongs to the folder's owner, whom the server runs as."""
    folder = path.parent.stat()
    owner = (folder.st_uid, folder.st_gid) if os.geteuid() == 0 else None
    write_atomically(path, data, mode=_OWNER_ONLY, owner=owner)
