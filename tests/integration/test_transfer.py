"""The transfer client against the FTP server, over real sockets."""

from __future__ import annotations

import contextlib
import ftplib
import gc
import hashlib
import logging
import os
import re
import socket
import ssl
import stat
import subprocess
import threading
import time
import traceback
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import cast

import pytest
from cryptography import x509
from pydantic import SecretStr

from ftp_server.certificates import create_certificate
from ftp_server.permissions import Role
from ftp_server.server import FtpServer, _Listener
from ftp_server.session import DataChannel
from protocol.account import Account
from protocol.errors import (
    DocumentError,
    RefusedTransferError,
    TransferError,
    TransientTransferError,
    UntrustedServerError,
    UserError,
)
from protocol.ftp_connection import FtpConnection
from protocol.layout import CampaignFolder
from protocol.transfer import Digest, RetryPolicy, TransferClient
from tests.integration.proxy import wait_for

MINE = CampaignFolder("box", "camp")
OTHERS = CampaignFolder("other", "camp")
RESULT = MINE.result("t1", 0)
MODEL = PurePosixPath("/models/m.bin")
ONCE = RetryPolicy(attempts=1)
QUICK = RetryPolicy(attempts=3, first_pause_s=0.01)


@dataclass
class Lab:
    """A server with an integrator and two machines, and a campaign for each machine."""

    server: FtpServer
    integrator: Account
    box: Account
    other: Account

    def disk(self, path: PurePosixPath) -> Path:
        return self.server.root / path.relative_to("/")

    def put(self, path: PurePosixPath, data: bytes) -> None:
        self.disk(path).parent.mkdir(parents=True, exist_ok=True)
        self.disk(path).write_bytes(data)

    def unfinished(self) -> list[Path]:
        return [path for path in self.server.root.rglob("*") if ".part-" in path.name]


def start(server: FtpServer) -> Lab:
    lab = Lab(
        server,
        server.add_account("integrator", Role.INTEGRATOR),
        server.add_account("box", Role.MACHINE),
        server.add_account("other", Role.MACHINE),
    )
    lab.put(MINE.job, b"my job")
    lab.put(OTHERS.job, b"their job")
    lab.put(MODEL, b"weights")
    return lab


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[FtpServer]:
    with FtpServer(tmp_path_factory.mktemp("shared"), names=["localhost"]) as server:
        yield server


