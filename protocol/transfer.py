"""The transfer client: files cross over FTP with TLS, whole or not at all, and verified.

A file is stored under a temporary name beside its own, the server is asked for the size and SHA-256 of what
it has (its `HASH` command), and only then the file gets its name. A client is not shared between threads.
"""

from __future__ import annotations

import contextlib
import ftplib
import hashlib
import io
import os
import re
import secrets
import socket
import ssl
import tempfile
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from types import TracebackType
from typing import BinaryIO, Self

from protocol.account import Account
from protocol.errors import (
    DocumentError,
    RefusedTransferError,
    TransferError,
    TransientTransferError,
    UntrustedServerError,
    UserError,
)

__all__ = ["Digest", "TransferClient", "final_name", "temporary_name"]

_CHUNK = 256 << 10
_FAREWELL_TIMEOUT_S = 2.0
_MAX_LISTING_BYTES = 16 << 20
_MAX_REPLY_CHARS = 300
_READ_ATTEMPTS = 3
_TEMPORARY = re.compile(r"(.+)\.part-[0-9a-f]{16}")
_NO_SUCH_FILE = "550 No such file"
_NO_SUCH_FOLDER = "501 No such directory"
_DIGEST = re.compile(r"213 SHA-256 0-([0-9]+) ([0-9a-f]{64}) .*")


def temporary_name(name: str) -> str:
    """A name to upload `name` under until it is verified; another one each time."""
    return f"{name}.part-{secrets.token_hex(8)}"


def final_name(name: str) -> str | None:
    """The name that a temporary name stands for, or None where it is not a temporary name."""
    match = _TEMPORARY.fullmatch(name)
    return match[1] if match else None


class _UnexpectedReplyError(ftplib.Error):
    """The server said what it never says at this point."""


@dataclass(frozen=True, slots=True)
class Digest:
    """What a file's content is known by."""

    size: int
    sha256: str

    @classmethod
    def of(cls, data: bytes) -> Digest:
        """The digest of bytes in memory."""
        return cls(len(data), hashlib.sha256(data).hexdigest())


