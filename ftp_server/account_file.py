"""Accounts that last: accounts.json, with slow hashes of the passwords, read again when it changes."""

from __future__ import annotations

import contextlib
import fcntl
import logging
import os
import secrets
import threading
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import ClassVar

from argon2 import PasswordHasher
from argon2.exceptions import Argon2Error, InvalidHashError
from pydantic import AwareDatetime

from ftp_server.accounts import new_password
from ftp_server.permissions import Role
from ftp_server.private_folder import write_for_server
from protocol.documents import Document, Record
from protocol.errors import DocumentError, UserError
from protocol.layout import MachineName

__all__ = ["AccountEntry", "AccountFile", "AccountsDocument"]

_LOG = logging.getLogger("fleetmark.ftp")
# A thousand agents that log in again after a restart are not to wait for each other. What OWASP asks for
# (25 ms, 19 MiB) slows down the guessing of passwords that people choose. Here nobody chooses one: they are
# 256 random bits, which no speed of guessing reaches.
_HASHER = PasswordHasher(time_cost=1, memory_cost=2 << 10, parallelism=1)


class AccountEntry(Record):
    """One account."""

    name: MachineName
    role: Role
    password_argon2id: str
    created_at: AwareDatetime
    """When the password was made."""


class AccountsDocument(Document):
    """accounts.json."""

    kind: ClassVar[str] = "accounts.json"

    accounts: tuple[AccountEntry, ...] = ()


class AccountFile:
    """The accounts in a file. Commands change it, a running server takes the changes up.

    Raises:
        DocumentError: the file is not what its name says.
        UserError: it cannot be read.
    """

    slow: ClassVar[bool] = True

    def __init__(self, path: Path) -> None:
        self._path = path
        self._state: tuple[int, ...] = ()
        self._entries: dict[str, AccountEntry] = {}
        self._gone: set[str] = set()
        """Accounts whose sessions have to end; a login may be the first to see that the file changed."""
        self._lock = threading.Lock()
        # What an unknown name's password is compared with, so that it takes as long as a known one's.
        self._nobody = _HASHER.hash(secrets.token_urlsafe())
        self._read()

    def entries(self) -> list[AccountEntry]:
        """All accounts, by name."""
        return sorted(self._entries.values(), key=lambda entry: entry.name)

    def role(self, name: str) -> Role | None:
        """The role of an account, or None where there is no such account."""
        entry = self._entries.get(name)
        return entry.role if entry else None

    def authenticate(self, name: str, password: str) -> bool:
        """Whether this is the password of this account as it was last looked at. Slow; for any thread."""
        entry = self._entries.get(name)
        try:
            _HASHER.verify(entry.password_argon2id if entry else self._nobody, password)
        except (Argon2Error, InvalidHashError):
            return False
        return entry is not None and self._entries.get(name) == entry

    def stamp(self, name: str) -> object:
        """The account as it is now, or None where there is none."""
        self._look()
        return self._entries.get(name)

    def refresh(self) -> frozenset[str]:
        """Read the file again where it changed; the accounts that are gone or have another password.

        Each is told once. A file that cannot be read leaves the accounts as they were.
        """
        self._look()
        with self._lock:
            gone, self._gone = self._gone, set()
        return frozenset(gone)

    def _look(self) -> None:
        with self._lock:
            if self._stat() == self._state:
                return
            before = self._entries
            try:
                self._read()
            except (DocumentError, UserError) as error:
                _LOG.error("%s; the accounts stay as they were", error, extra={"event": "accounts"})
                return
            _LOG.info(
                "%s: read again, %d accounts", self._path, len(self._entries), extra={"event": "accounts"}
            )
            self._gone |= {name for name, entry in before.items() if self._entries.get(name) != entry}

    def add(self, name: str, role: Role, hand_over: Callable[[str], None]) -> None:
        """Make an account; `hand_over` gets its password, which is kept nowhere, before it counts.

        Raises:
            UserError: there is one already.
        """
        with self._changing() as entries:
            if name in entries:
                raise UserError(
                    f"{self._path}: there is an account {name!r} already",
                    advice="A new password for it: fleetmark machine rotate",
                )
            entries[name] = _entry(name, role, hand_over)

    def rotate(self, name: str, hand_over: Callable[[str], None]) -> None:
        """Give an account a new password; the old one is worth nothing from then on.

        Raises:
            UserError: there is no such account.
        """
        with self._changing() as entries:
            entries[name] = _entry(name, self._known(entries, name).role, hand_over)

    def remove(self, name: str) -> None:
        """Take an account away. Its files stay.

        Raises:
            UserError: there is no such account.
        """
        with self._changing() as entries:
            del entries[self._known(entries, name).name]

    def _known(self, entries: dict[str, AccountEntry], name: str) -> AccountEntry:
        if name not in entries:
            raise UserError(
                f"{self._path}: there is no account {name!r}", advice="fleetmark machine list shows them."
            )
        return entries[name]

    @contextlib.contextmanager
    def _changing(self) -> Iterator[dict[str, AccountEntry]]:
        """The entries to change; written when the block ends without an error. One writer at a time."""
        descriptor = os.open(self._path.parent, os.O_RDONLY)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX)
            self._read()
            entries = dict(self._entries)
            yield entries
            document = AccountsDocument(accounts=tuple(entries[name] for name in sorted(entries)))
            write_for_server(self._path, document.to_bytes())
            self._read()
        finally:
            os.close(descriptor)

    def _stat(self) -> tuple[int, ...]:
        try:
            found = self._path.stat()
        except FileNotFoundError:
            return ()
        except OSError:
            return (-1,)
        return (found.st_ino, found.st_mtime_ns, found.st_size)

    def _read(self) -> None:
        self._state = self._stat()
        try:
            data = self._path.read_bytes()
        except FileNotFoundError:
            self._entries = {}
            return
        except OSError as error:
            raise UserError(f"{self._path}: cannot be read: {error.strerror}") from error
        document = AccountsDocument.from_bytes(data, source=str(self._path))
        self._entries = {entry.name: entry for entry in document.accounts}


def _entry(name: str, role: Role, hand_over: Callable[[str], None]) -> AccountEntry:
    password = new_password()
    made = AccountEntry(
        name=name, role=role, password_argon2id=_HASHER.hash(password), created_at=datetime.now(UTC)
    )
    hand_over(password)
    return made
