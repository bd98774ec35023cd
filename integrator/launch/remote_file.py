"""A file on another machine that grows towards one of ours, across broken connections."""

from __future__ import annotations

import shlex
import stat
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path, PurePosixPath

import paramiko

from integrator.launch.ssh import Ssh
from protocol.errors import LaunchError

__all__ = ["RemoteFile"]

_FOLDER = PurePosixPath(".cache/fleetmark/images")
"""In the home of who logs in, and for them alone: in a folder that others could write to, they could put an
image of theirs in its place after it was checked."""
_CHUNK = 1 << 15
_TOLD_EACH = 1 << 20
_KEPT_S = 86_400.0
_SPARE_BYTES = 16 << 20


class RemoteFile:
    """`name` in the folder where images arrive; `name` tells the content, so that a part is a part of it."""

    def __init__(self, ssh: Ssh, name: str) -> None:
        self._ssh = ssh
        self._name = name
        self.path = str(_FOLDER / name)
        """Relative to the home, which is where commands run."""

    def append(self, source: Path, size: int, progress: Callable[[int, int], None]) -> None:
        """Send what is not there yet.

        Raises:
            UnreachableError: the connection broke; what arrived stays.
            LaunchError: there is no room for it, or no permission.
        """
        with self._ssh.files() as files:
            _make_folder(files)
            done = _size_of(files, self.path)
            if done > size:
                files.remove(self.path)
                done = 0
            progress(done, size)
            self._refuse_if_full(size - done)
            with source.open("rb") as local, files.open(self.path, "ab") as remote:
                remote.set_pipelined(pipelined=True)  # does not wait for each answer
                local.seek(done)
                told = done
                while chunk := local.read(_CHUNK):
                    remote.write(chunk)
                    done += len(chunk)
                    if done - told >= _TOLD_EACH or done == size:
                        progress(done, size)
                        told = done
            if (there := _size_of(files, self.path)) != size:
                self._refuse_if_full(size - there)
                raise LaunchError(f"{self._ssh}: {there} of {size} bytes of {self.path} arrived")

    def sha256(self, *, timeout_s: float) -> str:
        """The content's hash, computed there.

        Raises:
            UnreachableError: no answer in time.
            LaunchError: it cannot be computed.
        """
        said = self._ssh.run(f"sha256sum {shlex.quote(self.path)}", timeout_s=timeout_s)
        if said.exit_code != 0:
            raise LaunchError(f"{self._ssh}: sha256sum failed: {said.errors.strip()[-300:]}")
        return said.output.split()[0].lstrip("\\")

    def remove(self) -> None:
        """Remove it, if it is there."""
        with self._ssh.files() as files, suppress(FileNotFoundError):
            files.remove(self.path)

    def remove_old(self) -> None:
        """Remove what other transfers left and nobody went on with for a day."""
        with self._ssh.files() as files:
            try:
                entries = files.listdir_attr(str(_FOLDER))
            except FileNotFoundError:
                return
            for entry in entries:
                if entry.filename != self._name and time.time() - (entry.st_mtime or 0) > _KEPT_S:
                    with suppress(OSError):
                        files.remove(str(_FOLDER / entry.filename))

    def _refuse_if_full(self, needed: int) -> None:
        said = self._ssh.run(f"df -Pk {_FOLDER}")
        lines = said.output.splitlines()
        fields = lines[-1].split() if said.exit_code == 0 and lines else []
        try:
            free = int(fields[3]) * 1024
        except (IndexError, ValueError):
            return  # it will be seen when it is full
        if free < needed + _SPARE_BYTES:
            raise LaunchError(
                f"{self._ssh}: no room for the image: {needed >> 20} MiB are needed in ~/{_FOLDER}, and "
                f"{free >> 20} MiB are free",
                advice=f"make room on {fields[-1]} there",
            )


def _make_folder(files: paramiko.SFTPClient) -> None:
    made = PurePosixPath()
    for part in _FOLDER.parts:
        made /= part
        try:
            mode = files.lstat(str(made)).st_mode or 0
        except FileNotFoundError:
            files.mkdir(str(made), 0o700)
            continue
        if not stat.S_ISDIR(mode) and not stat.S_ISLNK(mode):
            raise LaunchError(f"~/{made} is there and is no folder")
    files.chmod(str(_FOLDER), 0o700)


def _size_of(files: paramiko.SFTPClient, path: str) -> int:
    try:
        return files.stat(path).st_size or 0
    except FileNotFoundError:
        return 0