@pytest.fixture
def lab(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> Iterator[Lab]:
    with FtpServer(tmp_path / "root") as server:
        yield start(server)
    gc.collect()  # a socket or file left open would warn here, and a warning fails the test
    assert [record for record in caplog.get_records("call") if record.levelno >= logging.ERROR] == []


@pytest.fixture
def integrator(lab: Lab) -> Iterator[TransferClient]:
    with TransferClient(lab.integrator, timeout_s=5) as client:
        yield client


@pytest.fixture
def box(lab: Lab) -> Iterator[TransferClient]:
    with TransferClient(lab.box, timeout_s=5) as client:
        yield client


@pytest.fixture
def raw(lab: Lab) -> Iterator[ftplib.FTP_TLS]:
    """A client of somebody who does not use ours, logged in as the machine."""
    client = connect(lab.box)
    client.login("box", lab.box.password.get_secret_value())
    client.prot_p()
    client.voidcmd("TYPE I")
    yield client
    client.close()


def connect(account: Account) -> ftplib.FTP_TLS:
    context = ssl.create_default_context(cadata=account.ca_certificate)
    context.verify_flags |= ssl.VERIFY_X509_STRICT
    client = ftplib.FTP_TLS(context=context, timeout=5)
    client.connect(account.host, account.port)
    return client


def store(client: ftplib.FTP_TLS, path: PurePosixPath | str, data: bytes) -> None:
    with client.transfercmd(f"STOR {path}") as channel:
        channel.sendall(data)
        if isinstance(channel, ssl.SSLSocket):
            channel.unwrap()
    client.voidresp()


def said(caplog: pytest.LogCaptureFixture) -> str:
    """What the server logged under its own name; pytest hears pyftpdlib's logger besides."""
    return "\n".join(record.getMessage() for record in caplog.records if record.name == "fleetmark.ftp")


def sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


# --- what arrives


@pytest.mark.parametrize("size", [0, 1, 65_536, 300_001])
def test_what_is_written_is_read(lab: Lab, integrator: TransferClient, size: int) -> None:
    data = os.urandom(size)
    integrator.write(MINE.job, data)
    assert integrator.read(MINE.job, max_bytes=size) == data
    assert lab.disk(MINE.job).read_bytes() == data
    assert integrator.digest(MINE.job) == Digest(size, sha256(data))
    assert lab.unfinished() == []


@pytest.mark.parametrize("size", [0, 20 << 20])
def test_what_is_uploaded_is_downloaded(
    lab: Lab, integrator: TransferClient, tmp_path: Path, size: int
) -> None:
    source, target = tmp_path / "source", tmp_path / "folder" / "target"
    data = os.urandom(size)
    source.write_bytes(data)
    began = time.monotonic()
    integrator.upload(source, MODEL, sha256=sha256(data))
    with TransferClient(lab.box, timeout_s=5) as box:
        box.download(MODEL, target, sha256=sha256(data), size=size)
    assert time.monotonic() - began < 5  # an unanswered TLS farewell would take a timeout
    assert target.read_bytes() == data
    assert list(target.parent.iterdir()) == [target]
    assert lab.unfinished() == []


def test_an_upload_of_what_is_there_sends_nothing(
    lab: Lab, integrator: TransferClient, tmp_path: Path
) -> None:
    (tmp_path / "source").write_bytes(b"weights")
    before = lab.disk(MODEL).stat().st_ino
    integrator.upload(tmp_path / "source", MODEL, sha256=sha256(b"weights"))
    assert lab.disk(MODEL).stat().st_ino == before
    (tmp_path / "source").write_bytes(b"better weights")
    integrator.upload(tmp_path / "source", MODEL, sha256=sha256(b"better weights"))
    assert lab.disk(MODEL).read_bytes() == b"better weights"


def test_an_upload_whose_source_changed_is_no_upload(
    lab: Lab, integrator: TransferClient, tmp_path: Path
) -> None:
    (tmp_path / "source").write_bytes(b"changed")
    with pytest.raises(UserError, match="it was changed"):
        integrator.upload(tmp_path / "source", MODEL, sha256=sha256(b"planned"))
    assert lab.disk(MODEL).read_bytes() == b"weights"
    with pytest.raises(UserError, match="cannot be read"):
        integrator.upload(tmp_path / "nowhere", MODEL, sha256=sha256(b""))
    assert integrator.read(MODEL, max_bytes=100) == b"weights"


def test_a_read_is_bounded(integrator: TransferClient) -> None:
    with pytest.raises(DocumentError, match="6 bytes; at most 5 are"):
        integrator.read(MINE.job, max_bytes=5)


def test_a_file_that_is_not_there(integrator: TransferClient, tmp_path: Path) -> None:
    nowhere = PurePosixPath("/models/nowhere")
    assert integrator.digest(nowhere) is None
    assert integrator.digest(PurePosixPath("/models")) is None
    with pytest.raises(RefusedTransferError, match=re.escape("/models/nowhere: there is no such file")):
        integrator.read(nowhere, max_bytes=5)
    with pytest.raises(RefusedTransferError, match="nowhere is not retrievable"):
        integrator.download(nowhere, tmp_path / "target", sha256=sha256(b""), size=0)
    with pytest.raises(RefusedTransferError, match="No such file"):
        integrator.write(PurePosixPath("/models/no/folder"), b"")
    assert list(tmp_path.glob("*target*")) == []


@pytest.mark.parametrize(("size", "content"), [(7, b"weighed"), (6, b"weight"), (8, b"weights!")])
def test_a_download_of_something_else_leaves_no_file(
    integrator: TransferClient, tmp_path: Path, size: int, content: bytes
) -> None:
    target = tmp_path / "downloads" / "target"
    with pytest.raises(RefusedTransferError, match=re.escape("/models/m.bin: is not the file of")):
        integrator.download(MODEL, target, sha256=sha256(content), size=size)
    assert list(target.parent.iterdir()) == []
    integrator.download(MODEL, target, sha256=sha256(b"weights"), size=7)
    assert target.read_bytes() == b"weights"


def test_folders_and_listings(integrator: TransferClient, lab: Lab) -> None:
    folder = PurePosixPath("/machines/new/camp/results")
    assert integrator.list(folder) == []
    integrator.make_folder(folder)
    integrator.make_folder(folder)
    assert integrator.list(folder.parent) == ["results"]
    lab.put(folder / "b c.json", b"")
    lab.put(folder / "a", b"")
    lab.put(folder / "a.part-0123456789abcdef", b"")
    assert integrator.list(folder) == ["a", "b c.json"]
    assert integrator.list(PurePosixPath("/machines")) == ["box", "new", "other"]


# --- the machine's part, and its limits


def test_a_machine_does_its_work(box: TransferClient, lab: Lab, tmp_path: Path) -> None:
    assert box.read(MINE.job, max_bytes=100) == b"my job"
    box.download(MODEL, tmp_path / "model", sha256=sha256(b"weights"), size=7)
    box.make_folder(MINE.results)
    box.write(MINE.status, b"one")
    box.write(MINE.status, b"two")
    box.write(MINE.machine, b"cores")
    box.write(RESULT, b"numbers", replace=False)
    box.write(RESULT, b"numbers", replace=False)
    assert lab.disk(MINE.status).read_bytes() == b"two"
    assert box.list(MINE.results) == [RESULT.name]
    assert lab.unfinished() == []


@pytest.mark.parametrize("replace", [True, False])
def test_a_machine_cannot_overwrite_a_result(box: TransferClient, lab: Lab, replace: bool) -> None:
    box.make_folder(MINE.results)
    box.write(RESULT, b"numbers")
    with pytest.raises(
        RefusedTransferError, match=re.escape(str(RESULT)) + r".* (never overwritten|not replaced)"
    ):
        box.write(RESULT, b"better numbers", replace=replace)
    assert lab.disk(RESULT).read_bytes() == b"numbers"
    assert lab.unfinished() == []


def test_the_server_itself_keeps_results(raw: ftplib.FTP_TLS, lab: Lab) -> None:
    part = RESULT.with_name(RESULT.name + ".part-0123456789abcdef")
    finished = RESULT.with_name(RESULT.name + ".part-00000000000000ff")
    raw.mkd(str(MINE.results))
    with pytest.raises(ftplib.error_perm, match="550 Not enough privileges"):
        store(raw, RESULT, b"straight")
    store(raw, part, b"second")
    store(raw, finished, b"first")
    raw.rename(str(finished), str(RESULT))
    for attempt in (
        lambda: raw.rename(str(part), str(RESULT)),
        lambda: store(raw, part, b"second"),
    ):
        with pytest.raises(ftplib.error_perm, match=r"^550 .* is there already, and a result is never over"):
            attempt()
    raw.voidcmd("NOOP")
    for command in (f"APPE {RESULT}", f"DELE {RESULT}", f"SITE CHMOD 777 {RESULT}", f"RNFR {MINE.job}"):
        with pytest.raises(ftplib.error_perm):
            raw.transfercmd(command)
    raw.sendcmd("REST 1")
    with pytest.raises(ftplib.error_perm, match="never overwritten"):
        store(raw, part, b"nd")
    raw.sendcmd("REST 1")
    with pytest.raises(ftplib.error_perm, match="550 Not enough privileges"):
        store(raw, RESULT, b"nd")
    with pytest.raises(ftplib.error_perm, match="only an upload's temporary name"):
        raw.rename(str(RESULT), str(MINE.status))
    assert lab.disk(RESULT).read_bytes() == b"first"
    assert not lab.disk(MINE.status).exists()


@pytest.mark.parametrize(
    "path",
    [
        MINE.job,
        OTHERS.job,
        OTHERS.status,
        MODEL,
        PurePosixPath("/models/new"),
        PurePosixPath("/new"),
        PurePosixPath("/machines/box/status.json"),
        PurePosixPath("/machines/box/camp/../../other/camp/status.json"),
        PurePosixPath("/../outside"),
    ],
)
def test_a_machine_writes_nothing_else(box: TransferClient, lab: Lab, path: PurePosixPath) -> None:
    before = {file: file.read_bytes() for file in lab.server.root.parent.rglob("*") if file.is_file()}
    with pytest.raises(RefusedTransferError, match="Not enough privileges"):
        box.write(path, b"evil")
    after = {file: file.read_bytes() for file in lab.server.root.parent.rglob("*") if file.is_file()}
    assert after == before


@pytest.mark.parametrize("sent", [b"", b"no TLS\r\n" * 10])
def test_a_data_connection_of_a_refused_command_is_closed_without_a_word(
    raw: ftplib.FTP_TLS, lab: Lab, sent: bytes
) -> None:
    """An answer that nobody waits for would be taken for that to the next command."""
    for command in (f"STOR {MINE.job}", f"RETR {MINE.root}/nothing", "MLSD /machines/other"):
        channel = socket.create_connection(raw.makepasv(), 5)
        with pytest.raises(ftplib.error_perm, match=r"550|501"):
            raw.sendcmd(command)
        channel.sendall(sent)
        channel.close()
        for _ in range(10):
            assert raw.sendcmd("NOOP").startswith("200")
            time.sleep(0.005)


def test_a_data_connection_that_speaks_no_tls_ends_the_upload_that_waits_for_it(
    raw: ftplib.FTP_TLS, lab: Lab
) -> None:
    part = f"{RESULT}.part-0123456789abcdef"
    lab.disk(RESULT).parent.mkdir(parents=True)
    for _ in range(3):
        where = raw.makepasv()
        assert raw.sendcmd(f"STOR {part}").startswith("150")
        with socket.create_connection(where, 5) as channel:
            channel.sendall(b"no TLS\r\n" * 10)
            with pytest.raises(ftplib.error_temp, match="425 The data connection failed"):
                raw.voidresp()
        assert raw.sendcmd("NOOP").startswith("200")
        assert lab.unfinished() == []
    store(raw, part, b"numbers")
    assert lab.disk(PurePosixPath(part)).read_bytes() == b"numbers"


def test_a_machine_makes_no_other_folder_and_deletes_nothing(raw: ftplib.FTP_TLS, lab: Lab) -> None:
    lab.put(MINE.status, b"mine")
    for command in (
        "MKD /machines/box/camp2",
        "MKD /models/x",
        "MKD /machines/other/camp/results",
        f"DELE {MINE.status}",
        f"DELE {MODEL}",
        f"RMD {MINE.root}",
        f"RNFR {MINE.root}",
    ):
        with pytest.raises(ftplib.error_perm, match="550 Not enough privileges"):
            raw.sendcmd(command)
    assert lab.disk(MINE.status).exists()


def test_a_machine_sees_no_other_machine(raw: ftplib.FTP_TLS, box: TransferClient, lab: Lab) -> None:
    lab.put(PurePosixPath("/notes"), b"")
    assert box.list(PurePosixPath("/")) == ["machines", "models"]
    assert box.list(PurePosixPath("/machines")) == ["box"]
    for command in ("MLSD /machines", "LIST /machines", "NLST /machines"):
        lines: list[str] = []
        raw.retrlines(command, lines.append)
        assert any("box" in line for line in lines)
        assert not any("other" in line for line in lines)
    assert "other" not in raw.sendcmd("STAT /machines")
    for action in (
        lambda: box.list(OTHERS.root),
        lambda: box.read(OTHERS.job, max_bytes=100),
        lambda: box.digest(OTHERS.job),
        lambda: box.read(PurePosixPath("/machines/box/../other/camp/job.json"), max_bytes=100),
        lambda: box.digest(PurePosixPath("/notes")),
        lambda: box.digest(PurePosixPath("/machines/absent/camp/job.json")),
    ):
        with pytest.raises(RefusedTransferError, match="Not enough privileges"):
            action()
    for command in ("CWD /machines/other", f"SIZE {OTHERS.job}", f"MDTM {OTHERS.job}", f"MLST {OTHERS.root}"):
        with pytest.raises(ftplib.error_perm, match="550 Not enough privileges"):
            raw.sendcmd(command)
    raw.cwd("/machines/box")
    with pytest.raises(ftplib.error_perm, match="550 Not enough privileges"):
        raw.cwd("../other")


def test_changing_folder_leaves_the_process_where_it_is(
    raw: ftplib.FTP_TLS, monkeypatch: pytest.MonkeyPatch
) -> None:
    changed: list[str] = []
    monkeypatch.setattr(os, "chdir", changed.append)
    raw.cwd(str(MINE.root))
    assert raw.pwd() == str(MINE.root)
    assert raw.sendcmd("SIZE job.json") == "213 6"
    assert changed == []


@pytest.mark.parametrize("user", ["box", "integrator"])
def test_symbolic_links_lead_nowhere(lab: Lab, tmp_path: Path, user: str) -> None:
    (tmp_path / "secret").mkdir()
    (tmp_path / "secret" / "key").write_bytes(b"secret")
    mine = lab.disk(MINE.root)
    (mine / "out").symlink_to(tmp_path / "secret")
    (mine / "key").symlink_to(tmp_path / "secret" / "key")
    (mine / "aside").symlink_to(lab.disk(OTHERS.root))
    (mine / "status.json").symlink_to(tmp_path / "secret" / "key")
    with TransferClient(getattr(lab, user), timeout_s=5) as client:
        assert client.list(MINE.root) == ["job.json"]
        for name in ("out/key", "key", "aside/job.json", "status.json"):
            with pytest.raises(RefusedTransferError, match="outside"):
                client.read(MINE.root / name, max_bytes=100)
        with pytest.raises(RefusedTransferError, match="outside"):
            client.write(MINE.status, b"overwritten")
        with pytest.raises(RefusedTransferError, match=r"outside|No such"):
            client.list(MINE.root / "out")
    assert (tmp_path / "secret" / "key").read_bytes() == b"secret"


def test_the_integrator_stays_inside_the_root(integrator: TransferClient, tmp_path: Path) -> None:
    (tmp_path / "outside").write_bytes(b"outside")
    assert integrator.digest(PurePosixPath("/../outside")) is None
    assert integrator.digest(PurePosixPath(str(tmp_path / "outside"))) is None


def test_the_integrator_corrects_and_clears(integrator: TransferClient, lab: Lab) -> None:
    lab.put(RESULT, b"numbers")
    integrator.write(RESULT, b"corrected")
    assert lab.disk(RESULT).read_bytes() == b"corrected"
    with pytest.raises(RefusedTransferError, match="is there already with different content"):
        integrator.write(RESULT, b"again", replace=False)


# --- who is on the other side


def test_a_wrong_password_is_refused_and_said_nowhere(lab: Lab, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    wrong = lab.box.model_copy(update={"password": SecretStr("guessed-password")})
    with TransferClient(wrong, timeout_s=5) as client, pytest.raises(RefusedTransferError) as refusal:
        client.digest(MINE.job)
    assert f"{lab.box.host}:{lab.box.port}: could not log in as box" in str(refusal.value)
    assert "530" in str(refusal.value)
    assert refusal.value.advice
    with TransferClient(lab.box, timeout_s=5) as client:
        client.write(MINE.status, b"x")
        with pytest.raises(RefusedTransferError) as other:
            client.write(MINE.job, b"x")
    everything = (
        caplog.text
        + "".join(traceback.format_exception(refusal.value))
        + "".join(traceback.format_exception(other.value))
    )
    assert "USER 'box' logged in" in said(caplog)
    assert "failed login" in said(caplog)
    assert not logging.getLogger("pyftpdlib").propagate
    for secret in ("guessed-password", lab.box.password.get_secret_value()):
        assert secret not in everything


def test_nothing_is_printed(lab: Lab, box: TransferClient, capfd: pytest.CaptureFixture[str]) -> None:
    box.write(MINE.status, b"x")
    assert capfd.readouterr() == ("", "")


def test_an_unknown_user_is_refused(lab: Lab) -> None:
    stranger = lab.box.model_copy(update={"user": "stranger"})
    with (
        TransferClient(stranger, timeout_s=5) as client,
        pytest.raises(RefusedTransferError, match="as stranger"),
    ):
        client.digest(MINE.job)


def test_another_authority_is_not_believed(shared: FtpServer, lab: Lab) -> None:
    deceived = lab.box.model_copy(update={"port": shared.address[1]})
    with TransferClient(deceived, timeout_s=5) as client, pytest.raises(UntrustedServerError) as refusal:
        client.digest(MINE.job)
    assert f"127.0.0.1:{shared.address[1]}" in str(refusal.value)
    assert "unable to get local issuer certificate" in str(refusal.value)
    assert "account" in refusal.value.advice


def test_another_host_name_is_not_believed(lab: Lab) -> None:
    moved = lab.box.model_copy(update={"host": "localhost"})
    with (
        TransferClient(moved, timeout_s=5) as client,
        pytest.raises(UntrustedServerError, match="'localhost'"),
    ):
        client.digest(MINE.job)


def test_each_name_of_the_server_is_believed(shared: FtpServer) -> None:
    account = shared.add_account("by-name", Role.MACHINE).model_copy(update={"host": "localhost"})
    with TransferClient(account, timeout_s=5) as client:
        assert client.list(PurePosixPath("/")) == ["machines", "models"]


def test_an_account_with_a_broken_certificate_says_so(lab: Lab) -> None:
    for broken in ("", "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"):
        account = lab.box.model_copy(update={"ca_certificate": broken})
        with (
            TransferClient(account) as client,
            pytest.raises(UserError, match="CA certificate cannot be read"),
        ):
            client.digest(MINE.job)


def test_the_server_takes_no_password_in_clear(lab: Lab) -> None:
    with ftplib.FTP(timeout=5) as client:
        client.connect(lab.box.host, lab.box.port)
        with pytest.raises(ftplib.error_perm, match="550 SSL/TLS required on the control channel"):
            client.login("box", lab.box.password.get_secret_value())


def test_the_server_sends_no_data_in_clear(lab: Lab) -> None:
    client = connect(lab.box)
    client.login("box", lab.box.password.get_secret_value())
    try:
        with pytest.raises(ftplib.error_perm, match="550 SSL/TLS required on the data channel"):
            client.retrlines("NLST")
        client.prot_p()
        with pytest.raises(ftplib.error_perm, match="534 Data connections are protected"):
            client.prot_c()  # after PASV it would have a file sent in clear
        with pytest.raises(ftplib.error_perm, match="not understood"):
            client.sendcmd("PORT 127,0,0,1,200,200")
    finally:
        client.close()


def test_old_tls_is_refused(lab: Lab) -> None:
    context = ssl.create_default_context(cadata=lab.box.ca_certificate)
    context.set_ciphers("ALL:@SECLEVEL=0")
    context.minimum_version = ssl.TLSVersion.MINIMUM_SUPPORTED
    with pytest.warns(DeprecationWarning, match=r"TLSv1_1"):
        context.maximum_version = ssl.TLSVersion.TLSv1_1
    client = ftplib.FTP_TLS(context=context, timeout=5)
    client.connect(lab.box.host, lab.box.port)
    with pytest.raises((ssl.SSLError, OSError)):
        client.auth()
    client.close()


def test_commands_in_clear_do_not_survive_the_start_of_tls(lab: Lab) -> None:
    client = connect(lab.box)
    assert client.sock is not None
    client.sock.sendall(b"AUTH TLS\r\nHELP\r\n")
    assert client.getresp().startswith("234")
    client.sock = client.context.wrap_socket(client.sock, server_hostname=client.host)
    client.file = client.sock.makefile("r", encoding="utf-8")
    assert client.sendcmd("NOOP").startswith("200")  # and not the answer to HELP
    client.close()


def test_a_command_is_one_printable_line(raw: ftplib.FTP_TLS, caplog: pytest.LogCaptureFixture) -> None:
    assert raw.sock is not None
    raw.sock.sendall(b"MKD /machines/box\n[admin] forged line\r\n")
    with pytest.raises(ftplib.error_perm, match="501 A command is one line"):
        raw.getresp()
    assert "forged" not in caplog.text


# --- what goes wrong on the way


def test_a_transfer_whose_data_connection_never_comes_leaves_no_file(raw: ftplib.FTP_TLS, lab: Lab) -> None:
    lab.disk(MINE.results).mkdir(parents=True)
    part = f"{MINE.results}/t1.0.json.gz.part-0123456789abcdef"
    for following in ("EPSV", "LIST"):
        assert raw.sendcmd(f"STOR {part}").startswith("150")
        assert len(lab.unfinished()) == 1
        raw.putcmd(following)
        raw.getresp()
        assert lab.unfinished() == []
    assert raw.sendcmd(f"STOR {part}").startswith("150")
    raw.close()
    assert wait_for(lambda: lab.unfinished() == [])


def test_a_second_transfer_does_not_take_the_connection_of_the_first(raw: ftplib.FTP_TLS, lab: Lab) -> None:
    lab.disk(MINE.results).mkdir(parents=True)
    part = MINE.results / "t1.0.json.gz.part-0123456789abcdef"
    with raw.transfercmd(f"STOR {part}") as channel:
        channel.sendall(b"first")
        for second in (f"STOR {MINE.status}", f"RETR {MINE.job}", "LIST"):
            with pytest.raises(ftplib.error_temp, match="450 A transfer is under way"):
                raw.sendcmd(second)
        channel.sendall(b" and last")
        assert isinstance(channel, ssl.SSLSocket)
        channel.unwrap()
    assert raw.voidresp().startswith("226")
    assert lab.disk(part).read_bytes() == b"first and last"
    assert not lab.disk(MINE.status).exists()


class Damaging(TransferClient):
    """Flips a byte of what is on the server's disk, between storing and verifying."""

    lab: Lab

    def _check_stored(self, connection: FtpConnection, temporary: PurePosixPath, wanted: Digest) -> None:
        with self.lab.disk(temporary).open("r+b") as file:
            byte = file.read(1)
            file.seek(0)
            file.write(bytes([byte[0] ^ 1]))
        super()._check_stored(connection, temporary, wanted)


@pytest.mark.parametrize("user", ["integrator", "box"])
def test_a_damaged_upload_never_gets_its_name(lab: Lab, user: str) -> None:
    with Damaging(getattr(lab, user), timeout_s=5, retry=QUICK) as client:
        client.lab = lab
        with pytest.raises(TransientTransferError, match="arrived damaged"):
            client.write(MINE.status, b"numbers")
    assert not lab.disk(MINE.status).exists()
    assert len(lab.unfinished()) == (0 if user == "integrator" else 1)


def test_a_file_replaced_between_hash_and_fetch_is_read_again(
    lab: Lab, box: TransferClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    transfer = ftplib.FTP_TLS.transfercmd
    versions = [b"newer", b"newest"]

    def replaced_first(self: ftplib.FTP_TLS, cmd: str, rest: int | str | None = None) -> socket.socket:
        if versions:
            lab.put(MINE.job, versions.pop(0))
        return transfer(self, cmd, rest)

    monkeypatch.setattr(ftplib.FTP_TLS, "transfercmd", replaced_first)
    assert box.read(MINE.job, max_bytes=100) == b"newest"


def test_an_idle_client_connects_again(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    with FtpServer(tmp_path, idle_timeout_s=0.2) as server:
        lab = start(server)
        with TransferClient(lab.box, timeout_s=5) as client:
            client.write(MINE.status, b"before")
            deadline = time.monotonic() + 5
            while "Control connection timed out" not in said(caplog) and time.monotonic() < deadline:
                time.sleep(0.05)
            client.write(MINE.status, b"after")
        assert said(caplog).count("logged in") == 2
        assert lab.disk(MINE.status).read_bytes() == b"after"


def test_a_stopped_server_is_a_passing_failure(tmp_path: Path) -> None:
    with FtpServer(tmp_path) as server:
        lab = start(server)
        client = TransferClient(lab.box, timeout_s=5, retry=QUICK)
        client.write(MINE.status, b"x")
    for _ in range(2):
        with pytest.raises(TransientTransferError, match="connection refused") as failure:
            client.write(MINE.status, b"y")
        assert f"{lab.box.host}:{lab.box.port}" in str(failure.value)
        assert failure.value.advice
    client.close()
    client.close()


def test_a_server_that_stops_in_the_middle_is_a_passing_failure(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    server = FtpServer(tmp_path)
    server.start()
    lab = start(server)

    def chunks() -> Iterator[bytes]:
        yield b"x" * 1000
        server.stop()
        yield b"x" * 1000

    monkeypatch.setattr("protocol.transfer._chunks", lambda stream, offset: chunks())
    with (
        TransferClient(lab.box, timeout_s=5, retry=ONCE) as client,
        pytest.raises(TransientTransferError),
    ):
        client.write(MINE.status, b"x")
    assert not lab.disk(MINE.status).exists()


def test_a_silent_server_is_a_passing_failure(lab: Lab) -> None:
    with socket.create_server(("127.0.0.1", 0)) as mute:
        account = lab.box.model_copy(update={"port": mute.getsockname()[1]})
        client = TransferClient(account, timeout_s=0.2, retry=QUICK)
        with pytest.raises(TransientTransferError, match=r"no answer within 0\.2 s"):
            client.digest(MINE.job)


def test_a_server_without_a_tls_farewell_does_not_hold_the_client(
    lab: Lab, box: TransferClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(DataChannel, "_do_ssl_shutdown", DataChannel.abandon)
    began = time.monotonic()
    for _ in range(10):
        box.write(MINE.status, b"x" * 100_000)
        assert len(box.read(MINE.status, max_bytes=100_000)) == 100_000
    assert box.list(MINE.root) == ["job.json", "status.json"]
    assert time.monotonic() - began < 2


def test_a_path_that_is_two_commands_is_no_path(box: TransferClient) -> None:
    for path in ("/models/x\r\nDELE /models/m.bin", "models"):
        with pytest.raises(ValueError, match="not an absolute path"):
            box.digest(PurePosixPath(path))


# --- the server's own promises


def test_a_long_hash_lets_others_in_between(lab: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    with lab.disk(MODEL).open("wb") as file:
        file.truncate(256 << 20)
    monkeypatch.setattr("ftp_server.hashing._SIGN_OF_LIFE_S", 0.02)
    done = threading.Event()
    found: list[Digest | None] = []

    def hash_it() -> None:
        with TransferClient(lab.integrator, timeout_s=5) as client:
            found.append(client.digest(MODEL))
        done.set()

    with TransferClient(lab.box, timeout_s=5) as client:
        client.digest(MINE.job)
        thread = threading.Thread(target=hash_it)
        thread.start()
        answered = 0
        while not done.is_set():
            client.digest(MINE.job)
            answered += 1
        thread.join()
    assert found[0] is not None
    assert found[0].size == 256 << 20
    assert found[0].sha256 == "a6d72ac7690f53be6ae46ba88506bd97302a093f7108472bd9efc3cefda06484"
    assert answered > 20


def test_a_server_can_be_stopped_in_a_hash_and_in_a_login(lab: Lab, raw: ftplib.FTP_TLS) -> None:
    with lab.disk(MODEL).open("wb") as file:
        file.truncate(4 << 30)
    raw.putcmd(f"HASH {MODEL}")
    waiting = connect(lab.box)
    waiting.auth()
    waiting.sendcmd("USER box")
    waiting.putcmd("PASS wrong")
    time.sleep(0.1)
    began = time.monotonic()
    lab.server.stop()
    assert time.monotonic() - began < 1
    waiting.close()


def test_stopping_ends_the_thread_and_may_be_repeated(tmp_path: Path) -> None:
    before = threading.active_count()
    server = FtpServer(tmp_path)
    with pytest.raises(RuntimeError, match="not started"):
        server.add_account("box", Role.MACHINE)
    server.stop()
    server.start()
    assert threading.active_count() == before + 1
    server.stop()
    server.stop()
    assert threading.active_count() == before
    with pytest.raises(RuntimeError, match="started before"):
        server.start()
    with pytest.raises(ValueError, match="advertised"):
        FtpServer(tmp_path, host="0.0.0.0")


def test_a_taken_port_is_an_error_that_leaves_nothing_open(lab: Lab, tmp_path: Path) -> None:
    with pytest.raises(OSError, match="in use"), FtpServer(tmp_path, port=lab.box.port):
        pass


def test_the_limit_of_connections_holds(tmp_path: Path) -> None:
    with FtpServer(tmp_path, max_connections=4) as server:
        lab = start(server)
        with TransferClient(lab.box, timeout_s=5) as client:
            assert client.list(PurePosixPath("/machines")) == ["box"]
            others = [socket.create_connection(server.address, timeout=5) for _ in range(4)]
            try:
                assert b"421 Too many connections" in others[-1].recv(200)
                assert client.digest(MINE.job) is not None
            finally:
                for other in others:
                    other.close()


def test_a_connection_that_cannot_be_accepted_does_not_end_the_server(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    accept = _Listener.accept
    failures = [OSError(24, "Too many open files")]

    def scarce(self: _Listener) -> tuple[socket.socket, object] | None:
        if failures:
            raise failures.pop()
        return accept(self)  # type: ignore[no-any-return]

    monkeypatch.setattr(_Listener, "accept", scarce)
    monkeypatch.setattr("ftp_server.server._ACCEPT_PAUSE_S", 0.05)
    with FtpServer(tmp_path) as server, TransferClient(start(server).box, timeout_s=5) as client:
        assert client.read(MINE.job, max_bytes=10) == b"my job"
    assert "could not be accepted" in caplog.text


@pytest.mark.parametrize("name", ["integrator", "box", "", "Box", "../x", "a b"])
def test_names_of_accounts(lab: Lab, name: str) -> None:
    with pytest.raises(ValueError, match="account"):
        lab.server.add_account(name, Role.MACHINE)


def test_the_certificate(tmp_path: Path) -> None:
    path = tmp_path / "server.pem"
    authority = x509.load_pem_x509_certificate(
        create_certificate(["ftp.lab", "10.0.0.1", "::1", "ftp.lab"], path).encode()
    )
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    pem = path.read_bytes()
    assert pem.count(b"PRIVATE KEY-----") == 2  # the server's begins and ends; the authority's is nowhere
    server = x509.load_pem_x509_certificate(pem)
    server.verify_directly_issued_by(authority)
    names = server.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    assert names.get_values_for_type(x509.DNSName) == ["ftp.lab"]
    assert [str(address) for address in names.get_values_for_type(x509.IPAddress)] == ["10.0.0.1", "::1"]
    with pytest.raises(ValueError, match="at least one name"):
        create_certificate([], path)


def test_an_unknown_host_name_is_a_passing_failure(lab: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    def unknown(*args: object, **kwargs: object) -> None:
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    monkeypatch.setattr(socket, "getaddrinfo", unknown)
    with (
        TransferClient(lab.box, timeout_s=5, retry=ONCE) as client,
        pytest.raises(TransientTransferError, match="not known"),
    ):
        client.digest(MINE.job)


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 2 MB of its own."""
    folder = tmp_path / "small"
    folder.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=2m", "tmpfs", str(folder)], check=False, capture_output=True
    )
    if mounted.returncode:
        pytest.skip(f"a tmpfs cannot be mounted here: {mounted.stderr.decode().strip()}")
    try:
        yield folder
    finally:
        subprocess.run(["umount", "-l", str(folder)], check=True)


@pytest.mark.parametrize("size", [3 << 20, 8 << 20])
def test_a_full_disk_is_said_by_the_server_and_not_by_a_timeout(small_disk: Path, size: int) -> None:
    with (
        FtpServer(small_disk / "root") as server,
        TransferClient(server.add_account("integrator", Role.INTEGRATOR), timeout_s=20) as client,
    ):
        begin = time.monotonic()
        with pytest.raises(TransferError, match="No space left on device"):
            client.write(PurePosixPath("/big"), bytes(size))
        assert time.monotonic() - begin < 15
        client.write(PurePosixPath("/small"), b"still serving")
        assert client.list(PurePosixPath("/")) == ["machines", "models", "small"]


def test_a_disk_that_is_full_for_the_last_bytes_is_not_a_complete_transfer(small_disk: Path) -> None:
    with FtpServer(small_disk / "root") as server:
        account = server.add_account("integrator", Role.INTEGRATOR)
        client = connect(account)
        client.login("integrator", account.password.get_secret_value())
        client.prot_p()
        client.voidcmd("TYPE I")
        with (small_disk / "fill").open("wb", buffering=0) as fill, contextlib.suppress(OSError):
            while True:
                fill.write(bytes(4096))
        with client.transfercmd("STOR /small") as channel:
            channel.sendall(b"x" * 1000)
            with contextlib.suppress(OSError):
                cast("ssl.SSLSocket", channel).unwrap()
        with pytest.raises(ftplib.error_temp, match="452 No space left on device"):
            client.voidresp()
        assert not (server.root / "small").exists()
        client.close()
