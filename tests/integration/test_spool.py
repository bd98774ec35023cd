"""The spool against the real server: what is refused holds up nothing, and old parts do not stay."""

from __future__ import annotations

import fcntl
import os
import time
from datetime import UTC, datetime
from pathlib import Path

import pytest

from agent.leftovers import tidy
from agent.models import ModelCache
from agent.spool import Spool
from ftp_server.limits import Limits
from ftp_server.permissions import Role
from ftp_server.server import FtpServer
from protocol.errors import ContentConflictError, RefusedTransferError
from protocol.layout import CampaignFolder
from protocol.result import Phases, Result, Status
from protocol.transfer import TransferClient

FOLDER = CampaignFolder("box", "camp")


def result(run: int, reason: str) -> Result:
    return Result(
        campaign="camp",
        machine="box",
        test="t1",
        run=run,
        model_sha256="a" * 64,
        status=Status.NOT_RUN,
        reason=reason,
        started_at=datetime(2026, 1, 1, tzinfo=UTC),
        openvino_version=None,
        timed_region="inference",
        preprocessing=False,
        phases=Phases(total_ms=0.0),
    )


def test_a_result_that_the_server_never_takes_does_not_hold_up_the_others(tmp_path: Path) -> None:
    spool = Spool(tmp_path / "spool", FOLDER)
    with FtpServer(tmp_path / "root", limits=Limits(max_file_bytes=5000)) as server:
        (server.root / str(FOLDER.results).lstrip("/")).mkdir(parents=True)
        for run, reason in enumerate(["small", os.urandom(9000).hex(), "small too"]):
            spool.add(result(run, reason))
        with TransferClient(server.add_account("box", Role.MACHINE), timeout_s=5) as client:
            for _ in range(2):
                error = spool.try_drain(client)
                assert isinstance(error, RefusedTransferError)
                assert "552 A file may have at most 5,000 bytes" in str(error)
                assert client.list(FOLDER.results) == ["t1.0.json.gz", "t1.2.json.gz"]
                assert spool.names() == ["t1.1.json.gz"]


def test_a_conflict_that_cannot_be_put_aside_waits(tmp_path: Path) -> None:
    """It is the only copy of what was measured here; a file is in the way of the folder."""
    spool = Spool(tmp_path / "spool", FOLDER)
    with FtpServer(tmp_path / "root") as server:
        theirs = server.root / str(FOLDER.results).lstrip("/") / "t1.0.json.gz"
        theirs.parent.mkdir(parents=True)
        theirs.write_bytes(b"another")
        for run in range(2):
            spool.add(result(run, "mine"))
        mine = (tmp_path / "spool" / "t1.0.json.gz").read_bytes()
        (tmp_path / "spool" / "refused").write_bytes(b"")
        with TransferClient(server.add_account("box", Role.MACHINE), timeout_s=5) as client:
            assert isinstance(spool.try_drain(client), ContentConflictError)
            assert spool.names() == ["t1.0.json.gz"]
            (tmp_path / "spool" / "refused").unlink()
            assert spool.try_drain(client) is None
        assert spool.names() == []
        assert (tmp_path / "spool" / "refused" / "t1.0.json.gz").read_bytes() == mine
        assert theirs.read_bytes() == b"another"


def test_what_a_killed_agent_was_writing_goes(tmp_path: Path) -> None:
    spool = Spool(tmp_path / "spool" / "camp", FOLDER)
    spool.add(result(0, "whole"))
    (tmp_path / "spool" / "camp" / ".t1.1.json.gz.x1y2").write_bytes(b"half")
    (tmp_path / "scratch" / "tmpabc").mkdir(parents=True)
    (tmp_path / "scratch" / "tmpabc" / "starts").write_bytes(b"0")
    tidy(tmp_path)
    tidy(tmp_path)
    assert spool.names() == ["t1.0.json.gz"]
    assert [path.name for path in tmp_path.rglob("*")] == ["spool", "camp", "t1.0.json.gz"]


@pytest.mark.parametrize("hours", [23, 25])
def test_parts_of_models_are_kept_for_a_day_and_as_long_as_somebody_writes(
    tmp_path: Path, hours: int
) -> None:
    then = time.time() - hours * 3600
    folder = tmp_path / ("a" * 64)
    folder.mkdir()
    model, idle, busy = folder / "m.xml", folder / ".m.bin.part-0123456789abcdef", folder / ".m.xml.part-0"
    for path in (model, idle, busy):
        path.write_bytes(b"half")
        os.utime(path, (then, then))
    with busy.open("rb") as stream:
        fcntl.flock(stream, fcntl.LOCK_EX)
        ModelCache(tmp_path).tidy()
    assert model.exists()
    assert busy.exists()
    assert idle.exists() == (hours < 24)
