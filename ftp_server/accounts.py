"""The accounts of an embedded server, in memory, and what pyftpdlib asks about accounts."""

from __future__ import annotations

import hashlib
import hmac
import re
import secrets
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import ClassVar, Protocol

from pyftpdlib.exceptions import AuthenticationFailed

from ftp_server.permissions import PERMISSIONS, Role, allowed
from protocol.layout import MACHINE_NAME

__all__ = ["AccountStore", "Accounts", "Authorizer", "new_password"]

_PASSWORD_BYTES = 32
_NO_PASSWORD = "0" * 64  # what an unknown user's password is compared with; no password hashes to it


@dataclass(frozen=True, slots=True)
class _Entry:
    role: Role
    # A password of 256 random bits cannot be guessed, so a slow hash would protect nothing here.
    password_sha256: str


def new_password() -> str:
    """A password of 256 random bits."""
    return secrets.token_urlsafe(_PASSWORD_BYTES)


class Accounts(Protocol):
    """What a server has to know of its accounts."""

    slow: ClassVar[bool]
    """Whether `authenticate` takes long, and belongs into a thread of its own."""

    def role(self, name: str) -> Role | None:
        """The role of an account, or None where there is no such account."""

    def authenticate(self, name: str, password: str) -> bool:
        """Whether this is the password of this account; an unknown name takes as long as a wrong password."""

    def stamp(self, name: str) -> object:
        """Something that is another one as soon as the account is; None where there is no such account."""

    def refresh(self) -> frozenset[str]:
        """Take changes up; the accounts that are gone or have another password since the last call."""


class AccountStore:
    """Name, role and password hash of every account."""

    slow: ClassVar[bool] = False

    def __init__(self) -> None:
        self._entries: dict[str, _Entry] = {}

    def add(self, name: str, role: Role, password: str | None = None) -> str:
        """Make an account and return its password, which is kept nowhere: a new one, unless one is given.

        Raises:
            ValueError: the name is taken, or is not a name.
        """
        if not re.fullmatch(MACHINE_NAME, name):
            raise ValueError(f"{name!r} is not a name for an account")
        if name in self._entries:
            raise ValueError(f"there is an account {name!r} already")
        password = password or new_password()
        self._entries[name] = _Entry(role, _sha256(password))
        return password

    def role(self, name: str) -> Role | None:
        """The role of an account, or None where there is no such account."""
        entry = self._entries.get(name)
        return entry.role if entry else None

    def authenticate(self, name: str, password: str) -> bool:
        """Whether this is the password of this account; an unknown name takes as long as a wrong password."""
        entry = self._entries.get(name)
        expected = entry.password_sha256 if entry else _NO_PASSWORD
        return hmac.compare_digest(_sha256(password), expected)

    def stamp(self, name: str) -> object:
        """The account itself: it never changes."""
        return self._entries.get(name)

    def refresh(self) -> frozenset[str]:
        """Nothing: nobody else changes these accounts."""
        return frozenset()


class Authorizer:
    """The questions that a pyftpdlib handler asks, answered from accounts and permissions.

    `root` is the folder on disk that clients see as `/`, with symbolic links resolved.
    """

    def __init__(self, accounts: Accounts, root: Path) -> None:
        self.accounts = accounts
        self._root = root

    def role(self, username: str) -> Role:
        """The role of a user who is logged in.

        Raises:
            AuthenticationFailed: the account is gone.
        """
        role = self.accounts.role(username)
        if role is None:
            raise AuthenticationFailed
        return role

    def virtual(self, path: str) -> PurePosixPath:
        """The path that a client uses for a path on disk.

        Raises:
            ValueError: it lies outside the root.
        """
        return PurePosixPath("/", Path(path).relative_to(self._root))

    def validate_authentication(self, username: str, password: str, handler: object) -> None:  # noqa: ARG002 - pyftpdlib's signature
        """Let the user in, or raise AuthenticationFailed: the same for a wrong name and a wrong password."""
        if not self.accounts.authenticate(username, password):
            raise AuthenticationFailed

    def has_perm(self, username: str, perm: str, path: str | None = None) -> bool:
        """Whether the user has a permission on a path on disk."""
        role = self.accounts.role(username)
        if role is None or path is None:
            return False
        try:
            virtual = self.virtual(path)
        except ValueError:
            return False
        return allowed(role, username, perm, virtual)

    def get_perms(self, username: str) -> str:
        """The letters that the user has somewhere; shown in listings, decides nothing."""
        return PERMISSIONS[self.role(username)]

    def get_home_dir(self, username: str) -> str:  # noqa: ARG002 - pyftpdlib's signature
        """Everybody sees the same tree."""
        return str(self._root)

    def get_msg_login(self, username: str) -> str:  # noqa: ARG002 - pyftpdlib's signature
        """What a client reads after logging in."""
        return "Login successful."

    def get_msg_quit(self, username: str) -> str:  # noqa: ARG002 - pyftpdlib's signature
        """What a client reads on leaving."""
        return "Goodbye."

    def impersonate_user(self, username: str, password: str) -> None:
        """Nothing: accounts are not users of the operating system."""

    def terminate_impersonation(self, username: str) -> None:
        """Nothing: accounts are not users of the operating system."""


def _sha256(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()
