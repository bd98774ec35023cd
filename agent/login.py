"""The hand-over file of this machine, read again when it changes: a password may be rotated in a campaign."""

from __future__ import annotations

import logging
from pathlib import Path

from protocol.account import Account
from protocol.errors import DocumentError, UserError

__all__ = ["Login"]

_log = logging.getLogger("fleetmark.agent")


class Login:
    """The account in a file.

    Raises:
        UserError: the file cannot be read, or others can read it.
        DocumentError: it holds no account.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._state = self._look()
        self.account = Account.read(path)

    def renewed(self) -> Account | None:
        """The account, if the file holds another one than before; one that cannot be used changes nothing."""
        state = self._look()
        if state == self._state:
            return None
        self._state = state
        try:
            account = Account.read(self.path)
        except (DocumentError, UserError) as error:
            _log.warning("%s %s The account stays as it was.", error, error.advice)
            return None
        if account.user != self.account.user:
            _log.error(
                "%s: is the account of %s now, and this agent works for %s: start another one for it",
                self.path,
                account.user,
                self.account.user,
            )
            return None
        if account == self.account:
            return None
        _log.info("%s: a newer account, which is used from now on", self.path)
        self.account = account
        return account

    def _look(self) -> tuple[int, ...]:
        try:
            found = self.path.stat()
        except OSError:
            return ()
        return (found.st_ino, found.st_ctime_ns, found.st_size)
