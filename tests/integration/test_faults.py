"""What becomes of a file when the network, the server or its disk fails under it.

The server is its own program; what fails on the way fails in a proxy that neither side knows of. Which step
the client is at when the server is killed is seen in the client, which runs here.
"""

from __future__ import annotations

import hashlib
import os
import re
import select
import shutil
import socket
import ssl
import subprocess
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import BinaryIO

import pytest

from ftp_server.permissions import Role
from ftp_server.server import FtpServer
from protocol import transfer
from protocol.account import Account
from protocol.deadline import Deadline
from protocol.errors import (
    LoginRefusedError,
    ServerFullError,
    TransferError,
    TransientTransferError,
    UntrustedServerError,
)
from protocol.ftp_connection import FtpConnection, trust
from protocol.local_part import LocalPart
from protocol.retry import RetryPolicy
from protocol.transfer import TransferClient
from protocol.transfer_names import Digest, temporary_name
from tests.integration.proxy import Fault, Proxy, wait_for
from tests.integration.server_process import ServerProcess, files

MODEL = PurePosixPath("/models/m.bin")
RESULT = PurePosixPath("/machines/box/camp/results/t1.0.json.gz")
DATA = os.urandom(3 << 20)
HALF = len(DATA) // 2
SHA256 = hashlib.sha256(DATA).hexdigest()
QUICK = RetryPolicy(attempts=6, first_pause_s=0.05, longest_pause_s=0.3)
NAMED = str(RESULT.relative_to("/"))
KINDS = ["cut", "truncate", "stall", "flip"]


@dataclass
class Site:
    """A server, the network before it, and two who have accounts."""

    server: ServerProcess
    proxy: Proxy
    integrator: Account
    box: Account

    def user(self, name: str) -> Account:
        return self.box if name == "box" else self.integrator


