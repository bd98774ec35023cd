"""One client's connection: FTP over TLS and nothing weaker, with a HASH command."""

from __future__ import annotations

import contextlib
import hashlib
import logging
import os
import sys
import time
from collections.abc import Callable
from concurrent.futures import Executor, Future
from io import BufferedReader
from pathlib import Path, PurePosixPath
from typing import Any, ClassVar

import pyftpdlib.ioloop  # noqa: F401 - before the handlers: it silences the deprecation of asyncore
from pyftpdlib.handlers import TLS_DTPHandler, TLS_FTPHandler

from ftp_server.filesystem import Filesystem
from ftp_server.limits import Bans, Limits, OverLimitError
from ftp_server.usage import Usage
from protocol.transfer_names import RESUMED_BYTES, final_name

__all__ = ["DataChannel", "Session"]

# PORT and EPRT: passive mode only. STOU makes a file before it asks for permission. MFMT, SITE: for nobody.
_DROPPED_COMMANDS = {"PORT", "EPRT", "STOU", "MFMT", "SITE", "SITE HELP", "SITE CHMOD"}
_CHUNK = 1 << 20
_SIGN_OF_LIFE_S = 5.0
_FAILED_LOGIN_DELAY_S = 1
_VERDICT_POLL_S = 0.005

_LOG = logging.getLogger("fleetmark.ftp")
_PYFTPDLIB = logging.getLogger("pyftpdlib")


class DataChannel(TLS_DTPHandler):
    """The connection that carries a file or a listing."""

    def abandon(self) -> None:
        """Close at once, without a TLS farewell that may have to wait for the client."""
        self._error = True
        self.close()

    def handle_error(self) -> None:
        """Say what failed, file or connection; pyftpdlib's TLS channel would leave the client waiting."""
        raised = sys.exc_info()[1]
        error = raised and (raised.__cause__ or raised)  # pyftpdlib wraps what a file raises
        if isinstance(error, OSError) and error.strerror:
            _LOG.warning("%s: %s", self.cmd_channel.username, error.strerror)
            code = 552 if isinstance(error, OverLimitError) else 452
            self._resp = (f"{code} {error.strerror}; transfer aborted.", _LOG.debug)
            self.cmd_channel.unwritable = True
        else:  # TLS found the data damaged, for one
            self._resp = ("426 The data connection failed; transfer aborted.", _LOG.debug)
        super().handle_error()

    def close(self) -> None:
        """Close, also where the disk is full.

        Closing a file writes what is left of it, and fails again where writing failed; the client would then
        not be told why, and wait.
        """
        if self.file_obj is not None and not self.file_obj.closed:
            try:
                self.file_obj.close()
            except OSError:
                self._error = True
        super().close()


