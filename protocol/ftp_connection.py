"""One FTP connection over TLS: every wait is bounded, and data connections resume the TLS session."""

from __future__ import annotations

import contextlib
import fcntl
import ftplib
import re
import select
import socket
import ssl
import sys
import termios
import time
from collections.abc import Callable, Iterable
from datetime import UTC, datetime
from pathlib import PurePosixPath

from protocol.account import Account
from protocol.deadline import Deadline
from protocol.errors import UserError
from protocol.transfer_names import Digest

__all__ = ["FAREWELL_TIMEOUT_S", "SLOWEST_BYTES_PER_S", "FtpConnection", "UnexpectedReplyError", "trust"]

FAREWELL_TIMEOUT_S = 2.0
SLOWEST_BYTES_PER_S = 8 << 10
"""A line that is slower is taken for a broken one."""
_CHUNK = 256 << 10
_LOOK_EVERY_S = 0.05
_NO_SUCH_FILE = "550 No such file"
_DIGEST = re.compile(r"213 SHA-256 0-([0-9]+) ([0-9a-f]{64}) .*")


class UnexpectedReplyError(ftplib.Error):
    """The server said what it never says at this point."""


def trust(account: Account) -> ssl.SSLContext:
    """The TLS settings that believe the account's CA and nobody else.

    Raises:
        UserError: the account holds no certificate that can be read.
    """
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.verify_flags |= ssl.VERIFY_X509_STRICT
    try:
        context.load_verify_locations(cadata=account.ca_certificate)
    except (ssl.SSLError, ValueError) as error:
        raise UserError(
            f"account {account.user} on {account.host}:{account.port}: its CA certificate cannot be read",
            advice="Fetch the account file again from the integrator.",
        ) from error
    return context


class FtpConnection(ftplib.FTP_TLS):
    """A control connection that is logged in, and the data connections that it opens.

    No wait is longer than `timeout_s`, nor goes beyond `deadline`, which each operation sets anew. The answer
    to an upload is due when the other side's system has all of it: a slow line is no silence.
    """

    def __init__(self, context: ssl.SSLContext, *, timeout_s: float, deadline: Deadline) -> None:
        super().__init__(context=context, timeout=timeout_s)
        self._timeout_s = timeout_s
        self.deadline = deadline

    def log_in(self, account: Account) -> None:
        """Connect, start TLS and log in; the connection is closed where that fails."""
        try:
            self.timeout = self._patience()
            self.connect(account.host, account.port)
            self.auth()
            self.login(account.user, account.password.get_secret_value())
            self.prot_p()
            self.voidcmd("TYPE I")
        except BaseException:
            self.close()
            raise

    def is_stale(self) -> bool:
        """Whether the server has hung up or said something unasked: there is no going on then.

        Looks at what has arrived and asks nothing.
        """
        if self.sock is None:
            return True
        poller = select.poll()
        poller.register(self.sock, select.POLLIN)
        return bool(poller.poll(0))

    def hang_up(self) -> None:
        """Say goodbye, without waiting long for an answer, and close."""
        self.deadline = Deadline(min(self._timeout_s, FAREWELL_TIMEOUT_S))
        with contextlib.suppress(ftplib.Error, OSError, EOFError):
            self.voidcmd("QUIT")
        with contextlib.suppress(OSError):
            self.close()

    # --- commands

    def digest(self, path: PurePosixPath) -> Digest | None:
        """Size and SHA-256 of a file on the server, or None where there is none."""
        try:
            reply = self.sendcmd(f"HASH {path}")
        except ftplib.error_perm as error:
            if str(error).startswith(_NO_SUCH_FILE):
                return None
            raise
        match = _DIGEST.fullmatch(reply.rpartition("\n")[2])  # lines before the last are signs of life
        if match is None:
            raise UnexpectedReplyError(f"HASH answered {reply}")
        return Digest(int(match[1]), match[2])

    def modified(self, path: PurePosixPath) -> datetime | None:
        """When a file was last written, by the server's clock, or None where there is none."""
        try:
            reply = self.sendcmd(f"MDTM {path}")
        except ftplib.error_perm as error:
            if str(error).startswith("550"):
                return None
            raise
        try:
            # A server may add a fraction of a second.
            return datetime.strptime(reply[4:18], "%Y%m%d%H%M%S").replace(tzinfo=UTC)
        except ValueError as error:
            raise UnexpectedReplyError(f"MDTM answered {reply}") from error

    def is_there(self, path: PurePosixPath) -> bool:
        """Whether there is a file or folder of this name."""
        try:
            self.voidcmd(f"MLST {path}")
        except ftplib.error_perm:
            return False
        return True

    def store(self, path: PurePosixPath, chunks: Iterable[bytes], *, offset: int = 0) -> None:
        """Send `chunks` as the content of a file from `offset` on."""
        with self.transfercmd(f"STOR {path}", rest=offset or None) as channel:
            try:
                for chunk in chunks:
                    channel.settimeout(self._patience())
                    channel.sendall(chunk)
            except TimeoutError:
                raise
            except OSError:
                channel.close()
                self.voidresp()  # a server that stops listening says why: no space, for one
                raise
            if not self._finish(channel):
                self._wait_until_sent(channel)
                self._finish(channel)
        self.voidresp()

    def fetch(self, command: str, sink: Callable[[bytes], object], *, limit: int, offset: int = 0) -> None:
        """Hand what the server sends from `offset` on to `sink`. One chunk beyond `limit` in all ends it."""
        size = offset
        with self.transfercmd(command, rest=offset or None) as channel:
            while True:
                channel.settimeout(self._patience())
                chunk = channel.recv(_CHUNK)
                if not chunk:
                    break
                size += len(chunk)
                if size > limit:
                    raise UnexpectedReplyError(f"{command} sends more than {limit:,} bytes")
                sink(chunk)
            self._finish(channel)
        self.voidresp()

    # --- what ftplib calls

    def ntransfercmd(self, cmd: str, rest: int | str | None = None) -> tuple[socket.socket, int | None]:
        """Open a data connection; its TLS session is that of the control connection.

        ftplib makes a new session each time, with certificates and signatures: most of a small file's cost.
        """
        self.timeout = self._patience()
        channel, size = ftplib.FTP.ntransfercmd(self, cmd, rest)  # noqa: S321 - TLS follows
        # Without this the end of a small file waits 40 ms for the acknowledgement of its beginning.
        channel.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        session = self.sock.session if isinstance(self.sock, ssl.SSLSocket) else None
        return self.context.wrap_socket(channel, server_hostname=self.host, session=session), size

    def getline(self) -> str:
        """A line of an answer, within the time there is."""
        if self.sock is not None:
            self.sock.settimeout(self._patience())
        return super().getline()

    def putline(self, line: str) -> None:
        """Send a command, within the time there is."""
        if self.sock is not None:
            self.sock.settimeout(self._patience())
        super().putline(line)

    def _patience(self) -> float:
        return self.deadline.bound(self._timeout_s)

    def _wait_until_sent(self, channel: socket.socket) -> None:
        """Wait while the system still sends what it was given, and gets on with it."""
        left, patience = _unsent(channel), Deadline(self._patience())
        while left:
            if not patience.left():
                raise TimeoutError
            time.sleep(_LOOK_EVERY_S)
            now = _unsent(channel)
            if now < left:
                left, patience = now, Deadline(self._patience())

    def _finish(self, channel: socket.socket) -> bool:
        """End TLS on a data connection; False where the other side may still be reading.

        ftplib's own storbinary waits for the server's farewell as long as for data, and fails without one;
        some servers just close. What arrived is verified by other means, so a missing farewell means
        nothing here.
        """
        if isinstance(channel, ssl.SSLSocket):
            try:
                channel.settimeout(self.deadline.bound(min(self._timeout_s, FAREWELL_TIMEOUT_S)))
                channel.unwrap()
            except TimeoutError:
                return False
            except (OSError, ValueError):
                pass
        return True


def _unsent(channel: socket.socket) -> int:
    """Bytes that the other side's system has not acknowledged; 0 where this system does not tell."""
    if not hasattr(termios, "TIOCOUTQ"):
        return 0
    return int.from_bytes(fcntl.ioctl(channel, termios.TIOCOUTQ, b"\0\0\0\0"), sys.byteorder)
