"""One client's connection: FTP over TLS and nothing weaker, with a HASH command."""

from __future__ import annotations

import contextlib
import logging
import os
import sys
from collections.abc import Callable
from concurrent.futures import Future
from functools import partial
from pathlib import Path, PurePosixPath
from typing import Any, ClassVar, cast

import pyftpdlib.ioloop  # noqa: F401 - before the handlers: it silences the deprecation of asyncore
from OpenSSL import SSL
from pyftpdlib.exceptions import _FileReadWriteError
from pyftpdlib.handlers import TLS_DTPHandler, TLS_FTPHandler

from ftp_server.background import Background
from ftp_server.filesystem import Filesystem
from ftp_server.hashing import Hashing
from ftp_server.limits import Bans, Limits, OverLimitError
from ftp_server.passive import NoPortError, PassiveSocket
from ftp_server.permissions import Role
from ftp_server.usage import BLOCK, Usage
from protocol.layout import machine_folder
from protocol.transfer_names import RESUMED_BYTES, final_name

__all__ = ["DataChannel", "Session"]

# PORT and EPRT: passive mode only. STOU makes a file before it asks for permission. MFMT, SITE: for nobody.
_DROPPED_COMMANDS = {"PORT", "EPRT", "STOU", "MFMT", "SITE", "SITE HELP", "SITE CHMOD"}
_TRANSFERS = {"APPE", "LIST", "MLSD", "NLST", "RETR", "STOR"}
_SENT_AT_ONCE = 256 << 10
_FAILED_LOGIN_DELAY_S = 1
_MAX_UNREAD_REPLIES = 100
_FAILED = 400
_REFUSED = 550
_UNKNOWN = "(unknown)"
_CHANGES = {"DELE", "MKD", "RMD", "RNTO", "XMKD", "XRMD"}
_NO_TLS = "SSL/TLS required"
_REFUSALS = ("Not enough privileges", "is outside the user's root directory", "is never overwritten", _NO_TLS)
"""What a refusal says that somebody has to know of; that a file is not there is none."""

_LOG = logging.getLogger("fleetmark.ftp")
_PYFTPDLIB = logging.getLogger("pyftpdlib")


