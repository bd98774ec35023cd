"""One FTP connection over TLS: every wait is bounded, and data connections resume the TLS session."""

from __future__ import annotations

import contextlib
import fcntl
import ftplib
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
from protocol.ftp_replies import Answer, UnexpectedReplyError, accepted, begun, digest_of, port_of
from protocol.transfer_names import Digest

__all__ = ["FAREWELL_TIMEOUT_S", "SLOWEST_BYTES_PER_S", "FtpConnection", "trust"]

FAREWELL_TIMEOUT_S = 2.0
SLOWEST_BYTES_PER_S = 8 << 10
"""A line that is slower is taken for a broken one."""
_CHUNK = 256 << 10
_LOOK_EVERY_S = 0.05
_HANGS_UP = "421"


def trust(account: Account) -> ssl.SSLContext:
    """The TLS settings that believe the account's CA and nobody else.

    Raises:
        UserError: the account holds no certificate that can be read.
    """
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.sslsocket_class = _SecureSocket
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


class _SecureSocket(ssl.SSLSocket):
    """Closed when the other side resets it.

    Where that happens before TLS begins, `wrap_socket` fails, and leaves open what nobody else can close.
    """

    def recv(self, buflen: int = 1024, flags: int = 0) -> bytes:
        try:
            return super().recv(buflen, flags)
        except ConnectionError:
            self.close()
            raise


class FtpConnection(ftplib.FTP_TLS):
    """A control connection that is logged in, and the data connections that it opens.

    No wait is longer than `timeout_s`, nor goes beyond `deadline`, which each operation sets anew. The answer
    to an upload is due when the other side's system has all of it: a slow line is no silence.

    What does not depend on an answer does not wait for it: on a long line, round trips are what a small file
    costs.
    """

    def __init__(self, context: ssl.SSLContext, *, timeout_s: float, deadline: Deadline) -> None:
        super().__init__(context=context, timeout=timeout_s)
        self._timeout_s = timeout_s
        self._door: Answer | None = None
        """The answer to EPSV: where the server waits for the next data connection."""
        self.deadline = deadline

    def log_in(self, account: Account) -> None:
        """Connect, start TLS and log in; the connection is closed where that fails."""
        try:
            self.timeout = self._patience()
            self.connect(account.host, account.port)
            if self.sock is not None:  # else a second command waits until the first is acknowledged
                self.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            self.auth()
            self.login(account.user, account.password.get_secret_value())
            for answer in self._ask("PBSZ 0", "PROT P", "TYPE I"):
                accepted(answer)
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

    def digest(self, path: PurePosixPath, *, transfer_follows: bool = False) -> Digest | None:
        """Size and SHA-256 of a file on the server, or None where there is none.

        With `transfer_follows` the server is asked in the same breath where it takes a data connection.
        """
        if not transfer_follows:
            return digest_of(self._ask(f"HASH {path}")[0])
        # HASH last: the server answers no other command while it reads a large file.
        self._door, found = self._ask("EPSV", f"HASH {path}")
        return digest_of(found)

    def digests(self, *paths: PurePosixPath) -> list[Digest | None]:
        """As `digest`, of several small files; they are looked at in this order."""
        return [digest_of(answer) for answer in self._ask(*(f"HASH {path}" for path in paths))]

    def digest_before_rename(self, path: PurePosixPath) -> Digest | None:
        """As `digest`; the file may be given another name then, with `finish_rename`."""
        ready, found = self._ask(f"RNFR {path}", f"HASH {path}")
        digest = digest_of(found)
        if digest is not None:
            accepted(ready)
        return digest

    def finish_rename(self, path: PurePosixPath) -> None:
        """Give the file of `digest_before_rename` this name."""
        self.voidcmd(f"RNTO {path}")

    def forget_door(self) -> None:
        """Ask anew before the next data connection: the server does not wait for it for long."""
        self._door = None

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
        It also waits for the answer to the command before it starts TLS.
        """
        door, self._door = self._door or self.sendcmd("EPSV"), None
        # The host of the control connection, whatever the server says.
        where = (self._peer(), port_of(door))
        channel = socket.create_connection(where, self._patience(), source_address=self.source_address)
        try:
            # Without this the end of a small file waits 40 ms for the acknowledgement of its beginning.
            channel.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            if rest is not None:
                self.sendcmd(f"REST {rest}")
            self.putcmd(cmd)
            secure = self._secured(channel)
        except BaseException:
            channel.close()
            raise
        try:
            begun(cmd, self.getresp())
        except BaseException:
            secure.close()
            raise
        return secure, None

    def _secured(self, channel: socket.socket) -> ssl.SSLSocket:
        session = self.sock.session if isinstance(self.sock, ssl.SSLSocket) else None
        try:
            return self.context.wrap_socket(channel, server_hostname=self.host, session=session)
        except TimeoutError:
            raise
        except OSError:
            # The server may have refused the command, and says why.
            self.deadline = Deadline(min(self.deadline.left(), FAREWELL_TIMEOUT_S))
            with contextlib.suppress(OSError, EOFError):
                self.getresp()
            raise

    def _ask(self, *commands: str) -> list[Answer]:
        """Send several commands, and only then wait: their answers, in this order."""
        for command in commands:
            self.putcmd(command)
        answers: list[Answer] = []
        for _ in commands:
            try:
                answers.append(self.getresp())
            except ftplib.Error as error:
                if str(error).startswith(_HANGS_UP):
                    raise
                answers.append(error)
        return answers

    def _peer(self) -> str:
        if self.sock is None:
            raise EOFError
        return str(self.sock.getpeername()[0])

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
