"""The transfer client: files cross over FTP with TLS, whole or not at all, and verified.

A file is stored under a temporary name beside its own, the server is asked for the size and SHA-256 of what
it has (its `HASH` command), and only then the file gets its name. What breaks off is tried again and goes on
where it stopped, in the same call as in a later one. A client is not shared between threads.
"""

from __future__ import annotations

import contextlib
import ftplib
import hashlib
import io
import os
import secrets
import ssl
import time
from collections.abc import Callable, Iterator
from datetime import datetime
from pathlib import Path, PurePosixPath
from types import TracebackType
from typing import BinaryIO, Self, TypeVar

from protocol.account import Account
from protocol.deadline import Deadline
from protocol.errors import (
    ContentConflictError,
    DocumentError,
    LoginRefusedError,
    RefusedTransferError,
    TransferError,
    TransientTransferError,
    UntrustedServerError,
    UserError,
)
from protocol.ftp_connection import SLOWEST_BYTES_PER_S, FtpConnection, trust
from protocol.local_part import LocalPart, local_part
from protocol.retry import RetryPolicy, retried
from protocol.transfer_failures import explain
from protocol.transfer_names import RESUMED_BYTES, Digest, final_name, temporary_name

__all__ = ["Deadline", "Digest", "RetryPolicy", "TransferClient", "final_name", "temporary_name"]

_CHUNK = 64 << 10  # sent within one timeout, so that a slow line is not taken for a dead one
_MAX_LISTING_BYTES = 16 << 20
_NO_SUCH_FOLDER = "501 No such directory"
_READ_ATTEMPTS = 3
_FORGETS_REFUSAL_S = 600.0
"""A refused password is not tried again for longer than a server counts failures, so that it bans nobody."""

T = TypeVar("T")


class TransferClient:
    """A connection to the FTP server as one account; a context manager.

    It connects when it is first used, trusts only the account's CA, and checks that the certificate is made
    out to the account's host. A connection that died is opened anew.

    No call waits longer than `timeout_s` for the server to say something, or to take something. What fails in
    passing is tried again as `retry` says, and every method ends within its `deadline`: by default
    `operation_s`, and for a file the time besides that it takes at 8 KiB/s.

    `renew`, where it is given, is asked for a newer account when this one is refused or its CA does not vouch
    for the server; None: there is none. A refused account is not tried again for ten minutes.

    Every method may raise:
        UntrustedServerError: the certificate is not vouched for, or is another host's.
        LoginRefusedError: the server does not know the account by this password.
        RefusedTransferError: the server says no: no permission, no such file.
        TransientTransferError: the connection was refused, cut or silent, or data arrived damaged, each time.
    """

    def __init__(
        self,
        account: Account,
        *,
        timeout_s: float = 30.0,
        operation_s: float = 60.0,
        retry: RetryPolicy | None = None,
        renew: Callable[[], Account | None] | None = None,
    ) -> None:
        self._account = account
        self._renew = renew or (lambda: None)
        self._refusal: LoginRefusedError | None = None
        self._refused_at = 0.0
        self._timeout_s = timeout_s
        self._operation_s = operation_s
        self._retry = retry or RetryPolicy()
        self._tag = secrets.token_hex(8)
        self._context: ssl.SSLContext | None = None
        self._connection: FtpConnection | None = None
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
            self._connection.hang_up()
        self._connection = None

    # --- files

    def write(
        self, path: PurePosixPath, data: bytes, *, replace: bool = True, deadline: Deadline | None = None
    ) -> None:
        """Store `data` as `path`, whole or not at all.

        With `replace=False` a file that is there is left alone: with the same content there is nothing to do,
        with another one ContentConflictError is raised.
        """
        wanted = Digest.of(data)

        def attempt(connection: FtpConnection, number: int) -> None:
            # An attempt that failed may have got as far as the name.
            if (number > 1 or not replace) and self._is_there(connection, path, wanted, replace=replace):
                return
            try:
                self._put(connection, path, wanted, io.BytesIO(data))
            except ftplib.error_perm:
                # Somebody else may have been faster.
                if replace or not self._is_there(connection, path, wanted, replace=False):
                    raise

        self._operate("stored", path, attempt, deadline or self._deadline(wanted.size))

    def upload(
        self, source: Path, path: PurePosixPath, *, sha256: str, deadline: Deadline | None = None
    ) -> None:
        """Store the file `source` as `path`, streamed. Where that content is there already, do nothing.

        Raises:
            UserError: the source cannot be read, or its content is not what `sha256` says.
        """
        try:
            stream = source.open("rb")
        except OSError as error:
            raise UserError(f"{source}: cannot be read: {error.strerror}") from error
        with stream:
            wanted = Digest(os.fstat(stream.fileno()).st_size, sha256)

            def attempt(connection: FtpConnection, number: int) -> None:  # noqa: ARG001 - each is like the first
                if connection.digest(path) == wanted:
                    return
                with _readable(source):
                    if _sha256(stream, wanted.size) != sha256:
                        raise UserError(
                            f"{source}: its content is not that of SHA-256 {sha256}: it was changed"
                        )
                self._put(connection, path, wanted, stream)

            self._operate("stored", path, attempt, deadline or self._deadline(wanted.size))

    def read(self, path: PurePosixPath, *, max_bytes: int, deadline: Deadline | None = None) -> bytes:
        """The content of a small file, verified.

        Raises:
            DocumentError: it is larger than `max_bytes`.
        """

        def attempt(connection: FtpConnection, number: int) -> bytes:  # noqa: ARG001 - each is like the first
            for _ in range(_READ_ATTEMPTS):
                expected = connection.digest(path, transfer_follows=True)
                if expected is None:
                    raise self._refused(path, "there is no such file")
                if expected.size > max_bytes:
                    raise DocumentError(
                        f"{self._server}: {path}: {expected.size:,} bytes; at most {max_bytes:,} are read"
                    )
                content = io.BytesIO()
                connection.fetch(f"RETR {path}", content.write, limit=max_bytes)
                if Digest.of(content.getvalue()) == expected:
                    return content.getvalue()
                # It was replaced between the two commands, or it was damaged: look again.
            raise TransientTransferError(
                f"{self._server}: {path}: does not match its SHA-256, {_READ_ATTEMPTS} times",
                advice="Try again; where it goes on, something keeps rewriting the file.",
            )

        return self._operate("read", path, attempt, deadline or self._deadline(max_bytes))

    def download(
        self, path: PurePosixPath, target: Path, *, sha256: str, size: int, deadline: Deadline | None = None
    ) -> None:
        """Fetch a file of known content into `target`, streamed; `target` appears whole or not at all.

        After a TransientTransferError what has arrived is kept beside it, and the next call goes on there.

        Raises:
            UserError: the target cannot be written.
        """
        wanted = Digest(size, sha256)
        with local_part(target, wanted) as part:

            def attempt(connection: FtpConnection, number: int) -> None:  # noqa: ARG001 - each is like the first
                part.read()
                if part.size == size and not part.is_wanted():
                    part.clear()
                self._get(connection, path, part, wanted)

            self._operate("fetched", path, attempt, deadline or self._deadline(size))

    def digest(self, path: PurePosixPath, *, deadline: Deadline | None = None) -> Digest | None:
        """Size and SHA-256 of a file, or None where it is not there. Needs no data connection."""
        return self._operate("looked at", path, lambda connection, _: connection.digest(path), deadline)

    def digests(self, *paths: PurePosixPath, deadline: Deadline | None = None) -> list[Digest | None]:
        """As `digest`, of several small files, in one go; they are looked at in this order."""

        def attempt(connection: FtpConnection, number: int) -> list[Digest | None]:  # noqa: ARG001 - each is like the first
            return connection.digests(*paths)

        return self._operate("looked at", paths[0], attempt, deadline)

    def modified(self, path: PurePosixPath, *, deadline: Deadline | None = None) -> datetime | None:
        """When a file was last written, in whole seconds of the server's clock; None without a file.

        To be compared with the times of other files there, never with a clock of this machine.
        """
        return self._operate("looked at", path, lambda connection, _: connection.modified(path), deadline)

    def remove(self, path: PurePosixPath, *, deadline: Deadline | None = None) -> None:
        """Delete a file. Nothing happens where there is none. A machine's account may not."""

        def attempt(connection: FtpConnection, number: int) -> None:  # noqa: ARG001 - each is like the first
            if connection.digest(path) is not None:
                connection.delete(str(path))

        self._operate("removed", path, attempt, deadline)

    # --- folders

    def list(self, path: PurePosixPath, *, deadline: Deadline | None = None) -> list[str]:
        """The names in a folder, sorted, without unfinished uploads. A folder that is not there has none."""

        def attempt(connection: FtpConnection, number: int) -> bytes:  # noqa: ARG001 - each is like the first
            content = io.BytesIO()
            try:
                connection.fetch(f"MLSD {path}", content.write, limit=_MAX_LISTING_BYTES)
            except ftplib.error_perm as error:
                if not str(error).startswith(_NO_SUCH_FOLDER):
                    raise
            return content.getvalue()

        lines = self._operate("listed", path, attempt, deadline).decode("utf-8", "replace").splitlines()
        # A line is "fact=value;fact=value; name".
        return sorted(
            name for _, _, name in (line.partition(" ") for line in lines) if name and not final_name(name)
        )

    def make_folder(self, path: PurePosixPath, *, deadline: Deadline | None = None) -> None:
        """Make a folder, with its parents. Nothing happens where it is there."""

        def attempt(connection: FtpConnection, number: int) -> None:  # noqa: ARG001 - each is like the first
            missing: list[PurePosixPath] = []
            for folder in (path, *path.parents):
                if connection.is_there(folder):
                    break
                missing.append(folder)
            for folder in reversed(missing):
                try:
                    connection.voidcmd(f"MKD {folder}")
                except ftplib.error_perm:
                    if not connection.is_there(folder):  # somebody else may have made it meanwhile
                        raise

        self._operate("made", path, attempt, deadline)

    # --- the connection

    def _deadline(self, size: int = 0) -> Deadline:
        return Deadline(self._operation_s + size / SLOWEST_BYTES_PER_S)

    def _operate(
        self,
        done: str,
        path: PurePosixPath,
        action: Callable[[FtpConnection, int], T],
        deadline: Deadline | None,
    ) -> T:
        """Do one operation on a live connection, again where that helps; failures become TransferErrors."""
        if not path.is_absolute() or not str(path).isprintable():
            raise ValueError(f"not an absolute path of printable characters: {str(path)!r}")
        what = f"{path}: could not be {done}"
        within = deadline or self._deadline()

        def attempt(number: int) -> T:
            connection = self._connected(within)
            try:
                return action(connection, number)
            except ftplib.error_perm as error:
                raise self._explained(error, what, within) from error
            except (RefusedTransferError, DocumentError):
                raise
            except (ftplib.Error, OSError, EOFError) as error:
                self._drop()
                raise self._explained(error, what, within) from error
            except BaseException:
                self._drop()  # in the middle of a transfer the next reply would be that of this one
                raise

        return retried(attempt, self._retry, within)

    def _connected(self, deadline: Deadline) -> FtpConnection:
        if self._connection is not None and self._connection.is_stale():
            self._drop()
        if self._connection is None:
            try:
                self._connection = self._logged_in(deadline)
            except (LoginRefusedError, UntrustedServerError):
                if not self._take_newer_account():
                    raise
                self._connection = self._logged_in(deadline)
        self._connection.deadline = deadline
        self._connection.forget_door()
        return self._connection

    def _logged_in(self, deadline: Deadline) -> FtpConnection:
        if self._refusal is not None and time.monotonic() - self._refused_at < _FORGETS_REFUSAL_S:
            raise LoginRefusedError(str(self._refusal), advice=self._refusal.advice)
        if self._context is None:
            self._context = trust(self._account)
        connection = FtpConnection(self._context, timeout_s=self._timeout_s, deadline=deadline)
        try:
            connection.log_in(self._account)
        except (ftplib.Error, OSError, EOFError) as error:
            failure = self._explained(error, f"could not log in as {self._account.user}", deadline)
            if isinstance(failure, LoginRefusedError):
                self._refusal, self._refused_at = failure, time.monotonic()
            raise failure from error
        return connection

    def _take_newer_account(self) -> bool:
        newer = self._renew()
        if newer is None:
            return False
        self._account, self._context, self._refusal = newer, None, None
        self._server = f"{newer.host}:{newer.port}"
        return True

    def _drop(self) -> None:
        if self._connection is not None:
            with contextlib.suppress(OSError):
                self._connection.close()
            self._connection = None

    # --- one attempt

    def _put(self, connection: FtpConnection, path: PurePosixPath, wanted: Digest, stream: BinaryIO) -> None:
        # What is resumed is found again by a later client; what is not, no other client writes into.
        tag = wanted.sha256 if wanted.size >= RESUMED_BYTES else self._tag
        temporary = path.with_name(temporary_name(path.name, owner=self._account.user, tag=tag))
        try:
            offset = _arrived(connection, temporary, wanted, stream)
            if offset == 0 or offset < wanted.size:
                connection.store(temporary, _chunks(stream, offset), offset=offset)
            self._check_stored(connection, temporary, wanted)
            self._name(connection, temporary, path, wanted)
        except (ftplib.error_perm, TransientTransferError) as error:
            if isinstance(error, TransientTransferError) and wanted.size >= RESUMED_BYTES:
                raise  # what arrived may be its beginning
            # What may delete cleans up; a machine may not, and writes over it the next time.
            with contextlib.suppress(ftplib.Error, OSError, EOFError):
                connection.delete(str(temporary))
            raise

    def _is_there(
        self, connection: FtpConnection, path: PurePosixPath, wanted: Digest, *, replace: bool
    ) -> bool:
        """Whether the file is there with this content; with another one and not to be replaced: an error."""
        # A large file is sent after a look at what has arrived of it, which may take time.
        found = connection.digest(path, transfer_follows=wanted.size < RESUMED_BYTES)
        if found is not None and found != wanted and not replace:
            raise ContentConflictError(
                f"{self._server}: {path}: is there already with different content, and was not replaced"
            )
        return found == wanted

    def _check_stored(self, connection: FtpConnection, temporary: PurePosixPath, wanted: Digest) -> None:
        found = connection.digest_before_rename(temporary)
        if found != wanted:
            size = found.size if found else 0
            raise TransientTransferError(
                f"{self._server}: {temporary}: arrived damaged: {size:,} of {wanted.size:,} bytes",
                advice="Try again.",
            )

    def _name(
        self, connection: FtpConnection, temporary: PurePosixPath, path: PurePosixPath, wanted: Digest
    ) -> None:
        """Give an upload its name. That somebody else just did, with the same content, is as good."""
        try:
            connection.finish_rename(path)
        except ftplib.error_perm:
            if connection.digest(path) == wanted:
                return
            if connection.digest(temporary) is None:
                raise TransientTransferError(
                    f"{self._server}: {temporary}: was gone before it got its name", advice="Try again."
                ) from None
            raise

    def _get(self, connection: FtpConnection, path: PurePosixPath, part: LocalPart, wanted: Digest) -> None:
        if part.is_wanted() and part.size:
            return
        resumed = part.size > 0
        if connection.size(str(path)) == wanted.size:
            connection.fetch(f"RETR {path}", part.write, limit=wanted.size, offset=part.size)
            if part.size < wanted.size:
                raise TransientTransferError(
                    f"{self._server}: {path}: ended after {part.size:,} of {wanted.size:,} bytes",
                    advice="Try again.",
                )
            if resumed and not part.is_wanted():  # the part was not the beginning of this
                part.clear()
                connection.fetch(f"RETR {path}", part.write, limit=wanted.size)
            if part.is_wanted():
                return
            if connection.digest(path) == wanted:
                part.clear()
                raise TransientTransferError(f"{self._server}: {path}: arrived damaged", advice="Try again.")
        raise self._refused(
            path, f"is not the file of {wanted.size:,} bytes and SHA-256 {wanted.sha256} that was asked for"
        )

    # --- errors

    def _refused(self, path: PurePosixPath, sentence: str) -> RefusedTransferError:
        return RefusedTransferError(f"{self._server}: {path}: {sentence}")

    def _explained(self, error: Exception, what: str, deadline: Deadline) -> TransferError:
        return explain(error, server=self._server, what=what, timeout_s=self._timeout_s, deadline=deadline)


def _arrived(connection: FtpConnection, temporary: PurePosixPath, wanted: Digest, stream: BinaryIO) -> int:
    """How many bytes of this content an upload that broke off has left on the server."""
    if wanted.size < RESUMED_BYTES:
        return 0
    found = connection.digest(temporary)
    if found is None or found.size > wanted.size or _sha256(stream, found.size) != found.sha256:
        return 0
    return found.size


def _sha256(stream: BinaryIO, size: int) -> str:
    """The SHA-256 of the first `size` bytes."""
    checksum = hashlib.sha256()
    stream.seek(0)
    while size > 0 and (chunk := stream.read(min(size, _CHUNK))):
        checksum.update(chunk)
        size -= len(chunk)
    return checksum.hexdigest()


def _chunks(stream: BinaryIO, offset: int) -> Iterator[bytes]:
    stream.seek(offset)
    while chunk := stream.read(_CHUNK):
        yield chunk


@contextlib.contextmanager
def _readable(source: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise UserError(f"{source}: cannot be read: {error.strerror}") from error
