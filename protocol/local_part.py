"""The part of a download that has arrived, kept beside its target across a broken connection or process."""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import os
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

from protocol.errors import FleetmarkError, TransientTransferError, UserError
from protocol.transfer_names import Digest

__all__ = ["LocalPart", "local_part", "remove_old_parts"]

_CHUNK = 1 << 20
_KEPT_S = 86_400.0
_TAG_DIGITS = 16


class LocalPart:
    """A file that grows towards the content `wanted`."""

    def __init__(self, stream: BinaryIO, target: Path, wanted: Digest) -> None:
        self._stream = stream
        self._target = target
        self._wanted = wanted
        self._checksum = hashlib.sha256()
        self.size = 0

    def read(self) -> None:
        """Read what is there, so that `size` and `is_wanted` tell of it; more than is wanted is nothing."""
        try:
            if os.fstat(self._stream.fileno()).st_size > self._wanted.size:
                self.clear()
                return
            self._stream.seek(0)
            self._checksum, self.size = hashlib.sha256(), 0
            while chunk := self._stream.read(_CHUNK):
                self._checksum.update(chunk)
                self.size += len(chunk)
        except OSError as error:
            raise self._unwritable(error) from error

    def write(self, chunk: bytes) -> None:
        """Append."""
        try:
            self._stream.write(chunk)
        except OSError as error:
            raise self._unwritable(error) from error
        self._checksum.update(chunk)
        self.size += len(chunk)

    def clear(self) -> None:
        """Begin anew."""
        try:
            self._stream.seek(0)
            self._stream.truncate()
        except OSError as error:
            raise self._unwritable(error) from error
        self._checksum, self.size = hashlib.sha256(), 0

    def is_wanted(self) -> bool:
        """Whether this is the content."""
        return Digest(self.size, self._checksum.hexdigest()) == self._wanted

    def _unwritable(self, error: OSError) -> UserError:
        return UserError(f"{self._target}: cannot be written: {error.strerror}")


@contextlib.contextmanager
def local_part(target: Path, wanted: Digest) -> Iterator[LocalPart]:
    """The part of `target`, which it replaces on success; a passing failure keeps it for the next time.

    Raises:
        UserError: the target cannot be written.
    """
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        path, stream = _open(target, wanted)
    except OSError as error:
        raise UserError(f"{target}: cannot be written: {error.strerror}") from error
    try:
        with stream:
            part = LocalPart(stream, target, wanted)
            yield part
            stream.flush()
            os.fsync(stream.fileno())
            path.replace(target)
        _sync(target.parent)
    except OSError as error:
        path.unlink(missing_ok=True)
        raise UserError(f"{target}: cannot be written: {error.strerror}") from error
    except BaseException as error:
        passing = isinstance(error, TransientTransferError) or not isinstance(error, FleetmarkError)
        if not (passing and path.exists() and path.stat().st_size):
            path.unlink(missing_ok=True)
        raise


def remove_old_parts(folder: Path) -> None:
    """Remove the parts below a folder that were not written to for a day and that nobody is writing."""
    before = time.time() - _KEPT_S
    for path in folder.rglob(".*.part-*"):
        with contextlib.suppress(OSError):
            if path.stat().st_mtime < before:
                _remove_unused(path)


def _open(target: Path, wanted: Digest) -> tuple[Path, BinaryIO]:
    """The part under its own name, or under another where somebody else is writing that one."""
    path = target.with_name(f".{target.name}.part-{wanted.sha256[:_TAG_DIGITS]}")
    for other in target.parent.glob(f".{target.name}.part-*"):
        if other != path:
            _remove_unused(other)
    stream = os.fdopen(os.open(path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW, 0o600), "r+b")
    if _is_ours(stream, path):
        return path, stream
    stream.close()
    descriptor, name = tempfile.mkstemp(prefix=f".{target.name}.part-", dir=target.parent)
    stream = os.fdopen(descriptor, "r+b")
    fcntl.flock(stream, fcntl.LOCK_EX)
    return Path(name), stream


def _remove_unused(path: Path) -> None:
    """Remove the part of an older content, unless somebody is writing it."""
    with contextlib.suppress(OSError), path.open("rb") as stream:
        if _is_ours(stream, path):
            path.unlink()


def _is_ours(stream: BinaryIO, path: Path) -> bool:
    """Lock a file; False where somebody else has it, or has moved it away since it was opened."""
    try:
        fcntl.flock(stream, fcntl.LOCK_EX | fcntl.LOCK_NB)
        return os.fstat(stream.fileno()).st_ino == path.stat().st_ino
    except (BlockingIOError, FileNotFoundError):
        return False


def _sync(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
