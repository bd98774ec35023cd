"""The hand-over file: what a program needs to log in to the FTP server."""

from __future__ import annotations

import stat
from pathlib import Path
from typing import ClassVar

from pydantic import Field, SecretStr, field_serializer

from protocol.atomic import write_atomically
from protocol.documents import Document
from protocol.errors import UserError

__all__ = ["Account"]

_OWNER_ONLY = 0o600


class Account(Document):
    """An account on the FTP server, with the certificate of the CA that vouches for the server.

    `user` is the machine's name, or `integrator`.
    """

    kind: ClassVar[str] = "account"

    host: str
    port: int = Field(ge=1, le=65535)
    user: str
    password: SecretStr
    ca_certificate: str
    """PEM, the one CA that is believed."""

    @field_serializer("password", when_used="json")
    def _reveal(self, password: SecretStr) -> str:
        return password.get_secret_value()

    def write(self, path: Path) -> None:
        """Write the file so that only its owner can read it.

        Raises:
            UserError: it cannot be written there.
        """
        try:
            write_atomically(path, self.to_bytes(), mode=_OWNER_ONLY)
        except OSError as error:
            raise UserError(f"{path}: the account cannot be written: {error.strerror}") from error

    @classmethod
    def read(cls, path: Path) -> Account:
        """Read the file.

        Raises:
            UserError: it is missing, or others can read it.
        """
        try:
            mode = stat.S_IMODE(path.stat().st_mode)
            data = path.read_bytes()
        except OSError as error:
            raise UserError(f"{path}: the account cannot be read: {error.strerror}") from error
        if mode & 0o077:
            raise UserError(
                f"{path}: holds a password, and others can read it (mode {mode:03o})",
                advice=f"chmod 600 {path}",
            )
        return cls.from_bytes(data, source=str(path))