class TransferClient:
    """A connection to the FTP server as one account; a context manager.

    It connects when it is first used, trusts only the account's CA, and checks that the certificate is made
    out to the account's host. No call waits longer than `timeout_s` for the server to say something. A
    connection that died while nothing was under way (the server disconnects the idle) is opened anew.

    Every method may raise:
        UntrustedServerError: the certificate is not vouched for, or is another host's.
        RefusedTransferError: the server says no: wrong password, no permission, no such file.
        TransientTransferError: the connection was refused, cut or silent, or data arrived damaged.
    """

    def __init__(self, account: Account, *, timeout_s: float = 30.0) -> None:
        self._account = account
        self._timeout_s = timeout_s
        self._connection: ftplib.FTP_TLS | None = None
        self._server = f"{account.host}:{account.port}"

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Say goodbye and disconnect. May be called again; a later call connects again."""
        if self._connection is not None:
            with contextlib.suppress(ftplib.Error, OSError, EOFError):
                if self._connection.sock is not None:
                    self._connection.sock.settimeout(min(self._timeout_s, _FAREWELL_TIMEOUT_S))
                self._connection.voidcmd("QUIT")
        self._drop()

    # --- files

    def write(self, path: PurePosixPath, data: bytes, *, replace: bool = True) -> None:
        """Store `data` as `path`, whole or not at all.

        With `replace=False` a file that is there is left alone: with the same content there is nothing to do,
        with another one RefusedTransferError is raised.
        """
        wanted = Digest.of(data)
        with self._operation("stored", path) as connection:
            if not replace:
                found = _digest(connection, path)
                if found == wanted:
                    return
                if found is not None:
                    raise self._refused(path, "is there already with different content, and was not replaced")
            self._put(connection, path, wanted, [data])

    def upload(self, source: Path, path: PurePosixPath, *, sha256: str) -> None:
        """Store the file `source` as `path`, streamed. Where that content is there already, do nothing.

        Raises:
            UserError: the source cannot be read, or its content is not what `sha256` says.
        """
        try:
            stream = source.open("rb")
        except OSError as error:
            raise UserError(f"{source}: cannot be read: {error.strerror}") from error
        with stream, self._operation("stored", path) as connection:
            wanted = Digest(os.fstat(stream.fileno()).st_size, sha256)
            if _digest(connection, path) != wanted:
                self._put(connection, path, wanted, _verified_chunks(stream, source, wanted))

    def read(self, path: PurePosixPath, *, max_bytes: int) -> bytes:
        """The content of a small file, verified.

        Raises:
            DocumentError: it is larger than `max_bytes`.
        """
        with self._operation("read", path) as connection:
            for _ in range(_READ_ATTEMPTS):
                expected = _digest(connection, path)
                if expected is None:
                    raise self._missing(path)
                if expected.size > max_bytes:
                    raise DocumentError(
                        f"{self._server}: {path}: {expected.size:,} bytes; at most {max_bytes:,} are read"
                    )
                content = io.BytesIO()
                if _receive(connection, f"RETR {path}", content.write, limit=max_bytes) == expected:
                    return content.getvalue()
                # It was replaced between the two commands, or it was damaged: look again.
            raise TransientTransferError(
                f"{self._server}: {path}: does not match its SHA-256, {_READ_ATTEMPTS} times",
                advice="Try again; where it goes on, something keeps rewriting the file.",
            )

    def download(self, path: PurePosixPath, target: Path, *, sha256: str, size: int) -> None:
        """Fetch a file of known content into `target`, streamed; `target` appears whole or not at all.

        Raises:
            UserError: the target cannot be written.
        """
        wanted = Digest(size, sha256)
        with _replacement(target) as stream, self._operation("fetched", path) as connection:
            if connection.size(str(path)) == size:
                arrived = _receive(connection, f"RETR {path}", _writer(stream, target), limit=size)
                if arrived == wanted:
                    return
                if _digest(connection, path) == wanted:
                    raise TransientTransferError(
                        f"{self._server}: {path}: arrived damaged", advice="Try again."
                    )
            raise self._refused(
                path, f"is not the file of {size:,} bytes and SHA-256 {sha256} that was asked for"
            )

    def digest(self, path: PurePosixPath) -> Digest | None:
        """Size and SHA-256 of a file, or None where it is not there. Needs no data connection."""
        with self._operation("looked at", path) as connection:
            return _digest(connection, path)

    # --- folders

    def list(self, path: PurePosixPath) -> list[str]:
        """The names in a folder, sorted, without unfinished uploads. A folder that is not there has none."""
        with self._operation("listed", path) as connection:
            content = io.BytesIO()
            try:
                _receive(connection, f"MLSD {path}", content.write, limit=_MAX_LISTING_BYTES)
            except ftplib.error_perm as error:
                if str(error).startswith(_NO_SUCH_FOLDER):
                    return []
                raise
        lines = content.getvalue().decode("utf-8", "replace").splitlines()
        # A line is "fact=value;fact=value; name".
        return sorted(
            name for _, _, name in (line.partition(" ") for line in lines) if name and not final_name(name)
        )

    def make_folder(self, path: PurePosixPath) -> None:
        """Make a folder, with its parents. Nothing happens where it is there."""
        with self._operation("made", path) as connection:
            missing: list[PurePosixPath] = []
            for folder in (path, *path.parents):
                if _is_there(connection, folder):
                    break
                missing.append(folder)
            for folder in reversed(missing):
                try:
                    connection.voidcmd(f"MKD {folder}")
                except ftplib.error_perm:
                    if not _is_there(connection, folder):  # somebody else may have made it meanwhile
                        raise

    # --- the connection

    @contextlib.contextmanager
    def _operation(self, done: str, path: PurePosixPath) -> Iterator[ftplib.FTP_TLS]:
        """A live connection for one operation; what ftplib and the network raise becomes a TransferError."""
        if not path.is_absolute() or not str(path).isprintable():
            raise ValueError(f"not an absolute path of printable characters: {str(path)!r}")
        what = f"{path}: could not be {done}"
        try:
            yield self._living_connection()
        except ftplib.error_perm as error:
            raise self._from_reply(what, error) from error
        except RefusedTransferError:
            raise
        except (ftplib.Error, OSError, EOFError) as error:
            self._drop()
            raise self._from_failure(what, error) from error
        except BaseException:
            self._drop()  # in the middle of a transfer the next reply would be that of this one
            raise

    def _living_connection(self) -> ftplib.FTP_TLS:
        if self._connection is not None:
            try:
                self._connection.voidcmd("NOOP")
            except (ftplib.Error, OSError, EOFError):
                self._drop()
            else:
                return self._connection
        self._connection = self._connect()
        return self._connection

    def _connect(self) -> ftplib.FTP_TLS:
        connection = ftplib.FTP_TLS(context=self._context(), timeout=self._timeout_s)  # noqa: S321 - FTP over TLS
        what = f"could not log in as {self._account.user}"
        try:
            connection.connect(self._account.host, self._account.port)
            connection.auth()
            connection.login(self._account.user, self._account.password.get_secret_value())
            connection.prot_p()
            connection.voidcmd("TYPE I")
        except ftplib.error_perm as error:
            connection.close()
            raise self._from_reply(
                what, error, advice="Check that the account file is the one that this server handed out."
            ) from error
        except (ftplib.Error, OSError, EOFError) as error:
            connection.close()
            raise self._from_failure(what, error) from error
        except BaseException:
            connection.close()
            raise
        return connection

    def _context(self) -> ssl.SSLContext:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.minimum_version = ssl.TLSVersion.TLSv1_2
        context.verify_flags |= ssl.VERIFY_X509_STRICT
        try:
            context.load_verify_locations(cadata=self._account.ca_certificate)
        except (ssl.SSLError, ValueError) as error:
            raise UserError(
                f"account {self._account.user} on {self._server}: its CA certificate cannot be read",
                advice="Fetch the account file again from the integrator.",
            ) from error
        return context

    def _drop(self) -> None:
        if self._connection is not None:
            with contextlib.suppress(OSError):
                self._connection.close()
            self._connection = None

    def _put(
        self, connection: ftplib.FTP_TLS, path: PurePosixPath, wanted: Digest, chunks: Iterable[bytes]
    ) -> None:
        temporary = path.with_name(temporary_name(path.name))
        try:
            _send(connection, temporary, chunks)
            self._check_stored(connection, temporary, wanted)
            connection.rename(str(temporary), str(path))
        except (ftplib.error_perm, TransientTransferError):
            # What may delete cleans up; a machine may not.
            with contextlib.suppress(ftplib.Error, OSError, EOFError):
                connection.delete(str(temporary))
            raise

    def _check_stored(self, connection: ftplib.FTP_TLS, temporary: PurePosixPath, wanted: Digest) -> None:
        found = _digest(connection, temporary)
        if found != wanted:
            size = found.size if found else 0
            raise TransientTransferError(
                f"{self._server}: {temporary}: arrived damaged: {size:,} of {wanted.size:,} bytes",
                advice="Try again.",
            )

    # --- errors

    def _refused(self, path: PurePosixPath, sentence: str) -> RefusedTransferError:
        return RefusedTransferError(f"{self._server}: {path}: {sentence}")

    def _missing(self, path: PurePosixPath) -> RefusedTransferError:
        return self._refused(path, "there is no such file")

    def _from_reply(self, what: str, error: ftplib.Error, advice: str = "") -> RefusedTransferError:
        reply = " ".join(str(error).split())[:_MAX_REPLY_CHARS]
        return RefusedTransferError(f"{self._server}: {what}: the server answered: {reply}", advice=advice)

    def _from_failure(self, what: str, error: Exception) -> TransferError:
        """What a network failure means; every branch says why and what to do."""
        if isinstance(error, ssl.SSLCertVerificationError):
            return UntrustedServerError(
                f"{self._server}: {what}: its certificate is not to be trusted: {error.verify_message}",
                advice="Check the host in the account file, and that the file came from this server: "
                "a server that was set up anew has a new CA and hands out new accounts.",
            )
        advice = "Try again later."
        if isinstance(error, TimeoutError):
            why = f"no answer within {self._timeout_s:g} s"
            advice = "Check that the server is up and that no firewall drops its data connections."
        elif isinstance(error, ConnectionRefusedError):
            why = "connection refused"
            advice = "Check that the server runs and listens on this port."
        elif isinstance(error, socket.gaierror):
            why = f"the host name is not known here: {error.strerror}"
            advice = "Check the host in the account file, and this machine's DNS."
        elif isinstance(error, ftplib.Error):
            why = "the server answered: " + " ".join(str(error).split())[:_MAX_REPLY_CHARS]
        elif isinstance(error, EOFError):
            why = "the server closed the connection"
        else:
            why = f"the connection failed: {error}"
        return TransientTransferError(f"{self._server}: {what}: {why}", advice=advice)


def _digest(connection: ftplib.FTP_TLS, path: PurePosixPath) -> Digest | None:
    try:
        reply = connection.sendcmd(f"HASH {path}")
    except ftplib.error_perm as error:
        if str(error).startswith(_NO_SUCH_FILE):
            return None
        raise
    match = _DIGEST.fullmatch(reply.rpartition("\n")[2])  # lines before the last are signs of life
    if match is None:
        raise _UnexpectedReplyError(f"HASH answered {reply}")
    return Digest(int(match[1]), match[2])


def _is_there(connection: ftplib.FTP_TLS, folder: PurePosixPath) -> bool:
    try:
        connection.voidcmd(f"MLST {folder}")
    except ftplib.error_perm:
        return False
    return True


def _send(connection: ftplib.FTP_TLS, path: PurePosixPath, chunks: Iterable[bytes]) -> None:
    with connection.transfercmd(f"STOR {path}") as channel:
        try:
            for chunk in chunks:
                channel.sendall(chunk)
        except OSError:
            channel.close()
            connection.voidresp()  # a server that stops listening says why: no space, for one
            raise
        _finish(channel)
    connection.voidresp()


def _receive(
    connection: ftplib.FTP_TLS, command: str, sink: Callable[[bytes], object], *, limit: int
) -> Digest:
    """Hand what the server sends to `sink`, and say what it was. One chunk beyond `limit` ends it."""
    checksum, size = hashlib.sha256(), 0
    with connection.transfercmd(command) as channel:
        while chunk := channel.recv(_CHUNK):
            checksum.update(chunk)
            size += len(chunk)
            if size > limit:
                raise _UnexpectedReplyError(f"{command} sends more than {limit:,} bytes")
            sink(chunk)
        _finish(channel)
    connection.voidresp()
    return Digest(size, checksum.hexdigest())


def _finish(channel: socket.socket) -> None:
    """End TLS on a data connection.

    ftplib's own storbinary waits for the server's farewell as long as for data, and fails without one; some
    servers just close. What arrived is verified by other means, so here a missing farewell means nothing.
    """
    if isinstance(channel, ssl.SSLSocket):
        with contextlib.suppress(OSError, ValueError):
            channel.settimeout(min(channel.gettimeout() or _FAREWELL_TIMEOUT_S, _FAREWELL_TIMEOUT_S))
            channel.unwrap()


def _verified_chunks(stream: BinaryIO, source: Path, wanted: Digest) -> Iterator[bytes]:
    checksum, size = hashlib.sha256(), 0
    try:
        while chunk := stream.read(_CHUNK):
            checksum.update(chunk)
            size += len(chunk)
            yield chunk
    except OSError as error:
        raise UserError(f"{source}: cannot be read: {error.strerror}") from error
    if Digest(size, checksum.hexdigest()) != wanted:
        raise UserError(f"{source}: its content is not that of SHA-256 {wanted.sha256}: it was changed")


def _writer(stream: BinaryIO, target: Path) -> Callable[[bytes], object]:
    def write(chunk: bytes) -> None:
        try:
            stream.write(chunk)
        except OSError as error:
            raise UserError(f"{target}: cannot be written: {error.strerror}") from error

    return write


@contextlib.contextmanager
def _replacement(target: Path) -> Iterator[BinaryIO]:
    """A temporary file beside `target` that replaces it on success and is gone otherwise."""
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        descriptor, name = tempfile.mkstemp(prefix=f".{target.name}.", dir=target.parent)
    except OSError as error:
        raise UserError(f"{target}: cannot be written: {error.strerror}") from error
    temporary = Path(name)
    try:
        with os.fdopen(descriptor, "wb") as stream:
            yield stream
            stream.flush()
            os.fsync(stream.fileno())
        temporary.replace(target)
        folder = os.open(target.parent, os.O_RDONLY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)
    except OSError as error:
        temporary.unlink(missing_ok=True)
        raise UserError(f"{target}: cannot be written: {error.strerror}") from error
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise
