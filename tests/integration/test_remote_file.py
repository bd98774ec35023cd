"""A file that grows on another machine, over a real sshd: in pieces, damaged, without room."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from integrator.launch.remote_file import RemoteFile
from protocol.errors import LaunchError, UnreachableError
from tests.integration.proxy import Fault, Proxy
from tests.launching.sshd import Sshd, run_sshd

SIZE = 6 << 20


@pytest.fixture
def sshd(tmp_path: Path) -> Iterator[Sshd]:
    with run_sshd(tmp_path / "sshd") as server:
        server.know()
        server.know(host="127.0.0.2")
        yield server


@pytest.fixture
def source(tmp_path: Path) -> Path:
    path = tmp_path / "source"
    path.write_bytes(os.urandom(SIZE))
    return path


def sha256(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def test_sent_at_once(sshd: Sshd, source: Path) -> None:
    told: list[int] = []
    with sshd.connection() as ssh:
        remote = RemoteFile(ssh, "x.tar.gz")
        remote.append(source, SIZE, lambda done, total: told.append(done))
        assert remote.sha256(timeout_s=30) == sha256(source)
        there = sshd.home / ".cache/fleetmark/images"
        assert (there / "x.tar.gz").read_bytes() == source.read_bytes()
        assert there.stat().st_mode & 0o777 == 0o700
        assert told[0] == 0
        assert told == sorted(told)
        assert told[-1] == SIZE
        remote.remove()
        remote.remove()
        assert list(there.iterdir()) == []


def test_a_broken_transfer_goes_on_where_it_stopped(sshd: Sshd, source: Path) -> None:
    told: list[int] = []
    with Proxy([sshd.port]) as proxy, sshd.connection(host="127.0.0.2") as ssh:
        remote = RemoteFile(ssh, "x.tar.gz")
        ssh.transport()
        proxy.fault = Fault("cut", after=3 << 20, control=True)
        with pytest.raises(UnreachableError):
            remote.append(source, SIZE, lambda done, total: None)
        proxy.fault = None
        arrived = (sshd.home / remote.path).stat().st_size
        assert 0 < arrived < SIZE
        remote.append(source, SIZE, lambda done, total: told.append(done))
        assert told[0] == arrived
        assert remote.sha256(timeout_s=30) == sha256(source)


def test_more_than_there_is_begins_anew(sshd: Sshd, source: Path) -> None:
    with sshd.connection() as ssh:
        remote = RemoteFile(ssh, "x.tar.gz")
        (sshd.home / remote.path).parent.mkdir(parents=True)
        (sshd.home / remote.path).write_bytes(b"x" * (SIZE + 1))
        remote.append(source, SIZE, lambda done, total: None)
        assert remote.sha256(timeout_s=30) == sha256(source)


def test_what_others_left_is_removed_after_a_day(sshd: Sshd) -> None:
    with sshd.connection() as ssh:
        remote = RemoteFile(ssh, "x.tar.gz")
        remote.remove_old()  # there is no folder yet
        folder = (sshd.home / remote.path).parent
        folder.mkdir(parents=True)
        for name, age_s in (("x.tar.gz", 90_000), ("old", 90_000), ("new", 80_000)):
            (folder / name).touch()
            then = (folder / name).stat().st_mtime - age_s
            os.utime(folder / name, (then, then))
        remote.remove_old()
        assert {path.name for path in folder.iterdir()} == {"x.tar.gz", "new"}


def test_no_room_is_seen_before_anything_is_sent(sshd: Sshd, source: Path) -> None:
    with sshd.connection() as ssh:
        remote = RemoteFile(ssh, "x.tar.gz")
        with pytest.raises(LaunchError, match="no room for the image: 8796093022208 MiB are needed"):
            remote.append(source, 1 << 63, lambda done, total: None)
        assert not (sshd.home / remote.path).exists()