class DataChannel(TLS_DTPHandler):
    """The connection that carries a file or a listing."""

    ac_out_buffer_size = _SENT_AT_ONCE
    _begun = False
    """Whether a command uses it: only then somebody waits for an answer when it closes."""
    _made = False
    """From then on a command that waits for a data connection waits for another one."""

    def __init__(self, sock: Any, cmd_channel: Any) -> None:
        super().__init__(sock, cmd_channel)
        self._made = True

    def enable_receiving(self, type: str, cmd: str) -> None:  # noqa: A002 - pyftpdlib's signature
        """Take a file."""
        self._begun = True
        super().enable_receiving(type, cmd)

    def push(self, data: bytes) -> None:
        """Send a listing."""
        self._begun = True
        super().push(data)

    def push_with_producer(self, producer: Any) -> None:
        """Send a file. What is read at once and what TLS gets at once decide how fast: see server_context."""
        self._begun = True
        producer.buffer_size = _SENT_AT_ONCE
        super().push_with_producer(producer)

    def abandon(self) -> None:
        """Close at once, without a TLS farewell that may have to wait for the client."""
        self._error = True
        self.close()

    def handle_failed_ssl_handshake(self) -> None:
        """Say so as of something that may pass: a bit that was flipped on the way has this effect, too."""
        self.handle_error()

    def handle_error(self) -> None:
        """Say what went wrong; pyftpdlib's TLS channel would leave the client waiting."""
        raised = sys.exc_info()[1]
        error = raised.__cause__ if isinstance(raised, _FileReadWriteError) else None
        if isinstance(error, OSError):
            code = 552 if isinstance(error, OverLimitError) else 452
            reply, why = f"{code} {error.strerror}; transfer aborted.", str(error.strerror)
            self.cmd_channel.unwritable = True
        elif isinstance(raised, (SSL.Error, OSError)):
            # pyftpdlib sends while it still shakes hands, and so fails where it expects no failure.
            reply = f"{426 if self._ssl_established else 425} The data connection failed."
            why = f"the data connection failed: {raised}"
        else:
            self.log_exception(self)
            reply, why = "451 The transfer failed on the server's side.", "a transfer failed on this side"
        self._resp = (reply, _LOG.debug)
        self.cmd_channel.log(why, _LOG.warning)
        self.abandon()

    def close(self) -> None:
        """Close, also where the disk is full, and clear up before the client is told.

        Closing a file writes what is left of it, and fails again where writing failed; the client would then
        not be told why, and wait.
        """
        if self.file_obj is not None and not self.file_obj.closed:
            try:
                self.file_obj.close()
            except OSError as error:
                self._error = True
                self.transfer_finished = False
                self.cmd_channel.unwritable = True
                self._resp = (f"452 {error.strerror}; transfer aborted.", _LOG.debug)
            if self.receive:
                self.cmd_channel.end_upload(self.file_obj.name, whole=self.transfer_finished)
        if not self._begun and (self._made or not self.cmd_channel.forget_queued()):
            # Its command was refused, and the client knows. It would take another answer for that to its
            # next command.
            self._resp = ()  # type: ignore[assignment]
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
    passive_dtp = PassiveSocket
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
    background: Background
    """Where slow passwords are compared; absent where none are slow."""
    login_timeout_s = 60.0
    """A connection without a login is worth no more; agents may be waiting for its place."""

    on_stored: ClassVar[Callable[[PurePosixPath], None] | None] = None
    """Is told each file that got its final name, before the client is."""

    username: str
    data_channel: Any
    _out_dtp_queue: tuple[Any, bool, Any, str] | None
    _in_dtp_queue: tuple[Any, str] | None
    unwritable = False
    """Whether the upload under way was ended by a limit or by the disk."""

    _hashing: Hashing | None = None
    _deciding = False
    """Whether a password was sent and is not answered yet."""

    def __init__(self, conn: Any, server: Any, ioloop: Any = None) -> None:
        super().__init__(conn, server, ioloop)
        if self.connected:
            self.live.add(self)
            self._extra_feats.append("HASH SHA-256*")
            # pyftpdlib writes 0o755 for 755. Clients read 0 and make folders that nobody may enter.
            self._available_facts = list(self._current_facts)
            self.call_later(self.login_timeout_s, self._end_without_login)

    def _end_without_login(self) -> None:
        if not self.authenticated:
            self.log("not logged in for too long: disconnected", event="refused")
            self.abandon()

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

    def end_upload(self, file: str, *, whole: bool) -> None:
        """Keep an upload that broke off where its client will go on with it (REST); remove it elsewhere.

        What a limit or a full disk has ended is removed too, and what has a final name and would seem whole.
        """
        path = Path(file)
        with contextlib.suppress(OSError):
            size = path.stat().st_size
            resumable = final_name(path.name) is not None and size >= RESUMED_BYTES
            if not whole and (self.unwritable or not resumable):
                path.unlink()
                if self.authenticated:  # and so still who began the upload
                    self.usage.remove(self.username, size)
        self.unwritable = False

    def forget_queued(self) -> bool:
        """Drop the transfer that waits for its data connection, which failed; whether there was one."""
        sending, receiving = getattr(self, "_out_dtp_queue", None), getattr(self, "_in_dtp_queue", None)
        self._out_dtp_queue = self._in_dtp_queue = None
        if sending is not None and sending[2] is not None:
            sending[2].close()
        if receiving is not None:
            receiving[0].close()
            self.end_upload(receiving[0].name, whole=False)
        return sending is not None or receiving is not None

    def abandon(self) -> None:
        """Close at once, without a TLS farewell."""
        self._error = True
        self.close()

    def close(self) -> None:
        """Close the connection, and the files that a HASH was reading and a transfer was waiting with."""
        if self._hashing is not None:
            self._hashing.stop()
            self._hashing = None
        if not self._closed:
            self._forget_waiting()
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
        # What follows is the account's word of now: the file may change before the loop is back here.
        known = accounts.stamp(self.username)
        self._deciding = True
        self.del_channel()  # as pyftpdlib does after a failed login: no command is read until it is decided
        self.background.run(
            partial(accounts.authenticate, self.username, line), partial(self._decide, self.username, known)
        )

    def _decide(self, username: str, known: object, verdict: Future[bool]) -> None:
        if self._closed:
            return
        self._deciding = False
        try:
            self.add_channel()
            accounts = self.authorizer.accounts
            # A session counts from here on; who changes the account later finds and ends it.
            if verdict.result() and known is not None and accounts.stamp(username) == known:
                home = self.authorizer.get_home_dir(username)
                self.handle_auth_success(home, "", self.authorizer.get_msg_login(username))
            else:
                self.handle_auth_failed("", "")
        except Exception:
            self.handle_error()

    def handle_auth_failed(self, msg: str, password: str) -> None:
        """Answer after a moment. What is no account's name may be a password typed at the wrong place."""
        self._deciding = True
        self.username = self._name()
        super().handle_auth_failed(msg, password)

    def on_login_failed(self, username: str, password: str) -> None:  # noqa: ARG002 - pyftpdlib's signature
        """Count towards a ban."""
        self._deciding = False
        if self.bans.failed(self.remote_ip):
            _LOG.warning(
                "%s: refused for %g s after too many failed logins",
                self.remote_ip,
                self.limits.ban_s,
                extra={"event": "ban", "address": self.remote_ip},
            )

    def on_login(self, username: str) -> None:
        """Forget the password, which pyftpdlib keeps for impersonation; give a machine its folder."""
        self.password = ""
        if self.authorizer.role(username) is Role.MACHINE:
            with contextlib.suppress(OSError):  # it is there, or the disk is full
                Path(self.fs.root, machine_folder(username).relative_to("/")).mkdir()
        self.bans.succeeded(self.remote_ip)

    def _name(self) -> str:
        """The user, for a log: what is no account's name may be a password typed at the wrong place."""
        known = self.authenticated or self.authorizer.accounts.role(self.username) is not None
        return self.username if known or not self.username else _UNKNOWN

    def log(self, msg: str, logfun: Callable[..., None] = _PYFTPDLIB.info, **facts: object) -> None:
        """Log a message with who it is about, for a reader and for a program, which also gets `facts`."""
        user = self._name()
        logfun(
            "%s:%s-[%s] %s",
            self.remote_ip,
            self.remote_port,
            user,
            msg,
            extra={"address": self.remote_ip, "user": user or None, **facts},
        )

    def log_cmd(self, cmd: str, arg: str, respcode: int, respstr: str) -> None:
        """Log what was changed, and what was refused."""
        refused = respcode == _REFUSED and any(words in respstr for words in _REFUSALS)
        if refused and _NO_TLS in respstr:  # what follows the command is no path, and may be a secret
            self.log(f"{cmd} refused: {respstr}", _LOG.warning, event="refused", command=cmd)
        elif refused or cmd in _CHANGES:
            path = self.fs.fs2ftp(arg)
            if refused:
                self.log(
                    f"{cmd} {path} refused: {respstr}", _LOG.warning, event="refused", command=cmd, path=path
                )
            else:
                event = "changed" if respcode < _FAILED else None
                self.log(f"{cmd} {path} {respcode} {respstr}", event=event, command=cmd, path=path)

    def log_transfer(
        self,
        cmd: str,
        filename: str,
        receive: bool,  # noqa: ARG002 - pyftpdlib's signature
        completed: bool,
        elapsed: float,
        bytes: int,  # noqa: A002 - pyftpdlib's signature
    ) -> None:
        """Log a file that came or went."""
        path = str(self.authorizer.virtual(filename))
        self.log(
            f"{cmd} {path} {'completed' if completed else 'broken off'}: {bytes} bytes in {elapsed} s",
            event="transfer",
            command=cmd,
            path=path,
            completed=bool(completed),
            bytes=bytes,
            seconds=elapsed,
        )

    def pre_process_command(self, line: str, cmd: str, arg: str) -> None:
        """Refuse what could forge a line of the log or of a reply, and commands that overtake an answer."""
        if len(self.producer_fifo) > _MAX_UNREAD_REPLIES:
            self.log("sends commands and reads no answers: disconnected", event="refused")
            self.abandon()
        elif self._closed or self._closing:
            pass
        elif not line.isprintable():
            self.respond("501 A command is one line of printable characters.")
        elif self._deciding:
            # Guesses that are sent in one go would have as many passwords compared.
            self.respond("503 A login is under way; wait for its answer.")
        elif self._hashing is not None:
            self.respond("450 A HASH is under way; wait for its answer.")
        elif cmd in _TRANSFERS and self.data_channel is not None and self.data_channel.cmd is not None:
            # pyftpdlib would go on with the new file on the old one's connection.
            self.respond("450 A transfer is under way; wait for its end.")
        else:
            if cmd in _TRANSFERS:
                self._forget_waiting()
            super().pre_process_command(line, cmd, arg)

    def _forget_waiting(self) -> None:
        """Close the file of a transfer whose data connection never came, which pyftpdlib leaves open."""
        if self._out_dtp_queue is not None:
            *_, source, _ = self._out_dtp_queue
            self._out_dtp_queue = None
            if source is not None:
                source.close()
        if self._in_dtp_queue is not None:
            target, _ = self._in_dtp_queue
            self._in_dtp_queue = None
            target.close()
            self.end_upload(target.name, whole=False)

    def ftp_AUTH(self, line: str) -> None:  # noqa: N802 - pyftpdlib's naming
        """Start TLS, and forget what was sent in clear after the command: it may be somebody else's."""
        self.ac_in_buffer = b""
        super().ftp_AUTH(line)

    def ftp_PROT(self, line: str) -> None:  # noqa: N802 - pyftpdlib's naming
        """Protect data connections; taking that back after PASV would send a file in clear."""
        if line.upper() == "C" and self.tls_data_required:
            self.respond("534 Data connections are protected on this server.")
        else:
            super().ftp_PROT(line)

    def ftp_STOR(self, file: str, mode: str = "w") -> str | None:  # noqa: N802 - pyftpdlib's naming
        """Take a file, unless its machine's folder is full."""
        quota = self.limits.quota_bytes
        machine = self.authorizer.role(self.username) is Role.MACHINE
        if quota and machine and not self.usage.fits(self.username, BLOCK, quota):
            self._restart_position = 0
            self.respond_w_warning(f"552 {OverLimitError.of_quota(quota).strerror}.")
            return None
        return cast("str | None", super().ftp_STOR(file, mode))

    def _make_epasv(self, extmode: bool = False) -> None:
        self._forget_waiting()  # or it would get the new connection
        try:
            super()._make_epasv(extmode)
        except NoPortError:
            self.respond_w_warning("425 All ports for data connections are taken; try again later.")

    def ftp_HASH(self, path: str) -> None:  # noqa: N802 - pyftpdlib's naming
        """Answer the size and SHA-256 of a file."""
        if not os.path.isfile(path):  # noqa: PTH113 - Path's raises for a name that is too long
            self.respond("550 No such file.")
            return
        try:
            source = Path(path).open("rb")  # noqa: SIM115 - read over many turns of the loop
        except OSError as error:
            self.respond(f"550 {os.strerror(error.errno or 0)}.")
            return
        self._hashing = Hashing(self, source, str(self.fs.fs2ftp(path)))
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