class Session(TLS_FTPHandler):
    """The control connection.

    `HASH <path>` is answered by `213 SHA-256 0-<size> <hex> <path>`, after lines starting with `213-` while a
    large file is being read, and by `550 No such file.` where there is none. It needs the permission to read.
    """

    tls_control_required = True
    tls_data_required = True
    abstracted_fs = Filesystem
    dtp_handler = DataChannel
    log_cmds_list: ClassVar[list[str]] = ["DELE", "MKD", "RMD", "RNTO"]
    banner = "fleetmark FTP server ready, TLS required."
    auth_failed_timeout = _FAILED_LOGIN_DELAY_S
    proto_cmds: ClassVar[dict[str, dict[str, Any]]] = {
        **{name: facts for name, facts in TLS_FTPHandler.proto_cmds.items() if name not in _DROPPED_COMMANDS},
        "HASH": {"perm": "r", "auth": True, "arg": True, "help": "Syntax: HASH <SP> file-name (SHA-256)."},
    }
    live: ClassVar[set[Session]]
    """The sessions of one server; each server has a subclass with a set of its own."""

    limits = Limits()
    bans = Bans(limits)
    usage: Usage
    verifier: Executor
    """Where slow passwords are compared; absent where none are slow."""

    on_stored: ClassVar[Callable[[PurePosixPath], None] | None] = None
    """Is told each file that got its final name, before the client is."""

    username: str
    unwritable = False
    """Whether the upload under way was ended by a limit or by the disk."""

    _hashing: _Hashing | None = None

    def __init__(self, conn: Any, server: Any, ioloop: Any = None) -> None:
        super().__init__(conn, server, ioloop)
        if self.connected:
            self.live.add(self)
            self._extra_feats.append("HASH SHA-256*")

    def handle(self) -> None:
        """Greet, unless the address failed to log in too often."""
        if not self._refused_address():
            super().handle()

    def _refused_address(self) -> bool:
        wait_s = self.bans.remaining_s(self.remote_ip)
        if not wait_s:
            return False
        self.respond_w_warning(f"421 Too many failed logins from your address; wait {wait_s:.0f} s.")
        self.close_when_done()
        return True

    def on_file_received(self, file: str) -> None:  # noqa: ARG002 - pyftpdlib's signature
        """The next upload begins without the last one's end."""
        self.unwritable = False

    def on_incomplete_file_received(self, file: str) -> None:
        """Keep an upload that broke off where its client will go on with it (REST); remove it elsewhere.

        What a limit or a full disk has ended is removed too, and what has a final name and would seem whole.
        """
        path = Path(file)
        with contextlib.suppress(OSError):
            resumable = final_name(path.name) is not None and path.stat().st_size >= RESUMED_BYTES
            if self.unwritable or not resumable:
                path.unlink()
                self.usage.forget(self.username)
        self.unwritable = False

    def abandon(self) -> None:
        """Close at once, without a TLS farewell."""
        self._error = True
        self.close()

    def close(self) -> None:
        """Close the connection, and the file that a HASH was reading."""
        if self._hashing is not None:
            self._hashing.stop()
            self._hashing = None
        super().close()
        self.live.discard(self)

    def ftp_PASS(self, line: str) -> None:  # noqa: N802 - pyftpdlib's naming
        """Check the password; where that is slow, in another thread while the loop serves other clients."""
        if self._refused_address():
            return
        accounts = self.authorizer.accounts
        if self.authenticated or not self.username or not accounts.slow:
            super().ftp_PASS(line)
            return
        self.del_channel()  # as pyftpdlib does after a failed login: no command is read until it is decided
        self._decide(self.verifier.submit(accounts.authenticate, self.username, line), self.username)

    def _decide(self, verdict: Future[bool], username: str) -> None:
        if self._closed:
            return
        if not verdict.done():
            self.ioloop.call_later(
                _VERDICT_POLL_S, self._decide, verdict, username, _errback=self.handle_error
            )
            return
        self.add_channel()
        if verdict.result() and self.username == username:
            home = self.authorizer.get_home_dir(username)
            self.handle_auth_success(home, "", self.authorizer.get_msg_login(username))
        else:
            self.handle_auth_failed("", "")

    def handle_auth_failed(self, msg: str, password: str) -> None:
        """Answer after a moment. What is no account's name may be a password typed at the wrong place."""
        if self.authorizer.accounts.role(self.username) is None:
            self.username = "(unknown)"
        super().handle_auth_failed(msg, password)

    def on_login_failed(self, username: str, password: str) -> None:  # noqa: ARG002 - pyftpdlib's signature
        """Count towards a ban."""
        if self.bans.failed(self.remote_ip):
            _LOG.warning(
                "%s: refused for %g s after too many failed logins",
                self.remote_ip,
                self.limits.ban_s,
                extra={"event": "ban", "address": self.remote_ip},
            )

    def on_login(self, username: str) -> None:  # noqa: ARG002 - pyftpdlib's signature
        """Forget the password, which pyftpdlib keeps for impersonation."""
        self.password = ""
        self.bans.succeeded(self.remote_ip)

    def log(self, msg: str, logfun: Callable[..., None] = _PYFTPDLIB.info) -> None:
        """Log a message with who it is about, for a reader and for a program."""
        logfun(
            "%s:%s-[%s] %s",
            self.remote_ip,
            self.remote_port,
            self.username,
            msg,
            extra={"address": self.remote_ip, "user": self.username or None},
        )

    def pre_process_command(self, line: str, cmd: str, arg: str) -> None:
        """Refuse what could forge a line of the log or of a reply, and commands that overtake a HASH."""
        if not line.isprintable():
            self.respond("501 A command is one line of printable characters.")
        elif self._hashing is not None:
            self.respond("450 A HASH is under way; wait for its answer.")
        else:
            super().pre_process_command(line, cmd, arg)

    def ftp_AUTH(self, line: str) -> None:  # noqa: N802 - pyftpdlib's naming
        """Start TLS, and forget what was sent in clear after the command: it may be somebody else's."""
        self.ac_in_buffer = b""
        super().ftp_AUTH(line)

    def ftp_HASH(self, path: str) -> None:  # noqa: N802 - pyftpdlib's naming
        """Answer the size and SHA-256 of a file."""
        if not Path(path).is_file():
            self.respond("550 No such file.")
            return
        try:
            source = Path(path).open("rb")  # noqa: SIM115 - read over many turns of the loop
        except OSError as error:
            self.respond(f"550 {os.strerror(error.errno or 0)}.")
            return
        self._hashing = _Hashing(self, source, str(self.fs.fs2ftp(path)))
        self._hashing.step()

    def keep_alive(self, line: str) -> None:
        """Send a line of an unfinished answer, so that neither side takes the connection for dead."""
        self.push(line + "\r\n")
        if self._idler is not None and not self._idler.cancelled:
            self._idler.reset()

    def hashed(self, answer: str) -> None:
        """End of a HASH."""
        self._hashing = None
        self.respond(answer)


class _Hashing:
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
        self._source.close()
        if self._next is not None and not self._next.cancelled:
            self._next.cancel()
