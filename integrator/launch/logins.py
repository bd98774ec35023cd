"""How to log in over SSH: a key, the agent's keys, or a password from a file or a prompt."""

from __future__ import annotations

import getpass
import stat
import sys
import threading
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from integrator.config.docker_start import DockerStart
from protocol.errors import UserError

__all__ = ["Passwords", "login_arguments", "refuse_if_shared"]

_MAX_PASSWORD_BYTES = 1024


@dataclass
class Passwords:
    """Passwords that were asked for: each once, one question at a time."""

    _known: dict[str, str] = field(default_factory=dict, repr=False)
    _lock: threading.Lock = field(default_factory=threading.Lock, repr=False)

    def ask(self, login: str) -> str:
        """The password of `user@host`.

        Raises:
            UserError: there is no terminal to ask in.
        """
        with self._lock:
            if login not in self._known:
                if not sys.stdin.isatty():
                    raise UserError(
                        f"{login}: the password is to be asked for, and there is no terminal",
                        advice="start fleetmark in a terminal, or give password_file or a key",
                    )
                self._known[login] = getpass.getpass(f"Password of {login}: ")
            return self._known[login]

    def forget(self, login: str) -> None:
        """Ask again next time: the password was refused."""
        with self._lock:
            self._known.pop(login, None)


def login_arguments(start: DockerStart, passwords: Passwords) -> dict[str, Any]:
    """What `paramiko.SSHClient.connect` has to be told about who logs in.

    Raises:
        UserError: a file cannot be read, or others can read it; there is no terminal to ask in.
    """
    arguments: dict[str, Any] = {"allow_agent": False, "look_for_keys": False}
    if start.password_file:
        arguments["password"] = _password_in(start.password_file)
    elif start.prompt:
        arguments["password"] = passwords.ask(f"{start.address.user}@{start.address.host}")
    elif start.key_file:
        refuse_if_shared(start.key_file, "a private key")
        arguments["key_filename"] = str(start.key_file)
    else:
        arguments = {"allow_agent": True, "look_for_keys": True}
    return arguments


def _password_in(path: Path) -> str:
    refuse_if_shared(path, "a password")
    try:
        with path.open("rb") as file:
            data = file.read(_MAX_PASSWORD_BYTES + 1)
        text = data.decode()
    except OSError as error:
        raise UserError(f"{path}: the password cannot be read: {error.strerror}") from error
    except UnicodeDecodeError:
        raise UserError(f"{path}: the password is not UTF-8") from None
    word = text.removesuffix("\n").removesuffix("\r")
    if not word or "\n" in word or len(data) > _MAX_PASSWORD_BYTES:
        raise UserError(f"{path}: is not a password in one line")
    return word


def refuse_if_shared(path: Path, what: str) -> None:
    """See that a file with a secret is its owner's alone.

    Args:
        path: The file.
        what: What it holds, in words: `a password`.

    Raises:
        UserError: others can read it, or it is not there.
    """
    try:
        mode = stat.S_IMODE(path.stat().st_mode)
    except OSError as error:
        raise UserError(f"{path}: {what} cannot be read: {error.strerror}") from error
    if mode & 0o077:
        raise UserError(
            f"{path}: holds {what}, and others can read it (mode {mode:03o})", advice=f"chmod 600 {path}"
        )