@pytest.fixture(scope="module")
def lasting(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    server = ServerProcess(tmp_path_factory.mktemp("site") / "server")
    server.start()
    with Proxy(server.ports) as proxy:
        yield Site(server, proxy, server.account("integrator"), server.account("box"))
    assert server.stop() == 0


@pytest.fixture
def site(lasting: Site) -> Site:
    """The server of all tests that do it no harm, with nothing on it."""
    lasting.proxy.fault = None
    for top in lasting.server.files.iterdir():
        for path in top.iterdir():
            shutil.rmtree(path) if path.is_dir() else path.unlink()
    return lasting


@pytest.fixture
def mortal(tmp_path: Path) -> Iterator[Site]:
    """A server of one's own."""
    server = ServerProcess(tmp_path / "server")
    server.start()
    with Proxy(server.ports) as proxy:
        yield Site(server, proxy, server.account("integrator"), server.account("box"))
    server.kill()


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


def make_folder(site: Site) -> None:
    site.server.disk(RESULT.parent).mkdir(parents=True)


def source_of(tmp_path: Path) -> Path:
    (tmp_path / "source").write_bytes(DATA)
    return tmp_path / "source"


def once(action: Callable[[], None]) -> Callable[[], None]:
    left = [action]
    return lambda: left.pop()() if left else None


# --- the network


@pytest.mark.parametrize("kind", KINDS)
def test_an_upload_outlives_the_network(site: Site, tmp_path: Path, offsets: list[int], kind: str) -> None:
    account = site.integrator
    site.proxy.fault = Fault(kind, after=HALF)
    began = time.monotonic()
    with TransferClient(account, timeout_s=1.5, retry=QUICK) as client:
        client.upload(source_of(tmp_path), MODEL, sha256=SHA256)
    assert time.monotonic() - began < 10
    assert files(site.server.files) == ["models/m.bin"]
    assert site.server.disk(MODEL).read_bytes() == DATA
    assert len(offsets) == 2
    if kind != "flip":
        assert offsets[1] > 0  # what had arrived was not sent again


@pytest.mark.parametrize("kind", KINDS)
def test_a_download_outlives_the_network(
    site: Site, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: str
) -> None:
    account = site.box
    site.server.put(MODEL, DATA)
    target = tmp_path / "cache" / "m.bin"
    written: list[int] = []
    write = LocalPart.write

    def noted(self: LocalPart, chunk: bytes) -> None:
        written.append(len(chunk))
        write(self, chunk)

    monkeypatch.setattr(LocalPart, "write", noted)
    site.proxy.fault = Fault(kind, after=HALF, upwards=False)
    began = time.monotonic()
    with TransferClient(account, timeout_s=1.5, retry=QUICK) as client:
        client.download(MODEL, target, sha256=SHA256, size=len(DATA))
    assert time.monotonic() - began < 10
    assert files(target.parent) == ["m.bin"]
    assert target.read_bytes() == DATA
    assert sum(written) == len(DATA)  # each byte crossed once


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("upwards", [True, False])
def test_a_result_outlives_the_network(site: Site, kind: str, upwards: bool) -> None:
    account = site.box
    make_folder(site)
    data = DATA[:100_000]
    with TransferClient(account, timeout_s=1.5, retry=QUICK) as client:
        site.proxy.fault = Fault(kind, after=50_000 if upwards else 0, upwards=upwards)
        client.write(RESULT, data, replace=False)
        site.proxy.fault = Fault(kind, after=0 if upwards else 50_000, upwards=upwards)
        assert client.read(RESULT, max_bytes=len(data)) == data
    assert files(site.server.files) == [str(RESULT.relative_to("/"))]


def test_a_line_that_stays_slow_ends_at_the_deadline_and_goes_on_later(site: Site, tmp_path: Path) -> None:
    account = site.box
    site.server.put(MODEL, DATA)
    target = tmp_path / "cache" / "m.bin"
    with TransferClient(account, timeout_s=5, retry=QUICK) as client:
        site.proxy.fault = Fault("slow", after=HALF, upwards=False)
        began = time.monotonic()
        with pytest.raises(
            TransientTransferError, match=r"m\.bin: could not be fetched: not done within 2 s"
        ):
            client.download(MODEL, target, sha256=SHA256, size=len(DATA), deadline=Deadline(2))
        assert time.monotonic() - began < 10
        (part,) = target.parent.iterdir()
        assert part.stat().st_size >= HALF // 2
        site.proxy.fault = None
        client.download(MODEL, target, sha256=SHA256, size=len(DATA))
    assert files(target.parent) == ["m.bin"]
    assert target.read_bytes() == DATA


def test_a_line_that_is_cut_each_time_is_an_error_that_says_so(site: Site, tmp_path: Path) -> None:
    account = site.integrator
    site.proxy.fault = Fault("stall", after=0, times=99)
    began = time.monotonic()
    with (
        TransferClient(account, timeout_s=0.2, operation_s=1, retry=QUICK) as client,
        pytest.raises(
            TransientTransferError, match=r"could not .*: (no answer|not done) within 0?\.?[12] s"
        ) as failure,
    ):
        client.write(PurePosixPath("/status"), b"x")
    assert time.monotonic() - began < 10
    assert failure.value.advice
    assert wait_for(lambda: files(site.server.files) == [])


@pytest.mark.parametrize("kind", ["cut", "truncate", "flip"])
@pytest.mark.parametrize("upwards", [True, False])
def test_a_result_outlives_a_control_connection_that_fails_anywhere(
    site: Site, kind: str, upwards: bool
) -> None:
    """A command or an answer is some 50 to 130 bytes: each of them is met."""
    make_folder(site)
    struck = 0
    with TransferClient(site.box, timeout_s=2, retry=QUICK) as client:
        for number, after in enumerate(range(0, 800, 80)):
            assert client.digest(MODEL) is None  # connected
            fault = site.proxy.fault = Fault(kind, after=after, control=True, upwards=upwards)
            client.write(RESULT.with_name(f"t{number}.0.json.gz"), DATA[:20_000], replace=False)
            struck += fault.times == 0
            site.proxy.fault = None
    assert struck >= 6  # all before the answer to the last command
    found = [path for path in site.server.disk(RESULT.parent).iterdir() if ".part-" not in path.name]
    assert len(found) == 10
    assert all(path.read_bytes() == DATA[:20_000] for path in found)


@pytest.mark.parametrize(("after", "upwards"), [(0, False), (300, False), (500, False), (250, True)])
def test_a_result_outlives_a_silent_control_connection(site: Site, after: int, upwards: bool) -> None:
    make_folder(site)
    with TransferClient(site.box, timeout_s=1.5, retry=QUICK) as client:
        assert client.digest(MODEL) is None
        fault = site.proxy.fault = Fault("stall", after=after, control=True, upwards=upwards)
        began = time.monotonic()
        client.write(RESULT, DATA[:20_000], replace=False)
    assert fault.times == 0
    assert time.monotonic() - began < 10
    assert NAMED in files(site.server.files)


def test_a_result_crosses_a_line_of_10_kilobytes_a_second(site: Site) -> None:
    """Also one that lies in the system's buffers for longer than a wait may last."""
    make_folder(site)
    with TransferClient(site.box, timeout_s=3, retry=RetryPolicy(attempts=1)) as client:
        assert client.digest(MODEL) is None
        site.proxy.fault = Fault("slow")
        began = time.monotonic()
        client.write(RESULT, DATA[:40_000], replace=False)
        assert time.monotonic() - began > 3.5
        site.proxy.fault = Fault("slow", upwards=False)
        site.server.put(MODEL, DATA[:15_000])
        assert client.read(MODEL, max_bytes=15_000) == DATA[:15_000]
    assert files(site.server.files) == [NAMED, "models/m.bin"]


def test_a_slow_control_connection_is_only_slow(site: Site) -> None:
    make_folder(site)
    with TransferClient(site.box, timeout_s=5, retry=RetryPolicy(attempts=1)) as client:
        for upwards in (True, False):
            site.proxy.fault = Fault("slow", control=True, upwards=upwards)
            client.write(RESULT, DATA[:20_000], replace=False)
    assert files(site.server.files) == [NAMED]


def test_a_line_that_damages_each_time_stores_nothing(site: Site) -> None:
    make_folder(site)
    site.proxy.fault = Fault("flip", after=10_000, times=99)
    with (
        TransferClient(site.box, timeout_s=1.5, operation_s=8, retry=QUICK) as client,
        pytest.raises(TransientTransferError, match=r"t1\.0\.json\.gz: could not be stored: "),
    ):
        client.write(RESULT, DATA[:20_000], replace=False)
    assert wait_for(lambda: files(site.server.files) == [])


def test_data_connections_resume_the_tls_session(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    make_folder(site)
    reused: list[bool | None] = []
    open_channel = FtpConnection.ntransfercmd

    def noted(
        self: FtpConnection, cmd: str, rest: int | str | None = None
    ) -> tuple[socket.socket, int | None]:
        channel, size = open_channel(self, cmd, rest)
        assert isinstance(channel, ssl.SSLSocket)
        reused.append(channel.session_reused)
        return channel, size

    monkeypatch.setattr(FtpConnection, "ntransfercmd", noted)
    with TransferClient(site.box, timeout_s=2) as client:
        client.write(RESULT, b"numbers", replace=False)
        client.list(RESULT.parent)
        client.read(RESULT, max_bytes=100)
    assert reused == [True, True, True]


def test_a_connection_that_is_reset_before_tls_is_closed(site: Site) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        client = socket.create_connection(listener.getsockname(), timeout=5)
        other, _ = listener.accept()
        other.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
        other.close()
        assert select.select([client], [], [], 5)[0]  # the reset has arrived
        number = client.fileno()
        with pytest.raises(ConnectionResetError) as failure:
            trust(site.box).wrap_socket(client, server_hostname="127.0.0.1")
        with pytest.raises(OSError, match="Bad file descriptor"):
            os.fstat(number)
    assert (
        failure.value.__traceback__ is not None
    )  # what it holds was not collected, and so not closed, before


# --- the server


@pytest.mark.parametrize("user", ["integrator", "box"])
def test_the_server_is_killed_before_the_name(
    mortal: Site, monkeypatch: pytest.MonkeyPatch, user: str
) -> None:
    make_folder(mortal)
    strike = once(mortal.server.restart)
    check = TransferClient._check_stored

    def killed(
        self: TransferClient, connection: FtpConnection, temporary: PurePosixPath, wanted: Digest
    ) -> None:
        check(self, connection, temporary, wanted)
        strike()

    monkeypatch.setattr(TransferClient, "_check_stored", killed)
    with TransferClient(mortal.user(user), timeout_s=2, retry=QUICK) as client:
        client.write(RESULT, b"numbers", replace=False)
    assert mortal.server.disk(RESULT).read_bytes() == b"numbers"
    # A machine cannot delete: a server that goes on removes what is left of an upload after a day.
    mine = temporary_name(RESULT.name, owner=user, tag=client._tag)
    assert set(files(mortal.server.files)) <= {NAMED, str(Path(NAMED).with_name(mine))}


def test_the_server_is_killed_in_an_upload(
    mortal: Site, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    part = mortal.server.disk(MODEL.with_name(temporary_name(MODEL.name, owner="integrator", tag=SHA256)))
    begun: list[int] = []
    chunks = transfer._chunks

    def arrived() -> bool:
        return part.exists() and part.stat().st_size > HALF // 2

    def killed(stream: BinaryIO, offset: int) -> Iterator[bytes]:
        begun.append(offset)
        for number, chunk in enumerate(chunks(stream, offset)):
            if len(begun) == 1 and number == HALF // len(chunk):
                assert wait_for(arrived)
                mortal.server.restart()
            yield chunk

    monkeypatch.setattr(transfer, "_chunks", killed)
    with TransferClient(mortal.integrator, timeout_s=2, retry=QUICK) as client:
        client.upload(source_of(tmp_path), MODEL, sha256=SHA256)
    assert files(mortal.server.files) == ["models/m.bin"]
    assert mortal.server.disk(MODEL).read_bytes() == DATA
    assert begun[0] == 0
    assert begun[1] > HALF // 2


def test_the_server_is_killed_in_a_download(
    mortal: Site, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    mortal.server.put(MODEL, DATA)
    strike = once(mortal.server.restart)
    write = LocalPart.write

    def killed(self: LocalPart, chunk: bytes) -> None:
        write(self, chunk)
        if self.size > HALF:
            strike()

    monkeypatch.setattr(LocalPart, "write", killed)
    target = tmp_path / "cache" / "m.bin"
    with TransferClient(mortal.box, timeout_s=2, retry=QUICK) as client:
        client.download(MODEL, target, sha256=SHA256, size=len(DATA))
    assert files(target.parent) == ["m.bin"]
    assert target.read_bytes() == DATA


def test_a_dead_server_leaves_a_part_that_the_next_client_takes_up(
    mortal: Site, tmp_path: Path, offsets: list[int]
) -> None:
    part = MODEL.with_name(temporary_name(MODEL.name, owner="integrator", tag=SHA256))
    mortal.server.put(part, DATA[:HALF])
    with TransferClient(mortal.integrator, timeout_s=2, retry=QUICK) as client:
        client.upload(source_of(tmp_path), MODEL, sha256=SHA256)
        assert offsets == [HALF]
        mortal.server.put(part, b"another content" * 10)
        mortal.server.disk(MODEL).unlink()
        client.upload(source_of(tmp_path), MODEL, sha256=SHA256)
        assert offsets == [HALF, 0]
        mortal.server.put(part, DATA)
        mortal.server.disk(MODEL).unlink()
        client.upload(source_of(tmp_path), MODEL, sha256=SHA256)
        assert offsets == [HALF, 0]  # it had arrived whole: only the name was missing
    assert files(mortal.server.files) == ["models/m.bin"]
    assert mortal.server.disk(MODEL).read_bytes() == DATA


def test_a_part_of_something_else_is_not_gone_on_with(site: Site, tmp_path: Path) -> None:
    site.server.put(MODEL, DATA)
    target = tmp_path / "cache" / "m.bin"
    target.parent.mkdir()
    mine = target.with_name(f".m.bin.part-{SHA256[:16]}")
    for content in (b"another", DATA[:HALF], DATA, DATA + b"more", bytes(len(DATA))):
        mine.write_bytes(content)
        target.with_name(".m.bin.part-0123456789abcdef").write_bytes(b"of an older model")
        with TransferClient(site.box, timeout_s=2, retry=QUICK) as client:
            client.download(MODEL, target, sha256=SHA256, size=len(DATA))
        assert files(target.parent) == ["m.bin"]
        assert target.read_bytes() == DATA


@pytest.mark.parametrize("user", ["integrator", "box"])
def test_the_server_is_killed_between_the_name_and_its_word(
    mortal: Site, monkeypatch: pytest.MonkeyPatch, user: str
) -> None:
    """The file has its name, and the client does not hear of it."""
    make_folder(mortal)
    put_line = FtpConnection.putline
    renames: list[str] = []

    def silenced(self: FtpConnection, line: str) -> None:
        if line.startswith("RNTO"):
            renames.append(line)
            mortal.proxy.fault = Fault("stall", control=True, upwards=False)
            put_line(self, line)
            assert wait_for(mortal.server.disk(RESULT).exists)
            mortal.server.restart()
            mortal.proxy.fault = None
        else:
            put_line(self, line)

    monkeypatch.setattr(FtpConnection, "putline", silenced)
    with TransferClient(mortal.user(user), timeout_s=1.5, retry=QUICK) as client:
        client.write(RESULT, b"numbers", replace=False)
    assert len(renames) == 1
    assert files(mortal.server.files) == [NAMED]
    assert mortal.server.disk(RESULT).read_bytes() == b"numbers"


def test_what_a_dead_client_left_is_removed_after_a_day(mortal: Site) -> None:
    make_folder(mortal)
    old = RESULT.with_name(temporary_name(RESULT.name, owner="box", tag="0"))
    young = RESULT.with_name(temporary_name(RESULT.name, owner="box", tag="1"))
    for path in (old, young, RESULT):
        mortal.server.put(path, b"half")
    for path, hours in ((old, 25), (young, 23), (RESULT, 1000)):
        then = time.time() - hours * 3600
        os.utime(mortal.server.disk(path), (then, then))
    mortal.server.restart()
    assert wait_for(lambda: not mortal.server.disk(old).exists())
    assert mortal.server.disk(young).exists()
    assert mortal.server.disk(RESULT).exists()


# --- the account


def test_another_password_is_a_refusal_that_is_not_tried_again(mortal: Site) -> None:
    newer: list[Account] = []
    with TransferClient(
        mortal.box, timeout_s=2, retry=QUICK, renew=lambda: newer.pop() if newer else None
    ) as client:
        assert client.digest(MODEL) is None
        rotated = mortal.server.rotate("box")

        def refusal() -> LoginRefusedError | None:
            try:
                client.digest(MODEL)
            except LoginRefusedError as error:
                return error
            return None

        assert wait_for(lambda: refusal() is not None)  # the open session ends within a second
        error = refusal()
        assert error is not None
        assert re.search(r"could not log in as box: .*530", str(error))
        assert "account file" in error.advice
        assert mortal.box.password.get_secret_value() not in str(error)
        asked = mortal.server.log.read_text().count("failed login")
        assert asked == 1
        for _ in range(30):  # more than would ban the address
            assert refusal() is not None
        newer.append(rotated)
        assert client.digest(MODEL) is None
    assert mortal.server.log.read_text().count("failed login") == asked


def test_a_certificate_of_the_same_authority_is_no_matter(mortal: Site) -> None:
    with TransferClient(mortal.box, timeout_s=2, retry=QUICK) as client:
        shown = certificate(client)
        mortal.server.restart()
        assert client.digest(MODEL) is None
        assert certificate(client) != shown


def test_another_authority_is_a_refusal_that_is_not_tried_again(mortal: Site) -> None:
    newer: list[Account] = []
    with TransferClient(
        mortal.box, timeout_s=2, retry=QUICK, renew=lambda: newer.pop() if newer else None
    ) as client:
        assert client.digest(MODEL) is None
        mortal.server.kill()
        mortal.server.replace_authority()
        mortal.server.start()
        before = mortal.server.log.read_text().count("session opened")
        with pytest.raises(UntrustedServerError, match="its certificate is not to be trusted: ") as failure:
            client.digest(MODEL)
        assert mortal.server.log.read_text().count("session opened") == before + 1
        assert "a new CA" in failure.value.advice
        newer.append(mortal.server.hand_over(mortal.box))
        assert client.digest(MODEL) is None


def certificate(client: TransferClient) -> bytes:
    assert client.digest(MODEL) is None
    assert client._connection is not None
    assert isinstance(client._connection.sock, ssl.SSLSocket)
    return client._connection.sock.getpeercert(binary_form=True) or b""


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
            assert files(server.root) == [NAMED]
    finally:
        subprocess.run(["umount", "-l", str(disk)], check=True)
