"""How often a small file waits for the network: on a long line that, and nothing else, is what it costs."""

from __future__ import annotations

import ssl
from collections.abc import Iterator
from pathlib import Path, PurePosixPath

import pytest

from ftp_server.permissions import Role
from ftp_server.server import FtpServer
from protocol.errors import ContentConflictError, RefusedTransferError
from protocol.ftp_connection import FtpConnection
from protocol.layout import CampaignFolder
from protocol.transfer import TransferClient

CAMPAIGN = CampaignFolder("box", "camp")
RESULT = CAMPAIGN.result("t1", 0)
DATA = b"numbers" * 3000


class Trace:
    """The words of commands, together where they were sent before an answer was waited for."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.turns: list[list[str]] = []
        self.sessions: list[bool | None] = []
        self._waiting = True
        put_line, get_line, open_channel = (
            FtpConnection.putline,
            FtpConnection.getline,
            FtpConnection.ntransfercmd,
        )

        def putting(connection: FtpConnection, line: str) -> None:
            if self._waiting:
                self.turns.append([])
            self._waiting = False
            self.turns[-1].append(line.split(" ", maxsplit=1)[0])
            put_line(connection, line)

        def getting(connection: FtpConnection) -> str:
            self._waiting = True
            return get_line(connection)

        def opening(connection: FtpConnection, cmd: str, rest: int | str | None = None) -> tuple:  # type: ignore[type-arg]
            channel, size = open_channel(connection, cmd, rest)
            assert isinstance(channel, ssl.SSLSocket)
            self.sessions.append(channel.session_reused)
            return channel, size

        monkeypatch.setattr(FtpConnection, "putline", putting)
        monkeypatch.setattr(FtpConnection, "getline", getting)
        monkeypatch.setattr(FtpConnection, "ntransfercmd", opening)

    def take(self) -> list[list[str]]:
        turns, self.turns = self.turns, []
        return turns


@pytest.fixture
def server(tmp_path: Path) -> Iterator[FtpServer]:
    with FtpServer(tmp_path / "files") as server:
        yield server


@pytest.fixture
def box(server: FtpServer) -> Iterator[TransferClient]:
    (server.root / str(CAMPAIGN.results).lstrip("/")).mkdir(parents=True)
    with TransferClient(server.add_account("box", Role.MACHINE), timeout_s=5) as client:
        yield client


def disk(server: FtpServer, path: PurePosixPath) -> Path:
    return server.root / path.relative_to("/")


def test_a_login_waits_for_what_it_depends_on(box: TransferClient, monkeypatch: pytest.MonkeyPatch) -> None:
    trace = Trace(monkeypatch)
    assert box.digest(RESULT) is None
    assert trace.take() == [["AUTH"], ["USER"], ["PASS"], ["PBSZ", "PROT", "TYPE"], ["HASH"]]


def test_a_result_costs_four_answers_and_one_resumed_handshake(
    box: TransferClient, server: FtpServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert box.digest(RESULT) is None  # connected
    trace = Trace(monkeypatch)
    box.write(RESULT, DATA, replace=False)
    assert trace.take() == [["EPSV", "HASH"], ["STOR"], ["RNFR", "HASH"], ["RNTO"]]
    assert trace.sessions == [True]
    assert disk(server, RESULT).read_bytes() == DATA


def test_the_same_result_again_costs_one_answer_and_no_handshake(
    box: TransferClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    box.write(RESULT, DATA, replace=False)
    trace = Trace(monkeypatch)
    box.write(RESULT, DATA, replace=False)
    with pytest.raises(ContentConflictError):
        box.write(RESULT, b"other numbers", replace=False)
    assert trace.take() == [["EPSV", "HASH"]] * 2
    assert trace.sessions == []
    assert box.list(RESULT.parent) == [RESULT.name]  # asks anew where to connect to
    assert trace.take() == [["EPSV"], ["MLSD"]]


def test_a_small_file_is_read_by_two_answers(box: TransferClient, monkeypatch: pytest.MonkeyPatch) -> None:
    box.write(CAMPAIGN.status, DATA)
    trace = Trace(monkeypatch)
    assert box.read(CAMPAIGN.status, max_bytes=len(DATA)) == DATA
    assert trace.take() == [["EPSV", "HASH"], ["RETR"]]
    box.digests(CAMPAIGN.status, CAMPAIGN.job)
    assert trace.take() == [["HASH", "HASH"]]
    assert trace.sessions == [True]


def test_a_refused_transfer_is_said_and_leaves_the_connection_in_order(
    box: TransferClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    """TLS was begun on the data connection before the server said no."""
    box.write(RESULT, DATA, replace=False)
    trace = Trace(monkeypatch)
    for _ in range(3):
        with pytest.raises(RefusedTransferError, match="is there already"):
            box.write(RESULT, b"other numbers")
        assert box.read(RESULT, max_bytes=len(DATA)) == DATA
    assert sum(turn == ["PASS"] for turn in trace.take()) == 0
