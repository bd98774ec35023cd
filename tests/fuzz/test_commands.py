"""Whatever a machine sends as commands: the server answers, keeps what it has, and makes no error of its own.

More of them: `python -m tests.fuzz.commands --inputs 1000000`.
"""

from __future__ import annotations

import gc
import logging
import time
from pathlib import Path, PurePosixPath

import pytest

from ftp_server.permissions import Role
from ftp_server.server import FtpServer
from protocol.transfer import TransferClient
from tests.fuzz.commands import Commands


def test_broken_commands(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    with FtpServer(tmp_path / "root") as server:
        commands = Commands(server, time.time_ns())
        commands.send(3000)
        commands.close()
        with TransferClient(server.add_account("integrator", Role.INTEGRATOR), timeout_s=5) as client:
            assert client.read(PurePosixPath("/models/abc/m.bin"), max_bytes=100) == b"weights"
    gc.collect()  # a socket or file left open would warn here, and a warning fails the test
    assert [record for record in caplog.records if record.levelno >= logging.ERROR] == []
    assert all(commands.answers[digit] for digit in "1245"), commands.answers


@pytest.mark.parametrize("path", ["x" * 300, "/".join(["x"] * 1000), "models/abc/m.bin/x", "."])
def test_a_hash_of_no_file_is_an_answer(tmp_path: Path, caplog: pytest.LogCaptureFixture, path: str) -> None:
    """A name that is too long met the fuzzer in `is_file`."""
    with (
        FtpServer(tmp_path / "root") as server,
        TransferClient(server.add_account("integrator", Role.INTEGRATOR), timeout_s=5) as client,
    ):
        assert client.digest(PurePosixPath("/") / path) is None
    assert [record for record in caplog.records if record.levelno >= logging.ERROR] == []
