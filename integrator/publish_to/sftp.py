"""A site in a folder of a server, over SFTP: uploaded beside it, and then in its place."""

from __future__ import annotations

import posixpath
import secrets
import stat
import time
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path

import paramiko

from integrator.config.docker_start import DockerStart
from integrator.launch.logins import Passwords
from integrator.launch.ssh import Ssh
from integrator.publish_to.destination import Sftp
from integrator.publish_to.folder import MARK
from protocol.errors import FleetmarkError, UserError

__all__ = ["publish_to_sftp"]

_WORKERS = 4
"""Uploads side by side: a file costs some round trips."""
_LEFT_BEHIND_S = 86_400


def publish_to_sftp(
    site: Path, target: Sftp, *, known_hosts: Path | None = None, key_file: Path | None = None
) -> None:
    """Put a copy of `site` in the place of the folder, whole or not at all.

    It is uploaded to a folder beside, and two renames swap the two.

    Raises:
        UserError: the host's key is not known, the login is refused, or the folder holds something else.
        UnreachableError: nobody answers, or the connection broke; the old site is there.
        FleetmarkError: the server does not take it.
    """
    start = DockerStart(
        host=f"ssh://{target.user}@{_bracketed(target.host)}:{target.port}",
        known_hosts=known_hosts,
        key_file=key_file,
    )
    ssh = Ssh(start, Passwords())
    try:
        with ssh.files() as files:
            _refuse_what_is_not_ours(files, target)
            parent, name = posixpath.split(target.path)
            _make_folders(files, parent)
            prefix = f".{name}.fleetmark-"
            _clear(files, parent, prefix, older_than=time.time() - _LEFT_BEHIND_S)
            staged = posixpath.join(parent, f"{prefix}{secrets.token_hex(8)}")
            try:
                _upload(ssh, files, site, staged)
                _swap(files, staged, target)
            except BaseException:
                with suppress(OSError, paramiko.SSHException, EOFError):
                    _remove(files, staged)
                raise
    finally:
        ssh.close()


def _bracketed(host: str) -> str:
    return f"[{host}]" if ":" in host else host


def _exists(files: paramiko.SFTPClient, path: str) -> bool:
    try:
        files.lstat(path)
    except FileNotFoundError:
        return False
    return True


def _refuse_what_is_not_ours(files: paramiko.SFTPClient, target: Sftp) -> None:
    if not _exists(files, target.path):
        return
    facts = files.lstat(target.path)
    folder = stat.S_ISDIR(facts.st_mode or 0)
    if folder and (_exists(files, posixpath.join(target.path, MARK)) or not files.listdir(target.path)):
        return
    raise UserError(
        f"{target}: there is something here that fleetmark did not publish",
        advice="Name a folder of its own, not that of the whole web server.",
    )


def _make_folders(files: paramiko.SFTPClient, path: str) -> None:
    if path in {"", "/"} or _exists(files, path):
        return
    _make_folders(files, posixpath.dirname(path))
    files.mkdir(path, 0o755)


def _upload(ssh: Ssh, files: paramiko.SFTPClient, site: Path, staged: str) -> None:
    """Folders first, then the files, several at a time; each is compared by size."""
    found = sorted(site.rglob("*"))
    files.mkdir(staged, 0o755)
    for path in found:
        if path.is_dir() and not path.is_symlink():
            files.mkdir(posixpath.join(staged, path.relative_to(site).as_posix()), 0o755)
    todo = [path for path in found if path.is_file() and not path.is_symlink()]

    def send(part: Iterable[Path]) -> None:
        with ssh.files() as own:
            for path in part:
                own.put(str(path), posixpath.join(staged, path.relative_to(site).as_posix()), confirm=True)

    parts = [todo[number::_WORKERS] for number in range(min(_WORKERS, len(todo)))]
    with ThreadPoolExecutor(_WORKERS) as pool:
        for done in [pool.submit(send, part) for part in parts]:
            done.result()


def _swap(files: paramiko.SFTPClient, staged: str, target: Sftp) -> None:
    previous = f"{staged}.previous"
    had = _exists(files, target.path)
    if had:
        files.rename(target.path, previous)
    try:
        files.rename(staged, target.path)
    except OSError as error:
        if had:
            files.rename(previous, target.path)
        raise FleetmarkError(f"{target}: the new site cannot take its place: {error}") from error
    if had:
        _remove(files, previous)


def _clear(files: paramiko.SFTPClient, parent: str, prefix: str, *, older_than: float) -> None:
    """Remove what publishes that were cut off left behind."""
    for entry in files.listdir_attr(parent or "."):
        if entry.filename.startswith(prefix) and (entry.st_mtime or time.time()) < older_than:
            with suppress(OSError):
                _remove(files, posixpath.join(parent, entry.filename))


def _remove(files: paramiko.SFTPClient, path: str) -> None:
    for entry in files.listdir_attr(path):
        inner = posixpath.join(path, entry.filename)
        if stat.S_ISDIR(entry.st_mode or 0):
            _remove(files, inner)
        else:
            files.remove(inner)
    files.rmdir(path)
