"""The files of the server as one account sees them."""

from __future__ import annotations

import os
from pathlib import Path, PurePosixPath
from typing import IO, Any, cast

from pyftpdlib.exceptions import FilesystemError
from pyftpdlib.filesystems import AbstractedFS

from ftp_server.accounts import Authorizer
from ftp_server.limits import Limits, OverLimitError
from ftp_server.permissions import Role, allowed, may_rename, written_once
from ftp_server.usage import BLOCK, Usage
from protocol.transfer_names import final_name

__all__ = ["Filesystem"]

# Up to this size a file is on disk before its upload is acknowledged: an agent drops its own copy of a result
# then. Larger files are models, which the integrator can send again; flushing them would hold up everybody.
_FLUSHED_BYTES = 16 << 20


class Filesystem(AbstractedFS):
    """pyftpdlib's file system without symbolic links, with write-once results and filtered listings.

    pyftpdlib asks `has_perm` before it calls; here is what a permission letter and one path cannot say.
    """

    def _who(self) -> tuple[Authorizer, str]:
        return self.cmd_channel.authorizer, self.cmd_channel.username

    def validpath(self, path: str) -> bool:
        """Whether a path on disk is inside the root and has no symbolic link on its way."""
        try:
            return path == os.path.realpath(path) and Path(path).is_relative_to(self.root)
        except ValueError:
            return False

    def open(self, filename: str, mode: str) -> IO[Any]:
        """Open a file; a result that is there is not opened for writing."""
        path = Path(filename)
        if path.exists() and not path.is_file():
            raise FilesystemError("Not a file")
        if "r" not in mode or "+" in mode:
            authorizer, user = self._who()
            role = authorizer.role(user)
            virtual = authorizer.virtual(filename)
            final = virtual.with_name(final_name(virtual.name) or virtual.name)
            if written_once(role, final):
                self._refuse_overwriting(path.with_name(final.name), final)
            if role is Role.MACHINE:
                return self._bounded(filename, mode, user)
            if "+" in mode:
                return cast("IO[Any]", _Resumed(open(filename, mode, opener=_without_links)))
        return open(filename, mode, opener=_without_links)

    def _bounded(self, filename: str, mode: str, user: str) -> IO[Any]:
        """Open a file that a machine writes, within the server's limits."""
        limits: Limits = self.cmd_channel.limits
        usage: Usage = self.cmd_channel.usage
        file = open(filename, mode, opener=_without_links)  # noqa: SIM115 - pyftpdlib closes it
        return cast("IO[Any]", _Bounded(file, user, limits, usage))

    def rename(self, src: str, dst: str) -> None:
        """Rename; a machine only finishes an upload, and never over a result."""
        authorizer, user = self._who()
        role = authorizer.role(user)
        source, target = authorizer.virtual(src), authorizer.virtual(dst)
        if not may_rename(role, user, source, target):
            raise FilesystemError(
                "Not enough privileges: only an upload's temporary name can be changed, to its own"
            )
        if written_once(role, target):
            self._refuse_overwriting(Path(dst), target)
        if Path(src).is_file() and Path(src).stat().st_size <= _FLUSHED_BYTES:
            _flush(src)
            Path(src).rename(dst)
            _flush(str(Path(dst).parent))
        else:
            Path(src).rename(dst)
        if self.cmd_channel.on_stored is not None:
            self.cmd_channel.on_stored(target)

    def chdir(self, path: str) -> None:
        """Change the session's folder, and leave that of the process alone: other threads live in it."""
        if not Path(path).is_dir():
            raise FilesystemError("No such folder")
        self.cwd = str(self._who()[0].virtual(path))

    def listdir(self, path: str) -> list[str]:
        """The names in a folder that the account may know of."""
        authorizer, user = self._who()
        role = authorizer.role(user)
        virtual = authorizer.virtual(path)
        return [
            entry.name
            for entry in Path(path).iterdir()
            if not entry.is_symlink() and allowed(role, user, "l", virtual / entry.name)
        ]

    def stat(self, path: str) -> os.stat_result:
        """As lstat: a link says nothing about where it points."""
        return os.lstat(path)

    @staticmethod
    def _refuse_overwriting(path: Path, virtual: PurePosixPath) -> None:
        if os.path.lexists(path):
            raise FilesystemError(f"{virtual} is there already, and a result is never overwritten")


class _Resumed:
    """A file that is written from a position on; what was there beyond it goes."""

    def __init__(self, file: IO[Any]) -> None:
        self._file = file
        self._position = 0

    def __getattr__(self, name: str) -> Any:
        return getattr(self._file, name)

    def seek(self, position: int) -> None:
        """Go on from `position`."""
        self._file.seek(position)
        self._file.truncate()
        self._position = position

    def write(self, data: bytes) -> int:
        """Write, as a file does."""
        written = self._file.write(data)
        self._position += written
        return written


class _Bounded(_Resumed):
    """A file of a machine: refused while it is written, once it is too large or the machine has too much."""

    def __init__(self, file: IO[Any], machine: str, limits: Limits, usage: Usage) -> None:
        super().__init__(file)
        self._machine = machine
        self._limits = limits
        self._usage = usage
        usage.add(machine, BLOCK)  # an empty file takes room, too
        self._counted = BLOCK

    def seek(self, position: int) -> None:
        """Go on from `position`; what is before it was counted when it came."""
        super().seek(position)
        self._counted = max(position, BLOCK)

    def write(self, data: bytes) -> int:
        """Write, or raise OverLimitError."""
        end = self._position + len(data)
        if 0 < self._limits.max_file_bytes < end:
            raise OverLimitError.of_file(self._limits.max_file_bytes)
        more = end - self._counted
        if more > 0:
            quota = self._limits.quota_bytes
            if quota and not self._usage.fits(self._machine, more, quota):
                raise OverLimitError.of_quota(quota)
            self._usage.add(self._machine, more)
            self._counted += more
        return super().write(data)


def _without_links(path: str, flags: int) -> int:
    return os.open(path, flags | os.O_NOFOLLOW, 0o666)


def _flush(path: str) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
