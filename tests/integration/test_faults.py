"""What becomes of a file when the network, the server or its disk fails under it."""

from __future__ import annotations

import hashlib
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path, PurePosixPath
from typing import BinaryIO

import pytest
from pydantic import SecretStr

from ftp_server.certificates import create_certificate
from ftp_server.permissions import Role
from ftp_server.server import FtpServer
from protocol import transfer
from protocol.account import Account
from protocol.deadline import Deadline
from protocol.errors import (
    RefusedTransferError,
    ServerFullError,
    TransferError,
    TransientTransferError,
    UntrustedServerError,
)
from protocol.ftp_connection import FtpConnection
from protocol.local_part import LocalPart
from protocol.retry import RetryPolicy
from protocol.transfer import TransferClient
from protocol.transfer_names import Digest, temporary_name
from tests.integration.proxy import Fault, Proxy, wait_for

MODEL = PurePosixPath("/models/m.bin")
RESULT = PurePosixPath("/machines/box/camp/results/t1.0.json.gz")
DATA = os.urandom(3 << 20)
HALF = len(DATA) // 2
SHA256 = hashlib.sha256(DATA).hexdigest()
QUICK = RetryPolicy(attempts=6, first_pause_s=0.05, longest_pause_s=0.3)

# A server whose password and certificate are those of before, as they are after a restart of the real one.
_SERVER = """
import secrets, signal, sys
from pathlib import Path
import ftp_server.server
from ftp_server.permissions import Role

state, port = Path(sys.argv[1]), int(sys.argv[2])

def certificate(names, path):
    path.write_bytes((state / "server.pem").read_bytes())
    return (state / "ca.pem").read_text()

ftp_server.server.create_certificate = certificate
secrets.token_urlsafe = lambda size: (state / "password").read_text()
server = ftp_server.server.FtpServer(state / "root", port=port)
server.start()
server.add_account("integrator", Role.INTEGRATOR)
server.add_account("box", Role.MACHINE)
print("ready", flush=True)
signal.pause()
"""


class ServerProcess:
    """The FTP server in a process of its own, that can be killed and started again."""

    def __init__(self, state: Path) -> None:
        self._state = state
        self.root = state / "root"
        with socket.create_server(("127.0.0.1", 0)) as free:
            self._port = int(free.getsockname()[1])
        self.new_certificate()
        self.new_password("first-password")
        self._process: subprocess.Popen[bytes] | None = None

    def new_certificate(self) -> None:
        (self._state / "ca.pem").write_text(create_certificate(["127.0.0.1"], self._state / "server.pem"))

    def new_password(self, password: str) -> None:
        (self._state / "password").write_text(password)

    def account(self, user: str) -> Account:
        return Account(
            host="127.0.0.1",
            port=self._port,
            user=user,
            password=SecretStr((self._state / "password").read_text()),
            ca_certificate=(self._state / "ca.pem").read_text(),
        )

    def start(self) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-c", _SERVER, str(self._state), str(self._port)], stdout=subprocess.PIPE
        )
        assert self._process.stdout is not None
        assert self._process.stdout.readline() == b"ready\n"

    def kill(self) -> None:
        if self._process is not None:
            self._process.send_signal(signal.SIGKILL)
            self._process.communicate()
            self._process = None

    def restart(self) -> None:
        self.kill()
        self.start()

    def disk(self, path: PurePosixPath) -> Path:
        return self.root / path.relative_to("/")

    def put(self, path: PurePosixPath, data: bytes) -> None:
        self.disk(path).parent.mkdir(parents=True, exist_ok=True)
        self.disk(path).write_bytes(data)


@pytest.fixture
def process(tmp_path: Path) -> Iterator[ServerProcess]:
    state = tmp_path / "state"
    state.mkdir()
    server = ServerProcess(state)
    server.start()
    yield server
    server.kill()


@pytest.fixture
def server(tmp_path: Path) -> Iterator[FtpServer]:
    with FtpServer(tmp_path / "root") as server:
        yield server


