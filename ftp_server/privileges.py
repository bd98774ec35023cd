"""From root, which may listen on any port, to a user who may do little else."""

from __future__ import annotations

import encodings.idna  # noqa: F401 - host names need it, and the user may not read where Python lies
import os
import pwd
from pathlib import Path

from protocol.errors import UserError

__all__ = ["become", "check", "make_for"]


def check(user: str | None) -> pwd.struct_passwd | None:
    """The user to become; None where the process stays who it is.

    Raises:
        UserError: the process is root's and nobody said whom to become; there is no such user; or the process
            may not become another.
    """
    if user is None:
        if os.geteuid() == 0:
            raise UserError(
                "the server does not run as root unless told",
                advice="Name a user to run as with --user NAME; --user root if it has to be root.",
            )
        return None
    try:
        entry = pwd.getpwnam(user)
    except KeyError as error:
        raise UserError(f"--user {user}: there is no such user on this computer") from error
    if entry.pw_uid == os.geteuid():
        return None
    if os.geteuid() != 0:
        raise UserError(f"--user {user}: only root can become another user", advice="Leave --user out.")
    return entry


def make_for(folder: Path, entry: pwd.struct_passwd) -> None:
    """Make a folder for a user; one that is there stays whose it is."""
    if not folder.exists():
        folder.mkdir(parents=True)
        os.chown(folder, entry.pw_uid, entry.pw_gid)


def become(entry: pwd.struct_passwd) -> None:
    """Become a user, for good."""
    os.initgroups(entry.pw_name, entry.pw_gid)
    os.setgid(entry.pw_gid)
    os.setuid(entry.pw_uid)