@pytest.fixture
def proxy(monkeypatch: pytest.MonkeyPatch) -> Iterator[Proxy]:
    """Every data connection goes through it."""
    direct = FtpConnection.makepasv
    with Proxy() as proxy:

        def around(self: FtpConnection) -> tuple[str, int]:
            host, port = direct(self)
            return host, proxy.route(port)

        monkeypatch.setattr(FtpConnection, "makepasv", around)
        yield proxy


@pytest.fixture
def offsets(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Where each attempt of an upload began."""
    begun: list[int] = []
    chunks = transfer._chunks

    def noted(stream: BinaryIO, offset: int) -> Iterator[bytes]:
        begun.append(offset)
        yield from chunks(stream, offset)

    monkeypatch.setattr(transfer, "_chunks", noted)
    return begun


def files(folder: Path) -> list[str]:
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file())


def source_of(tmp_path: Path) -> Path:
    (tmp_path / "source").write_bytes(DATA)
    return tmp_path / "source"


def once(action: Callable[[], None]) -> Callable[[], None]:
    left = [action]
    return lambda: left.pop()() if left else None


# --- the network


@pytest.mark.parametrize("kind", ["cut", "truncate", "stall", "flip"])
def test_an_upload_outlives_the_network(
    server: FtpServer, proxy: Proxy, tmp_path: Path, offsets: list[int], kind: str
) -> None:
    account = server.add_account("integrator", Role.INTEGRATOR)
    proxy.fault = Fault(kind, after=HALF)
    began = time.monotonic()
    with TransferClient(account, timeout_s=0.5, retry=QUICK) as client:
        client.upload(source_of(tmp_path), MODEL, sha256=SHA256)
    assert time.monotonic() - began < 5
    assert files(server.root) == ["models/m.bin"]
    assert (server.root / "models/m.bin").read_bytes() == DATA
    assert len(offsets) == 2
    if kind in ("cut", "stall"):
        assert offsets[1] > 0  # what had arrived was not sent again


@pytest.mark.parametrize("kind", ["cut", "truncate", "stall", "flip"])
def test_a_download_outlives_the_network(
    server: FtpServer, proxy: Proxy, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: str
) -> None:
    account = server.add_account("box", Role.MACHINE)
    (server.root / "models/m.bin").write_bytes(DATA)
    target = tmp_path / "cache" / "m.bin"
    written: list[int] = []
    write = LocalPart.write

    def noted(self: LocalPart, chunk: bytes) -> None:
        written.append(len(chunk))
        write(self, chunk)

    monkeypatch.setattr(LocalPart, "write", noted)
    proxy.fault = Fault(kind, after=HALF, upwards=False)
    began = time.monotonic()
    with TransferClient(account, timeout_s=0.5, retry=QUICK) as client:
        client.download(MODEL, target, sha256=SHA256, size=len(DATA))
    assert time.monotonic() - began < 5
    assert files(target.parent) == ["m.bin"]
    assert target.read_bytes() == DATA
    assert sum(written) == len(DATA)  # each byte crossed once


@pytest.mark.parametrize("kind", ["cut", "truncate", "stall", "flip"])
@pytest.mark.parametrize("upwards", [True, False])
def test_a_result_outlives_the_network(server: FtpServer, proxy: Proxy, kind: str, upwards: bool) -> None:
    account = server.add_account("box", Role.MACHINE)
    (server.root / "machines/box/camp").mkdir(parents=True)
    data = DATA[:100_000]
    with TransferClient(account, timeout_s=0.5, retry=QUICK) as client:
        client.make_folder(RESULT.parent)
        proxy.fault = Fault(kind, after=50_000 if upwards else 0, upwards=upwards)
        client.write(RESULT, data, replace=False)
        proxy.fault = Fault(kind, after=0 if upwards else 50_000, upwards=upwards)
        assert client.read(RESULT, max_bytes=len(data)) == data
    assert files(server.root) == [str(RESULT.relative_to("/"))]


def test_a_line_that_stays_slow_ends_at_the_deadline_and_goes_on_later(
    server: FtpServer, proxy: Proxy, tmp_path: Path
) -> None:
    account = server.add_account("box", Role.MACHINE)
    (server.root / "models/m.bin").write_bytes(DATA)
    target = tmp_path / "cache" / "m.bin"
    with TransferClient(account, timeout_s=5, retry=QUICK) as client:
        proxy.fault = Fault("slow", after=HALF, upwards=False)
        began = time.monotonic()
        with pytest.raises(
            TransientTransferError, match=r"m\.bin: could not be fetched: not done within 1 s"
        ):
            client.download(MODEL, target, sha256=SHA256, size=len(DATA), deadline=Deadline(1))
        assert time.monotonic() - began < 1.3
        (part,) = target.parent.iterdir()
        assert part.stat().st_size >= HALF // 2
        proxy.fault = None
        client.download(MODEL, target, sha256=SHA256, size=len(DATA))
    assert files(target.parent) == ["m.bin"]
    assert target.read_bytes() == DATA


def test_a_line_that_is_cut_each_time_is_an_error_that_says_so(
    server: FtpServer, proxy: Proxy, tmp_path: Path
) -> None:
    account = server.add_account("integrator", Role.INTEGRATOR)
    proxy.fault = Fault("stall", after=0, times=99)
    began = time.monotonic()
    with (
        TransferClient(account, timeout_s=0.2, operation_s=1, retry=QUICK) as client,
        pytest.raises(TransientTransferError, match=r"status: could not be stored: no") as failure,
    ):
        client.write(PurePosixPath("/status"), b"x")
    assert time.monotonic() - began < 2
    assert failure.value.advice
    assert wait_for(lambda: files(server.root) == [])


# --- the server


@pytest.mark.parametrize("user", ["integrator", "box"])
def test_the_server_is_killed_before_the_name(
    process: ServerProcess, monkeypatch: pytest.MonkeyPatch, user: str
) -> None:
    process.put(RESULT.with_name("t0.0.json.gz"), b"")
    strike = once(process.restart)
    check = TransferClient._check_stored

    def killed(
        self: TransferClient, connection: FtpConnection, temporary: PurePosixPath, wanted: Digest
    ) -> None:
        check(self, connection, temporary, wanted)
        strike()

    monkeypatch.setattr(TransferClient, "_check_stored", killed)
    with TransferClient(process.account(user), timeout_s=2, retry=QUICK) as client:
        client.write(RESULT, b"numbers", replace=False)
    assert process.disk(RESULT).read_bytes() == b"numbers"
    assert len(files(process.root)) == 2


def test_the_server_is_killed_in_an_upload(
    process: ServerProcess, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    part = process.disk(MODEL.with_name(temporary_name(MODEL.name, owner="integrator", tag=SHA256)))
    begun: list[int] = []
    chunks = transfer._chunks

    def arrived() -> bool:
        return part.exists() and part.stat().st_size > HALF // 2

    def killed(stream: BinaryIO, offset: int) -> Iterator[bytes]:
        begun.append(offset)
        for number, chunk in enumerate(chunks(stream, offset)):
            if len(begun) == 1 and number == HALF // len(chunk):
                assert wait_for(arrived)
                process.restart()
            yield chunk

    monkeypatch.setattr(transfer, "_chunks", killed)
    with TransferClient(process.account("integrator"), timeout_s=2, retry=QUICK) as client:
        client.upload(source_of(tmp_path), MODEL, sha256=SHA256)
    assert files(process.root) == ["models/m.bin"]
    assert process.disk(MODEL).read_bytes() == DATA
    assert begun[0] == 0
    assert begun[1] > HALF // 2


def test_the_server_is_killed_in_a_download(
    process: ServerProcess, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    process.put(MODEL, DATA)
    strike = once(process.restart)
    write = LocalPart.write

    def killed(self: LocalPart, chunk: bytes) -> None:
        write(self, chunk)
        if self.size > HALF:
            strike()

    monkeypatch.setattr(LocalPart, "write", killed)
    target = tmp_path / "cache" / "m.bin"
    with TransferClient(process.account("box"), timeout_s=2, retry=QUICK) as client:
        client.download(MODEL, target, sha256=SHA256, size=len(DATA))
    assert files(target.parent) == ["m.bin"]
    assert target.read_bytes() == DATA


def test_a_dead_server_leaves_a_part_that_the_next_client_takes_up(
    process: ServerProcess, tmp_path: Path, offsets: list[int]
) -> None:
    part = MODEL.with_name(temporary_name(MODEL.name, owner="integrator", tag=SHA256))
    process.put(part, DATA[:HALF])
    with TransferClient(process.account("integrator"), timeout_s=2, retry=QUICK) as client:
        client.upload(source_of(tmp_path), MODEL, sha256=SHA256)
        assert offsets == [HALF]
        process.put(part, b"another content" * 10)
        process.disk(MODEL).unlink()
        client.upload(source_of(tmp_path), MODEL, sha256=SHA256)
        assert offsets == [HALF, 0]
        process.put(part, DATA)
        process.disk(MODEL).unlink()
        client.upload(source_of(tmp_path), MODEL, sha256=SHA256)
        assert offsets == [HALF, 0]  # it had arrived whole: only the name was missing
    assert files(process.root) == ["models/m.bin"]
    assert process.disk(MODEL).read_bytes() == DATA


def test_a_part_of_something_else_is_not_gone_on_with(server: FtpServer, tmp_path: Path) -> None:
    account = server.add_account("box", Role.MACHINE)
    (server.root / "models/m.bin").write_bytes(DATA)
    target = tmp_path / "cache" / "m.bin"
    target.parent.mkdir()
    mine = target.with_name(f".m.bin.part-{SHA256[:16]}")
    for content in (b"another", DATA[:HALF], DATA, DATA + b"more", bytes(len(DATA))):
        mine.write_bytes(content)
        target.with_name(".m.bin.part-0123456789abcdef").write_bytes(b"of an older model")
        with TransferClient(account, timeout_s=2, retry=QUICK) as client:
            client.download(MODEL, target, sha256=SHA256, size=len(DATA))
        assert files(target.parent) == ["m.bin"]
        assert target.read_bytes() == DATA


def test_a_new_password_is_a_refusal_that_is_not_tried_again(process: ServerProcess) -> None:
    with TransferClient(process.account("box"), timeout_s=2, retry=QUICK) as client:
        assert client.digest(MODEL) is None
        process.new_password("second-password")
        process.restart()
        began = time.monotonic()
        with pytest.raises(RefusedTransferError, match=r"could not log in as box.*530") as failure:
            client.digest(MODEL)
        assert time.monotonic() - began < 2  # the server thinks for a second about a wrong password
    assert "account file" in failure.value.advice
    assert "password" not in str(failure.value)
    with TransferClient(process.account("box"), timeout_s=2, retry=QUICK) as client:
        assert client.digest(MODEL) is None


def test_a_new_certificate_is_a_refusal_that_is_not_tried_again(process: ServerProcess) -> None:
    with TransferClient(process.account("box"), timeout_s=2, retry=QUICK) as client:
        assert client.digest(MODEL) is None
        process.new_certificate()
        process.restart()
        began = time.monotonic()
        with pytest.raises(UntrustedServerError, match="its certificate is not to be trusted: ") as failure:
            client.digest(MODEL)
        assert time.monotonic() - began < 0.5
    assert "a new CA" in failure.value.advice


@pytest.mark.parametrize("user", ["integrator", "box"])
def test_a_full_disk_keeps_no_part(tmp_path: Path, user: str) -> None:
    disk = tmp_path / "small"
    disk.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=2m", "tmpfs", str(disk)], check=False, capture_output=True
    )
    if mounted.returncode:
        pytest.skip(f"a tmpfs cannot be mounted here: {mounted.stderr.decode().strip()}")
    try:
        with FtpServer(disk / "root") as server:
            account = server.add_account(user, Role(user) if user == "integrator" else Role.MACHINE)
            (server.root / RESULT.relative_to("/")).parent.mkdir(parents=True)
            with TransferClient(account, timeout_s=2, retry=QUICK) as client:
                with pytest.raises(TransferError, match="No space left on device") as failure:
                    client.write(RESULT, DATA)
                assert isinstance(failure.value, ServerFullError)
                assert wait_for(lambda: files(server.root) == [])
                client.write(RESULT, DATA[: 1 << 20])
            assert files(server.root) == [str(RESULT.relative_to("/"))]
    finally:
        subprocess.run(["umount", "-l", str(disk)], check=True)
